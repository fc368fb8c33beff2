import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ControlPlane } from '../context/control-plane.ts'
import type { Database } from '../db/database.ts'
import { isUnavailable } from '../db/errors.ts'
import type { TenantId } from '../place-ids.ts'
import { insertRequests, type NewRequest } from '../repositories/log/request-log.ts'
import { composed, gapOf } from './compose.ts'
import type { Exchange, LoggingTenant } from './exchange.ts'
import { Overload } from './overload.ts'
import { placeOf } from './place.ts'
import { FairQueue, type QueueBounds } from './queue.ts'

/** What waits in memory may have so much: some seconds of a busy instance. */
export const BOUNDS: QueueBounds = { entries: 4_000, bytes: 16_777_216 }
/** Requests of which the tenant is still to be found out, of all addresses together. */
const MOST_UNPLACED = 500
/** Of a batch; each may take a look-up. */
const PLACED_AT_ONCE = 20
/** Of one tenant, so many a minute by who proves no key: who guesses must not fill its log. */
const UNKNOWN_A_MINUTE = 30
const MINUTE_MS = 60_000

/** A request is there to be read so soon. */
const SOON_MS = 200
/** The embedded engine answers nobody else while it writes a batch. */
const BATCH = { pglite: 64, postgres: 128 }
/** While the instance is overloaded, a batch takes so little time that few requests meet it. */
const BATCH_OVERLOADED = 32
const BATCH_BYTES = 1_048_576
/** So many are composed in one go; then requests that have come meanwhile have the thread. */
const AT_ONCE = 16
/** Writing rests for so many times as long as it took. While the instance is overloaded, requests have almost all of the time. */
const RESTS = { usual: 4, overloaded: 200 }
const LONGEST_REST_MS = 2_000
const AFTER_FAILURE_MS = 1_000
/** At a stop, what is left is written within so long. */
const LAST_WRITES_MS = 5_000
/**
 * Which part of the queue requests may fill that succeeded. The rest is for those that were refused: a support team needs them. While
 * the instance is overloaded, what waits in memory costs time too.
 */
const SUCCESSES = { usual: 3 / 4, overloaded: 1 / 4 }
/** What an exchange takes in memory beside its bodies. */
const ENTRY_BYTES = 1_000

/** What becomes of requests, counted since the start. */
export interface RequestLogNumbers {
  readonly written: number
  /** Left out since too much waited, since they could not be stored, or since a key was guessed at. */
  readonly dropped: { readonly full: number; readonly failed: number; readonly guesses: number }
  readonly waiting: number
  readonly waitingBytes: number
}

interface Writer {
  readonly database: Database
  readonly control: ControlPlane
  /** Told of a batch that could not be written. */
  failed(error: unknown): void
  readonly bounds?: QueueBounds
  /** For tests. */
  readonly overload?: Overload
}

/** An exchange with its tenant. */
interface Placed {
  readonly exchange: Exchange
  readonly tenant: LoggingTenant
  readonly keyId: string | undefined
}

/**
 * Writes the provisioning log behind the requests. `note` only puts a request into a queue with bounds. Batches are written by one
 * timer, one at a time, and rest for longer than they take. What comes faster is left out and counted; the log then shows a gap. Requests
 * that succeeded are left out first.
 */
export class RequestLogWriter {
  readonly #parts: Writer
  readonly #queue: FairQueue<Placed>
  readonly #overload: Overload
  readonly #unplaced: Exchange[] = []
  readonly #unknown = new Map<string, number>()
  #minute = 0
  #dropped = { full: 0, failed: 0, guesses: 0 }
  #written = 0
  #timer: NodeJS.Timeout | undefined
  #pass: Promise<void> | undefined
  #restUntil = 0
  #stopped = false
  /** A batch that is to be tried again. */
  #rows: NewRequest[] = []

  constructor(parts: Writer) {
    this.#parts = parts
    this.#queue = new FairQueue(parts.bounds ?? BOUNDS)
    this.#overload = parts.overload ?? new Overload()
  }

