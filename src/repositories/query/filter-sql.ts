import type { BoundFilter, Comparable, CompareOperator } from '../../scim/filter/ast.ts'
import type { AttributeRef } from '../../scim/schema/resource-type.ts'
import { keyColumn } from '../resources/stored-form.ts'
import { isOurId } from '../sql/ids.ts'
import { Parameters } from '../sql/parameters.ts'
import {
  column,
  containment,
  type FilterScope,
  memberSub,
  type RelatedRows,
  rows,
  searchPath,
} from './attribute-sql.ts'
import { compareSql } from './compare-sql.ts'
import { elementDocument, equalDocument, equalities, onlyEqualities } from './equalities.ts'

/**
 * Compiles a bound filter to a condition on `resources r` (RFC 7644 §3.4.2.2) that chooses the same resources as
 * `evaluate`. Values are bound, never written; attribute names are bound too. Every condition inside `not` is made
 * two-valued by `is true`, since SQL's unknown is neither; outside, unknown and false both leave the row out, and the bare
 * condition can use an index.
 */
export function filterSql(filter: BoundFilter, scope: FilterScope): string {
  return condition(filter, namesOne(filter, scope) ? { ...scope, ofOne: true } : scope, 'and')
}

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

/** Where a condition stands: below `and`s alone a sub-select can lead the plan; under `not` it has to be two-valued. */
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
      return settled(presence(filter.ref, scope), place)
    case 'compare':
      return settled(comparison(filter.ref, filter.operator, filter.value, scope, place), place)
    case 'element':
      return settled(elementCondition(filter.ref, filter.term, scope, place), place)
  }
}

const settled = (text: string, place: Place): string => (place === 'not' ? `((${text}) is true)` : `(${text})`)

// ---- Presence

function presence(ref: AttributeRef, scope: FilterScope): string {
  const related = rows(ref, scope)
  if (related) {
    // A group has a type for everybody who is in it, and a value, and a name or none.
    if (related.above && ref.sub?.name !== 'display') return isInAGroup(scope)
    if (related.above) return inAGroup(related, (sub) => `${sub('display')} is not null`, false, scope)
    const sub = ref.sub && `and ${related.sub(ref.sub.name)} is not null`
    return `exists (select 1 from ${related.from} ${sub ?? ''})`
  }
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
  if (related) return relatedComparison(ref, related, operator, value, scope, place)
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
  const isEmail = isEmailKey(ref, scope) && ref.sub?.name === 'value'
  if (isEmail && place === 'and' && (operator === 'eq' || operator === 'sw')) {
    return byKey('emails.value', operator, String(value), scope)
  }
  if (operator === 'eq') return containment(equalDocument(ref, value), scope)
  if (!ref.attribute.multiValued) return jsonCompare(searchPath(ref, scope), operator, value, scope)
  return anyElement(ref, scope, elementCompare('e.v', ref.sub, operator, value, scope))
}

/**
 * What was changed of late is found by its events: an index on `modified_at` would make every change of a resource rewrite
 * all of its index entries. A condition to go before the comparison itself; empty where it does not help.
 */
function changedSince(
  ref: AttributeRef,
  operator: CompareOperator,
  value: Comparable,
  scope: FilterScope,
  place: Place,
) {
  const isModified = ref.extension === undefined && ref.attribute.name === 'meta' && ref.sub?.name === 'lastModified'
  const since = Number(value)
  if (!isModified || place !== 'and' || (operator !== 'gt' && operator !== 'ge') || since < scope.loggedSince) return ''
  return `r.id = any(array(select e.resource_id from events e where e.tenant_id = ${scope.tenant}
    and e.occurred_at >= timestamptz 'epoch' + ${scope.parameters.bind(String(since), 'text')}::bigint * interval '1 microsecond')) and `
}

function relatedComparison(
  ref: AttributeRef,
  related: RelatedRows,
  operator: CompareOperator,
  value: Comparable,
  scope: FilterScope,
  place: Place,
): string {
  const name = ref.sub?.name ?? 'value'
  const isValue = ref.attribute.name === 'members' && name === 'value' && operator === 'eq'
  if (isValue) {
    if (!isOurId(String(value))) return 'false'
    const id = scope.parameters.bind(String(value), 'uuid')
    const groups = `select m.group_id from memberships m where m.tenant_id = ${scope.tenant} and m.member_id = ${id}`
    return place === 'and' ? `r.id in (${groups})` : `exists (${groups} and m.group_id = r.id)`
  }
  const bind = (v: Comparable) => scope.parameters.bind(String(v), 'text')
  if (related.above) {
    const some = inAGroup(related, (sub) => compareSql(sub(name), operator, value, bind), name === 'type', scope)
    return operator === 'ne' ? `not ${isInAGroup(scope)} or ${some}` : some
  }
  const one = (op: CompareOperator) => compareSql(related.sub(name), op, value, bind)
  if (operator === 'ne') {
    return `not exists (select 1 from ${related.from}) or exists (select 1 from ${related.from} and not (${one('eq')}) is true)`
  }
  return `exists (select 1 from ${related.from} and ${one(operator)})`
}

/**
 * Whether the user is in a group that fits, directly or through others. The groups are looked for once and then their members:
 * to look for each user's groups would take a hundred times as long. So that is done for those alone who are in a fitting
 * group through others, and only where it matters whether they are in it directly too.
 *
 * @param fits a condition on a group, by its sub-attributes
 */
