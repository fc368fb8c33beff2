import type { ResourceType } from '../scim/schema/resource-type.ts'
import { groupsAbove } from './groups-above.ts'
import type { Parameters } from './parameters.ts'
import type { RepositoryScope } from './tenant-scope.ts'

/** Which computed attributes a reader wants; each costs look-ups of its own. */
export interface Wanted {
  /** A user's groups, direct and indirect (RFC 7643 §4.1.2). */
  readonly groups: boolean
  /** A group's members. */
  readonly members: boolean
}

/** A resource as read: the stored document as text, and beside it what is computed, also as JSON text. */
export interface ResourceRow {
  readonly id: string
  readonly version: number
  readonly document: string
  readonly active: boolean | null
  /** Milliseconds since 1970, to be rounded. */
  readonly created: number
  readonly modified: number
  /** The manager's displayName, empty if there is none; null where `manager.value` is nobody of this tenant. */
  readonly manager: string | null
  /** Null when there are none or nobody wanted them. */
  readonly groups: string | null
  /** The same; a large group's in several texts that follow each other. */
  readonly members: string | readonly string[] | null
}

/** What a change has to know besides. */
export interface ChangeableRow extends ResourceRow {
  readonly has_password: boolean
}

/** The column of a `ChangeableRow`, of `resources r`. */
export const passwordColumn = 'r.password_hash is not null as has_password'

// Not `extract`, which counts in decimals and takes several times as long.
const milliseconds = (column: string) => `date_part('epoch', ${column}) * 1000`

/** Timestamps of `resources r` as both drivers read them. */
export const momentColumns = `${milliseconds('r.created_at')} as created, ${milliseconds('r.modified_at')} as modified`

/** The manager's name, of `resources r`; see `ResourceRow.manager`. */
export const managerColumn = (tenant: string): string => `case when r.manager_id is not null then (
      select case when m.display_key is null then '' else m.label end
      from resources m where m.tenant_id = ${tenant} and m.id = r.manager_id) end`

/** Binds the base URL for `$ref`, as JSON text without its quotes. */
const bindBase = (baseUrl: string, parameters: Parameters): string =>
  parameters.bind(JSON.stringify(baseUrl).slice(1, -1), 'text')

/**
 * The select list that makes a `ResourceRow` of `resources r`.
 *
 * @param tenant placeholder of the tenant's id
 */
export function resourceColumns(
  type: ResourceType | undefined,
  wanted: Wanted,
  tenant: string,
  scope: RepositoryScope,
  parameters: Parameters,
): string {
  const forUsers = wanted.groups && (type === undefined || type.name === 'User')
  const forGroups = wanted.members && (type === undefined || type.name === 'Group')
  const base = forUsers || forGroups ? bindBase(scope.baseUrl, parameters) : ''
  return `r.id::text, r.version::int, r.document, r.active, ${momentColumns},
    ${managerColumn(tenant)} as manager,
    ${forUsers ? groupsColumn(tenant, base) : 'null::text'} as groups,
    ${forGroups ? membersColumn(tenant, base, scope.defersReferences) : 'null::text'} as members`
}

// A user in no group pays one look at the index.
const groupsColumn = (tenant: string, base: string) => `
  case when r.resource_type = 'User'
    and exists (select 1 from memberships m where m.tenant_id = ${tenant} and m.member_id = r.id)
  then (
    select '[' || string_agg('{"value":"' || g.id || '","$ref":"' || ${base} || '/Groups/' || g.id || '"'
      || coalesce(',"display":' || to_json(g.label)::text, '')
      || case when u.direct then ',"type":"direct"}' else ',"type":"indirect"}' end, ',' order by g.id) || ']'
    from ${groupsAbove(tenant, 'r.id')} u
    cross join lateral (
      select g.id, g.label from resources g where g.tenant_id = ${tenant} and g.id = u.group_id offset 0
    ) g
  ) end`

const membersColumn = (tenant: string, base: string, withDeferred: boolean) => `
  case when r.resource_type = 'Group' then (
    select '[' || string_agg(x.json, ',') || ']' from (${memberElements(tenant, base, withDeferred)}) x
  ) end`

/** How many members' texts come together: some 200 kB. */
const MEMBERS_IN_A_TEXT = 1_000

/**
 * Joins `c` to `resources r`: a group's members as the texts of which `ResourceRow.members` consists, in rows of their own,
 * so that no part of the way holds the whole of a large group twice. A group without members has one row without a text.
 */
export function joinedMembers(tenant: string, scope: RepositoryScope, parameters: Parameters): string {
  const elements = memberElements(tenant, bindBase(scope.baseUrl, parameters), scope.defersReferences)
  return `left join lateral (
      select n.place, string_agg(n.json, ',') as text
      from (select x.json, (row_number() over () - 1) / ${MEMBERS_IN_A_TEXT} as place from (${elements}) x) n
      group by n.place
    ) c on true`
}

// `offset 0` holds the plan to a look into the index for each member: planned for groups of average size, it may read all rows.
const memberElements = (tenant: string, base: string, withDeferred: boolean) => `
      (select ${memberJson('o', 'm.display', base)} as json
      from memberships m cross join lateral (
        select o.id, o.resource_type, o.label, o.display_key from resources o
        where o.tenant_id = ${tenant} and o.id = m.member_id offset 0
      ) o
      where m.tenant_id = ${tenant} and m.group_id = r.id order by m.member_id)
      ${
        withDeferred
          ? `union all select '{"value":' || to_json(d.value)::text || coalesce(',"display":' || to_json(d.display)::text, '') || '}'
      from deferred_members d where d.tenant_id = ${tenant} and d.group_id = r.id`
          : ''
      }`

/**
 * One element of `members` as JSON text, of the member's row `o`. Its name is the member's own displayName, else the one
 * that the client sent, else what else the member is called.
 */
const memberJson = (o: string, sentDisplay: string, base: string): string =>
  `'{"value":"' || ${o}.id || '","$ref":"' || ${base}
  || case ${o}.resource_type when 'Group' then '/Groups/' else '/Users/' end || ${o}.id
  || '","type":"' || ${o}.resource_type || '"'
  || coalesce(',"display":' || to_json(coalesce(case when ${o}.display_key is not null then ${o}.label end, ${sentDisplay}, ${o}.label))::text, '') || '}'`
