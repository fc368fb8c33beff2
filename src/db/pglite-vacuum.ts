import type { PGlite } from '@electric-sql/pglite'

const EVERY_MS = 60_000

// PostgreSQL's own rule for when a table is due, in its default measure.
const DUE = `
  select format('%I.%I', schemaname, relname) as name from pg_stat_user_tables
  where n_dead_tup > 50 + 0.2 * n_live_tup or n_mod_since_analyze > 50 + 0.1 * n_live_tup
  order by n_dead_tup`

/**
 * Does what autovacuum does, which the embedded engine lacks: without it tables only grow, and plans are made without
 * knowing the data. Returns what stops it.
 */
export function keepTidy(client: PGlite, everyMs: number = EVERY_MS): () => void {
  const timer = setInterval(() => {
    vacuumDue(client).catch(() => {
      // The engine is closing, or has failed; who waits for a statement is told.
    })
  }, everyMs)
  timer.unref()
  return () => clearInterval(timer)
}

/** Vacuums the tables that are due, one at a time, so that requests get in between. */
export async function vacuumDue(client: PGlite): Promise<void> {
  await client.query('select pg_stat_force_next_flush()')
  const due = await client.query<{ name: string }>(DUE)
  for (const { name } of due.rows) await client.query(`vacuum (analyze) ${name}`)
}
