import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rotateApiKey } from '../../src/administration/keys/key-rotation.ts'
import { parseApiKey } from '../../src/auth/api-key.ts'
import { CONFIGURED_ADMIN } from '../../src/auth/principal.ts'
import { EXIT } from '../../src/cli/failure.ts'
import type { Schemas } from '../../src/client/index.ts'
import { CLIENTS } from '../../src/explanations/clients.ts'
import { eventLogOf } from '../../src/repositories/log/event-log.ts'
import { IDENTITY_PROVIDERS } from '../../src/self-test/conversations/index.ts'
import type { TenantSettings } from '../../src/tenancy/settings.ts'
import { administrationOn } from '../support/administration.ts'
import { rollcall } from '../support/cli.ts'
import { sentencesIn } from '../support/explanations.ts'
import { type Gateway, openGateway, type TestTenant } from '../support/gateway.ts'
import { idIn, patchBody, userBody } from '../support/instances.ts'
import { placeOf } from '../support/readers.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await openGateway()
})
afterAll(async () => {
  expect(gateway.errors).toEqual([])
  await gateway.close()
})

type Input = Partial<Schemas['NewSelfTest']>

async function admin(tenant: TestTenant, method: string, path: string, body?: unknown, key = gateway.adminKey) {
  const answer = await fetch(`${gateway.origin}/api/v1${placeOf(tenant)}${path}`, {
    method,
    headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: answer.status, body: (await answer.json()) as Schemas['SelfTest'] & { readonly detail?: string } }
}

/** What a self-test of a tenant finds, with its own key unless it is said otherwise. */
async function selfTest(tenant: TestTenant, input: Input = {}): Promise<Schemas['SelfTest']> {
  const { status, body } = await admin(tenant, 'POST', '/self-tests', {
    ...{ identityProvider: 'okta', key: tenant.key },
    ...input,
  })
  expect([status, body.detail]).toEqual([200, undefined])
  return body
}
const failuresOf = ({ steps }: Schemas['SelfTest']) => steps.filter(({ state }) => state === 'failed')

describe.each(IDENTITY_PROVIDERS)('a tenant as it is when it is new, and %s', (identityProvider) => {
  test('pass, and nothing is left behind', async () => {
    const tenant = await gateway.newTenant()
    const result = await selfTest(tenant, { identityProvider })
    expect(failuresOf(result)).toEqual([])
    expect(result.steps.filter(({ state }) => state !== 'passed')).toEqual([])
    expect(result).toMatchObject({ identityProvider, baseUrl: tenant.base, passed: true })
    expect(result.steps.map(({ part }) => part)).toEqual(
      expect.arrayContaining(['connection', 'tenant', 'conversation']),
    )
    expect(result.steps.length).toBeGreaterThan(9)
    expect((await tenant.scim('GET', '/Users?count=0')).body).toMatchObject({ totalResults: 0 })
    expect(await scratchOf(tenant)).toEqual([])
  })
})

/** What there is of scratch tenants of a tenant. */
const scratchOf = (tenant: TestTenant) =>
  gateway.database.run('select id from environments where key = $1::text', [
    `self-test-${tenant.id.replaceAll('-', '')}`,
  ])

interface Fault {
  readonly named: string
  readonly settings?: TenantSettings
  /** Does something to the tenant, and gives what the identity provider has. */
  readonly plant?: (tenant: TestTenant) => Promise<Input>
  /** What the remedy speaks of. */
  readonly remedy: RegExp
}

const keyWith = (options: NonNullable<Parameters<Gateway['mintKey']>[0]>) => async (tenant: TestTenant) => ({
  key: await gateway.mintKey({ tenant, ...options }),
})

const FAULTS: Readonly<Record<string, Fault>> = {
  'the wrong mode for Entra': {
    ...{ named: 'operation-in-capitals', settings: { mode: 'strict' }, remedy: /mode to lenient.*aadOptscim062020/s },
    plant: async () => ({ identityProvider: 'entra' }),
  },
  'the wrong mode for Keycloak': {
    ...{ named: 'boolean-as-text', settings: { mode: 'strict' }, remedy: /without quotation marks.*lenient/s },
    plant: async () => ({ identityProvider: 'keycloak' }),
  },
  'group sync off': {
    named: 'group-sync-off',
    settings: { groupSync: false },
    remedy: /turn groupSync on.*Push Groups/s,
  },
  'user sync off': { named: 'user-sync-off', settings: { userSync: false }, remedy: /turn userSync on/ },
  'passwords refused': { named: 'passwords-refused', settings: { password: 'refuse' }, remedy: /Remove password from/ },
  'a read-only key': {
    ...{
      named: 'key-lacks-permission',
      plant: keyWith({ permissions: ['scim:read'] }),
      remedy: /scim:read and scim:write/,
    },
  },
  'a key for something else': {
    ...{ named: 'key-lacks-permission', plant: keyWith({ permissions: ['directory:read'] }), remedy: /scim:read/ },
  },
  'an expired key': {
    ...{ named: 'key-expired', plant: keyWith({ expiresAt: new Date(Date.now() - 1_000) }), remedy: /Make a new key/ },
  },
  'an ended key': {
    ...{ named: 'key-revoked', remedy: /Make a new key/ },
    plant: async (tenant) => {
      const key = await gateway.mintKey({ tenant })
      await gateway.revoke(key)
      return { key }
    },
  },
  'the old secret of a rotated key': {
    ...{ named: 'key-rotated', remedy: /newest secret/ },
    plant: async (tenant) => {
      const key = await gateway.mintKey({ tenant })
      const administration = administrationOn(gateway.database)
      const wish = { keepOldForSeconds: 0 }
      await rotateApiKey(
        administration,
        { kind: 'instance' },
        parseApiKey(key) ?? '',
        wish,
        CONFIGURED_ADMIN,
        new Date(),
      )
      return { key }
    },
  },
  'half of a key': { named: 'key-unknown', plant: async ({ key }) => ({ key: key.slice(0, 30) }), remedy: /whole key/ },
  'a key with a space in it': {
    named: 'key-malformed',
    plant: async ({ key }) => ({ key: `${key} x` }),
    remedy: /once/,
  },
  'a key of another project': {
    ...{ named: 'key-of-another-place', remedy: /from the same page/ },
    plant: async () => ({ key: await gateway.keyOfAnotherProject() }),
  },
  'a key of one user': {
    ...{ named: 'key-of-one-user', remedy: /Make a new key/ },
    plant: async (tenant) => {
      const userId = idIn(await tenant.scim('POST', '/Users', userBody('only')))
      return { key: await gateway.mintKey({ tenant, userId }) }
    },
  },
  'an address that is not allowed': {
    ...{ named: 'address-not-allowed', settings: { allowedAddresses: ['203.0.113.0/24'] }, remedy: /allowedAddresses/ },
    plant: async () => ({ address: '198.51.100.7' }),
  },
  'no seat left': {
    ...{ named: 'seats-gone', settings: { maxActiveUsers: 1 }, remedy: /maxActiveUsers/ },
    plant: async (tenant) => {
      await tenant.scim('POST', '/Users', userBody('seated'))
      return {}
    },
  },
  'a schema that is missing': {
    ...{ named: 'schema-not-found', remedy: /register the schema/ },
    plant: async () => ({ schemaUrns: ['urn:example:scim:schemas:extension:2.0:Missing'] }),
  },
  'a paused tenant': {
    ...{ named: 'place-paused', remedy: /resume/ },
    plant: async (tenant) => {
      await admin(tenant, 'PATCH', '', { paused: true })
      return {}
    },
  },
  'leavers that the brake holds': {
    ...{
      named: 'brake-holds',
      settings: { leaverBrake: { mode: 'hold', count: 1, windowMinutes: 60, releaseAfterHours: 24 } },
    },
    remedy: /release the brake/,
    plant: async (tenant) => {
      for (const name of ['a', 'b', 'c']) {
        const id = idIn(await tenant.scim('POST', '/Users', userBody(name)))
        await tenant.scim('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'active', value: false }))
        await eventLogOf(gateway.database, tenant.id).number()
      }
      return {}
    },
  },
  'the base URL of another tenant': {
    ...{ named: 'base-url-of-another-tenant', remedy: /SCIM connector base URL/ },
    plant: async () => ({ baseUrl: (await gateway.newTenant()).base }),
  },
  'the base URL of another environment': {
    ...{ named: 'base-url-of-another-tenant', remedy: /Copy the base URL/ },
    plant: async ({ base }) => ({ baseUrl: base.replace(`/${gateway.environment}/`, '/other/') }),
  },
  'an address that is no base URL': {
    ...{ named: 'base-url-wrong', remedy: /Copy the base URL/ },
    plant: async () => ({ baseUrl: `${gateway.origin}/api/v1` }),
  },
  'the base URL of another host': {
    ...{ named: 'host-unknown', remedy: /PUBLIC_URL/ },
    plant: async ({ base }) => ({ baseUrl: base.replace(gateway.origin, 'https://elsewhere.example') }),
  },
}

describe('a planted fault is named with its remedy', () => {
  test.each(Object.entries(FAULTS))('%s', async (_, { named, settings = {}, plant, remedy }) => {
    const tenant = await gateway.newTenant({ settings })
    const input = (await plant?.(tenant)) ?? {}
    const before = await contentOf(tenant)
    const result = await selfTest(tenant, input)
    expect(result.passed).toBe(false)
    const failed = failuresOf(result)
    const step = failed.find(({ reason }) => reason === named)
    expect(step, JSON.stringify(failed)).toBeDefined()
    expect(step?.remedy).toMatch(remedy)
    for (const { problem, remedy: advice } of failed)
      for (const sentence of sentencesIn(`${problem} ${advice}`))
        expect(sentence.split(/\s+/).length).toBeLessThanOrEqual(25)
    // Nothing of the tenant has changed, and nothing else is left.
    expect(await contentOf(tenant)).toEqual(before)
    expect(await scratchOf(tenant)).toEqual([])
  })
})

/** All that a tenant holds and logs. */
const contentOf = ({ id }: TestTenant) =>
  gateway.database.run(
    `select 'resource' as kind, id::text, version::int from resources where tenant_id = $1::uuid
     union all select 'event', id::text, 0 from events where tenant_id = $1::uuid
     union all select 'key', id::text, 0 from api_keys where tenant_id = $1::uuid order by 1, 2`,
    [id],
  )

test('nobody but the gateway learns of its own requests why they are refused', async () => {
  const tenant = await gateway.newTenant()
  for (const token of ['', 'guessed', 'true']) {
    const headers = { Authorization: `Bearer ${tenant.key}`, 'X-Rollcall-Self-Test': token }
    const answer = await fetch(`${tenant.base}/Users/none`, { headers })
    expect([answer.status, answer.headers.get('x-rollcall-reason')]).toEqual([404, null])
  }
})

test('a schema of the tenant is in the scratch tenant too', async () => {
  const tenant = await gateway.newTenant()
  const urn = 'urn:example:scim:schemas:extension:2.0:Desk'
  const schema = { id: urn, name: 'Desk', attributes: [{ name: 'floor', type: 'string', multiValued: false }] }
  const put = await admin(tenant, 'PUT', `/schema-extensions/${encodeURIComponent(urn)}`, {
    schema,
    resourceType: 'User',
  })
  expect(put.status, JSON.stringify(put.body)).toBe(201)
  expect(failuresOf(await selfTest(tenant, { schemaUrns: [urn] }))).toEqual([])
})

test('without a key, and without an address where some are allowed, these are left out and said', async () => {
  const tenant = await gateway.newTenant({ settings: { allowedAddresses: ['203.0.113.0/24'] } })
  const skipped = ({ steps }: Schemas['SelfTest']) =>
    steps.filter(({ state }) => state === 'skipped').map(({ reason }) => reason)
  const withKey = await selfTest(tenant)
  expect([withKey.passed, skipped(withKey)]).toEqual([true, ['address-unknown']])
  const { body } = await admin(tenant, 'POST', '/self-tests', { identityProvider: 'okta' })
  expect([body.passed, skipped(body)]).toEqual([true, ['no-key']])
  expect(failuresOf(await selfTest(tenant, { address: '203.0.113.9' }))).toEqual([])
})

test('a tenant has one at a time, and what a process left behind is removed later', async () => {
  const tenant = await gateway.newTenant()
  const both = await Promise.all([1, 2].map(() => admin(tenant, 'POST', '/self-tests', { identityProvider: 'google' })))
  expect(both.map(({ status }) => status).sort()).toEqual([200, 409])
  const key = `self-test-${tenant.id.replaceAll('-', '')}`
  const place = placeOf(tenant).split('/environments/')[0]
  const made = await fetch(`${gateway.origin}/api/v1${place}/environments`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${gateway.adminKey}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ key }),
  })
  expect(made.status).toBe(201)
  expect((await admin(tenant, 'POST', '/self-tests', { identityProvider: 'google' })).status).toBe(409)
  await gateway.database.run(`update environments set created_at = now() - interval '6 minutes' where key = $1::text`, [
    key,
  ])
  expect((await selfTest(tenant)).passed).toBe(true)
  expect(await scratchOf(tenant)).toEqual([])
})

