import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Gateway, openGateway, type TestTenant } from '../../support/gateway.ts'
import { askToken, basic, idOf, tokenFor } from '../../support/oauth.ts'

let gateway: Gateway
let tenant: TestTenant
beforeAll(async () => {
  gateway = await openGateway()
  tenant = await gateway.newTenant()
})
afterAll(() => gateway.close())

const GRANT = { grant_type: 'client_credentials' }
const asClient = (key: string) => ({ Authorization: basic(idOf(key), key) })

const secretOf = (key: string) => key.split('_')[2] ?? ''

async function statusOf(token: string, url: string, init: RequestInit = {}): Promise<number> {
  return (await fetch(url, { ...init, headers: { Authorization: `Bearer ${token}`, ...init.headers } })).status
}

test('SEC-08 an API key is exchanged for a token of an hour, which no cache may keep', async () => {
  const { status, headers, body } = await askToken(gateway, GRANT, asClient(tenant.key))
  expect(status).toBe(200)
  expect(headers.get('cache-control')).toBe('no-store')
  expect(headers.get('pragma')).toBe('no-cache')
  expect(body).toEqual({
    access_token: expect.any(String),
    token_type: 'Bearer',
    expires_in: 3_600,
    scope: 'scim:read scim:write',
  })
  expect(await statusOf(body.access_token, `${tenant.base}/Users`)).toBe(200)
})

test('SEC-08 what a token says is bound to the key, its place and its secret, and others can verify it', async () => {
  const answer = await fetch(`${gateway.origin}/.well-known/oauth-authorization-server`)
  const metadata = (await answer.json()) as { issuer: string; token_endpoint: string; jwks_uri: string }
  expect(metadata).toMatchObject({
    issuer: gateway.origin,
    token_endpoint: `${gateway.origin}/oauth/token`,
    response_types_supported: [],
    grant_types_supported: ['client_credentials'],
    scopes_supported: [
      ...['scim', 'scim:read', 'scim:write', 'directory:read', 'admin', 'requests:reveal'],
      ...['ssf.read', 'ssf.manage', 'accounts:write', 'people:erase'],
    ],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
  })
  const keys = createRemoteJWKSet(new URL(metadata.jwks_uri))
  const token = await tokenFor(gateway, tenant.key)
  const { payload, protectedHeader } = await jwtVerify(token, keys, {
    issuer: gateway.origin,
    audience: gateway.origin,
    typ: 'at+jwt',
  })
  expect(protectedHeader.alg).toBe('ES256')
  expect(payload).toMatchObject({
    sub: idOf(tenant.key),
    client_id: idOf(tenant.key),
    credential: 1,
    place: { projectId: expect.any(String), environmentId: expect.any(String), tenantId: tenant.id },
  })
  const { keys: published } = (await (await fetch(metadata.jwks_uri)).json()) as { keys: { kty: string }[] }
  const members: Record<string, string[]> = { EC: ['crv', 'x', 'y'], RSA: ['e', 'n'] }
  for (const key of published)
    expect(Object.keys(key).sort()).toEqual(['alg', 'kid', 'kty', 'use', ...(members[key.kty] ?? [])].sort())
})

test.each([
  ['the whole key', (key: string) => basic(idOf(key), key)],
  ['what follows its last underscore', (key: string) => basic(idOf(key), secretOf(key))],
  ['the same, form-encoded', (key: string) => basic(idOf(key), key.replaceAll('_', '%5F'))],
  ['under another spelling of the scheme', (key: string) => basic(idOf(key), key).replace('Basic', 'bASIC')],
])('SEC-08 the secret of a client is %s', async (_, authorization) => {
  const answer = await askToken(gateway, GRANT, { Authorization: authorization(tenant.key) })
  expect(answer.status).toBe(200)
})

