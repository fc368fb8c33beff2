import { Hono } from 'hono'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { FailedAttempts } from '../../../src/auth/attempts.ts'
import { ExternalIssuers } from '../../../src/auth/external-issuers.ts'
import { loadConfig } from '../../../src/config.ts'
import type { Database } from '../../../src/db/database.ts'
import { adminApi } from '../../../src/http/admin/api.ts'
import { ADMIN_KEY as ADMIN, type AdminAnswer, openAdminApi, type TestAdminApi } from '../../support/admin-api.ts'
import { idleDeliveries } from '../../support/deliveries.ts'

let api: TestAdminApi
const keyFor = (path: string, permissions: string[]) => api.keyFor(path, permissions)

/** The members of answers that tests look at by name. */
interface Body {
  id: string
  key: string
  next: string | null
  items: unknown[]
  revokedAt: string | null
  paused: boolean
  settings: unknown
  effectiveSettings: object
  scimBaseUrls: string[]
  scope: { kind: string }
  openapi: string
  paths: Record<string, Record<string, { responses: object; parameters?: { name: string }[] }>>
  components: { schemas: Record<string, { required?: string[]; additionalProperties?: boolean }> }
}

const send = (method: string, path: string, body?: unknown, key?: string | null): Promise<AdminAnswer<Body>> =>
  api.send<Body>(method, path, body, key)

beforeAll(async () => {
  api = await openAdminApi()
  for (const p of ['acme', 'other']) {
    await send('POST', '/projects', { key: p })
    for (const e of ['prod', 'dev']) {
      await send('POST', `/projects/${p}/environments`, { key: e })
      await send('POST', `/projects/${p}/environments/${e}/tenants`, { key: 'globex' })
    }
  }
})
afterAll(() => api.close())

describe('making, listing and changing', () => {
  test('a project', async () => {
    const made = await send('POST', '/projects', { key: 'Big_Co', name: 'Big & Co' })
    expect(made).toMatchObject({
      status: 201,
      body: { key: 'Big_Co', name: 'Big & Co', warnings: [expect.stringContaining('Okta')] },
    })
    expect(made.headers.get('Location')).toBe('/api/v1/projects/Big_Co')
    expect((await send('GET', '/projects/big_co')).body).toEqual(made.body)
    expect((await send('GET', `/projects/${made.body.id}`)).body).toEqual(made.body)
    expect(made.body.paused).toBe(false)
    const [renamed, paused] = [{ name: 'Big' }, { paused: true }]
    expect((await send('PATCH', '/projects/big_co', renamed)).body).toEqual({ ...made.body, ...renamed })
    expect((await send('PATCH', '/projects/big_co', paused)).body).toEqual({ ...made.body, ...renamed, ...paused })
    expect((await send('DELETE', '/projects/big_co')).status).toBe(204)
    expect((await send('GET', '/projects/big_co')).status).toBe(404)
  })

  test('an environment with its settings and its tenant default', async () => {
    const path = '/projects/acme/environments'
    const made = await send('POST', path, { key: 'stage', settings: { mode: 'strict', createUnknownTenants: true } })
    expect(made).toMatchObject({
      status: 201,
      body: { settings: { mode: 'strict', createUnknownTenants: true }, warnings: [] },
    })
    expect(made.headers.get('Location')).toBe('/api/v1/projects/acme/environments/stage')
    const changed = await send('PATCH', `${path}/stage`, { settings: { mode: null, rootQueries: false } })
    expect(changed.body.settings).toEqual({ createUnknownTenants: true, rootQueries: false })
    expect(changed.body.effectiveSettings).toMatchObject({
      mode: 'lenient',
      rootQueries: false,
      createUnknownTenants: true,
    })
    expect([changed.body.paused, (await send('PATCH', `${path}/stage`, { paused: true })).body]).toEqual([
      false,
      { ...changed.body, paused: true },
    ])
    expect((await send('GET', `${path}/stage/tenants`)).body).toMatchObject({ items: [{ key: 'default' }], next: null })
    expect((await send('DELETE', `${path}/stage`)).status).toBe(204)
    expect((await send('GET', `${path}/stage`)).status).toBe(404)
  })

  test('TEN-08 a tenant with its base URLs', async () => {
    const path = '/projects/acme/environments/prod/tenants'
    const made = await send('POST', path, { key: 'initech', settings: { password: 'drop' } })
    expect(made).toMatchObject({
      status: 201,
      body: {
        paused: false,
        settings: { password: 'drop' },
        scimBaseUrl: 'http://scim.test/scim/v2/acme/prod/v2/initech',
        scimBaseUrls: ['http://scim.test/scim/v2/acme/prod/v2/initech'],
      },
    })
    expect((await send('GET', `${path}/default`)).body.scimBaseUrls).toEqual([
      'http://scim.test/scim/v2/acme/prod/v2/default',
      'http://scim.test/scim/v2/acme/prod/v2',
      'http://scim.test/scim/v2/acme/prod',
    ])
    expect((await send('PATCH', `${path}/initech`, { paused: true, settings: { password: null } })).body).toEqual({
      ...made.body,
      paused: true,
      settings: {},
      effectiveSettings: { ...made.body.effectiveSettings, password: 'hash' },
    })
    expect((await send('DELETE', `${path}/initech`)).status).toBe(204)
    expect((await send('GET', `${path}/initech`)).status).toBe(404)
  })

  test('lists go on where they stopped', async () => {
    const first = await send('GET', '/projects?limit=1')
    expect(first.body.items).toMatchObject([{ key: 'acme' }])
    const second = await send('GET', `/projects?limit=1&after=${first.body.next}`)
    expect(second.body).toMatchObject({ items: [{ key: 'other' }], next: null })
  })
})

