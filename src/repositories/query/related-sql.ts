import type { BoundFilter, Comparable, CompareOperator } from '../../scim/filter/ast.ts'
import type { AttributeRef } from '../../scim/schema/resource-type.ts'
import { isOurId } from '../sql/ids.ts'
import { type FilterScope, memberSub, type RelatedRows } from './attribute-sql.ts'
import { compareSql } from './compare-sql.ts'
import { isAbout, type Leaf, withinElement } from './element-sql.ts'

// Conditions on `members` of a group and on `groups` of a user: rows of memberships, which no document holds.

/** Whether there are members or groups, or some with a value of the sub-attribute. */
export function relatedPresence(ref: AttributeRef, related: RelatedRows, scope: FilterScope): string {
  // Each group that a user is in has a type and a value, but not always a name.
  if (related.above && ref.sub?.name !== 'display') return isInAGroup(scope)
  if (related.above) return inAGroup(related, (sub) => `${sub('display')} is not null`, false, scope)
  const sub = ref.sub && `and ${related.sub(ref.sub.name)} is not null`
  return `exists (select 1 from ${related.from} ${sub ?? ''})`
}
/**
 * One operator on a sub-attribute of members or groups, or on their `value`.
 *
 * @param leads whether the condition stands below `and`s alone, so that a sub-select can lead the plan
 */
export function relatedComparison(
  ref: AttributeRef,
  related: RelatedRows,
  operator: CompareOperator,
  value: Comparable,
  scope: FilterScope,
  leads: boolean,
): string {
  const name = ref.sub?.name ?? 'value'
  const isValue = ref.attribute.name === 'members' && name === 'value' && operator === 'eq'
  if (isValue) {
    if (!isOurId(String(value))) return 'false'
    const id = scope.parameters.bind(String(value), 'uuid')
    const groups = `select m.group_id from memberships m where m.tenant_id = ${scope.tenant} and m.member_id = ${id}`
    return leads ? `r.id in (${groups})` : `exists (${groups} and m.group_id = r.id)`
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
 * Whether the user is in a matching group, directly or through other groups. One search finds the groups, and then their
 * members: searching the groups of each user would take a hundred times as long. Only where the type matters, the groups of
 * the indirect members are searched too, because such a user may be a direct member as well.
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
  // As an array, for which the planner expects few rows. Below "or" and "not" it hashes few, and compares many one by one.
  const among = (ids: string) => `r.id in (select id from unnest(array(${ids})) as ids(id))`
  if (!typeMatters) return among(below(members(groups('direct'))))
  const indirect = `(${among(below(members(members(groups('indirect')))))} and exists (select 1 from ${from} and ${fits(sub)}))`
  return `(${among(members(groups('direct')))} or ${indirect})`
}

const isInAGroup = ({ tenant }: FilterScope): string =>
  `exists (select 1 from memberships m where m.tenant_id = ${tenant} and m.member_id = r.id)`

/** Whether one member or group fulfils a value path's filter. */
export function relatedElement(related: RelatedRows, term: BoundFilter, scope: FilterScope): string {
  const fits = (sub: (name: string) => string) => withinElement(term, relatedLeaf(sub, scope))
  if (related.above) return inAGroup(related, fits, isAbout('type', term), scope)
  return `exists (select 1 from ${related.from} and ${fits(related.sub)})`
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
