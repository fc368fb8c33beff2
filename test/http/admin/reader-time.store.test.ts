import { afterAll, beforeAll, expect, test } from 'vitest'
import { createApiKey } from '../../../src/administration/keys/api-keys.ts'
import { CONFIGURED_ADMIN } from '../../../src/auth/principal.ts'
import type { Database } from '../../../src/db/database.ts'
import { environmentPath } from '../../support/admin-sender.ts'
import { administrationOn } from '../../support/administration.ts'
import { openTestDatabase } from '../../support/engines.ts'
import type { TestTenant } from '../../support/gateway.ts'
import { type Instance, ORIGIN, openInstance, type Place, userBody } from '../../support/instances.ts'
import { placeOf } from '../../support/readers.ts'
import { withRun } from '../../support/statements.ts'

// A request has some seconds for all of its statements. Those who follow events or wait for them stay longer, so each of their statements
// has its own time.

/** Names of the statements that read what is followed. */
const READS = ['events-read', 'feed-read', 'request-log-read']

let instance: Instance
let place: Place
let tenant: TestTenant
let key: string
/** Reads of requests so far, and whether they had to end with all others of their request. */
const reads: { readonly shared: boolean }[] = []

beforeAll(async () => {
  const database: Database = await openTestDatabase()
  const noting = withRun(database, (handle, text, values, options = {}) => {
    const { kind, time } = handle.caller
    if (kind === 'request' && READS.includes(options.name ?? '')) reads.push({ shared: time !== undefined })
    return handle.run(text, values, options)
  })
  instance = await openInstance(noting)
  place = await instance.newPlace()
  tenant = await instance.newTenant({ place })
  expect((await tenant.scim('POST', '/Users', userBody('ada'))).status).toBe(201)
  const { projectId, environmentId } = place
  const made = await createApiKey(
    administrationOn(database),
    { kind: 'environment', projectId, environmentId },
    { name: 'application', permissions: ['directory:read', 'admin'] },
    CONFIGURED_ADMIN,
  )
  key = made.key
})
afterAll(() => instance.close())

const ask = (path: string) =>
  instance.send(new Request(`${ORIGIN}/api/v1${path}`, { headers: { Authorization: `Bearer ${key}` } }))

test.each([
  ['a stream of a tenant’s events', () => `${placeOf(tenant)}/events/stream`],
  ['a stream of the feed of an environment', () => `${environmentPath(place)}/events/stream`],
  ['a stream of requests', () => `${placeOf(tenant)}/requests/stream`],
  ['a request that waits for events', () => `${placeOf(tenant)}/events?wait=1`],
  ['a request that waits for events of an environment', () => `${environmentPath(place)}/events?wait=1`],
])('the statements of %s have each its own time', async (_, path) => {
  reads.length = 0
  const answer = await ask(path())
  expect(answer.status).toBe(200)
  const body = answer.body?.getReader()
  const pulled = [body?.read(), body?.read()]
  await expect.poll(() => reads.length, { timeout: 30_000 }).toBeGreaterThan(0)
  await body?.cancel()
  await Promise.all(pulled)
  expect(reads.filter(({ shared }) => shared)).toEqual([])
})

test('and those of a request that answers at once have one for all', async () => {
  reads.length = 0
  expect((await ask(`${placeOf(tenant)}/events`)).status).toBe(200)
  expect(reads).toContainEqual({ shared: true })
})
