/** When a failed delivery is tried again, when it is given up, when its endpoint rests and when that is given up. Milliseconds. */
export interface RetrySchedule {
  readonly firstMs: number
  readonly growth: number
  readonly longestMs: number
  readonly giveUpAfterMs: number
  readonly disableAfterMs: number
  /** An endpoint that is down rests so long, at first and within the first hour at the most. */
  readonly restMs: { readonly first: number; readonly longest: number }
}

const HOUR = 3_600_000
/** 0.5 s, 0.75 s, 1.1 s, 1.7 s, 2.5 s, …, 13 s after the ninth attempt, 12 min after the nineteenth, 8 h at the most; for three days. */
export const RETRIES: RetrySchedule = {
  firstMs: 500,
  growth: 1.5,
  longestMs: 8 * HOUR,
  giveUpAfterMs: 72 * HOUR,
  disableAfterMs: 120 * HOUR,
  restMs: { first: 1_000, longest: 15_000 },
}

/** Longer than any attempt takes. */
const ATTEMPT_MS = 10_000
/** What share of the time for which nothing has got through an event waits at the most. */
const LONE_SHARE = 0.05

/** An event that was not taken, and how its endpoint does. */
export interface Missed {
  readonly attempts: number
  /** Since its first attempt. */
  readonly ageMs: number
  /** Since when the endpoint has accepted nothing at all; undefined where that is not known. */
  readonly failingMs: number | undefined
}

/**
 * How long an event waits for its next attempt, give or take a fifth. Each wait is longer than the one before. But while its
 * endpoint accepts nothing else either, the event is what shows that the receiver is back, and waits no longer than a rest would be.
 */
export function retryDelay(
  { firstMs, growth, longestMs, restMs }: RetrySchedule,
  { attempts, ageMs, failingMs = 0 }: Missed,
  random: number = Math.random(),
): number {
  const alone = failingMs + ATTEMPT_MS >= ageMs
  const longest = alone ? Math.min(longestMs, Math.max(restMs.longest, ageMs * LONE_SHARE)) : longestMs
  return Math.min(firstMs * growth ** (attempts - 1), longest) * (0.8 + random * 0.4)
}
