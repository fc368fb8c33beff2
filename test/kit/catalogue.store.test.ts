import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { adminClient } from '../../src/client/index.ts'
import { BACKGROUND } from '../../src/db/caller.ts'
import { faultsOf } from '../../src/events/catalogue/index.ts'
import { EVENT_TYPES } from '../../src/events/types.ts'
import { type Event, readFeed } from '../../src/kit/feed.ts'
import { play } from '../../src/kit/play.ts'
import { seedDirectory } from '../../src/kit/seed.ts'
import { DRIFT_KINDS } from '../../src/repositories/accounts/drift.ts'
import { AGENT_SCHEMA } from '../../src/scim/urn.ts'
import { IDENTITY_PROVIDERS } from '../../src/self-test/conversations/index.ts'
import { accountsApi } from '../support/accounts.ts'
import { idleDeliveries } from '../support/deliveries.ts'
import { type Gateway, openGateway, type TestTenant } from '../support/gateway.ts'
import { idIn, patchBody, userBody } from '../support/instances.ts'
import { openLogoutProvider } from '../support/logout.ts'

let gateway: Gateway
const deliveries: { stop(): Promise<void> }[] = []
beforeAll(async () => {
  gateway = await openGateway({ DELIVERY_NETWORKS: '127.0.0.0/8' })
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
  for (let after: string | undefined; ; ) {
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
  await client.PATCH(TENANT, { params: { path }, body: { settings: { mapping: { login: 'userName' } } } })

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

test('so is every event of agents, logouts and trusts', async () => {
  const provider = await openLogoutProvider()
  onTestFinished(provider.close)
  const tenant = await gateway.newTenant({ settings: { agents: true, logoutIssuers: [provider.registered] } })
  const agent = idIn(
    await tenant.scim('POST', '/Agents', { schemas: [AGENT_SCHEMA], agentUserName: 'bot', active: true }),
  )
  const replace = (path: string, value: unknown) =>
    tenant.scim('PATCH', `/Agents/${agent}`, patchBody({ op: 'replace', path, value }))
  await replace('displayName', 'Bot')
  await replace('active', false)
  await replace('active', true)
  await tenant.scim('DELETE', `/Agents/${agent}`)

  const id = idIn(await tenant.scim('POST', '/Users', userBody('ada')))
  const url = `${tenant.base}/.global-token-revocation`
  const headers = { Authorization: `Bearer ${await provider.token(url)}`, 'Content-Type': 'application/json' }
  const body = JSON.stringify({ sub_id: { format: 'opaque', id } })
  expect((await fetch(url, { method: 'POST', headers, body })).status).toBe(204)

  const client = clientWith(gateway.adminKey)
  const KEYS = '/projects/{project}/environments/{environment}/api-keys'
  const path = place()
  const { data: key } = await client.POST(KEYS, { params: { path }, body: { name: 'reader', tenant: tenant.name } })
  const at = { ...path, apiKey: key?.id ?? '' }
  const trust = {
    ...{ issuer: 'https://idp.example', jwksUri: 'https://idp.example/keys', subject: 'workload' },
    ...{ audiences: ['api://rollcall'], algorithms: ['RS256' as const] },
  }
  const { data: trusted } = await client.POST(`${KEYS}/{apiKey}/trusts`, { params: { path: at }, body: trust })
  await client.DELETE(`${KEYS}/{apiKey}/trusts/{trust}`, { params: { path: { ...at, trust: trusted?.id ?? '' } } })
  allFit(await eventsOf(tenant))
})

test('so is every event of accounts, of users who have one, and of repairs', async () => {
  const roleRules = [{ everyGroup: true as const }]
  const tenant = await gateway.newTenant({ settings: { roleRules } })
  const api = await accountsApi(gateway, tenant)
  await api.post(
    { id: 'one', externalId: 'x1', roles: [] },
    { id: 'two', userName: 'bob' },
    { id: 'three', addresses: ['bob'] },
    { id: 'ghost', userName: 'nobody' },
    { id: 'four', externalId: 'x3', roles: ['seller'] },
    { id: 'asleep', externalId: 'x2', active: false },
  )
  const make = async (name: string, more: object = {}) =>
    idIn(await tenant.scim('POST', '/Users', userBody(name, more)))
  const ada = await make('ada', { externalId: 'x1', active: true })
  const bob = await make('bob')
  await make('cyd', { externalId: 'x2', active: true })
  await make('dan', { active: true })
  await make('eve', { externalId: 'x3', active: true })
  await tenant.scim('POST', '/Groups', {
    ...{ schemas: ['urn:ietf:params:scim:schemas:core:2.0:Group'], displayName: 'seller', members: [{ value: ada }] },
  })
  await api.done('POST', '/account-reviews', { decision: 'merge', user: bob, account: 'two' })
  await api.done('POST', '/account-reviews', { decision: 'separate', user: bob, account: 'two' })
  for (let from: string | null | undefined; from !== null; ) {
    const body = { kinds: DRIFT_KINDS, from }
    ;({ next: from } = (await api.done('POST', '/account-drift/repairs', body)) as unknown as { next: string | null })
  }
  const events = await eventsOf(tenant)
  allFit(events)
  const repaired = events.filter((event) => 'origin' in event).map(({ type }) => type)
  expect(new Set(repaired)).toEqual(
    new Set(['user.deleted', 'user.activated', 'user.created', 'role.assigned', 'role.unassigned']),
  )
  const said = events.filter(({ type }) => type === 'user.created').map(({ changes }) => Object.keys(changes))
  expect(said).toEqual(
    expect.arrayContaining([
      ['after', 'account'],
      ['after', 'candidates'],
    ]),
  )
})

test('all together had every type, but for those that take days, or a key with public keys', () => {
  const rest = EVENT_TYPES.filter((type) => !seen.has(type))
  const elsewhere = /^(?:connection\.|api_key\.(?:changed|public_key_))/
  expect(rest.filter((type) => !elsewhere.test(type))).toEqual([])
})
