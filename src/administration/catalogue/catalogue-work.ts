import type { Database } from '../../db/database.ts'
import type { TenantId } from '../../place-ids.ts'
import { cataloguesOf } from '../../repositories/control/catalogues.ts'
import { bounded } from '../../repositories/control/control-revision.ts'
import {
  catalogueStep,
  dueCatalogueWork,
  postponeCatalogueWork,
  takeCatalogueWork,
} from '../../repositories/roles/catalogue-work.ts'
import { retryOnConflict } from '../../repositories/sql/retry-on-conflict.ts'
import { type Offered, offeredValues } from '../../tenancy/catalogue.ts'

const AFTER_FAILURE_S = 60
const ATTEMPTS = 5

/** Looks at the next users of a tenant in which a catalogue offers more than before. False where there is nothing to do now. */
export function catalogueWorkStep(db: Database, tenantId: TenantId): Promise<boolean> {
  const step = async (tx: Database) => {
    const work = await takeCatalogueWork(await bounded(tx), tenantId)
    if (work === undefined) return false
    const catalogues = cataloguesOf(tx, work.environmentId)
    const offered = new Map<string, Offered>()
    for (const place of [null, tenantId]) {
      const kinds = (await catalogues.kindsAt(place)) ?? []
      for (const [value, each] of offeredValues(kinds, await catalogues.entries(place))) offered.set(value, each)
    }
    for (const [value, { supported }] of offered) if (!supported) offered.delete(value)
    await catalogueStep(tx, tenantId, work, offered)
    return true
  }
  return retryOnConflict(() => db.transaction(step), undefined, ATTEMPTS)
}

/**
 * Does a step for each of some tenants that have such work. True where there may be more.
 *
 * @param failed called with each failure; the tenant's work is tried again a minute later
 */
export async function catalogueWorkPass(
  db: Database,
  isStopped: () => boolean,
  failed: (error: unknown) => void,
): Promise<boolean> {
  let more = false
  for (const tenantId of await dueCatalogueWork(db)) {
    if (isStopped()) return false
    try {
      more = (await catalogueWorkStep(db, tenantId)) || more
    } catch (error) {
      failed(error)
      await postponeCatalogueWork(db, tenantId, AFTER_FAILURE_S)
    }
  }
  return more
}
