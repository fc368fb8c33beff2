import type { BoundFilter, Comparable, CompareOperator } from '../scim/filter/ast.ts'
import type { JsonObject, JsonValue } from '../scim/resource.ts'
import type { AttributeRef, ResourceType } from '../scim/schema/resource-type.ts'
import { ENTERPRISE_USER_SCHEMA } from '../scim/urn.ts'
import type { Parameters } from './parameters.ts'
import { isOurId, keyColumn } from './stored-form.ts'

/** What the compiler needs beside the filter; `r` is the alias of `resources` in the statement it writes for. */
export interface FilterScope {
  readonly type: ResourceType
  readonly tenantId: string
  /** Placeholder of the tenant's id, such as `$1::uuid`. */
  readonly tenant: string
  /** For `meta.location` and `$ref`: the base URL of this request. */
  readonly baseUrl: string
  /** The endpoint of each resource type by name, for `$ref`. */
  readonly endpoints: ReadonlyMap<string, string>
  readonly parameters: Parameters
}

/**
 * Compiles a bound filter to a condition on `resources r` (RFC 7644 §3.4.2.2) that chooses the same resources as
 * `evaluate`. Values are bound, never written; attribute names are bound too. Every condition inside `not` is made
 * two-valued by `is true`, since SQL's unknown is neither; outside, unknown and false both leave the row out, and the bare
 * condition can use an index.
 */
export function filterSql(filter: BoundFilter, scope: FilterScope): string {
  return condition(filter, scope, 'and')
}

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
      return settled(elementCondition(filter.ref, filter.term, scope), place)
  }
}

const settled = (text: string, place: Place): string => (place === 'not' ? `((${text}) is true)` : `(${text})`)

// ---- Attributes with a column, or with rows of their own

/** An attribute as an SQL expression, and how its comparable value is bound. Undefined: it is in the search document. */
export function column(
  ref: AttributeRef,
  scope: FilterScope,
): { sql: string; bind: (value: Comparable) => string } | undefined {
  const { parameters } = scope
  const asText = (sql: string) => ({ sql, bind: (value: Comparable) => parameters.bind(String(value), 'text') })
  const asMoment = (sql: string) => ({
    sql,
    bind: (value: Comparable) =>
      `(timestamptz 'epoch' + ${parameters.bind(String(value), 'text')}::bigint * interval '1 microsecond')`,
  })
  const name = ref.attribute.name
  if (ref.extension !== undefined) {
    const ofManager = sameName(ref.extension, ENTERPRISE_USER_SCHEMA) && name === 'manager'
    // The manager's name is not stored with the user: it is the manager's own.
    return ofManager && ref.sub?.name === 'displayName'
      ? asText(`(select m.display_key from resources m where m.tenant_id = ${scope.tenant} and m.id = r.manager_id)`)
      : undefined
  }
  const key = keyColumn(scope.type, name)
  if (key !== undefined) return asText(`r.${key}`)
  if (name === 'active' && scope.type.name === 'User') {
    return { sql: 'r.active', bind: (value) => parameters.bind(value === true, 'boolean') }
  }
  if (name === 'id') return asText('r.id::text collate "C"')
  if (name !== 'meta') return undefined
  switch (ref.sub?.name) {
    case 'resourceType':
      return asText('r.resource_type collate "C"')
    case 'created':
      return asMoment('r.created_at')
    case 'lastModified':
      return asMoment('r.modified_at')
    case 'version':
      return asText(`('W/"' || r.version || '"') collate "C"`)
    default:
      return asText(`(${locationOf(scope, 'r')}) collate "C"`)
  }
}

const sameName = (a: string, b: string) => a.toLowerCase() === b.toLowerCase()

function locationOf(scope: FilterScope, alias: string): string {
  const endpoints = [...scope.endpoints].map(
    ([name, endpoint]) => `when ${scope.parameters.bind(name, 'text')} then ${scope.parameters.bind(endpoint, 'text')}`,
  )
  const base = scope.parameters.bind(scope.baseUrl, 'text')
  return `${base} || case ${alias}.resource_type ${endpoints.join(' ')} end || '/' || ${alias}.id`
}

/** `members` of a group and `groups` of a user are rows; other attributes are not. */
export function rows(
  ref: AttributeRef,
  scope: FilterScope,
): { from: string; sub: (name: string) => string } | undefined {
  if (ref.extension !== undefined) return undefined
  const tenant = scope.tenant
  if (ref.attribute.name === 'members' && scope.type.name === 'Group') {
    return {
      from: `memberships m join resources o on o.tenant_id = m.tenant_id and o.id = m.member_id
        where m.tenant_id = ${tenant} and m.group_id = r.id`,
      sub: (name) => relatedSub(name, 'm.member_id', 'o.resource_type', scope),
    }
  }
  if (ref.attribute.name === 'groups' && scope.type.name === 'User') {
    return {
      from: `(with recursive up(group_id, direct) as (
            select d.group_id, true from memberships d where d.tenant_id = ${tenant} and d.member_id = r.id
            union select n.group_id, false from up join memberships n on n.tenant_id = ${tenant} and n.member_id = up.group_id
          ) select group_id, bool_or(direct) as direct from up group by group_id) m
        join resources o on o.tenant_id = ${tenant} and o.id = m.group_id where true`,
      sub: (name) => relatedSub(name, 'm.group_id', "case when m.direct then 'direct' else 'indirect' end", scope),
    }
  }
  return undefined
}

