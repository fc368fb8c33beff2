import type { Database } from '../../db/database.ts'
import { isBusy, isUnavailable } from '../../db/errors.ts'
import type { TenantId } from '../../place-ids.ts'
import { eventLogOf } from '../log/event-log.ts'
import { noteHistoryStep, takeHistory } from './histories.ts'
import { type GrantSpan, historyRows, type StateSpan } from './rows.ts'
import { Spans } from './spans.ts'
import { historyStep } from './step.ts'

/** Rows of a person that are changed in one transaction. */
const ROWS_AT_ONCE = 1_000

/** By which request a person is erased. */
export interface Erasure {
  readonly requestId: string
  readonly actor: string
}

/** What was erased, by table. */
export interface ErasedFromHistory {
  /** 1 where the history had the person's id. */
  readonly history_subjects: number
  /** Spans that had the person's names. */
  readonly history_states: number
}

/** Counts rows in the transaction that erases them. @throws where the transaction is not to be */
export type CountErased = (tx: Database, erased: Partial<ErasedFromHistory>) => Promise<void>

/**
 * Erases a person from the history of a tenant: the id and all names. The number stays and stands for nobody, so that counts and the
 * answers about others are as they were. What lasts still ends now. First the history takes what the log has, if it can be written.
 * Safe to repeat: the id goes last, and what was erased before is counted once.
 */
export async function eraseFromHistory(
  db: Database,
  tenantId: TenantId,
  personId: string,
  by: Erasure,
  count: CountErased,
): Promise<void> {
  await catchUp(db, tenantId)
  const inTurn = <T>(work: (own: Database, tx: Database) => Promise<T>) =>
    db.transaction(async (tx) => work(tx.asTenant(tenantId), tx))
  const number = await inTurn(async (own) => (await historyRows(own, tenantId).subjects([personId]))[0]?.number)
  if (number === undefined) return
  for (let after = -1; ; ) {
    const page = await inTurn(async (own, tx) => {
      const history = await takeHistory(own, tenantId, true)
      if (history === undefined) return []
      const at = { position: history.position, occurredAt: Date.now(), requestId: by.requestId, actor: by.actor }
      const rows = historyRows(own, tenantId)
      const page = await rows.statesOf(number, after, ROWS_AT_ONCE)
      const ended = page.map((span) => {
        const states = new Spans<StateSpan>()
        states.stored('', span)
        states.end('', at)
        return { span: { ...(states.last('') ?? span), name: '' }, stored: span.fromPosition }
      })
      await rows.write('history_states', ended)
      await noteHistoryStep(own, tenantId, history, {
        ended: page.some(({ toAt }) => toAt === null) ? at.occurredAt : undefined,
      })
      await count(tx, { history_states: page.filter(({ name }) => name !== '').length })
      return page
    })
    if (page.length < ROWS_AT_ONCE) break
    after = page.at(-1)?.fromPosition ?? after
  }
  for (let after: readonly [number, number] = [0, -1]; ; ) {
    const page = await inTurn(async (own) => {
      const history = await takeHistory(own, tenantId, true)
      if (history === undefined) return []
      const at = { position: history.position, occurredAt: Date.now(), requestId: by.requestId, actor: by.actor }
      const rows = historyRows(own, tenantId)
      const page = await rows.grantsTo(number, after, ROWS_AT_ONCE)
      const grants = new Spans<GrantSpan>()
      for (const span of page.filter(({ toAt }) => toAt === null)) {
        grants.stored(`${span.object} ${span.fromPosition}`, span)
        grants.end(`${span.object} ${span.fromPosition}`, at)
      }
      await rows.write('history_grants', grants.written())
      await noteHistoryStep(own, tenantId, history, { ended: grants.ended })
      return page
    })
    const last = page.at(-1)
    if (last === undefined || page.length < ROWS_AT_ONCE) break
    after = [last.object, last.fromPosition]
  }
  await inTurn(async (own, tx) => {
    await takeHistory(own, tenantId, true)
    if (await historyRows(own, tenantId).forget(number)) await count(tx, { history_subjects: 1 })
  })
}

/**
 * The history takes all that was written by now, also what has no position yet. A person does not wait until a history can be written
 * that fails: what it takes before the events lose what they say is erased by the look after them.
 */
async function catchUp(db: Database, tenantId: TenantId): Promise<void> {
  try {
    await eventLogOf(db, tenantId).numberWritten()
    while ((await historyStep(db, tenantId, true)) === 'more');
  } catch (error) {
    if (isBusy(error) || isUnavailable(error)) throw error
  }
}
