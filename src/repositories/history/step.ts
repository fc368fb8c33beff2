import type { Database } from '../../db/database.ts'
import type { TenantId } from '../../place-ids.ts'
import { historyOf } from './histories.ts'
import { pictureStep } from './picture.ts'
import { type Outcome, takeEvents } from './taking.ts'

/** Brings a tenant's history one step on: a page of its starting picture, or the next events of the log. */
export async function historyStep(db: Database, tenantId: TenantId, wait = false): Promise<Outcome> {
  const history = await historyOf(db, tenantId)
  if (history === undefined) return 'done'
  const begins = history.phase === 'ending' || history.phase === 'picture'
  return begins ? pictureStep(db, tenantId, wait) : takeEvents(db, tenantId, wait)
}
