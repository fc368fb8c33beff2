import type { FoundRow } from '../repositories/query/listing-sql.ts'
import type { KeysetPosition, Page } from '../repositories/query/page-sql.ts'
import type { ResourcePage, ResourceQuery } from '../repositories/query/queries.ts'
import type { Wanted } from '../repositories/resources/rows.ts'
import type { Repositories } from '../repositories/tenant-scope.ts'
import { ScimError } from '../scim/errors.ts'
import { bindFilter, resolveAttribute } from '../scim/filter/bind.ts'
import { parseAttributePath, parseFilter } from '../scim/filter/parse.ts'
import { subAttribute } from '../scim/schema/attribute.ts'
import type { AttributeRef, ResourceType } from '../scim/schema/resource-type.ts'
import type { SearchRequest } from '../scim/search-request.ts'
import type { TenantContext } from '../tenancy/tenant.ts'
import { isOfCatalogue, queryCatalogue } from './catalogue/entries.ts'
import { type CursorSealer, openCursor, queryFingerprint } from './cursor.ts'
import { isSynchronised } from './refusals.ts'

/** A page of resources, with the cursors of its neighbours. */
export interface QueryResult {
  readonly rows: readonly FoundRow[]
  readonly totalResults: number
  /** 1-based; undefined when paging by cursor. */
  readonly startIndex: number | undefined
  readonly nextCursor: string | undefined
  readonly previousCursor: string | undefined
}

export interface CursorOptions {
  readonly sealer: CursorSealer
  readonly timeoutMs: number
  readonly now: () => number
}

/**
 * Runs a query (RFC 7644 §3.4.2, RFC 9865 §2) over one resource type, or over all of the tenant when `types` has several.
 * Nothing is found of types that are switched off.
 *
 * @throws {ScimError} invalidFilter, invalidValue for sortBy, invalidCursor, expiredCursor, invalidCount
 */
export async function runQuery(
  repositories: Repositories,
  tenant: TenantContext,
  types: readonly ResourceType[],
  request: SearchRequest,
  wanted: Wanted,
  cursors: CursorOptions,
): Promise<QueryResult> {
  const bound = boundQuery(tenant, types, request, wanted)
  const find = (query: ResourceQuery): Promise<ResourcePage> | ResourcePage => {
    const [first] = query.types
    if (first === undefined) return { total: 0, rows: [] }
    return isOfCatalogue(tenant, first.type) ? queryCatalogue(tenant, query) : repositories.queries.query(query)
  }
  const { paging } = request
  if (paging.kind === 'index') {
    const page = { kind: 'offset', offset: paging.startIndex - 1, limit: paging.count } as const
    const { total, rows } = await find({ page, ...bound })
    const { startIndex } = paging
    return { rows, totalResults: total, startIndex, nextCursor: undefined, previousCursor: undefined }
  }
  const { sealer, timeoutMs, now } = cursors
  const fingerprint = queryFingerprint([tenant.id, types.map((type) => type.name), { ...request, paging: undefined }])
  const from =
    paging.cursor === '' ? undefined : await openCursor(sealer, paging.cursor, fingerprint, paging.count, now())
  const count = from?.count ?? paging.count ?? paging.defaultCount
  const backward = from?.backward ?? false
  // One row more than the page holds tells whether there is another page in that direction.
  const page: Page = { kind: 'keyset', from: from && position(from), backward, limit: count + 1 }
  const found = await find({ page, ...bound })
  const { rows, before, after } = cutPage(found, count, from !== undefined, backward)
  const seal = (row: FoundRow | undefined, back: boolean) => {
    if (row === undefined) return undefined
    const expiresAt = now() + timeoutMs
    return sealer.seal({ query: fingerprint, count, sort: row.sort ?? null, id: row.id, backward: back, expiresAt })
  }
  return {
    rows,
    totalResults: found.total,
    startIndex: undefined,
    nextCursor: after ? await seal(rows.at(-1), false) : undefined,
    previousCursor: before ? await seal(rows[0], true) : undefined,
  }
}

const position = (content: KeysetPosition): KeysetPosition => ({ sort: content.sort, id: content.id })

/** Takes the extra row off, and says whether there are rows before and after the page. */
function cutPage(found: ResourcePage, count: number, fromCursor: boolean, backward: boolean) {
  const more = found.rows.length > count
  if (backward) return { rows: more ? found.rows.slice(1) : found.rows, before: more, after: found.rows.length > 0 }
  return { rows: found.rows.slice(0, count), before: fromCursor, after: more && count > 0 }
}

function boundQuery(
  tenant: TenantContext,
  types: readonly ResourceType[],
  request: SearchRequest,
  wanted: Wanted,
): Omit<ResourceQuery, 'page'> {
  const atRoot = types.length > 1
  const filter = request.filter === undefined ? undefined : parseFilter(request.filter, tenant.deviations)
  const sortBy = types.map((type) => (request.sortBy === undefined ? undefined : sortAttribute(type, request.sortBy)))
  if (request.sortBy !== undefined && sortBy.every((ref) => ref === undefined)) {
    throw ScimError.invalidValue(
      'sort-unknown',
      `sortBy: "${request.sortBy.slice(0, 100)}" names no attribute to sort by.`,
    )
  }
  const bound = types.map((type, i) => ({
    type,
    filter: filter && bindFilter(filter, type, { atRoot }),
    sortBy: sortBy[i],
  }))
  // Those that are switched off are bound too: whether a query is a good one does not depend on that.
  const read = bound.filter(({ type }) => isSynchronised(tenant, type))
  return {
    types: read,
    endpoints: tenant.registry.endpoints,
    sorted: read.some((each) => each.sortBy !== undefined),
    descending: request.sortOrder === 'descending',
    wanted,
  }
}

/** The attribute that decides the order (S-04, S-07): a multi-valued complex one stands for its `value`. */
function sortAttribute(type: ResourceType, name: string): AttributeRef | undefined {
  const path = parseAttributePath(name)
  const ref = path && resolveAttribute(type, path)
  if (!ref) return undefined
  const deciding = ref.sub ?? ref.attribute
  if (deciding.returned === 'never' || ref.attribute.returned === 'never') return undefined
  if (deciding.type !== 'complex') return ref
  const value = ref.attribute.multiValued ? subAttribute(ref.attribute, 'value') : undefined
  if (!value)
    throw ScimError.invalidValue(
      'sort-unknown',
      `sortBy: "${ref.attribute.name}" has parts; name one, as in "name.familyName".`,
    )
  return { ...ref, sub: value }
}
