import type { RunStatement } from './migrations.ts'

/** Whether Citus has distributed the tables of this database by tenant. */
export async function isDistributed(run: RunStatement): Promise<boolean> {
  const [extension] = (await run(`select to_regclass('pg_catalog.pg_dist_partition') is not null as there`)) as [
    { there: boolean },
  ]
  if (!extension.there) return false
  const [tables] = (await run(
    `select exists (select from pg_dist_partition where logicalrelid = to_regclass('public.resources') and partmethod = 'h') as there`,
  )) as [{ there: boolean }]
  return tables.there
}
