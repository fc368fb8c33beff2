import type postgres from 'postgres'
import { v7 as uuidv7 } from 'uuid'
import { prepareCreate } from '../src/provisioning/prepare.ts'
import type { ResourceType } from '../src/scim/schema/resource-type.ts'
import { GROUP_SCHEMA } from '../src/scim/urn.ts'
import { effectiveSettings } from '../src/tenancy/settings.ts'
import { type TenantPlace, tenantContext } from '../src/tenancy/tenant.ts'
import { idOf, idSql, KINDS, PER_DEPARTMENT, PER_TITLE, PLACES, person, personAt } from './population.ts'
import { bareIndexes, bareRows, bareTables } from './programs/bare-sql.ts'
import type { BenchGroup, BenchTenant } from './world.ts'

/** Users in one statement. */
const CHUNK = 25_000
const NO_TENANT = '00000000-0000-4000-8000-000000000000'

/** The tenant context under which the prototypes are made; settings are the defaults. */
const contextOf = (tenantId: string) => {
  const place = { projectId: '', environmentId: '', tenantId, key: '' } as Omit<TenantPlace, 'settings'>
  return tenantContext({ ...place, settings: effectiveSettings({}) }, '')
}

const stored = async (typeName: 'User' | 'Group', tenantId: string, body: Parameters<typeof prepareCreate>[3]) => {
  const tenant = contextOf(tenantId)
  return (await prepareCreate(tenant, tenant.registry.byName.get(typeName) as ResourceType, NO_TENANT, body)).stored
}

/**
 * Fills tenants by SQL with the rows that the gateway would write: each kind of person goes through the gateway's own code
 * once, and SQL puts in what tells one from another. `sql` is one session, that of a superuser.
 */
export async function filler(sql: postgres.Sql) {
  // References are right by construction; checking a million of them one by one would take most of the time.
  await sql.unsafe('set session_replication_role = replica')
  await sql.unsafe('set synchronous_commit = off')
  await sql.unsafe(`create temp table prototypes (kind int primary key, external_id text, unique_key text, display_key text,
    label text, active boolean, manager_id uuid, document text, search text)`)
  const kinds = await Promise.all(
    Array.from({ length: KINDS }, async (_, kind) => {
      const { externalId, uniqueKey, displayKey, managerId, ...same } = await stored(
        'User',
        NO_TENANT,
        person(kind, PLACES),
      )
      return {
        ...{ ...same, kind, external_id: externalId, unique_key: uniqueKey, display_key: displayKey },
        manager_id: managerId,
      }
    }),
  )
  await sql.unsafe('insert into prototypes select * from json_populate_recordset(null::prototypes, $1::text::json)', [
    JSON.stringify(kinds),
  ])
  await sql.unsafe(`create function pg_temp.id(tenant text, i int) returns uuid language sql immutable as $$
    select ${idSql('tenant', 'i')} $$`)
  const makeIndexes = await dropIndexes(sql)

  return {
    /** Makes `count` tenants in the environment of the tenant `beside`; for so many that the admin API would take too long. */
    async tenants(beside: BenchTenant, label: string, count: number, users: number): Promise<BenchTenant[]> {
      const made = Array.from({ length: count }, (_, i) => ({ id: uuidv7(), key: `${label}-${i}`, users }))
      await sql.unsafe(
        `insert into tenants (id, environment_id, key, key_folded, name)
         select i.id, t.environment_id, i.key, i.key, i.key
         from json_to_recordset($1::text::json) i(id uuid, key text), tenants t where t.id = $2`,
        [JSON.stringify(made), beside.id],
      )
      return made
    },

    /** Makes the people 0 to `tenant.users` - 1; `report` hears how many are there. */
    async users(tenant: BenchTenant, report: (made: number) => void = () => {}): Promise<void> {
      for (let from = 0; from < tenant.users; from += CHUNK) {
        const to = Math.min(from + CHUNK, tenant.users) - 1
        await people([tenant], from, to)
        report(to + 1)
      }
      await count(tenant, 'User', tenant.users)
    },

    /** The same for many small tenants of one size; `report` hears how many are filled. */
    async usersOfMany(tenants: readonly BenchTenant[], report: (made: number) => void): Promise<void> {
      const users = tenants[0]?.users ?? 0
      const atOnce = Math.max(1, Math.floor(CHUNK / users))
      for (let from = 0; from < tenants.length; from += atOnce) {
        const some = tenants.slice(from, from + atOnce)
        await people(some, 0, users - 1)
        for (const tenant of some) await count(tenant, 'User', users)
        report(from + some.length)
      }
    },

    /** Makes groups and puts the first people of the tenant into each. */
    async groups(tenant: BenchTenant, groups: readonly BenchGroup[]): Promise<void> {
      for (const [i, { id, members }] of groups.entries()) {
        const body = { schemas: [GROUP_SCHEMA], displayName: `Group ${i} of ${members}` }
        const form = await stored('Group', tenant.id, body)
        await sql.unsafe(
          `with made as (
             insert into resources (tenant_id, id, resource_type, display_key, label, document, created_at, modified_at)
             values ($1, $2, 'Group', $3, $4, $5, date_trunc('milliseconds', now()), date_trunc('milliseconds', now()))
           )
           insert into search_documents (tenant_id, resource_type, resource_id, search) values ($1, 'Group', $2, $6::text::jsonb)`,
          [tenant.id, id, form.displayKey, form.label, form.document, form.search],
        )
        await sql.unsafe(
          `insert into memberships (tenant_id, group_id, member_id)
           select $1::uuid, $2::uuid, pg_temp.id($1::text, i) from generate_series(0, $3::int - 1) i`,
          [tenant.id, id, String(members)],
        )
      }
      await count(tenant, 'Group', groups.length)
    },

    verify,

    /** Makes the tables of the bare ceiling, with what the gateway's tables have of `tenants`. */
    async bare(tenants: readonly BenchTenant[]): Promise<void> {
      const [stored] = await sql.unsafe<{ how: string }[]>(
        `select coalesce(' with (' || array_to_string(reloptions, ', ') || ')', '') as how
         from pg_class where oid = 'resources'::regclass`,
      )
      await sql.unsafe(bareTables(stored?.how ?? ''))
      for (const statement of bareRows) await sql.unsafe(statement, [`{${tenants.map(({ id }) => id).join(',')}}`])
      await sql.unsafe(bareIndexes)
    },

    /** Leaves the tables as a server finds them that has been running for a while. */
    async settle(): Promise<void> {
      await makeIndexes()
      await sql.unsafe('vacuum (analyze) resources, search_documents, memberships, resource_counts')
      await sql.unsafe('vacuum (analyze) bare.resources, bare.memberships')
      await sql.unsafe('checkpoint')
    },
  }

  /** Makes the people `from` to `to` of each tenant. */
  async function people(tenants: readonly BenchTenant[], from: number, to: number): Promise<void> {
    await sql.unsafe(usersStatement, [`{${tenants.map(({ id }) => id).join(',')}}`, String(from), String(to)])
  }

  async function count(tenant: BenchTenant, type: string, n: number): Promise<void> {
    await sql.unsafe('insert into resource_counts (tenant_id, resource_type, total, active) values ($1, $2, $3, $4)', [
      tenant.id,
      type,
      String(n),
      type === 'User' ? String(n) : '0',
    ])
  }

  /** Compares rows with what the gateway's code makes of the same people. @throws where they differ */
  async function verify(tenant: BenchTenant): Promise<void> {
    for (const index of [0, 1, Math.floor(tenant.users / 2), tenant.users - 1]) {
      const [row] = await sql.unsafe(
        `select r.document, s.search = $3::text::jsonb as same_search, r.external_id, r.unique_key, r.display_key, r.label,
           r.active, r.manager_id
         from resources r join search_documents s
           on s.tenant_id = r.tenant_id and s.resource_type = r.resource_type and s.resource_id = r.id
         where r.tenant_id = $1 and r.id = $2`,
        [tenant.id, idOf(tenant.id, index), (await stored('User', tenant.id, personAt(tenant.id, index))).search],
      )
      const form = await stored('User', tenant.id, personAt(tenant.id, index))
      const expected = [
        ...[form.document, true, form.externalId, form.uniqueKey, form.displayKey, form.label, form.active],
        form.managerId,
      ]
      const [got, wanted] = [JSON.stringify(Object.values(row ?? {})), JSON.stringify(expected)]
      if (got !== wanted) throw new Error(`person ${index} is filled in as ${got} where the gateway stores ${wanted}`)
    }
  }
}

