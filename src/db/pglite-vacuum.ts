import type { Database } from './database.ts'

const EVERY_MS = 60_000
const UNPREPARED = { prepare: false } as const

// PostgreSQL's own rules for when a table is due, in their default measures.
const DUE = `
  select d.* from (
    select format('%I.%I', schemaname, relname) as name, n_dead_tup,
      n_dead_tup > 50 + 0.2 * n_live_tup or n_ins_since_vacuum > 1000 + 0.2 * n_live_tup as vacuum,
      n_mod_since_analyze > 50 + 0.1 * n_live_tup as analyze
    from pg_stat_user_tables
  ) d where d.vacuum or d.analyze order by d.n_dead_tup`

/**
 * Does what autovacuum does, which the embedded engine lacks: without it tables only grow, and plans are made without
 * knowing the data. Returns what stops it.
 *
 * @param mayWrite whether there is room for what a vacuum writes
 */
export function keepTidy(database: Database, mayWrite: () => boolean): () => void {
  const timer = setInterval(() => {
    if (!mayWrite()) return
    vacuumDue(database).catch(() => {
      // The engine is closing, or has failed; who waits for a statement is told.
    })
  }, EVERY_MS)
  timer.unref()
  return () => clearInterval(timer)
}

/** Vacuums and analyses the tables that are due, in a statement for each, so that requests get in between. */
export async function vacuumDue(database: Database): Promise<void> {
  await database.run('select pg_stat_force_next_flush()', [], UNPREPARED)
  const due = await database.run<{ name: string; vacuum: boolean; analyze: boolean }>(DUE, [], UNPREPARED)
  for (const { name, vacuum, analyze } of due) {
    if (vacuum) await database.run(`vacuum ${name}`, [], UNPREPARED)
    if (analyze) await database.run(`analyze ${name}`, [], UNPREPARED)
  }
}
