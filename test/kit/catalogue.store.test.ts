import { afterAll, beforeAll, expect, test } from 'vitest'
import { adminClient } from '../../src/client/index.ts'
import { BACKGROUND } from '../../src/db/caller.ts'
import { faultsOf } from '../../src/events/catalogue/index.ts'
import { EVENT_TYPES } from '../../src/events/types.ts'
import { type Event, readFeed } from '../../src/kit/feed.ts'
import { play } from '../../src/kit/play.ts'
import { seedDirectory } from '../../src/kit/seed.ts'
import { IDENTITY_PROVIDERS } from '../../src/self-test/conversations/index.ts'
import { idleDeliveries } from '../support/deliveries.ts'
import { type Gateway, openGateway, type TestTenant } from '../support/gateway.ts'

let gateway: Gateway
const deliveries: { stop(): Promise<void> }[] = []
beforeAll(async () => {
  gateway = await openGateway()
  const running = idleDeliveries(gateway.database.for(BACKGROUND))
  running.start()
  deliveries.push(running)
})
afterAll(async () => {
  await gateway.close()
  for (const running of deliveries) await running.stop()
})

const clientWith = (key: string) => adminClient({ origin: gateway.origin, key })

/** All events of a tenant. */
async function eventsOf(tenant: TestTenant): Promise<readonly Event[]> {
  const key = await gateway.mintKey({ permissions: ['directory:read'], tenant })
  const feed = { client: clientWith(key), place: { ...place(), tenant: tenant.name } }
  const all: Event[] = []
  for (let after: number | undefined; ; ) {
    const { events, next, more } = await readFeed(feed, { after, limit: 500 })
    all.push(...events)
    if (!more) return all
    after = next
  }
}
const place = () => ({ project: gateway.project, environment: gateway.environment })
const seen = new Set<string>()

function allFit(events: readonly Event[]): void {
  expect(events.length).toBeGreaterThan(0)
  expect(events.flatMap(faultsOf)).toEqual([])
  for (const { type } of events) seen.add(type)
}

test.each(IDENTITY_PROVIDERS)('every event of a conversation of %s is as the catalogue says', async (provider) => {
  const settings = { roleRules: [{ everyGroup: true as const }] }
  const tenant = await gateway.newTenant({ settings })
  const target = { baseUrl: tenant.base, key: tenant.key }
  for await (const _ of play(target, provider));
  for await (const _ of play(target, provider, 'big-sync', { users: 4 }));
  allFit(await eventsOf(tenant))
})

test('so is every event of what else happens in a tenant', async () => {
  const tenant = await gateway.newTenant({ settings: { maxActiveUsers: 6 } })
  const client = clientWith(gateway.adminKey)
  const path = { ...place(), tenant: tenant.name }
  const TENANT = '/projects/{project}/environments/{environment}/tenants/{tenant}'
  const KEYS = '/projects/{project}/environments/{environment}/api-keys'
  const scim = { baseUrl: tenant.base, key: tenant.key }

  const userNames = ['ada', 'bob', 'cyd', 'dan', 'eve', 'fay']
  const groups = [{ displayName: 'Sales', members: ['ada', 'bob'] }]
  const { users, groups: made } = await seedDirectory(scim, {
    users: userNames.map((userName) => ({ userName })),
    groups,
  })
  const change = async (method: string, at: string, body?: unknown) => {
    const { status, text } = await tenant.scim(method, at, body)
    return { status, text }
  }
  const patch = (...Operations: object[]) => ({
    schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
    Operations,
  })
  const user = { schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'], userName: 'one-too-many' }
  expect(await change('POST', '/Users', user)).toMatchObject({ status: 403 })
  await change('PATCH', `/Groups/${made.Sales}`, patch({ op: 'replace', path: 'displayName', value: 'Sales Europe' }))
  await change('PATCH', `/Users/${users.ada}`, patch({ op: 'replace', path: 'active', value: false }))
  await change('PATCH', `/Users/${users.ada}`, patch({ op: 'replace', path: 'active', value: true }))
  await change('PATCH', `/Users/${users.ada}`, patch({ op: 'replace', path: 'password', value: 'a secret of Ada' }))
  await change('DELETE', `/Groups/${made.Sales}`)

  await client.PATCH(TENANT, { params: { path }, body: { name: 'New name', settings: { onDelete: 'deactivate' } } })
  await change('DELETE', `/Users/${users.bob}`)
  await client.PATCH(TENANT, { params: { path }, body: { paused: true } })
  await client.PATCH(TENANT, { params: { path }, body: { paused: false } })

  const { data: key } = await client.POST(KEYS, { params: { path }, body: { name: 'reader', tenant: tenant.name } })
  const at = { params: { path: { ...path, apiKey: key?.id ?? '' } } }
  await client.POST(`${KEYS}/{apiKey}/rotation`, { ...at, body: {} })
  await client.DELETE(`${KEYS}/{apiKey}/rotation`, at)
  await client.POST(`${KEYS}/{apiKey}/rotation`, { ...at, body: {} })
  await client.DELETE(`${KEYS}/{apiKey}/rotation/old`, at)
  await client.DELETE(`${KEYS}/{apiKey}`, at)

  for (const mode of ['warn', 'hold'] as const) {
    const leaverBrake = { mode, count: 1, windowMinutes: 60, releaseAfterHours: 24 }
    await client.PATCH(TENANT, { params: { path }, body: { settings: { leaverBrake, onDelete: 'remove' } } })
    const leavers = mode === 'warn' ? ['cyd', 'dan'] : ['eve', 'fay']
    for (const name of leavers) await change('DELETE', `/Users/${users[name]}`)
    await eventsOf(tenant)
  }
  await client.POST(`${TENANT}/brake/release`, { params: { path }, body: { note: 'They have left.' } })
  allFit(await eventsOf(tenant))

  const { data: other } = await client.POST('/projects/{project}/environments/{environment}/tenants', {
    params: { path: place() },
    body: { key: `new-${tenant.name}` },
  })
  allFit(await eventsOf({ ...tenant, id: other?.id as never, name: other?.key ?? '' }))
})

test('the two together had every type, but for those that take days, an issuer, agents, or public keys', () => {
  const rest = EVENT_TYPES.filter((type) => !seen.has(type))
  const elsewhere = /^(?:connection\.|agent\.|user\.sessions_revoked|api_key\.(?:changed|public_key_|trust_))/
  expect(rest.filter((type) => !elsewhere.test(type))).toEqual([])
})
