import { decodeJwt } from 'jose'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type AdminClient, adminClient, type Schemas } from '../../../src/client/index.ts'
import { type Gateway, openGateway, type TestTenant } from '../../support/gateway.ts'
import { idOf } from '../../support/oauth.ts'
import {
  askFederated,
  ENTRA_LIFE_S,
  openWorkloadIssuer,
  type WorkloadIssuer,
  workloadKeys,
} from '../../support/workloads.ts'

const KEY = '/projects/{project}/environments/{environment}/tenants/{tenant}/api-keys/{apiKey}'
const TRUSTS = `${KEY}/trusts` as const
const TRUST = `${TRUSTS}/{trust}` as const

let gateway: Gateway
let tenant: TestTenant
let entra: WorkloadIssuer
let client: AdminClient
/** An API key that trusts `entra`. */
let id: string
let trust: string
beforeAll(async () => {
  entra = await openWorkloadIssuer()
  gateway = await openGateway({ DELIVERY_NETWORKS: '127.0.0.1/32' })
  tenant = await gateway.newTenant()
  client = adminClient({ origin: gateway.origin, key: gateway.adminKey })
  id = idOf(tenant.key)
  trust = (await add(id)).data?.id ?? ''
})
afterAll(async () => {
  await gateway.close()
  await entra.close()
})

const pathOf = (apiKey: string, of = tenant) => ({
  ...{ project: gateway.project, environment: gateway.environment, tenant: of.name, apiKey },
})
const add = (k: string, more: object = {}, as = client, of = tenant) =>
  as.POST(TRUSTS, { params: { path: pathOf(k, of) }, body: entra.trust(more) as Schemas['NewTrust'] })
const ask = async (assertion: string | Promise<string>, keyId: string | undefined = id, more = {}) =>
  askFederated(gateway, keyId, await assertion, more)
const usersWith = async (token: string, { base } = tenant) =>
  (await fetch(`${base}/Users`, { headers: { Authorization: `Bearer ${token}` } })).status
const secondsFromNow = (seconds: number) => Math.floor(Date.now() / 1000) + seconds
/** A key of the tenant that trusts `entra` too. */
const trusting = async (more: object = {}) => {
  const k = idOf(await gateway.mintKey({ tenant }))
  return { k, t: (await add(k, more)).data?.id ?? '' }
}

test('SEC-10 a workload that an API key trusts gets a token for it, without a secret and without a jti', async () => {
  const { status, headers, body } = await ask(entra.sign())
  expect({ status, body }).toMatchObject({
    ...{ status: 200, body: { token_type: 'Bearer', expires_in: 3600, scope: 'scim' } },
  })
  expect(headers.get('cache-control')).toBe('no-store')
  expect(decodeJwt(body.access_token)).toMatchObject({ sub: id, credential: trust, scope: 'scim:read scim:write' })
  expect(await usersWith(body.access_token)).toBe(200)
  expect((await ask(entra.sign({ aud: 'api://app/scim.example.com' }))).status).toBe(200)
  expect((await ask(entra.sign({ aud: ['api://app'] }))).status).toBe(200)
})

test.each(['ES256', 'ES384', 'EdDSA', 'PS256'] as const)('SEC-10 its issuer may sign with %s', async (alg) => {
  const other = await openWorkloadIssuer(`signs-with-${alg}`)
  const { privateKey, jwk } = await workloadKeys('two', alg)
  other.publish([other.jwk, jwk])
  const k = idOf(await gateway.mintKey({ tenant }))
  const body = other.trust({ algorithms: [alg] }) as Schemas['NewTrust']
  await client.POST(TRUSTS, { params: { path: pathOf(k) }, body })
  expect((await ask(other.sign({}, { alg, kid: 'two' }, privateKey), k)).status).toBe(200)
  expect((await ask(other.sign(), k)).status).toBe(401)
  await other.close()
})

