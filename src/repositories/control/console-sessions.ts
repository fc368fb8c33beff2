import { v7 as uuidv7 } from 'uuid'
import type { Database } from '../../db/database.ts'

/** Sessions of one key; with one more, the oldest ends. */
const MOST_OF_KEY = 100
/** So that nobody who signs in pays for the trimming of a whole day. */
const TRIM_AT_ONCE = 100

/** Who is signed in to the console, on whichever instance. */
export function consoleSessionsOf(database: Database) {
  return {
    /** Begins a session of a key; gives its id. Forgets some of those that are over. */
    async begin(keyId: string, endsAt: Date): Promise<string> {
      const id = uuidv7()
      await database.run(
        `with over as (
           delete from console_sessions where id = any(array(
             select id from console_sessions where ends_at < now() order by ends_at limit ${TRIM_AT_ONCE}
             for update skip locked))
         ),
         oldest as (
           delete from console_sessions where id = any(array(
             select id from console_sessions where key_id = $2::text
             order by ends_at desc offset ${MOST_OF_KEY - 1} limit ${TRIM_AT_ONCE}))
         )
         insert into console_sessions (id, key_id, ends_at) values ($1::uuid, $2::text, $3::text::timestamptz)`,
        [id, keyId, endsAt.toISOString()],
      )
      return id
    },

    /** False for one that was ended. */
    async has(id: string): Promise<boolean> {
      return (await database.run('select id from console_sessions where id = $1::uuid', [id])).length > 0
    },

    async end(id: string): Promise<void> {
      await database.run('delete from console_sessions where id = $1::uuid', [id])
    },

    /** Ends all sessions of a key, of which there are no more than a statement can take. */
    async endAllOf(keyId: string): Promise<void> {
      await database.run('delete from console_sessions where key_id = $1::text', [keyId])
    },
  }
}

/** What the console asks of it. */
export type ConsoleSessionStore = ReturnType<typeof consoleSessionsOf>
