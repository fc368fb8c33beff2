import { type Database, READERS, type Reader } from '../../db/database.ts'
import { Turns } from '../../db/turns.ts'
import { ScimError } from '../../scim/errors.ts'

/**
 * Queries of one tenant that read many resources, at the same time on one instance. The embedded engine runs one statement at
 * a time. If more of them waited in it, every other request would wait for all of those.
 */
const AT_ONCE = { postgres: 2, pglite: 1 } as const
/** How long a query waits for its turn; then the client is asked to try again. */
const PATIENCE_MS = 5_000

/** The turns of such queries, by database. */
const scanningNow = new WeakMap<Database, Turns>()

/**
 * Runs `work` when it is the tenant's turn. So most connections stay with other tenants, even when one tenant asks for much. Its
 * API keys take turns.
 *
 * @throws {ScimError} 503 when its turn does not come
 */
export function scanning<T>(
  { caller, engine, shared }: Database,
  tenantId: string,
  work: () => Promise<T>,
  reader: Reader = READERS,
): Promise<T> {
  const turns = scanningNow.get(shared) ?? turnsFor(AT_ONCE[engine])
  scanningNow.set(shared, turns)
  const ms = Math.min(PATIENCE_MS, caller.time?.leftMs() ?? PATIENCE_MS)
  return turns.take({ kind: 'tenant', party: tenantId, lane: caller.keyId ?? '' }, ms, reader, work)
}

function turnsFor(atOnce: number): Turns {
  const [all, one] = [Number.POSITIVE_INFINITY, atOnce]
  const shares = { most: all, ofWork: all, ofTenants: all, ofTenant: one, ofLoneTenant: one, ofBackground: all }
  return new Turns(shares, tooLate)
}

const tooLate = (ms: number) =>
  new ScimError(
    503,
    undefined,
    `Queries of a tenant that look through many resources take turns; this one waited ${Math.ceil(ms / 1000)} s. Try again.`,
  )
