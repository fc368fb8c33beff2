import type { BoundFilter } from '../../scim/filter/ast.ts'
import type { JsonObject } from '../../scim/resource.ts'
import type { ResourceType } from '../../scim/schema/resource-type.ts'
import { columnShape, namesApart, type RowPlaces, resourceColumns, type Wanted } from '../resources/rows.ts'
import { keyColumn } from '../resources/stored-form.ts'
import { ofShape, type Template, template } from '../sql/parameters.ts'
import { type FilterScope, rows, searchPart } from './attribute-sql.ts'
import { elementDocument, equalDocument, equalities, onlyEqualities } from './equalities.ts'
import { hasColumn, isEmailKey } from './index-choice.ts'

/** Values of a look-up's statement; `keys` and `parts` are the texts of arrays that go together. */
export type IndexLookupValue = 'tenant' | 'type' | 'keys' | 'parts' | 'base'

/** By what an equality finds what it asks for: a column, the keys of e-mails, or the index on search documents. */
type IndexLookupWay = 'unique_key' | 'display_key' | 'external_id' | 'email' | 'email-element' | 'search'

/** What an equality asks for. */
export interface IndexLookup {
  readonly by: IndexLookupWay
  /** The value as keys hold it; empty where the part is all there is. */
  readonly key: string
  /** What search documents have to contain, as JSON text; empty where the key is all there is. */
  readonly part: string
}

/** What the filter looks up, if it is an equality of one attribute or of one element, as identity providers ask. */
export function indexLookupOf(filter: BoundFilter | undefined, scope: FilterScope): IndexLookup | undefined {
  if (filter?.kind === 'compare' && filter.operator === 'eq') {
    const { ref, value } = filter
    const column = ref.extension === undefined ? keyColumn(scope.type, ref.attribute.name) : undefined
    if (column !== undefined) return { by: column, key: String(value), part: '' }
    if (isEmailKey(ref, scope) && ref.sub?.name === 'value') return { by: 'email', key: String(value), part: '' }
    if (rows(ref, scope) !== undefined || hasColumn(ref, scope)) return undefined
    return { by: 'search', key: '', part: partOf(equalDocument(ref, value), scope) }
  }
  if (filter?.kind !== 'element' || !filter.ref.attribute.multiValued || rows(filter.ref, scope) !== undefined)
    return undefined
  const required = equalities(filter.term)
  if (required.size === 0 || !onlyEqualities(filter.term)) return undefined
  const part = partOf(elementDocument(filter.ref, required), scope)
  const email = isEmailKey(filter.ref, scope) ? required.get('value') : undefined
  return email === undefined ? { by: 'search', key: '', part } : { by: 'email-element', key: String(email), part }
}

const partOf = (part: JsonObject, scope: FilterScope): string => JSON.stringify(searchPart(part, scope))

const lookUps = new Map<string, Template<IndexLookupValue>>()

/**
 * The statement for resources that fit one of the look-ups of one way. Before what is packed stands the place of the look-up,
 * counted from 1. Those of one come in the order of ids; of more than `limit` it gives any `limit`.
 */
export function lookingUp(
  by: IndexLookupWay,
  type: ResourceType,
  wanted: Wanted,
  withDeferred: boolean,
  limit: number,
): Template<IndexLookupValue> {
  const shape = `${by} ${limit} ${columnShape(type, wanted, withDeferred)}`
  return ofShape(lookUps, shape, () => lookUp(by, type, wanted, withDeferred, limit))
}

const lookUp = (by: IndexLookupWay, type: ResourceType, wanted: Wanted, withDeferred: boolean, limit: number) =>
  template<IndexLookupValue>((place) => {
    const places: RowPlaces = { tenant: place('tenant', 'uuid'), base: () => place('base', 'text'), withDeferred }
    const columns = namesApart(type, wanted).map((column) => `, x.${column}`)
    const [ofType, keys, parts] = [place('type', 'text'), place('keys', 'text'), place('parts', 'text')]
    // Cut before they are sorted: for rows in the order of ids a plan may go through the whole tenant in that order, and
    // where more come than fit on the page nobody looks at them.
    return `select w.place::text || ' ' || x.packed as packed${columns.join('')}
      from unnest(${keys}::text[], ${parts}::text[]) with ordinality w(key, part, place) cross join lateral (
        select ${resourceColumns(type, wanted, places)} from (
          select r.* from resources r where ${fits(by, places.tenant, ofType)} limit ${Math.trunc(limit)}
        ) r order by r.id
      ) x`
  })

/** Whether `resources r` fits the look-up `w`; `is true` keeps other indexes from what only one is to lead. */
function fits(by: IndexLookupWay, tenant: string, type: string): string {
  const contains = 'r.search @> w.part::jsonb'
  if (by === 'search')
    return `(r.tenant_id = ${tenant}) is true and (r.resource_type = ${type}) is true and ${contains}`
  const ofType = `r.tenant_id = ${tenant} and r.resource_type = ${type}`
  if (by !== 'email' && by !== 'email-element') return `${ofType} and r.${by} = w.key`
  return `${ofType} and r.id in (select k.resource_id from resource_keys k where k.tenant_id = ${tenant}
      and k.resource_type = ${type} and k.attribute = 'emails.value' and k.key = w.key)
    ${by === 'email' ? '' : `and (${contains}) is true`}`
}
