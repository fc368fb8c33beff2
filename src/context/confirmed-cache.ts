import { LRUCache } from 'lru-cache'
import { ScimError } from '../scim/errors.ts'

// A revocation must be felt within a second. An answer may rest on a confirmation half a second old, and one that took
// long to arrive may be a whole second old. Beyond that the cache asks again, and gives up in the end.
const CONFIRMED_FOR_MS = 500
const CONFIRMATION_MAY_TAKE_MS = 1000
const ATTEMPTS = 3
const MAX_FOUND = 10_000
// Kept apart and small: a flood of guesses must not push out what is in use.
const MAX_MISSED = 1_000

/**
 * What a store gave, remembered while its revision number says that nothing has changed. Nothing is served on a confirmation
 * older than a second; when none is to be had, look-ups throw.
 */
export class ConfirmedCache {
  readonly #revisionOf: (() => Promise<number>) | undefined
  readonly #clock: () => number
  readonly #found = new LRUCache<string, object>({ max: MAX_FOUND })
  readonly #missed = new LRUCache<string, true>({ max: MAX_MISSED })
  /** Counts how often the caches were dropped, so that a look-up under way at the time does not fill in what is past. */
  #generation = 0
  #revision: number | undefined
  #confirmedAt = Number.NEGATIVE_INFINITY
  #confirmation: Promise<void> | undefined

  /**
   * @param revisionOf asks for the number that every change counts up; undefined where nothing changes behind our back
   * @param clock milliseconds on a clock that never goes back
   */
  constructor(revisionOf: (() => Promise<number>) | undefined, clock: () => number) {
    this.#revisionOf = revisionOf
    this.#clock = clock
  }

  /** The same as `remembered`, for what is always there; what is known is given at once and not as a promise. */
  known<T extends object>(label: string, find: () => Promise<T>): T | Promise<T> {
    const certain = this.#revisionOf === undefined || this.#clock() - this.#confirmedAt < CONFIRMED_FOR_MS
    const cached = certain ? this.#found.get(label) : undefined
    return cached === undefined ? (this.remembered(label, find) as Promise<T>) : (cached as T)
  }

  /** What `find` gives, or what it gave before under the same `label`. A label's first word decides the type, so the cast holds. */
  async remembered<T extends object>(label: string, find: () => Promise<T | undefined>): Promise<T | undefined> {
    if (this.#revisionOf !== undefined) await this.#confirm(this.#revisionOf)
    const cached = this.#found.get(label)
    if (cached !== undefined) return cached as T
    if (this.#missed.has(label)) return undefined
    const generation = this.#generation
    const found = await find()
    if (generation === this.#generation) {
      if (found === undefined) this.#missed.set(label, true)
      else this.#found.set(label, found)
    }
    return found
  }

  /** What `find` gives now, for what is always there; what was known under `label` is forgotten. */
  renewed<T extends object>(label: string, find: () => Promise<T>): Promise<T> {
    this.#found.delete(label)
    return this.remembered(label, find) as Promise<T>
  }

  /** Forgets everything. */
  forget(): void {
    this.#generation++
    this.#found.clear()
    this.#missed.clear()
  }

  async #confirm(revisionOf: () => Promise<number>): Promise<void> {
    if (this.#clock() - this.#confirmedAt < CONFIRMED_FOR_MS) return
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      this.#confirmation ??= this.#ask(revisionOf).finally(() => {
        this.#confirmation = undefined
      })
      await this.#confirmation
      if (this.#clock() - this.#confirmedAt < CONFIRMATION_MAY_TAKE_MS) return
    }
    throw new ScimError(503, undefined, 'The store takes too long to confirm that API keys are still good; try again.')
  }

  async #ask(revisionOf: () => Promise<number>): Promise<void> {
    // The answer holds for the moment of asking; it may have been read at once and travelled long.
    const asked = this.#clock()
    const revision = await revisionOf()
    if (revision !== this.#revision) this.forget()
    this.#revision = revision
    this.#confirmedAt = asked
  }
}
