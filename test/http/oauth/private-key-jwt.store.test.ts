import { randomUUID } from 'node:crypto'
import { type CryptoKey, decodeJwt, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type AdminClient, adminClient } from '../../../src/client/index.ts'
import { type Gateway, openGateway, type TestTenant } from '../../support/gateway.ts'
import { askToken, basic, idOf } from '../../support/oauth.ts'

const PUBLIC_KEYS = '/projects/{project}/environments/{environment}/tenants/{tenant}/api-keys/{apiKey}/public-keys'
let gateway: Gateway
let tenant: TestTenant
let client: AdminClient
/** An API key and the pair of keys that was registered for it. */
let id: string
let pair: { readonly privateKey: CryptoKey; readonly jwk: JWK }
let thumbprint: string
beforeAll(async () => {
  gateway = await openGateway()
  tenant = await gateway.newTenant()
  client = adminClient({ origin: gateway.origin, key: gateway.adminKey })
  id = idOf(tenant.key)
  pair = await newPair()
  const { data } = await register(id, pair.jwk)
  thumbprint = data?.thumbprint ?? ''
})
afterAll(() => gateway.close())

async function newPair(alg = 'ES256') {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  return { privateKey, jwk: await exportJWK(publicKey) }
}
const pathOf = (apiKey: string) => ({
  project: gateway.project,
  environment: gateway.environment,
  tenant: tenant.name,
  apiKey,
})
const register = (k: string, jwk: JWK, as = client) =>
  as.POST(PUBLIC_KEYS, { params: { path: pathOf(k) }, body: { jwk: { ...jwk } } })

const secondsFromNow = (seconds: number) => Math.floor(Date.now() / 1000) + seconds
interface Assertion {
  readonly claims?: Readonly<Record<string, unknown>>
  readonly header?: Readonly<Record<string, unknown>>
  readonly key?: CryptoKey | Uint8Array
}
const assertion = ({ claims = {}, header = {}, key = pair.privateKey }: Assertion = {}) =>
  new SignJWT({
    ...{ iss: id, sub: id, aud: `${gateway.origin}/oauth/token`, jti: randomUUID(), exp: secondsFromNow(60) },
    ...claims,
  })
    .setProtectedHeader({ alg: 'ES256', ...header })
    .sign(key)
const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const ask = async (text: string, more: Readonly<Record<string, string>> = {}, headers = {}) => {
  const form = { grant_type: 'client_credentials', client_assertion_type: TYPE, client_assertion: text, ...more }
  return askToken(gateway, form, headers)
}
const usersWith = async (token: string, userAgent = 'test') => {
  const headers = { Authorization: `Bearer ${token}`, 'User-Agent': userAgent }
  return (await fetch(`${tenant.base}/Users`, { headers })).status
}

test.each([
  ['the token endpoint', () => ({})],
  ['the issuer', () => ({ claims: { aud: gateway.origin } })],
  ['the issuer alone in a list', () => ({ claims: { aud: [gateway.origin] } })],
  ['the token endpoint, naming its key', () => ({ header: { kid: thumbprint, typ: 'client-authentication+jwt' } })],
])('SEC-10 a client that signs for itself gets a token: for %s', async (_, made: () => Assertion) => {
  const { status, body } = await ask(await assertion(made()), { scope: 'scim:read', client_id: id })
  expect(status).toBe(200)
  expect(decodeJwt(body.access_token)).toMatchObject({ sub: id, credential: thumbprint, scope: 'scim:read' })
  expect(await usersWith(body.access_token)).toBe(200)
})

test.each(['ES384', 'EdDSA', 'RS256', 'PS256'])('SEC-10 it may sign with %s', async (alg) => {
  const { privateKey, jwk } = await newPair(alg)
  const k = idOf(await gateway.mintKey({ tenant }))
  const { data } = await register(k, { ...jwk, alg, kid: 'named' })
  expect(data).toMatchObject({ algorithm: alg, jwk: { kid: 'named' } })
  const signed = await assertion({ claims: { iss: k, sub: k }, header: { alg, kid: 'named' }, key: privateKey })
  expect((await ask(signed)).status).toBe(200)
})

test('SEC-10 an assertion is good once, whatever else differs', async () => {
  const jti = randomUUID()
  const first = await assertion({ claims: { jti } })
  expect((await ask(first)).status).toBe(200)
  for (const again of [first, await assertion({ claims: { jti, exp: secondsFromNow(90) } })]) {
    const { status, body } = await ask(again)
    expect([status, body.error]).toEqual([401, 'invalid_client'])
    expect(body.error_description).toContain('used before')
  }
  const raced = await assertion()
  const answers = await Promise.all(Array.from({ length: 5 }, () => ask(raced)))
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401, 401, 401])
})

