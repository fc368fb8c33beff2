import type { Database } from '../../src/db/database.ts'
import { tenantTables } from './instances.ts'

/** What `work` gives, and the tenants' tables and indexes of which it reads more than `few` rows. On a database of one session. */
export async function manyRowsRead<T>(database: Database, few: number, work: () => Promise<T>) {
  const before = await read(database)
  const result = await work()
  const after = await read(database)
  const tables = await tenantTables(database)
  const much = [...after]
    .map(([name, n]) => ({ name, rows: n - (before.get(name) ?? 0) }))
    .filter(({ name, rows }) => rows > few && tables.some((table) => name.startsWith(table)))
  return [result, much] as const
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
