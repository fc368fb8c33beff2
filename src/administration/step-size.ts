/** So long one step should take: others wait for it on the embedded engine, which has one session. */
const TARGET_MS = 50
const [FIRST, MORE, LEAST] = [100, 50, 20]

/**
 * How much one step of work behind the requests does, learned from how long the last ones took. A step that was quick makes the next
 * one a little larger, and one that was slow makes it half as large.
 */
export class StepSize {
  readonly #largest: number
  #size: number
  #tookMs = 0

  constructor(largest: number) {
    this.#largest = largest
    this.#size = Math.min(FIRST, largest)
  }

  get size(): number {
    return this.#size
  }

  /** The pause before the next step: as long as the last one took, so that others have half of the time. */
  get restMs(): number {
    return this.#tookMs
  }

  took(ms: number): void {
    this.#tookMs = ms
    this.#size =
      ms > TARGET_MS ? Math.max(LEAST, Math.floor(this.#size / 2)) : Math.min(this.#largest, this.#size + MORE)
  }
}
