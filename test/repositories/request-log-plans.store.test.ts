import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { listRequests, type RequestQuery, requestFollower } from '../../src/administration/requests.ts'
import type { Database } from '../../src/db/database.ts'
import { openPostgres } from '../../src/db/postgres.ts'
import { insertRequests, type NewRequest, newestRequests } from '../../src/repositories/log/request-log.ts'
import { REQUESTS_TRIMMED_AT_ONCE, trimRequests } from '../../src/repositories/log/request-log-age.ts'
import { idAt, lowestIdAt } from '../../src/request-log/ids.ts'
import { termOf } from '../../src/request-log/terms.ts'
import { engineName, freshPostgres, openFreshDatabase } from '../support/engines.ts'
import type { TestTenant } from '../support/gateway.ts'
import { type Instance, openInstance, tenantTables } from '../support/instances.ts'
import { manyRowsRead } from '../support/rows-read.ts'

// A log that grows on a database that the server never analyses. Plans are made while it is empty, in one session. How that goes on
// with ten million requests is measured by `npm run bench -- --only request-log-rows`.

const REQUESTS = 6_000
const PEOPLE = 300
const PAGE = 20
/** Index entries and rows of one kind that one question may look at: some pages, of each kind of request. */
const FEW = 10 * PAGE
/** The embedded engine's planner reads and sorts all requests of one kind, as long as they are a few thousand. */
const FEW_EMBEDDED = REQUESTS / 4

let database: Database
let instance: Instance
let tenant: TestTenant
let other: TestTenant
const begun = Date.now() - REQUESTS * 1_000
const momentAt = (n: number) => begun + n * 1_000

const OPERATIONS = ['list', 'list', 'list', 'create', 'modify'] as const
function request({ id: tenantId }: TestTenant, n: number): NewRequest {
  const refused = n % 10 === 0
  return {
    ...{ tenantId, id: idAt(momentAt(n)), operation: OPERATIONS[n % OPERATIONS.length] ?? 'list' },
    ...{ status: refused ? 409 : 200, keyId: n % 7 === 0 ? 'rare' : 'usual', terms: [termOf(`person${n % PEOPLE}`)] },
    ...{ entry: JSON.stringify({ ms: 1, method: 'GET', path: '/Users' }), bodies: null },
  }
}

/** What is asked of a log needs the tenant alone. */
const place = () => ({ kind: 'tenant', tenantId: tenant.id }) as Parameters<typeof listRequests>[1]
const list = (query: Partial<RequestQuery>) => async () => {
  const { requests } = await listRequests(database, place(), { limit: PAGE, ...query })
  return requests.length
}

const QUESTIONS: readonly (readonly [string, () => Promise<unknown>, found: unknown])[] = [
  ['the first page', list({}), PAGE],
  ['a page in the middle', async () => list({ after: lowestIdAt(momentAt(REQUESTS / 2)) })(), PAGE],
  ['a class of statuses', list({ status: [400, 499] }), PAGE],
  ['a status that no request has', list({ status: [500, 500] }), 0],
  ['an operation', list({ operation: 'create' }), PAGE],
  ['a key', list({ keyId: 'rare' }), PAGE],
  ['a key and a status, since', list({ keyId: 'rare', status: [409, 409], since: momentAt(REQUESTS - 70) }), 1],
  ['a person', list({ person: 'person7' }), PAGE],
  ['a person and a status', list({ person: 'person10', status: [409, 409] }), PAGE],
  ['a person whom nobody has named', list({ person: 'nobody' }), 0],
  ['an id that is not ours', list({ requestId: 'of-a-client' }), 0],
  ['an id that is not there', list({ requestId: randomUUID() }), 0],
  ['whether anything is new', async () => (await newestRequests(database, [tenant.id])).size, 1],
  [
    'what is new',
    async () => (await requestFollower(database, place(), { since: momentAt(REQUESTS - 20) })()).length,
    20,
  ],
]

beforeAll(async () => {
  database = engineName() === 'pglite' ? await openFreshDatabase() : await openPostgres(await freshPostgres(1))
  if (engineName() === 'postgres') {
    for (const table of await tenantTables(database))
      await database.run(`alter table ${table} set (autovacuum_enabled = false)`, [], { prepare: false })
  }
  instance = await openInstance(database)
  tenant = await instance.newTenant()
  other = await instance.newTenant()
  for (const [, ask] of QUESTIONS) await ask()
  await trimRequests(database, tenant.id, lowestIdAt(begun))
  for (let from = 0; from < REQUESTS; from += 250) {
    const numbers = Array.from({ length: 250 }, (_, i) => from + i)
    await insertRequests(
      database,
      numbers.flatMap((n) => [request(tenant, n), request(other, n)]),
    )
  }
})
afterAll(async () => {
  await instance.close()
  await database.close()
})

describe('Q-29 in a provisioning log that was never analysed, few rows are looked at for', () => {
  test.each(QUESTIONS)('%s', async (_, ask, expected) => {
    const [found, much] = await manyRowsRead(database, engineName() === 'pglite' ? FEW_EMBEDDED : FEW, ask)
    expect(found).toEqual(expected)
    expect(much).toEqual([])
  })

  test('a batch of what is too old: no more than it deletes, also behind others', async () => {
    const bound = lowestIdAt(momentAt(REQUESTS - 100))
    const trim = () => trimRequests(database, tenant.id, bound)
    for (let n = 0; n < 3; n++) {
      const [gone, much] = await manyRowsRead(database, 3 * REQUESTS_TRIMMED_AT_ONCE, trim)
      expect([gone, much]).toEqual([REQUESTS_TRIMMED_AT_ONCE, []])
    }
  })
})
