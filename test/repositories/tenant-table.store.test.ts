import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import type { EnvironmentId, TenantId } from '../../src/place-ids.ts'
import { lockDueConnections, troubledTenants } from '../../src/repositories/control/connections.ts'
import { findPeople, findRequests, findTenants } from '../../src/repositories/control/finding/find.ts'
import { TENANT_ORDERS, tenantTable } from '../../src/repositories/control/finding/tenant-table.ts'
import { insertRequests } from '../../src/repositories/log/request-log.ts'
import { lowestIdAt } from '../../src/request-log/ids.ts'
import { openFreshDatabase } from '../support/engines.ts'
import { openInstance } from '../support/instances.ts'
import { genericPlan, nodesOf, recordStatements } from '../support/statements.ts'

// What the console asks of 10,000 tenants, on a database that was never analysed.
const TENANTS = 10_000
const PAGE = 51

let database: Database
let environment: EnvironmentId
let some: TenantId

beforeAll(async () => {
  database = await openFreshDatabase()
  const instance = await openInstance(database)
  const place = await instance.newPlace()
  environment = place.environmentId
  some = (await instance.newTenant({ place })).id
  await instance.close()
  await database.run(
    `insert into tenants (id, environment_id, key, key_folded, name)
     select gen_random_uuid(), $1::uuid, 'k' || n, 'k' || n, 'Customer ' || n from generate_series(1, ${TENANTS}) n`,
    [environment],
  )
  await database.run(
    `insert into connections (tenant_id, environment_id, provider, client, first_request_at, last_request_at, day, requests, failures, users,
       state, since, due_at)
     select t.id, t.environment_id, 'okta', 'Okta', now(), now() - n * interval '1 second', (now() at time zone 'UTC')::date, n, n % 7, n % 100,
       case when n % 1000 = 0 then 'silent' else 'well' end, now(), now() + interval '1 hour' - (n % 500 = 0)::int * interval '2 hours'
     from (select t.id, t.environment_id, row_number() over () as n from tenants t where t.key like 'k%') t
     where not exists (select 1 from connections c where c.tenant_id = t.id)`,
    [],
  )
})
afterAll(() => database.close())

/** The most rows that one step of a plan reads, over all steps of what `work` asks, or over those that read `table`. */
async function mostRows(work: (db: Database) => Promise<unknown>, table?: string): Promise<number> {
  const recorder = recordStatements(database)
  const { statements } = await recorder.during(() => work(recorder.database))
  expect(statements.length).toBeGreaterThan(0)
  let most = 0
  for (const statement of statements)
    for (const node of nodesOf(await genericPlan(database, statement, { analyze: true }))) {
      if (table !== undefined && node['Relation Name'] !== table) continue
      const read = (node['Actual Rows'] ?? 0) + (node['Rows Removed by Filter'] ?? 0)
      most = Math.max(most, read * (node['Actual Loops'] ?? 1))
    }
  return most
}

describe('what a page looks up does not grow with the number of tenants', () => {
  test.each(TENANT_ORDERS)('the table in the order of %s, first and later pages, from either end', async (order) => {
    const [own, other] = order === 'name' ? ['tenants', 'connections'] : ['connections', 'tenants']
    for (const backwards of [false, true]) {
      const first = { order, backwards, limit: PAGE }
      const rows = await tenantTable(database, environment, first)
      expect(rows).toHaveLength(PAGE)
      for (const query of [first, { ...first, after: rows.at(-1)?.place }]) {
        const read = (table: string) => mostRows((db) => tenantTable(db, environment, query), table)
        // A plan made over few rows may sort what the index of another order gives: an entry for each tenant, and no look-up.
        expect(await read(own)).toBeLessThan(TENANTS + PAGE)
        expect(await read(other)).toBeLessThan(2 * PAGE)
        expect(await read('resource_counts')).toBeLessThan(2 * PAGE)
      }
    }
  })

  test('those that need a look', async () => {
    expect(await mostRows((db) => troubledTenants(db, [environment], undefined, 20))).toBeLessThan(100)
    expect(await mostRows((db) => troubledTenants(db, [environment], some, 20))).toBeLessThan(100)
  })

  test('connections that are due', async () => {
    const look = (db: Database) => db.transaction((tx) => lockDueConnections(tx, 100))
    expect(await mostRows(look)).toBeLessThan(300)
  })
})

test('a filter reads each tenant of the environment once at the most', async () => {
  const filtered = { order: 'lastRequest', backwards: false, limit: PAGE, provider: 'entra' } as const
  expect(await mostRows((db) => tenantTable(db, environment, filtered))).toBeLessThan(2 * TENANTS)
  expect(await mostRows((db) => tenantTable(db, environment, { ...filtered, part: 'zzz' }))).toBeLessThan(2 * TENANTS)
})

test('a person is looked for in each tenant by indexes, and a part of a name among tenants in one pass', async () => {
  const wanted = { text: 'ada', folded: 'ada', uuid: randomUUID(), email: '{"emails":[{"value":"ada"}]}', term: 'abc' }
  const instance = { kind: 'instance' } as const
  // Four look-ups in each tenant.
  const people = (db: Database) => findPeople(db, instance, wanted, 20, { signal: undefined })
  expect(await mostRows(people)).toBeLessThan(2 * TENANTS)
  expect(await mostRows((db) => findTenants(db, instance, wanted, 20))).toBeLessThan(2 * TENANTS)
  // Requests by two look-ups in each tenant, however many others it has.
  const terms = [...Array(50)].map((_, i) => `t${i}`)
  const logged = [...Array(500)].map((_, i) => ({
    ...{ tenantId: some, id: lowestIdAt(i + 1), operation: 'list', status: 200, keyId: '', terms, bodies: null },
    entry: '{"method":"GET","path":"/Users","ms":1}',
  }))
  await insertRequests(database, logged)
  const requests = (db: Database) => findRequests(db, instance, wanted, 20, { signal: undefined })
  for (const table of [undefined, 'request_log', 'request_terms'])
    expect(await mostRows(requests, table)).toBeLessThan(2 * TENANTS)
})
