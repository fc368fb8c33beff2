/**
 * How long the pauses between the requests of an identity provider usually are. Some come by the clock, such as every 40 minutes.
 * Others come when somebody changes something, and never at night or on Sundays.
 */
export interface Rhythm {
  /** When its first pause was learnt, in milliseconds since 1970. */
  readonly since: number
  /** Pauses that were learnt, and how many seconds one lasts, as an average of the last ones. */
  readonly pauses: number
  readonly typical: number
  /** The longest pause in seconds that ended in the week `week`, and in each of the weeks before; weeks count from 1970. */
  readonly week: number
  readonly longest: readonly number[]
  /** The last pause was longer than any that was allowed for, and was not learnt. */
  readonly unusual: boolean
}

/** What is known of the requests of a tenant; moments in milliseconds since 1970. */
export interface Heard {
  readonly lastRequestAt: number
  /** Since when every request has been refused, and how many; null while they get through. */
  readonly failingSince: number | null
  readonly failedInARow: number
  readonly rhythm: Rhythm | null
}

/** How a connection is. */
export type ConnectionState = 'well' | 'silent' | 'failing'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const DAY = 24 * 60 * MINUTE
const WEEK = 7 * DAY

/** Requests that are closer together belong to one visit. */
const PAUSE_MS = 5 * MINUTE
/** Weeks of which the longest pause is known. With the first day of a month, four whole ones are among them. */
const WEEKS = 5
/** The average follows the last pauses. */
const AVERAGED = 64

/** A rhythm is known once it has so many pauses, and lasts so long that nights and a weekend are among them. */
const LEAST_PAUSES = 8
const BY_THE_CLOCK = { knownAfter: WEEK, longer: 1.5 }
/** Pauses without a rule differ more: two weekends have to be among them, and the longest one says less of the next. */
const ON_CHANGE = { knownAfter: 2 * WEEK, longer: 1.9 }
/** So many times the average is no silence either: of pauses that depend on nothing, one in a hundred thousand is longer. */
const TIMES_AVERAGE = 12

/** So many requests in a row are refused, for so long, before a connection counts as failing. */
const FAILURES = 5
const FAILING_AFTER_MS = 15 * MINUTE

/** The rhythm with a request that came at `at` after the one at `before`. */
export function learn(rhythm: Rhythm | null, before: number, at: number): Rhythm | null {
  const pauseMs = at - before
  if (pauseMs < PAUSE_MS) return rhythm
  const allowed = rhythm === null ? undefined : allowedPause(rhythm, before)
  // One silence is not learnt. After a second one in a row the identity provider comes less often now, and is learnt anew.
  if (rhythm !== null && allowed !== undefined && pauseMs > allowed)
    return rhythm.unusual ? null : { ...rhythm, unusual: true }
  const pause = Math.round(pauseMs / SECOND)
  const week = Math.floor(at / WEEK)
  const { since, pauses, typical, longest } = rhythm ?? { since: at, pauses: 0, typical: pause, longest: [] }
  const passed = rhythm === null ? 0 : Math.max(0, week - rhythm.week)
  const [now = 0, ...earlier] = [...Array.from({ length: Math.min(passed, WEEKS) }, () => 0), ...longest]
  return {
    since,
    pauses: pauses + 1,
    typical: Math.round(typical + (pause - typical) / Math.min(pauses + 1, AVERAGED)),
    week,
    longest: [Math.max(now, pause), ...earlier].slice(0, WEEKS),
    unusual: false,
  }
}

/** The longest pause in seconds; without the longest week of all, as one with a holiday, where so many weeks are known. */
function longestPause({ longest }: Rhythm, weeks: number): number {
  const known = longest.filter((pause) => pause > 0).toSorted((a, b) => b - a)
  return known[known.length < weeks ? 0 : 1] ?? 0
}

/** How long pauses usually become, in seconds. */
export const usuallyUpTo = (rhythm: Rhythm): number => longestPause(rhythm, 3)

/** Whether requests come by the clock: no pause is much longer than the others. The weeks at both ends may not be whole. */
const isByTheClock = (rhythm: Rhythm): boolean => longestPause(rhythm, 4) <= 2 * rhythm.typical

/** How long a pause after a request at `at` may be before it is a silence; undefined while the rhythm is not known. */
function allowedPause(rhythm: Rhythm, at: number): number | undefined {
  const byTheClock = isByTheClock(rhythm)
  const { knownAfter, longer } = byTheClock ? BY_THE_CLOCK : ON_CHANGE
  if (rhythm.pauses < LEAST_PAUSES || at - rhythm.since < knownAfter) return undefined
  const allowed = usuallyUpTo(rhythm) * longer
  return SECOND * (byTheClock ? allowed : Math.max(allowed, rhythm.typical * TIMES_AVERAGE))
}

/** The moment from which on nothing has been heard for too long; undefined where no rhythm is known. */
function silentFrom({ lastRequestAt, rhythm }: Heard): number | undefined {
  const allowed = rhythm === null ? undefined : allowedPause(rhythm, lastRequestAt)
  return allowed === undefined ? undefined : lastRequestAt + allowed
}

const failsFrom = ({ failingSince, failedInARow }: Heard): number | undefined =>
  failingSince === null || failedInARow < FAILURES ? undefined : failingSince + FAILING_AFTER_MS

/** How a connection is at `now`. That it fails says more than that it is silent, too. */
export function stateAt(heard: Heard, now: number): ConnectionState {
  const [fails, silent] = [failsFrom(heard), silentFrom(heard)]
  if (fails !== undefined && fails <= now) return 'failing'
  return silent !== undefined && silent <= now ? 'silent' : 'well'
}

/** When `stateAt` will be another than `state` unless a request comes before; undefined for never. */
export function changesAt(heard: Heard, state: ConnectionState): number | undefined {
  if (state === 'failing') return undefined
  const moments = state === 'silent' ? [failsFrom(heard)] : [failsFrom(heard), silentFrom(heard)]
  const known = moments.filter((moment) => moment !== undefined)
  return known.length === 0 ? undefined : Math.min(...known)
}
