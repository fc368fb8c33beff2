import type { ResourceType } from '../../scim/schema/resource-type.ts'
import { ENTERPRISE_USER_SCHEMA } from '../../scim/urn.ts'
import { groupsAbove } from '../sql/groups-above.ts'
import type { Utf8Text } from './utf8-text.ts'

/** The computed attributes that a reader wants; each costs look-ups. */
export interface Wanted {
  /** A user's groups, direct and indirect (RFC 7643 §4.1.2). */
  readonly groups: boolean
  /** A group's members. */
  readonly members: boolean
}

/** JSON text; or its bytes, as they came from the database. */
export type JsonText = string | Utf8Text

/** A resource as read: the stored document and the computed attributes, all as JSON text. */
export interface ResourceRow<Text extends JsonText = string> {
  readonly id: string
  readonly version: number
  readonly document: Text
  readonly active: boolean | null
  readonly hasPassword: boolean
  /** Milliseconds since 1970, not rounded. */
  readonly created: number
  readonly modified: number
  /** The manager's displayName, empty if there is none; null where `manager.value` is no resource of this tenant. */
  readonly manager: string | null
  /** Null when there are none or they were not wanted. */
  readonly groups: Text | null
  /** The same. A large group has its first members here, without the bracket that closes the array: see `goesOn`. */
  readonly members: Text | null
}

/**
 * A `ResourceRow` as the driver gives it. Columns without nulls come in one text, because the driver's work grows with the
 * number of columns: ten columns took twice as long as the rest of a read. Columns that are mostly null stay separate.
 */
export interface PackedRow {
  readonly packed: string
  readonly manager?: string | null
  readonly groups?: string | null
  readonly members?: string | null
}

// Not `extract`, which computes in decimals and takes several times as long.
const milliseconds = (column: string) => `date_part('epoch', ${column}) * 1000`

/** Timestamps of `resources r` in a form that both drivers read alike. */
export const momentColumns = `${milliseconds('r.created_at')} as created, ${milliseconds('r.modified_at')} as modified`

/** The manager's name, of `resources r`; see `ResourceRow.manager`. */
export const managerColumn = ({
  tenant,
}: Pick<RowPlaces, 'tenant'>): string => `case when r.manager_id is not null then (
      select case when m.display_key is null then '' else m.label end
      from resources m where m.tenant_id = ${tenant} and m.id = r.manager_id) end`

/** The base URL for `$ref` as it is bound: JSON text without quotes. */
export function baseInJson(baseUrl: string): string {
  if (baseUrl !== lastBase) {
    lastBase = baseUrl
    lastInJson = JSON.stringify(baseUrl).slice(1, -1)
  }
  return lastInJson
}
// Many requests in a row are for one tenant.
let lastBase = ''
let lastInJson = ''

/** The placeholders that the columns of a row need from their statement. */
export interface RowPlaces {
  /** Placeholder of the tenant's id. */
  readonly tenant: string
  /** Returns the placeholder of `baseInJson`. */
  readonly base: () => string
  /** As `RepositoryScope.defersReferences`. */
  readonly withDeferred: boolean
  /** How many members a row has at most, if not `MEMBERS_AT_ONCE`; the others are read by `member-pages`. */
  readonly mostMembers?: number
}

// The id has 36 letters, and two flags follow it. A space follows each number but the last.
const packedHead = `r.id::text || case when r.active then 't' when not r.active then 'f' else '-' end
      || case when r.password_hash is null then '-' else 'p' end
      || (${milliseconds('r.created_at')})::bigint::text || ' ' || (${milliseconds('r.modified_at')})::bigint::text || ' '
      || r.version::text`

/** The same with the manager's id behind the head, for rows that have none of the columns beside `packed`. */
export const packedAlone = (type: ResourceType | undefined): string =>
  `${packedHead}${type === undefined || hasManagers(type) ? ` || coalesce(' ' || r.manager_id::text, '')` : ''} || r.document`

/** The select list that makes a `PackedRow` of `resources r`. */
export function resourceColumns(type: ResourceType | undefined, wanted: Wanted, places: RowPlaces): string {
  const apart = Object.entries(apartColumns(type, wanted)).map(([name, sql]) => `, ${sql(places)} as ${name}`)
  return `${packedHead} || r.document as packed${apart.join('')}`
}

/** Names of its columns beside `packed`. */
export const namesApart = (type: ResourceType | undefined, wanted: Wanted): readonly string[] =>
  Object.keys(apartColumns(type, wanted))

function apartColumns(type: ResourceType | undefined, { groups, members }: Wanted) {
  const columns: Partial<Record<keyof PackedRow, (places: RowPlaces) => string>> = {}
  if (type === undefined || hasManagers(type)) columns.manager = managerColumn
  if (groups && (type === undefined || type.name === 'User')) columns.groups = groupsColumn
  if (members && (type === undefined || type.name === 'Group')) columns.members = membersColumn
  return columns
}

/** Reads a packed row, which begins at `from` in the text. */
export function unpacked(row: PackedRow, from = 0): ResourceRow {
  const { packed, manager = null, groups = null, members = null } = row
  const document = packed.indexOf('{', from)
  return rowOf(packed.slice(from, document), packed.slice(document), manager, groups, members)
}

/** The row of what is packed before the document, and of the rest. */
export function rowOf<Text extends JsonText>(
  head: string,
  document: Text,
  manager: string | null,
  groups: Text | null,
  members: Text | null,
): ResourceRow<Text> {
  const created = ID_LENGTH + 2
  const modified = head.indexOf(' ', created) + 1
  const version = head.indexOf(' ', modified) + 1
  const active = head[ID_LENGTH]
  return {
    id: head.slice(0, ID_LENGTH),
    version: Number.parseInt(head.slice(version), 10),
    document,
    active: active === '-' ? null : active === 't',
    hasPassword: head[ID_LENGTH + 1] === 'p',
    created: Number(head.slice(created, modified - 1)),
    modified: Number(head.slice(modified, version - 1)),
    manager,
    groups,
    members,
  }
}

