import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { adminClient } from '../../src/client/index.ts'
import { readFeed } from '../../src/kit/feed.ts'
import { PlayRefused, play } from '../../src/kit/play.ts'
import { seedDirectory } from '../../src/kit/seed.ts'
import { IDENTITY_PROVIDERS, type IdentityProvider } from '../../src/self-test/conversations/index.ts'
import type { Played, PlayOptions, Scenario } from '../../src/testing/types.ts'
import { type Gateway, openGateway, type TestTenant } from '../support/gateway.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await openGateway()
})
afterAll(async () => {
  expect(gateway.errors).toEqual([])
  await gateway.close()
})

const targetOf = ({ base, key }: TestTenant) => ({ baseUrl: base, key })

async function played(
  tenant: TestTenant,
  provider: IdentityProvider,
  scenario?: Scenario,
  options?: PlayOptions,
): Promise<readonly Played[]> {
  const all: Played[] = []
  for await (const one of play(targetOf(tenant), provider, scenario, options)) all.push(one)
  return all
}

/** The types of the events of a tenant. */
async function typesOf(tenant: TestTenant): Promise<readonly string[]> {
  const key = await gateway.mintKey({ permissions: ['directory:read'], tenant })
  const place = { project: gateway.project, environment: gateway.environment, tenant: tenant.name }
  const { events } = await readFeed({ client: adminClient({ origin: gateway.origin, key }), place }, { limit: 500 })
  return events.map(({ type }) => type)
}

const membersOf = async (tenant: TestTenant, displayName: string) => {
  const filter = encodeURIComponent(`displayName eq "${displayName}"`)
  const { body } = await tenant.scim('GET', `/Groups?filter=${filter}`)
  const [group] = (body as { Resources: { members?: { value: string }[] }[] }).Resources
  return (group?.members ?? []).map(({ value }) => value)
}

describe.each(IDENTITY_PROVIDERS)('%s', (provider) => {
  const sendsGroups = provider !== 'google'

  test('joins, moves and leaves as one person, and the log tells of each', async () => {
    const tenant = await gateway.newTenant()
    await played(tenant, provider, 'joiner', { userName: 'ada@acme.example' })
    await played(tenant, provider, 'mover', { userName: 'ada@acme.example' })
    await played(tenant, provider, 'leaver', { userName: 'ada@acme.example' })
    const types = await typesOf(tenant)
    expect(types).toEqual(expect.arrayContaining(['user.created', 'user.updated', 'user.deactivated']))
    expect(types.filter((type) => type === 'group.member_added')).toHaveLength(sendsGroups ? 2 : 0)
    expect(types.filter((type) => type === 'group.member_removed')).toHaveLength(sendsGroups ? 2 : 0)
  })

  test('adds and removes one member without touching those who are there', async () => {
    const tenant = await gateway.newTenant()
    const seed = {
      users: [{ userName: 'grace@acme.example' }, { userName: 'alan@acme.example' }],
      groups: [{ displayName: 'Engineering', members: ['grace@acme.example', 'alan@acme.example'] }],
    }
    const { users } = await seedDirectory(targetOf(tenant), seed)
    const there = Object.values(users).sort()
    await played(tenant, provider, 'joiner', { userName: 'ada@acme.example' })
    expect(await membersOf(tenant, 'Engineering')).toHaveLength(sendsGroups ? 3 : 2)
    await played(tenant, provider, 'leaver', { userName: 'ada@acme.example' })
    expect((await membersOf(tenant, 'Engineering')).sort()).toEqual(there)
  })

  test('syncs a whole company', async () => {
    const tenant = await gateway.newTenant()
    await played(tenant, provider, 'big-sync', { users: 12 })
    expect((await tenant.scim('GET', '/Users?count=0')).body).toMatchObject({ totalResults: 12 })
    expect(await membersOf(tenant, 'Engineering')).toHaveLength(sendsGroups ? 6 : 0)
    expect(await membersOf(tenant, 'Sales')).toHaveLength(sendsGroups ? 6 : 0)
  })
})

test('without a name the newest active user leaves, and where there is none, somebody joins first', async () => {
  const tenant = await gateway.newTenant()
  const first = await played(tenant, 'okta', 'leaver')
  expect(first.map(({ title }) => title)).toContain('Creates the user')
  await seedDirectory(targetOf(tenant), { users: [{ userName: 'ada@acme.example' }, { userName: 'bob@acme.example' }] })
  const second = await played(tenant, 'okta', 'leaver')
  expect(second.map(({ userName }) => userName)).toContain('bob@acme.example')
  expect(second.map(({ title }) => title)).not.toContain('Creates the user')
})

test('without a scenario one person joins, moves and leaves', async () => {
  const tenant = await gateway.newTenant()
  const all = await played(tenant, 'entra')
  expect(new Set(all.map(({ userName }) => userName)).size).toBe(1)
  expect((await tenant.scim('GET', `/Users?filter=active+eq+true`)).body).toMatchObject({ totalResults: 0 })
})

test('what the gateway refuses ends the play, in the words of the gateway', async () => {
  const tenant = await gateway.newTenant({ settings: { maxActiveUsers: 1 } })
  await played(tenant, 'okta', 'joiner')
  await expect(played(tenant, 'okta', 'joiner')).rejects.toThrow(/Creates the user: .* 403: .*maxActiveUsers/)
  await expect(played(tenant, 'okta', 'mover', { userName: 'nobody' })).rejects.toThrow(PlayRefused)
})

test('a seed that names a member who is nobody is refused before it is sent', async () => {
  const tenant = await gateway.newTenant()
  const seed = { groups: [{ displayName: 'Sales', members: ['nobody@acme.example'] }] }
  await expect(seedDirectory(targetOf(tenant), seed)).rejects.toThrow(/nobody@acme\.example, who is not seeded/)
})
