import type { Database } from '../../db/database.ts'
import type { EnvironmentId, TenantId } from '../../place-ids.ts'
import { Parameters } from '../sql/parameters.ts'

// How far logs of tenants and feeds of environments go: the highest position, and the highest place.

/** Logs, and feeds, for whose growth readers wait. */
export interface AwaitedLogs {
  readonly tenants: readonly TenantId[]
  readonly environments: readonly EnvironmentId[]
}

/** How far each of them goes; without an entry for one that has nothing. */
export interface Heads {
  readonly logs: ReadonlyMap<TenantId, number>
  readonly feeds: ReadonlyMap<EnvironmentId, number>
}

/**
 * A query of `id` and `head`, each found by its key: a plan that is made for empty tables reads no other row later. Citus has no
 * look-up for each row.
 */
const headsIn = (table: string, key: string) => (db: Database, ids: readonly string[], parameters: Parameters) => {
  const list = parameters.array(ids, 'uuid')
  return db.distributed
    ? `select h.${key}::text as id, h.head::float8 as head from ${table} h where h.${key} = any(${list})`
    : `select x.id::text as id, h.head::float8 as head from unnest(${list}) x(id) cross join lateral (
       select h.head from ${table} h where h.${key} = x.id limit 1
     ) h`
}
export const headsOfLogs = headsIn('event_logs', 'tenant_id')
export const headsOfFeeds = headsIn('environment_feeds', 'environment_id')

/** The highest position of each of these tenants; without an entry for a tenant that has no events. */
export async function logHeads(db: Database, tenantIds: readonly TenantId[]): Promise<Map<TenantId, number>> {
  const parameters = new Parameters()
  const text = headsOfLogs(db, tenantIds, parameters)
  const rows = await db.run<{ id: TenantId; head: number }>(text, parameters.values, { name: 'events-heads' })
  return new Map(rows.map(({ id, head }) => [id, head]))
}

/** The highest place in the feed of each of these environments; without an entry for one without a feed. */
export async function feedHeads(db: Database, ids: readonly EnvironmentId[]): Promise<Map<EnvironmentId, number>> {
  const parameters = new Parameters()
  const text = headsOfFeeds(db, ids, parameters)
  const rows = await db.run<{ id: EnvironmentId; head: number }>(text, parameters.values, { name: 'feed-heads' })
  return new Map(rows.map(({ id, head }) => [id, head]))
}
