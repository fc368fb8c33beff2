import { type Needs, whyNotServed } from './compatibility.ts'
import type { Database } from './database.ts'
import { codeOf } from './errors.ts'

const STANDING = `select pg_is_in_recovery() or current_setting('transaction_read_only') = 'on' as "readOnly",
    needs_migration as "needsMigration", needs_release as "needsRelease" from schema_compatibility`

/**
 * What keeps this build from serving the database, in words for the operator; undefined where nothing does.
 *
 * @throws where the database does not answer
 */
export async function standingFault(database: Pick<Database, 'run'>): Promise<string | undefined> {
  const [row] = await database.run<Needs & { readOnly: boolean }>(STANDING, [], { name: 'readiness' })
  if (row?.readOnly) return 'the database takes no changes: its disk is full, or it is a standby'
  return row && whyNotServed(row)
}

/** SQLSTATE of a disk without room. */
const DISK_FULL = '53100'

/** True for an error of a statement that found no room on the database's disk. */
export const isDiskFull = (error: unknown): boolean => codeOf(error) === DISK_FULL

/**
 * Whether the disk has room again, by a write that is taken back. Temporary rows take new room at once. Other writes may find room
 * in pages that exist, and would say nothing.
 */
export async function hasRoom(database: Pick<Database, 'transaction'>): Promise<boolean> {
  try {
    await database.transaction((tx) =>
      tx.run('create temporary table room on commit drop as select generate_series(1, 2000) as n', [], {
        prepare: false,
      }),
    )
    return true
  } catch (error) {
    return !isDiskFull(error)
  }
}