/** Takes away the indexes that nothing rests on, since one made at the end is made several times as fast. @returns what makes them */
async function dropIndexes(sql: postgres.Sql): Promise<() => Promise<void>> {
  const indexes = await sql.unsafe<{ name: string; definition: string }[]>(
    `select c.relname as name, pg_get_indexdef(c.oid) as definition from pg_index i join pg_class c on c.oid = i.indexrelid
     where i.indrelid in ('resources'::regclass, 'search_documents'::regclass, 'memberships'::regclass) and not i.indisunique`,
  )
  for (const { name } of indexes) await sql.unsafe(`drop index "${name}"`)
  return async () => {
    await sql.unsafe("set maintenance_work_mem = '512MB'")
    for (const { definition } of indexes) await sql.unsafe(definition)
  }
}

/** Puts the marks of `marksOf`, made once for each person in `m`, where `PLACES` stand. */
const marked = (text: string) =>
  `replace(replace(replace(replace(replace(${text}, '${PLACES.n}', m.n), '${PLACES.title}', m.title),
    '${PLACES.department}', m.department), '${NO_TENANT}', m.tenant::text), '${PLACES.manager}', m.manager)`

const usersStatement = `with people as materialized (
    select p.*, i, t.tenant, pg_temp.id(t.tenant::text, i) as id, i::text as n, (i / ${PER_TITLE})::text as title,
      (i / ${PER_DEPARTMENT})::text as department, pg_temp.id(t.tenant::text, i / 64 * 64 + 1)::text as manager
    from unnest($1::text::uuid[]) t(tenant) cross join generate_series($2::int, $3::int) i
      join prototypes p on p.kind = i % ${KINDS}
  ), made as (
    insert into resources (tenant_id, id, resource_type, external_id, unique_key, display_key, label, active, manager_id,
      document, created_at, modified_at)
    select m.tenant, m.id, 'User', ${marked('m.external_id')}, ${marked('m.unique_key')}, ${marked('m.display_key')},
      ${marked('m.label')}, m.active, case when m.manager_id is not null then m.manager::uuid end, ${marked('m.document')},
      date_trunc('milliseconds', now()), date_trunc('milliseconds', now())
    from people m order by m.tenant, m.i
  )
  insert into search_documents (tenant_id, resource_type, resource_id, search)
  select m.tenant, 'User', m.id, ${marked('m.search')}::jsonb from people m order by m.tenant, m.i`
