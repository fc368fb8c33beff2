/** How long one piece of work has the thread in one go. A request that comes meanwhile waits no longer. */
const SLICE_MS = 5

type NextTurn = (begin: () => void) => unknown

/**
 * Shares out the one thread on which JavaScript runs among long pieces of work, such as the preparation of a bulk request. In each
 * turn of the event loop one piece goes on for some milliseconds. Between two turns Node reads and answers requests.
 *
 * Parties have the thread one after the other. Of one party, the piece that was opened first goes on until it waits for something
 * else: so it ends soonest, and the others hold nothing yet.
 */
export class Thread {
  readonly #sliceMs: number
  readonly #now: () => number
  readonly #nextTurn: NextTurn
  /** By party, pieces that wait, in the order in which they were opened. The party at the front is the next. */
  readonly #waiting = new Map<string, Waiter[]>()
  #opened = 0
  /** The piece that has this turn of the event loop. */
  #holder: LongWork | undefined
  #sliceEnds = 0

  /** @param now milliseconds, and `nextTurn` calls back in the next turn of the event loop; both for tests */
  constructor(sliceMs = SLICE_MS, now = () => performance.now(), nextTurn: NextTurn = setImmediate) {
    this.#sliceMs = sliceMs
    this.#now = now
    this.#nextTurn = nextTurn
  }

  /** Opens a long piece of work of a party. It costs nothing until its first `pause`, and needs no end. */
  work(party: string): LongWork {
    return new LongWork(this, party, this.#opened++)
  }

  /** As `LongWork.pause`. */
  pause(work: LongWork): Promise<void> | undefined {
    if (this.#holder === undefined) {
      this.#give(work)
      return undefined
    }
    if (this.#holder === work && this.#now() < this.#sliceEnds) return undefined
    return new Promise((resolve) => {
      const ofParty = this.#waiting.get(work.party) ?? []
      if (ofParty.length === 0) this.#waiting.set(work.party, ofParty)
      const later = ofParty.findIndex((waiter) => waiter.work.place > work.place)
      ofParty.splice(later === -1 ? ofParty.length : later, 0, { work, resolve })
    })
  }

  #give(work: LongWork): void {
    this.#holder = work
    this.#sliceEnds = this.#now() + this.#sliceMs
    this.#nextTurn(() => this.#next())
  }

  #next(): void {
    this.#holder = undefined
    for (const [party, [first, ...others]] of this.#waiting) {
      this.#waiting.delete(party)
      if (others.length > 0) this.#waiting.set(party, others)
      if (first === undefined) continue
      this.#give(first.work)
      first.resolve()
      return
    }
  }
}

interface Waiter {
  readonly work: LongWork
  readonly resolve: () => void
}

/** One piece of work that has the thread in slices. */
export class LongWork {
  readonly #thread: Thread
  readonly party: string
  /** The smaller, the earlier it was opened. */
  readonly place: number

  constructor(thread: Thread, party: string, place: number) {
    this.#thread = thread
    this.party = party
    this.place = place
  }

  /**
   * To be asked before each small step. It gives undefined while the work may go on, and else a promise to wait for: then the
   * thread is for others. Steps before the first `pause`, or after a wait for something else, are of no slice.
   */
  pause(): Promise<void> | undefined {
    return this.#thread.pause(this)
  }

  /** Takes the steps of a generator, with pauses between them, and gives what it returns. */
  async through<T>(steps: Generator<undefined, T>): Promise<T> {
    for (;;) {
      const pause = this.pause()
      if (pause) await pause
      const step = steps.next()
      if (step.done) return step.value
    }
  }
}
