import { asc, desc, eq, lt, sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import type { Database } from '../../db/database.ts'
import { consoleSessions } from '../../db/schema.ts'
import { isAnyOf, literal } from '../sql/fragments.ts'

/** Sessions of one key; with one more, the oldest ends. */
const MOST_OF_KEY = 100
/** A client that signs in deletes only some of the sessions that are over: no sign-in has to wait for all of them. */
const TRIM_AT_ONCE = 100

/** Sessions of the console, of all instances. */
export function consoleSessionsOf({ orm }: Database) {
  const { id: ids, keyId: keys, endsAt: ends } = consoleSessions
  const found = () => orm.select({ id: ids }).from(consoleSessions)
  return {
    /** Begins a session of a key; gives its id. Deletes some of those that are over. */
    async begin(keyId: string, endsAt: Date): Promise<string> {
      const id = uuidv7()
      const past = found()
        .where(lt(ends, sql`now()`))
        .orderBy(asc(ends))
        .limit(literal(TRIM_AT_ONCE))
        .for('update', { skipLocked: true })
      const beyond = found()
        .where(eq(keys, keyId))
        .orderBy(desc(ends))
        .offset(literal(MOST_OF_KEY - 1))
        .limit(literal(TRIM_AT_ONCE))
      await orm
        .with(
          orm.$with('over').as(orm.delete(consoleSessions).where(isAnyOf(ids, sql`array${past}`))),
          orm.$with('oldest').as(orm.delete(consoleSessions).where(isAnyOf(ids, sql`array${beyond}`))),
        )
        .insert(consoleSessions)
        .values({ id, keyId, endsAt })
      return id
    },

    /** False for one that was ended. */
    async has(id: string): Promise<boolean> {
      return (await found().where(eq(ids, id))).length > 0
    },

    async end(id: string): Promise<void> {
      await orm.delete(consoleSessions).where(eq(ids, id))
    },

    /** Ends all sessions of a key, of which there are no more than a statement can take. */
    async endAllOf(keyId: string): Promise<void> {
      await orm.delete(consoleSessions).where(eq(keys, keyId))
    },
  }
}

/** The sessions of the console, as its pages use them. */
export type ConsoleSessionStore = ReturnType<typeof consoleSessionsOf>