test.each<[string, () => Promise<string>]>([
  ['another issuer', () => entra.sign({ iss: 'https://login.microsoftonline.com/other/v2.0' })],
  ['an issuer that is written otherwise', () => entra.sign({ iss: `${entra.issuer}/` })],
  ['another subject', () => entra.sign({ sub: 'workload-of-another' })],
  ['a subject in other letters', () => entra.sign({ sub: 'WORKLOAD-of-c0ffee00' })],
  ['no subject', () => entra.sign({ sub: undefined })],
  ['another audience', () => entra.sign({ aud: 'api://another' })],
  ['an audience that only begins like it', () => entra.sign({ aud: 'api://app/' })],
  ['one more audience', () => entra.sign({ aud: ['api://app', 'api://another'] })],
  ['two good audiences', () => entra.sign({ aud: ['api://app', 'api://app/scim.example.com'] })],
  ['no audience', () => entra.sign({ aud: undefined })],
  ['an end that is past', () => entra.sign({ exp: secondsFromNow(-31) })],
  ['no end', () => entra.sign({ exp: undefined })],
  ['an end that is far', () => entra.sign({ exp: secondsFromNow(ENTRA_LIFE_S + 40) })],
  [
    'a long life of which little is left',
    () => entra.sign({ iat: secondsFromNow(-ENTRA_LIFE_S), exp: secondsFromNow(60) }),
  ],
  ['a far beginning', () => entra.sign({ iat: secondsFromNow(7200), nbf: undefined, exp: secondsFromNow(7800) })],
  ['a beginning that is to come', () => entra.sign({ nbf: secondsFromNow(60) })],
  ['the key of somebody else under the right id', async () => entra.sign({}, {}, (await workloadKeys()).privateKey)],
  ['an unknown key id', () => entra.sign({}, { kid: 'unknown' })],
  [
    'an algorithm that the trust does not name, by a key of the same kind',
    async () => entra.sign({}, { alg: 'PS256' }, (await workloadKeys('one', 'PS256')).privateKey),
  ],
  ['a shared secret', () => entra.sign({}, { alg: 'HS256' }, Buffer.from(JSON.stringify(entra.jwk)))],
  ['the public key as a shared secret', () => entra.sign({}, { alg: 'HS256' }, Buffer.from(entra.jwk.n ?? ''))],
  [
    'no signature',
    async () =>
      `${Buffer.from('{"alg":"none","kid":"one"}').toString('base64url')}.${(await entra.sign()).split('.')[1]}.`,
  ],
])('SEC-09 SEC-10 an assertion of a trusted issuer with %s proves nothing', async (_, made) => {
  const { k } = await trusting()
  const { status, headers, body } = await ask(made(), k)
  expect([status, body.error]).toEqual([401, 'invalid_client'])
  expect(headers.get('www-authenticate')).toBe('Basic realm="oauth"')
  expect(JSON.stringify(body)).not.toMatch(/workload-of|api:\/\/|127\.0\.0\.1/)
})

test('SEC-10 an assertion is good once: by uti, by jti, or where it has neither by what is signed', async () => {
  const { k } = await trusting()
  for (const claims of [{}, { uti: undefined, jti: 'j1' }, { uti: undefined }]) {
    const first = await entra.sign(claims)
    expect((await ask(first, k)).status).toBe(200)
    const { status, body } = await ask(first, k)
    expect([status, body.error_description]).toEqual([401, 'The assertion was used before; each is good once.'])
  }
  for (const name of ['uti', 'jti']) {
    const other = { uti: undefined, [name]: `one ${name}` }
    expect((await ask(entra.sign(other), k)).status).toBe(200)
    expect((await ask(entra.sign({ ...other, exp: secondsFromNow(60) }), k)).status).toBe(401)
  }
  const raced = await entra.sign()
  const answers = await Promise.all(Array.from({ length: 5 }, () => ask(raced, k)))
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401, 401, 401])
})

test('SEC-10 another spelling of one signature is the same assertion', async () => {
  const issuer = await openWorkloadIssuer('elliptic')
  const { privateKey, jwk } = await workloadKeys('ec', 'ES256')
  issuer.publish([jwk])
  const k = idOf(await gateway.mintKey({ tenant }))
  const body = issuer.trust({ algorithms: ['ES256'] }) as Schemas['NewTrust']
  await client.POST(TRUSTS, { params: { path: pathOf(k) }, body })
  const text = await issuer.sign({ uti: undefined }, { alg: 'ES256', kid: 'ec' }, privateKey)
  expect((await ask(text, k)).status).toBe(200)
  // With s, the order of the curve less s is a signature too (SEC 1, version 2, §4.1.4).
  const [head, payload, signature = ''] = text.split('.')
  const bytes = Buffer.from(signature, 'base64url')
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
  const other = (order - BigInt(`0x${bytes.subarray(32).toString('hex')}`)).toString(16).padStart(64, '0')
  const turned = Buffer.concat([bytes.subarray(0, 32), Buffer.from(other, 'hex')]).toString('base64url')
  const again = await ask(`${head}.${payload}.${turned}`, k)
  expect([again.status, again.body.error_description]).toEqual([401, expect.stringContaining('used before')])
  await issuer.close()
})

