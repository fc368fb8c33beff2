import type { Database } from '../db/database.ts'
import { placeWaitingEntries } from '../repositories/query/waiting-entries.ts'

/** So long after a write its index entries are put in place, together with those of all writes until then. */
const AFTER_MS = 2_000

/** Puts index entries of search documents in place behind the writes, so that in quiet times none wait. */
export class SearchIndexUpkeep {
  readonly #db: Database
  readonly #failed: (error: unknown) => void
  readonly #afterMs: number
  #timer: NodeJS.Timeout | undefined
  #work: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(db: Database, failed: (error: unknown) => void, afterMs = AFTER_MS) {
    this.#db = db
    this.#failed = failed
    this.#afterMs = afterMs
  }

  /** To be called when there were writes: an idle instance does nothing. */
  noticed(): void {
    if (this.#stopped || this.#timer !== undefined) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#work = this.#work.then(() => placeWaitingEntries(this.#db)).catch(this.#failed)
    }, this.#afterMs)
    this.#timer.unref()
  }

  /** Begins no more work, and ends once what is under way is over. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#work
  }
}
