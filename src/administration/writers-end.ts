import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../db/database.ts'
import { type WrittenTable, writersOf } from '../repositories/sql/writers.ts'

/** The pause before looking again whether they have ended. */
const LOOK_AGAIN_MS = 20

/**
 * Waits for the writers of these tables that may not have seen what was committed before this call.
 *
 * @returns false where `goesOn` gave false before they ended
 */
export async function writersEnd(
  db: Database,
  tables: readonly WrittenTable[],
  goesOn: () => boolean,
): Promise<boolean> {
  let writers = await writersOf(db, tables)
  while (writers.size > 0 && goesOn()) {
    await sleep(LOOK_AGAIN_MS)
    writers = intersection(writers, await writersOf(db, tables))
  }
  return writers.size === 0
}

export const intersection = (one: ReadonlySet<string>, other: ReadonlySet<string>): ReadonlySet<string> =>
  new Set([...one].filter((each) => other.has(each)))
