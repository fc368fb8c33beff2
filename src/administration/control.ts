import type { Database } from '../db/database.ts'
import { type Author, appendDeeds, type Deed } from '../repositories/audit.ts'
import { changeControl, countChange } from '../repositories/control-revision.ts'

/** What the operator's verbs work on. */
export interface Administration {
  readonly database: Database
  /** True when `database` is a transaction: changes become a part of it, and who began it commits and tells. */
  readonly inTransaction?: true
  /** Called after each committed change, so that this process forgets what it knew: `ControlPlane.changed`. */
  readonly changed: () => void
  /** Who asks for the changes. */
  readonly author: Author
}

/** Puts into the trail what a change has done; of what differs in nothing, nothing is kept. */
export type Recorder = (deed: Deed) => void

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
 * Runs one change: alone, in one transaction with its entries in the audit trail (SEC-14), seen by every instance.
 *
 * @param work tells `record` what it does; nothing of the control plane changes without
 */
export async function change<T>(
  { database, inTransaction, changed, author }: Administration,
  work: (tx: Database, record: Recorder) => Promise<T>,
): Promise<T> {
  const recorded = async (tx: Database): Promise<T> => {
    const deeds: Deed[] = []
    const result = await work(tx, (deed) => deeds.push(deed))
    await appendDeeds(tx, author, deeds)
    return result
  }
  if (inTransaction) {
    await countChange(database)
    return recorded(database)
  }
  const result = await changeControl(database, recorded)
  changed()
  return result
}
