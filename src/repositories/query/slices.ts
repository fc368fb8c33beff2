import { LRUCache } from 'lru-cache'
import type { BoundFilter } from '../../scim/filter/ast.ts'
import { arrayText, type Parameters } from '../sql/parameters.ts'
import { type FilterScope, rows } from './attribute-sql.ts'
import { isLedByResources, isLedBySearch } from './index-choice.ts'
import type { SortExpression, SortValue } from './sort-sql.ts'

// The embedded engine runs one statement at a time, and all tenants wait for it. So a query that looks through many resources is
// asked there in slices, between which other tenants have their turns.

/** What one slice costs, in the unit of ./filter-cost.ts: the embedded engine takes some four milliseconds for each. */
const SLICE_COST = 5
/** Of so many resources a query has its cost. */
const COST_IS_OF = 50_000
/** Ids are remembered of which each is so many resources after the one before. */
const MARK_EVERY = 500
const MARKS_KEPT_MS = 60_000
const TENANTS = 1_000

/** By tenant and types. Those that are made since are in the last slice; the others are where they were. */
const marksOf = new LRUCache<string, readonly string[]>({ max: TENANTS, ttl: MARKS_KEPT_MS })

/** Resources that match, with their sort values. */
export interface Hits {
  readonly ids: string[]
  readonly sorts: SortValue[]
}

/** Asks the statements of a query in slices. */
export interface Slicing {
  /** The tenant and the types that are looked through. */
  readonly of: string
  /** The id of the resource that is `count` after the one with the id `after`; undefined where so many do not come. */
  end(after: string, count: number): Promise<string | undefined>
  /** What matches among the ids after the one and up to the other. */
  find(after: string, upTo: string): Promise<readonly (readonly [id: string, sort: SortValue])[]>
}

const [FIRST, LAST] = ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff']

/**
 * Whether a filter compares one resource after the other. An index that leads a filter would be read for each slice anew, and so
 * would the groups whose members are looked for.
 */
export const comparesEach = (filter: BoundFilter | undefined, scope: FilterScope): boolean =>
  filter === undefined ||
  !(isLedBySearch(filter, scope) || isLedByResources(filter, scope) || findsMembersOfGroups(filter, scope))

function findsMembersOfGroups(filter: BoundFilter, scope: FilterScope): boolean {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return filter.terms.some((term) => findsMembersOfGroups(term, scope))
    case 'not':
      return findsMembersOfGroups(filter.term, scope)
    case 'nothing':
      return false
    default:
      return rows(filter.ref, scope)?.above !== undefined
  }
}

/** Finds all that match, slice by slice; undefined where all resources are one slice of a query that costs so much. */
export async function hitsInSlices(cost: number, { of, end, find }: Slicing): Promise<Hits | undefined> {
  const known = marksOf.get(of)
  const marks = known ?? (await marksBy(end))
  // What is set once more would be kept once more as long, while the last slice grows.
  if (known === undefined) marksOf.set(of, marks)
  const every = Math.max(1, Math.floor((COST_IS_OF * SLICE_COST) / cost / MARK_EVERY))
  if (marks.length < every) return undefined
  const hits: Hits = { ids: [], sorts: [] }
  let after = FIRST
  for (const upTo of [...marks.filter((_, i) => (i + 1) % every === 0), LAST]) {
    for (const [id, sort] of await find(after, upTo)) {
      hits.ids.push(id)
      hits.sorts.push(sort)
    }
    after = upTo
  }
  return hits
}

async function marksBy(end: Slicing['end']): Promise<string[]> {
  const marks: string[] = []
  for (let mark: string | undefined = FIRST; ; marks.push(mark)) {
    mark = await end(mark, MARK_EVERY)
    if (mark === undefined) return marks
  }
}

/** The select for id and sort value of what was found. */
export function selectOfHits({ ids, sorts }: Hits, sort: SortExpression | undefined, parameters: Parameters): string {
  const id = parameters.array(ids, 'uuid')
  if (sort === undefined) return `select i.id, null::text as sort from unnest(${id}) as i(id)`
  const value = parameters.bind(arrayText(sorts, 'text'))
  const collation = sort.type === 'text' ? ' collate "C"' : ''
  return `select i.id, i.sort::${sort.type}${collation} as sort from unnest(${id}, ${value}::text::text[]) as i(id, sort)`
}
