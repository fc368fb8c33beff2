import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import type { TenantId } from '../../src/place-ids.ts'
import { eventsOfRequest, openDeliveriesOf } from '../../src/repositories/log/request-events.ts'
import {
  insertRequests,
  newestRequests,
  type RequestFilter,
  requestLogOf,
} from '../../src/repositories/log/request-log.ts'
import {
  REQUESTS_TRIMMED_AT_ONCE,
  tenantsWithOldRequests,
  trimRequests,
} from '../../src/repositories/log/request-log-age.ts'
import { lowestIdAt } from '../../src/request-log/ids.ts'
import { trimRequestLogs } from '../../src/retention/retention.ts'
import { onCitus, openFreshDatabase } from '../support/engines.ts'
import type { TestTenant } from '../support/gateway.ts'
import { type Instance, openInstance, userBody } from '../support/instances.ts'
import { genericPlan, nodesOf, recordStatements } from '../support/statements.ts'

// A database that was never analysed, with plans made while the tables were empty.
const KEPT = 30_000
const DAY_MS = 86_400_000

let database: Database
let instance: Instance
let busy: TestTenant
beforeAll(async () => {
  database = await openFreshDatabase()
  instance = await openInstance(database)
  busy = await instance.newTenant()
  await fill(busy.id, KEPT, 1)
})
afterAll(async () => {
  await instance.close()
  await database.close()
})

/** Requests from now backwards, one a second, or of so many days ago. Of a thousand one is a conflict. */
async function fill(tenantId: string, count: number, days: number): Promise<void> {
  const id = `(lpad(to_hex((extract(epoch from now()) * 1000)::bigint - $3::bigint * ${DAY_MS} - n * 1000), 12, '0')
    || '70008000' || lpad(to_hex(n), 12, '0'))::uuid`
  await database.run(
    `with made as (
       insert into request_log (tenant_id, id, operation, status, key_id, terms, entry)
       select $1::uuid, ${id}, case when n % 3 = 0 then 'create' else 'list' end,
         case when n % 1000 = 0 then 409 else 200 end, 'key' || n % 3, array['p' || n % 100, 'r' || n],
         '{"ms":1,"method":"GET","path":"/Users"}' from generate_series(1, $2::int) n returning id, terms
     )
     insert into request_terms (tenant_id, term, id) select $1::uuid, t, m.id from made m cross join lateral unnest(m.terms) t`,
    [tenantId, count, days],
  )
}

const countOf = async (table: 'request_log' | 'request_terms', { id }: { readonly id: string }) =>
  (await database.run<{ n: number }>(`select count(*)::int as n from ${table} where tenant_id = $1::uuid`, [id]))[0]?.n

