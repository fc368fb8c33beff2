import { expect, test } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { nothingUnderWay } from '../../src/http/in-flight.ts'
import { openMeasuring } from '../../src/measure.ts'
import { Progress } from '../../src/observability/progress.ts'
import { backlogOf } from '../../src/repositories/delivery/backlog.ts'
import { openFreshDatabase } from '../support/engines.ts'
import { exportedIn, seriesIn } from '../support/prometheus.ts'

const TENANTS = 10_000

test('SEC-12 with 10,000 tenants, each with its webhook, a waiting event and a key that expires, there are less than 2,000 series', async () => {
  const database = await openFreshDatabase()
  await database.transaction(async (tx) => {
    const plain = { prepare: false }
    // No trigger and no reference looks at each row: what is written here fits together.
    await tx.run('set local session_replication_role = replica', [], plain)
    await tx.run(
      `with e as (
         insert into environments (id, project_id, key, key_folded, name)
         values (gen_random_uuid(), gen_random_uuid(), 'e', 'e', 'e') returning id, project_id
       ),
       made as materialized (
         select e.project_id, e.id as environment, gen_random_uuid() as id, gen_random_uuid() as hook, 't' || i as key
         from e cross join generate_series(1, ${TENANTS}) i
       ),
       t as (insert into tenants (id, environment_id, key, key_folded, name) select id, environment, key, key, key from made),
       w as (
         insert into webhook_endpoints (id, environment_id, tenant_id, url, description, event_types, secret)
         select hook, environment, id, 'https://hooks.test/' || key, '', '{}', '' from made
       ),
       d as (
         insert into webhook_deliveries (tenant_id, endpoint_id, position, resource_id)
         select id, hook, 1, gen_random_uuid() from made
       ),
       k as (
         insert into api_keys (id, project_id, environment_id, tenant_id, name, permissions)
         select key, project_id, environment, id, key, '{}' from made
       ),
       s as (
         insert into api_key_secrets (key_id, version, hash, expires_at) select key, 1, key, now() + interval '3 days' from made
       )
       insert into waiting_events (tenant_id, seq, resource_type, total_delta, active_delta)
       select id, row_number() over (), 'User', 1, 1 from made`,
      [],
      plain,
    )
  })
  const config = loadConfig({ METRICS_KEY: 'a-key-of-metrics-for-the-tests' })
  const measuring = await openMeasuring(config)
  await measuring?.begin({
    ...{ engine: database.engine, underWay: nothingUnderWay(config), backlog: () => backlogOf(database) },
    workers: { numbering: new Progress(), sending: new Progress() },
    replicas: () => undefined,
    histories: () => ({ steps: 0, failures: 0, due: 0 }),
    requestLog: () => ({ written: 0, dropped: { full: 0, failed: 0, guesses: 0 }, waiting: 0, waitingBytes: 0 }),
    cache: () => ({ entries: new Map([['tenant', TENANTS]]), bytes: 1, maxBytes: 2, hits: 0, misses: 0, evictions: 0 }),
  })
  const tenants = await database.run<{ id: string }>('select id::text from tenants', [])
  for (const [i, { id }] of tenants.entries()) {
    const request = {
      requestId: 'r',
      method: ['GET', 'POST', 'PATCH'][i % 3] ?? '',
      status: 200 + 100 * (i % 4),
      ms: i % 900,
    }
    measuring?.metrics.request({ ...request, route: `/scim/v2/:base/route-${i % 200}`, tenantId: id })
    measuring?.observer.used({ kind: 'tenant', party: id, lane: 'k' }, 1)
  }
  const text = (await measuring?.metrics.text())?.body ?? ''
  const values = exportedIn(text)
  expect(seriesIn(text)).toBeLessThan(2_000)
  expect(tenants.filter(({ id }) => text.includes(id))).toEqual([])
  // All was counted, as far as counts go.
  for (const line of [
    'rollcall_deliveries{state="due"} 10000',
    'rollcall_events_unnumbered 10000',
    'rollcall_api_keys_expiring{within="7d"} 10000',
    `rollcall_tenants_active{within="1h"} ${TENANTS}`,
    'rollcall_delivery_receivers{kind="webhook",state="well"} 500',
  ])
    expect(text).toContain(line)
  expect([...(values.get('rollcall_http_request_duration_seconds_count')?.values.get('route') ?? [])]).toContain(
    'other',
  )
  const named = (await measuring?.metrics.text({ loudest: 10, silent: 0 }))?.body ?? ''
  expect(exportedIn(named).get('rollcall_tenant_requests_total')?.values.get('tenant')?.size).toBe(10)
  await database.close()
})
