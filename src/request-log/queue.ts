/** What may wait to be written, in all. One tenant may have a quarter of it while others have something, and all of it alone. */
export interface QueueBounds {
  readonly entries: number
  readonly bytes: number
}

/** Which part of a queue one tenant may fill while another has entries in it. */
const TENANTS_PART = 4

interface Waiting<Entry> {
  readonly entry: Entry
  readonly bytes: number
}

/** What is to be known of an entry that comes. */
export interface NewEntry {
  readonly bytes: number
  /** Milliseconds since 1970. */
  readonly at: number
  /** Which part of the queue entries of its kind may fill, from 0 to 1; all of it without. */
  readonly share?: number
}

/** What was left out of one tenant's requests since the last time that it was told. */
export interface Gap {
  dropped: number
  /** Milliseconds since 1970. */
  readonly from: number
  until: number
}

/**
 * Requests that wait to be written, by tenant. What does not fit is left out and counted, so that one tenant never pushes out
 * another's. Batches have some of each tenant in turn.
 */
export class FairQueue<Entry> {
  readonly #bounds: QueueBounds
  /** The tenant at the front is the next to be taken from. */
  readonly #tenants = new Map<string, Waiting<Entry>[]>()
  readonly #bytesOf = new Map<string, number>()
  readonly #gaps = new Map<string, Gap>()
  #entries = 0
  #bytes = 0

  constructor(bounds: QueueBounds) {
    this.#bounds = bounds
  }

  get length(): number {
    return this.#entries
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Whether an entry of a tenant would be taken. @param share of the queue, which entries of its kind may fill, from 0 to 1 */
  hasRoom(tenant: string, bytes: number, share = 1): boolean {
    const own = this.#tenants.get(tenant)?.length ?? 0
    const isAlone = this.#tenants.size === 0 || (this.#tenants.size === 1 && own > 0)
    const part = isAlone ? 1 : TENANTS_PART
    const mostEntries = this.#bounds.entries * share
    const mostBytes = this.#bounds.bytes * share
    return (
      this.#entries < mostEntries &&
      this.#bytes + bytes <= mostBytes &&
      own < mostEntries / part &&
      (this.#bytesOf.get(tenant) ?? 0) + bytes <= mostBytes / part
    )
  }

  /** True where the entry was taken; else it is a part of the tenant's gap. @param at milliseconds since 1970 */
  add(tenant: string, entry: Entry, { bytes, at, share }: NewEntry): boolean {
    if (!this.hasRoom(tenant, bytes, share)) {
      this.drop(tenant, 1, at)
      return false
    }
    const own = this.#tenants.get(tenant) ?? []
    if (own.length === 0) this.#tenants.set(tenant, own)
    own.push({ entry, bytes })
    this.#count(tenant, 1, bytes)
    return true
  }

  /** Notes that requests of a tenant were left out. */
  drop(tenant: string, dropped: number, at: number): void {
    const gap = this.#gaps.get(tenant)
    if (gap === undefined) {
      if (this.#gaps.size < this.#bounds.entries) this.#gaps.set(tenant, { dropped, from: at, until: at })
      return
    }
    gap.dropped += dropped
    gap.until = Math.max(gap.until, at)
  }

  /** Takes up to so many entries, and bytes, of all tenants in turn; and one entry at least, where there is one. */
  take(most: number, mostBytes: number): Entry[] {
    const taken: Entry[] = []
    let bytes = 0
    while (taken.length < most) {
      const [next] = this.#tenants
      if (next === undefined) break
      const [tenant, own] = next
      const first = own[0] as Waiting<Entry>
      if (taken.length > 0 && bytes + first.bytes > mostBytes) break
      // A fair turn: as many as all would have of what is left, so that one long list is not walked one by one.
      const turn = Math.max(1, Math.ceil((most - taken.length) / this.#tenants.size))
      let n = 0
      let turnBytes = 0
      for (; n < turn && n < own.length; n++) {
        const size = (own[n] as Waiting<Entry>).bytes
        if (taken.length + n > 0 && bytes + turnBytes + size > mostBytes) break
        turnBytes += size
      }
      for (const { entry } of own.splice(0, n)) taken.push(entry)
      bytes += turnBytes
      this.#count(tenant, -n, -turnBytes)
      this.#tenants.delete(tenant)
      if (own.length > 0) this.#tenants.set(tenant, own)
    }
    return taken
  }

  /** Takes what was left out so far, of up to so many tenants. */
  takeGaps(most: number): [tenant: string, gap: Gap][] {
    const gaps = [...this.#gaps].slice(0, most)
    for (const [tenant] of gaps) this.#gaps.delete(tenant)
    return gaps
  }

  get hasGaps(): boolean {
    return this.#gaps.size > 0
  }

  #count(tenant: string, entries: number, bytes: number): void {
    this.#entries += entries
    this.#bytes += bytes
    const own = (this.#bytesOf.get(tenant) ?? 0) + bytes
    if (own > 0) this.#bytesOf.set(tenant, own)
    else this.#bytesOf.delete(tenant)
  }
}
