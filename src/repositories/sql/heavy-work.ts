import { type Database, READERS, type Reader } from '../../db/database.ts'
import { Turns } from '../../db/turns.ts'
import { ScimError } from '../../scim/errors.ts'

/** How long work waits for its turn. A client whose list of members has begun would lose its connection. */
const PATIENCE_MS = { queries: 5_000, members: 30_000, bulks: 30_000 } as const

/** In words, for those who are refused. */
const WORDS = {
  queries: 'Queries of a tenant that look through many resources',
  members: 'Readers of large groups of a tenant',
  bulks: 'Large bulk requests of a tenant',
} as const

/**
 * Work that keeps the database busy for a while: queries that read many resources, pages of large groups, and bulk requests of
 * many operations.
 */
export type HeavyKind = keyof typeof WORDS

/** The turns of each kind, by database. */
const turnsOf = new WeakMap<Database, Readonly<Record<HeavyKind, Turns>>>()

/**
 * Does `work` when it is the tenant's turn: of each kind, one piece at a time on one instance. A tenant has several connections,
 * and heavy statements on all of them take the processors of the database from everybody. Its API keys take turns.
 *
 * @throws {ScimError} 503 when its turn does not come
 */
export function inTurn<T>(
  { caller, shared }: Database,
  kind: HeavyKind,
  tenantId: string,
  work: () => Promise<T>,
  reader: Reader = READERS,
): Promise<T> {
  const turns = turnsOf.get(shared) ?? {
    queries: turnsFor('queries'),
    members: turnsFor('members'),
    bulks: turnsFor('bulks'),
  }
  turnsOf.set(shared, turns)
  const ms = Math.min(PATIENCE_MS[kind], caller.time?.leftMs() ?? PATIENCE_MS[kind])
  return turns[kind].take({ kind: 'tenant', party: tenantId, lane: caller.keyId ?? '' }, ms, reader, work)
}

function turnsFor(kind: HeavyKind): Turns {
  const all = Number.POSITIVE_INFINITY
  const shares = { most: all, ofWork: all, ofTenants: all, ofTenant: 1, ofLoneTenant: 1, ofBackground: all }
  const tooLate = (ms: number) =>
    new ScimError(
      503,
      undefined,
      'heavy-work-waits',
      `${WORDS[kind]} take turns; this one waited ${Math.ceil(ms / 1000)} s. Try again.`,
    )
  return new Turns(shares, tooLate)
}
