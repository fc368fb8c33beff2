import type { Database } from '../../db/database.ts'
import { isReferenced, mayRetry } from '../sql/constraints.ts'
import { retryOnConflict } from '../sql/retry-on-conflict.ts'
import { type AuditRecord, type Author, appendAuditRecords } from './audit.ts'

/** Adds a record to the audit trail of the change; one without a difference is left out. */
export type Recorder = (record: AuditRecord) => void

/** Longer than any change takes that does not wait for a lock itself. After that the client is asked to try again. */
const MOST_WAIT = '5s'
/** How often a change begins again after a deadlock; then the client is asked to try again. */
const ATTEMPTS = 5

/**
 * Runs a change of the control plane: one transaction with its entries in the audit trail, which is counted so that other
 * instances notice. The change has to lock the rows that it depends on. No other change waits for it.
 *
 * @param work runs again from the beginning where a deadlock has undone it
 */
export function changeControl<T>(
  database: Database,
  author: Author,
  work: (tx: Database, record: Recorder) => Promise<T>,
): Promise<T> {
  const once = (tx: Database) => recorded(tx, author, async (record) => work(await bounded(tx), record))
  // On Citus the lock on a tenant does not hold its rows on the workers: its log may be made while it is deleted.
  const again = (error: unknown) => mayRetry(error) || (database.distributed && isReferenced(error))
  return retryOnConflict(() => database.transaction(once), again, ATTEMPTS)
}

/**
 * Runs work in a transaction of the caller, who commits it, and stores its audit records at the end.
 *
 * The row that counts changes comes last. All changes lock it one after the other, each for the time of its commit. So the
 * audit trail has the order of the commits.
 */
export async function recorded<T>(tx: Database, author: Author, work: (record: Recorder) => Promise<T>): Promise<T> {
  if (tx.distributed) await boundedInTurn(tx)
  const records: AuditRecord[] = []
  const result = await work((record) => records.push(record))
  if (records.length > 0) await appendAuditRecords(tx, author, records)
  return result
}

/**
 * Bounds a transaction, which on Citus begins once those before it are committed. There, who locks a row of a shared table holds the
 * table on all machines, so two that lock more than one such table, or one of them twice, would wait for each other.
 */
export async function boundedInTurn(tx: Database): Promise<Database> {
  await bounded(tx)
  if (tx.distributed) await tx.run("select pg_advisory_xact_lock(hashtextextended('control plane', 0))::text", [])
  return tx
}

/** Makes the statements of a transaction wait for a lock no longer than a request may take; gives the transaction. */
export async function bounded(tx: Database): Promise<Database> {
  await tx.run(`set local lock_timeout = '${MOST_WAIT}'`, [], { prepare: false })
  return tx
}

/** Lets one instance at a time check whether the database is empty, until the end of its transaction. */
export async function lockFirstStart(tx: Database): Promise<void> {
  await tx.run("select pg_advisory_xact_lock(hashtextextended('first start', 0))::text", [])
}
