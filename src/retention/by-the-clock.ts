import type { Database } from '../db/database.ts'
import { takeUpkeepTurn } from '../repositories/retention/upkeep-turns.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
/** How often the instance that does the work says that it still does. */
const SIGN_OF_LIFE_MS = 20 * SECOND

/** When to look whether the work is due: ms from `now` on. `random` is from 0 to 1, so that instances do not look at once. */
export const lookAt = {
  /** Soon after a start: who restarts every half hour has its work done, too. */
  afterStart: (random: number): number => 5 * SECOND + random * 55 * SECOND,
  /** In the first minutes of the next hour. */
  nextHour: (now: number, random: number): number => HOUR - (now % HOUR) + MINUTE + random * 9 * MINUTE,
  /** Another instance is at it, and may die. */
  whileHeld: (random: number): number => 3 * MINUTE + random * 2 * MINUTE,
}

/** What is done, and by which timer: both for tests too. */
export interface ByTheClock {
  /** @param stopped aborts when the instance stops, or when its turn is over */
  work(stopped: AbortSignal): Promise<void>
  /** Told when the work failed; it is taken up again in the next hour. */
  failed(error: unknown): void
  readonly when?: typeof lookAt
}

/**
 * Does work soon after the start and then in every hour of the clock; of all instances on the database one does it, once. Returns
 * what stops it and waits for the work under way.
 *
 * @param name of the work, for all instances
 */
export function byTheClock(
  db: Database,
  name: string,
  { work, failed, when = lookAt }: ByTheClock,
): () => Promise<void> {
  const stopped = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let look: Promise<void> = Promise.resolve()
  const lookIn = (ms: number) => {
    if (stopped.signal.aborted) return
    timer = setTimeout(() => {
      look = doOnce(db, name, work, stopped.signal).then(
        (outcome) =>
          lookIn(outcome === 'held' ? when.whileHeld(Math.random()) : when.nextHour(Date.now(), Math.random())),
        (error: unknown) => {
          failed(error)
          lookIn(when.nextHour(Date.now(), Math.random()))
        },
      )
    }, ms).unref()
  }
  lookIn(when.afterStart(Math.random()))
  return () => {
    stopped.abort()
    clearTimeout(timer)
    return look
  }
}

async function doOnce(
  db: Database,
  name: string,
  work: ByTheClock['work'],
  stopped: AbortSignal,
): Promise<'done' | 'held'> {
  const turn = await takeUpkeepTurn(db, name)
  if (typeof turn === 'string') return turn
  const over = new AbortController()
  const signs = setInterval(() => {
    // Without the database the work fails by itself.
    void turn.goesOn().then(
      (goesOn) => goesOn || over.abort(),
      () => {},
    )
  }, SIGN_OF_LIFE_MS).unref()
  const ended = AbortSignal.any([stopped, over.signal])
  let done = false
  try {
    await work(ended)
    done = !ended.aborted
  } finally {
    clearInterval(signs)
    await turn.end(done)
  }
  return 'done'
}
