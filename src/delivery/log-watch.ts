import type { Database } from '../db/database.ts'
import { isBusy, isUnavailable } from '../db/errors.ts'
import { Progress } from '../observability/progress.ts'
import type { EnvironmentId, TenantId } from '../place-ids.ts'
import { eventLogOf, findUnnumbered } from '../repositories/log/event-log.ts'
import { openFeed, placeStretches } from '../repositories/log/feed-places.ts'
import { type AwaitedLogs, feedHeads, type Heads, logHeads } from '../repositories/log/heads.ts'
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
  /** By tenant, and by environment: each is asked for once. */
  readonly #waiting = new Map<TenantId, Set<Waiting>>()
  readonly #waitingForFeeds = new Map<EnvironmentId, Set<Waiting>>()
  readonly #opening = new Map<EnvironmentId, Promise<void>>()
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
    for (const waiting of [this.#waiting, this.#waitingForFeeds])
      for (const readers of waiting.values()) for (const { wake } of readers) wake()
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
    await Promise.allSettled([this.#pass, ...this.#opening.values()])
  }

  /**
   * Waits until the tenant's log ends elsewhere than at `after`, for up to `ms`, until `signal` or until the instance stops.
   * Gives whether it is worth reading: false where the time was over, and the log as it was when it was last looked at.
   */
  wait(tenantId: TenantId, after: number, ms: number, signal?: AbortSignal): Promise<boolean> {
    return this.#wait(this.#waiting, tenantId, after, ms, signal)
  }

  /** The same for the feed of an environment. */
  waitForFeed(environmentId: EnvironmentId, after: number, ms: number, signal?: AbortSignal): Promise<boolean> {
    return this.#wait(this.#waitingForFeeds, environmentId, after, ms, signal)
  }

  #wait<Id>(
    waiting: Map<Id, Set<Waiting>>,
    id: Id,
    after: number,
    ms: number,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    if (this.#drained || signal?.aborted) return Promise.resolve(true)
    return new Promise((resolve) => {
      const end = (worthReading: boolean) => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', wake)
        readers.delete(reader)
        if (readers.size === 0) waiting.delete(id)
        resolve(worthReading)
      }
      const wake = () => end(true)
      const reader = { after, wake }
      const readers = waiting.get(id) ?? new Set()
      const timer = setTimeout(() => end(false), ms)
      signal?.addEventListener('abort', wake)
      const isFirst = !this.#hasReaders
      waiting.set(id, readers.add(reader))
      if (isFirst) this.#schedule(0)
    })
  }

  /** Opens the feed of an environment, however many readers ask. It goes on where they give up, so that the next one finds it open. */
  openFeed(environmentId: EnvironmentId): Promise<void> {
    const opening =
      this.#opening.get(environmentId) ??
      openFeed(this.#db, environmentId).finally(() => this.#opening.delete(environmentId))
    this.#opening.set(environmentId, opening)
    return opening
  }

  get #hasReaders(): boolean {
    return this.#waiting.size > 0 || this.#waitingForFeeds.size > 0
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer)
    // The pass under way sets the timer at its end.
    if (this.#pass !== undefined) return
    this.#timer = setTimeout(() => {
      this.#pass = this.#work().then(
        // Another reader may have begun to wait since.
        (next) => this.#again(this.#hasReaders ? Math.min(LIVELY_MS, next) : next),
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
    if (this.#started || this.#hasReaders) this.#schedule(ms)
  }

  /** One pass over all tenants that have new events; gives when the next one is due. */
  async #work(): Promise<number> {
    const begun = performance.now()
    let [numbered, more] = [0, false]
    const failures: unknown[] = []
    for (let after: TenantId | undefined; ; ) {
      const awaited = this.#awaited
      const { tenants, unplaced, heads } = await findUnnumbered(
        this.#db,
        after,
        TENANTS_AT_ONCE,
        this.#db.distributed ? undefined : awaited,
      )
      const before = failures.length
      const done = await this.#number(tenants, failures)
      if (tenants.length > 0 && failures.length - before === tenants.length) await numberNothing(this.#db)
      if (unplaced || done.fed) await this.#place(failures)
      if (this.#started) this.progress.made()
      // Where there was nothing to do, how far the logs go is known already. On Citus it takes statements of its own.
      if (tenants.length > 0 || unplaced || this.#db.distributed) await this.#wakeReaders()
      else this.#wake(heads, awaited)
      if (done.numbered > 0) this.#hooks.numbered()
      numbered += done.numbered
      more ||= done.more
      after = tenants.at(-1)
      if (tenants.length < TENANTS_AT_ONCE) break
    }
    if (failures.length > 0) throw failures[0]
    if (more) return 0
    const lively = numbered > 0 || this.#hasReaders || this.#hooks.lively()
    // However long a look takes, the database has as long for others.
    return lively ? Math.max(LIVELY_MS, performance.now() - begun) : IDLE_MS
  }

  async #number(tenants: readonly TenantId[], failures: unknown[]): Promise<Omit<NumberedMany, 'braked'>> {
    if (tenants.length === 0) return { numbered: 0, more: false, fed: false }
    // Where it fails for one of them, or would wait for long, each is numbered by itself.
    const apart: NumberedMany = { numbered: 0, braked: tenants, more: false, fed: false }
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
    return { numbered, more: done.more, fed: done.fed || numbered > done.numbered }
  }

  /** Somebody may hold what waits for a moment, such as who deletes a tenant; then it waits for the next pass. */
  async #place(failures: unknown[]): Promise<void> {
    await placeStretches(this.#db).catch((error: unknown) => {
      if (isBusy(error)) return
      if (isUnavailable(error)) throw error
      failures.push(error)
    })
  }

  get #awaited(): AwaitedLogs {
    return { tenants: [...this.#waiting.keys()], environments: [...this.#waitingForFeeds.keys()] }
  }

  async #wakeReaders(): Promise<void> {
    const awaited = this.#awaited
    const { tenants, environments } = awaited
    const logs = tenants.length === 0 ? new Map() : await logHeads(this.#db, tenants)
    const feeds = environments.length === 0 ? new Map() : await feedHeads(this.#db, environments)
    this.#wake({ logs, feeds }, awaited)
  }

  /** Wakes those readers of what was looked at who are not at its end. */
  #wake({ logs, feeds }: Heads, { tenants, environments }: AwaitedLogs): void {
    for (const id of tenants) wakeBehind(this.#waiting.get(id), logs.get(id))
    for (const id of environments) wakeBehind(this.#waitingForFeeds.get(id), feeds.get(id))
  }
}

function wakeBehind(readers: ReadonlySet<Waiting> = new Set(), head = 0): void {
  for (const { after, wake } of readers) if (after !== head) wake()
}
