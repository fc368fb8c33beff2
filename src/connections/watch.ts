import type { Database } from '../db/database.ts'
import { lockDueConnections, makeMissingConnections, noteUsers } from '../repositories/control/connections.ts'
import { FIRST_ID } from '../repositories/sql/ids.ts'
import { settle, stateOf } from './telling.ts'

const LOOK_MS = 60_000
const AT_ONCE = 100
/** Of a tenant that is paused nothing is expected; once it is resumed, its next request says when something is. */
const PAUSED_MS = 3_600_000

/**
 * Tells of connections that have become silent, or that still fail, when their time has come. An index finds those that are due.
 * Instances share the work: each locks what it looks at, and leaves out what another one has locked.
 */
export async function tellOfDue(db: Database, now = Date.now(), stopped?: AbortSignal): Promise<void> {
  for (let more = true; more && !stopped?.aborted; )
    more = await db.transaction(async (tx) => {
      const due = await lockDueConnections(tx, AT_ONCE)
      await settle(
        tx,
        due.map(({ paused, ...before }) => ({
          before,
          after: { ...before, ...(paused ? { dueAt: now + PAUSED_MS } : stateOf(before, now)) },
        })),
      )
      return due.length === AT_ONCE
    })
}

/** Looks every minute. Returns what ends that, and waits for the look under way. @param failed told why a look was in vain */
export function watchConnections(db: Database, failed: (error: unknown) => void): () => Promise<void> {
  const stopped = new AbortController()
  let look: Promise<void> = Promise.resolve()
  const timer = setInterval(() => {
    look = look.then(() => tellOfDue(db, Date.now(), stopped.signal)).catch(failed)
  }, LOOK_MS).unref()
  return () => {
    stopped.abort()
    clearInterval(timer)
    return look
  }
}

const TENANTS_AT_ONCE = 1_000

/** Brings the rows of connections up to date that no request has: of new tenants, and the numbers of users after an import. */
export async function refreshConnections(db: Database, stopped: AbortSignal): Promise<void> {
  await makeMissingConnections(db)
  let after: string | undefined = FIRST_ID
  while (after !== undefined && !stopped.aborted) after = await noteUsers(db, { after, limit: TENANTS_AT_ONCE })
}
