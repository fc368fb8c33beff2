import type { Database } from '../db/database.ts'
import type { Author } from '../repositories/control/audit.ts'
import { bounded, changeControl, type Recorder } from '../repositories/control/control-revision.ts'

export type { Recorder }

/** What the operator's verbs work on. */
export interface Administration {
  readonly database: Database
  /** Given when `database` is a transaction: changes become a part of it, and who began it concludes, commits and tells. */
  readonly record?: Recorder
  /** Called after each committed change, so that this process forgets what it knew: `ControlPlane.changed`. */
  readonly changed: () => void
  /** Who asks for the changes. */
  readonly author: Author
}

/** One thing that is wrong, by the path of the member that has it (`settings.mode`). */
export interface Mistake {
  readonly path: string
  readonly message: string
}

/** 410 is for what was there once and is not kept for ever. */
type RefusalStatus = 400 | 403 | 404 | 409 | 410 | 422

/** A refusal that the operator should read; http/problem and the command line turn it into words. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly status: RefusalStatus
  readonly mistakes: readonly Mistake[]

  constructor(status: RefusalStatus, detail: string, mistakes: readonly Mistake[] = []) {
    super(detail)
    this.status = status
    this.mistakes = mistakes
  }

  static notFound = (kind: string, name: string) => new Refusal(404, `There is no ${kind} "${name.slice(0, 64)}" here.`)
  static badKey = (message: string) => new Refusal(400, `The key ${message}.`, [{ path: 'key', message }])
  static keyTaken = (kind: string, key: string) => {
    const message = `is taken: there is a ${kind} "${key}" already (letter case does not count)`
    return new Refusal(409, `The key ${message}.`, [{ path: 'key', message }])
  }
  static keyIsEndpoint = (key: string) => {
    const message = `is taken: a resource type of the environment has the endpoint "/${key}" (letter case does not count)`
    return new Refusal(409, `The key ${message}.`, [{ path: 'key', message }])
  }
}

/**
 * Runs one change in one transaction with its entries in the audit trail (SEC-14), seen by every instance.
 *
 * Changes go on side by side: `work` holds the rows on which what it finds depends, from the outer place to the inner one. It
 * may be done again from the beginning.
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
