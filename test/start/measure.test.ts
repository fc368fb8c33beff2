import { expect, test } from 'vitest'
import { type Config, loadConfig } from '../../src/config.ts'
import { nothingUnderWay } from '../../src/http/in-flight.ts'
import { type MeasuredParts, openMeasuring } from '../../src/measure.ts'
import { Progress } from '../../src/observability/progress.ts'
import type { Backlog } from '../../src/repositories/delivery/backlog.ts'

const stats = {
  entries: new Map([
    ['tenant', 3],
    ['key', 4],
  ]),
  ...{ bytes: 5_000, maxBytes: 64_000, hits: 7, misses: 2, evictions: 1 },
}
const BACKLOG: Backlog = {
  deliveries: { due: 12, later: 3, behind: 1, dead: 2 },
  lateMs: 3_400,
  receivers: [{ kind: 'webhook', state: 'resting', count: 2 }],
  ...{ unnumbered: 5, unnumberedMs: 250, holds: 1 },
  troubled: { silent: 3, failing: 1 },
  keys: { expired: 1, week: 2, month: 4 },
}

/** The metrics on a port of their own, and how often each look was made. */
async function opened(config: Config, parts: Partial<MeasuredParts> = {}) {
  const looks = { cache: 0, backlog: 0 }
  const measuring = await openMeasuring(config)
  const port = await measuring?.begin({
    ...{ engine: 'pglite', underWay: nothingUnderWay(config) },
    workers: { numbering: new Progress(), sending: new Progress() },
    cache: () => {
      looks.cache++
      return stats
    },
    backlog: async () => {
      looks.backlog++
      return BACKLOG
    },
    replicas: () => undefined,
    requestLog: () => ({ written: 0, dropped: { full: 0, failed: 0, guesses: 0 }, waiting: 0, waitingBytes: 0 }),
    histories: () => ({ steps: 5, failures: 1, due: 2 }),
    ...parts,
  })
  const read = async (path = '/metrics') => (await fetch(`http://127.0.0.1:${port?.port}${path}`)).text()
  return { measuring, port, looks, read }
}

test('nothing is measured where the configuration asks for no metrics', async () => {
  expect(await openMeasuring(loadConfig({}))).toBeUndefined()
})

test('METRICS_PORT has the metrics without a key, and nothing else', async () => {
  const config = loadConfig({ METRICS_PORT: '0' })
  const underWay = nothingUnderWay(config)
  underWay.requests.enter('key', 'tenant')
  const replicas = ['one', 'two', 'three'].map((name) => ({ name, isWell: name !== 'one' }))
  const { port, read } = await opened(config, {
    underWay,
    replicas: () => ({ replicas, byReplica: 5, byPrimary: 3 }),
  })
  try {
    const lines = (await read()).split('\n')
    expect(lines).toEqual(
      expect.arrayContaining([
        'rollcall_requests_under_way{kind="request"} 1',
        'rollcall_requests_under_way{kind="stream"} 0',
        `rollcall_requests_under_way_limit{kind="request"} ${config.maxInFlight}`,
        `rollcall_request_bytes{of="limit"} ${config.maxBytesInFlight}`,
        'rollcall_context_cache_entries{kind="tenant"} 3',
        'rollcall_context_cache_bytes{of="limit"} 64000',
        '# TYPE rollcall_context_cache_lookups_total counter',
        'rollcall_context_cache_lookups_total{outcome="eviction"} 1',
        'rollcall_deliveries{state="due"} 12',
        'rollcall_deliveries{state="dead"} 2',
        'rollcall_delivery_late_seconds 3.4',
        'rollcall_delivery_receivers{kind="webhook",state="resting"} 2',
        'rollcall_events_unnumbered 5',
        'rollcall_events_unnumbered_age_seconds 0.25',
        'rollcall_leaver_brake_holds 1',
        'rollcall_directories{state="silent"} 3',
        'rollcall_directories{state="failing"} 1',
        'rollcall_api_keys_expiring{within="7d"} 2',
        'rollcall_api_keys_expiring{within="expired"} 1',
        'rollcall_worker_standstill_seconds{worker="numbering"} 0',
        'rollcall_replicas{state="used"} 2',
        'rollcall_replicas{state="left_alone"} 1',
        'rollcall_list_statements_total{by="replica"} 5',
        'rollcall_list_statements_total{by="primary"} 3',
      ]),
    )
    expect(lines).toContainEqual(expect.stringMatching(/^rollcall_build_info\{version="\d.*",engine="pglite"\} 1$/))
    expect((await fetch(`http://127.0.0.1:${port?.port}/api/v1/projects`)).status).toBe(404)
  } finally {
    await port?.stop()
  }
})

