import type { Database } from '../db/database.ts'
import type { Author } from '../repositories/control/audit.ts'
import { bounded, changeControl, type Recorder } from '../repositories/control/control-revision.ts'
import type { Precondition } from '../scim/version.ts'

export type { Recorder }

/** What the operator's functions work on. */
export interface Administration {
  readonly database: Database
  /** Given when `database` is a transaction: changes become a part of it, and the code that began it concludes, commits and tells. */
  readonly record?: Recorder
  /** Called after each committed change, so that this process forgets what it knew: `ControlPlane.changed`. */
  readonly changed: () => void
  /** Who asks for the changes. */
  readonly author: Author
  /** Which state the caller has read; a change of another one is refused (`refuseChanged`). */
  readonly expected?: Precondition | undefined
}

/**
 * Runs one change in one transaction with its entries in the audit trail (SEC-14), seen by every instance.
 *
 * Changes go on side by side; on Citus they go one after the other. `work` holds the rows on which what it finds depends, from the
 * outer place to the inner one. It may be done again from the beginning.
 *
 * @param work tells `record` what it does; nothing of the control plane changes without
 */
export async function change<T>(
  { database, record, changed, author }: Administration,
  work: (tx: Database, record: Recorder) => Promise<T>,
): Promise<T> {
  if (record !== undefined) return work(await bounded(database), record)
  const result = await changeControl(database, author, work)
  changed()
  return result
}