function inAGroup(
  { from, sub, above }: RelatedRows,
  fits: (sub: (name: string) => string) => string,
  typeMatters: boolean,
  { tenant }: FilterScope,
): string {
  const groups = (how: 'direct' | 'indirect') =>
    `select o.id from resources o where o.tenant_id = ${tenant} and o.resource_type = 'Group' and ${fits(above?.(how) ?? sub)}`
  const membersOf = (group: string) =>
    `select m.member_id as id from memberships m where m.tenant_id = ${tenant} and m.group_id = ${group} offset 0`
  const members = (groups: string) =>
    `select member.id from (${groups}) g cross join lateral (${membersOf('g.id')}) member`
  const below = (first: string) => `with recursive below(id) as (
      ${first} union select member.id from below cross join lateral (${membersOf('below.id')}) member
    ) select id from below`
  // As an array, of which the planner expects few: below "or" and "not" it hashes those, and would go through many one by one.
  const among = (ids: string) => `r.id in (select id from unnest(array(${ids})) as ids(id))`
  if (!typeMatters) return among(below(members(groups('direct'))))
  const indirect = `(${among(below(members(members(groups('indirect')))))} and exists (select 1 from ${from} and ${fits(sub)}))`
  return `(${among(members(groups('direct')))} or ${indirect})`
}

const isInAGroup = ({ tenant }: FilterScope): string =>
  `exists (select 1 from memberships m where m.tenant_id = ${tenant} and m.member_id = r.id)`

function byKey(attribute: string, operator: 'eq' | 'sw', value: string, scope: FilterScope): string {
  const bind = (v: Comparable) => scope.parameters.bind(String(v), 'text')
  return `r.id in (select k.resource_id from resource_keys k where k.tenant_id = ${scope.tenant}
    and k.resource_type = ${bind(scope.type.name)} and k.attribute = ${bind(attribute)}
    and ${compareSql('k.key', operator, value, bind)})`
}

function anyElement(ref: AttributeRef, scope: FilterScope, of: string): string {
  const values = searchPath({ ...ref, sub: undefined }, scope)
  return `exists (select 1 from jsonb_array_elements(${values}) as e(v) where ${of})`
}

function jsonCompare(json: string, operator: CompareOperator, value: Comparable, scope: FilterScope): string {
  const text = `((${json}) #>> '{}')`
  if (typeof value === 'number') {
    const bind = (v: Comparable) => `${scope.parameters.bind(String(v), 'text')}::numeric`
    return compareSql(`(${text})::numeric`, operator, value, bind)
  }
  const bind = (v: Comparable) => scope.parameters.bind(String(v), 'text')
  return compareSql(`${text} collate "C"`, operator, value, bind)
}

function elementCompare(
  element: string,
  sub: AttributeRef['sub'],
  operator: CompareOperator,
  value: Comparable,
  scope: FilterScope,
): string {
  const json = sub ? `${element} -> ${scope.parameters.bind(sub.name, 'text')}` : element
  return operator === 'ne'
    ? `not (${jsonCompare(json, 'eq', value, scope)}) is true`
    : jsonCompare(json, operator, value, scope)
}

// ---- Value paths: one condition over one element

function elementCondition(ref: AttributeRef, term: BoundFilter, scope: FilterScope, place: Place): string {
  const related = rows(ref, scope)
  if (related) {
    const fits = (sub: (name: string) => string) => withinElement(term, relatedLeaf(sub, scope))
    if (related.above) return inAGroup(related, fits, isAbout('type', term), scope)
    return `exists (select 1 from ${related.from} and ${fits(related.sub)})`
  }
  // A single value is what the terms are about anyway, if it is there.
  if (!ref.attribute.multiValued) {
    return `${presence({ ...ref, sub: undefined }, scope)} and ${condition(term, scope, place)}`
  }
  // The equalities that every match must meet are asked of the index; what they leave is looked at element by element.
  const required = equalities(term)
  const contains = required.size === 0 ? undefined : containment(elementDocument(ref, required), scope)
  const email = isEmailKey(ref, scope) && place === 'and' ? required.get('value') : undefined
  const indexed =
    email !== undefined && contains !== undefined
      ? [byKey('emails.value', 'eq', String(email), scope), `(${contains}) is true`]
      : [contains ?? []].flat()
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

/** Whether some part of the term is about the sub-attribute. */
function isAbout(sub: string, term: BoundFilter): boolean {
  switch (term.kind) {
    case 'and':
    case 'or':
      return term.terms.some((t) => isAbout(sub, t))
    case 'not':
    case 'element':
      return isAbout(sub, term.term)
    case 'nothing':
      return false
    default:
      return term.ref.sub?.name === sub
  }
}

type Leaf = (sub: string | undefined, operator: CompareOperator | 'pr', value: Comparable) => string

function withinElement(term: BoundFilter, leaf: Leaf): string {
  switch (term.kind) {
    case 'and':
    case 'or':
      return `(${term.terms.map((t) => withinElement(t, leaf)).join(` ${term.kind} `)})`
    case 'not':
      return `(not (${withinElement(term.term, leaf)}) is true)`
    case 'present':
      return `(${leaf(term.ref.sub?.name, 'pr', '')})`
    case 'compare':
      return `(${leaf(term.ref.sub?.name, term.operator, term.value)})`
    case 'nothing':
    case 'element':
      return 'false'
  }
}

/** The condition that a value path's filter puts on one member: `m` is the membership, `o` the member's row. */
export function memberConditionSql(term: BoundFilter, scope: FilterScope): string {
  return withinElement(term, relatedLeaf(memberSub(scope), scope))
}

function relatedLeaf(sub: (name: string) => string, scope: FilterScope): Leaf {
  return (name, operator, value) => {
    const sql = sub(name ?? 'value')
    if (operator === 'pr') return `${sql} is not null`
    return compareSql(sql, operator, value, (v) => scope.parameters.bind(String(v), 'text'))
  }
}
