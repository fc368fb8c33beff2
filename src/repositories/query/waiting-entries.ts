import type { Database } from '../../db/database.ts'

/**
 * Puts the entries that wait for the index on search documents in place. Look-ups read those that wait one after the other.
 * Writers never wait for this. Where another owns the index it does nothing: PostgreSQL does the same when more entries wait
 * than the index allows, and at each vacuum.
 */
export async function placeWaitingEntries(database: Database): Promise<void> {
  await database.run(
    `select gin_clean_pending_list(c.oid) from pg_class c
     where c.oid = to_regclass('public.search_documents_search') and pg_has_role(c.relowner, 'usage')`,
    [],
    { name: 'search-index-place' },
  )
}
