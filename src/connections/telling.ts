import type { Database } from '../db/database.ts'
import type { ChangeEvent } from '../events/changes.ts'
import { THE_GATEWAY } from '../repositories/control/audit.ts'
import { type ConnectionRow, writeConnections } from '../repositories/control/connections.ts'
import { appendTenantEvents } from '../repositories/log/tenant-events.ts'
import { type ConnectionState, changesAt, type Heard, type Rhythm, stateAt, usuallyUpTo } from './rhythm.ts'

/** What the rhythm looks at in a row. */
const heardOf = (row: ConnectionRow): Heard => ({ ...row, rhythm: row.rhythm as Rhythm | null })

/** How a connection is at `now`, since when, and when that is to be looked at again. */
export function stateOf(row: ConnectionRow, now: number): Pick<ConnectionRow, 'state' | 'since' | 'dueAt'> {
  const heard = heardOf(row)
  const state = stateAt(heard, now)
  const since = state === row.state ? row.since : sinceOf(state, row, now)
  return { state, since, dueAt: changesAt(heard, state) ?? null }
}

function sinceOf(state: ConnectionState, { lastRequestAt, failingSince }: ConnectionRow, now: number): number {
  if (state === 'silent') return lastRequestAt
  return state === 'failing' ? (failingSince ?? now) : now
}

/** What a transaction has locked, and what becomes of it. */
export interface Settled {
  readonly before: ConnectionRow
  readonly after: ConnectionRow
}

/** Stores connections that the transaction has locked, and appends to each tenant's log what has become of its own. */
export async function settle(tx: Database, connections: readonly Settled[]): Promise<void> {
  await writeConnections(
    tx,
    connections.map(({ after }) => after),
  )
  // Last: the rows that count the versions of these events stay locked until the commit.
  for (const { before, after } of connections) {
    const event = eventOf(before, after)
    if (event !== undefined) await appendTenantEvents(tx, after.tenantId, THE_GATEWAY, [event])
  }
}

const iso = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString())

function eventOf(before: ConnectionRow, after: ConnectionRow): ChangeEvent | undefined {
  if (before.state === after.state) return undefined
  const { client, provider } = after
  const common = { provider, client, since: iso(after.since) }
  if (after.state === 'silent') {
    const rhythm = after.rhythm as unknown as Rhythm
    const usual = { typicalPauseSeconds: rhythm.typical, longestPauseSeconds: usuallyUpTo(rhythm) }
    return { type: 'connection.silent', changes: { ...common, ...usual } }
  }
  if (after.state === 'failing') {
    const { failedInARow: failures, lastFailure: lastStatus } = after
    return { type: 'connection.failing', changes: { ...common, failures, lastStatus } }
  }
  return { type: 'connection.recovered', changes: { ...common, was: before.state, wasSince: iso(before.since) } }
}