describe('API keys', () => {
  test('SEC-07 the key is shown once, its expiry always', async () => {
    const expiresAt = new Date(Date.now() + 86_400_000).toISOString()
    const made = await send('POST', '/projects/acme/environments/prod/api-keys', {
      name: 'Okta',
      tenant: 'Globex',
      permissions: ['scim:read'],
      expiresAt,
    })
    expect(made.status).toBe(201)
    expect(made.headers.get('Cache-Control')).toBe('no-store')
    const { key, ...rest } = made.body
    expect(rest).toMatchObject({
      name: 'Okta',
      scope: { kind: 'tenant' },
      permissions: ['scim:read'],
      expiresAt,
      revokedAt: null,
    })
    expect((await send('GET', `/projects/acme/environments/prod/api-keys/${rest.id}`)).body).toEqual(rest)
    const listed = await send('GET', '/projects/acme/environments/prod/tenants/globex/api-keys')
    expect(listed.body.items).toContainEqual(rest)
    expect(JSON.stringify(listed.body)).not.toContain(key)
    expect(JSON.stringify(listed.body)).not.toMatch(/hash/)
  })

  test.each([
    ['/projects/acme', 'project'],
    ['/projects/acme/environments/prod', 'environment'],
    ['/projects/acme/environments/prod/tenants/globex', 'tenant'],
    ['', 'instance'],
  ])('SEC-03 DELETE revokes at once: %s/api-keys', async (path, kind) => {
    const made = await send('POST', `${path}/api-keys`, { name: 'k', permissions: ['admin'] })
    expect(made.body.scope.kind).toBe(kind)
    const own = path === '' ? '/projects' : path
    expect((await send('GET', own, undefined, made.body.key)).status).toBe(200)
    expect((await send('DELETE', `${path}/api-keys/${made.body.id}`)).status).toBe(204)
    expect((await send('GET', own, undefined, made.body.key)).status).toBe(401)
    expect((await send('GET', `${path}/api-keys/${made.body.id}`)).body.revokedAt).not.toBeNull()
    expect((await send('DELETE', `${path}/api-keys/${made.body.id}`)).status).toBe(204)
  })

  test('no key makes a key wider than itself', async () => {
    const key = await keyFor('/projects/acme/environments/prod', ['admin', 'scim:read'])
    const mint = (path: string, permissions: string[]) =>
      send('POST', `${path}/api-keys`, { name: 'k', permissions }, key)
    expect((await mint('/projects/acme/environments/prod', ['scim:read', 'admin'])).status).toBe(201)
    expect((await mint('/projects/acme/environments/prod', ['scim:write'])).status).toBe(403)
    for (const path of ['', '/projects/acme', '/projects/acme/environments/dev', '/projects/other', '/projects/none'])
      expect((await mint(path, ['scim:read'])).status).toBe(403)
  })

  test.each([
    ['no name', {}, 'name'],
    ['a permission that is none', { name: 'k', permissions: ['root'] }, 'permissions.0'],
    ['no permissions at all', { name: 'k', permissions: [] }, 'permissions'],
    ['an expiry in the past', { name: 'k', expiresAt: '2020-01-01T00:00:00Z' }, 'expiresAt'],
    ['SEC-07 an expiry in more than a year', { name: 'k', expiresAt: '2099-01-01T00:00:00Z' }, 'expiresAt'],
    ['an expiry that is no time', { name: 'k', expiresAt: 'tomorrow' }, 'expiresAt'],
    ['a member that is not known', { name: 'k', scope: 'instance' }, 'scope'],
  ])('%s is refused', async (_, body, path) => {
    const answer = await send('POST', '/projects/acme/environments/prod/api-keys', body)
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ path }] } })
  })
})

