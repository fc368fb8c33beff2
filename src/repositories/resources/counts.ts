import type { Database } from '../../db/database.ts'
import type { RepositoryScope } from '../scope.ts'

/** True of a row `alias` of `resources` that is an active user: only false deactivates (RFC 7643 §4.1.1). */
export const isActiveUser = (alias: string): string =>
  `${alias}.resource_type = 'User' and ${alias}.active is distinct from false`

/**
 * A query for the counts of a tenant's resources as they are now: rows `(resource_type, total, active)` to be summed up. Few
 * events wait for their position at any time, so it reads few rows.
 *
 * @param types what follows `resource_type`, such as `= 'User'`; every type by default
 */
export const countRows = (tenant: string, types?: string): string => {
  const ofTypes = (alias: string) => (types === undefined ? '' : ` and ${alias}.resource_type ${types}`)
  return `select c.resource_type, c.total, c.active from resource_counts c where c.tenant_id = ${tenant}${ofTypes('c')}
    union all select w.resource_type, w.total_delta, w.active_delta from waiting_events w
    where w.tenant_id = ${tenant}${ofTypes('w')}`
}

/**
 * The part of a statement that counts what events have changed, in the statement that takes their rows out of
 * `waiting_events`: at no time does a reader see them twice or not at all. Whoever runs it holds the lock of the tenants' logs.
 *
 * @param rows a query for rows `(tenant_id, resource_type, total_delta, active_delta)`
 */
export const addCounts = (rows: string): string =>
  `insert into resource_counts as c (tenant_id, resource_type, total, active)
     select x.tenant_id, x.resource_type, sum(x.total_delta), sum(x.active_delta) from (${rows}) x
     where x.total_delta <> 0 or x.active_delta <> 0 group by x.tenant_id, x.resource_type
     on conflict (tenant_id, resource_type) do update set total = c.total + excluded.total, active = c.active + excluded.active`

/** The counts of one tenant. Every event that changes them says by how much. */
export function countsOf(db: Database, scope: Pick<RepositoryScope, 'tenantId'>) {
  return {
    /**
     * The number of active users, for a decision that must hold until the end of the caller's transaction. Other callers wait
     * for that end; writes without this question do not. Also returns whether the log has told that seats ran out.
     */
    async lockActiveUsers(): Promise<{ readonly active: number; readonly ranOut: boolean }> {
      // This lock is not the one of foreign keys, so other writes do not wait. The count is a separate statement, since it has
      // to see what was committed while this one waited.
      const [tenant] = await db.run<{ ranOut: boolean }>(
        'select seats_ran_out as "ranOut" from tenants where id = $1::uuid for no key update',
        [scope.tenantId],
      )
      return { active: await this.activeUsers(), ranOut: tenant?.ranOut === true }
    },

    /** The number of active users. */
    async activeUsers(): Promise<number> {
      const [row] = await db.run<{ active: number }>(
        `select coalesce(sum(n.active), 0)::int as active from (${countRows('$1::uuid', `= 'User'`)}) n`,
        [scope.tenantId],
      )
      return row?.active ?? 0
    },

    /** Lets the log tell again when seats run out; for the transaction that has called `lockActiveUsers`. */
    async seatsAreFree(): Promise<void> {
      await db.run('update tenants set seats_ran_out = false where id = $1::uuid', [scope.tenantId])
    },
  }
}
