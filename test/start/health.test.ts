import { expect, test } from 'vitest'
import { healthRoutes } from '../../src/http/health.ts'
import { Readiness, type ReadinessTimes } from '../../src/http/readiness.ts'
import { whileStopping } from '../../src/http/starting.ts'
import { Progress } from '../../src/observability/progress.ts'

const served = { readOnly: false, needsMigration: '0000_initial', needsRelease: '0.0.1' }
const times: ReadinessTimes = { keptMs: 0, answerMs: 50, busyMs: 0, standstillMs: 60_000 }

/** Readiness over a database that answers with `answer`. */
function readinessOver(
  answer: () => Promise<object>,
  { room = () => Promise.resolve(), given = {} }: { room?: () => Promise<void>; given?: Partial<ReadinessTimes> } = {},
) {
  const workers = { numbering: new Progress(), sending: new Progress() }
  let questions = 0
  const database = {
    run: async <Row>() => {
      questions++
      return [await answer()] as Row[]
    },
    transaction: async <T>() => (await room()) as T,
  }
  const readiness = new Readiness(database, workers, { ...times, ...given })
  return { readiness, workers, questions: () => questions, health: healthRoutes(readiness) }
}

const away = Object.assign(new Error('away'), { code: 'ECONNREFUSED' })

test.each<[what: string, answer: () => Promise<object>, status: number, said: RegExp]>([
  ['answers', async () => served, 200, /^ok\n$/],
  ['fails', () => Promise.reject(away), 503, /^the database does not answer \(ECONNREFUSED\)\n$/],
  ['does not answer', () => new Promise(() => {}), 503, /^the database does not answer\n$/],
  [
    'takes no writes',
    async () => ({ ...served, readOnly: true }),
    503,
    /^the database takes no changes: its disk is full, or/,
  ],
  [
    'was migrated by a newer release',
    async () => ({ ...served, needsMigration: '9001_later', needsRelease: '9.0.0' }),
    503,
    /^the database has tables of Rollcall 9\.0\.0, which this build \(\S+\) cannot serve/,
  ],
])('the process lives and is ready only when the database takes its writes: it %s', async (_, answer, status, said) => {
  const { health } = readinessOver(answer)
  expect((await health.request('/livez')).status).toBe(200)
  const ready = await health.request('/readyz')
  expect(ready.status).toBe(status)
  expect(await ready.text()).toMatch(said)
  expect((await health.request('/', { method: 'OPTIONS' })).status).toBe(status)
})

test('a database that has just answered and is late once is busy, and its instance stays ready', async () => {
  let answer = () => Promise.resolve<object>(served)
  const { health } = readinessOver(() => answer(), { given: { busyMs: 600_000 } })
  expect((await health.request('/readyz')).status).toBe(200)
  answer = () => new Promise(() => {})
  expect((await health.request('/readyz')).status).toBe(200)
})

test('probes are no load: they share one question, and its answer', async () => {
  let release = () => {}
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  const { health, questions } = readinessOver(() => gate.then(() => served), {
    given: { keptMs: 600_000, answerMs: 600_000 },
  })
  const probes = Array.from({ length: 50 }, () => health.request('/readyz'))
  release()
  for (const probe of [...probes, health.request('/readyz')]) expect((await probe).status).toBe(200)
  expect(questions()).toBe(1)
})

test('after a write that found the disk full, it is ready when a write finds room again', async () => {
  const full = Object.assign(new Error('no space'), { code: '53100' })
  let room = () => Promise.reject<void>(full)
  const { readiness, health } = readinessOver(async () => served, { room: () => room() })
  expect((await health.request('/readyz')).status).toBe(200)
  readiness.saw(full)
  const ready = await health.request('/readyz')
  expect([ready.status, await ready.text()]).toEqual([503, 'the database takes no changes: its disk is full\n'])
  room = () => Promise.resolve()
  expect((await health.request('/readyz')).status).toBe(200)
})

test.each([
  ['numbering', /^events get no positions: no pass over the log has succeeded for \d+ s\n$/],
  ['sending', /^nothing is delivered: no look for due deliveries has succeeded for \d+ s\n$/],
] as const)('it is ready only while the work behind the requests gets on: %s', async (worker, said) => {
  const { health, workers } = readinessOver(async () => served, { given: { standstillMs: 1 } })
  // Work that has not begun does not stand still.
  expect((await health.request('/readyz')).status).toBe(200)
  workers[worker].made()
  await expect.poll(async () => (await health.request('/readyz')).text()).toMatch(said)
  workers[worker].over()
  expect((await health.request('/readyz')).status).toBe(200)
})

test('while it stops it says so at /readyz, and answers everything else', async () => {
  const answer = whileStopping(async () => new Response('answered'))
  expect((await answer(new Request('http://here/readyz'))).status).toBe(503)
  expect(await (await answer(new Request('http://here/livez'))).text()).toBe('answered')
})