test('SEC-09 a client that is not authenticated gets 401 with a challenge, and no word about what exists', async () => {
  const other = await gateway.newTenant()
  const revoked = await gateway.mintKey({ tenant })
  await gateway.revoke(revoked)
  const expired = await gateway.mintKey({ tenant, expiresAt: new Date(Date.now() - 1000) })
  const flipped = tenant.key.slice(0, -1) + (tenant.key.endsWith('x') ? 'y' : 'x')
  const sent: (string | undefined)[] = [
    undefined,
    'Basic',
    'Basic ???',
    basic('', ''),
    Buffer.from('no colon').toString('base64').replace(/^/, 'Basic '),
    basic(idOf(tenant.key), '%'),
    basic(idOf(tenant.key), flipped),
    basic(idOf(tenant.key), other.key),
    basic(idOf(tenant.key), secretOf(other.key)),
    basic('000000000000', tenant.key),
    basic('admin', gateway.adminKey),
    basic(gateway.adminKey, gateway.adminKey),
    basic(idOf(revoked), revoked),
    basic(idOf(expired), expired),
    `Bearer ${tenant.key}`,
  ]
  for (const authorization of sent) {
    const answer = await askToken(gateway, GRANT, authorization === undefined ? {} : { Authorization: authorization })
    expect([answer.status, answer.body.error], authorization).toEqual([401, 'invalid_client'])
    expect(answer.headers.get('www-authenticate')).toMatch(/^Basic realm=/)
    expect(answer.headers.get('cache-control')).toBe('no-store')
  }
  const inForm: Readonly<Record<string, string>>[] = [
    { client_secret: tenant.key },
    { client_id: idOf(tenant.key) },
    { client_id: idOf(tenant.key), client_secret: flipped },
    { client_id: idOf(tenant.key), client_secret: '%' },
    { client_id: idOf(tenant.key), client_secret: other.key },
    { client_id: idOf(tenant.key), client_secret: secretOf(other.key) },
    { client_id: '000000000000', client_secret: tenant.key },
    { client_id: '000000000000', client_secret: secretOf(tenant.key) },
    { client_id: 'admin', client_secret: gateway.adminKey },
    { client_id: gateway.adminKey, client_secret: gateway.adminKey },
    { client_id: idOf(revoked), client_secret: revoked },
    { client_id: idOf(expired), client_secret: expired },
  ]
  const said = new Set<string | undefined>()
  for (const form of inForm) {
    const answer = await askToken(gateway, { ...GRANT, ...form })
    expect([answer.status, answer.body.error], JSON.stringify(form)).toEqual([401, 'invalid_client'])
    expect(answer.headers.get('www-authenticate')).toMatch(/^Basic realm=/)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    if (form.client_secret !== undefined) said.add(answer.body.error_description)
  }
  expect(said.size).toBe(1)
})

test.each([
  ['the whole key', (key: string) => key],
  ['what follows its last underscore', secretOf],
])('SEC-08 a secret in the form is %s', async (_, secret) => {
  const form = { ...GRANT, client_id: idOf(tenant.key), client_secret: secret(tenant.key), scope: 'scim' }
  const { status, body } = await askToken(gateway, form)
  expect([status, body.expires_in, body.scope]).toEqual([200, 3_600, 'scim'])
  expect(await statusOf(body.access_token, `${tenant.base}/Users`)).toBe(200)
})

test('SEC-09 a client that proves itself in two ways at once is refused, though both proofs are good', async () => {
  const inForm = { client_id: idOf(tenant.key), client_secret: tenant.key }
  const assertion = {
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: 'a.b.c',
  }
  const answers = [
    await askToken(gateway, { ...GRANT, ...inForm }, asClient(tenant.key)),
    await askToken(gateway, { ...GRANT, ...inForm, ...assertion }),
    await askToken(gateway, { ...GRANT, ...assertion }, asClient(tenant.key)),
  ]
  for (const { status, body } of answers) expect([status, body.error]).toEqual([400, 'invalid_request'])
})

