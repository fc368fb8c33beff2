import { erasureEndRecord } from '../administration/audit-records.ts'
import { Passes } from '../administration/watch.ts'
import { writersEnd } from '../administration/writers-end.ts'
import type { Scope } from '../auth/principal.ts'
import type { Database } from '../db/database.ts'
import { isBusy } from '../db/errors.ts'
import type { TenantId } from '../place-ids.ts'
import { THE_GATEWAY } from '../repositories/control/audit.ts'
import { bounded, changeControl } from '../repositories/control/control-revision.ts'
import { dueErasures, type ErasureRow, erasuresOf } from '../repositories/erasure/erasures.ts'
import { clearPages } from '../repositories/erasure/storage.ts'
import { eraseFromHistory } from '../repositories/history/erasing.ts'
import { retryOnConflict } from '../repositories/sql/retry-on-conflict.ts'
import { ERASED } from './places.ts'
import { goOn, plus, STEPS, type Subject } from './steps.ts'

const IDLE_MS = 2_000
/** The pause between two steps. */
const BREATH_MS = 10
const AFTER_FAILURE_S = 60
/** So long one step waits for writers who may not have seen that the user is gone. */
const WRITERS_END_MS = 5_000
const ATTEMPTS = 5

/** Does the next step of an erasure. False where there is nothing to do now, or where another instance does it. */
export async function erasureStep(db: Database, tenantId: TenantId, id: string): Promise<boolean> {
  const erasures = erasuresOf(db, tenantId)
  const row = await erasures.find(id)
  if (row === undefined || row.finishedAt !== null) return false
  if (row.place === 'writers') {
    const until = performance.now() + WRITERS_END_MS
    if (!(await writersEnd(db, ['events'], () => performance.now() < until))) return false
    return inTurn(db, row, () => Promise.resolve(goOn('writers')))
  }
  if (row.place === 'history' || row.place === 'late-history') {
    // Before events lose what they say: the history takes them first. Afterwards once more, since it may have gone on meanwhile.
    const { place } = row
    const { id: personId } = (row.subject as Subject).person
    if (personId !== null && !(await fromHistory(db, row, personId))) return false
    return inTurn(db, row, () => Promise.resolve(goOn(place)))
  }
  if (row.place === 'storage') return finish(db, row)
  const step = STEPS[row.place as keyof typeof STEPS]
  return inTurn(db, row, (tx, held) => step(tx, held, held.subject as Subject))
}

/** Another instance does the step. */
class Overtaken extends Error {}

/** Takes a person out of the history, and counts what is erased in the transaction that erases it. False for `Overtaken`. */
async function fromHistory(db: Database, row: ErasureRow, personId: string): Promise<boolean> {
  const { tenantId, id, place } = row
  try {
    await eraseFromHistory(db, tenantId, personId, row, async (tx, erased) => {
      const erasures = erasuresOf(await bounded(tx), tenantId)
      const held = await erasures.take(id)
      if (held?.place !== place) throw new Overtaken()
      await erasures.note(id, { erased: plus(held.erased, { ...erased }) })
    })
    return true
  } catch (error) {
    if (error instanceof Overtaken) return false
    throw error
  }
}

/** One transaction of the instance that gets the erasure, for the place that the caller has seen. */
function inTurn(
  db: Database,
  { tenantId, id, place }: ErasureRow,
  work: (tx: Database, held: ErasureRow) => ReturnType<(typeof STEPS)['events']>,
): Promise<boolean> {
  const once = async (tx: Database) => {
    const erasures = erasuresOf(await bounded(tx), tenantId)
    const held = await erasures.take(id)
    if (held === undefined || held.place !== place) return false
    await erasures.note(id, await work(tx, held))
    return true
  }
  return retryOnConflict(() => db.transaction(once), undefined, ATTEMPTS)
}

async function finish(db: Database, { tenantId, id }: ErasureRow): Promise<boolean> {
  const storage = await clearPages(db, Object.keys(ERASED))
  return changeControl(db, THE_GATEWAY, async (tx, record) => {
    const erasures = erasuresOf(tx, tenantId)
    const held = await erasures.take(id)
    const place = await erasures.place()
    if (held === undefined || place === undefined) return false
    await erasures.note(id, { storage, finishedAt: new Date() })
    const scope: Scope = { kind: 'tenant', ...place, tenantId }
    record(erasureEndRecord(scope, { ...held, storage }))
    return true
  })
}

/** Does the erasures that were accepted, step by step. Every instance has one, and takes over from instances that died. */
export class ErasureWorker {
  readonly #db: Database
  readonly #failed: (error: unknown) => void
  readonly #passes: Passes

  /** @param failed called with each failure; the step is tried again a minute later */
  constructor(db: Database, failed: (error: unknown) => void) {
    this.#db = db
    this.#failed = failed
    this.#passes = new Passes(
      () => this.pass(),
      failed,
      () => BREATH_MS,
    )
  }

  start(everyMs: number = IDLE_MS): void {
    this.#passes.start(everyMs)
  }

  /** Stops, once the step under way is done. */
  stop(): Promise<void> {
    return this.#passes.stop()
  }

  /** Does a step of each erasure that is due. True where there may be more. */
  async pass(): Promise<boolean> {
    let more = false
    for (const { tenantId, id } of await dueErasures(this.#db)) {
      if (this.#passes.stopped) return false
      try {
        more = (await erasureStep(this.#db, tenantId, id)) || more
      } catch (error) {
        const busy = isBusy(error)
        if (!busy) this.#failed(error)
        await erasuresOf(this.#db, tenantId).postpone(id, busy ? 1 : AFTER_FAILURE_S)
      }
    }
    return more
  }
}
