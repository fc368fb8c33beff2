const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

/** What is looked at again and again. */
export interface Watch {
  /** Ends it, and waits for the look under way. */
  stop(): Promise<void>
}

/**
 * Does `look` at once and every hour; the process need not stay for it.
 *
 * @param failed is told why a look was in vain; the next one comes by itself
 */
export const hourly = (look: () => Promise<unknown>, failed: (error: unknown) => void): Watch =>
  every(HOUR_MS, look, failed)

/** Does `look` at once and every minute, else like `hourly`. */
export const everyMinute = (look: () => Promise<unknown>, failed: (error: unknown) => void): Watch =>
  every(MINUTE_MS, look, failed)

function every(ms: number, look: () => Promise<unknown>, failed: (error: unknown) => void): Watch {
  let underWay: Promise<unknown> | undefined
  const attempt = () => {
    // One that takes longer than that is not overtaken.
    underWay ??= look()
      .catch(failed)
      .finally(() => {
        underWay = undefined
      })
  }
  attempt()
  const timer = setInterval(attempt, ms).unref()
  return {
    async stop() {
      clearInterval(timer)
      await underWay
    },
  }
}
