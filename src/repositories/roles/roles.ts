import type { Database } from '../../db/database.ts'
import type { RepositoryScope } from '../scope.ts'
import { groupsAbove } from '../sql/groups-above.ts'
import { isOurId } from '../sql/ids.ts'
import { Parameters } from '../sql/parameters.ts'
import { heldBy } from './role-holders.ts'

/** What gives a user a role: groups, or values of an attribute that the identity provider writes. */
export type RoleSource = 'groups' | 'roles' | 'entitlements'

/** A role that a group or a value of a user gives. */
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
    /** The roles that groups give and that users have by their values, in the order of their keys, from the one after the key `after` on. */
    async list({ after, limit }: { readonly after: string | undefined; readonly limit: number }): Promise<Role[]> {
      const { parameters, tenant } = ofTenant()
      return db.run<Role>(
        `select r.id::text, r.key, r.version::float8 as version from roles r
         where r.tenant_id = ${tenant} and r.key > ${parameters.bind(after ?? '', 'text')}
           and ${isGiven(tenant)}
         order by r.key limit ${Math.trunc(limit)}`,
        parameters.values,
      )
    },

    /** The role with this key that a group gives, or that a user has by a value. */
    async find(key: string): Promise<Pick<Role, 'id'> | undefined> {
      const { parameters, tenant } = ofTenant()
      const [role] = await db.run<{ id: string }>(
        `select r.id::text from roles r where r.tenant_id = ${tenant} and r.key = ${parameters.bind(key, 'text')}
           and ${isGiven(tenant)}`,
        parameters.values,
      )
      return role
    },

    /** The id of the role with this key, also of one that nothing gives any more. */
    async idOf(key: string): Promise<string | undefined> {
      const { parameters, tenant } = ofTenant()
      const [role] = await db.run<{ id: string }>(
        `select r.id::text from roles r where r.tenant_id = ${tenant} and r.key = ${parameters.bind(key, 'text')}`,
        parameters.values,
      )
      return role?.id
    },

    /** The roles that a user has, in the order of their keys, and what gives each. */
    async ofUser(id: string): Promise<(Pick<Role, 'id' | 'key'> & { readonly sources: RoleSource[] })[]> {
      if (!isOurId(id)) return []
      const { parameters, tenant } = ofTenant()
      const user = parameters.bind(id, 'uuid')
      const rows = await db.run<Pick<Role, 'id' | 'key'> & { sources: string }>(
        `select r.id::text, r.key, g.sources from (
           select s.role_id, string_agg(distinct s.source, ' ' order by s.source) as sources
           from ${roleSources(tenant, user)} s group by s.role_id
         ) g cross join lateral (
           select r.id, r.key from roles r where r.tenant_id = ${tenant} and r.id = g.role_id offset 0
         ) r order by r.key`,
        parameters.values,
      )
      return rows.map(({ sources, ...role }) => ({ ...role, sources: sources.split(' ') as RoleSource[] }))
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
      const [some, role] = [Math.trunc(limit), parameters.bind(roleId, 'uuid')]
      const rows = await db.run<{ id: string }>(
        `with recursive nested as materialized (
           select m.group_id, m.member_id
           from (select g.id from resources g where g.tenant_id = ${tenant} and g.resource_type = 'Group' offset 0) g
           cross join lateral (
             select m.group_id, m.member_id from memberships m where m.tenant_id = ${tenant} and m.member_id = g.id offset 0
           ) m
         ),
         giving(id) as (
           select b.group_id from role_bindings b where b.tenant_id = ${tenant} and b.role_id = ${role}
           union
           select n.member_id from giving join nested n on n.group_id = giving.id
         )
         select distinct u.id, u.id::text as id from (
           select m.id from giving cross join lateral (
             select m.member_id as id from memberships m
             where m.tenant_id = ${tenant} and m.group_id = giving.id and m.member_id > ${from}
               and m.member_id not in (select member_id from nested)
             order by m.member_id limit ${some}
           ) m
           union all
           (select w.user_id from written_roles w where w.tenant_id = ${tenant} and w.role_id = ${role} and w.user_id > ${from}
            order by w.user_id limit ${some})
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

/** A query for what gives a user its roles: `role_id` and `source`, which may come several times. */
export const roleSources = (tenant: string, user: string): string => `(
             select b.role_id, 'groups' as source from ${groupsAbove(tenant, user)} up cross join lateral (
               select b.role_id from role_bindings b where b.tenant_id = ${tenant} and b.group_id = up.group_id offset 0
             ) b
             union all
             select w.role_id, w.attribute from written_roles w where w.tenant_id = ${tenant} and w.user_id = ${user}
           )`

/** Condition that something gives the role `r`. */
const isGiven = (tenant: string): string =>
  `(exists (select 1 from role_bindings b where b.tenant_id = ${tenant} and b.role_id = r.id)
             or exists (select 1 from written_roles w where w.tenant_id = ${tenant} and w.role_id = r.id))`

const NIL = '00000000-0000-0000-0000-000000000000'