describe('ten thousand requests or ten million: a page looks at its own rows', () => {
  const page = { before: 'ffffffff-ffff-ffff-ffff-ffffffffffff', from: lowestIdAt(0), limit: 50 }
  const NONE: RequestFilter = { terms: [] }
  // A Citus explains its plans as text, each machine its own; what is asked of it is in citus-statements.store.test.ts.
  test.skipIf(onCitus()).each<[string, number, (db: Database) => Promise<unknown>]>([
    ['the newest', 120, (db) => requestLogOf(db, busy.id).list(NONE, page)],
    ['a rare status', 200, (db) => requestLogOf(db, busy.id).list({ ...NONE, status: [409, 409] }, page)],
    ['a class of status', 300, (db) => requestLogOf(db, busy.id).list({ ...NONE, status: [400, 499] }, page)],
    ['an operation', 600, (db) => requestLogOf(db, busy.id).list({ ...NONE, operation: 'create' }, page)],
    ['a key', 600, (db) => requestLogOf(db, busy.id).list({ ...NONE, keyId: 'key1' }, page)],
    [
      'all at once',
      600,
      (db) =>
        requestLogOf(db, busy.id).list({ terms: [], operation: 'create', status: [200, 299], keyId: 'key0' }, page),
    ],
    ['a person', 120, (db) => requestLogOf(db, busy.id).list({ terms: ['p7'] }, page)],
    [
      'a person and a status',
      2_100,
      (db) => requestLogOf(db, busy.id).list({ terms: ['p0'], status: [409, 409] }, page),
    ],
    [
      'a stretch of time',
      120,
      (db) => requestLogOf(db, busy.id).list(NONE, { ...page, before: lowestIdAt(Date.now() - 1.2 * DAY_MS) }),
    ],
    ['the newest of tenants', 10, (db) => newestRequests(db, [busy.id])],
    [
      'tenants with old ones',
      210,
      (db) =>
        tenantsWithOldRequests(db, { defaultDays: 14, boundOf: () => lowestIdAt(0), after: undefined, limit: 200 }),
    ],
  ])('%s', async (_, most, work) => {
    const recorder = recordStatements(database)
    const { statements } = await recorder.during(() => work(recorder.database))
    expect(statements.length).toBe(1)
    for (const statement of statements) {
      const nodes = nodesOf(await genericPlan(database, statement, { analyze: true }))
      const rows = nodes.map((node) => {
        const seen = ((node['Actual Rows'] ?? 0) + (node['Rows Removed by Filter'] ?? 0)) * (node['Actual Loops'] ?? 1)
        return [node['Node Type'], node['Index Name'] ?? node['Relation Name'] ?? '', seen] as const
      })
      expect(rows.filter(([, , seen]) => seen > most)).toEqual([])
      expect(rows.filter(([kind, on]) => kind === 'Seq Scan' && /request/.test(on))).toEqual([])
    }
  })

  test('rare and common kinds come in the order of time, whatever the filter', async () => {
    const log = requestLogOf(database, busy.id)
    for (const filter of [
      NONE,
      { ...NONE, keyId: 'key1' },
      { ...NONE, status: [200, 499] as const },
      { terms: ['p7'] },
    ]) {
      const { requests } = await log.list(filter, { ...page, limit: 200 })
      expect(requests.length).toBe(200)
      expect(requests.map(({ id }) => id)).toEqual(
        requests
          .map(({ id }) => id)
          .sort()
          .reverse(),
      )
    }
    expect((await log.list({ ...NONE, status: [409, 409] }, page)).requests.length).toBe(30)
  })
})

describe('requests go when their environment no longer keeps them', () => {
  test('in batches with their terms; what is young enough stays', async () => {
    const tenant = await instance.newTenant()
    await fill(tenant.id, 2_300, 15)
    await fill(tenant.id, 10, 2)
    const recorder = recordStatements(database)
    await trimRequestLogs(recorder.database)
    expect(await countOf('request_log', tenant)).toBe(10)
    expect(await countOf('request_terms', tenant)).toBe(20)
    const trims = recorder.statements.filter(({ options }) => options.name === 'request-log-trim')
    expect(trims.length).toBe(3)
    // The others’ are as they were.
    expect(await countOf('request_log', busy)).toBe(KEPT)
  })

  // On Citus a pass goes through all tenants, some hundred at a time: there is no look-up for each row (request-log-age.ts).
  test.skipIf(onCitus())('tenants without requests are not looked at, however many there are', async () => {
    const pass = async () => {
      const recorder = recordStatements(database)
      return (await recorder.during(() => trimRequestLogs(recorder.database))).statements.length
    }
    const before = await pass()
    await database.run(
      `insert into tenants (id, environment_id, key, key_folded, name)
       select gen_random_uuid(), t.environment_id, 'idle' || n, 'idle' || n, 'idle' from tenants t, generate_series(1, 450) n
       where t.id = $1::uuid`,
      [busy.id],
    )
    expect(await pass()).toBe(before)
  })

  test('those of a tenant that is gone go too, and do not end the pass for those behind it', async () => {
    const gone = '00000000-0000-4000-8000-00000000dead' as TenantId
    await fill(gone, 5, 15)
    const looked = { defaultDays: 14, boundOf: (days: number) => lowestIdAt(Date.now() - days * DAY_MS), limit: 1 }
    const [first] = await tenantsWithOldRequests(database, { ...looked, after: undefined })
    expect(first).toEqual({ id: gone, days: 14, due: true })
    expect(await tenantsWithOldRequests(database, { ...looked, after: gone })).toHaveLength(1)
    await trimRequestLogs(database)
    expect(await countOf('request_log', { id: gone })).toBe(0)
  })

  test('as long as the setting says', async () => {
    const place = await instance.newPlace()
    await database.run('update environments set settings = $2::text::jsonb where id = $1::uuid', [
      place.environmentId,
      JSON.stringify({ requestLogDays: 30 }),
    ])
    const tenant = await instance.newTenant({ place })
    await fill(tenant.id, 5, 20)
    await fill(tenant.id, 5, 31)
    await trimRequestLogs(database)
    expect(await countOf('request_log', tenant)).toBe(5)
    const asked: Parameters<typeof tenantsWithOldRequests>[1] = {
      ...{ defaultDays: 14, boundOf: (days) => lowestIdAt(Date.now() - days * DAY_MS), after: undefined, limit: 200 },
    }
    const found = await tenantsWithOldRequests(database, asked)
    expect(found.find(({ id }) => id === tenant.id)).toEqual({ id: tenant.id, days: 30, due: false })
    await fill(tenant.id, 1, 31)
    expect(await tenantsWithOldRequests(database, asked)).toContainEqual({ id: tenant.id, days: 30, due: true })
    // As many as are wanted, each once, in pages.
    const [first] = found
    const rest = await tenantsWithOldRequests(database, { ...asked, after: first?.id, limit: 1 })
    expect(rest.map(({ id }) => id)).toEqual(found.slice(1, 2).map(({ id }) => id))
  })

  test('one batch has a bound, and looks at no more than its own rows', async () => {
    const tenant = await instance.newTenant()
    await fill(tenant.id, 3_000, 15)
    const bound = lowestIdAt(Date.now() - 14 * DAY_MS)
    const recorder = recordStatements(database)
    const { statements } = await recorder.during(() => trimRequests(recorder.database, tenant.id, bound))
    expect(await countOf('request_log', tenant)).toBe(3_000 - REQUESTS_TRIMMED_AT_ONCE)
    const nodes = nodesOf(await genericPlan(database, statements[0] as never, { analyze: true }))
    for (const node of nodes)
      expect((node['Actual Rows'] ?? 0) * (node['Actual Loops'] ?? 1)).toBeLessThanOrEqual(3 * REQUESTS_TRIMMED_AT_ONCE)
  })
})

