import { describe, expect, test } from 'vitest'
import { changesAt, type Heard, learn, type Rhythm, stateAt } from '../../src/connections/rhythm.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
/** A Monday. */
const START = Date.UTC(2026, 10, 2)
const DAYS = 30

/** Numbers from 0 to 1 that are the same in every run. */
function numbersFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Moments of the thirty days. */
type Moments = (random: () => number) => number[]

/** Something that comes every `ms`, a little early or late. */
const every =
  (ms: number, offByMs: number, from = 0): Moments =>
  (random) =>
    Array.from({ length: Math.floor((DAYS * DAY - from) / ms) }, (_, i) => START + from + i * ms + random() * offByMs)

/** Changes that people make in the hours of work, on average every `ms`, on the days of the week. */
const inOfficeHours =
  (ms: number): Moments =>
  (random) => {
    const moments: number[] = []
    for (let at = START; at < START + DAYS * DAY; at += -Math.log(1 - random()) * ms) {
      const [hour, day] = [new Date(at).getUTCHours(), new Date(at).getUTCDay()]
      if (hour >= 8 && hour < 18 && day > 0 && day < 6) moments.push(at)
    }
    return moments
  }

/** A change now and then, by day and by night. */
const atAnyTime =
  (ms: number): Moments =>
  (random) => {
    const moments: number[] = []
    for (let at = START; at < START + DAYS * DAY; at += -Math.log(1 - random()) * ms) moments.push(at)
    return moments
  }

const NIGHT = 3 * HOUR
/** The identity providers as their own pages describe them; `cycle` is the longest pause that belongs to the rhythm. */
const DIRECTORIES: readonly (readonly [name: string, cycle: number, comes: readonly Moments[]])[] = [
  ['Okta, on change alone', 3 * DAY, [inOfficeHours(30 * MINUTE)]],
  ['Okta, on change and with an import each night', DAY, [inOfficeHours(45 * MINUTE), every(DAY, 10 * MINUTE, NIGHT)]],
  ['Entra ID, every 40 minutes', 43 * MINUTE, [every(40 * MINUTE, 3 * MINUTE)]],
  ['Google Workspace, every three hours', 3.5 * HOUR, [every(3 * HOUR, 25 * MINUTE)]],
  ['JumpCloud, on change and every hour', 63 * MINUTE, [every(HOUR, 3 * MINUTE), inOfficeHours(3 * HOUR)]],
  ['OneLogin, on change and once a day', DAY + 20 * MINUTE, [inOfficeHours(HOUR), every(DAY, 20 * MINUTE, 23 * HOUR)]],
  ['PingOne, on change by day and by night', 30 * HOUR, [atAnyTime(4 * HOUR)]],
  ['Rippling, on change, a few a day', 3.6 * DAY, [inOfficeHours(2 * HOUR)]],
  ['Keycloak, changed users every 15 minutes', 16 * MINUTE, [every(15 * MINUTE, MINUTE)]],
  ['authentik, every hour', 62 * MINUTE, [every(HOUR, 2 * MINUTE)]],
]

/** Goes through requests in their order; `told` gets each moment at which a silence is told. */
function live(moments: readonly number[], told: (at: number, last: number) => void): void {
  let rhythm: Rhythm | null = null
  for (const [i, at] of moments.entries()) {
    if (i > 0) rhythm = learn(rhythm, moments[i - 1] as number, at)
    const heard: Heard = { lastRequestAt: at, failingSince: null, failedInARow: 0, rhythm }
    const silentAt = changesAt(heard, 'well')
    const next = moments[i + 1] ?? START + DAYS * DAY
    if (silentAt === undefined || silentAt >= next) continue
    expect(stateAt(heard, silentAt - 1)).toBe('well')
    expect(stateAt(heard, silentAt)).toBe('silent')
    told(silentAt, at)
  }
}

const SEEDS = Array.from({ length: 25 }, (_, i) => i + 1)

describe.each(DIRECTORIES)('%s', (_, cycle, comes) => {
  const momentsOf = (seed: number) => {
    const random = numbersFrom(seed)
    return comes.flatMap((moments) => moments(random)).sort((a, b) => a - b)
  }

  test('thirty days as usual are no silence', () => {
    for (const seed of SEEDS)
      live(momentsOf(seed), (at) => expect.fail(`seed ${seed}: silent at ${new Date(at).toISOString()}`))
  })

  test('a silence after some weeks is told within one cycle after the request that did not come, and told once', () => {
    for (const seed of SEEDS) {
      const all = momentsOf(seed)
      const from = START + (16 + (seed % 5)) * DAY + seed * 37 * MINUTE
      const until = from + 2.5 * cycle
      const told: number[] = []
      live(
        all.filter((at) => at < from || at > until),
        (at, last) => {
          expect(last, `seed ${seed}`).toBeLessThan(from)
          expect(at - last, `seed ${seed}`).toBeLessThanOrEqual(2 * cycle)
          told.push(at)
        },
      )
      expect(told.length, `seed ${seed}`).toBe(1)
    }
  })
})

test('a directory that comes less often from some day on is told of once, and then known', () => {
  const often = Array.from({ length: 24 * 15 }, (_, i) => START + i * HOUR)
  const seldom = Array.from({ length: 14 }, (_, i) => START + 15 * DAY + (i + 1) * DAY)
  const told: number[] = []
  live([...often, ...seldom], (at) => told.push(at))
  expect(told).toHaveLength(2)
  expect(told[1]).toBeLessThan(START + 18 * DAY)
})

test('nothing is told of a directory that has only just begun', () => {
  live([START, START + HOUR, START + 2 * HOUR], () => expect.fail('its rhythm is not known'))
})

test('it fails once five requests in a row were refused for a quarter of an hour, and not before', () => {
  const heard = (failedInARow: number): Heard => ({
    ...{ lastRequestAt: START, failingSince: START, failedInARow, rhythm: null },
  })
  expect(changesAt(heard(4), 'well')).toBeUndefined()
  expect(changesAt(heard(5), 'well')).toBe(START + 15 * MINUTE)
  expect(stateAt(heard(5), START + 15 * MINUTE - 1)).toBe('well')
  expect(stateAt(heard(5), START + 15 * MINUTE)).toBe('failing')
  expect(changesAt(heard(5), 'failing')).toBeUndefined()
})
