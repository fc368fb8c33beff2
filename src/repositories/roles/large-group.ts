import type { Database } from '../../db/database.ts'
import type { EventType } from '../../events/types.ts'
import type { TenantId } from '../../place-ids.ts'
import { Parameters } from '../sql/parameters.ts'
import type { Binding } from './role-bindings.ts'
import { heldBy } from './role-holders.ts'

// A group may have all users of a tenant. On the embedded engine all tenants would wait while one statement looks at each of them.

/** The most people that one statement is about. */
export const PEOPLE_AT_ONCE = 500
/** The most events of a tenant, from while its users were looked at, that are taken into account. */
const EVENTS_AT_ONCE = 1_000
const NIL = '00000000-0000-0000-0000-000000000000'

/** How many users and groups are below these groups, however deep; counted up to one more than `PEOPLE_AT_ONCE`. */
export async function countBelow(tx: Database, tenantId: TenantId, groupIds: readonly string[]): Promise<number> {
  const parameters = new Parameters()
  const tenant = parameters.bind(tenantId, 'uuid')
  const [row] = await tx.asTenant(tenantId).run<{ n: number }>(
    `with recursive down(id) as (
       select unnest(${parameters.array([...new Set(groupIds)], 'uuid')})
       union
       select below.member_id from down cross join lateral (
         select m.member_id from memberships m where m.tenant_id = ${tenant} and m.group_id = down.id offset 0
       ) below
     )
     select count(*)::int as n from (select 1 from down offset ${new Set(groupIds).size} limit ${PEOPLE_AT_ONCE + 1}) d`,
    parameters.values,
    { prepare: false },
  )
  return row?.n ?? 0
}

/** Up to `PEOPLE_AT_ONCE` direct members of a group, users and groups, that come after the one with the id `after`. */
async function membersAfter(db: Database, tenantId: TenantId, groupId: string, after: string) {
  return db.asTenant(tenantId).run<{ id: string; type: string }>(
    `select m.member_id::text as id, r.resource_type as type from (
       select m.member_id from memberships m
       where m.tenant_id = $1::uuid and m.group_id = $2::uuid and m.member_id > $3::uuid
       order by m.member_id limit ${PEOPLE_AT_ONCE}
     ) m cross join lateral (
       select r.resource_type from resources r where r.tenant_id = $1::uuid and r.id = m.member_id offset 0
     ) r order by m.member_id`,
    [tenantId, groupId, after],
  )
}

/**
 * The users below a group who have a role by nothing else than this binding, or would have it by nothing else: asked page by page, each
 * in a statement of its own. Undefined where `goesOn` says no.
 */
export async function usersByThisAlone(
  db: Database,
  tenantId: TenantId,
  binding: Binding,
  goesOn: () => boolean,
): Promise<string[] | undefined> {
  const alone: string[] = []
  const people = new Set<string>()
  const groups = new Set([binding.groupId])
  for (const group of groups) {
    for (let after: string | undefined = NIL; after !== undefined; ) {
      if (!goesOn()) return undefined
      const page: { id: string; type: string }[] = await membersAfter(db, tenantId, group, after)
      after = page.length < PEOPLE_AT_ONCE ? undefined : page.at(-1)?.id
      const users = page.filter(({ id, type }) => type === 'User' && !people.has(id)).map(({ id }) => id)
      for (const { id, type } of page) (type === 'Group' ? groups : people).add(id)
      if (users.length === 0) continue
      const { holders } = await heldBy(db, tenantId, { users }, [binding.roleId], binding)
      const have = holders.get(binding.roleId) ?? new Set()
      alone.push(...users.filter((id) => !have.has(id)))
    }
  }
  return alone
}

/** The last event of a tenant, by its `seq`. */
export async function lastEvent(tx: Database, tenantId: TenantId): Promise<number> {
  const [row] = await tx
    .asTenant(tenantId)
    .run<{ seq: number }>('select max(e.seq)::float8 as seq from events e where e.tenant_id = $1::uuid', [tenantId])
  return row?.seq ?? 0
}

/**
 * The users whose roles the tenant's events after the one with this `seq` may have changed. Undefined where these are too many, where a
 * group was deleted, or became a member or ceased to be one, and where the group itself has another name. For the embedded engine, on
 * which events are appended one after the other.
 */
export async function usersOfEvents(
  tx: Database,
  tenantId: TenantId,
  seq: number,
  groupId: string,
): Promise<string[] | undefined> {
  const events = await tx.asTenant(tenantId).run<{ type: EventType; id: string; changes: string }>(
    `select e.type, e.resource_id::text as id, e.changes from events e where e.tenant_id = $1::uuid and e.seq > $2::bigint
     order by e.seq limit ${EVENTS_AT_ONCE + 1}`,
    [tenantId, seq],
  )
  if (events.length > EVENTS_AT_ONCE) return undefined
  const ids = new Set<string>()
  for (const { type, id, changes } of events) {
    if (type === 'group.deleted' || (type === 'group.updated' && id === groupId)) return undefined
    if (type.startsWith('user.')) ids.add(id)
    const { members = [], users = [] } = JSON.parse(changes) as { members?: string[]; users?: string[] }
    if (/^(group\.member|role\.)/.test(type)) for (const named of [...members, ...users]) ids.add(named)
  }
  if (ids.size > PEOPLE_AT_ONCE) return undefined
  const parameters = new Parameters()
  const groups = await tx.asTenant(tenantId).run(
    `select 1 from resources r where r.tenant_id = ${parameters.bind(tenantId, 'uuid')}
       and r.id = any(${parameters.array([...ids], 'uuid')}) and r.resource_type = 'Group' limit 1`,
    parameters.values,
  )
  return groups.length > 0 ? undefined : [...ids]
}
