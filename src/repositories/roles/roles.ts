import type { Database } from '../../db/database.ts'
import type { RepositoryScope } from '../scope.ts'
import { groupsAbove } from '../sql/groups-above.ts'
import { isOurId } from '../sql/ids.ts'
import { Parameters } from '../sql/parameters.ts'
import { heldBy } from './role-holders.ts'

/** A role that a group gives. */
export interface Role {
  readonly id: string
  readonly key: string
  /** The version of its last event; 0 before the first. */
  readonly version: number
}

/** The roles of one tenant and the users who have them, by the memberships at this moment. */
export function rolesOf(database: Database, scope: Pick<RepositoryScope, 'tenantId'>) {
  const db = database.asTenant(scope.tenantId)
  const ofTenant = () => {
    const parameters = new Parameters()
    return { parameters, tenant: parameters.bind(scope.tenantId, 'uuid') }
  }
  return {
    /** The roles that groups give, in the order of their keys, from the one after the key `after` on. */
    async list({ after, limit }: { readonly after: string | undefined; readonly limit: number }): Promise<Role[]> {
      const { parameters, tenant } = ofTenant()
      return db.run<Role>(
        `select r.id::text, r.key, r.version::float8 as version from roles r
         where r.tenant_id = ${tenant} and r.key > ${parameters.bind(after ?? '', 'text')}
           and exists (select 1 from role_bindings b where b.tenant_id = ${tenant} and b.role_id = r.id)
         order by r.key limit ${Math.trunc(limit)}`,
        parameters.values,
      )
    },

    /** The role with this key that a group gives. */
    async find(key: string): Promise<Pick<Role, 'id'> | undefined> {
      const { parameters, tenant } = ofTenant()
      const [role] = await db.run<{ id: string }>(
        `select r.id::text from roles r where r.tenant_id = ${tenant} and r.key = ${parameters.bind(key, 'text')}
           and exists (select 1 from role_bindings b where b.tenant_id = ${tenant} and b.role_id = r.id)`,
        parameters.values,
      )
      return role
    },

    /** The roles that a user has, in the order of their keys. */
    async ofUser(id: string): Promise<Pick<Role, 'id' | 'key'>[]> {
      if (!isOurId(id)) return []
      const { parameters, tenant } = ofTenant()
      const user = parameters.bind(id, 'uuid')
      return db.run(
        `select r.id::text, r.key from (
           select distinct b.role_id from ${groupsAbove(tenant, user)} up cross join lateral (
             select b.role_id from role_bindings b where b.tenant_id = ${tenant} and b.group_id = up.group_id offset 0
           ) b
         ) b cross join lateral (
           select r.id, r.key from roles r where r.tenant_id = ${tenant} and r.id = b.role_id offset 0
         ) r order by r.key`,
        parameters.values,
      )
    },

    /** Up to `limit` groups that give a role, after the one with the id `after`, in the order of creation. */
    async groups(
      roleId: string,
      after: string | undefined,
      limit: number,
    ): Promise<{ id: string; displayName: string | null }[]> {
      const { parameters, tenant } = ofTenant()
      return db.run(
        `select b.group_id::text as id, (
           select g.label from resources g where g.tenant_id = ${tenant} and g.id = b.group_id
         ) as "displayName"
         from (
           select distinct b.group_id from role_bindings b where b.tenant_id = ${tenant}
             and b.role_id = ${parameters.bind(roleId, 'uuid')} and b.group_id > ${parameters.bind(after ?? NIL, 'uuid')}
           order by b.group_id limit ${Math.trunc(limit)}
         ) b order by b.group_id`,
        parameters.values,
      )
    },

    /**
     * Ids of up to `limit` users who have a role, after the one with the id `after`, in the order of creation. What this reads
     * depends on how many groups the tenant has, not on how many users.
     */
    async users(roleId: string, after: string | undefined, limit: number): Promise<string[]> {
      const { parameters, tenant } = ofTenant()
      const from = parameters.bind(after ?? NIL, 'uuid')
      const some = Math.trunc(limit)
      const rows = await db.run<{ id: string }>(
        `with recursive nested as materialized (
           select m.group_id, m.member_id
           from (select g.id from resources g where g.tenant_id = ${tenant} and g.resource_type = 'Group' offset 0) g
           cross join lateral (
             select m.group_id, m.member_id from memberships m where m.tenant_id = ${tenant} and m.member_id = g.id offset 0
           ) m
         ),
         giving(id) as (
           select b.group_id from role_bindings b where b.tenant_id = ${tenant} and b.role_id = ${parameters.bind(roleId, 'uuid')}
           union
           select n.member_id from giving join nested n on n.group_id = giving.id
         )
         select distinct u.id, u.id::text as id from giving cross join lateral (
           select m.member_id as id from memberships m
           where m.tenant_id = ${tenant} and m.group_id = giving.id and m.member_id > ${from}
             and m.member_id not in (select member_id from nested)
           order by m.member_id limit ${some}
         ) u order by u.id limit ${some}`,
        parameters.values,
      )
      return rows.map(({ id }) => id)
    },

    /** Which of these users have a role. */
    async having(roleId: string, users: readonly string[]): Promise<ReadonlySet<string>> {
      const { holders } = await heldBy(db, scope.tenantId, { users }, [roleId])
      return holders.get(roleId) ?? new Set()
    },
  }
}

const NIL = '00000000-0000-0000-0000-000000000000'
