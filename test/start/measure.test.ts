import { expect, test } from 'vitest'
import { type Config, loadConfig } from '../../src/config.ts'
import { nothingUnderWay } from '../../src/http/in-flight.ts'
import { type MeasuredParts, measure as measureWith } from '../../src/measure.ts'

const stats = {
  entries: new Map([
    ['tenant', 3],
    ['key', 4],
  ]),
  ...{ bytes: 5_000, maxBytes: 64_000, hits: 7, misses: 2, evictions: 1 },
}
const measure = (config: Config, parts: Pick<MeasuredParts, 'underWay'>) =>
  measureWith(config, { ...parts, cache: () => stats, waiting: async () => 12, oldestDue: async () => 3_400 })

test('nothing is measured where the configuration asks for no metrics', async () => {
  const config = loadConfig({})
  expect(await measure(config, { underWay: nothingUnderWay(config) })).toBeUndefined()
})

test('METRICS_PORT has the metrics without a key, and nothing else', async () => {
  const config = loadConfig({ METRICS_PORT: '0' })
  const underWay = nothingUnderWay(config)
  underWay.requests.enter('key', 'tenant')
  const measured = await measure(config, { underWay })
  try {
    const origin = `http://127.0.0.1:${measured?.port}`
    const body = await (await fetch(`${origin}/metrics`)).text()
    expect(body).toContain('rollcall_requests_under_way{kind="request"} 1')
    expect(body).toContain('rollcall_requests_under_way{kind="stream"} 0')
    expect(body).toContain('rollcall_context_cache_entries{kind="tenant"} 3')
    expect(body).toContain('rollcall_context_cache_bytes{of="limit"} 64000')
    expect(body).toContain('rollcall_context_cache_lookups{outcome="eviction"} 1')
    expect(body).toContain('rollcall_deliveries_waiting 12')
    expect(body).toContain('rollcall_delivery_late_seconds 3.4')
    expect((await fetch(`${origin}/api/v1/projects`)).status).toBe(404)
  } finally {
    await measured?.stop()
  }
})

test('a METRICS_PORT that is taken stops the start with a line that names it', async () => {
  const config = loadConfig({ METRICS_PORT: '0' })
  const first = await measure(config, { underWay: nothingUnderWay(config) })
  try {
    const again = measure({ ...config, metricsPort: first?.port }, { underWay: nothingUnderWay(config) })
    await expect(again).rejects.toThrow('set METRICS_PORT to a free one')
  } finally {
    await first?.stop()
  }
})
