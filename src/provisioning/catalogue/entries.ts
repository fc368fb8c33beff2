import type { FoundRow } from '../../repositories/query/listing-sql.ts'
import type { KeysetPosition } from '../../repositories/query/page-sql.ts'
import type { ResourcePage, ResourceQuery } from '../../repositories/query/queries.ts'
import type { SortValue } from '../../repositories/query/sort-sql.ts'
import { compareText, compareValues, fold } from '../../scim/comparable.ts'
import { dateTime } from '../../scim/date-time.ts'
import type { Comparable } from '../../scim/filter/ast.ts'
import { evaluate } from '../../scim/filter/evaluate.ts'
import { isObject, type JsonValue, type Resource } from '../../scim/resource.ts'
import type { AttributeRef, ResourceType } from '../../scim/schema/resource-type.ts'
import { searchDocument } from '../../scim/search-document.ts'
import type { CatalogueEntry } from '../../tenancy/catalogue.ts'
import type { TenantContext } from '../../tenancy/tenant.ts'
import { missing } from '../refusals.ts'

// Roles and entitlements as resources. They are no rows of a tenant: most belong to its environment, and all tenants show them. A
// catalogue is small, so queries run over it in memory, by the same filters, orders and pages as over rows.

/** Whether a resource type is one of the tenant's catalogue, which clients only read. */
export const isOfCatalogue = ({ catalogue }: Pick<TenantContext, 'catalogue'>, type: ResourceType): boolean =>
  catalogue?.types.includes(type) ?? false

/** The entry with this id. @throws {ScimError} 404 */
export async function retrieveEntry(tenant: TenantContext, type: ResourceType, id: string): Promise<FoundRow> {
  const found = (await entriesOf(tenant, type)).find(({ row }) => row.id === id)
  return found?.row ?? missing(type, id)
}

/** The page of a query over one kind of the catalogue. */
export async function queryCatalogue(tenant: TenantContext, query: ResourceQuery): Promise<ResourcePage> {
  const [only] = query.types
  if (only === undefined) return { total: 0, rows: [] }
  const { type, filter, sortBy } = only
  const order = orderOf(sortBy, query.descending)
  const found = (await entriesOf(tenant, type)).flatMap(({ row, resource }) => {
    const document = searchDocument(type, resource)
    if (filter !== undefined && !evaluate(filter, document)) return []
    return [{ row, by: { sort: sortBy === undefined ? null : sortValueOf(sortBy, document), id: row.id } }]
  })
  found.sort((a, b) => order(a.by, b.by))
  const rows = found.map(({ row, by }) => (sortBy === undefined ? row : { ...row, sort: textOf(by.sort) }))
  const { page } = query
  const total = rows.length
  if (page.kind === 'offset') return { total, rows: rows.slice(page.offset, page.offset + page.limit) }
  const from = page.from && positionIn(page.from, sortBy)
  if (page.backward) {
    const before = from === undefined ? rows : rows.slice(0, found.filter(({ by }) => order(by, from) < 0).length)
    return { total, rows: before.slice(Math.max(before.length - page.limit, 0)) }
  }
  const after = from === undefined ? rows : rows.slice(found.filter(({ by }) => order(by, from) <= 0).length)
  return { total, rows: after.slice(0, page.limit) }
}

interface Shown {
  readonly row: FoundRow
  /** With everything that a filter can ask for. */
  readonly resource: Resource
}

async function entriesOf({ catalogue, baseUrl }: TenantContext, type: ResourceType): Promise<Shown[]> {
  const entries = (await catalogue?.entries()) ?? []
  const containers = new Map<string, string[]>()
  for (const { value, contains } of entries)
    for (const each of contains) containers.set(fold(each), [...(containers.get(fold(each)) ?? []), value])
  const known = new Map(entries.map(({ value }) => [fold(value), value]))
  return entries.flatMap((entry) => {
    if (entry.kind !== type.name) return []
    const contains = entry.contains.flatMap((value) => known.get(fold(value)) ?? [])
    return [shown(type, entry, { contains, containedBy: containers.get(fold(entry.value)) ?? [] }, baseUrl)]
  })
}

function shown(
  type: ResourceType,
  { value, displayName, description, supported, created, modified }: CatalogueEntry,
  related: Readonly<Record<'contains' | 'containedBy', string[]>>,
  baseUrl: string,
): Shown {
  const schemas = [type.schema.id, ...(type.also === undefined ? [] : [type.also.id])]
  const lists = Object.entries(related).filter(([, values]) => values.length > 0)
  const attributes: Resource = {
    ...{ schemas, value, display: displayName, displayName },
    ...(description === '' ? {} : { description }),
    ...{ type: type.name, supported },
    ...Object.fromEntries(lists),
  }
  const meta = {
    ...{ resourceType: type.name, created: dateTime(created), lastModified: dateTime(modified) },
    location: `${baseUrl}${type.endpoint}/${value}`,
  }
  const none = { active: null, hasPassword: false, manager: null, groups: null, members: null }
  // The time of the last change is the version: an entry that goes and comes again has a later one.
  const row = { id: value, version: modified, document: JSON.stringify(attributes), created, modified, ...none }
  return { row, resource: { ...attributes, id: value, meta } }
}

/** Where an entry stands in the order of a query. */
interface Position {
  readonly sort: Comparable | null
  readonly id: string
}

/** Orders positions. What has no value comes last, and first where the order is descending (RFC 7644 §3.4.2.3). */
function orderOf(sortBy: AttributeRef | undefined, descending: boolean): (a: Position, b: Position) => number {
  const direction = sortBy !== undefined && descending ? -1 : 1
  return (a, b) => {
    const bySort = Number(a.sort === null) - Number(b.sort === null) || compared(a.sort, b.sort)
    return direction * (bySort || compareText(a.id, b.id))
  }
}

const compared = (a: Comparable | null, b: Comparable | null): number =>
  a === null || b === null ? 0 : compareValues(a, b)

/** Of several values the first one counts: no attribute of a catalogue has a primary one. */
function sortValueOf({ attribute, sub }: AttributeRef, document: Resource): Comparable | null {
  const value: JsonValue | undefined = document[attribute.name]
  const one = Array.isArray(value) ? value[0] : value
  const part = sub === undefined ? one : isObject(one) ? one[sub.name] : undefined
  return typeof part === 'object' || part === undefined ? null : part
}

const textOf = (value: Comparable | null): SortValue => (value === null ? null : String(value))

/** The position that a cursor holds as text. */
function positionIn({ sort, id }: KeysetPosition, sortBy: AttributeRef | undefined): Position {
  const type = (sortBy?.sub ?? sortBy?.attribute)?.type
  if (sort === null) return { sort, id }
  if (type === 'boolean') return { sort: sort === 'true', id }
  return { sort: type === 'dateTime' || type === 'integer' || type === 'decimal' ? Number(sort) : sort, id }
}