function relatedSub(name: string, id: string, type: string, scope: FilterScope): string {
  switch (name) {
    case 'value':
      return `${id}::text collate "C"`
    case 'display':
      return 'coalesce(o.display_key, o.unique_key)'
    case 'type':
      return `lower(${type})`
    default:
      return `(${locationOf(scope, 'o')}) collate "C"`
  }
}

// ---- Presence

function presence(ref: AttributeRef, scope: FilterScope): string {
  const related = rows(ref, scope)
  if (related) {
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
  const own = column(ref, scope)
  if (own) return compareSql(own.sql, operator, value, own.bind, scope)
  const isEmail = ref.attribute.name === 'emails' && ref.sub?.name === 'value' && scope.type.name === 'User'
  if (isEmail && place === 'and' && ref.extension === undefined && (operator === 'eq' || operator === 'sw')) {
    return byKey('emails.value', operator, String(value), scope)
  }
  if (operator === 'eq') return containment(nest(ref, asDocument(ref, value)), scope)
  if (!ref.attribute.multiValued) return jsonCompare(searchPath(ref, scope), operator, value, scope)
  return anyElement(ref, scope, elementCompare('e.v', ref.sub, operator, value, scope))
}

function relatedComparison(
  ref: AttributeRef,
  related: { from: string; sub: (name: string) => string },
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
  const one = (op: CompareOperator) => compareSql(related.sub(name), op, value, bind, scope)
  if (operator === 'ne') {
    return `not exists (select 1 from ${related.from}) or exists (select 1 from ${related.from} and not (${one('eq')}) is true)`
  }
  return `exists (select 1 from ${related.from} and ${one(operator)})`
}

function byKey(attribute: string, operator: 'eq' | 'sw', value: string, scope: FilterScope): string {
  const bind = (v: Comparable) => scope.parameters.bind(String(v), 'text')
  return `r.id in (select k.resource_id from resource_keys k where k.tenant_id = ${scope.tenant}
    and k.resource_type = ${bind(scope.type.name)} and k.attribute = ${bind(attribute)}
    and ${compareSql('k.key', operator, value, bind, scope)})`
}

/** One operator on one SQL expression; prefixes become ranges, which a generic plan can answer from an index. */
function compareSql(
  sql: string,
  operator: CompareOperator,
  value: Comparable,
  bind: (value: Comparable) => string,
  scope: FilterScope,
): string {
  switch (operator) {
    case 'eq':
      return `${sql} = ${bind(value)}`
    case 'ne':
      return `not (${sql} = ${bind(value)}) is true`
    case 'gt':
      return `${sql} > ${bind(value)}`
    case 'ge':
      return `${sql} >= ${bind(value)}`
    case 'lt':
      return `${sql} < ${bind(value)}`
    case 'le':
      return `${sql} <= ${bind(value)}`
    case 'co':
      return `strpos(${sql}, ${bind(value)}) > 0`
    case 'ew':
      return `right(${sql}, length(${bind(value)})) = ${bind(value)}`
    case 'sw': {
      const prefix = String(value)
      const end = afterPrefix(prefix)
      const upper = end === undefined ? '' : ` and ${sql} < ${scope.parameters.bind(end, 'text')}`
      return prefix === '' ? `${sql} is not null` : `${sql} >= ${bind(prefix)}${upper}`
    }
  }
}

/** The least text, in code point order, greater than every text that starts with `prefix`; undefined when there is none. */
export function afterPrefix(prefix: string): string | undefined {
  const points = Array.from(prefix, (c) => c.codePointAt(0) as number)
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    if (last === 0x10ffff) continue
    // Surrogates are no characters: the next one after U+D7FF is U+E000.
    const next = last === 0xd7ff ? 0xe000 : last + 1
    return String.fromCodePoint(...points, next)
  }
  return undefined
}

// ---- The search document

function path(ref: AttributeRef, scope: FilterScope): string[] {
  const holder = ref.extension === undefined ? [] : [ref.extension]
  const sub = ref.sub && !ref.attribute.multiValued ? [ref.sub.name] : []
  return [scope.tenantId, ...holder, ref.attribute.name, ...sub]
}

