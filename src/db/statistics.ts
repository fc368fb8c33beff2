import type { Database } from './database.ts'

/** Pages of a table for each one that the planner knows of, from which on the table is analysed. */
const GROWN = 4
const LONGEST_MS = 10_000
// Any number that no other program's advisory lock has. One instance at a time analyses.
const LOCK = '8245929752839219309'

/** Tables of tenants that have grown, and the statement that analyses the columns by which their rows are found. */
const DUE = `select c.relname as name, pg_has_role(c.relowner, 'usage') as allowed,
    format('analyze (skip_locked) %s (%s)', c.oid::regclass, k.columns) as statement
  from pg_class c cross join lateral (
    select string_agg(distinct quote_ident(a.attname), ', ') as columns
    from pg_index i join pg_class x on x.oid = i.indexrelid join pg_am m on m.oid = x.relam
      join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
    where i.indrelid = c.oid and m.amname = 'btree'
  ) k
  where c.relnamespace = to_regnamespace('public') and c.relkind = 'r' and c.relrowsecurity
    and pg_relation_size(c.oid) >= ${GROWN}::bigint * greatest(c.relpages, 1) * current_setting('block_size')::int`

interface DueTable {
  readonly name: string
  readonly allowed: boolean
  readonly statement: string
}

/**
 * Analyses the tables of tenants that are four times as large as the planner knows. That ends the plans of every session which
 * were made for the smaller table, those of foreign keys too. The server's own statistics keep a table from being due.
 *
 * @returns the names of tables that have grown and belong to another owner
 */
export async function analyzeGrown(database: Database): Promise<string[]> {
  const due = await database.run<DueTable>(DUE, [], { name: 'analyze' })
  for (const { name } of due.filter(({ allowed }) => allowed)) {
    // One transaction for each table: what is done stays when the next one takes too long, and no lock is held for two.
    await database.transaction(async (tx) => {
      await tx.run(`set local statement_timeout = ${LONGEST_MS}`, [], { prepare: false })
      const [lock] = await tx.run<{ mine: boolean }>(`select pg_try_advisory_xact_lock(${LOCK}) as mine`, [])
      if (!lock?.mine) return
      // Another instance may have been here since the first look.
      const still = (await tx.run<DueTable>(DUE, [], { name: 'analyze' })).find((table) => table.name === name)
      if (still !== undefined) await tx.run(still.statement, [], { name: 'analyze', prepare: false })
    })
  }
  return due.filter(({ allowed }) => !allowed).map(({ name }) => name)
}
