import { expect, test } from 'vitest'
import { openMetrics } from '../../src/observability/metrics.ts'

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

test('SEC-12 neither many routes nor invented methods make many series, and no id becomes a label', async () => {
  const metrics = openMetrics()
  for (let i = 0; i < 10_000; i++) {
    metrics.request({ ...request, route: `/r${i}`, method: `M${i}`, tenantId: `tenant-${i}`, keyId: `key-${i}` })
  }
  const { body } = await metrics.text()
  const lines = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  expect(lines.length).toBeLessThan(2_000)
  expect(body).not.toMatch(/tenant-|key-|M\d/)
  expect(body).toContain('_count{route="other",method="other",status="2xx"} 9880')
})

test('a gauge is asked for when the metrics are read, and one that fails leaves the others alone', async () => {
  const metrics = openMetrics()
  let connections = 3
  metrics.gauge({ name: 'connections', help: 'Some.', read: () => connections })
  metrics.gauge({
    ...{ name: 'dead', help: 'By kind.', labels: ['kind'] },
    read: async () => [{ labels: { kind: 'webhook' }, value: 2 }],
  })
  metrics.gauge({ name: 'failing', help: 'None.', read: () => Promise.reject(new Error('away')) })
  connections = 4
  expect(await linesOf(metrics, 'rollcall_connections')).toEqual(['rollcall_connections 4'])
  expect(await linesOf(metrics, 'rollcall_dead')).toEqual(['rollcall_dead{kind="webhook"} 2'])
  expect(await linesOf(metrics, 'rollcall_failing')).toEqual([])
  expect(await linesOf(metrics, 'nodejs_heap_size_used_bytes')).toHaveLength(1)
})