test('SEC-13 a trust opens its own key alone: not another one, with or without trusts, and no key that is not named', async () => {
  const plain = idOf(await gateway.mintKey({ tenant }))
  const { k } = await trusting({ subject: 'another' })
  for (const other of [plain, k, '000000000000', "' or 1=1"]) {
    const { status, body } = await ask(entra.sign(), other)
    expect([status, body.error]).toEqual([401, 'invalid_client'])
  }
  const unnamed = await askFederated(gateway, undefined, await entra.sign())
  expect([unnamed.status, unnamed.body.error_description]).toEqual([
    ...[401, 'client_id must name the API key that trusts the issuer of the assertion.'],
  ])
  // It is none in the place of what an API key signs for itself.
  expect((await ask(entra.sign({ iss: id, sub: id }))).status).toBe(401)
  // Two trusts of one key stay apart: the subject of one is no subject for the audience of the other.
  const both = idOf(await gateway.mintKey({ tenant }))
  await add(both, { subject: 'one', audiences: ['urn:one'] })
  await add(both, { subject: 'two', audiences: ['urn:two'] })
  expect((await ask(entra.sign({ sub: 'one', aud: 'urn:two' }), both)).status).toBe(401)
  expect((await ask(entra.sign({ sub: 'two', aud: 'urn:two' }), both)).status).toBe(200)
})

test('SEC-13 the key of one issuer does not sign for another, though both call it the same', async () => {
  const evil = await openWorkloadIssuer('evil')
  const { k } = await trusting()
  const body = evil.trust() as Schemas['NewTrust']
  await client.POST(TRUSTS, { params: { path: pathOf(k) }, body })
  expect((await ask(evil.sign(), k)).status).toBe(200)
  for (const claims of [{ iss: entra.issuer }, { iss: entra.issuer, sub: 'workload-of-c0ffee00' }])
    expect((await ask(evil.sign(claims), k)).status).toBe(401)
  await evil.close()
})

test('SEC-13 a token of a tenant’s key opens no other tenant, nor the admin API beyond the permissions of the key', async () => {
  const { body } = await ask(entra.sign())
  const other = await gateway.newTenant()
  expect(await usersWith(body.access_token, other)).toBe(403)
  const api = `${gateway.origin}/api/v1/projects/${gateway.project}`
  expect((await fetch(api, { headers: { Authorization: `Bearer ${body.access_token}` } })).status).toBe(403)
})

test('SEC-09 two ways at once and another type are refused with 400', async () => {
  const twice = await ask(entra.sign(), id, { client_secret: tenant.key })
  const type = await ask(entra.sign(), id, { client_assertion_type: 'urn:ietf:params:oauth:grant-type:saml2-bearer' })
  for (const { status, body } of [twice, type]) expect([status, body.error]).toEqual([400, 'invalid_request'])
})

test('SEC-03 a token ends with its trust, and with its key', async () => {
  const { k, t } = await trusting()
  const { body } = await ask(entra.sign(), k)
  expect(await usersWith(body.access_token)).toBe(200)
  const path = { ...pathOf(k), trust: t }
  expect((await client.DELETE(TRUST, { params: { path } })).response.status).toBe(204)
  expect(await usersWith(body.access_token)).toBe(401)
  expect((await ask(entra.sign(), k)).status).toBe(401)
  expect((await client.DELETE(TRUST, { params: { path } })).response.status).toBe(404)

  await add(k)
  const again = await ask(entra.sign(), k)
  expect(await usersWith(again.body.access_token)).toBe(200)
  await client.DELETE(KEY, { params: { path: pathOf(k) } })
  expect(await usersWith(again.body.access_token)).toBe(401)
  expect((await ask(entra.sign(), k)).status).toBe(401)
  expect((await add(k)).response.status).toBe(409)
})

test('SEC-07 a key that has expired is opened by no trust', async () => {
  const { k } = await trusting()
  await gateway.database.run(
    "update api_key_secrets set expires_at = now() - interval '1 second' where key_id = $1::text",
    [k],
  )
  expect((await ask(entra.sign(), k)).status).toBe(401)
})

test('where the issuer does not give its keys, 503 says when to come again, and they are asked for once', async () => {
  const away = await openWorkloadIssuer('away')
  away.publish(undefined)
  const k = idOf(await gateway.mintKey({ tenant }))
  await client.POST(TRUSTS, { params: { path: pathOf(k) }, body: away.trust() as Schemas['NewTrust'] })
  const answers = [await ask(away.sign(), k), await ask(away.sign(), k)]
  for (const { status, headers, body } of answers) {
    expect([status, body.error, headers.get('retry-after')]).toEqual([503, 'temporarily_unavailable', '30'])
    expect(JSON.stringify(body)).not.toContain('127.0.0.1')
  }
  expect(away.asked).toBe(1)
  away.publish([away.jwk])
  vi.useFakeTimers({ toFake: ['Date'] })
  try {
    vi.setSystemTime(Date.now() + 31_000)
    expect((await ask(away.sign(), k)).status).toBe(200)
    // An unknown key id half a minute later has them asked for again; what was good before is good while that fails.
    away.publish(undefined)
    vi.setSystemTime(Date.now() + 31_000)
    expect((await ask(away.sign({}, { kid: 'new' }), k)).status).toBe(503)
    expect((await ask(away.sign(), k)).status).toBe(200)
  } finally {
    vi.useRealTimers()
    await away.close()
  }
})

