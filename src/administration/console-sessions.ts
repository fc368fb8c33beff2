import type { Scope } from '../auth/principal.ts'
import {
  type ConsoleSessionRow,
  consoleSessionsOf,
  type EndedSession,
  type NewConsoleSession,
} from '../repositories/control/console-sessions.ts'
import { consoleSessionRecord } from './audit-records.ts'
import { type Administration, change } from './change.ts'
import { Refusal } from './refusal.ts'

/** Nothing that is remembered of the control plane depends on a session, so no request has to ask anew what has changed. */
const quietly = (administration: Administration): Administration => ({ ...administration, changed: () => {} })

/** Begins a session of the console. @param place that the principal reaches: who may read its trail sees the session */
export function beginConsoleSession(
  administration: Administration,
  place: Scope,
  session: NewConsoleSession,
  now: Date,
): Promise<ConsoleSessionRow> {
  return change(quietly(administration), async (tx, record) => {
    const begun = await consoleSessionsOf(tx).begin(session, now)
    record(consoleSessionRecord(place, { before: null, after: begun }))
    return begun
  })
}

/**
 * Ends a session on all instances: each page asks for its session's row.
 *
 * @param place where the trail has it
 * @param keyId of the key or person whose session it has to be
 * @throws {Refusal} 404 where there is none that lasts
 */
export async function endConsoleSession(
  administration: Administration,
  place: Scope,
  id: string,
  keyId?: string,
): Promise<EndedSession> {
  return change(quietly(administration), async (tx, record) => {
    const ended = await consoleSessionsOf(tx).end(id, keyId)
    if (ended === undefined) throw Refusal.notFound('session', id)
    record(consoleSessionRecord(place, { before: ended, after: null }))
    return ended
  })
}

/** Ends all sessions of a key or a person. */
export async function endConsoleSessionsOf(
  administration: Administration,
  place: Scope,
  keyId: string,
): Promise<readonly EndedSession[]> {
  return change(quietly(administration), async (tx, record) => {
    const ended = await consoleSessionsOf(tx).endAllOf(keyId)
    for (const before of ended) record(consoleSessionRecord(place, { before, after: null }))
    return ended
  })
}
