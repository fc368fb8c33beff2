import type { Database } from '../db/database.ts'
import { isBusy, isUnavailable } from '../db/errors.ts'
import { Progress } from '../observability/progress.ts'
import type { TenantId } from '../place-ids.ts'
import { eventLogOf, logHeads, unnumberedTenants } from '../repositories/log/event-log.ts'
import { type NumberedMany, numberMany, numberNothing } from '../repositories/log/numbering.ts'

/** While a reader follows, events get their positions this often: short enough to be found within 100 ms. */
const LIVELY_MS = 50
const IDLE_MS = 1_000
/** Tenants whose events are numbered in one transaction; and transactions at once for those that need one each. */
const TENANTS_AT_ONCE = 200
const AT_ONCE = 4

/** Another consumer of events beside the readers. */
export interface WatchHooks {
  /** True while it wants them soon. */
  lively(): boolean
  /** Called when there are some. */
  numbered(): void
}

interface Waiting {
  readonly after: number
  readonly wake: () => void
}

/**
 * Numbers the events of all tenants, and wakes the readers that wait for them. Every instance has one; they take turns at each log.
 *
 * The database is asked, not listened to: notifications are lost behind a pooler, and one at each commit would make all
 * writers wait for each other. One question for all waiting readers of the instance costs less than a millisecond.
 */
export class LogWatch {
  /** How the numbering gets on. One tenant's events that cannot be numbered do not stop it. */
  readonly progress = new Progress()
  readonly #db: Database
  readonly #failed: (error: unknown) => void
  /** By tenant, of which each is asked for once. */
  readonly #waiting = new Map<TenantId, Set<Waiting>>()
  #timer: NodeJS.Timeout | undefined
  #pass: Promise<void> | undefined
  #started = false
  #drained = false
  #hooks: WatchHooks = { lively: () => false, numbered: () => {} }

  /** @param failed told of a pass that failed; the next one begins a second later */
  constructor(db: Database, failed: (error: unknown) => void) {
    this.#db = db
    this.#failed = failed
  }

  /** Begins to number events also while no reader waits. */
  start(hooks: WatchHooks = this.#hooks): void {
    this.#started = true
    this.progress.made()
    this.#hooks = hooks
    this.#schedule(0)
  }

  /** Wakes all readers for good: from now on none waits. */
  drain(): void {
    this.#drained = true
    this.#wakeAll()
  }

  #wakeAll(): void {
    for (const readers of this.#waiting.values()) for (const { wake } of readers) wake()
  }

  /** True once `drain` was called. */
  get drained(): boolean {
    return this.#drained
  }

  /** Ends the passes, the one under way too. */
  async stop(): Promise<void> {
    this.drain()
    this.#started = false
    this.progress.over()
    clearTimeout(this.#timer)
    await this.#pass
  }

  /**
   * Waits until the tenant's log ends elsewhere than at `after`, for up to `ms`, until `signal` or until the instance stops.
   * Gives whether it is worth reading: false where the time was over, and the log as it was when it was last looked at.
   */
  wait(tenantId: TenantId, after: number, ms: number, signal?: AbortSignal): Promise<boolean> {
    if (this.#drained || signal?.aborted) return Promise.resolve(true)
    return new Promise((resolve) => {
      const end = (worthReading: boolean) => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', wake)
        readers.delete(waiting)
        if (readers.size === 0) this.#waiting.delete(tenantId)
        resolve(worthReading)
      }
      const wake = () => end(true)
      const waiting = { after, wake }
      const readers = this.#waiting.get(tenantId) ?? new Set()
      const timer = setTimeout(() => end(false), ms)
      signal?.addEventListener('abort', wake)
      this.#waiting.set(tenantId, readers.add(waiting))
      if (this.#waiting.size === 1) this.#schedule(0)
    })
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer)
    // The pass under way sets the timer at its end.
    if (this.#pass !== undefined) return
    this.#timer = setTimeout(() => {
      this.#pass = this.#work().then(
        // Another reader may have begun to wait since.
        (next) => this.#again(this.#waiting.size > 0 ? LIVELY_MS : next),
        (error: unknown) => {
          this.#failed(error)
          // Each reader finds out for itself whether it can read on.
          this.#wakeAll()
          this.#again(IDLE_MS)
        },
      )
    }, ms).unref()
  }

  #again(ms: number): void {
    this.#pass = undefined
    if (this.#started || this.#waiting.size > 0) this.#schedule(ms)
  }

  /** One pass over all tenants that have new events; gives when the next one is due. */
  async #work(): Promise<number> {
    const begun = performance.now()
    let [numbered, more] = [0, false]
    const failures: unknown[] = []
    for (let after: TenantId | undefined; ; ) {
      const tenants = await unnumberedTenants(this.#db, after, TENANTS_AT_ONCE)
      const before = failures.length
      const done = await this.#number(tenants, failures)
      if (tenants.length > 0 && failures.length - before === tenants.length) await numberNothing(this.#db)
      if (this.#started) this.progress.made()
      await this.#wakeReaders()
      if (done.numbered > 0) this.#hooks.numbered()
      numbered += done.numbered
      more ||= done.more
      after = tenants.at(-1)
      if (tenants.length < TENANTS_AT_ONCE) break
    }
    if (failures.length > 0) throw failures[0]
    if (more) return 0
    const lively = numbered > 0 || this.#waiting.size > 0 || this.#hooks.lively()
    // However long a look takes, the database has as long for others.
    return lively ? Math.max(LIVELY_MS, performance.now() - begun) : IDLE_MS
  }

  async #number(tenants: readonly TenantId[], failures: unknown[]): Promise<Pick<NumberedMany, 'numbered' | 'more'>> {
    if (tenants.length === 0) return { numbered: 0, more: false }
    // Where it fails for one of them, or would wait for long, each is numbered by itself.
    const apart: NumberedMany = { numbered: 0, braked: tenants, more: false }
    const done = await numberMany(this.#db, tenants).catch((error: unknown) => {
      if (isUnavailable(error) && !isBusy(error)) throw error
      return apart
    })
    let { numbered } = done
    const queue = done.braked.values()
    const work = async () => {
      for (const tenantId of queue)
        await eventLogOf(this.#db, tenantId)
          .number()
          .then(
            (count) => {
              numbered += count
            },
            (error: unknown) => failures.push(error),
          )
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work))
    return { numbered, more: done.more }
  }

  async #wakeReaders(): Promise<void> {
    if (this.#waiting.size === 0) return
    const heads = await logHeads(this.#db, [...this.#waiting.keys()])
    for (const [tenantId, readers] of this.#waiting) {
      const head = heads.get(tenantId) ?? 0
      for (const { after, wake } of readers) if (after !== head) wake()
    }
  }
}
