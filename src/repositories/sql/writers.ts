import type { Database } from '../../db/database.ts'

/**
 * The transactions, of all tenants, that may have changed a table and have not ended.
 *
 * A statement that changes rows locks the table before its snapshot, and the transaction keeps the lock until its end. So a
 * writer that did not see what was committed before this call is among them. An id is never used twice.
 */
export async function writersOf(db: Database, table: 'memberships' | 'resources'): Promise<ReadonlySet<string>> {
  const rows = await db.run<{ id: string }>(
    `select distinct l.virtualtransaction as id from pg_locks l
     where l.locktype = 'relation' and l.relation = $1::text::regclass and l.mode = 'RowExclusiveLock' and l.granted
       and l.database = (select d.oid from pg_database d where d.datname = current_database())
       and l.pid is distinct from pg_backend_pid()`,
    [table],
  )
  return new Set(rows.map(({ id }) => id))
}
