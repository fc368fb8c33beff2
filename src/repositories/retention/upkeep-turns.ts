import { randomUUID } from 'node:crypto'
import type { Database } from '../../db/database.ts'

/** So long after its last sign of life an instance counts as dead, and another may go on with its work. */
const HELD_FOR = `interval '2 minutes'`

/** The turn of one instance at work that is done once in an hour of the database's clock. */
export interface UpkeepTurn {
  /** Says that the instance is still at it; false where it took too long, and another has begun. */
  goesOn(): Promise<boolean>
  /** Gives the turn back. With `done`, nobody does the work again in this hour. */
  end(done: boolean): Promise<void>
}

/**
 * Takes the turn at the work `name`. `done` where it was done in this hour already, `held` where another instance is at it.
 *
 * No lock of the database: a session's lock is lost behind a pooler, and a transaction's would stay open for as long as the work.
 */
export async function takeUpkeepTurn(db: Database, name: string): Promise<UpkeepTurn | 'done' | 'held'> {
  const holder = randomUUID()
  const [row] = await db.run<{ taken: boolean; done: boolean }>(
    `with taken as (
       insert into upkeep_turns as u (name, holder, held_until) values ($1::text, $2::uuid, now() + ${HELD_FOR})
       on conflict (name) do update set holder = excluded.holder, held_until = excluded.held_until
         where u.held_until <= now() and (u.done_at is null or u.done_at < date_trunc('hour', now()))
       returning 1
     )
     select exists (select from taken) as taken,
       exists (select from upkeep_turns u where u.name = $1::text and u.done_at >= date_trunc('hour', now())) as done`,
    [name, holder],
  )
  if (!row?.taken) return row?.done ? 'done' : 'held'
  return {
    async goesOn() {
      const rows = await db.run(
        `update upkeep_turns set held_until = now() + ${HELD_FOR} where name = $1::text and holder = $2::uuid returning 1`,
        [name, holder],
      )
      return rows.length > 0
    },
    async end(done) {
      // Not `now()`: the clock of a machine may be set back a little.
      await db.run(
        `update upkeep_turns set held_until = '-infinity', done_at = case when $3::bool then now() else done_at end
         where name = $1::text and holder = $2::uuid`,
        [name, holder, done],
      )
    },
  }
}