test('SEC-06 a secret in the URL is none', async () => {
  const query = new URLSearchParams({ client_id: idOf(tenant.key), client_secret: tenant.key })
  const type = { 'Content-Type': 'application/x-www-form-urlencoded' }
  const body = new URLSearchParams(GRANT).toString()
  const answer = await fetch(`${gateway.origin}/oauth/token?${query}`, { method: 'POST', headers: type, body })
  expect([answer.status, await answer.json()]).toEqual([401, expect.objectContaining({ error: 'invalid_client' })])
})

test.each([
  ['no grant type', {}, 'invalid_request'],
  ['an empty grant type', { grant_type: '' }, 'invalid_request'],
  ['a parameter that is there twice', 'grant_type=client_credentials&grant_type=client_credentials', 'invalid_request'],
  ['another client', { ...GRANT, client_id: '000000000000' }, 'invalid_request'],
  ['a body without end', { ...GRANT, more: 'x'.repeat(20_000) }, 'invalid_request'],
  ['another grant', { grant_type: 'password', username: 'a', password: 'b' }, 'unsupported_grant_type'],
  ['a refresh', { grant_type: 'refresh_token', refresh_token: 'x' }, 'unsupported_grant_type'],
  ['a permission that the key lacks', { ...GRANT, scope: 'scim:read admin' }, 'invalid_scope'],
  ['an unknown permission', { ...GRANT, scope: 'everything' }, 'invalid_scope'],
  ['a scope of spaces', { ...GRANT, scope: '  ' }, 'invalid_scope'],
] as const)('SEC-09 %s is refused with 400', async (_, form, error) => {
  const answer = await askToken(gateway, form, asClient(tenant.key))
  expect([answer.status, answer.body.error]).toEqual([400, error])
  expect(answer.headers.get('cache-control')).toBe('no-store')
  expect(answer.body.error_description).toMatch(/^[ !#-[\]-~]+$/)
})

test('SEC-09 another media type and another method are refused', async () => {
  const json = await askToken(gateway, JSON.stringify(GRANT), {
    ...asClient(tenant.key),
    'Content-Type': 'application/json',
  })
  expect([json.status, json.body.error]).toEqual([400, 'invalid_request'])
  const url = `${gateway.origin}/oauth/token?grant_type=client_credentials`
  const got = await fetch(url, { headers: asClient(tenant.key) })
  expect([got.status, got.headers.get('allow')]).toEqual([405, 'POST'])
})

test('SEC-04 SEC-08 a scope narrows what the token may do', async () => {
  const token = await tokenFor(gateway, tenant.key, 'scim:read')
  const body = JSON.stringify({ schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'], userName: 'narrow' })
  const write = { method: 'POST', headers: { 'Content-Type': 'application/scim+json' }, body }
  expect(await statusOf(token, `${tenant.base}/Users`)).toBe(200)
  expect(await statusOf(token, `${tenant.base}/Users`, write)).toBe(403)
  expect(await statusOf(await tokenFor(gateway, tenant.key), `${tenant.base}/Users`, write)).toBe(201)
})

test.each([
  ['both SCIM permissions', ['scim:read', 'scim:write'], 'scim', ['scim:read', 'scim:write'], 'scim'],
  [
    'both, and one of them by name',
    ['scim:read', 'scim:write'],
    'scim:read scim scim',
    ['scim:read', 'scim:write'],
    'scim:read scim',
  ],
  ['one, where the key has that alone', ['scim:read'], 'scim', ['scim:read'], 'scim'],
  [
    'no other permission',
    ['scim:read', 'scim:write', 'directory:read', 'admin'],
    'scim',
    ['scim:read', 'scim:write'],
    'scim',
  ],
  [
    'another that is named beside it',
    ['scim:read', 'directory:read'],
    'directory:read scim',
    ['scim:read', 'directory:read'],
    'directory:read scim',
  ],
] as const)('SEC-13 the scope scim is %s', async (_, permissions, scope, left, echoed) => {
  const key = await gateway.mintKey({ permissions })
  const { body } = await askToken(gateway, { ...GRANT, scope }, asClient(key))
  expect(body.scope).toBe(echoed)
  expect(decodeJwt(body.access_token).scope).toBe(left.join(' '))
})

test('SEC-13 the scope scim is nothing to a key without a SCIM permission', async () => {
  const key = await gateway.mintKey({ permissions: ['directory:read'] })
  const { status, body } = await askToken(gateway, { ...GRANT, scope: 'scim' }, asClient(key))
  expect([status, body.error]).toEqual([400, 'invalid_scope'])
})

test.each(['legacy', 'default', 'tenant'] as const)(
  'a token of the scope scim reads and writes at the base URL of the form %s',
  async (form) => {
    const token = await tokenFor(gateway, gateway.key, 'scim')
    const body = JSON.stringify({ schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'], userName: `of-${form}` })
    const write = { method: 'POST', headers: { 'Content-Type': 'application/scim+json' }, body }
    expect(await statusOf(token, `${gateway.bases[form]}/Users`, write)).toBe(201)
    expect(await statusOf(token, `${gateway.bases[form]}/Users`)).toBe(200)
  },
)

test('SEC-13 a token reaches what its key reaches: its tenant and no other, and a user no more than /Me', async () => {
  const other = await gateway.newTenant()
  const token = await tokenFor(gateway, tenant.key)
  expect(await statusOf(token, `${other.base}/Users`)).toBe(403)
  expect(await statusOf(token, `${gateway.tenant.base}/Users`)).toBe(403)
  expect(await statusOf(await tokenFor(gateway, gateway.key), `${other.base}/Users`)).toBe(200)

  const user = { schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'], userName: 'me' }
  const { id: userId } = (await tenant.scim('POST', '/Users', user)).body as { id: string }
  const own = await tokenFor(gateway, await gateway.mintKey({ tenant, userId }))
  expect(await statusOf(own, `${tenant.base}/Me`)).toBe(200)
  expect(await statusOf(own, `${tenant.base}/Users/${userId}`)).toBe(403)
})

test('SEC-08 an administrator administers with a token, and what it makes outlives the token', async () => {
  const admin = await gateway.mintKey({ permissions: ['admin', 'scim:read'] })
  const token = await tokenFor(gateway, admin, 'admin scim:read')
  const url = `${gateway.origin}/api/v1/projects/${gateway.project}/environments/${gateway.environment}/api-keys`
  const make = (permissions: string[]) => {
    const body = JSON.stringify({ name: 'k', permissions })
    const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }
    return fetch(url, { method: 'POST', headers, body })
  }
  const made = await make(['scim:read'])
  expect(made.status).toBe(201)
  const { expiresAt } = (await made.json()) as { expiresAt: string }
  expect(Date.parse(expiresAt)).toBeGreaterThan(Date.now() + 300 * 86_400_000)
  expect((await make(['scim:write'])).status).toBe(403)
  const narrow = await tokenFor(gateway, admin, 'scim:read')
  expect(await statusOf(narrow, url)).toBe(403)
  expect(await statusOf(await tokenFor(gateway, tenant.key), url)).toBe(403)
})

test('SEC-03 a token ends with its key: at once when that is revoked', async () => {
  const key = await gateway.mintKey({ tenant })
  const token = await tokenFor(gateway, key)
  expect(await statusOf(token, `${tenant.base}/Users`)).toBe(200)
  await gateway.revoke(key)
  const answer = await fetch(`${tenant.base}/Users`, { headers: { Authorization: `Bearer ${token}` } })
  expect(answer.status).toBe(401)
  expect(answer.headers.get('www-authenticate')).toContain('error="invalid_token"')
})

test('SEC-03 a token ends with the secret by which it was got, and those of the new secret stay', async () => {
  const key = await gateway.mintKey({ tenant })
  const [old, narrow] = [await tokenFor(gateway, key), await tokenFor(gateway, key, 'scim:read')]
  const place = `/api/v1/projects/${gateway.project}/environments/${gateway.environment}/tenants/${tenant.name}`
  const rotate = async (wish: object) => {
    const headers = { Authorization: `Bearer ${gateway.adminKey}`, 'Content-Type': 'application/json' }
    const init = { method: 'POST', headers, body: JSON.stringify(wish) }
    const answer = await fetch(`${gateway.origin}${place}/api-keys/${idOf(key)}/rotation`, init)
    return ((await answer.json()) as { key: string }).key
  }
  const rotated = await rotate({ untilNewIsUsed: true })
  expect(await statusOf(old, `${tenant.base}/Users`)).toBe(200)
  // To ask for a token is to use the secret.
  const fresh = await tokenFor(gateway, rotated)
  expect(decodeJwt(fresh)).toMatchObject({ credential: 2 })
  await expect.poll(() => statusOf(old, `${tenant.base}/Users`), { interval: 20 }).toBe(401)
  expect(await statusOf(narrow, `${tenant.base}/Users`)).toBe(401)
  expect(await statusOf(fresh, `${tenant.base}/Users`)).toBe(200)

  await rotate({ keepOldForSeconds: 0 })
  await expect.poll(() => statusOf(fresh, `${tenant.base}/Users`), { interval: 20 }).toBe(401)
})

test('SEC-03 while a key is rotated both secrets get tokens; one that has ended gets none, in the header or in the form', async () => {
  const key = await gateway.mintKey({ tenant })
  const place = `/api/v1/projects/${gateway.project}/environments/${gateway.environment}/tenants/${tenant.name}`
  const rotation = (method: string, path: string, wish?: object) =>
    fetch(`${gateway.origin}${place}/api-keys/${idOf(key)}/rotation${path}`, {
      method,
      headers: { Authorization: `Bearer ${gateway.adminKey}`, 'Content-Type': 'application/json' },
      ...(wish === undefined ? {} : { body: JSON.stringify(wish) }),
    })
  const { key: rotated } = (await (await rotation('POST', '', { keepOldForSeconds: 600 })).json()) as { key: string }
  const inForm = async (secret: string) => {
    const { status, body } = await askToken(gateway, { ...GRANT, client_id: idOf(key), client_secret: secret })
    return { status, life: body.expires_in, token: body.access_token }
  }
  const inHeader = async (secret: string) => (await askToken(gateway, GRANT, asClient(secret))).status
  const [old, fresh] = [await inForm(key), await inForm(rotated)]
  expect([old.status, fresh.status, fresh.life]).toEqual([200, 200, 3_600])
  // No token outlives its secret.
  expect(old.life).toBeLessThanOrEqual(600)

  expect((await rotation('DELETE', '/old')).ok).toBe(true)
  await expect.poll(async () => (await inForm(key)).status, { interval: 20 }).toBe(401)
  expect(await inHeader(key)).toBe(401)
  expect(await statusOf(old.token, `${tenant.base}/Users`)).toBe(401)
  expect([(await inForm(rotated)).status, await inHeader(rotated)]).toEqual([200, 200])
})

test('SEC-08 a token does not outlive its key', async () => {
  const key = await gateway.mintKey({ tenant, expiresAt: new Date(Date.now() + 60_000) })
  const { body } = await askToken(gateway, GRANT, asClient(key))
  expect(body.expires_in).toBeLessThanOrEqual(60)
  expect(body.expires_in).toBeGreaterThan(50)
})

test('who used a token last is told with the key', async () => {
  const key = await gateway.mintKey({ tenant })
  const token = await tokenFor(gateway, key)
  await statusOf(token, `${tenant.base}/Users`, { headers: { 'User-Agent': 'with a token' } })
  await gateway.flushKeyUse()
  const path = `/projects/${gateway.project}/environments/${gateway.environment}/tenants/${tenant.name}/api-keys/${idOf(key)}`
  const headers = { Authorization: `Bearer ${gateway.adminKey}` }
  const shown = await (await fetch(`${gateway.origin}/api/v1${path}`, { headers })).json()
  expect(shown).toMatchObject({ secrets: [{ version: 1, lastUsedBy: 'with a token' }] })
})