test('it is for administrators of the tenant alone, and takes no key that names another host', async () => {
  const tenant = await gateway.newTenant()
  expect((await admin(tenant, 'POST', '/self-tests', { identityProvider: 'okta' }, tenant.key)).status).toBe(403)
  const own = await gateway.mintKey({ tenant, permissions: ['admin'] })
  expect((await admin(tenant, 'POST', '/self-tests', { identityProvider: 'okta' }, own)).status).toBe(200)
  for (const wrong of [
    { identityProvider: 'none' },
    { identityProvider: 'okta', baseUrl: 'file:///etc' },
    { identityProvider: 'okta', address: 'x' },
  ])
    expect((await admin(tenant, 'POST', '/self-tests', wrong)).status).toBe(400)
})

test('the command line shows each step, and ends with a code of its own where one failed', async () => {
  const tenant = await gateway.newTenant({ settings: { groupSync: false } })
  const env = {
    ...{ ROLLCALL_URL: gateway.origin, ROLLCALL_ADMIN_KEY: gateway.adminKey, ROLLCALL_TEST_KEY: tenant.key },
    ...{ ROLLCALL_PROJECT: gateway.project, ROLLCALL_ENVIRONMENT: gateway.environment },
  }
  const failed = await rollcall(env, 'tenant', 'test', tenant.name, '--identity-provider', 'okta')
  expect(failed.exitCode).toBe(EXIT.unwell)
  expect(failed.out).toMatch(/✗ Creates a group {2}\(POST \/Groups: 403\)\n {4}Okta sent groups.*\n {4}→ .*Push Groups/)
  const good = await rollcall(env, 'tenant', 'test', tenant.name, '--identity-provider', 'google')
  expect([good.exitCode, good.err]).toEqual([EXIT.done, ''])
  const { ROLLCALL_URL: _, ...without } = env
  expect((await rollcall(without, 'tenant', 'test', tenant.name, '--identity-provider', 'okta')).exitCode).toBe(
    EXIT.usage,
  )
})

test('every identity provider that the explanations know has its conversation', () => {
  expect(IDENTITY_PROVIDERS).toEqual([...CLIENTS, 'generic'])
})