describe('SEC-13 what a key with the permission admin reaches', () => {
  const places = [
    '/projects',
    '/projects/acme',
    '/projects/acme/environments/prod',
    '/projects/acme/environments/prod/tenants/globex',
    '/projects/acme/environments/prod/tenants/default',
    '/projects/acme/environments/prod/tenants/none',
    '/projects/acme/environments/dev',
    '/projects/acme/environments/none',
    '/projects/other',
    '/projects/none',
    '/api-keys',
  ]
  test.each([
    ['', [200, 200, 200, 200, 200, 404, 200, 404, 200, 404, 200]],
    ['/projects/acme', [403, 200, 200, 200, 200, 404, 200, 404, 403, 403, 403]],
    ['/projects/acme/environments/prod', [403, 403, 200, 200, 200, 404, 403, 403, 403, 403, 403]],
    ['/projects/acme/environments/prod/tenants/globex', [403, 403, 403, 200, 403, 403, 403, 403, 403, 403, 403]],
  ])('a key for "%s"', async (scope, expected) => {
    const key = await keyFor(scope, ['admin'])
    const answers = await Promise.all(places.map((place) => send('GET', place, undefined, key)))
    expect(answers.map(({ status }) => status)).toEqual(expected)
    const refusals = answers.filter(({ status }) => status === 403).map(({ body }) => JSON.stringify(body))
    expect(new Set(refusals).size).toBeLessThanOrEqual(1)
  })

  test('a key without it is refused everywhere', async () => {
    const key = await keyFor('', ['scim:read', 'scim:write', 'directory:read'])
    const answer = await send('GET', '/projects', undefined, key)
    expect(answer.status).toBe(403)
    expect(answer.headers.get('WWW-Authenticate')).toContain('error="insufficient_scope", scope="admin"')
  })

  test('nothing is deleted with a key for that thing alone', async () => {
    for (const path of [
      '/projects/acme',
      '/projects/acme/environments/prod',
      '/projects/acme/environments/prod/tenants/globex',
    ])
      expect((await send('DELETE', path, undefined, await keyFor(path, ['admin']))).status).toBe(403)
  })
})

describe('problems (RFC 9457)', () => {
  test.each([
    ['no key', 'GET', '/projects', undefined, null, 401],
    ['a bad key', 'GET', '/projects', undefined, 'x', 401],
    ['a bad key before a bad body', 'POST', '/projects', '{', 'x', 401],
    ['no key at an address that is none', 'GET', '/nothing', undefined, null, 401],
    ['an address that is none', 'GET', '/nothing', undefined, ADMIN, 404],
    ['a method that is none', 'PUT', '/projects', {}, ADMIN, 405],
    ['broken JSON', 'POST', '/projects', '{', ADMIN, 400],
    ['a JSON array', 'POST', '/projects', [], ADMIN, 400],
    ['a taken key', 'POST', '/projects', { key: 'ACME' }, ADMIN, 409],
    ['a reserved key', 'POST', '/projects', { key: 'users' }, ADMIN, 400],
    ['a body that is too large', 'POST', '/projects', { key: 'x'.repeat(70_000) }, ADMIN, 413],
    ['NUL in a name', 'POST', '/projects', { key: 'nul', name: 'a\0b' }, ADMIN, 400],
    ['half a surrogate pair in a name', 'POST', '/projects', '{"key":"nul","name":"\\ud800"}', ADMIN, 400],
    ['NUL in a path', 'GET', '/projects/a%00', undefined, ADMIN, 400],
    ['a project with environments', 'DELETE', '/projects/acme', undefined, ADMIN, 409],
    ['an environment with tenants', 'DELETE', '/projects/acme/environments/prod', undefined, ADMIN, 409],
    ['the tenant default', 'DELETE', '/projects/acme/environments/prod/tenants/default', undefined, ADMIN, 409],
    ['a list from nowhere', 'GET', '/projects?after=x', undefined, ADMIN, 400],
    ['a list of keys from nowhere', 'GET', '/api-keys?after=%00', undefined, ADMIN, 400],
    ['a list without end', 'GET', '/projects?limit=1000', undefined, ADMIN, 400],
  ])('%s', async (_, method, path, body, key, status) => {
    const answer = await send(method, path, body, key)
    expect(answer).toMatchObject({
      status,
      body: { status, title: expect.any(String), detail: expect.any(String), requestId: 'request-1' },
    })
    expect(answer.headers.get('Content-Type')).toBe('application/problem+json')
    if (status === 401) expect(answer.headers.get('WWW-Authenticate')).toMatch(/^Bearer realm="scim"/)
  })

  test.each([
    ['PUT', '/projects', 'GET, HEAD, POST'],
    ['OPTIONS', '/projects/acme', 'DELETE, GET, HEAD, PATCH'],
    ['PUT', '/projects/acme/environments/prod/tenants/globex/api-keys/x', 'DELETE, GET, HEAD, PATCH'],
    ['POST', '/projects/acme/environments/prod/resource-types/Device', 'DELETE, GET, HEAD, PUT'],
    ['DELETE', '/openapi.json', 'GET, HEAD'],
  ])('%s %s names the methods that there are', async (method, path, allow) => {
    const answer = await send(method, path, method === 'OPTIONS' ? undefined : {})
    expect([answer.status, answer.headers.get('Allow')]).toEqual([405, allow])
    expect(answer.headers.get('Content-Type')).toBe('application/problem+json')
    expect((await send(method, path, {}, null)).status).toBe(401)
  })

  test('another media type is refused', async () => {
    const init = {
      method: 'POST',
      headers: { Authorization: `Bearer ${ADMIN}`, 'Content-Type': 'text/plain' },
      body: '{"key":"x"}',
    }
    expect((await api.request('/projects', init)).status).toBe(415)
  })

  test.each([
    ['/projects/acme/environments/prod', { settings: { colour: 'red' } }, 'settings.colour'],
    ['/projects/acme/environments/prod', { settings: { mode: 'loose' } }, 'settings.mode'],
    ['/projects/acme/environments/prod', { key: 'new' }, 'key'],
    ['/projects/acme/environments/prod', { paused: 'yes' }, 'paused'],
    [
      '/projects/acme/environments/prod/tenants/globex',
      { settings: { createUnknownTenants: true } },
      'settings.createUnknownTenants',
    ],
    ['/projects/acme/environments/prod/tenants/globex', { paused: 'yes' }, 'paused'],
  ])('TEN-09 PATCH %s %j names the member that is wrong', async (path, body, wrong) => {
    const answer = await send('PATCH', path, body)
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ path: wrong, message: expect.any(String) }] } })
  })
})

