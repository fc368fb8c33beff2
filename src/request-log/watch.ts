import type { Database } from '../db/database.ts'
import type { TenantId } from '../place-ids.ts'
import { newestRequests } from '../repositories/log/request-log.ts'

const LOOK_MS = 500

/** How a wait ended. */
export interface Waited {
  /** False where the time was over, and nothing is new. */
  readonly woken: boolean
  /** The newest request that is known, for the next wait. */
  readonly newest: string | undefined
}

interface Waiting {
  readonly newest: string | undefined
  readonly wake: (newest: string | undefined) => void
}

/**
 * Wakes those who follow the provisioning log of a tenant. One question a tick serves all readers of the instance; while nobody
 * waits, nothing is asked.
 */
export class RequestWatch {
  readonly #db: Database
  readonly #failed: (error: unknown) => void
  readonly #waiting = new Map<TenantId, Set<Waiting>>()
  #timer: NodeJS.Timeout | undefined
  #look: Promise<void> | undefined
  #drained = false

  /** @param failed told of a look that failed */
  constructor(db: Database, failed: (error: unknown) => void) {
    this.#db = db
    this.#failed = failed
  }

  /** True once nobody can wait any more. */
  get drained(): boolean {
    return this.#drained
  }

  /**
   * Waits until the tenant's newest request is another than `newest`, for up to `ms`, until `signal` or until the instance stops.
   */
  wait(tenantId: TenantId, newest: string | undefined, ms: number, signal: AbortSignal): Promise<Waited> {
    if (this.#drained || signal.aborted) return Promise.resolve({ woken: true, newest })
    return new Promise((resolve) => {
      const others = this.#waiting.get(tenantId) ?? new Set()
      const end = (waited: Waited) => {
        clearTimeout(timer)
        signal.removeEventListener('abort', gone)
        others.delete(waiting)
        if (others.size === 0) this.#waiting.delete(tenantId)
        resolve(waited)
      }
      const wake = (found: string | undefined) => end({ woken: true, newest: found })
      const gone = () => wake(newest)
      const waiting = { newest, wake }
      const timer = setTimeout(() => end({ woken: false, newest }), ms)
      signal.addEventListener('abort', gone)
      this.#waiting.set(tenantId, others.add(waiting))
      this.#schedule()
    })
  }

  /** Wakes all for good. */
  drain(): void {
    this.#drained = true
    this.#wakeAll()
  }

  /** The same, and waits for the look under way. */
  async stop(): Promise<void> {
    this.drain()
    clearTimeout(this.#timer)
    await this.#look
  }

  #wakeAll(): void {
    for (const readers of [...this.#waiting.values()]) for (const { wake, newest } of [...readers]) wake(newest)
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#look !== undefined || this.#waiting.size === 0) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#look = this.#wakeReaders()
        .catch((error: unknown) => {
          this.#failed(error)
          // Each finds out for itself whether it can read on.
          this.#wakeAll()
        })
        .finally(() => {
          this.#look = undefined
          this.#schedule()
        })
    }, LOOK_MS).unref()
  }

  async #wakeReaders(): Promise<void> {
    const newest = await newestRequests(this.#db, [...this.#waiting.keys()])
    for (const [tenantId, readers] of [...this.#waiting]) {
      const found = newest.get(tenantId)
      for (const waiting of [...readers]) if (found !== waiting.newest) waiting.wake(found)
    }
  }
}
