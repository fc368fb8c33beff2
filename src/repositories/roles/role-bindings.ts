import { v7 as uuidv7 } from 'uuid'
import type { Database } from '../../db/database.ts'
import type { TenantId } from '../../place-ids.ts'
import { EVERY_GROUP, type NamedGroup, type RoleMatch, type RoleRule } from '../../tenancy/role-rules.ts'
import { parseStoredSettings } from '../../tenancy/settings.ts'
import type { SharedRole } from '../resources/write-result.ts'
import { Parameters } from '../sql/parameters.ts'

/** What rules match of a group, and the rules by which it gives roles already. */
export interface RuledGroup extends NamedGroup {
  readonly id: string
  /** Its displayName, for refusals. */
  readonly label: string | null
  readonly bound: readonly string[]
}

/** A role that a group will give. */
export interface NewBinding extends RoleMatch {
  readonly groupId: string
  readonly label: string | null
}

/** A role that a group gives by a rule. */
export interface Binding {
  readonly groupId: string
  readonly roleId: string
  readonly rule: string
}

/**
 * Locks the roles of a tenant until the end of the transaction. Every write that may give or take a role waits here before it
 * reads anything, so that a difference between before and after is its own work.
 *
 * Statements for one user share the same lock, in the function `roles_by_membership`: they wait for the transaction, and it
 * waits for them.
 */
export async function lockRoles(tx: Database, tenantId: TenantId): Promise<void> {
  await tx.run(`select pg_advisory_xact_lock(hashtextextended('role moves ' || $1::uuid, 0))::text`, [tenantId], {
    name: 'roles-lock',
  })
}

