import type { Database } from '../../db/database.ts'
import type { TenantId } from '../../place-ids.ts'
import { foundRows } from '../sql/found-rows.ts'
import { takeHistory } from './histories.ts'

/** Spans of each table deleted in one transaction. */
export const SPANS_TRIMMED_AT_ONCE = 1_000

/**
 * Deletes spans of a tenant that ended more than `days` ago, those that ended first before the others, at most
 * `SPANS_TRIMMED_AT_ONCE` of each table; and ids of those of whom nothing is left. Waits for whoever writes the history.
 */
export async function trimHistory(db: Database, tenantId: TenantId, days: number): Promise<void> {
  await db.transaction(async (tx) => {
    const own = tx.asTenant(tenantId)
    if ((await takeHistory(own, tenantId, true)) === undefined) return
    const remove = (table: 'history_states' | 'history_grants', key: readonly string[]) => {
      const found = foundRows(own.distributed, (row) => `${row}.tenant_id = $1::uuid`, ...key, 'from_position')
      return own.run<Record<string, number>>(
        `delete from ${table} h where ${found.isAmong(
          'h',
          `select ${found.columns('o')} from ${table} o
           where o.tenant_id = $1::uuid and o.to_at < now() - make_interval(days => $2::int) order by o.to_at limit ${SPANS_TRIMMED_AT_ONCE}`,
        )} returning ${key.map((column) => `h.${column}`).join(', ')}`,
        [tenantId, days],
        { name: 'history-trim', prepare: false },
      )
    }
    const gone = [
      ...(await remove('history_grants', ['object', 'subject'])),
      ...(await remove('history_states', ['number'])),
    ]
    const numbers = [...new Set(gone.flatMap((row) => Object.values(row)))]
    await own.run(
      `delete from history_subjects s where s.tenant_id = $1::uuid and s.number = any($2::text::int[])
         and not exists (select 1 from history_states h where h.tenant_id = $1::uuid and h.number = s.number)
         and not exists (select 1 from history_grants h where h.tenant_id = $1::uuid and h.object = s.number)
         and not exists (select 1 from history_grants h where h.tenant_id = $1::uuid and h.subject = s.number)`,
      [tenantId, `{${numbers.join(',')}}`],
      { name: 'history-trim', prepare: false },
    )
    await own.run(
      `update histories h set oldest_end = o.oldest_end from (
         select least(
           (select g.to_at from history_grants g where g.tenant_id = $1::uuid and g.to_at is not null order by g.to_at limit 1),
           (select s.to_at from history_states s where s.tenant_id = $1::uuid and s.to_at is not null order by s.to_at limit 1)
         ) as oldest_end
       ) o where h.tenant_id = $1::uuid`,
      [tenantId],
      { name: 'history-trim', prepare: false },
    )
  })
}
