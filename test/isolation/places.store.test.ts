import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import type { TenantId } from '../../src/place-ids.ts'
import { replayEvents } from '../../src/repositories/delivery/webhook-backlog.ts'
import { eventLogOf } from '../../src/repositories/log/event-log.ts'
import { adminSender, environmentPath, placesApart } from '../support/admin-sender.ts'
import { openFreshDatabase } from '../support/engines.ts'
import type { TestTenant } from '../support/gateway.ts'
import { eventsOf, type Instance, idIn, openInstance, type Place, userBody } from '../support/instances.ts'
import { openReceiver, type Receiver } from '../support/receiver.ts'

const ADMIN = 'an-admin-key-for-places-in-tests'
const ENV = { ADMIN_KEY: ADMIN, DELIVERY_NETWORKS: '127.0.0.0/8', PUBLIC_URL: 'http://scim.test' }
const RETRIES = {
  ...{ firstMs: 20, growth: 2, longestMs: 100, giveUpAfterMs: 60_000, disableAfterMs: 60_000 },
  restMs: { first: 20, longest: 100 },
}
const NOBODYS = '0198c0de-0000-7000-8000-000000000000'
const KINDS = ['webhooks', 'streams'] as const
const EARLIEST = '2020-01-01T00:00:00Z'

let database: Database
let here: Instance
let receiver: Receiver
let place: Place
/** Of the environment whose key asks: one whose tenant-level endpoints are tried, and one beside it. */
let mine: TestTenant
let beside: TestTenant
/** Of another environment of the project, and of another project. */
let foreign: TestTenant[]
/** Of the environment alone. */
let key: string
let paths = 0

beforeAll(async () => {
  database = await openFreshDatabase()
  here = await openInstance(database, ENV, RETRIES)
  receiver = await openReceiver()
  const places = await placesApart(here)
  place = places[0] as Place
  const tenants: TestTenant[] = []
  for (const at of places) {
    const tenant = await here.newTenant({ place: at })
    idIn(await tenant.scim('POST', '/Users', userBody(`of-${tenant.id}`)))
    await eventLogOf(database, tenant.id).number({ wait: true })
    tenants.push(tenant)
  }
  // The environments' default tenants have logs too. An event that gets its position later is sent to an endpoint of a test.
  const waiting = () => database.run('select 1 from waiting_events', [])
  await vi.waitFor(async () => expect(await waiting()).toEqual([]), { timeout: 60_000, interval: 20 })
  ;[mine, beside] = tenants as [TestTenant, TestTenant]
  foreign = tenants.slice(2)
  const permissions = ['admin', 'directory:read']
  const made = await ask(ADMIN, 'POST', `${at()}/api-keys`, { name: 'environment', permissions })
  key = String(made.body.key)
})
afterAll(async () => {
  await here.close()
  await receiver.close()
  expect(here.errors).toEqual([])
  await database.close()
})

const at = (tenant?: TestTenant) => {
  const environment = environmentPath(place)
  return tenant === undefined ? environment : `${environment}/tenants/${tenant.id}`
}

async function ask(as: string, method: string, path: string, body?: object) {
  const { status, body: answered } = await adminSender(() => here, as)(method, path, body)
  const { requestId, ...answer } = answered
  return { status, body: answer }
}

/** A webhook, or a stream that is polled and tells everything; of the environment, or of one tenant. */
async function endpoint(kind: (typeof KINDS)[number], tenant?: TestTenant) {
  const path = `/hook${++paths}`
  const stream = { method: 'poll', format: 'full', audience: 'urn:receiver' }
  const input = kind === 'webhooks' ? { url: receiver.origin + path } : stream
  const made = await ask(key, 'POST', `${at(tenant)}/${kind}`, input)
  expect(made.status).toBe(201)
  const id = String(made.body.id)
  const own = `${at(tenant)}/${kind}/${id}`
  return {
    id,
    replay: (body: object) => ask(key, 'POST', `${own}/replay`, body),
    deliveries: (query: string) => ask(key, 'GET', `${own}/deliveries?${query}`),
    poll: (body: object) => ask(key, 'POST', `${own}/poll`, { returnImmediately: true, ...body }),
    queued: () => database.run('select 1 from webhook_deliveries where endpoint_id = $1::uuid', [id]),
    /** All that its receiver has got, as text. */
    got: async () =>
      kind === 'webhooks'
        ? receiver.messages.filter((message) => message.path === path).map(({ text }) => text)
        : Object.values((await ask(key, 'POST', `${own}/poll`, { returnImmediately: true })).body.sets as object).map(
            (set: string) => Buffer.from(set.split('.')[1] ?? '', 'base64url').toString(),
          ),
  }
}

