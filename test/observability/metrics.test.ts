import { expect, test, vi } from 'vitest'
import { STATEMENT_NAMES } from '../../src/db/statement-names.ts'
import { databaseMeter, deliveryMeter } from '../../src/measure/families.ts'
import { openMetrics } from '../../src/observability/metrics.ts'
import { tenantLoad } from '../../src/observability/tenant-load.ts'

const request = { requestId: 'r', method: 'GET', status: 200, ms: 7 }

/** The lines of the metric `name`, without its help. */
async function linesOf(metrics: ReturnType<typeof openMetrics>, name: string): Promise<string[]> {
  const { body } = await metrics.text()
  return body.split('\n').filter((line) => line.startsWith(name))
}

test('requests are counted by route, method and class of status, and by how long they took', async () => {
  const metrics = openMetrics()
  metrics.request({ ...request, route: '/scim/v2/:base/Users/:id' })
  metrics.request({ ...request, route: '/scim/v2/:base/Users/:id', ms: 300 })
  metrics.request({ ...request, status: 401 })
  const lines = await linesOf(metrics, 'rollcall_http_request_duration_seconds')
  const read = 'route="/scim/v2/:base/Users/:id",method="GET",status="2xx"'
  expect(lines).toContain(`rollcall_http_request_duration_seconds_count{${read}} 2`)
  expect(lines).toContain(`rollcall_http_request_duration_seconds_bucket{le="0.01",${read}} 1`)
  expect(lines).toContain(`rollcall_http_request_duration_seconds_sum{${read}} 0.307`)
  expect(lines).toContain('rollcall_http_request_duration_seconds_count{route="none",method="GET",status="4xx"} 1')
})

test('SEC-12 neither many routes nor invented methods, reasons or statements make many series, and no id becomes a label', async () => {
  const metrics = openMetrics()
  const observer = databaseMeter(metrics)
  observer.opened(() => ({ connections: 1, inUse: 0, waiting: 0 }))
  const sent = deliveryMeter(metrics)
  for (let i = 0; i < 10_000; i++) {
    const status = 200 + 100 * (i % 4)
    const [tenantId, keyId] = [`tenant-${i}`, `key-${i}`]
    metrics.request({ ...request, status, route: `/r${i}`, method: `M${i}`, tenantId, keyId })
    metrics.refused(`reason ${i}`)
    const kind = (['control', 'tenant', 'background'] as const)[i % 3] ?? 'control'
    observer.waited({ kind, party: tenantId, lane: keyId }, i)
    observer.used({ kind, party: tenantId, lane: keyId }, i)
    observer.answered(STATEMENT_NAMES[i], i)
    sent(i % 2 === 0 ? 'webhook' : 'stream', i % 3 === 0, i)
  }
  const { body } = await metrics.text()
  const lines = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  // What the database and the caches tell comes to it.
  expect(lines.length).toBeLessThan(1_900)
  expect(body).not.toMatch(/tenant-|key-|M\d/)
  expect(body).toContain('_count{route="other",method="other",status="2xx"} 2480')
})

test('metrics are asked for when they are read, and those that cannot be had leave the others alone', async () => {
  const metrics = openMetrics()
  let connections = 3
  let away = false
  metrics.family({
    look: () => connections,
    measures: [
      { name: 'connections', help: 'Some.', of: (found) => found },
      { name: 'made_total', help: 'Since the start.', type: 'counter', of: (found) => 2 * found },
    ],
  })
  metrics.family({
    look: async () => {
      if (away) throw new Error('away')
      return { webhook: 2 }
    },
    measures: [
      {
        ...{ name: 'dead', help: 'By kind.', labels: ['kind'] },
        of: ({ webhook }) => [{ labels: { kind: 'webhook' }, value: webhook }],
      },
      { name: 'all', help: 'Of both kinds.', of: ({ webhook }) => webhook },
    ],
  })
  connections = 4
  expect(await linesOf(metrics, 'rollcall_connections')).toEqual(['rollcall_connections 4'])
  expect(await linesOf(metrics, 'rollcall_made_total')).toEqual(['rollcall_made_total 8'])
  expect(await linesOf(metrics, 'rollcall_dead')).toEqual(['rollcall_dead{kind="webhook"} 2'])
  expect(await linesOf(metrics, 'rollcall_all')).toEqual(['rollcall_all 2'])
  away = true
  expect(await linesOf(metrics, 'rollcall_connections')).toEqual(['rollcall_connections 4'])
  expect(await linesOf(metrics, 'rollcall_dead')).toEqual([])
  expect(await linesOf(metrics, 'rollcall_all')).toEqual([])
  expect(await linesOf(metrics, 'nodejs_heap_size_used_bytes')).toHaveLength(1)
})

test('who was loud a while ago is passed by who is loud now, and the silent are those whose last request is oldest', () => {
  let now = 1_000_000
  const load = tenantLoad(() => now)
  load.database('earlier', 4_000)
  load.request('earlier', 10)
  now += 20 * 60_000
  load.database('now', 1_000)
  load.request('now', 10)
  const ids = (asked: Parameters<typeof load.chosen>[0]) => load.chosen(asked).map(({ tenantId }) => tenantId)
  expect(ids({ loudest: 1, silent: 0 })).toEqual(['now'])
  expect(ids({ loudest: 0, silent: 1 })).toEqual(['earlier'])
  expect(ids({ loudest: 2, silent: 2 })).toEqual(['now', 'earlier'])
  expect([load.active(60_000), load.active(3_600_000)]).toEqual([1, 2])
})

test('what takes long to find holds no reader up; it is told as it was for a while, and then left out', async () => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] })
  try {
    const metrics = openMetrics()
    let look = () => Promise.resolve(3)
    metrics.family({
      ...{ look: () => look(), keptMs: 5_000 },
      measures: [{ name: 'waiting', help: 'What waits.', of: (found) => found }],
    })
    const lines = async () => {
      const reading = linesOf(metrics, 'rollcall_waiting')
      await vi.advanceTimersByTimeAsync(1_000)
      return reading
    }
    expect(await lines()).toEqual(['rollcall_waiting 3'])
    look = () => Promise.resolve(4)
    expect(await lines()).toEqual(['rollcall_waiting 3'])
    await vi.advanceTimersByTimeAsync(5_000)
    expect(await lines()).toEqual(['rollcall_waiting 4'])
    let found: (value: number) => void = () => {}
    look = () =>
      new Promise((resolve) => {
        found = resolve
      })
    await vi.advanceTimersByTimeAsync(5_000)
    expect(await lines()).toEqual(['rollcall_waiting 4'])
    await vi.advanceTimersByTimeAsync(30_000)
    expect(await lines()).toEqual([])
    found(5)
    expect(await lines()).toEqual(['rollcall_waiting 5'])
  } finally {
    vi.useRealTimers()
  }
})
