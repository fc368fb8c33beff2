import type { Database } from '../db/database.ts'
import { analyzeGrown } from '../repositories/control/statistics.ts'

/** How often the sizes of tables are looked at. A first sync may write a thousand users in the time. */
const EVERY_MS = 1_000

/** The pause after an error, and after a look that could analyze nothing of what was due. */
const REST_MS = 60_000

/**
 * Keeps the planner's statistics up with tables that grow from nothing. Plans that were made over empty tables look through a
 * whole tenant. Autovacuum looks once a minute at the best, and the embedded engine has none.
 *
 * @param failed told when a look failed; the next one comes by itself
 * @returns what ends the looks, and waits for the one under way
 */
export function keepStatistics(
  database: Database,
  failed: (error: unknown) => void,
  everyMs: number = EVERY_MS,
): () => Promise<void> {
  let stopped = false
  let timer: NodeJS.Timeout | undefined
  let look: Promise<void> = Promise.resolve()
  const pauseAfterLook = async (): Promise<number> => {
    try {
      const { due, analyzed } = await analyzeGrown(database)
      return due.length > 0 && analyzed.length === 0 ? REST_MS : everyMs
    } catch (error) {
      failed(error)
      return REST_MS
    }
  }
  const lookIn = (ms: number) => {
    timer = setTimeout(() => {
      look = pauseAfterLook().then((pause) => {
        if (!stopped) lookIn(pause)
      })
    }, ms).unref()
  }
  lookIn(everyMs)
  return () => {
    stopped = true
    clearTimeout(timer)
    return look
  }
}
