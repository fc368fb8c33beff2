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
export async function tenantSummaries(
  db: Database,
  environmentIds: readonly EnvironmentId[],
  { after, only, limit }: SummaryPage,
): Promise<TenantSummary[]> {
  const { orm } = db
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
  if (db.distributed) {
    const found = await orm
      .select({ id: t.id, environmentId: t.environmentId, key: t.key, name: t.name, paused: t.paused })
      .from(sql`unnest(${uuids(environmentIds)}) as e(id)`)
      .crossJoinLateral(t)
      .orderBy(asc(t.id))
    const counts = await countsOfTenants(
      db,
      found.map((row) => row.id),
    )
    return found.map((row) => ({ ...row, ...(counts.get(row.id) ?? { users: 0, activeUsers: 0, groups: 0 }) }))
  }
  // Raw, since the text is shared with the hot statements; it is a constant.
  const n = sql.raw(`(${countRows('t.id', `in ('User', 'Group')`)}) n`)
  const c = orm.select(summed).from(n).as('c')
  return orm
    .select({
      ...{ id: t.id, environmentId: t.environmentId, key: t.key, name: t.name, paused: t.paused },
      ...{ users: c.users, activeUsers: c.activeUsers, groups: c.groups },
    })
    .from(sql`unnest(${uuids(environmentIds)}) as e(id)`)
    .crossJoinLateral(t)
    .crossJoinLateral(c)
    .orderBy(asc(t.id))
}

/** Of rows `n` as `countRows` gives them. */
const summed = {
  users: sql<number>`coalesce(sum(n.total) filter (where n.resource_type = 'User'), 0)::int`.as('users'),
  activeUsers: sql<number>`coalesce(sum(n.active), 0)::int`.as('active'),
  groups: sql<number>`coalesce(sum(n.total) filter (where n.resource_type = 'Group'), 0)::int`.as('groups'),
}

/** The counts of some tenants, in a statement of their own: on Citus they are on other machines than the tenants. */
export async function countsOfTenants(
  { orm }: Database,
  ids: readonly TenantId[],
): Promise<ReadonlyMap<TenantId, Pick<TenantSummary, 'users' | 'activeUsers' | 'groups'>>> {
  // Raw, since these names are constants.
  const parts = [
    ['resource_counts', 'total', 'active'],
    ['waiting_events', 'total_delta', 'active_delta'],
  ].map(
    ([table, total, active]) =>
      sql`select c.tenant_id, c.resource_type, ${sql.raw(`c.${total} as total, c.${active} as active
      from ${table} c`)} where c.tenant_id = any(${uuids(ids)}) and c.resource_type in ('User', 'Group')`,
  )
  const rows = await orm
    .select({ id: sql<TenantId>`n.tenant_id::text`, ...summed })
    .from(sql`(${sql.join(parts, sql` union all `)}) n`)
    .groupBy(sql`n.tenant_id`)
  return new Map(rows.map(({ id, ...counts }) => [id, counts]))
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
