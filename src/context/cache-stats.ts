/** What a cache holds, and what it did since the start. */
export interface CacheStats {
  /** By the first word of their labels, such as `tenant` or `key`. */
  readonly entries: ReadonlyMap<string, number>
  /** About how much memory they take, and the most that they may. */
  readonly bytes: number
  readonly maxBytes: number
  readonly hits: number
  readonly misses: number
  /** Entries that were pushed out by others. What was changed is forgotten, and does not count. */
  readonly evictions: number
}

/** How many labels have each first word. */
export function countsByKind(labels: Iterable<string>): Map<string, number> {
  const counts = new Map<string, number>()
  for (const label of labels) {
    const kind = label.slice(0, label.indexOf(' '))
    counts.set(kind, (counts.get(kind) ?? 0) + 1)
  }
  return counts
}