/** Every way to ask for what a tenant has in its log. */
async function replaysOf(tenantId: string): Promise<object[]> {
  const { items } = await logOf(tenantId)
  return [
    { since: EARLIEST, tenantId },
    { dead: true, tenantId },
    { tenantId, positions: [1, 2, 3] },
    { tenantId, events: [NOBODYS, ...items.map(({ id }) => id)] },
  ]
}

async function logOf(tenantId: string) {
  const known = [mine, beside, ...foreign].find(({ id }) => id === tenantId)
  if (known === undefined) return { items: [] }
  const path = new URL(known.base).pathname.split('/')
  const [project, environment] = [path[3], path[4]]
  const log = await ask(
    ADMIN,
    'GET',
    `/projects/${project}/environments/${environment}/tenants/${tenantId}/events?limit=10`,
  )
  return log.body as { items: { id: string }[] }
}

describe('TEN-04 SEC-13 a tenant that a body names is looked up where the endpoint is', () => {
  for (const kind of KINDS)
    for (const level of ['an environment', 'a tenant'])
      test(`${kind} of ${level} are sent no log but of their own tenants`, async () => {
        const one = await endpoint(kind, level === 'a tenant' ? mine : undefined)
        const others = [NOBODYS, ...foreign.map(({ id }) => id), ...(level === 'a tenant' ? [beside.id] : [])]
        const answers = []
        for (const id of others) {
          // The tenants have logs of which there would be something to send.
          if (id !== NOBODYS) expect(await eventsOf(database, id)).not.toEqual([])
          for (const body of await replaysOf(id)) answers.push(await one.replay(body))
        }
        const message = 'must be the id of a tenant that the endpoint is for'
        const refused = { status: 400, body: { status: 400, title: 'Bad Request', detail: `tenantId ${message}.` } }
        const body = { ...refused.body, errors: [{ path: 'tenantId', message }] }
        expect(answers).toEqual(answers.map(() => ({ ...refused, body })))
        expect(await one.queued()).toEqual([])

        // Its own comes, and nothing else with it.
        expect(await one.replay({ since: EARLIEST, tenantId: mine.id })).toEqual({ status: 202, body: { queued: 1 } })
        await expect.poll(one.got, { interval: 20 }).toEqual([expect.stringContaining(mine.id)])
      })

  test('the statement asks the store for the place, too, whatever it was given', async () => {
    const [wide, narrow] = [await endpoint('webhooks'), await endpoint('streams', mine)]
    const replay = (tenantId: TenantId, { id }: { readonly id: string }) =>
      replayEvents(database, { tenantId, endpointId: id }, { kind: 'positions', positions: [1] }, 0, 10)
    for (const { id } of foreign)
      for (const one of [wide, narrow]) expect(await replay(id, one)).toEqual({ queued: 0, last: 1 })
    expect(await replay(beside.id, narrow)).toEqual({ queued: 0, last: 1 })
    expect(await replay(mine.id, narrow)).toEqual({ queued: 1, last: 1 })
  })
})

describe('TEN-04 cursors and names that are none', () => {
  const HYPHENS = '-'.repeat(36)

  for (const kind of KINDS)
    test(`${kind}: a malformed cursor of the deliveries is refused with words`, async () => {
      const one = await endpoint(kind)
      for (const after of [`${HYPHENS}.1`, `${mine.id.slice(0, -1)}-.1`, `${mine.id}.`, mine.id, 'x'])
        expect(await one.deliveries(`after=${after}`), after).toMatchObject({
          status: 400,
          body: { errors: [{ path: 'after', message: 'must be the "next" of a list' }] },
        })
      expect(await one.deliveries(`after=${mine.id}.1`)).toMatchObject({ status: 200 })
    })

  test('acknowledgements of what is no token, or another tenant’s, are passed over', async () => {
    const one = await endpoint('streams')
    const ack = [HYPHENS, ...foreign.map(({ id }) => id), NOBODYS].map((id) => `${'x'.repeat(22)}.${id}.1.0`)
    expect(await one.poll({ ack })).toMatchObject({ status: 200, body: { sets: {} } })
  })

  test('a name with U+0000 in a path is refused with words, where any text is a name', async () => {
    const names = ['roles/%00/groups', 'resource-types/%00', 'schema-extensions/%00']
    for (const name of names)
      expect(await ask(ADMIN, 'GET', `${at(mine)}/${name}`), name).toMatchObject({ status: 400 })
  })

  test('moments that no store has are compared all the same', async () => {
    const one = await endpoint('webhooks', mine)
    for (const since of ['0000-01-01T00:00:00Z', '2020-01-01T00:00:00+23:59'])
      expect(await one.replay({ since }), since).toMatchObject({ status: 202 })
    expect(await one.replay({ since: EARLIEST, until: '0000-01-01T00:00:00Z' })).toMatchObject({ body: { queued: 0 } })
  })
})
