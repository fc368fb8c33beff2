import { and, asc, eq, inArray, isNotNull, sql } from 'drizzle-orm'
import type { Scope } from '../../auth/principal.ts'
import type { Database } from '../../db/database.ts'
import { environments, projects, resources, tenants } from '../../db/schema.ts'
import type { EnvironmentId, TenantId } from '../../place-ids.ts'
import { countRows } from '../resources/counts.ts'
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
  // Raw, since the text is shared with the hot statements; it is a constant.
  const n = sql.raw(`(${countRows('t.id', `in ('User', 'Group')`)}) n`)
  const c = orm
    .select({
      users: sql<number>`coalesce(sum(n.total) filter (where n.resource_type = 'User'), 0)::int`.as('users'),
      active: sql<number>`coalesce(sum(n.active), 0)::int`.as('active'),
      groups: sql<number>`coalesce(sum(n.total) filter (where n.resource_type = 'Group'), 0)::int`.as('groups'),
    })
    .from(n)
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

/** What the innermost places of these scopes are called, by their ids. */
export async function placeNamesOf({ orm }: Database, scopes: readonly Scope[]): Promise<ReadonlyMap<string, string>> {
  const names = new Map<string, string>()
  const ids = {
    project: scopes.flatMap((scope) => (scope.kind === 'project' ? [scope.projectId] : [])),
    environment: scopes.flatMap((scope) => (scope.kind === 'environment' ? [scope.environmentId] : [])),
    tenant: scopes.flatMap((scope) => (scope.kind === 'tenant' ? [scope.tenantId] : [])),
  }
  const found = await Promise.all([
    ids.project.length === 0
      ? []
      : orm.select({ id: projects.id, name: projects.name }).from(projects).where(inArray(projects.id, ids.project)),
    ids.environment.length === 0
      ? []
      : orm
          .select({ id: environments.id, name: environments.name })
          .from(environments)
          .where(inArray(environments.id, ids.environment)),
    ids.tenant.length === 0
      ? []
      : orm.select({ id: tenants.id, name: tenants.name }).from(tenants).where(inArray(tenants.id, ids.tenant)),
  ])
  for (const { id, name } of found.flat()) names.set(id, name)
  return names
}
