import type { Database } from '../../db/database.ts'
import type { TenantId } from '../../place-ids.ts'
import { Parameters } from '../sql/parameters.ts'

/** By what a resource is known outside, as far as it is still there or kept. */
export interface EventSubject {
  readonly externalId: string | null
  /** Of a user: e-mail addresses, the primary one first. */
  readonly emails: readonly string[]
}

/** By what these resources of a tenant are known, by id; those that are gone for good are left out. */
export async function subjectsOf(
  db: Database,
  tenantId: TenantId,
  ids: readonly string[],
): Promise<Map<string, EventSubject>> {
  const parameters = new Parameters()
  const tenant = parameters.bind(tenantId, 'uuid')
  const rows = await db.asTenant(tenantId).run<EventSubject & { id: string }>(
    `select x.id::text as id, s.external_id as "externalId", s.emails from unnest(${parameters.array(ids, 'uuid')}) as x(id)
     cross join lateral (
       select r.external_id, case when r.resource_type = 'User' then (
         select coalesce(json_agg(m->>'value' order by m->>'primary' = 'true' desc nulls last), '[]')
         from jsonb_array_elements(coalesce(r.document::jsonb->'emails', '[]')) m where m->>'value' is not null
       ) else '[]' end as emails
       from resources r where r.tenant_id = ${tenant} and r.id = x.id
       union all
       select k.external_id, array_to_json(k.emails)
       from kept_users k where k.tenant_id = ${tenant} and k.id = x.id
     ) s`,
    parameters.values,
  )
  return new Map(rows.map(({ id, ...subject }) => [id, subject]))
}

/** Where the collections of these registered resource types are below a tenant's base URL, by name. */
export async function endpointsOfTypes(
  db: Database,
  tenantId: TenantId,
  names: readonly string[],
): Promise<Map<string, string>> {
  const parameters = new Parameters()
  const rows = await db.asTenant(tenantId).run<{ name: string; endpoint: string }>(
    `select s.name, s.definition->'resourceType'->>'endpoint' as endpoint
     from tenants t join schema_definitions s on s.environment_id = t.environment_id
       and (s.tenant_id is null or s.tenant_id = t.id) and s.kind = 'resourceType'
     where t.id = ${parameters.bind(tenantId, 'uuid')} and s.name = any(${parameters.array(names, 'text')})`,
    parameters.values,
  )
  return new Map(rows.map(({ name, endpoint }) => [name, endpoint]))
}
