import { type Bindable, type Database, READERS, type Reader, type StatementName } from '../../db/database.ts'
import type { BoundFilter } from '../../scim/filter/ast.ts'
import type { AttributeRef, ResourceType } from '../../scim/schema/resource-type.ts'
import { countRows } from '../resources/counts.ts'
import { baseInJson, columnShape, membersInAList, type PackedRow, unpacked, type Wanted } from '../resources/rows.ts'
import type { RepositoryScope } from '../scope.ts'
import { batched } from '../sql/batched.ts'
import { inTurn } from '../sql/heavy-work.ts'
import { arrayText, ofShape, Parameters, type Template, template } from '../sql/parameters.ts'
import type { FilterScope } from './attribute-sql.ts'
import { queryCost, SCANS_FROM, tooDear } from './filter-cost.ts'
import { indexLookupOf, lookupStatement } from './index-lookup.ts'
import { type BytesRow, type FoundRow, listingSql, readListing } from './listing-sql.ts'
import { matchesOfType, matchesOfTypes } from './matching-sql.ts'
import { deepPage, deepPageSql, isFirst, type Page, pageSql } from './page-sql.ts'
import { comparesEach, hitsInSlices, selectOfHits } from './slices.ts'
import { type SortExpression, sortSql } from './sort-sql.ts'

/** A query over one resource type, or over several at the server root. Filter and sort are bound for each type. */
export interface ResourceQuery {
  readonly types: readonly {
    readonly type: ResourceType
    readonly filter: BoundFilter | undefined
    readonly sortBy: AttributeRef | undefined
  }[]
  /** The endpoint of every resource type by its name. */
  readonly endpoints: ReadonlyMap<string, string>
  readonly sorted: boolean
  readonly descending: boolean
  readonly page: Page
  readonly wanted: Wanted
}

export interface ResourcePage {
  /** How many resources match, of which `rows` is a part. */
  readonly total: number
  readonly rows: readonly FoundRow[]
}

/** What matches a query, as a select for id and sort value. */
interface Matching {
  readonly tenant: string
  readonly sort: SortExpression | undefined
  readonly matches: string
}

/** How far back the log is complete: well below the shortest retention. */
const LOGGED_FOR_MS = 7 * 24 * 3_600_000

/** Statements of this many shapes are prepared. Later ones are planned each time, so that no client can fill the cache. */
const PREPARED_SHAPES = 500

/**
 * Queries over the resources of one tenant (RFC 7644 §3.4.2). One statement filters, counts, sorts and cuts. There are three,
 * and a query uses the first that fits: a look-up by an index, a page of all resources of a type, or the general statement.
 */