/** The groups of one tenant and the roles that they give; for a transaction that holds `lockRoles`. */
export function roleBindingsOf(transaction: Database, tenantId: TenantId) {
  const tx = transaction.asTenant(tenantId)
  const ofTenant = () => {
    const parameters = new Parameters()
    return { parameters, tenant: parameters.bind(tenantId, 'uuid') }
  }
  return {
    /** The rules in force, and of these resources the groups among them and all roles that these or groups above give, or that users among them have by values. */
    async around(
      ids: readonly string[],
    ): Promise<{ rules: readonly RoleRule[]; groups: RuledGroup[]; roles: string[] }> {
      const { parameters, tenant } = ofTenant()
      const wanted = parameters.array(ids, 'uuid')
      const [row] = await tx.run<{
        rules: string | null
        groups: string | null
        roles: string | null
        written: string | null
      }>(
        `with recursive up(id) as (
           select unnest(${wanted})
           union
           select above.group_id from up cross join lateral (
             select m.group_id from memberships m where m.tenant_id = ${tenant} and m.member_id = up.id offset 0
           ) above
         )
         select (
           select coalesce(t.settings->'roleRules', e.settings->'roleRules')::text
           from tenants t join environments e on e.id = t.environment_id where t.id = ${tenant}
         ) as rules, (
           select json_agg(${groupJson(tenant)})::text from resources g
           where g.tenant_id = ${tenant} and g.resource_type = 'Group' and g.id = any(${wanted})
         ) as groups, (
           select string_agg(distinct b.role_id::text, ' ') from up cross join lateral (
             select b.role_id from role_bindings b where b.tenant_id = ${tenant} and b.group_id = up.id offset 0
           ) b
         ) as roles, (
           select string_agg(distinct w.role_id::text, ' ') from written_roles w
           where w.tenant_id = ${tenant} and w.user_id = any(${wanted})
         ) as written`,
        parameters.values,
        { name: 'roles-around' },
      )
      const { roleRules = [] } = parseStoredSettings({ roleRules: JSON.parse(row?.rules ?? '[]') })
      const groups = JSON.parse(row?.groups ?? '[]') as RuledGroup[]
      return { rules: roleRules, groups, roles: [row?.roles, row?.written].flatMap((ids) => ids?.split(' ') ?? []) }
    },

    /** Up to `limit` groups that come after the one with the id `after`, by id. */
    async groups(after: string | null, limit: number): Promise<RuledGroup[]> {
      const { parameters, tenant } = ofTenant()
      const rows = await tx.run<{ json: string }>(
        `select ${groupJson(tenant)}::text as json from resources g
         where g.tenant_id = ${tenant} and g.resource_type = 'Group'
           and g.id > ${parameters.bind(after ?? NIL, 'uuid')} order by g.id limit ${Math.trunc(limit)}`,
        parameters.values,
      )
      return rows.map(({ json }) => JSON.parse(json) as RuledGroup)
    },

    /** Those of `wanted`, all by the rule `everyGroup`, whose role another group gives, or an earlier one of them is to give. */
    async sharedRoles(wanted: readonly NewBinding[]): Promise<SharedRole[]> {
      if (wanted.length === 0) return []
      const { parameters, tenant } = ofTenant()
      const keys = parameters.array([...new Set(wanted.map(({ role }) => role))], 'text')
      const rows = await tx.run<{ key: string; id: string; label: string | null }>(
        `select r.key, g.id::text, g.label from roles r
         join role_bindings b on b.tenant_id = ${tenant} and b.role_id = r.id and b.rule = '${EVERY_GROUP}'
         join resources g on g.tenant_id = ${tenant} and g.id = b.group_id
         where r.tenant_id = ${tenant} and r.key = any(${keys})`,
        parameters.values,
      )
      const holders = new Map(rows.map((row) => [row.key, row]))
      return wanted.flatMap((group): SharedRole[] => {
        const { role, groupId: id, label } = group
        const holder = holders.get(role)
        if (holder === undefined) holders.set(role, { key: role, id, label })
        return holder === undefined || holder.id === id ? [] : [{ role, group, holder: holder.label ?? holder.id }]
      })
    },

    /** The ids of the roles with these keys. Roles that are missing are created. */
    async roleIds(keys: Iterable<string>): Promise<Map<string, string>> {
      const wanted = [...new Set(keys)].map((key) => ({ key, id: uuidv7() }))
      if (wanted.length === 0) return new Map()
      const { parameters, tenant } = ofTenant()
      const rows = await tx.run<{ key: string; id: string }>(
        `with input as materialized (select * from jsonb_to_recordset(${parameters.json(wanted)}) as i(key text, id uuid)),
         made as (
           insert into roles (tenant_id, id, key) select ${tenant}, i.id, i.key from input i
           on conflict do nothing returning key, id
         )
         select key, id::text from made
         union all select r.key, r.id::text from roles r
         where r.tenant_id = ${tenant} and r.key = any(array(select key from input))`,
        parameters.values,
      )
      return new Map(rows.map(({ key, id }) => [key, id]))
    },

    /** Makes groups give roles; `roleIds` by key. */
    async bind(bindings: readonly NewBinding[], roleIds: ReadonlyMap<string, string>): Promise<void> {
      if (bindings.length === 0) return
      const { parameters, tenant } = ofTenant()
      const rows = bindings.map(({ groupId, role, rule }) => ({ group_id: groupId, role_id: roleIds.get(role), rule }))
      await tx.run(
        `insert into role_bindings (tenant_id, group_id, role_id, rule)
         select ${tenant}, i.group_id, i.role_id, i.rule
         from jsonb_to_recordset(${parameters.json(rows)}) as i(group_id uuid, role_id uuid, rule text)
         where exists (select 1 from resources g where g.tenant_id = ${tenant} and g.id = i.group_id)
         on conflict (tenant_id, group_id, role_id, rule) do nothing`,
        parameters.values,
      )
    },

    /** Up to `limit` bindings by other rules than these, of the group with the id `from` and those after it, by group. */
    async beside(rules: readonly string[], from: string | null, limit: number): Promise<Binding[]> {
      const { parameters, tenant } = ofTenant()
      return tx.run(
        `select b.group_id::text as "groupId", b.role_id::text as "roleId", b.rule from role_bindings b
         where b.tenant_id = ${tenant} and b.group_id >= ${parameters.bind(from ?? NIL, 'uuid')}
           and (b.rule in (select unnest(${parameters.array(rules, 'text')}))) is not true
         order by b.group_id limit ${Math.trunc(limit)}`,
        parameters.values,
      )
    },

    /** Ends what groups give by these bindings. */
    async unbind(bindings: readonly Binding[]): Promise<void> {
      if (bindings.length === 0) return
      const { parameters, tenant } = ofTenant()
      await tx.run(
        `delete from role_bindings b
         using jsonb_to_recordset(${parameters.json(bindings)}) as i("groupId" uuid, "roleId" uuid, rule text)
         where b.tenant_id = ${tenant} and b.group_id = i."groupId" and b.role_id = i."roleId" and b.rule = i.rule`,
        parameters.values,
      )
    },
  }
}

const NIL = '00000000-0000-0000-0000-000000000000'

/** A `RuledGroup` of the row `g`. */
const groupJson = (tenant: string): string => `json_build_object(
       'id', g.id, 'displayKey', g.display_key, 'externalId', g.external_id, 'label', g.label,
       'bound', array(select b.rule from role_bindings b where b.tenant_id = ${tenant} and b.group_id = g.id))`
