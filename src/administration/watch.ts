const EVERY_MS = 3_600_000

/** Ends the watch. */
export interface Watch {
  stop(): void
}

/**
 * Does `look` at once and every hour; the process need not stay for it.
 *
 * @param failed is told why a look was in vain; the next one comes by itself
 */
export function hourly(look: () => Promise<unknown>, failed: (error: unknown) => void): Watch {
  const attempt = () => void look().catch(failed)
  attempt()
  const timer = setInterval(attempt, EVERY_MS).unref()
  return { stop: () => clearInterval(timer) }
}
