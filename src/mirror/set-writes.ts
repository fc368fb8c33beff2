import type { Writing } from './resource-writes.ts'
import { idOf, jsonOf, type MemberRow, type Ref, type RoleRow } from './rows.ts'

interface Membership {
  readonly tenant_id: string
  readonly group_id: string
  readonly user_id: string
}

/** Members as parameters: those that may be users with the id. */
const parameterOf = (rows: readonly MemberRow[]): string =>
  jsonOf(rows.map((row) => ({ ...row, id: idOf(row.member) })))
const MEMBERS = `new as materialized (
    select n.* from jsonb_to_recordset($1::text::jsonb) as n(tenant_id uuid, group_id uuid, member text, id uuid)
  )`

/**
 * Adds members to groups that are there, marked by the reading that the tenant is at. Members who are no users (groups, agents, values
 * that nobody has) are kept apart, and become members when a user of that id comes.
 */
export async function addMembers({ tx, s, changes }: Writing, rows: readonly MemberRow[]): Promise<void> {
  if (rows.length === 0) return
  const joined = await tx.query<Membership & { readonly added: boolean }>(
    `with ${MEMBERS},
     placed as materialized (
       select distinct n.tenant_id, n.group_id, n.member, u.id as user_id, t.wanted from new n
       join ${s}.tenants t on t.id = n.tenant_id
       join ${s}.groups g on g.tenant_id = n.tenant_id and g.id = n.group_id and g.deleted_at is null
       left join ${s}.users u on u.tenant_id = n.tenant_id and u.id = n.id
     ),
     others as (
       insert into ${s}.other_members as m (tenant_id, group_id, member, reading)
       select p.tenant_id, p.group_id, p.member, p.wanted from placed p where p.user_id is null
       on conflict (tenant_id, group_id, member) do update set reading = excluded.reading where m.reading <> excluded.reading
     )
     insert into ${s}.memberships as m (tenant_id, group_id, user_id, reading)
     select p.tenant_id, p.group_id, p.user_id, p.wanted from placed p where p.user_id is not null
     on conflict (tenant_id, group_id, user_id) do update set reading = excluded.reading where m.reading <> excluded.reading
     returning m.tenant_id, m.group_id, m.user_id, m.xmax = 0 as added`,
    [parameterOf(rows)],
  )
  for (const { tenant_id: tenant, group_id: group, user_id: user, added } of joined)
    if (added) changes.push({ kind: 'membership.added', tenant, group, user })
}

/** Takes members out of groups. */
export async function removeMembers({ tx, s, changes }: Writing, rows: readonly MemberRow[]): Promise<void> {
  if (rows.length === 0) return
  const left = await tx.query<Membership>(
    `with ${MEMBERS},
     others as (
       delete from ${s}.other_members m using new n
       where m.tenant_id = n.tenant_id and m.group_id = n.group_id and m.member = n.member
     )
     delete from ${s}.memberships m using new n where m.tenant_id = n.tenant_id and m.group_id = n.group_id and m.user_id = n.id
     returning m.tenant_id, m.group_id, m.user_id`,
    [parameterOf(rows)],
  )
  for (const { tenant_id: tenant, group_id: group, user_id: user } of left)
    changes.push({ kind: 'membership.removed', tenant, group, user })
}

/** Members of one group that one transaction takes out. */
const LEFT_AT_ONCE = 10_000

/** Takes the next members out of a group that is gone; gives whether there may be more. */
export async function emptyGroup({ tx, s, changes }: Writing, { tenant_id: tenant, id: group }: Ref): Promise<boolean> {
  const left = await tx.query<{ user_id: string }>(
    `delete from ${s}.memberships m where m.tenant_id = $1::uuid and m.group_id = $2::uuid and m.user_id = any(array(
       select o.user_id from ${s}.memberships o where o.tenant_id = $1::uuid and o.group_id = $2::uuid order by o.user_id limit ${LEFT_AT_ONCE}
     )) returning m.user_id`,
    [tenant, group],
  )
  for (const { user_id: user } of left) changes.push({ kind: 'membership.removed', tenant, group, user })
  return left.length === LEFT_AT_ONCE
}

const ROLES = `new as materialized (
    select n.* from jsonb_to_recordset($1::text::jsonb) as n(tenant_id uuid, role text, user_id uuid)
  )`

/**
 * Gives users roles, marked as members are. Where the leaver brake holds the event of a user who came back, the role may be known first;
 * then the user's row is one of somebody who is gone, until that event comes.
 */
