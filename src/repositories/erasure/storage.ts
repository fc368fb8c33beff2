import type { Database } from '../../db/database.ts'

// A deleted row stays on its page until the page is written anew, and in the log of the database's changes. On PostgreSQL both are the
// operator's, with copies and archives of them. The embedded engine has them in one folder, so there they can go at once.

/** A larger table is not written anew by the embedded engine, which answers nobody else meanwhile. */
const MOST_REWRITTEN_BYTES = 67_108_864
const PLAIN = { prepare: false } as const

/**
 * Clears what is left on the pages of these tables. Safe to repeat.
 *
 * @param tables names of the schema
 * @returns `rewritten` where nothing is left in the files of the embedded engine; `vacuumed` where the space is free to be used again
 */
export async function clearPages(database: Database, tables: readonly string[]): Promise<'rewritten' | 'vacuumed'> {
  if (database.engine !== 'pglite') {
    for (const table of tables) await database.run(`vacuum (analyze) ${table}`, [], PLAIN)
    return 'vacuumed'
  }
  let all = true
  for (const table of tables) {
    const [size] = await database.run<{ bytes: number }>(
      'select pg_total_relation_size(to_regclass($1::text))::float8 as bytes',
      [table],
    )
    const small = (size?.bytes ?? 0) <= MOST_REWRITTEN_BYTES
    all &&= small
    await database.run(`vacuum (${small ? 'full, ' : ''}analyze) ${table}`, [], PLAIN)
  }
  // What the planner has noted of the columns holds samples of their values.
  await database.run('vacuum (full) pg_statistic', [], PLAIN)
  await database.transaction(async (tx) => {
    // Files of the log that have served would be used again as they are. The setting is that of the transaction alone.
    await tx.run('set local wal_recycle = off', [], PLAIN)
    await tx.run('select pg_switch_wal()::text', [], PLAIN)
    await tx.run('checkpoint', [], PLAIN)
  })
  return all ? 'rewritten' : 'vacuumed'
}
