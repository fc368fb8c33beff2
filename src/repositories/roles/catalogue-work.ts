import { v7 as uuidv7 } from 'uuid'
import type { Database } from '../../db/database.ts'
import type { EnvironmentId, TenantId } from '../../place-ids.ts'
import type { OfferedValues } from '../../tenancy/catalogue.ts'
import { appendEvents } from '../sql/append-events.ts'
import { Parameters } from '../sql/parameters.ts'
import { writtenRoleEvents, writtenRolesPart } from '../sql/written-roles.ts'

// A catalogue offers a value that users have already: the identity provider wrote it before. Behind the requests, these users get the
// role. Steps go through a tenant's users by their ids, and any instance does the next one.

const USERS_AT_ONCE = 500
const TENANTS_AT_ONCE = 1_000
const DUE_AT_ONCE = 100
const NIL = '00000000-0000-0000-0000-000000000000'
/** By then no instance writes users by the catalogue from before. */
const BEGINS_AFTER_S = 2

/** A tenant whose users are to be looked at. */
export interface CatalogueWork {
  readonly environmentId: EnvironmentId
  readonly after: string | null
  readonly actor: string
  readonly requestId: string
}

/** Begins the work for a tenant, or for all tenants of an environment, in the transaction that changes the catalogue. */
export async function beginCatalogueWork(
  tx: Database,
  { environmentId, tenantId }: { readonly environmentId: EnvironmentId; readonly tenantId: TenantId | null },
  { actor, requestId }: { readonly actor: string; readonly requestId: string | null },
): Promise<void> {
  for (let after = NIL; ; ) {
    const rows = await tx.run<{ id: string }>(
      `insert into catalogue_work as w (tenant_id, environment_id, actor, request_id, due_at)
       select t.id, t.environment_id, $3::text, $4::text, now() + make_interval(secs => ${BEGINS_AFTER_S}) from tenants t
       where t.environment_id = $1::uuid and t.id > $5::uuid and ($2::uuid is null or t.id = $2::uuid)
       order by t.id limit ${TENANTS_AT_ONCE}
       on conflict (tenant_id) do update set generation = w.generation + 1, after = null, actor = excluded.actor,
         request_id = excluded.request_id, due_at = excluded.due_at
       returning tenant_id::text as id`,
      [environmentId, tenantId, actor, requestId ?? actor, after],
    )
    if (rows.length < TENANTS_AT_ONCE) return
    after = rows.reduce((last, { id }) => (id > last ? id : last), after)
  }
}

/** Tenants with work that is due. It reads one index, which is empty where there is none. */
export async function dueCatalogueWork(db: Database): Promise<TenantId[]> {
  const rows = await db.run<{ id: TenantId }>(
    `select w.tenant_id::text as id from catalogue_work w where w.due_at <= now() order by w.due_at limit ${DUE_AT_ONCE}`,
    [],
  )
  return rows.map(({ id }) => id)
}

/** Holds a tenant's work until the end of the transaction; undefined where there is none, or where another instance does it. */
export async function takeCatalogueWork(tx: Database, tenantId: TenantId): Promise<CatalogueWork | undefined> {
  const [work] = await tx.run<CatalogueWork>(
    `select w.environment_id::text as "environmentId", w.after::text as after, w.actor, w.request_id as "requestId"
     from catalogue_work w where w.tenant_id = $1::uuid and w.due_at <= now() for update skip locked`,
    [tenantId],
  )
  return work
}

/** Gives the next users of a tenant the roles that their values mean by now, and notes how far the work is. */
export async function catalogueStep(
  tx: Database,
  tenantId: TenantId,
  { after, actor, requestId }: CatalogueWork,
  offered: OfferedValues,
): Promise<void> {
  const inTenant = tx.asTenant(tenantId)
  // Locked first and read in a second statement, which sees what those have written for whom this one waited.
  const users = await inTenant.run<{ id: string }>(
    `select r.id::text from resources r where r.tenant_id = $1::uuid and r.resource_type = 'User' and r.id > $2::uuid
     order by r.id limit ${USERS_AT_ONCE} for no key update`,
    [tenantId, after ?? NIL],
  )
  if (users.length > 0)
    await give(
      inTenant,
      tenantId,
      users.map(({ id }) => id),
      offered,
      { actor, requestId },
    )
  if (users.length < USERS_AT_ONCE) await tx.run('delete from catalogue_work where tenant_id = $1::uuid', [tenantId])
  else
    await tx.run('update catalogue_work set after = $2::uuid where tenant_id = $1::uuid', [
      tenantId,
      users.at(-1)?.id ?? null,
    ])
}

async function give(
  tx: Database,
  tenantId: TenantId,
  users: readonly string[],
  offered: OfferedValues,
  by: Pick<CatalogueWork, 'actor' | 'requestId'>,
): Promise<void> {
  const parameters = new Parameters()
  const tenant = parameters.bind(tenantId, 'uuid')
  const [requestId, actor] = [parameters.bind(by.requestId, 'text'), parameters.bind(by.actor, 'text')]
  const values = [...offered].map(([value, { attribute, value: role }]) => ({ value, attribute, role, id: uuidv7() }))
  await tx.run(
    `with offered as materialized (
       select * from jsonb_to_recordset(${parameters.json(values)}) as o(value text, attribute text, role text, id uuid)
     ),
     has as materialized (
       select u.id, jsonb_agg(jsonb_build_object('id', o.id, 'role', o.role, 'attribute', o.attribute, 'value', o.value)) as given
       from unnest(${parameters.array(users, 'uuid')}) as u(id)
       cross join lateral (
         select s.search -> ${tenant}::text as search from search_documents s
         where s.tenant_id = ${tenant} and s.resource_type = 'User' and s.resource_id = u.id offset 0
       ) s
       cross join lateral (
         select 'roles' as attribute, v -> 'value' as value from jsonb_array_elements(coalesce(s.search -> 'roles', '[]')) v
         union
         select 'entitlements', v -> 'value' from jsonb_array_elements(coalesce(s.search -> 'entitlements', '[]')) v
       ) v
       join offered o on o.attribute = v.attribute and o.value = v.value #>> '{}'
       where not exists (
         select 1 from written_roles w where w.tenant_id = ${tenant} and w.user_id = u.id and w.attribute = o.attribute
           and w.value = o.value
       )
       group by u.id
     ),
     ${writtenRolesPart(tenant, 'has', { given: 'n.given', taken: `'[]'` })},
     ${appendEvents({ tenant, requestId, actor, ...writtenRoleEvents })}
     select 1`,
    parameters.values,
    { prepare: false },
  )
}

/** Has a tenant's work wait for a while, after a failure. */
export async function postponeCatalogueWork(db: Database, tenantId: TenantId, seconds: number): Promise<void> {
  await db.run('update catalogue_work set due_at = now() + make_interval(secs => $2::int) where tenant_id = $1::uuid', [
    tenantId,
    seconds,
  ])
}
