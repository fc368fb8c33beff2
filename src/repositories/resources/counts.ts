import type { Database } from '../../db/database.ts'
import type { RepositoryScope } from '../scope.ts'

/** With more rows of deltas than this, the count of a type is folded into one row. */
export const FOLD_AFTER = 100
const FOLD_AT_ONCE = 10_000

/** True of a row `alias` of `resources` that is an active user: only false deactivates (RFC 7643 §4.1.1). */
export const isActiveUser = (alias: string): string =>
  `${alias}.resource_type = 'User' and ${alias}.active is distinct from false`

/** The counts of one tenant. Every write adds a delta to them. */
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
      const [row] = await db.run<{ active: number; deltas: number }>(
        `select coalesce(sum(c.active_delta), 0)::int as active, count(*)::int as deltas from resource_counts c
         where c.tenant_id = $1::uuid and c.resource_type = 'User'`,
        [scope.tenantId],
      )
      if (row && row.deltas > FOLD_AFTER) await this.fold('User')
      return row?.active ?? 0
    },

    /** Lets the log tell again when seats run out; for the transaction that has called `lockActiveUsers`. */
    async seatsAreFree(): Promise<void> {
      await db.run('update tenants set seats_ran_out = false where id = $1::uuid', [scope.tenantId])
    },

    /** Folds a type's deltas into one row; safe at any time, since it skips rows that another instance is folding. */
    async fold(resourceType: string): Promise<void> {
      await db.run(
        `with gone as (
           delete from resource_counts c where c.tenant_id = $1::uuid and c.ctid = any(array(
             select ctid from resource_counts where tenant_id = $1::uuid and resource_type = $2::text
             limit ${FOLD_AT_ONCE} for update skip locked))
           returning c.delta, c.active_delta
         )
         insert into resource_counts (tenant_id, resource_type, delta, active_delta)
         select $1::uuid, $2::text, coalesce(sum(delta), 0), coalesce(sum(active_delta), 0) from gone`,
        [scope.tenantId, resourceType],
      )
    },
  }
}