export async function giveRoles({ tx, s, changes }: Writing, rows: readonly RoleRow[]): Promise<void> {
  if (rows.length === 0) return
  const values = [jsonOf(rows)]
  await tx.query(
    `with ${ROLES}
     insert into ${s}.users (tenant_id, id, active, version, deleted_at)
     select distinct n.tenant_id, n.user_id, false, 0, now() from new n
     where not exists (select 1 from ${s}.users u where u.tenant_id = n.tenant_id and u.id = n.user_id)
     on conflict do nothing`,
    values,
  )
  const given = await tx.query<RoleRow & { readonly added: boolean }>(
    `with ${ROLES}
     insert into ${s}.roles as r (tenant_id, user_id, role, reading)
     select distinct n.tenant_id, n.user_id, n.role, t.wanted from new n join ${s}.tenants t on t.id = n.tenant_id
     on conflict (tenant_id, user_id, role) do update set reading = excluded.reading where r.reading <> excluded.reading
     returning r.tenant_id, r.user_id, r.role, r.xmax = 0 as added`,
    values,
  )
  for (const { tenant_id: tenant, role, user_id: user, added } of given)
    if (added) changes.push({ kind: 'role.added', tenant, role, user })
}

/** Takes roles from users. */
export async function takeRoles({ tx, s, changes }: Writing, rows: readonly RoleRow[]): Promise<void> {
  if (rows.length === 0) return
  const taken = await tx.query<RoleRow>(
    `with ${ROLES} delete from ${s}.roles r using new n where r.tenant_id = n.tenant_id and r.user_id = n.user_id and r.role = n.role
     returning r.tenant_id, r.user_id, r.role`,
    [jsonOf(rows)],
  )
  for (const { tenant_id: tenant, role, user_id: user } of taken)
    changes.push({ kind: 'role.removed', tenant, role, user })
}

/** Rows that one transaction looks through. */
const SWEPT_AT_ONCE = 10_000

/** Tables whose rows are marked by the reading that saw them, with what names a row in its tenant. */
const MARKED = {
  memberships: { key: ['group_id', 'user_id'], types: ['uuid', 'uuid'] },
  other_members: { key: ['group_id', 'member'], types: ['uuid', 'text'] },
  roles: { key: ['user_id', 'role'], types: ['uuid', 'text'] },
} as const
export type Marked = keyof typeof MARKED
export const MARKED_TABLES = Object.keys(MARKED) as readonly Marked[]

/** Where a sweep of a table goes on. */
export type Place = readonly [string, string]

/**
 * Looks through the next rows of a tenant and deletes those that the reading has not seen.
 *
 * @returns where to go on; undefined at the end
 */
export async function sweep(
  { tx, s, changes }: Writing,
  table: Marked,
  tenant: string,
  reading: number,
  after: Place | undefined,
): Promise<Place | undefined> {
  const { key, types } = MARKED[table]
  const beyond = after === undefined ? '' : `and (${key}) > (${types.map((type, i) => `$${i + 3}::${type}`)})`
  const [row] = await tx.query<{
    swept: number
    first: string
    second: string
    gone: readonly (readonly [string, string])[]
  }>(
    `with looked as materialized (
       select ${key}, reading from ${s}.${table} where tenant_id = $1::uuid ${beyond} order by ${key} limit ${SWEPT_AT_ONCE}
     ),
     gone as (
       delete from ${s}.${table} m using looked l
       where m.tenant_id = $1::uuid and l.reading <> $2::bigint and ${key.map((name) => `m.${name} = l.${name}`).join(' and ')}
       returning ${key.map((name) => `m.${name}`)}
     ),
     last as (select ${key} from looked order by ${key.map((name) => `${name} desc`)} limit 1)
     select (select count(*) from looked)::int as swept, (select ${key[0]}::text from last) as first,
       (select ${key[1]}::text from last) as second,
       coalesce((select jsonb_agg(jsonb_build_array(${key})) from gone), '[]') as gone`,
    [tenant, reading, ...(after ?? [])],
  )
  if (row === undefined) return undefined
  for (const [first, second] of row.gone) {
    if (table === 'memberships') changes.push({ kind: 'membership.removed', tenant, group: first, user: second })
    if (table === 'roles') changes.push({ kind: 'role.removed', tenant, role: second, user: first })
  }
  return row.swept === SWEPT_AT_ONCE ? [row.first, row.second] : undefined
}
