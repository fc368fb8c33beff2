import type { BoundFilter } from '../../scim/filter/ast.ts'
import type { AttributeRef } from '../../scim/schema/resource-type.ts'
import { keyColumn } from '../resources/stored-form.ts'
import { Parameters } from '../sql/parameters.ts'
import { column, type FilterScope, rows } from './attribute-sql.ts'
import { equalities } from './equalities.ts'

// Which index answers a filter, as far as the statement's text depends on it.

/** Whether the filter leaves one resource at the most, by its id or its unique name; what else it says is asked of that alone. */
export function namesOne(filter: BoundFilter, scope: Pick<FilterScope, 'type'>): boolean {
  if (filter.kind === 'and') return filter.terms.some((term) => namesOne(term, scope))
  if (filter.kind !== 'compare' || filter.operator !== 'eq' || filter.ref.extension !== undefined) return false
  const { name } = filter.ref.attribute
  return name === 'id' || keyColumn(scope.type, name) === 'unique_key'
}

/**
 * Whether the index on search documents is the best way to what the filter chooses: an equality that stands below `and`s
 * alone is answered by it, and none of them by a key.
 */
export function isLedBySearch(filter: BoundFilter, scope: FilterScope): boolean {
  const terms = filter.kind === 'and' ? filter.terms : [filter]
  return terms.some((term) => wayTo(term, scope) === 'search') && !terms.some((term) => wayTo(term, scope) === 'key')
}

function wayTo(term: BoundFilter, scope: FilterScope): 'key' | 'search' | undefined {
  if (term.kind === 'and') return term.terms.map((t) => wayTo(t, scope)).find((way) => way !== undefined)
  if (term.kind === 'element') {
    if (rows(term.ref, scope)) return undefined
    if (!term.ref.attribute.multiValued) return wayTo(term.term, scope)
    const required = equalities(term.term)
    if (isEmailKey({ ...term.ref, sub: undefined }, scope) && required.has('value')) return 'key'
    return required.size > 0 ? 'search' : undefined
  }
  if (term.kind !== 'compare' || (term.operator !== 'eq' && term.operator !== 'sw')) return undefined
  const { ref } = term
  if (rows(ref, scope) || keyColumn(scope.type, ref.attribute.name) || ref.attribute.name === 'id') return 'key'
  if (isEmailKey(ref, scope) && ref.sub?.name === 'value') return 'key'
  return term.operator === 'eq' && !hasColumn(ref, scope) ? 'search' : undefined
}

/** Whether the attribute stands in a column, or is computed, instead of in the search document. */
export const hasColumn = (ref: AttributeRef, scope: FilterScope): boolean =>
  column(ref, { ...scope, parameters: new Parameters() }) !== undefined

/** E-mail values are keys beside the search document. */
export const isEmailKey = (ref: AttributeRef, scope: Pick<FilterScope, 'type'>): boolean =>
  ref.extension === undefined && ref.attribute.name === 'emails' && scope.type.name === 'User'