/** The attribute in the search document, as jsonb; null where it has no value. */
export const searchPath = (ref: AttributeRef, scope: FilterScope): string =>
  `r.search #> ${scope.parameters.array(path(ref, scope), 'text')}`

/** `part` of the attribute `ref`, as the whole search document would hold it. */
function nest(ref: AttributeRef, part: JsonValue): JsonObject {
  const attribute: JsonObject = { [ref.attribute.name]: part }
  return ref.extension === undefined ? attribute : { [ref.extension]: attribute }
}

function asDocument(ref: AttributeRef, value: Comparable): JsonValue {
  const single = ref.sub ? { [ref.sub.name]: value } : value
  return ref.attribute.multiValued ? [single] : single
}

const containment = (part: JsonObject, scope: FilterScope): string =>
  `r.search @> ${scope.parameters.json({ [scope.tenantId]: part })}`

function anyElement(ref: AttributeRef, scope: FilterScope, of: string): string {
  const values = searchPath({ ...ref, sub: undefined }, scope)
  return `exists (select 1 from jsonb_array_elements(${values}) as e(v) where ${of})`
}

function jsonCompare(json: string, operator: CompareOperator, value: Comparable, scope: FilterScope): string {
  const text = `((${json}) #>> '{}')`
  if (typeof value === 'number') {
    const bind = (v: Comparable) => `${scope.parameters.bind(String(v), 'text')}::numeric`
    return compareSql(`(${text})::numeric`, operator, value, bind, scope)
  }
  const bind = (v: Comparable) => scope.parameters.bind(String(v), 'text')
  return compareSql(`${text} collate "C"`, operator, value, bind, scope)
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

function elementCondition(ref: AttributeRef, term: BoundFilter, scope: FilterScope): string {
  const related = rows(ref, scope)
  if (related) {
    return `exists (select 1 from ${related.from} and ${withinElement(term, relatedLeaf(related.sub, scope))})`
  }
  // The equalities that every match must meet are asked of the index; what they leave is looked at element by element.
  const required = equalities(term)
  const indexed = required.size === 0 ? [] : [containment(nest(ref, elementDocument(ref, required)), scope)]
  if (required.size > 0 && onlyEqualities(term)) return indexed.join('')
  const of = withinElement(term, (sub, operator, value) => {
    const json = sub === undefined ? 'e.v' : `e.v -> ${scope.parameters.bind(sub, 'text')}`
    if (operator === 'pr') return `${json} is not null`
    return operator === 'ne'
      ? `not (${jsonCompare(json, 'eq', value, scope)}) is true`
      : jsonCompare(json, operator, value, scope)
  })
  const values = searchPath({ ...ref, sub: undefined }, scope)
  const elements = ref.attribute.multiValued
    ? `jsonb_array_elements(${values})`
    : `(select ${values} where ${values} is not null)`
  return [...indexed, `exists (select 1 from ${elements} as e(v) where ${of})`].join(' and ')
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

/** Values that an element must have to fit: the equalities that stand below `and`s alone; a contradiction keeps the first. */
function equalities(term: BoundFilter, found = new Map<string | undefined, Comparable>()) {
  if (term.kind === 'and') for (const t of term.terms) equalities(t, found)
  if (term.kind === 'compare' && term.operator === 'eq' && !found.has(term.ref.sub?.name)) {
    found.set(term.ref.sub?.name, term.value)
  }
  return found
}

function onlyEqualities(term: BoundFilter): boolean {
  const names = new Set<string | undefined>()
  const only = (t: BoundFilter): boolean => {
    if (t.kind === 'and') return t.terms.every(only)
    if (t.kind !== 'compare' || t.operator !== 'eq' || names.has(t.ref.sub?.name)) return false
    names.add(t.ref.sub?.name)
    return true
  }
  return only(term)
}

function elementDocument(ref: AttributeRef, required: ReadonlyMap<string | undefined, Comparable>): JsonValue {
  const simple = required.get(undefined)
  const element: JsonValue =
    simple ?? Object.fromEntries([...required].map(([name, value]) => [name as string, value as JsonValue]))
  return ref.attribute.multiValued ? [element] : element
}

/** The condition that a value path's filter puts on one member: `m` is the membership, `o` the member's row. */
export function memberConditionSql(term: BoundFilter, scope: FilterScope): string {
  return withinElement(
    term,
    relatedLeaf((name) => relatedSub(name, 'm.member_id', 'o.resource_type', scope), scope),
  )
}

function relatedLeaf(sub: (name: string) => string, scope: FilterScope): Leaf {
  return (name, operator, value) => {
    const sql = sub(name ?? 'value')
    if (operator === 'pr') return `${sql} is not null`
    return compareSql(sql, operator, value, (v) => scope.parameters.bind(String(v), 'text'), scope)
  }
}
