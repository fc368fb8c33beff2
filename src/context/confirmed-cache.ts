import { LRUCache } from 'lru-cache'
import { ScimError } from '../scim/errors.ts'
import { type CacheStats, countsByKind } from './cache-stats.ts'
import type { Changes } from './control-store.ts'

// A revocation must be felt within a second. An answer may rest on a confirmation half a second old, and one that took
// long to arrive may be a whole second old. Beyond that the cache asks again, and gives up in the end.
const CONFIRMED_FOR_MS = 500
const CONFIRMATION_MAY_TAKE_MS = 1000
const ATTEMPTS = 3
// While requests come, the next confirmation is there before the last one is too old: no request waits for it.
const CONFIRMED_AHEAD_MS = 300
const STAYS_CONFIRMED_MS = 60_000
// Enough for some 15,000 tenants with a key each, and what they share.
const MAX_BYTES = 64 * 1024 * 1024
// Kept apart and small: a flood of guesses must not push out what is in use.
const MAX_MISSED = 1_000
const MAX_CHANGED = 10_000
const NOTHING_KNOWN = -1

interface Entry {
  readonly value: object
  readonly dependsOn: readonly string[]
  /** The number of the last change that it is known to have seen. */
  asOf: number
}

/** When the store was asked, to be handed back with the answer. */
export interface Asking {
  /** The last change that was known then; undefined before the first answer. */
  readonly since: number | undefined
  readonly at: number
  readonly localChanges: number
}

/** What is to be remembered, and for how long. */
export interface Kept {
  /** Ids of the places and API keys whose change ends it. */
  readonly dependsOn: readonly string[]
  /** The number of the last change that it has seen for certain. */
  readonly asOf: number
  /** About how much memory it takes. */
  readonly bytes: number
}

/**
 * What a store gave, remembered until something that it depends on is changed. Nothing is served on a confirmation older than
 * a second; when none is to be had, look-ups throw.
 */