export function queriesOf(db: Database, scope: RepositoryScope) {
  const { tenantId, baseUrl, defersReferences: withDeferred, filterBudget = Number.POSITIVE_INFINITY } = scope
  const base = () => baseInJson(baseUrl)

  return {
    /** @throws {ScimError} tooMany for a query that costs more than the budget, before a statement is sent */
    async query(query: ResourceQuery): Promise<ResourcePage> {
      const [only, ...others] = query.types
      if (only !== undefined && others.length === 0 && !query.sorted) {
        const page = (await byIndex(only, query)) ?? (await unfilteredPage(only, query))
        if (page !== undefined) return page
      }
      return generalPage(query)
    },
  }

  /**
   * For the first page of a filter that is one equality, of a key or of any other attribute or element. The statement reads one
   * row more than the page holds. Where that row does not come, the rows are the total, and nothing has to be counted. Where it
   * comes, or for any other query, undefined.
   */
  async function byIndex({ type, filter }: ResourceQuery['types'][number], { page, wanted, endpoints }: ResourceQuery) {
    if (!isFirst(page)) return undefined
    const lookup = indexLookupOf(filter, filterScope(type, '', new Parameters(), endpoints))
    if (lookup === undefined) return undefined
    const { by } = lookup
    const limit = page.limit + 1
    const name = `${tenantId} ${type.name} ${by} ${limit} ${columnShape(type, wanted, withDeferred)} ${baseUrl}`
    const rows = await batched(
      db.shared,
      name,
      { question: lookup, reader: scope.reader },
      async (lookups, readers) => {
        const { text, values } = lookupStatement(by, type, wanted, withDeferred, limit, db.distributed)
        const keys = arrayText(
          lookups.map(({ key }) => key),
          'text',
        )
        const parts = arrayText(
          lookups.map(({ part }) => part),
          'text',
        )
        return byPlace(
          await ask(text, values({ tenant: tenantId, type: type.name, keys, parts, base: base() }), readers),
          lookups.length,
        )
      },
    )
    return rows.length > page.limit ? undefined : { total: rows.length, rows }
  }

  /**
   * For a page without a filter and without an offset: the first page of a type, or the one after a cursor's row. The total is
   * the sum of the counts. For any other query undefined.
   */
  async function unfilteredPage({ type, filter }: ResourceQuery['types'][number], { page, wanted }: ResourceQuery) {
    if (filter !== undefined || !(isFirst(page) || (page.kind === 'keyset' && !page.backward))) return undefined
    const from = page.kind === 'keyset' ? page.from : undefined
    const name = `${from !== undefined} ${page.limit} ${columnShape(type, wanted, withDeferred)}`
    const make = () => pageStatement(type, wanted, withDeferred, from !== undefined, page.limit)
    const { text, values } = ofShape(pageStatements, name, make)
    const named = { tenant: tenantId, type: type.name, base: base(), after: from?.id ?? null }
    const shape = { type, wanted, sorted: false }
    return readListing(shape, await askListing('page', text, values(named)))
  }

  function filterScope(
    type: ResourceType,
    tenant: string,
    parameters: Parameters,
    endpoints: FilterScope['endpoints'],
  ): FilterScope {
    const loggedSince = (Date.now() - LOGGED_FOR_MS) * 1000
    return { type, tenantId, tenant, baseUrl, endpoints, parameters, loggedSince, distributed: db.distributed }
  }

  /**
   * For every other query: filters that no single index answers, sorting, several types, pages that begin at an offset, and pages
   * backwards. It finds and counts all that match, and then reads the rows of the page.
   */
  async function generalPage(query: ResourceQuery): Promise<ResourcePage> {
    const parameters = new Parameters()
    const { scopes, ...matching } = matchesOf(query, parameters)
    const cost = costOf(query, scopes)
    const askAll = () => askPage(query, matching, isFiltered(query), parameters)
    const ask = isSliced(query, scopes) ? async () => (await askInSlices(query, cost, matching)) ?? askAll() : askAll
    const result = await (cost < SCANS_FROM || db.inTransaction
      ? askAll()
      : inTurn(db, 'queries', tenantId, ask, scope.reader))
    return query.page.kind === 'keyset' && query.page.backward ? { ...result, rows: result.rows.toReversed() } : result
  }

  /** The select for what matches, of all resources or of a slice, by ids. */
  function matchesOf({ types, sorted, endpoints }: ResourceQuery, parameters: Parameters, ...ids: string[]) {
    const tenant = parameters.bind(tenantId, 'uuid')
    const [after, upTo] = ids.map((id) => parameters.bind(id, 'uuid'))
    const slice = after === undefined || upTo === undefined ? undefined : { after, upTo }
    const scopes = types.map(({ type }) => ({ ...filterScope(type, tenant, parameters, endpoints), slice }))
    const sortBy = types.map((type) => type.sortBy)
    const sort = sorted ? sortSql(sortBy, scopes) : undefined
    const filters = types.map(({ filter }) => filter)
    const [first] = scopes
    const matches =
      first !== undefined && scopes.length === 1
        ? matchesOfType(filters[0], sort, first)
        : matchesOfTypes(filters, sort, scopes, tenant)
    return { tenant, scopes, sort, matches }
  }

  /** Asks for the page of what matches. With `once` it is found once, for the total and for the page; else counts give the total. */
  async function askPage(query: ResourceQuery, found: Matching, once: boolean, parameters: Parameters) {
    const { tenant, sort, matches } = found
    const only = query.types.length === 1 ? query.types[0]?.type : undefined
    const deep = once || sort || !only ? undefined : deepPage(query.page)
    const { page, order } = deep
      ? { page: deepPageSql(matches, deep, parameters), order: 'p.id' }
      : pageSql(query.page, sort, query.descending, once ? 'hits' : `(${matches})`, parameters)
    const mostMembers = membersInAList(query.page.limit)
    const places = { tenant, base: () => parameters.bind(base(), 'text'), withDeferred, mostMembers }
    const names = query.types.map(({ type }) => type.name)
    const counted = once
      ? 'select count(*)::int as total from hits'
      : totalSql(tenant, `= any(${parameters.array(names, 'text')})`)
    const shape = { type: only, wanted: query.wanted, sorted: sort !== undefined }
    const statement = listingSql(shape, places, {
      tables: `${once ? `hits as materialized (${matches}),` : ''} counted as (${counted})`,
      // One look by the id for each: a plan for a plain join may read the whole tenant.
      rows: `(${page}) p cross join lateral (
        select r.* from resources r where r.tenant_id = ${tenant} and r.id = p.id offset 0
      ) r order by ${order}`,
      follow: !once && sort === undefined && only !== undefined,
    })
    return readListing(shape, await askListing('page-filtered', statement, parameters.values))
  }

  /** Whether all others would wait for the query: the embedded engine runs one statement at a time. */
  function isSliced({ types }: ResourceQuery, scopes: readonly FilterScope[]): boolean {
    return db.engine === 'pglite' && types.every(({ filter }, i) => comparesEach(filter, scopes[i] as FilterScope))
  }

  /** The same as `askPage`, in statements between which others have their turns. Undefined where one statement is short enough. */
  async function askInSlices(
    query: ResourceQuery,
    cost: number,
    { sort }: Matching,
  ): Promise<ResourcePage | undefined> {
    const names = query.types.map(({ type }) => type.name)
    const how = { reader: scope.reader ?? READERS, prepare: false } as const
    const hits = await hitsInSlices(cost, {
      of: [tenantId, ...names].join(' '),
      async end(after, count) {
        const parameters = new Parameters()
        const tenant = parameters.bind(tenantId, 'uuid')
        const [row] = await db.run<{ id: string }>(
          `select r.id::text as id from resources r
           where r.tenant_id = ${tenant} ${names.length === 1 ? `and r.resource_type = ${parameters.bind(names[0] ?? '', 'text')}` : ''}
             and r.id > ${parameters.bind(after, 'uuid')} order by r.id offset ${Math.trunc(count) - 1} limit 1`,
          parameters.values,
          how,
        )
        return row?.id
      },
      find(after, upTo) {
        const parameters = new Parameters()
        const { matches } = matchesOf(query, parameters, after, upTo)
        const statement = `select h.id::text, h.sort::text from (${matches}) h`
        return db.run(statement, parameters.values, { ...how, name: 'page-filtered', shape: 'arrays' })
      },
    })
    if (hits === undefined) return undefined
    const parameters = new Parameters()
    const tenant = parameters.bind(tenantId, 'uuid')
    return askPage(query, { tenant, sort, matches: selectOfHits(hits, sort, parameters) }, true, parameters)
  }

  /** @throws {ScimError} tooMany for a query that costs too much */
  function costOf({ types }: ResourceQuery, scopes: readonly FilterScope[]): number {
    // A resource has one type, and only the filter for that type is applied to it.
    const each = types.map(({ filter, sortBy }, i) => queryCost(filter, sortBy, scopes[i] as FilterScope))
    const most = each.reduce((a, b) => (b.cost > a.cost ? b : a))
    if (most.cost > filterBudget) throw tooDear(most, filterBudget)
    return most.cost
  }

  function ask(statement: string, values: readonly Bindable[], reader: Reader): Promise<PackedRow[]> {
    return db.run<PackedRow>(statement, values, { name: 'look-up', prepare: mayPrepare(statement), reader })
  }

  function askListing(name: StatementName, statement: string, values: readonly Bindable[]): Promise<BytesRow[]> {
    const reader = scope.reader ?? READERS
    return db.run<BytesRow>(statement, values, {
      name,
      prepare: mayPrepare(statement),
      reader,
      shape: 'bytes',
      replica: true,
    })
  }
}