/** Letters of an id. */
export const ID_LENGTH = 36

/** Whether resources of the type may have a manager. */
export const hasManagers = ({ extensionsByUrn }: ResourceType) =>
  extensionsByUrn.has(ENTERPRISE_USER_SCHEMA.toLowerCase())

/** A text that is the same for types and scopes with the same `resourceColumns`; it tells shapes of statements apart. */
export function columnShape(type: ResourceType, { groups, members }: Wanted, withDeferred: boolean): string {
  const kind = type.name === 'User' || type.name === 'Group' ? type.name : ''
  return `${kind} ${hasManagers(type)} ${groups} ${members} ${withDeferred}`
}

/** One element of a user's `groups` as JSON text, made of the group's row `g`; one of `GROUP_ENDS` goes behind it. */
export const groupJson = (base: string): string =>
  `'{"value":"' || g.id || '","$ref":"' || ${base} || '/Groups/' || g.id || '"' || coalesce(',"display":' || to_json(g.label)::text, '')`

/** What ends an element of `groups`, for a user who is a member of the group and for one who is in it through another. */
export const GROUP_ENDS = { direct: ',"type":"direct"}', indirect: ',"type":"indirect"}' } as const

// A user in no group costs one index look-up. `offset 0` enforces it: for many rows a plan may hash all memberships.
const groupsColumn = ({ tenant, base }: RowPlaces) => `
  case when r.resource_type = 'User'
    and exists (select 1 from memberships m where m.tenant_id = ${tenant} and m.member_id = r.id offset 0)
  then (
    select '[' || string_agg(${groupJson(base())}
      || case when u.direct then '${GROUP_ENDS.direct}' else '${GROUP_ENDS.indirect}' end, ',' order by g.id) || ']'
    from ${groupsAbove(tenant, 'r.id')} u
    cross join lateral (
      select g.id, g.label from resources g where g.tenant_id = ${tenant} and g.id = u.group_id offset 0
    ) g
  ) end`

/** Members that one statement reads of one group, and of all groups that it continues: some 200 kB. */
export const MEMBERS_AT_ONCE = 1_000

/** Members that one statement reads of all groups of a list. A group's share is as large as it is for a list that is full. */
const MEMBERS_IN_A_LIST = 20_000
const SMALLEST_SHARE = 20

/** How many members a list of so many groups reads of each. */
export const membersInAList = (limit: number): number =>
  Math.max(SMALLEST_SHARE, Math.min(MEMBERS_AT_ONCE, Math.trunc(MEMBERS_IN_A_LIST / Math.max(limit, 1))))

/**
 * Members of `resources r`, or of what has its `id` and `resource_type`, as a JSON array. Where there may be more of them than
 * `mostMembers`, the array is left open.
 */
export function membersColumn(places: RowPlaces): string {
  const { mostMembers: most = MEMBERS_AT_ONCE } = places
  return `
  case when r.resource_type = 'Group' then (
    select '[' || string_agg(x.json, ',') || case when count(*) < ${most} then ']' else '' end
    from (${memberElements(places, { group: 'r.id', most })}) x
  ) end`
}

/** Whether a group may have more members than its row has. */
export const goesOn = (members: JsonText | null): members is JsonText =>
  members !== null && !(typeof members === 'string' ? members : members.bytes).endsWith(']')

/** Which members `memberElements` gives: those of a group, behind the last that was read; names and numbers in SQL. */
interface MembersWanted {
  readonly group: string
  readonly after?: { readonly id: string; readonly value: string }
  readonly most: number
}

/**
 * Members of a group as rows with the column `json`: in the order of their ids, and behind them in the order of values those
 * that are no resources.
 */
export function memberElements(
  { tenant, base, withDeferred }: RowPlaces,
  { group, after, most }: MembersWanted,
): string {
  // `offset 0` enforces an index look-up for each member: a plan for groups of average size may read all rows.
  const members = `select ${memberJson('o', 'm.display', base())} as json
      from memberships m cross join lateral (
        select o.id, o.resource_type, o.label, o.display_key from resources o
        where o.tenant_id = ${tenant} and o.id = m.member_id offset 0
      ) o
      where m.tenant_id = ${tenant} and m.group_id = ${group}${after ? ` and m.member_id > ${after.id}` : ''}
      order by m.member_id limit ${most}`
  if (!withDeferred) return members
  return `(${members})
      union all (
        select '{"value":' || to_json(d.value)::text || coalesce(',"display":' || to_json(d.display)::text, '') || '}'
        from deferred_members d
        where d.tenant_id = ${tenant} and d.group_id = ${group}${after ? ` and d.value > ${after.value}` : ''}
        order by d.value limit ${most}
      ) limit ${most}`
}

/**
 * One element of `members` as JSON text, made of the member's row `o`. Its display is the member's displayName, else the one
 * that the client sent, else the member's label.
 */
export const memberJson = (o: string, sentDisplay: string, base: string): string =>
  `'{"value":"' || ${o}.id || '","$ref":"' || ${base}
  || case ${o}.resource_type when 'Group' then '/Groups/' else '/Users/' end || ${o}.id
  || '","type":"' || ${o}.resource_type || '"'
  || coalesce(',"display":' || to_json(coalesce(case when ${o}.display_key is not null then ${o}.label end, ${sentDisplay}, ${o}.label))::text, '') || '}'`
