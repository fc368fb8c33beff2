import type { Database } from '../../db/database.ts'
import type { EnvironmentId, TenantId } from '../../place-ids.ts'
import { FIRST_ID } from '../sql/ids.ts'
import { arrayText } from '../sql/parameters.ts'

/** Requests deleted in one transaction. */
export const REQUESTS_TRIMMED_AT_ONCE = 1_000

/** Environments after the one with the id `after`, up to `limit`, and for how many days each keeps requests. */
export function requestLogDays(
  db: Database,
  defaultDays: number,
  after: EnvironmentId | undefined,
  limit: number,
): Promise<{ readonly id: EnvironmentId; readonly days: number }[]> {
  return db.run(
    `select e.id::text, coalesce((e.settings->>'requestLogDays')::int, $1::int) as days from environments e
     where e.id > $2::uuid order by e.id limit ${Math.trunc(limit)}`,
    [defaultDays, after ?? FIRST_ID],
  )
}

/** Tenants of an environment in the order of their ids, up to `limit`, and whether each has requests with ids below `bound`. */
export async function tenantsWithOldRequests(
  db: Database,
  environmentId: EnvironmentId,
  { bound, after, limit }: { readonly bound: string; readonly after: TenantId | undefined; readonly limit: number },
): Promise<{ readonly id: TenantId; readonly due: boolean }[]> {
  if (db.distributed) {
    const found = await db.run<{ id: TenantId }>(
      `select t.id::text from tenants t where t.environment_id = $1::uuid and t.id > $2::uuid order by t.id limit ${Math.trunc(limit)}`,
      [environmentId, after ?? FIRST_ID],
    )
    // Citus has no look-up for each row, so each machine looks for those of its tenants.
    const old = await db.run<{ id: TenantId }>(
      'select distinct r.tenant_id::text as id from request_log r where r.tenant_id = any($1::text::uuid[]) and r.id < $2::uuid',
      [
        arrayText(
          found.map(({ id }) => id),
          'uuid',
        ),
        bound,
      ],
    )
    const due = new Set(old.map(({ id }) => id))
    return found.map(({ id }) => ({ id, due: due.has(id) }))
  }
  return db.run(
    `select t.id::text, exists (
       select 1 from request_log r where r.tenant_id = t.id and r.id < $3::uuid
     ) as due from (
       select t.id from tenants t where t.environment_id = $1::uuid and t.id > $2::uuid order by t.id limit ${Math.trunc(limit)}
     ) t order by t.id`,
    [environmentId, after ?? FIRST_ID, bound],
  )
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
