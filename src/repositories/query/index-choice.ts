import type { BoundFilter, Comparable, CompareOperator } from '../../scim/filter/ast.ts'
import type { AttributeRef } from '../../scim/schema/resource-type.ts'
import { keyColumn } from '../resources/stored-form.ts'
import { Parameters } from '../sql/parameters.ts'
import { column, type FilterScope, rows } from './attribute-sql.ts'
import { equalities } from './equalities.ts'

// Which index answers a filter: the text of a statement, and what it costs, depend on that.

/** Whether at most one resource can match, by its id or its unique name; only that one is compared with the other terms. */
export function namesOne(filter: BoundFilter, scope: Pick<FilterScope, 'type'>): boolean {
  if (filter.kind === 'and') return filter.terms.some((term) => namesOne(term, scope))
  if (filter.kind !== 'compare' || filter.operator !== 'eq' || filter.ref.extension !== undefined) return false
  const { name } = filter.ref.attribute
  return name === 'id' || keyColumn(scope.type, name) === 'unique_key'
}

/**
 * Whether the index on search documents should lead the plan. It should where it answers an equality that stands below `and`s
 * alone, and where no key answers one.
 */
export function isLedBySearch(filter: BoundFilter, scope: FilterScope): boolean {
  const terms = filter.kind === 'and' ? filter.terms : [filter]
  return (
    terms.some((term) => indexFor(term, scope) === 'search') && !terms.some((term) => indexFor(term, scope) === 'key')
  )
}

/**
 * Whether rows of `resources` should lead the plan, where the index on search documents does not: a key, an event of late, a
 * group or a member leaves few of them.
 */
export function isLedByResources(filter: BoundFilter, scope: FilterScope): boolean {
  if (filter.kind === 'and') return filter.terms.some((term) => isLedByResources(term, scope))
  if (filter.kind === 'compare' && findsRecent(filter.ref, filter.operator, filter.value, scope)) return true
  const isRelated = (filter.kind === 'compare' || filter.kind === 'element') && rows(filter.ref, scope) !== undefined
  return isRelated || indexFor(filter, scope) === 'key'
}

/** Whether events tell which resources changed since the value, below `and`s alone. */
export function findsRecent(
  ref: AttributeRef,
  operator: CompareOperator,
  value: Comparable,
  scope: FilterScope,
): boolean {
  const isModified = ref.extension === undefined && ref.attribute.name === 'meta' && ref.sub?.name === 'lastModified'
  return isModified && (operator === 'gt' || operator === 'ge') && Number(value) >= scope.loggedSince
}

function indexFor(term: BoundFilter, scope: FilterScope): 'key' | 'search' | undefined {
  if (term.kind === 'and') return term.terms.map((t) => indexFor(t, scope)).find((index) => index !== undefined)
  if (term.kind === 'element') {
    if (rows(term.ref, scope)) return undefined
    if (!term.ref.attribute.multiValued) return indexFor(term.term, scope)
    return equalities(term.term).size > 0 ? 'search' : undefined
  }
  if (term.kind !== 'compare' || (term.operator !== 'eq' && term.operator !== 'sw')) return undefined
  const { ref } = term
  if (rows(ref, scope) || keyColumn(scope.type, ref.attribute.name) || ref.attribute.name === 'id') return 'key'
  return term.operator === 'eq' && !hasColumn(ref, scope) ? 'search' : undefined
}

/** Whether the attribute stands in a column, or is computed, instead of in the search document. */
export const hasColumn = (ref: AttributeRef, scope: FilterScope): boolean =>
  column(ref, { ...scope, parameters: new Parameters() }) !== undefined
