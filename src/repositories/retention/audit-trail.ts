import type { Database } from '../../db/database.ts'
import { THE_GATEWAY } from '../control/audit.ts'
import { changeControl } from '../control/control-revision.ts'

/** Entries deleted in one transaction. */
export const AUDIT_TRIMMED_AT_ONCE = 1_000

/**
 * Deletes entries of the audit trail that are older than `days`, the oldest first, and notes that in the trail. Gives whether
 * there may be more. The database refuses it for entries of the last 30 days.
 */
export function trimAuditTrail(database: Database, days: number): Promise<boolean> {
  return changeControl(database, THE_GATEWAY, async (tx, record) => {
    await tx.run("select set_config('rollcall.audit_kept_days', $1::text, true)", [String(days)])
    // Numbers are given in the order of the moments: the first entry that is young enough ends it. So nothing else is read.
    const [gone] = await tx.run<{ count: number; until: Date | null }>(
      `with oldest as materialized (
         select seq, at < now() - make_interval(days => $1::int) as expired from audit_entries
         order by seq limit ${AUDIT_TRIMMED_AT_ONCE}
       ),
       gone as (
         delete from audit_entries a where a.seq = any(array(
           select o.seq from oldest o
           where o.seq < coalesce((select min(x.seq) from oldest x where not x.expired), 9223372036854775807)
         )) returning a.at
       )
       select count(*)::int as count, max(at) as until from gone`,
      [days],
    )
    const { count, until } = gone ?? { count: 0, until: null }
    if (count === 0 || until === null) return false
    record({
      ...{ action: 'audit_log.trimmed', place: { kind: 'instance' }, target: { id: 'audit-log', name: 'audit log' } },
      before: { entries: count, until: new Date(until).toISOString() },
      after: { entries: 0, keptDays: days },
    })
    return count === AUDIT_TRIMMED_AT_ONCE
  })
}