test.each<[string, () => Promise<string>]>([
  ['another key', async () => assertion({ key: (await newPair()).privateKey })],
  [
    'another key under the right id',
    async () => assertion({ header: { kid: thumbprint }, key: (await newPair()).privateKey }),
  ],
  ['an unknown key id', () => assertion({ header: { kid: 'unknown' } })],
  ['another audience', () => assertion({ claims: { aud: 'https://other.example/oauth/token' } })],
  ['more than one audience', () => assertion({ claims: { aud: [gateway.origin, 'https://other.example'] } })],
  ['no audience', () => assertion({ claims: { aud: undefined } })],
  ['another issuer', () => assertion({ claims: { iss: 'https://other.example' } })],
  ['another subject', () => assertion({ claims: { sub: idOf(gateway.key) } })],
  [
    'the id of a key that has no public key',
    () => assertion({ claims: { iss: idOf(gateway.key), sub: idOf(gateway.key) } }),
  ],
  ['the id of no key', () => assertion({ claims: { iss: '000000000000', sub: '000000000000' } })],
  ['an id that is none', () => assertion({ claims: { iss: "' or 1=1", sub: "' or 1=1" } })],
  ['an end that is past', () => assertion({ claims: { exp: secondsFromNow(-60) } })],
  ['an end that is far', () => assertion({ claims: { exp: secondsFromNow(3600) } })],
  ['no end', () => assertion({ claims: { exp: undefined } })],
  ['a beginning that is to come', () => assertion({ claims: { nbf: secondsFromNow(120) } })],
  ['no id', () => assertion({ claims: { jti: undefined } })],
  ['an empty id', () => assertion({ claims: { jti: '' } })],
  ['an id without end', () => assertion({ claims: { jti: 'x'.repeat(256) } })],
  ['a shared secret', () => assertion({ header: { alg: 'HS256' }, key: Buffer.from(tenant.key) })],
  ['no signature', async () => `${(await assertion()).split('.').slice(0, 2).join('.')}.`],
  ['no assertion', async () => 'x'],
])('SEC-09 SEC-10 an assertion with %s proves nothing', async (_, made) => {
  const { status, headers, body } = await ask(await made())
  expect([status, body.error]).toEqual([401, 'invalid_client'])
  expect(headers.get('cache-control')).toBe('no-store')
})

test('SEC-09 two ways at once, another type and another client are refused with 400', async () => {
  const twice = await ask(await assertion(), {}, { Authorization: basic(id, tenant.key) })
  const type = await ask(await assertion(), { client_assertion_type: 'urn:ietf:params:oauth:grant-type:saml2-bearer' })
  const other = await ask(await assertion(), { client_id: idOf(gateway.key) })
  for (const answer of [twice, type, other])
    expect([answer.status, answer.body.error]).toEqual([400, 'invalid_request'])
})

test('SEC-03 SEC-10 a token ends with the public key by which it was got, and a revoked key signs no request', async () => {
  const k = idOf(await gateway.mintKey({ tenant }))
  const { data } = await register(k, pair.jwk)
  const own = () => assertion({ claims: { iss: k, sub: k } })
  const { body } = await ask(await own())
  expect(await usersWith(body.access_token)).toBe(200)

  const path = { ...pathOf(k), thumbprint: data?.thumbprint ?? '' }
  expect((await client.DELETE(`${PUBLIC_KEYS}/{thumbprint}`, { params: { path } })).response.status).toBe(204)
  expect(await usersWith(body.access_token)).toBe(401)
  expect((await ask(await own())).status).toBe(401)
  expect((await client.DELETE(`${PUBLIC_KEYS}/{thumbprint}`, { params: { path } })).response.status).toBe(404)

  await register(k, pair.jwk)
  expect((await ask(await own())).status).toBe(200)
  await client.DELETE('/projects/{project}/environments/{environment}/tenants/{tenant}/api-keys/{apiKey}', {
    params: { path: pathOf(k) },
  })
  expect((await ask(await own())).status).toBe(401)
  expect((await register(k, (await newPair()).jwk)).response.status).toBe(409)
})

test('SEC-13 no key gives a public key to an API key that is wider than itself', async () => {
  const narrow = await gateway.mintKey({ tenant, permissions: ['admin'] })
  const as = adminClient({ origin: gateway.origin, key: narrow })
  const { jwk } = await newPair()
  expect((await register(id, jwk, as)).response.status).toBe(403)
  expect((await register(idOf(narrow), jwk, as)).response.status).toBe(201)
  expect((await register(idOf(gateway.key), jwk, as)).response.status).toBe(404)
})

test('what is no public key is refused by its path, the same one twice, and more than five', async () => {
  const k = idOf(await gateway.mintKey({ tenant }))
  const { error } = await register(k, await exportJWK(pair.privateKey))
  expect(error).toMatchObject({
    status: 400,
    errors: [{ path: 'jwk', message: expect.stringContaining('not public') }],
  })
  expect((await register(k, pair.jwk)).response.status).toBe(201)
  expect((await register(k, { ...pair.jwk, kid: 'again' })).response.status).toBe(409)
  for (let i = 0; i < 4; i++) expect((await register(k, (await newPair()).jwk)).response.status).toBe(201)
  expect((await register(k, (await newPair()).jwk)).response.status).toBe(409)
})

test('SEC-14 a public key is seen with its last use, and in the audit trail', async () => {
  const k = idOf(await gateway.mintKey({ tenant }))
  const { data } = await register(k, pair.jwk)
  const { body } = await ask(await assertion({ claims: { iss: k, sub: k } }))
  await usersWith(body.access_token, 'signs for itself')
  await gateway.flushKeyUse()
  const key = await client.GET('/projects/{project}/environments/{environment}/tenants/{tenant}/api-keys/{apiKey}', {
    params: { path: pathOf(k) },
  })
  expect(key.data).toMatchObject({
    publicKeys: [{ thumbprint: data?.thumbprint, lastUsedBy: 'signs for itself', lastUsedAt: expect.any(String) }],
    secrets: [{ lastUsedAt: null }],
  })
  const trail = await client.GET('/projects/{project}/environments/{environment}/tenants/{tenant}/audit-log', {
    params: { path: { project: gateway.project, environment: gateway.environment, tenant: tenant.name } },
  })
  expect(JSON.stringify(trail.data)).toContain('api_key.public_key_added')
})
