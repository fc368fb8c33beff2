import { and, asc, desc, eq, getTableColumns, gt, lt, lte, type SQL, sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import type { Database } from '../../db/database.ts'
import { consoleSessions } from '../../db/schema.ts'
import { isAnyOf, literal } from '../sql/fragments.ts'
import type { ListPage } from '../sql/lists.ts'

const HOUR_MS = 3_600_000
/** How long a session lasts at the most, and without use. */
export const SESSION_MS = 8 * HOUR_MS
export const IDLE_MS = 2 * HOUR_MS
/** So often at the most it is written down that a session is in use. */
const SEEN_EVERY_MS = 60_000
/** Sessions of one key or person; with one more, the one that would end first ends. */
const MOST_OF_KEY = 100
/** The release before kept no more than that either, so this ends all that are too many. */
const BEYOND_AT_ONCE = 100
const REMOVED_AT_ONCE = 1_000

/** What a session begins with. */
export interface NewConsoleSession {
  /** Of the principal: a key's id, or what stands in its place for a person. */
  readonly keyId: string
  /** Of the cookie's secret. */
  readonly hash: string
  /** With which secret of the API key it began; null of a person. */
  readonly credential: string | null
  /** What the issuer said of a person; null of an API key. */
  readonly person: SessionPerson | null
  /** Sealed. */
  readonly idToken: string | null
  readonly address: string | null
  readonly client: string | null
}

/** A person at the moment of signing in. */
export interface SessionPerson {
  readonly issuer: string
  readonly name: string
  readonly email: string | null
  /** Those values of the claim that the configuration had an entry for. */
  readonly claimed: readonly string[]
}

/** A session that lasts. */
export interface ConsoleSessionRow extends Omit<NewConsoleSession, 'hash' | 'idToken'> {
  readonly id: string
  readonly createdAt: Date
  /** To the minute. */
  readonly seenAt: Date
  /** The next of its two ends. */
  readonly endsAt: Date
}

const SHOWN = (({ hash, idToken, ...shown }) => shown)(getTableColumns(consoleSessions))

/** Sessions of the console, of all instances. Moments are of the instance's clock, as the ends of keys are. */
export function consoleSessionsOf({ orm }: Database) {
  const { id: ids, keyId: keys, hash: hashes, endsAt: ends, seenAt: seen, createdAt: created } = consoleSessions
  const ended = async (which: SQL | undefined) => {
    const rows = await orm
      .delete(consoleSessions)
      .where(which)
      .returning({ ...SHOWN, idToken: consoleSessions.idToken })
    return rows.map(({ idToken, ...row }) => ({ ...rowOf(row), idToken }))
  }
  return {
    /** Begins a session. */
    async begin({ person, ...session }: NewConsoleSession, now: Date): Promise<ConsoleSessionRow> {
      const beyond = orm
        .select({ id: ids })
        .from(consoleSessions)
        .where(eq(keys, session.keyId))
        .orderBy(desc(ends), desc(ids))
        .offset(literal(MOST_OF_KEY - 1))
        .limit(literal(BEYOND_AT_ONCE))
      const { issuer = null, name = null, email = null, claimed = null } = person ?? {}
      const begun = { createdAt: now, seenAt: now, endsAt: new Date(now.getTime() + IDLE_MS) }
      const [row] = await orm
        .with(orm.$with('beyond').as(orm.delete(consoleSessions).where(isAnyOf(ids, sql`array${beyond}`))))
        .insert(consoleSessions)
        .values({ id: uuidv7(), ...session, issuer, name, email, claimed: claimed && [...claimed], ...begun })
        .returning(SHOWN)
      return rowOf(row as Shown)
    },

    /** The session with this secret, while it lasts; puts off the end that comes without use. One statement. */
    async find(id: string, hash: string, now: Date): Promise<ConsoleSessionRow | undefined> {
      const lasts = and(eq(ids, id), eq(hashes, hash), gt(ends, now))
      const at = sql`${now.toISOString()}::timestamptz`
      const later = sql`least(${created} + ${interval(SESSION_MS)}, ${at} + ${interval(IDLE_MS)})`
      const isNews = lte(seen, new Date(now.getTime() - SEEN_EVERY_MS))
      const used = orm.update(consoleSessions).set({ seenAt: now, endsAt: later }).where(and(lasts, isNews))
      const [row] = await orm.with(orm.$with('used').as(used)).select(SHOWN).from(consoleSessions).where(lasts)
      return row && rowOf(row)
    },

    /** Sessions that last, of one key or person or of all, the newest first. */
    async list(keyId: string | undefined, { after, limit }: ListPage, now: Date): Promise<ConsoleSessionRow[]> {
      const of = keyId === undefined ? undefined : eq(keys, keyId)
      const older = after === undefined ? undefined : lt(ids, after)
      const rows = await orm
        .select(SHOWN)
        .from(consoleSessions)
        .where(and(of, older, gt(ends, now)))
        .orderBy(desc(ids))
        .limit(limit)
      return rows.map(rowOf)
    },

    /** Ends a session; gives what it was, undefined where it had ended. @param keyId whose it has to be */
    async end(id: string, keyId?: string): Promise<EndedSession | undefined> {
      const [row] = await ended(and(eq(ids, id), keyId === undefined ? undefined : eq(keys, keyId)))
      return row
    },

    /**
     * Ends all sessions of a key or person, of which there are no more than a statement can take.
     *
     * @param credential of the key's secret with which they began; without it all
     */
    endAllOf: (keyId: string, credential?: string): Promise<EndedSession[]> =>
      ended(and(eq(keys, keyId), credential === undefined ? undefined : eq(consoleSessions.credential, credential))),

    /** Deletes some of those that are over; gives whether there may be more. */
    async removeOver(): Promise<boolean> {
      const over = orm
        .select({ id: ids })
        .from(consoleSessions)
        .where(lt(ends, sql`now()`))
        .orderBy(asc(ends))
        .limit(literal(REMOVED_AT_ONCE))
        .for('update', { skipLocked: true })
      const gone = await orm
        .delete(consoleSessions)
        .where(isAnyOf(ids, sql`array${over}`))
        .returning({ id: ids })
      return gone.length === REMOVED_AT_ONCE
    },
  }
}

/** The sessions of the console, as its pages use them. */
export type ConsoleSessionStore = ReturnType<typeof consoleSessionsOf>

/** A session that has ended, with what its issuer is to be shown. */
export type EndedSession = ConsoleSessionRow & { readonly idToken: string | null }

type Shown = Omit<typeof consoleSessions.$inferSelect, 'hash' | 'idToken'>

function rowOf({ issuer, name, email, claimed, ...row }: Shown): ConsoleSessionRow {
  const person = issuer === null ? null : { issuer, name: name ?? '', email, claimed: claimed ?? [] }
  return { ...row, person }
}

/** Raw, since the durations are constants of this file's callers that the plan may know; no text gets in. */
const interval = (ms: number): SQL => sql.raw(`interval '${ms} milliseconds'`)