const isFiltered = ({ types }: ResourceQuery): boolean => types.some(({ filter }) => filter !== undefined)

/** The rows of each look-up, by its number from 1, with which a row's text begins. */
function byPlace(rows: readonly PackedRow[], places: number): FoundRow[][] {
  const all: FoundRow[][] = Array.from({ length: places }, () => [])
  for (const row of rows) {
    const end = row.packed.indexOf(' ')
    all[Number(row.packed.slice(0, end)) - 1]?.push(unpacked(row, end + 1))
  }
  return all
}

/** Values of the statement for a page of all resources of a type. */
type PageValue = 'tenant' | 'type' | 'base' | 'after'

const pageStatements = new Map<string, Template<PageValue>>()

/** The statement for the first resources of a type, or for those after one of them: nothing is read only to be skipped. */
const pageStatement = (type: ResourceType, wanted: Wanted, withDeferred: boolean, goesOn: boolean, limit: number) =>
  template<PageValue>((place) => {
    const [tenant, name] = [place('tenant', 'uuid'), place('type', 'text')]
    const places = { tenant, base: () => place('base', 'text'), withDeferred, mostMembers: membersInAList(limit) }
    return listingSql({ type, wanted, sorted: false }, places, {
      tables: `counted as (${totalSql(tenant, `= ${name}`)})`,
      rows: `resources r where r.tenant_id = ${tenant} and r.resource_type = ${name}
        ${goesOn ? `and r.id > ${place('after', 'uuid')}` : ''}
        order by r.id limit ${Math.trunc(limit)}`,
      follow: true,
    })
  })

/** @param types what follows `resource_type` */
const totalSql = (tenant: string, types: string): string =>
  `select coalesce(sum(n.total), 0)::int as total from (${countRows(tenant, types)}) n`

const preparedShapes = new Set<string>()

function mayPrepare(statement: string): boolean {
  if (preparedShapes.has(statement)) return true
  if (preparedShapes.size >= PREPARED_SHAPES) return false
  preparedShapes.add(statement)
  return true
}
