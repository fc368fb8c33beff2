/** How long ago work that repeats behind the requests last got on. */
export class Progress {
  #madeAt: number | undefined

  /** The work got on, or begins. */
  made(): void {
    this.#madeAt = performance.now()
  }

  /** The work is over. */
  over(): void {
    this.#madeAt = undefined
  }

  /** Milliseconds since it last got on; 0 where no work is to be done. */
  get standstillMs(): number {
    return this.#madeAt === undefined ? 0 : performance.now() - this.#madeAt
  }
}
