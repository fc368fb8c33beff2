import type { Database } from '../../db/database.ts'
import type { EnvironmentId, TenantId } from '../../place-ids.ts'
import { Parameters } from '../sql/parameters.ts'

/** A tenant at a glance. */
export interface TenantSummary {
  readonly id: TenantId
  readonly environmentId: EnvironmentId
  readonly key: string
  readonly name: string
  readonly paused: boolean
  readonly users: number
  readonly activeUsers: number
  readonly groups: number
}

/** Which tenants of each environment: those after `after` in the order of creation, or the one with the id `only`. */
export interface SummaryPage {
  readonly after?: string | undefined
  readonly only?: TenantId | undefined
  readonly limit: number
}

/** Tenants of some environments in the order of creation, up to `limit` of each environment. */
export function tenantSummaries(
  db: Database,
  environmentIds: readonly EnvironmentId[],
  { after, only, limit }: SummaryPage,
): Promise<TenantSummary[]> {
  const parameters = new Parameters()
  const environments = parameters.array(environmentIds, 'uuid')
  const condition = [
    ...(after === undefined ? [] : [`and t.id > ${parameters.bind(after, 'uuid')}`]),
    ...(only === undefined ? [] : [`and t.id = ${parameters.bind(only, 'uuid')}`]),
  ].join(' ')
  return db.run<TenantSummary>(
    `select t.id::text, t.environment_id::text as "environmentId", t.key, t.name, t.paused,
       c.users, c.active as "activeUsers", c.groups
     from unnest(${environments}) e(id) cross join lateral (
       select t.id, t.environment_id, t.key, t.name, t.paused from tenants t
       where t.environment_id = e.id ${condition} order by t.id limit ${Math.trunc(limit)}
     ) t cross join lateral (
       select coalesce(sum(c.delta) filter (where c.resource_type = 'User'), 0)::int as users,
         coalesce(sum(c.active_delta) filter (where c.resource_type = 'User'), 0)::int as active,
         coalesce(sum(c.delta) filter (where c.resource_type = 'Group'), 0)::int as groups
       from resource_counts c where c.tenant_id = t.id and c.resource_type in ('User', 'Group')
     ) c
     order by t.id`,
    parameters.values,
    { prepare: false },
  )
}

/** What resources of a tenant are called, by id; those that are gone or have no name are not in it. */
export async function labelsOf(db: Database, tenantId: TenantId, ids: readonly string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map()
  const parameters = new Parameters()
  const tenant = parameters.bind(tenantId, 'uuid')
  const rows = await db.asTenant(tenantId).run<{ id: string; label: string }>(
    `select i.id::text, r.label from unnest(${parameters.array([...new Set(ids)], 'uuid')}) i(id) cross join lateral (
       select r.label from resources r where r.tenant_id = ${tenant} and r.id = i.id offset 0
     ) r where r.label is not null`,
    parameters.values,
    { prepare: false },
  )
  return new Map(rows.map(({ id, label }) => [id, label]))
}
