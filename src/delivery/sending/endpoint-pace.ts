/** Requests at once to an endpoint of which nothing is known yet, or that was left alone for a while. */
const AT_FIRST = 4
/** The same for one that has just come back. */
const AFTER_REST = 2
const MOST = 32
const FORGOTTEN_AFTER_MS = 10_000

/** An answer that takes longer than this, and so much longer than the quickest, says that the receiver has too much to do. */
const SLOW_MS = 1_000
const SLOWER = 1.5
/** The quickest answer counts less and less: a receiver may have become slower for good. */
const DRIFT = 1.005

/** Attempts that tell whether an endpoint is down: this many at the most, of the last half minute, and so many at the least. */
const REMEMBERED = 16
const REMEMBERED_MS = 30_000
const ENOUGH = 8
/** This share of them has failed, and not of one resource alone: that could be the fault of its events. */
const DOWN_SHARE = 0.75
const RESOURCES = 2
/** From this share on there are too many requests at once. */
const TOO_MANY_SHARE = 0.5

interface Attempt {
  readonly at: number
  readonly failed: boolean
  readonly resource: string
}

/**
 * How many requests one instance has under way to one endpoint. Their number grows while the endpoint answers and stays quick, is
 * halved when more than half of the requests fail or answers become slow. Requests that were under way
 * together count as one observation: those begun before the last change say nothing about it.
 */
export class EndpointPace {
  readonly #clock: () => number
  #limit = AT_FIRST
  /** Below this the number doubles in each round; above, it grows by one. */
  #quickUntil = MOST
  #changedAt = Number.NEGATIVE_INFINITY
  #succeeded = 0
  #failed = 0
  #usedAt = Number.NEGATIVE_INFINITY
  #quickest = Number.POSITIVE_INFINITY
  #attempts: Attempt[] = []
  #restedAt = Number.NEGATIVE_INFINITY
  #failing = false

  /** @param clock milliseconds on a clock that never goes back; for tests */
  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock
  }

  /** Requests that may be under way at the same time. */
  get limit(): number {
    const leftAlone = this.#clock() - this.#usedAt > FORGOTTEN_AFTER_MS
    return Math.floor(leftAlone ? Math.min(this.#limit, AT_FIRST) : this.#limit)
  }

  /** Whether this instance has seen it fail since it last saw it succeed. */
  get failing(): boolean {
    return this.#failing
  }

  /** Whether nothing that it knows would be missed. */
  get idle(): boolean {
    return !this.#failing && this.#clock() - this.#usedAt > REMEMBERED_MS
  }

  /** Notes that a request begins, and gives when. */
  begin(): number {
    if (this.#clock() - this.#usedAt > FORGOTTEN_AFTER_MS) this.#limit = this.limit
    this.#usedAt = this.#clock()
    return this.#usedAt
  }

  /** Notes that the receiver has taken an event. */
  succeeded(begunAt: number, resource: string): void {
    this.#failing = false
    const took = this.#clock() - begunAt
    const slow = took > Math.max(SLOW_MS, SLOWER * this.#quickest)
    this.#quickest = Math.min(took, this.#quickest * DRIFT)
    this.#note({ failed: false, resource }, begunAt)
    if (begunAt < this.#changedAt) return
    this.#succeeded++
    if (slow) this.#change(this.#limit / 2)
    else this.#limit = Math.min(MOST, this.#limit + (this.#limit < this.#quickUntil ? 1 : 1 / this.#limit))
    this.#endRound()
  }

  /** Notes that an event was not taken, and gives whether the endpoint is to rest. */
  failed(begunAt: number, resource: string): boolean {
    this.#failing = true
    this.#note({ failed: true, resource }, begunAt)
    if (begunAt >= this.#changedAt) this.#countFailure()
    return this.#isDown()
  }

  #countFailure(): void {
    this.#failed++
    this.#endRound()
  }

  /** Begins anew with an endpoint that rests: what was sent before says nothing about how it is afterwards. */
  rest(): void {
    this.#attempts = []
    this.#restedAt = this.#clock()
    this.#change(AFTER_REST)
    this.#quickUntil = MOST
  }

  /** Judges the requests of a round once all of them have ended. */
  #endRound(): void {
    const all = this.#succeeded + this.#failed
    if (all < Math.max(AT_FIRST, this.limit)) return
    if (this.#failed > TOO_MANY_SHARE * all) this.#change(this.#limit / 2)
    this.#succeeded = 0
    this.#failed = 0
  }

  #change(limit: number): void {
    this.#limit = Math.max(1, limit)
    this.#quickUntil = this.#limit
    this.#changedAt = this.#clock()
    this.#succeeded = 0
    this.#failed = 0
  }

  #note(attempt: Omit<Attempt, 'at'>, begunAt: number): void {
    if (begunAt < this.#restedAt) return
    const at = this.#clock()
    const recent = this.#attempts.filter((one) => at - one.at < REMEMBERED_MS)
    this.#attempts = [...recent.slice(1 - REMEMBERED), { at, ...attempt }]
  }

  #isDown(): boolean {
    const failures = this.#attempts.filter(({ failed }) => failed)
    if (this.#attempts.length < ENOUGH || failures.length < DOWN_SHARE * this.#attempts.length) return false
    return new Set(failures.map(({ resource }) => resource)).size >= RESOURCES
  }
}

/** So many are remembered before those are forgotten that would not be missed. */
const FORGET_FROM = 1_000

/** The paces of all endpoints to which an instance sends. */
export class EndpointPaces {
  readonly #paces = new Map<string, EndpointPace>()

  of(endpointId: string): EndpointPace {
    const known = this.#paces.get(endpointId)
    if (known !== undefined) return known
    if (this.#paces.size >= FORGET_FROM) for (const [id, pace] of this.#paces) if (pace.idle) this.#paces.delete(id)
    const pace = new EndpointPace()
    this.#paces.set(endpointId, pace)
    return pace
  }
}
