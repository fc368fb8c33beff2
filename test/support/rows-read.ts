import { expect, vi } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { tenantTables } from './instances.ts'

/**
 * What `work` gives, and the tenants' tables and indexes of which it reads more than `few` rows. On a database of one session.
 *
 * @param also names of tables that are no tenant's
 */
export async function manyRowsRead<T>(
  database: Database,
  few: number,
  work: () => Promise<T>,
  also: readonly string[] = [],
) {
  await olderWritersEnd(database)
  const before = await read(database)
  const result = await work()
  const after = await read(database)
  const tables = [...(await tenantTables(database)), ...also]
  const much = [...after]
    .map(([name, n]) => ({ name, rows: n - (before.get(name) ?? 0) }))
    .filter(({ name, rows }) => rows > few && tables.some((table) => name.startsWith(table)))
  return [result, much] as const
}

/**
 * Waits for transactions that write, in any database of the server, and began before now: those of other tests. Until they end,
 * PostgreSQL reads the index entries of rows that were deleted since, again and again.
 */
export async function olderWritersEnd(database: Database): Promise<void> {
  const [now] = await database.run<{ xid: string }>('select pg_current_xact_id()::text as xid', [])
  const left = async () => {
    const [found] = await database.run<{ n: number }>(
      `select count(*)::int as n from pg_stat_activity a
       where a.pid <> pg_backend_pid() and a.backend_xid::text::bigint < $1::text::bigint`,
      [now?.xid ?? '0'],
    )
    return found?.n ?? 0
  }
  await vi.waitFor(async () => expect(await left()).toBe(0), { timeout: 60_000 })
}

/** What the session has read of each index and table so far; the checks of references are in it. */
async function read(database: Database): Promise<Map<string, number>> {
  await database.run('select pg_stat_force_next_flush()', [], { prepare: false })
  const rows = await database.run<{ name: string; n: number }>(
    `select indexrelname as name, idx_tup_read::float8 as n from pg_stat_user_indexes
     union all select relname, seq_tup_read::float8 from pg_stat_user_tables`,
    [],
  )
  return new Map(rows.map(({ name, n }) => [name, n]))
}
