import type { BoundFilter } from '../../scim/filter/ast.ts'
import type { JsonObject } from '../../scim/resource.ts'
import type { ResourceType } from '../../scim/schema/resource-type.ts'
import {
  columnShape,
  membersInAList,
  namesApart,
  type RowPlaces,
  resourceColumns,
  type Wanted,
} from '../resources/rows.ts'
import { keyColumn } from '../resources/stored-form.ts'
import { ofShape, type Template, template } from '../sql/parameters.ts'
import { type FilterScope, rows, searchPart } from './attribute-sql.ts'
import { elementDocument, equalDocument, equalities, onlyEqualities } from './equalities.ts'
import { hasColumn } from './index-choice.ts'
import { foundBySearch, ofDocuments } from './matching-sql.ts'

/** Values of a look-up's statement; `keys` and `parts` are arrays of the same length, as text. */
export type IndexLookupValue = 'tenant' | 'type' | 'keys' | 'parts' | 'base'

/** Which index answers an equality: that of a column, or of search documents. */
type LookupIndex = 'unique_key' | 'display_key' | 'external_id' | 'search'

/** One equality as the value that an index finds. */
export interface IndexLookup {
  readonly by: LookupIndex
  /** The value as the column holds it; empty where the search document decides. */
  readonly key: string
  /** The part that search documents have to contain, as JSON text; empty where a column decides. */
  readonly part: string
}

/** The look-up that answers the filter, if it is an equality of one attribute or of one element, as identity providers send. */
export function indexLookupOf(filter: BoundFilter | undefined, scope: FilterScope): IndexLookup | undefined {
  if (filter?.kind === 'compare' && filter.operator === 'eq') {
    const { ref, value } = filter
    const column = ref.extension === undefined ? keyColumn(scope.type, ref.attribute.name) : undefined
    if (column !== undefined) return { by: column, key: String(value), part: '' }
    if (rows(ref, scope) !== undefined || hasColumn(ref, scope)) return undefined
    return { by: 'search', key: '', part: partOf(equalDocument(ref, value), scope) }
  }
  if (filter?.kind !== 'element' || !filter.ref.attribute.multiValued || rows(filter.ref, scope) !== undefined)
    return undefined
  const required = equalities(filter.term)
  if (required.size === 0 || !onlyEqualities(filter.term)) return undefined
  return { by: 'search', key: '', part: partOf(elementDocument(filter.ref, required), scope) }
}

const partOf = (part: JsonObject, scope: FilterScope): string => JSON.stringify(searchPart(part, scope))

const lookupStatements = new Map<string, Template<IndexLookupValue>>()

/**
 * The statement for several look-ups by the same index. A row's text begins with the number of its look-up, counted from 1. The
 * rows of one look-up come in the order of ids. Where more than `limit` match, it gives any `limit` of them.
 */
export function lookupStatement(
  by: LookupIndex,
  type: ResourceType,
  wanted: Wanted,
  withDeferred: boolean,
  limit: number,
  distributed: boolean,
): Template<IndexLookupValue> {
  const shape = `${by} ${limit} ${columnShape(type, wanted, withDeferred)} ${distributed}`
  return ofShape(lookupStatements, shape, () => writeLookup(by, type, wanted, withDeferred, limit, distributed))
}

const writeLookup = (...[by, type, wanted, withDeferred, limit, distributed]: Parameters<typeof lookupStatement>) =>
  template<IndexLookupValue>((place) => {
    const rowPlaces = { withDeferred, mostMembers: membersInAList(limit) }
    const places: RowPlaces = { tenant: place('tenant', 'uuid'), base: () => place('base', 'text'), ...rowPlaces }
    const columns = namesApart(type, wanted).map((column) => `, x.${column}`)
    const [ofType, keys, parts] = [place('type', 'text'), place('keys', 'text'), place('parts', 'text')]
    // Cut before they are sorted: for rows in the order of ids, a plan may go through the whole tenant in that order. Where more
    // come than fit on the page, the caller does not use them.
    return `select w.place::text || ' ' || x.packed as packed${columns.join('')}
      from unnest(${keys}::text[], ${parts}::text[]) with ordinality w(key, part, place) cross join lateral (
        select ${resourceColumns(type, wanted, places)} from (
          select r.* from ${matches(by, places.tenant, ofType, distributed)} limit ${Math.trunc(limit)}
        ) r order by r.id
      ) x`
  })

/** The `resources r` that match the look-up `w`. */
function matches(by: LookupIndex, tenant: string, type: string, distributed: boolean): string {
  if (by !== 'search')
    return `resources r where r.tenant_id = ${tenant} and r.resource_type = ${type} and r.${by} = w.key`
  return foundBySearch(
    [
      ...ofDocuments([`s.tenant_id = ${tenant}`, `s.resource_type = ${type}`], distributed),
      's.search @> w.part::jsonb',
    ],
    tenant,
  )
}
