import type { BoundFilter, Comparable, CompareOperator } from '../../scim/filter/ast.ts'
import type { AttributeRef } from '../../scim/schema/resource-type.ts'
import { isOurId } from '../sql/ids.ts'
import { column, containment, type FilterScope, rows, searchPath } from './attribute-sql.ts'
import { compareSql } from './compare-sql.ts'
import { anyElement, elementCompare, jsonCompare, withinElement } from './element-sql.ts'
import { elementDocument, equalDocument, equalities, onlyEqualities } from './equalities.ts'
import { findsRecent, namesOne } from './index-choice.ts'
import { relatedComparison, relatedElement, relatedPresence } from './related-sql.ts'

/**
 * Compiles a bound filter (RFC 7644 §3.4.2.2) to conditions on `resources r` and on the resource's search document `s`. All of
 * them together match the same resources as `evaluate`. Values and attribute names are bound, never written into the text. Inside `not`, `is true` makes each condition true or
 * false, because `not unknown` is unknown. Elsewhere unknown and false both leave the row out, and the bare condition can use
 * an index.
 */
export function filterTerms(filter: BoundFilter, scope: FilterScope): string[] {
  const within = namesOne(filter, scope) ? { ...scope, ofOne: true } : scope
  return termsOf(filter).map((term) => condition(term, within, 'and'))
}

/** What stands below `and`s alone. */
const termsOf = (filter: BoundFilter): readonly BoundFilter[] =>
  filter.kind === 'and' ? filter.terms.flatMap(termsOf) : [filter]

/** Where a condition stands. Below `and`s alone a sub-select can lead the plan; under `not` it has to be true or false. */
type Place = 'and' | 'or' | 'not'

function condition(filter: BoundFilter, scope: FilterScope, place: Place): string {
  switch (filter.kind) {
    case 'and':
    case 'or': {
      const inner = filter.kind === 'or' && place === 'and' ? 'or' : place
      return `(${filter.terms.map((term) => condition(term, scope, inner)).join(` ${filter.kind} `)})`
    }
    case 'not':
      return `(not ${condition(filter.term, scope, 'not')})`
    case 'nothing':
      return 'false'
    case 'present':
      return twoValued(presence(filter.ref, scope), place)
    case 'compare':
      return twoValued(comparison(filter.ref, filter.operator, filter.value, scope, place), place)
    case 'element':
      return twoValued(elementCondition(filter.ref, filter.term, scope, place), place)
  }
}

const twoValued = (text: string, place: Place): string => (place === 'not' ? `((${text}) is true)` : `(${text})`)

// ---- Presence

function presence(ref: AttributeRef, scope: FilterScope): string {
  const related = rows(ref, scope)
  if (related) return relatedPresence(ref, related, scope)
  const whole = ref.attribute.name === 'meta' && ref.extension === undefined && ref.sub === undefined
  if (whole) return 'true'
  const own = column(ref, scope)
  // An empty string is no value (RFC 7643 §2.5, ours for strings), as the search document leaves it out too.
  if (own) return `nullif(${own.sql}::text, '') is not null`
  if (ref.attribute.multiValued && ref.sub) {
    return anyElement(ref, scope, `e.v -> ${scope.parameters.bind(ref.sub.name, 'text')} is not null`)
  }
  return `${searchPath(ref, scope)} is not null`
}

// ---- Comparison

function comparison(
  ref: AttributeRef,
  operator: CompareOperator,
  value: Comparable,
  scope: FilterScope,
  place: Place,
): string {
  const related = rows(ref, scope)
  if (related) return relatedComparison(ref, related, operator, value, scope, place === 'and')
  if (operator === 'ne') {
    if (!ref.attribute.multiValued) return `not (${comparison(ref, 'eq', value, scope, 'not')}) is true`
    // Some value differs, or there is none (Q-19).
    const differs = `not (${elementCompare('e.v', ref.sub, 'eq', value, scope)}) is true`
    return `${searchPath({ ...ref, sub: undefined }, scope)} is null or ${anyElement(ref, scope, differs)}`
  }
  if (ref.attribute.name === 'id' && ref.extension === undefined && operator === 'eq') {
    return isOurId(String(value)) ? `r.id = ${scope.parameters.bind(String(value), 'uuid')}` : 'false'
  }
  const recent = changedSince(ref, operator, value, scope, place)
  const own = column(ref, scope)
  if (own) return recent + compareSql(own.sql, operator, value, own.bind)
  if (operator === 'eq') return containment(equalDocument(ref, value), scope)
  if (!ref.attribute.multiValued) return jsonCompare(searchPath(ref, scope), operator, value, scope)
  return anyElement(ref, scope, elementCompare('e.v', ref.sub, operator, value, scope))
}

/**
 * A condition that finds the resources that changed lately by their events; empty where it does not help. It goes before the
 * comparison itself. An index on `modified_at` would make every change of a resource rewrite all of its index entries.
 */
function changedSince(
  ref: AttributeRef,
  operator: CompareOperator,
  value: Comparable,
  scope: FilterScope,
  place: Place,
) {
  if (place !== 'and' || !findsRecent(ref, operator, value, scope)) return ''
  return `r.id = any(array(select e.resource_id from events e where e.tenant_id = ${scope.tenant}
    and e.occurred_at >= timestamptz 'epoch' + ${scope.parameters.bind(String(Number(value)), 'text')}::bigint * interval '1 microsecond')) and `
}

// ---- Value paths: one condition over one element

function elementCondition(ref: AttributeRef, term: BoundFilter, scope: FilterScope, place: Place): string {
  const related = rows(ref, scope)
  if (related) return relatedElement(related, term, scope)
  // An attribute with a single value: its terms are conditions on that value, if there is one.
  if (!ref.attribute.multiValued) {
    return `${presence({ ...ref, sub: undefined }, scope)} and ${condition(term, scope, place)}`
  }
  // An index answers the equalities that every match must meet. The rest is compared element by element.
  const required = equalities(term)
  const indexed = required.size === 0 ? [] : [containment(elementDocument(ref, required), scope)]
  if (required.size > 0 && onlyEqualities(term)) return indexed.join(' and ')
  const of = withinElement(term, (sub, operator, value) => {
    const json = sub === undefined ? 'e.v' : `e.v -> ${scope.parameters.bind(sub, 'text')}`
    if (operator === 'pr') return `${json} is not null`
    return operator === 'ne'
      ? `not (${jsonCompare(json, 'eq', value, scope)}) is true`
      : jsonCompare(json, operator, value, scope)
  })
  return [...indexed, anyElement(ref, scope, of)].join(' and ')
}