export class ConfirmedCache {
  readonly #changesSince: (since: number | undefined) => Promise<Changes>
  readonly #shared: boolean
  readonly #clock: () => number
  readonly #found = new LRUCache<string, Entry>({
    maxSize: MAX_BYTES,
    dispose: (_, _label, reason) => {
      if (reason === 'evict') this.#evictions++
    },
  })
  /** With the number of the last change then: any other change may have made it. */
  readonly #missed = new LRUCache<string, number>({ max: MAX_MISSED })
  /** What is being made, and when that began: requests for the same share it. */
  readonly #underWay = new Map<string, { readonly made: Promise<object>; readonly asking: Asking }>()
  /** By what was changed lately, the number of the change, the oldest first. */
  readonly #changed = new Map<string, number>()
  /** What has not seen this change is forgotten: it is no longer known what was changed before. */
  #floor = NOTHING_KNOWN
  #last = NOTHING_KNOWN
  #localChanges = 0
  #confirmedAt = Number.NEGATIVE_INFINITY
  #confirmation: Promise<Asking> | undefined
  #usedAt = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | undefined
  #ahead = false
  #hits = 0
  #misses = 0
  #evictions = 0

  /**
   * @param changesSince asks the store alone for what was changed after the change with this number
   * @param shared false where nothing changes behind our back
   * @param clock milliseconds on a clock that never goes back
   */
  constructor(
    changesSince: (since: number | undefined) => Promise<Changes>,
    shared: boolean,
    clock: () => number = () => performance.now(),
  ) {
    this.#changesSince = changesSince
    this.#shared = shared
    this.#clock = clock
  }

  /** From now on asks for changes ahead of the requests, until a minute after the last one. */
  confirmAhead(): void {
    this.#ahead = this.#shared
  }

  stop(): void {
    this.#ahead = false
    clearTimeout(this.#timer)
  }

  /** To be called before the store is asked something with whose answer it tells changes. */
  asking(): Asking {
    const since = this.#last === NOTHING_KNOWN ? undefined : this.#last
    return { since, at: this.#clock(), localChanges: this.#localChanges }
  }

  /** Forgets what has changed, by what the store answered. */
  heard({ since, at, localChanges }: Asking, { last, changed }: Changes): void {
    if (since !== undefined && last < since) this.#forget(last)
    else if (last > this.#last) {
      if (changed !== undefined) this.#note(changed, last)
      else if (this.#last !== NOTHING_KNOWN) this.#floor = last
      this.#last = last
    }
    // The answer holds for the moment of asking: it may have been read at once and travelled long.
    if (localChanges === this.#localChanges) this.#confirmedAt = Math.max(this.#confirmedAt, at)
    this.#confirmLater()
  }

  /** What is in memory under this label, null where it is known not to exist; certain only if `certainly` says so. */
  get(label: string): object | null | undefined {
    const value = this.#find(label)
    if (value === undefined) this.#misses++
    else this.#hits++
    return value
  }

  /** To be asked now and then: it counts the entries one by one. */
  stats(): CacheStats {
    const entries = countsByKind(this.#found.keys())
    const [hits, misses, evictions] = [this.#hits, this.#misses, this.#evictions]
    return { entries, bytes: this.#found.calculatedSize, maxBytes: MAX_BYTES, hits, misses, evictions }
  }

  keep(label: string, value: object | undefined, { dependsOn, asOf, bytes }: Kept): void {
    if (value === undefined) this.#missed.set(label, asOf)
    else if (this.#holds({ dependsOn, asOf })) this.#found.set(label, { value, dependsOn, asOf }, { size: bytes })
  }

  /** What `look` finds by `get`, once that is certain; undefined where it finds nothing. */
  async certainly<T>(look: () => T | undefined): Promise<T | undefined> {
    this.#usedAt = this.#clock()
    const found = look()
    if (found === undefined || this.#isCertain(this.#usedAt)) return found
    await this.confirmed()
    return look()
  }

  /**
   * What `make` gives, or what it gave before under the same label; given at once, not as a promise, where that is certain. A
   * label's first word decides the type, so the casts hold.
   */
  made<T extends object>(
    label: string,
    make: () => Promise<T>,
    kept: (value: T) => Omit<Kept, 'asOf'>,
  ): T | Promise<T> {
    this.#usedAt = this.#clock()
    const found = this.#isCertain(this.#usedAt) ? this.get(label) : undefined
    if (found) return found as T
    return this.certainly(() => this.get(label) ?? undefined).then((value) => {
      return value === undefined ? (this.#joined<T>(label) ?? this.renewed(label, make, kept)) : (value as T)
    })
  }

  /** What `ask` gives. Those who come with the same label meanwhile share it, while it is of now. */
  together<T extends object>(label: string, ask: () => Promise<T>): Promise<T> {
    return this.#joined<T>(label) ?? this.#begun(label, ask)
  }

  /** What is under way under this label and of now. */
  #joined<T extends object>(label: string): Promise<T> | undefined {
    const { made, asking } = this.#underWay.get(label) ?? {}
    const isOfNow = asking?.localChanges === this.#localChanges && this.#clock() - asking.at < CONFIRMED_FOR_MS
    return isOfNow ? (made as Promise<T>) : undefined
  }

  /** What `make` gives now. */
  renewed<T extends object>(label: string, make: () => Promise<T>, kept: (value: T) => Omit<Kept, 'asOf'>): Promise<T> {
    this.#found.delete(label)
    const asOf = this.#last
    return this.#begun(label, async () => {
      const value = await make()
      this.keep(label, value, { ...kept(value), asOf })
      return value
    })
  }

  #begun<T extends object>(label: string, make: () => Promise<T>): Promise<T> {
    const asking = this.asking()
    const underWay = { made: make(), asking }
    this.#underWay.set(label, underWay)
    const over = () => {
      if (this.#underWay.get(label) === underWay) this.#underWay.delete(label)
    }
    underWay.made.then(over, over)
    return underWay.made
  }

  /** Trusts nothing until the store has told what has changed. To be called after each change that this process makes. */
  changed(): void {
    this.#localChanges++
    this.#confirmedAt = Number.NEGATIVE_INFINITY
    this.#confirmation = undefined
    if (this.#ahead) this.#confirmUnasked()
  }

  /** Settles once it is certain what has changed. @throws {ScimError} 503 */
  async confirmed(): Promise<void> {
    if (this.#isCertain(this.#clock())) return
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      // It was asked after all local changes before this call; those that come meanwhile are for those who call then.
      const { at } = await this.#confirm()
      if (!this.#shared || this.#clock() - at < CONFIRMATION_MAY_TAKE_MS) return
    }
    throw new ScimError(
      503,
      undefined,
      'keys-unconfirmed',
      'The store takes too long to confirm that API keys are still good; try again.',
    )
  }

  #find(label: string): object | null | undefined {
    const entry = this.#found.get(label)
    if (entry === undefined) return this.#missed.get(label) === this.#last ? null : undefined
    if (entry.asOf !== this.#last) {
      if (!this.#holds(entry)) {
        this.#found.delete(label)
        return undefined
      }
      entry.asOf = this.#last
    }
    return entry.value
  }

  #isCertain(now: number): boolean {
    return this.#shared ? now - this.#confirmedAt < CONFIRMED_FOR_MS : this.#confirmedAt !== Number.NEGATIVE_INFINITY
  }

  #confirm(): Promise<Asking> {
    if (this.#confirmation !== undefined) return this.#confirmation
    const asking = this.asking()
    const confirmation = this.#changesSince(asking.since)
      .then((changes) => {
        this.heard(asking, changes)
        return asking
      })
      .finally(() => {
        if (this.#confirmation === confirmation) this.#confirmation = undefined
      })
    this.#confirmation = confirmation
    return confirmation
  }

  #confirmLater(): void {
    if (!this.#ahead || this.#timer !== undefined) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      if (this.#clock() - this.#usedAt < STAYS_CONFIRMED_MS) this.#confirmUnasked()
    }, CONFIRMED_AHEAD_MS).unref()
  }

  /** After a failure the next request asks, and is told. */
  #confirmUnasked(): void {
    this.#confirm().catch(() => undefined)
  }

  #holds({ dependsOn, asOf }: Pick<Entry, 'dependsOn' | 'asOf'>): boolean {
    return (
      asOf >= this.#floor &&
      asOf <= this.#last &&
      dependsOn.every((id) => (this.#changed.get(id) ?? NOTHING_KNOWN) <= asOf)
    )
  }

  #note(changed: readonly string[], last: number): void {
    for (const id of changed) {
      this.#changed.delete(id)
      this.#changed.set(id, last)
    }
    for (const [id, number] of this.#changed) {
      if (this.#changed.size <= MAX_CHANGED) break
      this.#changed.delete(id)
      this.#floor = number
    }
  }

  /** For a database that was put back to an earlier state: its numbers begin again from there. */
  #forget(last: number): void {
    this.#found.clear()
    this.#missed.clear()
    this.#changed.clear()
    this.#last = last
    this.#floor = last
  }
}
