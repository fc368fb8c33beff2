import { expect, onTestFinished } from 'vitest'
import type { Bindable, Database } from '../../src/db/database.ts'

/** A transaction that is left open on a connection of its own. */
export interface Held {
  /** Commits it. */
  release(): Promise<void>
}

/** Runs a statement in a transaction and leaves it open. */
export const holdBy = (database: Database, statement: string, values: readonly Bindable[]): Promise<Held> =>
  holdOpen(database, (tx) => tx.run(statement, values))

/** Does `work` in a transaction and leaves it open, until the test is over at the latest. */
export function holdOpen(database: Database, work: (tx: Database) => Promise<unknown>): Promise<Held> {
  return new Promise((resolve, reject) => {
    const done = database.transaction(async (tx) => {
      await work(tx)
      await new Promise<void>((over) => {
        const release = async () => {
          over()
          await done
        }
        onTestFinished(release)
        resolve({ release })
      })
    })
    done.catch(reject)
  })
}

/** Settles once `count` connections to the database wait for a lock. */
export const untilWaiting = (database: Database, count = 1): Promise<void> =>
  expect
    .poll(
      async () => {
        const [row] = await database.run<{ n: number }>(
          `select count(distinct l.pid)::int as n from pg_locks l join pg_stat_activity a on a.pid = l.pid
           where not l.granted and a.datname = current_database()`,
          [],
        )
        return row?.n
      },
      { interval: 10 },
    )
    .toBeGreaterThanOrEqual(count)
