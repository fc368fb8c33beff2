import type { Database, Reader } from '../../db/database.ts'
import type { TenantId } from '../../place-ids.ts'
import type { NamedGroup } from '../../tenancy/role-rules.ts'
import { Parameters } from '../sql/parameters.ts'

/** A group, and the roles that it gives now: by which rule, and under which key. */
export interface GivingGroup extends NamedGroup {
  readonly id: string
  readonly bound: readonly { readonly rule: string; readonly role: string }[]
}

/** The groups that give a role now, and those that will. */
export interface RoleGroups {
  readonly role: string
  readonly before: readonly string[]
  readonly after: readonly string[]
}

/** How many users gain or lose a role. */
export interface RoleCount {
  readonly role: string
  readonly gains: number
  readonly loses: number
}

/** A user who may gain or lose a role. */
export interface Candidate {
  readonly id: string
  /** What the user is called. */
  readonly name: string | null
  /** Another group gives the same, or a value of the user does: nothing changes. */
  readonly stays: boolean
}

/** Who would gain and lose roles of a tenant, by its memberships at this moment. Nothing is written and nothing is locked. */
export function rolePreviewOf(database: Database, tenantId: TenantId, reader: Reader) {
  const db = database.asTenant(tenantId)
  const options = { name: 'roles-holders', prepare: false, reader } as const
  const ofTenant = () => {
    const parameters = new Parameters()
    return { parameters, tenant: parameters.bind(tenantId, 'uuid') }
  }
  return {
    /** Up to `limit` groups after the one with the id `after`, by id. */
    async groups(after: string | null, limit: number): Promise<GivingGroup[]> {
      const { parameters, tenant } = ofTenant()
      const rows = await db.run<{ json: string }>(
        `select json_build_object('id', g.id, 'displayKey', g.display_key, 'externalId', g.external_id, 'bound', (
             select coalesce(json_agg(json_build_object('rule', b.rule, 'role', b.key)), '[]') from (
               select b.rule, r.key from role_bindings b cross join lateral (
                 select r.key from roles r where r.tenant_id = ${tenant} and r.id = b.role_id offset 0
               ) r where b.tenant_id = ${tenant} and b.group_id = g.id
             ) b
           ))::text as json
         from resources g where g.tenant_id = ${tenant} and g.resource_type = 'Group'
           and g.id > ${parameters.bind(after ?? NIL, 'uuid')} order by g.id limit ${Math.trunc(limit)}`,
        parameters.values,
        options,
      )
      return rows.map(({ json }) => JSON.parse(json) as GivingGroup)
    },

    /**
     * How many users gain and lose each role. It reads the memberships of the groups and of all groups below them, each once.
     *
     * @returns undefined where there are more memberships than `most`
     */
    async counts(roles: readonly RoleGroups[], most: number): Promise<RoleCount[] | undefined> {
      const { parameters, tenant } = ofTenant()
      const rows = await db.run<{ role: number; gains: number; loses: number; read: number }>(
        `with recursive input as materialized (
           select i.* from jsonb_to_recordset(${parameters.json(marked(roles))}) as i(role int, id uuid, side int)
         ),
         ${nested(tenant)},
         down(role, side, id) as (
           select i.role, i.side, i.id from input i
           union
           select d.role, d.side, n.member_id from down d join nested n on n.group_id = d.id
         ),
         reached as materialized (
           select d.role, d.side, m.member_id from down d cross join lateral (
             select m.member_id from memberships m where m.tenant_id = ${tenant} and m.group_id = d.id
               and m.member_id not in (select member_id from nested) offset 0
           ) m limit ${Math.trunc(most) + 1}
         ),
         people as (
           select p.role, p.side from (
             select r.role, r.member_id, bit_or(r.side) as side from reached r group by r.role, r.member_id
           ) p where not ${hasWritten(
             tenant,
             'p.member_id',
             `(${parameters.array(
               roles.map(({ role }) => role),
               'text',
             )})[p.role + 1]`,
           )}
         )
         select p.role, (count(*) filter (where p.side = ${AFTER}))::float8 as gains,
           (count(*) filter (where p.side = ${BEFORE}))::float8 as loses, (select count(*) from reached)::float8 as read
         from people p group by p.role order by p.role`,
        parameters.values,
        options,
      )
      if ((rows[0]?.read ?? 0) > most) return undefined
      const found = new Map(rows.map((row) => [row.role, row]))
      return roles.map(({ role }, i) => ({ role, gains: found.get(i)?.gains ?? 0, loses: found.get(i)?.loses ?? 0 }))
    },

    /**
     * Up to `limit` users in the groups `from` or below, after the one with the id `after`; and whether they have `role` all the
     * same, by `others` or by a value.
     */
    async candidates(
      role: string,
      from: readonly string[],
      others: readonly string[],
      after: string | undefined,
      limit: number,
    ): Promise<Candidate[]> {
      const { parameters, tenant } = ofTenant()
      const below = (name: string, ids: readonly string[]) => `${name}(id) as (
           select unnest(${parameters.array(ids, 'uuid')})
           union
           select n.member_id from ${name} join nested n on n.group_id = ${name}.id
         )`
      const some = Math.trunc(limit)
      return db.run<Candidate>(
        `with recursive ${nested(tenant)},
         ${below('given', from)},
         ${below('other', others)},
         people as materialized (
           select distinct u.id from given cross join lateral (
             select m.member_id as id from memberships m where m.tenant_id = ${tenant} and m.group_id = given.id
               and m.member_id > ${parameters.bind(after ?? NIL, 'uuid')} and m.member_id not in (select member_id from nested)
             order by m.member_id limit ${some}
           ) u order by u.id limit ${some}
         )
         select p.id::text as id, (
             select coalesce(r.label, r.document::json->>'userName') from resources r where r.tenant_id = ${tenant} and r.id = p.id
           ) as name, exists (
             select 1 from (
               select m.group_id from memberships m where m.tenant_id = ${tenant} and m.member_id = p.id offset 0
             ) m join other o on o.id = m.group_id
           ) or ${hasWritten(tenant, 'p.id', parameters.bind(role, 'text'))} as stays
         from people p order by p.id`,
        parameters.values,
        options,
      )
    },
  }
}

/** Condition that the identity provider has written a role of a user, which groups then neither give nor take. */
const hasWritten = (tenant: string, user: string, role: string): string =>
  `exists (
             select 1 from written_roles w where w.tenant_id = ${tenant} and w.user_id = ${user} and w.role_id = (
               select r.id from roles r where r.tenant_id = ${tenant} and r.key = ${role}
             )
           )`

/** Bits of the moments at which a group gives a role. */
const [BEFORE, AFTER] = [1, 2]

/** Each group of a role once, with the bits of both moments. */
function marked(roles: readonly RoleGroups[]) {
  return roles.flatMap(({ before, after }, role) => {
    const sides = new Map(before.map((id) => [id, BEFORE]))
    for (const id of after) sides.set(id, (sides.get(id) ?? 0) | AFTER)
    return [...sides].map(([id, side]) => ({ role, id, side }))
  })
}

/** The groups that are in groups: their number is that of the tenant's groups, not of its users. */
const nested = (tenant: string): string => `nested as materialized (
           select m.group_id, m.member_id
           from (select g.id from resources g where g.tenant_id = ${tenant} and g.resource_type = 'Group' offset 0) g
           cross join lateral (
             select m.group_id, m.member_id from memberships m where m.tenant_id = ${tenant} and m.member_id = g.id offset 0
           ) m
         )`

const NIL = '00000000-0000-0000-0000-000000000000'
