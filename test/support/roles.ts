import { changeTenant } from '../../src/administration/tenants.ts'
import type { Database } from '../../src/db/database.ts'
import type { RoleRule } from '../../src/tenancy/role-rules.ts'
import { administrationOn } from './administration.ts'
import type { TestTenant } from './gateway.ts'
import { eventsOf, type Place } from './instances.ts'

/** Who has which role: `role user`, sorted. */
export type RolePairs = readonly string[]

/** Changes a tenant's rules past every instance: they learn of it by themselves. */
export const setRules = (database: Database, place: Place, { id }: TestTenant, roleRules: RoleRule[] | null) =>
  changeTenant(administrationOn(database), place, id, { settings: { roleRules } })

/** Who has which role by the rows of memberships, bindings and written roles, followed here and not by a query. */
export async function rolesByRows(database: Database, tenantId: string): Promise<RolePairs> {
  const ask = <Row>(statement: string) => database.run<Row>(statement, [tenantId])
  const members = await ask<{ group: string; member: string }>(
    'select group_id::text as "group", member_id::text as member from memberships where tenant_id = $1::uuid',
  )
  const users = await ask<{ id: string }>(
    `select id::text from resources where tenant_id = $1::uuid and resource_type = 'User'`,
  )
  const bound = await ask<{ group: string; key: string }>(
    `select b.group_id::text as "group", r.key from role_bindings b join roles r on r.tenant_id = b.tenant_id and r.id = b.role_id
     where b.tenant_id = $1::uuid`,
  )
  const isUser = new Set(users.map(({ id }) => id))
  const pairs = new Set<string>()
  for (const { group, key } of bound) {
    const reached = new Set([group])
    for (const at of reached) for (const each of members) if (each.group === at) reached.add(each.member)
    for (const id of reached) if (isUser.has(id)) pairs.add(`${key} ${id}`)
  }
  const written = await ask<{ user: string; key: string }>(
    `select w.user_id::text as "user", r.key from written_roles w join roles r on r.tenant_id = w.tenant_id and r.id = w.role_id
     where w.tenant_id = $1::uuid`,
  )
  for (const { user, key } of written) pairs.add(`${key} ${user}`)
  return [...pairs].sort()
}

/**
 * Who has which role by the log alone. Also fails where an event gives what a user has, takes what no user has, or is not the
 * next of its role.
 */
export async function rolesByLog(database: Database, tenantId: string): Promise<RolePairs> {
  const pairs = new Set<string>()
  const versions = new Map<string, number>()
  for (const event of await eventsOf(database, tenantId)) {
    if (event.resource_type !== 'Role') continue
    const before = versions.get(event.resource_id) ?? 0
    if (event.version !== before && event.version !== before + 1)
      throw new Error(`version ${event.version} of a role after ${before}`)
    versions.set(event.resource_id, event.version)
    const { role, users } = JSON.parse(event.changes) as { role: string; users: string[] }
    for (const user of users) {
      const pair = `${role} ${user}`
      if (pairs.has(pair) === (event.type === 'role.assigned')) throw new Error(`${event.type} ${pair} once too often`)
      if (event.type === 'role.assigned') pairs.add(pair)
      else pairs.delete(pair)
    }
  }
  return [...pairs].sort()
}

/** The events about roles, as `type role number-of-users`. */
export async function roleEvents(database: Database, tenantId: string): Promise<string[]> {
  const events = await eventsOf(database, tenantId)
  return events.flatMap(({ type, resource_type, changes }) => {
    if (resource_type !== 'Role') return []
    const { role, users } = JSON.parse(changes) as { role: string; users: string[] }
    return [`${type} ${role} ${users.length}`]
  })
}
