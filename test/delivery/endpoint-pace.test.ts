import { describe, expect, test } from 'vitest'
import { EndpointPace } from '../../src/delivery/sending/endpoint-pace.ts'
import { RETRIES, retryDelay } from '../../src/delivery/sending/retries.ts'

/** A receiver, by how long its answer to the nth request takes and whether it takes the event. */
interface Simulated {
  /** Requests that it works on at the same time; others wait for their turn. */
  readonly workers: number
  answer(n: number): { readonly ms: number; readonly ok: boolean }
}

/** What came of sending events as fast as the pace allows for a while. */
interface Seen {
  taken: number
  timedOut: number
  rests: number
  /** Most requests at the same time, over the last second of each minute. */
  atOnce: number
  limit: number
}

const TIMEOUT_MS = 10_000

/** Sends events of ever new resources by one pace, on a clock of its own. */
function send({ workers, answer }: Simulated, forMs: number): Seen {
  let now = 0
  const pace = new EndpointPace(() => now)
  const seen: Seen = { taken: 0, timedOut: 0, rests: 0, atOnce: 0, limit: 0 }
  const free = Array.from({ length: workers }, () => 0)
  let underWay: { readonly ends: number; readonly begun: number; readonly n: number; readonly ok: boolean }[] = []
  for (let n = 0; now < forMs; now += 5) {
    for (const one of underWay.filter(({ ends }) => ends <= now)) {
      underWay = underWay.filter((other) => other !== one)
      if (one.ok) {
        seen.taken++
        pace.succeeded(one.begun, `${one.n}`)
      } else if (pace.failed(one.begun, `${one.n}`)) {
        seen.rests++
        pace.rest()
      }
    }
    while (underWay.length < pace.limit) {
      const at = free.indexOf(Math.min(...free))
      const { ms, ok } = answer(n)
      const ends = Math.max(free[at] ?? 0, now) + ms
      free[at] = ends
      const late = ends - now > TIMEOUT_MS
      if (late) seen.timedOut++
      underWay.push({ ends: late ? now + TIMEOUT_MS : ends, begun: pace.begin(), n: n++, ok: ok && !late })
    }
    seen.atOnce = Math.max(seen.atOnce, underWay.length)
  }
  return { ...seen, limit: pace.limit }
}

describe('EV-16 how many requests one endpoint gets at once', () => {
  test('few at first, more while it answers, as many as there may be', () => {
    expect(new EndpointPace(() => 0).limit).toBe(4)
    expect(send({ workers: 100, answer: () => ({ ms: 10, ok: true }) }, 1_000)).toMatchObject({ limit: 32, rests: 0 })
  })

  test('a receiver that takes 3 s for each gets them at its own pace, whether side by side or one after the other', () => {
    const side = send({ workers: 100, answer: () => ({ ms: 3_000, ok: true }) }, 120_000)
    expect(side).toMatchObject({ limit: 32, rests: 0, timedOut: 0 })
    const single = send({ workers: 1, answer: () => ({ ms: 3_000, ok: true }) }, 300_000)
    expect(single).toMatchObject({ rests: 0 })
    expect(single.limit).toBeLessThanOrEqual(4)
    // It is never idle, and is not asked for more than it can do, but for the first burst.
    expect(single.taken).toBeGreaterThanOrEqual(95)
    expect(single.timedOut).toBeLessThanOrEqual(6)
  })

  test('one that refuses three in ten and leaves one in fifty unanswered gets many at once, and does not rest', () => {
    const answer = (n: number) =>
      n % 50 === 7 ? { ms: 20_000, ok: true } : { ms: 20, ok: ![0, 3, 6].includes(n % 10) }
    const seen = send({ workers: 1_000, answer }, 20_000)
    expect(seen).toMatchObject({ rests: 0, limit: 32 })
    expect(seen.taken).toBeGreaterThan(1_000)
  })

  test('one that answers some and refuses the rest is not asked for many more than it takes', () => {
    let busy = 0
    const pace = new EndpointPace(() => busy)
    for (let round = 0; round < 200; round++) {
      busy += 100
      const begun = Array.from({ length: pace.limit }, () => pace.begin())
      for (const [i, at] of begun.entries()) i < 6 ? pace.succeeded(at, `${i}`) : pace.failed(at, `${i}`)
    }
    expect(pace.limit).toBeGreaterThanOrEqual(4)
    expect(pace.limit).toBeLessThanOrEqual(16)
  })
})

describe('EV-13 when an endpoint rests', () => {
  const judged = (outcomes: string, { limit = 32 } = {}) => {
    let now = 0
    const pace = new EndpointPace(() => now)
    for (let n = 0; n < limit; n++) pace.succeeded(pace.begin(), 'before')
    now += 60_000
    const begun = [...outcomes].map(() => pace.begin())
    return [...outcomes].map((one, i) =>
      one === '.' ? pace.succeeded(begun[i] ?? 0, `${i}`) : pace.failed(begun[i] ?? 0, `${one}${i}`),
    )
  }

  test('when nearly all of what it was sent has failed, not by how many failed at once', () => {
    expect(judged('xxxxxxx').includes(true)).toBe(false)
    expect(judged('xxxxxxxx').at(-1)).toBe(true)
    expect(judged('...xxxxxxxx').includes(true)).toBe(false)
    expect(judged('x.xx.xx.xx.xx.xx').includes(true)).toBe(false)
  })

  test('never for one resource alone, however often that fails', () => {
    const pace = new EndpointPace(() => 0)
    for (let n = 0; n < 100; n++) expect(pace.failed(pace.begin(), 'the same')).toBe(false)
  })

  test('requests of before the rest say nothing about how it is afterwards', () => {
    let now = 0
    const pace = new EndpointPace(() => now)
    const before = Array.from({ length: 32 }, () => pace.begin())
    now += 10
    expect(
      before
        .slice(0, 8)
        .map((at, i) => pace.failed(at, `${i}`))
        .indexOf(true),
    ).toBe(7)
    pace.rest()
    expect(pace.limit).toBe(2)
    now += 1_000
    expect(before.slice(8).map((at, i) => pace.failed(at, `${i}`))).not.toContain(true)
    pace.succeeded(pace.begin(), 'probe')
    expect(pace.limit).toBe(3)
  })
})

describe('EV-13 when an event is tried again', () => {
  const delay = (attempts: number, ageMs: number, failingMs?: number) =>
    retryDelay(RETRIES, { attempts, ageMs, failingMs }, 0.5)

  test('soon at first, then later and later, for three days', () => {
    const waits = Array.from({ length: 40 }, (_, i) => delay(i + 1, 100_000_000, 0))
    expect(waits[0]).toBe(500)
    expect(waits.slice(0, 8).reduce((sum, ms) => sum + ms)).toBeLessThan(25_000)
    expect(waits).toEqual([...waits].sort((a, b) => a - b))
    expect(waits.at(-1)).toBe(8 * 3_600_000)
  })

  test('within a minute after an outage of ten minutes, where it is all that the receiver was sent', () => {
    const minute = 60_000
    expect(delay(100, 10 * minute, 10 * minute)).toBeLessThanOrEqual(30_000)
    // The receiver takes others: then it is the event.
    expect(delay(20, 10 * minute, minute)).toBeGreaterThan(minute)
  })
})