test('the OpenAPI document describes every route, to everybody', async () => {
  const { status, body } = await send('GET', '/openapi.json', undefined, null)
  expect(status).toBe(200)
  expect(body.openapi).toBe('3.1.0')
  expect(Object.keys(body.paths)).toEqual(
    expect.arrayContaining([
      '/projects',
      '/projects/{project}/environments/{environment}/tenants/{tenant}/api-keys/{apiKey}',
    ]),
  )
  expect(body.paths['/projects']?.post?.responses).toHaveProperty('4XX')
  expect(body.components.schemas.TenantSettings).toMatchObject({ additionalProperties: false })
  expect(body.components.schemas.TenantSettings?.required).toBeUndefined()
  const posts = Object.entries(body.paths).flatMap(([path, { post }]) => (post ? [{ path, ...post }] : []))
  const without = posts.filter(({ parameters }) => !parameters?.some(({ name }) => name === 'Idempotency-Key'))
  expect(posts.length - without.length).toBeGreaterThan(5)
  // What makes nothing, or the same again.
  expect(new Set(without.map(({ path }) => path.split('/{').at(-1)))).toEqual(
    new Set([
      'tenant}/sign-in-checks',
      'tenant}/move/preview',
      'stream}/poll',
      'stream}/test',
      'webhook}/test',
      'tenant}/preview',
      'tenant}/mapping/preview',
      'environment}/mapping/preview',
      'environment}/preview',
      'tenant}/self-tests',
      'tenant}/accounts',
      'run}/finish',
      'domain}/verify',
      'tenant}/account-drift/repairs',
    ]),
  )
})

test('the OpenAPI document is written once, and not sent again to who has it', async () => {
  const first = await api.request('/openapi.json')
  const tag = first.headers.get('ETag') ?? ''
  expect([tag, first.headers.get('Cache-Control')]).toEqual([
    expect.stringMatching(/^"[\w-]{43}"$/),
    'public, max-age=300',
  ])
  const stringify = vi.spyOn(JSON, 'stringify')
  const again = await api.request('/openapi.json')
  expect(stringify).not.toHaveBeenCalled()
  stringify.mockRestore()
  expect(await again.text()).toBe(await first.text())
  const known = await api.request('/openapi.json', { headers: { 'If-None-Match': tag } })
  expect([known.status, await known.text()]).toEqual([304, ''])
})

test('what is not the caller’s fault goes through to the application', async () => {
  const failing = {
    ...api.database,
    get orm(): never {
      throw new Error('the store is away')
    },
    for: () => failing,
  } as unknown as Database
  const around = new Hono()
  around.onError((error, c) => c.json({ unexpected: error.message }, 503))
  around.route(
    '/api/v1',
    adminApi({
      database: failing,
      config: loadConfig({}),
      control: api.control,
      deliveries: idleDeliveries(api.database),
      issuers: new ExternalIssuers([]),
      failures: new FailedAttempts(),
    }),
  )
  const answer = await around.request('/api/v1/projects', { headers: { Authorization: `Bearer ${ADMIN}` } })
  expect(answer.status).toBe(503)
  expect(await answer.json()).toEqual({ unexpected: 'the store is away' })
})
