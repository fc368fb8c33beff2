import { and, asc, eq, inArray, isNotNull, sql } from 'drizzle-orm'
import type { Database } from '../../db/database.ts'
import { resourceCounts, resources, tenants } from '../../db/schema.ts'
import type { EnvironmentId, TenantId } from '../../place-ids.ts'
import { literal, uuids } from '../sql/fragments.ts'
import { comesAfter } from '../sql/place-ids.ts'

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
  { orm }: Database,
  environmentIds: readonly EnvironmentId[],
  { after, only, limit }: SummaryPage,
): Promise<TenantSummary[]> {
  const { id, environmentId, key, name, paused } = tenants
  const t = orm
    .select({ id, environmentId, key, name, paused })
    .from(tenants)
    .where(
      and(
        sql`${environmentId} = e.id`,
        after === undefined ? undefined : comesAfter(id, after),
        only === undefined ? undefined : eq(id, only),
      ),
    )
    .orderBy(asc(id))
    .limit(literal(limit))
    .as('t')
  const { delta, activeDelta, resourceType } = resourceCounts
  const c = orm
    .select({
      users: sql<number>`coalesce(sum(${delta}) filter (where ${resourceType} = 'User'), 0)::int`.as('users'),
      active: sql<number>`coalesce(sum(${activeDelta}) filter (where ${resourceType} = 'User'), 0)::int`.as('active'),
      groups: sql<number>`coalesce(sum(${delta}) filter (where ${resourceType} = 'Group'), 0)::int`.as('groups'),
    })
    .from(resourceCounts)
    .where(and(eq(resourceCounts.tenantId, t.id), inArray(resourceType, ['User', 'Group'])))
    .as('c')
  return orm
    .select({
      ...{ id: t.id, environmentId: t.environmentId, key: t.key, name: t.name, paused: t.paused },
      ...{ users: c.users, activeUsers: c.active, groups: c.groups },
    })
    .from(sql`unnest(${uuids(environmentIds)}) as e(id)`)
    .crossJoinLateral(t)
    .crossJoinLateral(c)
    .orderBy(asc(t.id))
}

/** What resources of a tenant are called, by id. Resources that are deleted or have no name are left out. */
export async function labelsOf(db: Database, tenantId: TenantId, ids: readonly string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map()
  const { orm } = db.asTenant(tenantId)
  const r = orm
    .select({ label: resources.label })
    .from(resources)
    .where(and(eq(resources.tenantId, tenantId), sql`${resources.id} = i.id`))
    .offset(literal(0))
    .as('r')
  const rows = await orm
    .select({ id: sql<string>`i.id::text`, label: r.label })
    .from(sql`unnest(${uuids([...new Set(ids)])}) as i(id)`)
    .crossJoinLateral(r)
    .where(isNotNull(r.label))
  return new Map(rows.map(({ id, label }) => [id, label as string]))
}
