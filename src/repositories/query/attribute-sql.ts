import type { TenantId } from '../../place-ids.ts'
import type { Comparable } from '../../scim/filter/ast.ts'
import type { JsonObject } from '../../scim/resource.ts'
import type { AttributeRef, ResourceType } from '../../scim/schema/resource-type.ts'
import { ENTERPRISE_USER_SCHEMA, sameUrn } from '../../scim/urn.ts'
import { withoutDerived } from '../../scim/version.ts'
import { keyColumn } from '../resources/stored-form.ts'
import { groupsAbove } from '../sql/groups-above.ts'
import type { Parameters } from '../sql/parameters.ts'

/**
 * What the compiler needs beside the filter. In its statements the alias of `resources` is `r`, and that of the resource's
 * row of `search_documents` is `s`.
 */
export interface FilterScope {
  readonly type: ResourceType
  readonly tenantId: TenantId
  /** Placeholder of the tenant's id, such as `$1::uuid`. */
  readonly tenant: string
  /** For `meta.location` and `$ref`: the base URL of this request. */
  readonly baseUrl: string
  /** The endpoint of each resource type by name, for `$ref`. */
  readonly endpoints: ReadonlyMap<string, string>
  readonly parameters: Parameters
  /** Whether at most one resource can match. */
  readonly ofOne?: boolean
  /** Microseconds since 1970: the log has an event of every resource that was changed after this. */
  readonly loggedSince: number
  /** Whether the database is distributed. */
  readonly distributed: boolean
  /** The part of the resources that is looked through; all without it. */
  readonly slice?: Slice | undefined
}

/**
 * A part of a tenant's resources: those with ids above `after`, up to `upTo` itself. Both are places of parameters in the text of the
 * statement, such as `$3::uuid`, and never values: an id does not get into a text.
 */
export interface Slice {
  readonly after: string
  readonly upTo: string
}

// ---- Attributes that are stored in a column, or in rows of their own

/** An attribute as an SQL expression, and how its comparable value is bound. Undefined where the search document holds it. */
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
    const ofManager = sameUrn(ref.extension, ENTERPRISE_USER_SCHEMA) && name === 'manager'
    const manager = `from resources o where o.tenant_id = ${scope.tenant} and o.id = r.manager_id`
    // The name is the manager's own, and not stored with the user. So is the address, unless the client has sent one.
    if (ofManager && ref.sub?.name === 'displayName') return asText(`(select o.display_key ${manager})`)
    if (!ofManager || ref.sub?.name !== '$ref') return undefined
    return asText(
      `coalesce((${searchPath(ref, scope)}) #>> '{}', (select ${locationOf(scope, 'o')} ${manager})) collate "C"`,
    )
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
      return {
        ...asText(`('W/"' || r.version || '"') collate "C"`),
        bind: (value) => parameters.bind(withoutDerived(String(value)), 'text'),
      }
    default:
      return asText(`(${locationOf(scope, 'r')}) collate "C"`)
  }
}

function locationOf(scope: FilterScope, alias: string): string {
  const endpoints = [...scope.endpoints].map(
    ([name, endpoint]) => `when ${scope.parameters.bind(name, 'text')} then ${scope.parameters.bind(endpoint, 'text')}`,
  )
  const base = scope.parameters.bind(scope.baseUrl, 'text')
  return `${base} || case ${alias}.resource_type ${endpoints.join(' ')} end || '/' || ${alias}.id`
}

const GROUP_DISPLAY = 'coalesce(o.display_key, o.unique_key)'

/** Rows that are an attribute's values. */
export interface RelatedRows {
  readonly from: string
  /** A sub-attribute as an expression on one of them. */
  readonly sub: (name: string) => string
  /** For `groups` of many users: a sub-attribute as an expression on the group's row `o`, for its direct or indirect members. */
  readonly above?: (how: 'direct' | 'indirect') => (name: string) => string
}

/** `members` of a group and `groups` of a user are rows; other attributes are not. */
export function rows(ref: AttributeRef, scope: FilterScope): RelatedRows | undefined {
  if (ref.extension !== undefined) return undefined
  const tenant = scope.tenant
  if (ref.attribute.name === 'members' && scope.type.name === 'Group') {
    return {
      from: `memberships m join resources o on o.tenant_id = m.tenant_id and o.id = m.member_id
        where m.tenant_id = ${tenant} and m.group_id = r.id`,
      sub: memberSub(scope),
    }
  }
  if (ref.attribute.name === 'groups' && scope.type.name === 'User') {
    return {
      from: `${groupsAbove(tenant, 'r.id')} m
        join resources o on o.tenant_id = ${tenant} and o.id = m.group_id where true`,
      sub: relatedSub(scope, {
        id: 'm.group_id',
        type: "case when m.direct then 'direct' else 'indirect' end",
        display: GROUP_DISPLAY,
      }),
      ...(scope.ofOne
        ? {}
        : { above: (how) => relatedSub(scope, { id: 'o.id', type: `'${how}'`, display: GROUP_DISPLAY }) }),
    }
  }
  return undefined
}

/** A sub-attribute of `members` as an expression on the membership `m` and the member's row `o`. */
export const memberSub = (scope: FilterScope): ((name: string) => string) =>
  relatedSub(scope, {
    id: 'm.member_id',
    type: 'o.resource_type',
    display: 'coalesce(o.display_key, m.display_key, o.unique_key)',
  })

function relatedSub(scope: FilterScope, of: { id: string; type: string; display: string }): (name: string) => string {
  return (name) => {
    switch (name) {
      case 'value':
        return `${of.id}::text collate "C"`
      case 'display':
        return of.display
      case 'type':
        return `lower(${of.type}) collate "C"`
      default:
        return `(${locationOf(scope, 'o')}) collate "C"`
    }
  }
}

// ---- The search document

function path(ref: AttributeRef, scope: FilterScope): string[] {
  const holder = ref.extension === undefined ? [] : [ref.extension]
  const sub = ref.sub && !ref.attribute.multiValued ? [ref.sub.name] : []
  return [scope.tenantId, ...holder, ref.attribute.name, ...sub]
}

/** The attribute in the search document, as jsonb; null where it has no value. */
export const searchPath = (ref: AttributeRef, scope: FilterScope): string =>
  `s.search #> ${scope.parameters.array(path(ref, scope), 'text')}`

/** The search document with `part`, as the documents of the tenant hold it. */
export const searchPart = (part: JsonObject, { tenantId }: Pick<FilterScope, 'tenantId'>): JsonObject => ({
  [tenantId]: part,
})

export const containment = (part: JsonObject, scope: FilterScope): string =>
  `s.search @> ${scope.parameters.json(searchPart(part, scope))}`
