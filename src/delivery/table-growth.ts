import type { Database } from '../db/database.ts'
import { analyzeGrown } from '../db/statistics.ts'

const AT_MOST_EVERY_MS = 250
const AFTER_FAILURE_MS = 60_000

/**
 * Looks whether tables have grown, and analyses those that have. `noticed` is called when there were writes, so an idle instance
 * asks nothing.
 */
export class TableGrowth {
  readonly #db: Database
  readonly #failed: (error: unknown) => void
  #notBeforeMs = 0
  #look: Promise<void> | undefined
  #stopped = false
  #warned = false

  /** @param failed told of a look that failed, and once of tables that the gateway may not analyse */
  constructor(db: Database, failed: (error: unknown) => void) {
    this.#db = db
    this.#failed = failed
  }

  /** Begins a look behind the requests, unless one is under way or was a moment ago. */
  noticed(): void {
    if (this.#stopped || this.#look !== undefined || performance.now() < this.#notBeforeMs) return
    this.#look = this.#analyze().finally(() => {
      this.#look = undefined
    })
  }

  /** Begins no more looks, and ends once the one under way is over. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#look
  }

  async #analyze(): Promise<void> {
    let pauseMs = AT_MOST_EVERY_MS
    try {
      const refused = await analyzeGrown(this.#db)
      if (refused.length > 0) {
        pauseMs = AFTER_FAILURE_MS
        this.#warn(refused)
      }
    } catch (error) {
      pauseMs = AFTER_FAILURE_MS
      this.#failed(error)
    }
    this.#notBeforeMs = performance.now() + pauseMs
  }

  #warn(tables: readonly string[]): void {
    if (this.#warned) return
    this.#warned = true
    const them = tables.join(', ')
    this.#failed(
      new Error(
        `the tables ${them} have grown, and the user in DATABASE_URL may not analyze them; ` +
          'make it a member of their owner, or run `analyze` as the owner',
      ),
    )
  }
}
