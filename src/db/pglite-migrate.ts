import type { PGlite } from '@electric-sql/pglite'
import { isUpToDate, refuseNewer } from './compatibility.ts'
import { applyMigration, lastApplied, migrationsIn, type RunStatement } from './migrations.ts'

/**
 * Applies what is missing to the embedded engine.
 *
 * @param upTo when the last migration that it is to have was made, in ms since 1970
 * @throws {CannotOpen} when a newer release has changed the tables in a way that this build cannot serve
 */
export async function migratePglite(client: PGlite, upTo = Number.POSITIVE_INFINITY): Promise<void> {
  const runOn =
    (session: Pick<PGlite, 'query'>): RunStatement =>
    async (statement) =>
      (await session.query<object>(statement)).rows
  const run = runOn(client)
  if (await isUpToDate(run).catch(() => false)) return
  await refuseNewer(run)
  const last = await lastApplied(run)
  for (const migration of migrationsIn().filter(({ madeAt }) => madeAt > last && madeAt <= upTo)) {
    if (migration.alone) await applyMigration(run, migration)
    else await client.transaction((tx) => applyMigration(runOn(tx), migration))
  }
}
