import { sql } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { controlRevision } from '../db/schema.ts'

/** How many changes of the control plane there have been; 0 before the first. */
export async function currentRevision(database: Database): Promise<number> {
  const rows = await database.orm.select({ revision: controlRevision.revision }).from(controlRevision)
  return rows[0]?.revision ?? 0
}

/**
 * Runs a change of the control plane in one transaction that also counts the revision, by which other instances notice.
 *
 * The count comes first and its row stays locked until the commit, so these changes happen one after the other: what `work`
 * has looked up stays true until it is done.
 */
export function changeControl<T>(database: Database, work: (tx: Database) => Promise<T>): Promise<T> {
  return database.transaction(async (tx) => {
    await tx.orm
      .insert(controlRevision)
      .values({ id: 1, revision: 1 })
      .onConflictDoUpdate({ target: controlRevision.id, set: { revision: sql`${controlRevision.revision} + 1` } })
    return work(tx)
  })
}
