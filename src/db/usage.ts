/** For how long connections were used. What is under way counts up to now. */
export class Usage {
  used = 0
  running = 0
  #begun = 0

  at(now: number): number {
    return this.used + this.running * now - this.#begun
  }

  begin(now: number): void {
    this.running++
    this.#begun += now
  }

  end(now: number, begun: number): void {
    this.running--
    this.#begun = this.running === 0 ? 0 : this.#begun - begun
    this.used += now - begun
  }
}

const FIRST_SWEEP = 100

/** Those that share something by the time for which they have had it. */
export class Siblings<T extends Usage & { readonly waiting: number }> {
  readonly #make: () => T
  readonly #all = new Map<string, T>()
  readonly #waiting = new Set<T>()
  /** How much each one had at least that had its turn last: who comes anew begins there, and not at nothing. */
  #level = 0
  #highest = 0
  #sweepAt = FIRST_SWEEP

  constructor(make: () => T) {
    this.#make = make
  }

  get waiting(): boolean {
    return this.#waiting.size > 0
  }

  get(name: string): T {
    let one = this.#all.get(name)
    if (one === undefined) {
      if (this.#all.size >= this.#sweepAt) this.#sweep()
      one = this.#make()
      this.#all.set(name, one)
    }
    if (one.running === 0 && one.waiting === 0) one.used = Math.max(one.used, this.#level)
    return one
  }

  begin(one: T, now: number): void {
    this.#level = Math.max(this.#level, one.at(now))
    one.begin(now)
  }

  end(one: T, now: number, begun: number): void {
    one.end(now, begun)
    this.#highest = Math.max(this.#highest, one.used)
  }

  /** To be called when something begins or ends to wait. */
  waits(one: T): void {
    if (one.waiting > 0) this.#waiting.add(one)
    else this.#waiting.delete(one)
  }

  /** The one that waits and has had the least, of those that may. */
  least(now: number, may: (one: T) => boolean = () => true): T | undefined {
    let [found, least] = [undefined as T | undefined, Number.POSITIVE_INFINITY]
    for (const one of this.#waiting) {
      const used = one.at(now)
      if (used < least && may(one)) [found, least] = [one, used]
    }
    return found
  }

  /**
   * To be called when none has anything left to do. All begin level then: who has had much before owes nothing to others who
   * asked for nothing meanwhile.
   */
  rest(): void {
    this.#level = this.#highest
  }

  #sweep(): void {
    for (const [name, one] of this.#all)
      if (one.running === 0 && one.waiting === 0 && one.used <= this.#level) this.#all.delete(name)
    this.#sweepAt = Math.max(FIRST_SWEEP, 2 * this.#all.size)
  }
}
