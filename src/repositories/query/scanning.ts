import { type Database, READERS, type Reader } from '../../db/database.ts'
import { ReaderGone } from '../../db/errors.ts'
import { turns } from '../../db/turns.ts'
import { ScimError } from '../../scim/errors.ts'

/**
 * Queries of one tenant that read many resources, at the same time on one instance. The embedded engine runs one statement at
 * a time. If more of them waited in it, every other request would wait for all of those.
 */
const AT_ONCE = { postgres: 2, pglite: 1 } as const
/** How long a query waits for its turn; then the client is asked to try again. */
const PATIENCE_MS = 5_000

interface Tenant {
  readonly inTurn: ReturnType<typeof turns>
  queries: number
}

/** Tenants with such queries at the moment, by database. */
const scanningNow = new WeakMap<Database, Map<string, Tenant>>()

/**
 * Runs `work` when it is the tenant's turn. So most connections stay with other tenants, even when one tenant asks for much.
 *
 * @throws {ScimError} 503 when its turn does not come
 */
export async function scanning<T>(
  db: Database,
  tenantId: string,
  work: () => Promise<T>,
  reader: Reader = READERS,
): Promise<T> {
  const tenants = scanningNow.get(db) ?? new Map<string, Tenant>()
  scanningNow.set(db, tenants)
  const tenant = tenants.get(tenantId) ?? { inTurn: turns(AT_ONCE[db.engine], tooLate), queries: 0 }
  tenants.set(tenantId, tenant)
  tenant.queries++
  const begin = () => (reader.signal?.aborted ? Promise.reject(new ReaderGone('the client has gone')) : work())
  try {
    return await tenant.inTurn(begin, PATIENCE_MS)
  } finally {
    tenant.queries--
    if (tenant.queries === 0) tenants.delete(tenantId)
  }
}

const tooLate = () =>
  new ScimError(
    503,
    undefined,
    `Queries of a tenant that look through many resources take turns; this one waited ${PATIENCE_MS / 1000} s. Try again.`,
  )
