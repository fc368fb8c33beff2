import type { Database } from '../../db/database.ts'
import type { TenantId } from '../../place-ids.ts'
import { FIRST_ID } from '../sql/ids.ts'
import { arrayText } from '../sql/parameters.ts'

/** Requests deleted in one transaction. */
export const REQUESTS_TRIMMED_AT_ONCE = 1_000

/** A tenant, for how many days its environment keeps requests, and whether the tenant has some that are older. */
export interface AgedRequests {
  readonly id: TenantId
  readonly days: number
  readonly due: boolean
}

/** Which tenants are looked at, and what is old. */
interface Looked {
  /** Where the environment has no setting. */
  readonly defaultDays: number
  /** The lowest id of a request that is kept for so many days. */
  readonly boundOf: (days: number) => string
  readonly after: TenantId | undefined
  readonly limit: number
}

/**
 * Tenants that have requests, in the order of their ids, up to `limit`; on Citus all tenants. Requests may have been written while
 * their tenant was deleted: it is among these tenants, with the default.
 */
export async function tenantsWithOldRequests(db: Database, looked: Looked): Promise<AgedRequests[]> {
  if (db.distributed) return onCitus(db, looked)
  const { defaultDays, boundOf, after, limit } = looked
  // One index look-up for each tenant that has requests, which gives its oldest one.
  const rows = await db.run<Omit<AgedRequests, 'due'> & { readonly oldest: string }>(
    `with recursive logged(tenant_id, id, n) as (
       (select r.tenant_id, r.id, 1 from request_log r where r.tenant_id > $1::uuid order by r.tenant_id, r.id limit 1)
       union all
       select x.tenant_id, x.id, l.n + 1 from logged l cross join lateral (
         select r.tenant_id, r.id from request_log r where r.tenant_id > l.tenant_id order by r.tenant_id, r.id limit 1
       ) x where l.n < ${Math.trunc(limit)}
     )
     select l.tenant_id::text as id, l.id::text as oldest, ${DAYS} as days from logged l
     left join lateral (select t.environment_id from tenants t where t.id = l.tenant_id offset 0) t on true
     left join lateral (select e.settings from environments e where e.id = t.environment_id offset 0) e on true
     order by l.tenant_id`,
    [after ?? FIRST_ID, defaultDays],
    { name: 'request-log-read' },
  )
  return rows.map(({ oldest, ...row }) => ({ ...row, due: oldest < boundOf(row.days) }))
}

const DAYS = `coalesce((e.settings->>'requestLogDays')::int, $2::int)`

/** Citus has no look-up for each row, so each machine looks for those of its tenants. */
async function onCitus(db: Database, { defaultDays, boundOf, after, limit }: Looked): Promise<AgedRequests[]> {
  const tenants = await db.run<Omit<AgedRequests, 'due'>>(
    `select t.id::text, ${DAYS} as days from tenants t join environments e on e.id = t.environment_id
     where t.id > $1::uuid order by t.id limit ${Math.trunc(limit)}`,
    [after ?? FIRST_ID, defaultDays],
  )
  const due = new Set<TenantId>()
  for (const days of new Set(tenants.map((tenant) => tenant.days))) {
    const ids = tenants.filter((tenant) => tenant.days === days).map(({ id }) => id)
    const old = await db.run<{ id: TenantId }>(
      'select distinct r.tenant_id::text as id from request_log r where r.tenant_id = any($1::text::uuid[]) and r.id < $2::uuid',
      [arrayText(ids, 'uuid'), boundOf(days)],
    )
    for (const { id } of old) due.add(id)
  }
  return tenants.map((tenant) => ({ ...tenant, due: due.has(tenant.id) }))
}

/**
 * Deletes requests of a tenant with ids below `bound`, the oldest first, and their terms. Returns how many.
 *
 * A term's rows are deleted up to the last of the batch: those of earlier requests are gone already.
 */
export function trimRequests(db: Database, tenantId: TenantId, bound: string): Promise<number> {
  return db.asTenant(tenantId).transaction(async (tx) => {
    // A planner that expects fewer requests than the batch has would read all old ones, and sort them, for each batch.
    await tx.run(`select set_config('enable_bitmapscan', 'off', true)`, [])
    const [done] = await tx.run<{ count: number }>(
      `with old as materialized (
         select r.id, r.terms from request_log r where r.tenant_id = $1::uuid and r.id < $2::uuid
         order by r.tenant_id, r.id limit ${REQUESTS_TRIMMED_AT_ONCE}
       ),
       unnamed as (
         delete from request_terms t where t.tenant_id = $1::uuid
           and t.term = any(array(select distinct x.term from old o cross join lateral unnest(o.terms) x(term)))
           and t.id <= (select o.id from old o order by o.id desc limit 1)
       ),
       gone as (
         delete from request_log r where r.tenant_id = $1::uuid and r.id = any(array(select o.id from old o)) returning 1
       )
       select count(*)::int as count from gone`,
      [tenantId, bound],
      { name: 'request-log-trim', prepare: false },
    )
    return done?.count ?? 0
  })
}
