import DataLoader from 'dataloader'
import type { Database } from '../db/database.ts'

/** What is asked of each database now, by what questions have in common. */
const gathering = new WeakMap<Database, Map<string, DataLoader<string, unknown>>>()

/** More keys than this are asked for by several statements. */
const MOST_TOGETHER = 64

/**
 * Asks for one key together with all others that are asked for under the same name before the event loop turns. Under load
 * requests come many at a time: to start a statement, and to send it, costs several times what one more row of it does. Nobody
 * waits for others to come.
 *
 * @param name of all that the questions have in common, the tenant among it
 * @param ask gives an answer for each key, in their order; its failure is everybody's
 */
export function together<Answer>(
  db: Database,
  name: string,
  key: string,
  ask: (keys: readonly string[]) => Promise<Answer[]>,
): Promise<Answer> {
  const known = gathering.get(db) ?? new Map<string, DataLoader<string, unknown>>()
  gathering.set(db, known)
  const loader = known.get(name) ?? loaderOf(ask, () => known.delete(name))
  known.set(name, loader)
  return loader.load(key) as Promise<Answer>
}

/** @param asked is told that nobody else is taken in */
function loaderOf(ask: (keys: readonly string[]) => Promise<unknown[]>, asked: () => void) {
  return new DataLoader<string, unknown>(ask, {
    cache: false,
    maxBatchSize: MOST_TOGETHER,
    batchScheduleFn: (send) =>
      setImmediate(() => {
        asked()
        send()
      }),
  })
}
