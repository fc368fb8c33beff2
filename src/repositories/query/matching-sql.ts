import type { BoundFilter } from '../../scim/filter/ast.ts'
import type { FilterScope } from './attribute-sql.ts'
import { filterTerms } from './filter-sql.ts'
import { isLedByResources, isLedBySearch } from './index-choice.ts'
import type { SortExpression } from './sort-sql.ts'

// Which rows a statement joins, and in which order. `offset 0` keeps the planner from another order: a plan made for empty
// tables is used for full ones.

/**
 * The `resources r` of the search documents that meet `conditions`, with these as `s`. The documents are found first, and the
 * resource of each by its key.
 */
export const foundBySearch = (conditions: readonly string[], tenant: string): string =>
  `(select s.resource_id, s.search from search_documents s where ${conditions.join(' and ')} offset 0) s
    cross join lateral (select r.* from resources r where r.tenant_id = ${tenant} and r.id = s.resource_id offset 0) r`

/**
 * The conditions that say whose documents are looked for and of which type, where the search index answers. The planner takes one
 * document in a hundred for a match, and would read the tenant's whole key as well. So no index can answer these: `is true`. The
 * tenant's id is in the document, too. Citus finds the machine by the condition, and plans with the values.
 */
export const ofDocuments = (conditions: readonly string[], distributed: boolean): string[] =>
  distributed ? [...conditions] : conditions.map((condition) => `(${condition}) is true`)

/** The `resources r` with the search document `s` of each, found by its key. */
const withSearch = (tenant: string): string =>
  `resources r cross join lateral (select s.search from search_documents s
    where s.tenant_id = ${tenant} and s.resource_type = r.resource_type and s.resource_id = r.id offset 0) s`

/** The select for id and sort value of all resources of one type that match. It reads the tables that it needs alone. */
export function matchesOfType(
  filter: BoundFilter | undefined,
  sort: SortExpression | undefined,
  scope: FilterScope,
): string {
  const { tenant, type } = scope
  const terms = filter === undefined ? [] : filterTerms(filter, scope)
  const texts = [...terms, sort?.sql ?? '']
  const typeName = scope.parameters.bind(type.name, 'text')
  const ofType = (alias: 'r' | 's') => [
    ...[`${alias}.tenant_id = ${tenant}`, `${alias}.resource_type = ${typeName}`],
    ...ofSlice(alias === 'r' ? 'r.id' : 's.resource_id', scope),
  ]
  const selectOf = (id: string, from: string, conditions: readonly string[]) =>
    `select ${id} as id, ${sortColumn(sort)} from ${from}${conditions.length === 0 ? '' : ` where ${conditions.join(' and ')}`}`
  if (!texts.some(readsSearch)) return selectOf('r.id', 'resources r', [...ofType('r'), ...terms])
  const ledBySearch = filter !== undefined && isLedBySearch(filter, scope)
  const ofDocument = ledBySearch ? ofDocuments(ofType('s'), scope.distributed) : ofType('s')
  if (!texts.some(readsResource)) return selectOf('s.resource_id', 'search_documents s', [...ofDocument, ...terms])
  const ofSearch = terms.filter((term) => !readsResource(term))
  const ledByResources = filter === undefined || ofSearch.length === 0 || isLedByResources(filter, scope)
  if (ledByResources && !ledBySearch) return selectOf('r.id', withSearch(tenant), [...ofType('r'), ...terms])
  return selectOf('r.id', foundBySearch([...ofDocument, ...ofSearch], tenant), terms.filter(readsResource))
}

/** The same of several types, of which each has a filter of its own or none. */
export function matchesOfTypes(
  filters: readonly (BoundFilter | undefined)[],
  sort: SortExpression | undefined,
  scopes: readonly FilterScope[],
  tenant: string,
): string {
  const each = scopes.map((scope, i) => {
    const filter = filters[i]
    const ofType = `r.resource_type = ${scope.parameters.bind(scope.type.name, 'text')}`
    return [ofType, ...(filter === undefined ? [] : filterTerms(filter, scope))].join(' and ')
  })
  const from = [...each, sort?.sql ?? ''].some(readsSearch) ? withSearch(tenant) : 'resources r'
  const ofTenant = [`r.tenant_id = ${tenant}`, ...scopes.slice(0, 1).flatMap((scope) => ofSlice('r.id', scope))]
  return `select r.id, ${sortColumn(sort)} from ${from} where ${ofTenant.join(' and ')} and ((${each.join(') or (')}))`
}

const ofSlice = (id: string, { slice }: Pick<FilterScope, 'slice'>): string[] =>
  slice === undefined ? [] : [`${id} > ${slice.after}`, `${id} <= ${slice.upTo}`]

const sortColumn = (sort: SortExpression | undefined) => `${sort ? `(${sort.sql})` : 'null::text'} as sort`

// By the text: it has no value of a client in it, since values are bound.
const readsSearch = (text: string): boolean => /\bs\./.test(text)
const readsResource = (text: string): boolean => /\br\./.test(text)
