import { sql } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { controlRevision } from '../db/schema.ts'

/** How many changes of the control plane there have been; 0 before the first. */
export async function currentRevision(database: Database): Promise<number> {
  const rows = await database.orm.select({ revision: controlRevision.revision }).from(controlRevision)
  return rows[0]?.revision ?? 0
}

/**
 * Counts one change of the control plane, by which other instances notice; to be called in a transaction before anything is
 * looked up for the change.
 *
 * The row stays locked until the commit, so these changes happen one after the other: what is looked up after it stays true
 * until they are done.
 */
export async function countChange({ orm }: Database): Promise<void> {
  await orm
    .insert(controlRevision)
    .values({ id: 1, revision: 1 })
    .onConflictDoUpdate({ target: controlRevision.id, set: { revision: sql`${controlRevision.revision} + 1` } })
}

/** Runs a change of the control plane in one transaction, counted. */
export function changeControl<T>(database: Database, work: (tx: Database) => Promise<T>): Promise<T> {
  return database.transaction(async (tx) => {
    await countChange(tx)
    return work(tx)
  })
}
