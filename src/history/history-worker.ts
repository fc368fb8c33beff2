import type { Database } from '../db/database.ts'
import { isBusy, isUnavailable } from '../db/errors.ts'
import type { TenantId } from '../place-ids.ts'
import { dueHistories, postponeHistory, readyHistories } from '../repositories/history/histories.ts'
import { historyStep } from '../repositories/history/step.ts'
import { switchStep } from '../repositories/history/switching.ts'

/** From one look to the next: while there is more to do, while events come, and while nothing does. */
const BREATH_MS = 20
const LIVELY_MS = 500
const IDLE_MS = 5_000
const TENANTS_AT_ONCE = 200
/** Tenants whose histories are written at the same time. */
const AT_ONCE = 2
const AFTER_FAILURE_S = 60

/** What the worker has done since the instance began. */
export interface HistoryNumbers {
  readonly steps: number
  readonly failures: number
  /** Tenants that were found with something to do in the last look. */
  readonly due: number
}

/**
 * Writes the histories of tenants, behind the log. Every instance has one. In each round every tenant with something to do has one step,
 * which is a transaction of bounded size; tenants without new events cost nothing.
 */
export class HistoryWorker {
  readonly #db: Database
  readonly #failed: (error: unknown) => void
  #timer: NodeJS.Timeout | undefined
  #pass: Promise<void> | undefined
  #noticed = false
  #stopped = false
  #lookedAt = Number.NEGATIVE_INFINITY
  #numbers: HistoryNumbers = { steps: 0, failures: 0, due: 0 }

  /** @param failed told of each failure; the tenant's history goes on a minute later */
  constructor(db: Database, failed: (error: unknown) => void) {
    this.#db = db
    this.#failed = failed
  }

  start(): void {
    this.#schedule(BREATH_MS)
  }

  /** Events got their positions, or a setting was changed: looks soon. */
  noticed(): void {
    this.#noticed = true
    if (this.#pass === undefined && !this.#stopped)
      this.#schedule(Math.max(0, LIVELY_MS - (performance.now() - this.#lookedAt)))
  }

  /** Stops, once the steps under way are done. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#pass
  }

  get numbers(): HistoryNumbers {
    return this.#numbers
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer)
    if (this.#stopped) return
    this.#timer = setTimeout(() => {
      this.#noticed = false
      this.#lookedAt = performance.now()
      this.#pass = this.round()
        .catch((error: unknown) => {
          this.#failed(error)
          return false
        })
        .then((more) => {
          this.#pass = undefined
          this.#schedule(more ? BREATH_MS : this.#noticed ? LIVELY_MS : IDLE_MS)
        })
    }, ms).unref()
  }

  /** One step of each tenant that has something to do. True where there may be more. */
  async round(): Promise<boolean> {
    let more = await switchStep(this.#db)
    let due = 0
    for (let after: TenantId | undefined; !this.#stopped; ) {
      const tenants = await dueHistories(this.#db, after, TENANTS_AT_ONCE)
      due += tenants.length
      const queue = (await readyHistories(this.#db, tenants)).values()
      const work = async () => {
        for (const tenantId of queue) if (!this.#stopped) more = (await this.#step(tenantId)) || more
      }
      await Promise.all(Array.from({ length: AT_ONCE }, work))
      after = tenants.at(-1)
      if (tenants.length < TENANTS_AT_ONCE) break
    }
    this.#numbers = { ...this.#numbers, due }
    return more
  }

  async #step(tenantId: TenantId): Promise<boolean> {
    try {
      const outcome = await historyStep(this.#db, tenantId)
      this.#numbers = { ...this.#numbers, steps: this.#numbers.steps + 1 }
      return outcome === 'more'
    } catch (error) {
      if (isUnavailable(error) && !isBusy(error)) throw error
      this.#numbers = { ...this.#numbers, failures: this.#numbers.failures + 1 }
      if (!isBusy(error)) this.#failed(error)
      await postponeHistory(this.#db, tenantId, isBusy(error) ? 1 : AFTER_FAILURE_S)
      return false
    }
  }
}
