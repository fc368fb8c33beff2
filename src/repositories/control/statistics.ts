import type { Database } from '../../db/database.ts'

/** Smaller tables need no statistics: every plan reads them quickly. */
const SMALLEST_BYTES = 64 * 1024

/** A table is due when it is larger than this many times what the planner knows of it. */
const GROWTH = 1.5

/** On the embedded engine requests wait for an ANALYZE. A sample of 3,000 rows takes some 30 ms, ten times fewer than usual. */
const EMBEDDED_SAMPLE = 'set local default_statistics_target = 10'

// Every table with rows of tenants has a policy. ANALYZE notes how many pages the table has.
const GROWN = `select c.oid::regclass::text as name from pg_class c
  where c.relnamespace = to_regnamespace('public') and c.relkind = 'r' and c.relrowsecurity
    and pg_relation_size(c.oid) > greatest(
      ${SMALLEST_BYTES}, c.relpages::bigint * current_setting('block_size')::bigint * ${GROWTH})
  order by c.relname`

/** Tables of tenants that have outgrown their statistics. A look at the catalogue and the sizes of files, and at no row. */
export async function grownTables(database: Database): Promise<string[]> {
  const rows = await database.run<{ name: string }>(GROWN, [], { prepare: false })
  return rows.map(({ name }) => name)
}

/**
 * Analyzes the tables that have outgrown their statistics, one instance at a time. New statistics discard the plans that sessions
 * made while a table was smaller, those of foreign keys' checks too. Readers and writers do not wait.
 *
 * @returns the tables that were due, and those of them that are so no longer. Where the user in `DATABASE_URL` may not analyze a
 *   table, PostgreSQL passes over it.
 */
export async function analyzeGrown(
  database: Database,
): Promise<{ readonly due: readonly string[]; readonly analyzed: readonly string[] }> {
  const due = await grownTables(database)
  const analyzed: string[] = []
  for (const name of due) {
    const done = await database.transaction(async (tx) => {
      const [row] = await tx.run<{ mine: boolean }>(
        `select pg_try_advisory_xact_lock(hashtextextended('statistics', 0)) as mine`,
        [],
        { prepare: false },
      )
      // Another instance may have analyzed it since.
      if (row?.mine !== true || !(await grownTables(tx)).includes(name)) return false
      if (tx.engine === 'pglite') await tx.run(EMBEDDED_SAMPLE, [], { prepare: false })
      await tx.run(`analyze ${name}`, [], { prepare: false })
      return !(await grownTables(tx)).includes(name)
    })
    if (done) analyzed.push(name)
  }
  return { due, analyzed }
}