test('a reading looks into the cache once, and readers within seconds share one question for the backlog', async () => {
  const { port, looks, read } = await opened(loadConfig({ METRICS_PORT: '0' }))
  try {
    const bodies = await Promise.all([read(), read()])
    const third = await read()
    for (const body of [...bodies, third]) expect(body).toContain('rollcall_deliveries{state="due"} 12')
    expect(looks.backlog).toBe(1)
    expect(looks.cache).toBeLessThanOrEqual(3)
  } finally {
    await port?.stop()
  }
})

test('the connections and the waiting for them are measured by whose share they use, statements by their names', async () => {
  const { measuring, port, read } = await opened(loadConfig({ METRICS_PORT: '0' }))
  try {
    measuring?.observer.opened(() => ({ connections: 10, inUse: 4, waiting: 7 }))
    measuring?.observer.waited({ kind: 'tenant', party: 't', lane: 'k' }, 20)
    measuring?.observer.used({ kind: 'tenant', party: 't', lane: 'k' }, 1_500)
    measuring?.observer.answered('look-up', 3)
    measuring?.observer.answered(undefined, 3)
    measuring?.sent('webhook', false, 900)
    expect((await read()).split('\n')).toEqual(
      expect.arrayContaining([
        'rollcall_database_connections{state="in_use"} 4',
        'rollcall_database_connections{state="limit"} 10',
        'rollcall_database_waiting 7',
        'rollcall_database_wait_seconds_bucket{le="0.01",share="tenant"} 0',
        'rollcall_database_wait_seconds_count{share="tenant"} 1',
        'rollcall_database_busy_seconds_total{share="tenant"} 1.5',
        'rollcall_statement_duration_seconds_count{statement="look-up"} 1',
        'rollcall_statement_duration_seconds_count{statement="other"} 1',
        'rollcall_delivery_attempt_duration_seconds_count{kind="webhook",outcome="failed"} 1',
      ]),
    )
  } finally {
    await port?.stop()
  }
})

test('tenants are named to who asks for some of them alone, the loudest first', async () => {
  const { measuring, port, read } = await opened(loadConfig({ METRICS_PORT: '0' }))
  try {
    const share = (party: string) => ({ kind: 'tenant' as const, party, lane: 'k' })
    measuring?.observer.used(share('quiet'), 1)
    measuring?.observer.used(share('loud'), 900)
    const request = { requestId: 'r', method: 'GET', status: 200, ms: 5 }
    for (const tenantId of ['quiet', 'loud']) measuring?.metrics.request({ ...request, tenantId })
    expect(await read()).not.toContain('tenant="')
    const one = await read('/metrics?tenants=1')
    expect(one).toContain('rollcall_tenant_database_seconds_total{tenant="loud"} 0.9')
    expect(one).toContain('rollcall_tenant_requests_total{tenant="loud"} 1')
    expect(one).not.toContain('tenant="quiet"')
    expect(await read('/metrics?silent=1')).toContain('rollcall_tenant_last_request_timestamp_seconds{tenant="quiet"}')
    expect(await read('/metrics?tenants=51')).toContain('tenants and silent take a number up to 50.')
  } finally {
    await port?.stop()
  }
})

test('a METRICS_PORT that is taken stops the start with a line that names it', async () => {
  const config = loadConfig({ METRICS_PORT: '0' })
  const { port } = await opened(config)
  try {
    await expect(opened({ ...config, metricsPort: port?.port })).rejects.toThrow('set METRICS_PORT to a free one')
  } finally {
    await port?.stop()
  }
})
