import { and, eq, isNull, or, sql } from 'drizzle-orm'
import { unionAll } from 'drizzle-orm/pg-core'
import type { Database } from '../../db/database.ts'
import { keptUsers, resources, schemaDefinitions, tenants } from '../../db/schema.ts'
import type { TenantId } from '../../place-ids.ts'
import { isAnyOf, texts, uuids } from '../sql/fragments.ts'

/** The identifiers that other systems know a resource by, where it is still stored or kept. */
export interface EventSubject {
  readonly externalId: string | null
  /** Of a user: e-mail addresses, the primary one first. */
  readonly emails: readonly string[]
}

/** The identifiers of these resources of a tenant, by id. Resources that are deleted for good are left out. */
export async function subjectsOf(
  db: Database,
  tenantId: TenantId,
  ids: readonly string[],
): Promise<Map<string, EventSubject>> {
  const { orm } = db.asTenant(tenantId)
  const ofResource = orm
    .select({
      externalId: resources.externalId,
      emails: sql<readonly string[]>`case when ${resources.resourceType} = 'User' then (
        select coalesce(json_agg(m->>'value' order by m->>'primary' = 'true' desc nulls last), '[]')
        from jsonb_array_elements(coalesce(${resources.document}::jsonb->'emails', '[]')) m where m->>'value' is not null
      ) else '[]' end`.as('emails'),
    })
    .from(resources)
    .where(and(eq(resources.tenantId, tenantId), sql`${resources.id} = x.id`))
  const ofKeptUser = orm
    .select({
      externalId: keptUsers.externalId,
      emails: sql<readonly string[]>`array_to_json(${keptUsers.emails})`.as('emails'),
    })
    .from(keptUsers)
    .where(and(eq(keptUsers.tenantId, tenantId), sql`${keptUsers.id} = x.id`))
  const s = unionAll(ofResource, ofKeptUser).as('s')
  const rows = await orm
    .select({ id: sql<string>`x.id::text`, externalId: s.externalId, emails: s.emails })
    .from(sql`unnest(${uuids(ids)}) as x(id)`)
    .crossJoinLateral(s)
  return new Map(rows.map(({ id, ...subject }) => [id, subject]))
}

/** The endpoint of each of these registered resource types, below a tenant's base URL, by the type's name. */
export async function endpointsOfTypes(
  db: Database,
  tenantId: TenantId,
  names: readonly string[],
): Promise<Map<string, string>> {
  const rows = await db
    .asTenant(tenantId)
    .orm.select({
      name: schemaDefinitions.name,
      endpoint: sql<string>`${schemaDefinitions.definition}->'resourceType'->>'endpoint'`,
    })
    .from(tenants)
    .innerJoin(
      schemaDefinitions,
      and(
        eq(schemaDefinitions.environmentId, tenants.environmentId),
        or(isNull(schemaDefinitions.tenantId), eq(schemaDefinitions.tenantId, tenants.id)),
        eq(schemaDefinitions.kind, 'resourceType'),
      ),
    )
    .where(and(eq(tenants.id, tenantId), isAnyOf(schemaDefinitions.name, texts(names))))
  return new Map(rows.map(({ name, endpoint }) => [name, endpoint]))
}