  get numbers(): RequestLogNumbers {
    return {
      written: this.#written,
      dropped: { ...this.#dropped },
      waiting: this.#queue.length + this.#unplaced.length + this.#rows.length,
      waitingBytes: this.#queue.bytes,
    }
  }

  /**
   * Whether a request of this tenant is to be noted. To be asked before anything is made of it: what is left out is counted here,
   * and costs nothing more.
   */
  takes(tenantId: TenantId, status: number): boolean {
    this.#overload.request()
    if (this.#queue.hasRoom(tenantId, ENTRY_BYTES, this.#shareFor(status))) return true
    this.#queue.drop(tenantId, 1, Date.now())
    this.#dropped.full++
    return false
  }

  /** Takes a request that is answered. It never waits and never throws. */
  note(exchange: Exchange): void {
    if (this.#stopped) return
    const { belongs } = exchange
    if ('tenant' in belongs) this.#place({ exchange, tenant: belongs.tenant, keyId: belongs.keyId })
    else if (this.#unplaced.length < MOST_UNPLACED) this.#unplaced.push(exchange)
    else this.#dropped.guesses++
    this.#schedule(SOON_MS)
  }

  /** Writes what waits, as far as it can be written. For tests, and for the stop. */
  async flush(): Promise<void> {
    for (let before = -1; this.numbers.waiting > 0 && this.numbers.waiting !== before; ) {
      before = this.numbers.waiting
      await this.#work()
    }
    if (this.#queue.hasGaps) await this.#work()
  }

  /** Writes what is left, and takes nothing any more. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    let late: NodeJS.Timeout | undefined
    const end = new Promise<void>((resolve) => {
      late = setTimeout(resolve, LAST_WRITES_MS)
    })
    await Promise.race([this.flush(), end])
    clearTimeout(late)
  }

  #place(placed: Placed): void {
    const { exchange, tenant } = placed
    const { body, answer, at, status } = exchange
    const bytes = ENTRY_BYTES + (body?.content.length ?? 0) + (answer?.content.length ?? 0)
    if (!this.#queue.add(tenant.id, placed, { bytes, at, share: this.#shareFor(status) })) this.#dropped.full++
  }

  #shareFor(status: number): number {
    if (status >= 400) return 1
    return this.#overload.is ? SUCCESSES.overloaded : SUCCESSES.usual
  }

  #schedule(ms: number): void {
    if (this.#timer !== undefined || this.#pass !== undefined || this.#stopped) return
    const wait = Math.max(ms, this.#restUntil - performance.now())
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      void this.#work()
    }, wait).unref()
  }

  /** One batch; a call while one is under way waits for that. */
  #work(): Promise<void> {
    this.#pass ??= this.#batch().finally(() => {
      this.#pass = undefined
      if (this.numbers.waiting > 0 || this.#queue.hasGaps) this.#schedule(0)
    })
    return this.#pass
  }

  async #batch(): Promise<void> {
    const { database, failed } = this.#parts
    try {
      await this.#findPlaces()
      const begun = performance.now()
      if (this.#rows.length === 0) await this.#compose(this.#overload.is ? BATCH_OVERLOADED : BATCH[database.engine])
      const rows = this.#rows
      if (rows.length === 0) return
      await insertRequests(database, rows)
      this.#rows = []
      this.#written += rows.length
      const now = performance.now()
      const rests = this.#overload.is ? RESTS.overloaded : RESTS.usual
      this.#restUntil = now + Math.min((now - begun) * rests, LONGEST_REST_MS)
    } catch (error) {
      this.#restUntil = performance.now() + AFTER_FAILURE_MS
      // While the database is away, the batch waits. What it refuses, it would refuse again.
      if (isUnavailable(error)) return
      this.#dropped.failed += this.#rows.length
      this.#rows = []
      failed(error)
    }
  }

  /** Makes rows of up to so many requests, and of what was left out. */
  async #compose(most: number): Promise<void> {
    const taken = this.#queue.take(most, BATCH_BYTES)
    for (const [n, { exchange, tenant, keyId }] of taken.entries()) {
      if (n > 0 && n % AT_ONCE === 0) await nextTurn()
      try {
        this.#rows.push(composed(exchange, tenant, keyId))
      } catch (error) {
        this.#dropped.failed++
        this.#queue.drop(tenant.id, 1, exchange.at)
        this.#parts.failed(error)
      }
    }
    for (const [tenant, gap] of this.#queue.takeGaps(most)) this.#rows.push(gapOf(tenant as TenantId, gap))
  }

  /** Finds the tenants of requests that were refused before theirs was known. */
  async #findPlaces(): Promise<void> {
    const some = this.#unplaced.splice(0, PLACED_AT_ONCE)
    for (let next = some.shift(); next !== undefined; next = some.shift()) {
      const exchange = next
      const found = await placeOf(exchange, this.#parts.control).catch((error: unknown) => {
        if (isUnavailable(error)) this.#unplaced.unshift(exchange, ...some)
        throw error
      })
      if (found === undefined || found.tenant.settings.requestLog === 'off') continue
      const { tenant, keyId, isGuess } = found
      if (isGuess && this.#isTooMuch(tenant.id)) this.#dropped.guesses++
      else this.#place({ exchange, tenant, keyId })
    }
  }

  #isTooMuch(tenantId: string): boolean {
    const minute = Math.trunc(performance.now() / MINUTE_MS)
    if (minute !== this.#minute) this.#unknown.clear()
    this.#minute = minute
    const before = this.#unknown.get(tenantId) ?? 0
    this.#unknown.set(tenantId, before + 1)
    return before >= UNKNOWN_A_MINUTE
  }
}
