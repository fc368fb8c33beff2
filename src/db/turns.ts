/** Keeps a turn until the promise is settled, also where the outcome is there before. */
export type Hold = (until: Promise<unknown>) => void

/**
 * Lets `most` pieces of work be under way at once; the others wait in order, each for its patience at the most.
 *
 * The driver has a queue of its own for statements beyond its connections. But postgres.js 3.4.9 slows down with every one that
 * has ever waited there: each leaves a hole, and the driver looks through all holes until the queue is empty once.
 *
 * @param tooLate makes the error for work whose turn did not come within so many milliseconds
 */
export function turns(most: number, tooLate: (patienceMs: number) => Error) {
  let free = most
  const waiting: (() => void)[] = []

  const run = <T>(work: (hold: Hold) => Promise<T>): Promise<T> => {
    free--
    let held: Promise<unknown> | undefined
    const outcome = work((until) => {
      held = until
    })
    const over = () => (held === undefined ? next() : void held.then(next, next))
    outcome.then(over, over)
    return outcome
  }
  const next = () => {
    free++
    waiting.shift()?.()
  }

  /** Does `work` when it is its turn, at once if it is. @throws what `tooLate` makes, and what `work` throws */
  return <T>(work: (hold: Hold) => Promise<T>, patienceMs: number): Promise<T> => {
    if (free > 0) return run(work)
    return new Promise((resolve, reject) => {
      const begin = () => {
        clearTimeout(timer)
        resolve(run(work))
      }
      const timer = setTimeout(() => {
        waiting.splice(waiting.indexOf(begin), 1)
        reject(tooLate(patienceMs))
      }, patienceMs)
      waiting.push(begin)
    })
  }
}