test('SEC-16 a key trusts no issuer whose keys lie within, and none without a public address', async () => {
  const k = idOf(await gateway.mintKey({ tenant }))
  for (const jwksUri of [
    'https://10.0.0.1/keys',
    'http://idp.example/keys',
    'https://metadata.google.internal/keys',
    'none',
  ]) {
    const { response, error } = await add(k, { jwksUri })
    expect([jwksUri, response.status, error?.errors?.[0]?.path]).toEqual([jwksUri, 400, 'jwksUri'])
  }
})

test('a trust that is none is refused by its path, one that is there twice, and more than five', async () => {
  const k = idOf(await gateway.mintKey({ tenant }))
  for (const [more, path] of [
    [{ issuer: 'no address' }, 'issuer'],
    [{ subject: '' }, 'subject'],
    [{ audiences: [] }, 'audiences'],
    [{ audiences: ['a', 'a'] }, 'audiences'],
    [{ audiences: Array.from({ length: 6 }, (_, i) => `a${i}`) }, 'audiences'],
    [{ algorithms: [] }, 'algorithms'],
    [{ algorithms: ['HS256'] }, 'algorithms.0'],
    [{ algorithms: ['none'] }, 'algorithms.0'],
  ] as const) {
    const { response, error } = await add(k, more)
    expect([response.status, error?.errors?.[0]?.path]).toEqual([400, path])
  }
  expect((await add(k, { audiences: ['a', 'b'] })).response.status).toBe(201)
  expect((await add(k, { audiences: ['b', 'c'] })).response.status).toBe(409)
  for (let i = 0; i < 4; i++) expect((await add(k, { audiences: [`n${i}`] })).response.status).toBe(201)
  expect((await add(k, { audiences: ['one more'] })).response.status).toBe(409)
})

test('SEC-13 no key has an API key trusted that is wider than itself', async () => {
  const narrow = await gateway.mintKey({ tenant, permissions: ['admin'] })
  const as = adminClient({ origin: gateway.origin, key: narrow })
  expect((await add(id, { audiences: ['wide'] }, as)).response.status).toBe(403)
  expect((await add(idOf(narrow), { audiences: ['own'] }, as)).response.status).toBe(201)
  expect((await add(idOf(gateway.key), {}, as)).response.status).toBe(404)
  const without = adminClient({ origin: gateway.origin, key: tenant.key })
  expect((await add(id, { audiences: ['scim'] }, without)).response.status).toBe(403)
})

test('SEC-14 a trust is seen with its last use, in the tag of its key, and in the audit trail', async () => {
  const { k, t } = await trusting()
  const { body } = await ask(entra.sign(), k)
  expect(await usersWith(body.access_token)).toBe(200)
  await gateway.flushKeyUse()
  const read = await client.GET(KEY, { params: { path: pathOf(k) } })
  expect(read.data).toMatchObject({
    trusts: [{ id: t, ...entra.trust(), lastUsedAt: expect.any(String), lastUsedBy: expect.any(String) }],
    secrets: [{ lastUsedAt: null }],
  })
  const stale = await client.POST(TRUSTS, {
    params: { path: pathOf(k), header: { 'If-Match': '"another"' } },
    body: entra.trust({ audiences: ['urn:late'] }) as Schemas['NewTrust'],
  })
  expect(stale.response.status).toBe(412)
  const { project, environment, tenant: name } = pathOf(k)
  const trail = await client.GET('/projects/{project}/environments/{environment}/tenants/{tenant}/audit-log', {
    params: { path: { project, environment, tenant: name } },
  })
  const [entry] = trail.data?.items.filter(({ target }) => target.id === k) ?? []
  expect(entry).toMatchObject({ action: 'api_key.trust_added', after: { trusts: [{ id: t, ...entra.trust() }] } })
})

test('a storm of bad assertions asks for keys no more, and does not shut out the good one', async () => {
  const { k } = await trusting()
  const before = entra.asked
  const bad = await Promise.all(Array.from({ length: 40 }, (_, i) => ask(entra.sign({}, { kid: `k${i}` }), k)))
  expect(new Set(bad.map(({ status }) => status))).toEqual(new Set([401, 429]))
  expect(entra.asked - before).toBeLessThanOrEqual(1)
  expect((await ask(entra.sign(), k)).status).toBe(200)
})

test('nothing of it was an error of ours but what the operator has to hear', () =>
  expect(gateway.errors.filter((line) => !line.includes('external issuer'))).toEqual([]))