describe('what a request has led to', () => {
  test('its events are found by its id and time, and what receivers have not accepted', async () => {
    const tenant = await instance.newTenant()
    const answer = await tenant.scim('POST', '/Users', userBody('ada'))
    await tenant.scim('POST', '/Users', userBody('bob'))
    const inEvents = answer.headers.get('x-request-id') ?? ''
    const at = { inEvents, from: Date.now(), until: Date.now() }
    const before = await eventsOfRequest(database, tenant.id, at)
    expect(before.map(({ type, state }) => [type, state])).toEqual([['user.created', 'waiting']])
    const [place] = await database.run<{ id: string }>(
      'select environment_id::text as id from tenants where id = $1::uuid',
      [tenant.id],
    )
    const environmentId = (place?.id ?? '') as never
    const [hook] = await database.run<{ id: string }>(
      `insert into webhook_endpoints (id, environment_id, tenant_id, url, description, event_types, secret)
       select gen_random_uuid(), $1::uuid, $2::uuid, 'https://hooks.test/', '', '{}', '' returning id::text`,
      [place?.id ?? '', tenant.id],
    )
    const { eventLogOf } = await import('../../src/repositories/log/event-log.ts')
    while ((await eventLogOf(database, tenant.id).number()) > 0);
    const [event] = await eventsOfRequest(database, tenant.id, at)
    expect(event?.state).toBe('logged')
    const open = await openDeliveriesOf(database, { tenantId: tenant.id, environmentId }, [event?.seq ?? 0])
    expect(open).toMatchObject([{ seq: event?.seq, endpointId: hook?.id, kind: 'webhook', attempts: 0, dead: false }])
    await database.run('delete from webhook_deliveries where tenant_id = $1::uuid', [tenant.id])
    expect(await openDeliveriesOf(database, { tenantId: tenant.id, environmentId }, [event?.seq ?? 0])).toEqual([])
  })

  test('to write the same batch twice changes nothing', async () => {
    const tenant = await instance.newTenant()
    const row = {
      ...{
        tenantId: tenant.id as TenantId,
        id: randomUUID(),
        operation: 'list',
        status: 200,
        keyId: '',
        terms: ['a', 'b'],
      },
      ...{ entry: '{}', bodies: null },
    }
    await insertRequests(database, [row])
    await insertRequests(database, [row])
    expect([await countOf('request_log', tenant), await countOf('request_terms', tenant)]).toEqual([1, 2])
  })
})
