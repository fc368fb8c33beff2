import type { Database } from '../../db/database.ts'
import { controlRevision } from '../../db/schema.ts'
import { mayRetry } from '../sql/constraints.ts'
import { retryOnConflict } from '../sql/retry-on-conflict.ts'
import { type AuditRecord, type Author, appendAuditRecords } from './audit.ts'

/** How many changes of the control plane there have been; 0 before the first. */
export async function currentRevision(database: Database): Promise<number> {
  const rows = await database.orm.select({ revision: controlRevision.revision }).from(controlRevision)
  return rows[0]?.revision ?? 0
}

/** Puts into the trail what a change has done; of what differs in nothing, nothing is kept. */
export type Recorder = (deed: AuditRecord) => void

/** Longer than any change that does not wait itself; who gets no answer within a request's patience sends it again. */
const MOST_WAIT = '5s'
/** Changes that ended each other; more in a row are told to come again. */
const ATTEMPTS = 5

/**
 * Runs a change of the control plane: one transaction, with its entries in the audit trail, counted so that other instances
 * notice. What it looks up it has to hold itself, by the rows of its place; nothing else waits for it.
 *
 * @param work may be done again from the beginning, where a deadlock has undone it
 */
export function changeControl<T>(
  database: Database,
  author: Author,
  work: (tx: Database, record: Recorder) => Promise<T>,
): Promise<T> {
  const once = (tx: Database) => recorded(tx, author, async (record) => work(await bounded(tx), record))
  return retryOnConflict(() => database.transaction(once), mayRetry, ATTEMPTS)
}

/**
 * Runs work in a transaction that is under way and concludes what it records; whoever began it commits then.
 *
 * The row that counts comes last: all changes pass it one after the other, each in the time of its commit. So what stands in
 * the trail has the order of the commits.
 */
export async function recorded<T>(tx: Database, author: Author, work: (record: Recorder) => Promise<T>): Promise<T> {
  const deeds: AuditRecord[] = []
  const result = await work((deed) => deeds.push(deed))
  if (deeds.length > 0) await appendAuditRecords(tx, author, deeds)
  return result
}

/** The transaction `tx`, in which no statement waits for a lock longer than a request is worth from now on. */
export async function bounded(tx: Database): Promise<Database> {
  await tx.run(`set local lock_timeout = '${MOST_WAIT}'`, [], { prepare: false })
  return tx
}

/** Lets one instance at a time look whether there is anything yet, until the end of its transaction. */
export async function lockFirstStart(tx: Database): Promise<void> {
  await tx.run("select pg_advisory_xact_lock(hashtextextended('first start', 0))::text", [])
}
