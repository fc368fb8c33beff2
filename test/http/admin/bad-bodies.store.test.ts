import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openAdminApi, type TestAdminApi } from '../../support/admin-api.ts'

const E = '/projects/acme/environments/prod'
const T = `${E}/tenants/globex`
let api: TestAdminApi
let ids: Record<'webhook' | 'stream' | 'polled' | 'key', string>
beforeAll(async () => {
  api = await openAdminApi()
  const made = async (path: string, body: object) => {
    const answer = await api.send<{ id: string }>('POST', path, body)
    expect([path, answer.status]).toEqual([path, 201])
    return answer.body.id
  }
  await made('/projects', { key: 'acme' })
  await made('/projects/acme/environments', { key: 'prod' })
  await made(`${E}/tenants`, { key: 'globex' })
  const stream = { audience: 'a', method: 'poll' }
  ids = {
    webhook: await made(`${T}/webhooks`, { url: 'https://hooks.example.com/' }),
    stream: await made(`${T}/streams`, stream),
    polled: await made(`${T}/streams`, stream),
    key: await made(`${T}/api-keys`, { name: 'k' }),
  }
})
afterAll(() => api.close())

const WRONG = [
  ['U+0000', '\\u0000'],
  ['half a surrogate pair', '\\ud800'],
] as const
/** What is sent, with a character that no text has in the place of `#`, and where that is. */
const BODIES: readonly (readonly [string, () => string, object, string])[] = [
  ['POST', () => '/projects', { key: 'x', name: 'a#' }, 'name'],
  ['POST', () => `${T}/streams`, { method: 'poll', audience: 'a#' }, 'audience'],
  ['POST', () => `${T}/streams`, { method: 'poll', audience: 'a', description: '#' }, 'description'],
  ['PATCH', () => `${T}/streams/${ids.stream}`, { audience: '#a' }, 'audience'],
  ['POST', () => `${T}/webhooks`, { url: 'https://hooks.example.com/', description: '#' }, 'description'],
  ['POST', () => `${E}/webhooks`, { url: 'https://hooks.example.com/#' }, 'url'],
  ['PATCH', () => `${T}/webhooks/${ids.webhook}`, { description: 'x#' }, 'description'],
  ['PATCH', () => `${T}/webhooks/${ids.webhook}`, { events: ['user.created', 'a#'] }, 'events.1'],
  [
    'PATCH',
    () => T,
    { settings: { roleRules: [{ group: { displayName: 'g#' }, role: 'r' }] } },
    'settings.roleRules.0',
  ],
  ['POST', () => `${E}/tenants`, { key: 'new#' }, 'key'],
  ['POST', () => `${T}/api-keys/${ids.key}/public-keys`, { jwk: { kty: 'EC', 'a#': 1 } }, 'jwk.a'],
  ['POST', () => `${T}/api-keys/${ids.key}/trusts`, { issuer: 'https://idp.example', subject: 'x#' }, 'subject'],
  ['POST', () => `${T}/sign-in-checks`, { identity: 'x#' }, 'identity'],
  ['POST', () => `${T}/streams/${ids.polled}/poll`, { ack: ['a', 'b#'], returnImmediately: true }, 'ack.1'],
  ['POST', () => `${T}/streams/${ids.polled}/poll`, { setErrs: { 'a#': { err: 'x' } }, maxEvents: 0 }, 'setErrs.a'],
  ['POST', () => `${T}/brake/release`, { note: '#' }, 'note'],
  [
    'PUT',
    () => `${T}/schema-extensions/urn:example:Badge`,
    { resourceType: 'User', attributes: [{ name: 'n', type: 'string', description: '#' }] },
    'attributes.0.description',
  ],
  [
    'POST',
    () => `${T}/import`,
    {
      items: [
        { kind: 'resource', type: 'User', id: '01890a5d-ac96-774b-bcce-b302099a8057', resource: { userName: 'a#' } },
      ],
    },
    'items.0.resource.userName',
  ],
]

describe.each(WRONG)('%s', (_, written) => {
  test.each(BODIES)('in a body: %s %s', async (method, path, body, where) => {
    const answer = await api.send<{ errors?: { path: string }[] }>(
      method,
      path(),
      JSON.stringify(body).replace('#', written),
    )
    expect(answer.status).toBe(400)
    expect(answer.body.errors?.map((mistake) => mistake.path.slice(0, where.length))).toContain(where)
  })
})

test.each([
  ['/projects/a%00', 'project'],
  [`${E}/tenants/a%00`, 'tenant'],
  [`${T}/api-keys/%00`, 'apiKey'],
  [`${T}/users?limit=5&userName=%00`, undefined],
  [`${T}/users?role=a%00`, 'role'],
  [`${T}/users?email=%00`, undefined],
  [`${T}/roles?after=%00`, 'after'],
  [`${T}/events?types=a%00`, 'types'],
  [`${T}/webhooks/${'0'.repeat(36)}/deliveries?after=%00`, 'after'],
  ['/audit-log?after=%00', 'after'],
  ['/api-keys?after=%00', 'after'],
])('U+0000 in an address: %s', async (path, where) => {
  const answer = await api.send<{ errors?: { path: string }[] }>('GET', path)
  if (where === undefined) return expect(answer.status).toBeLessThan(500)
  expect(answer).toMatchObject({ status: 400, body: { errors: [{ path: where }] } })
})

test('every route that needs a body says so where there is none, and changes nothing', async () => {
  const { body } = await api.send<{
    paths: Record<string, Record<string, { requestBody?: { required?: boolean } }>>
  }>('GET', '/openapi.json')
  const named: Record<string, string> = {
    ...{ p: 'acme', e: 'prod', t: 'globex', k: ids.key, w: ids.webhook, s: ids.polled },
    ...{ urn: 'urn:example:None', name: 'None' },
  }
  const tried: string[] = []
  const before = (await api.send('GET', '/audit-log')).body
  for (const [template, methods] of Object.entries(body.paths)) {
    for (const [method, { requestBody }] of Object.entries(methods)) {
      if (requestBody?.required !== true) continue
      const path = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => named[name] ?? 'none')
      const answer = await api.send<{ detail: string }>(method.toUpperCase(), path)
      expect([method, template, answer.status, answer.body.detail]).toEqual([
        ...[method, template, 400, expect.stringContaining('The body is missing')],
      ])
      tried.push(`${method} ${template}`)
    }
  }
  expect(tried.length).toBeGreaterThan(30)
  for (const method of ['patch', 'put', 'post'])
    expect(tried.filter((one) => one.startsWith(`${method} `)).length).toBeGreaterThan(0)
  expect((await api.send('GET', '/audit-log')).body).toEqual(before)
  // What needs none is done without.
  expect((await api.send('POST', `${T}/api-keys/${ids.key}/rotation`)).status).toBe(201)
})
