import { createServer, type Server } from 'node:http'
import { type AddressInfo, Socket } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { ExternalIssuers } from '../../../src/auth/external-issuers.ts'
import type { ExternalIssuer } from '../../../src/tenancy/trusted-issuers.ts'
import { type Gateway, openGateway, type TestTenant } from '../../support/gateway.ts'

const ISSUER = 'https://idp.example/oauth2/default'
let gateway: Gateway
let tenant: TestTenant
let server: Server
let origin: string
/** What the issuer publishes, by path, and how often it was asked. */
const published = new Map<string, string>()
const asked: string[] = []
let pair: Awaited<ReturnType<typeof newPair>>

async function newPair(kid: string, alg = 'ES256') {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  return { privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg } }
}

beforeAll(async () => {
  server = createServer((request, response) => {
    const path = request.url ?? ''
    asked.push(path)
    if (path === '/elsewhere') response.writeHead(302, { Location: '/jwks' }).end()
    else if (!published.has(path)) response.writeHead(500).end('{"keys":[]}')
    else response.writeHead(200, { 'Content-Type': 'application/json' }).end(published.get(path))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  gateway = await openGateway({ DELIVERY_NETWORKS: '127.0.0.1/32' })
  pair = await newPair('one')
  published.set('/jwks', JSON.stringify({ keys: [pair.jwk] }))
  tenant = await gateway.newTenant({ settings: { externalIssuers: [trusted()] } })
})
afterAll(async () => {
  await gateway.close()
  await new Promise((done) => server.close(done))
})
beforeEach(() => {
  asked.length = 0
})

const trusted = (more: Partial<ExternalIssuer> = {}): ExternalIssuer => ({
  ...{ name: 'okta', issuer: ISSUER, audience: 'rollcall', jwksUri: `${origin}/jwks`, algorithms: ['ES256'] },
  permissions: { claim: 'scp', values: { 'users.read': ['scim:read'], 'users.manage': ['scim:read', 'scim:write'] } },
  ...more,
})
const secondsFromNow = (seconds: number) => Math.floor(Date.now() / 1000) + seconds
const token = (claims: Readonly<Record<string, unknown>> = {}, header: object = {}, key = pair.privateKey) =>
  new SignJWT({
    ...{ iss: ISSUER, aud: 'rollcall', sub: 'client-1', scp: ['users.read'], exp: secondsFromNow(300), ...claims },
  })
    .setProtectedHeader({ alg: 'ES256', kid: 'one', ...header })
    .sign(key)
const send = async (bearer: string, { base } = tenant, method = 'GET') => {
  const headers = { Authorization: `Bearer ${bearer}`, 'Content-Type': 'application/scim+json' }
  const user = { schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'], userName: `u-${Math.random()}` }
  const answer = await fetch(`${base}/Users`, {
    method,
    headers,
    ...(method === 'POST' && { body: JSON.stringify(user) }),
  })
  return answer.status
}

test('SEC-13 a tenant takes the tokens of an issuer that it trusts, with what their claim stands for', async () => {
  expect(await send(await token())).toBe(200)
  expect(await send(await token(), tenant, 'POST')).toBe(403)
  expect(await send(await token({ scp: 'other users.manage' }), tenant, 'POST')).toBe(201)
  for (const scp of [undefined, [], 'users', 'toString', [['users.read']], { 'users.read': true }, 7]) {
    expect(await send(await token({ scp }))).toBe(403)
  }
  const [event] = await gateway.database.run<{ actor: string }>(
    'select actor from events where tenant_id = $1::text::uuid',
    [tenant.id],
  )
  expect(event?.actor).toBe('issuer:okta:client-1')
})

test.each<[string, () => Promise<string>]>([
  ['another issuer', () => token({ iss: 'https://evil.example' })],
  ['another audience', () => token({ aud: 'somebody else' })],
  ['no audience', () => token({ aud: undefined })],
  ['an end that is past by more than the tolerance', () => token({ exp: secondsFromNow(-31) })],
  ['no end', () => token({ exp: undefined })],
  ['an end that is far', () => token({ exp: secondsFromNow(48 * 3600) })],
  ['a beginning that is to come', () => token({ nbf: secondsFromNow(60) })],
  ['no subject', () => token({ sub: undefined })],
  [
    'an algorithm that is not pinned',
    async () => token({}, { alg: 'ES384' }, (await newPair('one', 'ES384')).privateKey),
  ],
  ['the key of somebody else', async () => token({}, {}, (await newPair('one')).privateKey)],
  ['an unknown key id', () => token({}, { kid: 'two' })],
  ['no signature', async () => `${(await token()).split('.').slice(0, 2).join('.')}.`],
])('SEC-03 a token of an issuer with %s is refused as any other', async (_, made) => {
  const answer = await fetch(`${tenant.base}/Users`, { headers: { Authorization: `Bearer ${await made()}` } })
  expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([
    401,
    'Bearer realm="scim", error="invalid_token"',
  ])
})

test('SEC-13 a token opens no tenant that does not trust its issuer, nor the admin API, and tells of none', async () => {
  const other = await gateway.newTenant()
  const manage = await token({ scp: 'users.manage' })
  expect(await send(manage, other)).toBe(401)
  expect(await send(manage, { ...other, base: `${other.base}-that-is-not-there` })).toBe(401)
  const api = `${gateway.origin}/api/v1/projects/${gateway.project}`
  expect((await fetch(api, { headers: { Authorization: `Bearer ${manage}` } })).status).toBe(401)
})

test('SEC-03 a token ends when its time is over, and at once when its issuer is trusted no longer', async () => {
  const own = await gateway.newTenant({ settings: { externalIssuers: [trusted()] } })
  vi.useFakeTimers({ toFake: ['Date'] })
  onTestFinished(() => void vi.useRealTimers())
  const [short, long] = [await token({ exp: secondsFromNow(-28) }), await token()]
  expect([await send(short, own), await send(long, own)]).toEqual([200, 200])
  vi.setSystemTime(Date.now() + 3_000)
  expect([await send(short, own), await send(long, own)]).toEqual([401, 200])
  await gateway.setSettings(own, { externalIssuers: null })
  expect(await send(long, own)).toBe(401)
})

test('keys are fetched once for many tokens, and a storm of unknown key ids asks for no more', async () => {
  published.set('/own', JSON.stringify({ keys: [pair.jwk] }))
  const own = await gateway.newTenant({ settings: { externalIssuers: [trusted({ jwksUri: `${origin}/own` })] } })
  const good = await Promise.all(Array.from({ length: 20 }, (_, i) => token({ jti: `${i}` })))
  expect(new Set(await Promise.all(good.map((text) => send(text, own))))).toEqual(new Set([200]))
  const bad = await Promise.all(Array.from({ length: 40 }, (_, i) => token({}, { kid: `k${i}` })))
  expect(new Set(await Promise.all(bad.map((text) => send(text, own))))).toEqual(new Set([401]))
  expect(asked).toEqual(['/own'])
})

test.each([
  ['that fails', '/down', undefined],
  ['that leads elsewhere', '/elsewhere', undefined],
  ['that is no JSON', '/text', 'no JSON'],
  ['that is no set of keys', '/object', '{"keys":7}'],
  ['without end', '/endless', JSON.stringify({ keys: [], more: 'x'.repeat(300_000) })],
])('keys at an address %s are not to be had, and it is left alone for a while', async (_, path, text) => {
  if (text !== undefined) published.set(path, text)
  const own = await gateway.newTenant({ settings: { externalIssuers: [trusted({ jwksUri: origin + path })] } })
  for (let i = 0; i < 3; i++) expect(await send(await token(), own)).toBe(401)
  expect(asked).toEqual([path])
  expect(gateway.errors).toEqual([])
})

test('the operator is told why keys are not to be had, once in ten minutes, without the query of the address', async () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  try {
    published.set('/told?secret=hush', JSON.stringify({ keys: 7 }))
    const told: string[][] = []
    const issuers = new ExternalIssuers(['127.0.0.1/32'], (...words) => told.push(words))
    const issuer = trusted({ jwksUri: `${origin}/told?secret=hush` })
    for (let minute = 0; minute < 12; minute++) {
      expect(await issuers.verify(await token(), issuer)).toBeUndefined()
      vi.setSystemTime(Date.now() + 60_000)
    }
    const line = [`${origin}/told`, 'its answer is no JWKS']
    expect(told).toEqual([line, line])
    published.set('/told?secret=hush', JSON.stringify({ keys: [pair.jwk] }))
    expect(await issuers.verify(await token(), issuer)).toBeDefined()
  } finally {
    vi.useRealTimers()
  }
})

test.each([
  ['that is not public', 'https://10.0.0.1/jwks', []],
  ['where no server answers', 'http://127.0.0.1:1/jwks', ['127.0.0.1/32']],
])('the operator is told of an address %s', async (_, jwksUri, networks) => {
  const told: string[][] = []
  await new ExternalIssuers(networks, (...words) => told.push(words)).verify(await token(), trusted({ jwksUri }))
  expect(told).toEqual([[jwksUri, expect.stringMatching(/./)]])
})

test('the admin API tells what the address of an issuer answers now, also while tokens leave it alone', async () => {
  const late = trusted({ name: 'late', issuer: `${ISSUER}/late`, jwksUri: `${origin}/late` })
  const own = await gateway.newTenant({ settings: { externalIssuers: [trusted(), late] } })
  const environment = `${gateway.origin}/api/v1/projects/${gateway.project}/environments/${gateway.environment}`
  const look = async (place: string) => {
    const answer = await fetch(`${place}/external-issuers`, {
      headers: { Authorization: `Bearer ${gateway.adminKey}` },
    })
    return ((await answer.json()) as { items: unknown[] }).items
  }
  const setting = 'externalIssuers'
  const shown = ({ name, issuer, jwksUri }: ExternalIssuer) => ({
    ...{ setting, name, issuer, jwksUri, keys: 1, problem: null },
  })
  const missing = { ...shown(late), keys: null, problem: 'it answers 500' }
  expect(await send(await token({ iss: late.issuer }), own)).toBe(401)
  expect(await look(`${environment}/tenants/${own.id}`)).toEqual([shown(trusted()), missing])
  published.set('/late', JSON.stringify({ keys: [pair.jwk] }))
  expect(await look(`${environment}/tenants/${own.id}`)).toEqual([shown(trusted()), shown(late)])
  expect(await look(environment)).toEqual([])
})

test('a new key of the issuer is found half a minute after the last look, and the old one may go', async () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  try {
    published.set('/rotating', JSON.stringify({ keys: [pair.jwk] }))
    const [issuers, issuer] = [new ExternalIssuers(['127.0.0.1/32']), trusted({ jwksUri: `${origin}/rotating` })]
    expect(await issuers.verify(await token(), issuer)).toBeDefined()
    const next = await newPair('next')
    published.set('/rotating', JSON.stringify({ keys: [next.jwk] }))
    const renewed = () => token({}, { kid: 'next' }, next.privateKey)
    expect(await issuers.verify(await renewed(), issuer)).toBeUndefined()
    vi.setSystemTime(Date.now() + 31_000)
    expect(await issuers.verify(await renewed(), issuer)).toBeDefined()
    expect(await issuers.verify(await token(), issuer)).toBeUndefined()
    expect(asked).toEqual(['/rotating', '/rotating'])
  } finally {
    vi.useRealTimers()
  }
})

test('SEC-03 what an issuer no longer publishes is refused ten minutes later at the latest, by a clock that tests set', async () => {
  published.set('/withdrawn', JSON.stringify({ keys: [pair.jwk] }))
  let now = Date.now()
  const issuers = new ExternalIssuers(['127.0.0.1/32'], undefined, () => now)
  const issuer = trusted({ jwksUri: `${origin}/withdrawn` })
  const long = await token({ exp: secondsFromNow(12 * 3600) })
  const asked = now
  const first = await issuers.verify(long, issuer)
  published.set('/withdrawn', JSON.stringify({ keys: [(await newPair('one')).jwk] }))
  now += 9 * 60_000
  const late = await issuers.verify(await token({ jti: 'nine minutes later', exp: secondsFromNow(12 * 3600) }), issuer)
  // Nine minutes after the keys were fetched, what they prove is to be asked again in one.
  for (const found of [first, late]) expect(found?.goodUntil).toBe(asked + 600_000)
  now += 60_001
  expect(await issuers.verify(long, issuer)).toBeUndefined()
})

test('SEC-03 a key that its issuer has withdrawn opens the gateway no longer, whatever was verified by it before', async () => {
  published.set('/leaked', JSON.stringify({ keys: [pair.jwk] }))
  const own = await gateway.newTenant({ settings: { externalIssuers: [trusted({ jwksUri: `${origin}/leaked` })] } })
  const long = await token({ exp: secondsFromNow(12 * 3600) })
  vi.useFakeTimers({ toFake: ['Date'] })
  try {
    expect(await send(long, own)).toBe(200)
    published.set('/leaked', JSON.stringify({ keys: [(await newPair('two')).jwk] }))
    vi.setSystemTime(Date.now() + 9 * 60_000)
    expect(await send(long, own)).toBe(200)
    vi.setSystemTime(Date.now() + 61_000)
    expect(await send(long, own)).toBe(401)
    expect(asked).toEqual(['/leaked', '/leaked'])
    // One that stays published is verified anew, and goes on.
    published.set('/leaked', JSON.stringify({ keys: [pair.jwk] }))
    for (const minutes of [1, 11, 11]) {
      vi.setSystemTime(Date.now() + minutes * 60_000)
      expect([await send(long, own), await send(long, own)]).toEqual([200, 200])
    }
    expect(asked).toHaveLength(5)
  } finally {
    vi.useRealTimers()
  }
})

/** Addresses to which this process tries to connect, until the test is over. */
function connectionAttempts(): string[] {
  const attempts: string[] = []
  const { connect } = Socket.prototype
  const spy = vi.spyOn(Socket.prototype, 'connect').mockImplementation(function (this: Socket, ...to: unknown[]) {
    this.on('connectionAttempt', (address: string) => attempts.push(address))
    return Reflect.apply(connect, this, to)
  })
  onTestFinished(() => spy.mockRestore())
  return attempts
}

test.each([
  'http://127.0.0.1:1/jwks',
  'https://127.0.0.1/jwks',
  'https://localhost/jwks',
  'https://169.254.169.254/latest/meta-data',
  'https://[::1]/jwks',
  'https://10.0.0.1/jwks',
  'https://metadata.google.internal/jwks',
  'http://idp.example/jwks',
])('SEC-16 keys are not fetched from within: %s', async (jwksUri) => {
  const attempts = connectionAttempts()
  expect(await new ExternalIssuers([]).verify(await token(), trusted({ jwksUri }))).toBeUndefined()
  expect(attempts).toEqual([])
  expect(asked).toEqual([])
})

test('an address on this machine is not asked where the operator does not allow it', async () => {
  const attempts = connectionAttempts()
  expect(await new ExternalIssuers([]).verify(await token(), trusted())).toBeUndefined()
  expect(asked).toEqual([])
  expect(await new ExternalIssuers(['127.0.0.0/8']).verify(await token(), trusted())).toMatchObject({
    name: 'issuer:okta:client-1',
  })
  expect(attempts).toEqual(['127.0.0.1'])
  expect(asked).toEqual(['/jwks'])
})

test('SEC-13 no key trusts an issuer with more than it has itself', async () => {
  const url = `${gateway.origin}/api/v1/projects/${gateway.project}/environments/${gateway.environment}`
  const change = async (key: string, path = `/tenants/${tenant.name}`, method = 'PATCH', more = {}) => {
    const headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' }
    const body = JSON.stringify({ settings: { externalIssuers: [trusted()] }, ...more })
    return (await fetch(url + path, { method, headers, body })).status
  }
  expect(await change(await gateway.mintKey({ permissions: ['admin'] }))).toBe(403)
  expect(await change(await gateway.mintKey({ permissions: ['admin', 'scim:read'] }))).toBe(403)
  const wide = await gateway.mintKey({ permissions: ['admin', 'scim:read', 'scim:write'] })
  expect(await change(wide)).toBe(200)
  expect(await change(await gateway.mintKey({ permissions: ['admin'] }), '/tenants', 'POST', { key: 'trusting' })).toBe(
    403,
  )
  expect(await change(await gateway.mintKey({ permissions: ['admin'] }), '')).toBe(403)
})
