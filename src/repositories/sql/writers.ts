import type { Database } from '../../db/database.ts'
import { arrayText } from './parameters.ts'

/** The tables whose writers are waited for. */
export type WrittenTable = 'events' | 'memberships' | 'request_log' | 'request_terms' | 'resources'

/**
 * The transactions, of all tenants, that may have changed one of these tables and have not ended.
 *
 * A statement that changes rows locks the table before its snapshot, and the transaction keeps the lock until its end. So a
 * writer that did not see what was committed before this call is among them. An id is never used twice.
 */
export async function writersOf(db: Database, tables: readonly WrittenTable[]): Promise<ReadonlySet<string>> {
  const rows = await db.run<{ id: string }>(
    `select distinct l.virtualtransaction as id from pg_locks l
     where l.locktype = 'relation' and l.relation = any($1::text::regclass[]) and l.mode = 'RowExclusiveLock' and l.granted
       and l.database = (select d.oid from pg_database d where d.datname = current_database())
       and l.pid is distinct from pg_backend_pid()`,
    [arrayText(tables, 'text')],
  )
  return new Set(rows.map(({ id }) => id))
}
