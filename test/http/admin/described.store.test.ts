import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openAdminApi, type TestAdminApi } from '../../support/admin-api.ts'
import { apiDocument } from '../../support/client-types.ts'

const E = '/projects/acme/environments/prod'
const T = `${E}/tenants/globex`
const ID = '01890a5d-ac96-774b-bcce-b302099a8057'
const HOOK = 'https://hooks.example.com/'
let api: TestAdminApi
const ids: Record<string, string> = {}
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
  ids['{webhook}'] = await made(`${T}/webhooks`, { url: HOOK })
  ids['{apiKey}'] = await made(`${T}/api-keys`, { name: 'k' })
})
afterAll(() => api.close())

interface Schema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly pattern?: string
  readonly enum?: readonly unknown[]
  readonly minLength?: number
  readonly maxLength?: number
  readonly properties?: Readonly<Record<string, Schema>>
  readonly propertyNames?: Schema
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
}
interface Described {
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: Schema }[]
}
const document = apiDocument()
const operation = (method: string, path: string) =>
  (document.paths?.[path] as Record<string, Described> | undefined)?.[method.toLowerCase()]

/** Whether the document lets a text be. */
const fits = ({ pattern, minLength = 0, maxLength = 1e9, enum: all }: Schema, text: string): boolean =>
  (pattern === undefined || new RegExp(pattern, 'u').test(text)) &&
  (all === undefined || all.includes(text)) &&
  text.length >= minLength &&
  text.length <= maxLength

const PLACES = '/projects/{project}/environments/{environment}'
const OF_TENANT = `${PLACES}/tenants/{tenant}`
const real = (path: string) =>
  Object.entries({ '{project}': 'acme', '{environment}': 'prod', '{tenant}': 'globex', ...ids }).reduce(
    (text, [name, id]) => text.replace(name, id),
    path,
  )

describe('what the OpenAPI document says of a parameter is what is enforced', () => {
  test.each<readonly [method: string, path: string, name: string, taken: string[], refused: string[]]>([
    ['GET', '/api-keys', 'after', ['0123456789aB'], ['', 'x', '0123456789a-']],
    ['GET', `${OF_TENANT}/setup-links`, 'after', ['0123456789aB'], ['', 'x']],
    ['GET', `${OF_TENANT}/memberships`, 'after', [`${ID}.${ID}`], ['', ID, `${ID}.${ID}.${ID}`]],
    ['GET', `${OF_TENANT}/export`, 'after', [`resource:${ID}`, `member:${ID}:${ID}`], ['', ID, `member:${ID}`]],
    ['GET', `${OF_TENANT}/webhooks/{webhook}/deliveries`, 'after', [`${ID}.7`], ['', ID, `${ID}.x`]],
    ['GET', `${PLACES}/users`, 'after', [`${ID}.${ID}`], ['', ID]],
    ['GET', `${PLACES}/changes`, 'after', ['f00000000.0'], ['', '7', 'f00000000.zzzzzzzzzzz']],
    ['GET', `${OF_TENANT}/users`, 'userName', ['ada', '😀'], ['', 'a\u0001', '\u0085']],
    ['GET', `${OF_TENANT}/requests`, 'operation', ['create', 'gap'], ['', 'x']],
    ['GET', `${OF_TENANT}/requests`, 'status', ['409', '4xx'], ['', '4', '600']],
    ['GET', '/projects/{project}', 'If-None-Match', ['*', '"a"', 'W/"7" , "b"', ',"a",'], ['', 'a', '"a" "b"', ',']],
    ['DELETE', `${OF_TENANT}/webhooks/{webhook}`, 'If-Match', ['"a"', 'W/"7","b"'], ['', 'a', '"a" "b"', ',']],
    ['POST', '/projects', 'Idempotency-Key', ['a b', '"a"', 'x'.repeat(255)], ['', '""', 'é', 'x'.repeat(256)]],
  ])('%s %s: %s', async (method, path, name, taken, refused) => {
    const described = operation(method, path)?.parameters?.find((one) => one.name === name)
    const said = (text: string) => described !== undefined && fits(described.schema, text)
    const query = path.endsWith(`${PLACES}/users`) && name === 'after' ? 'userName=ada&' : ''
    const enforced = async (text: string) => {
      const value = encodeURIComponent(text)
      const answer =
        described?.in === 'query'
          ? await api.send<Refused>(method, `${real(path)}?${query}${name}=${value}`)
          : await api.send<Refused>(method, real(path), method === 'POST' ? { key: '' } : undefined, api.adminKey, {
              [name]: text,
            })
      return answer.status !== 400 || !JSON.stringify(answer.body).includes(name)
    }
    for (const text of [...taken, ...refused])
      expect([text, said(text), await enforced(text)]).toEqual([text, taken.includes(text), taken.includes(text)])
  })
})

interface Refused {
  readonly errors?: readonly { readonly path: string }[]
}

/** The schema of a member, by the name of its body's schema and the way to it. */
function schemaOf(name: string, way: readonly string[]): Schema {
  const schemas = document.components?.schemas as Record<string, Schema>
  let at: Schema | undefined = schemas[name]
  for (const step of way) {
    const branch: Schema | undefined = at?.anyOf?.find(({ properties }) => properties?.[step] !== undefined) ?? at
    at = step === '0' ? branch?.items : step === '{name}' ? branch?.propertyNames : branch?.properties?.[step]
    if (at?.$ref !== undefined) at = schemas[at.$ref.split('/').at(-1) ?? '']
  }
  if (at === undefined) throw new Error(`${name} has no ${way.join('.')}`)
  return at
}

const issuer = {
  ...{ name: 'idp', issuer: 'https://idp.example', jwksUri: 'https://idp.example/keys', audience: 'a' },
  ...{ algorithms: ['RS256'] },
}

describe('what the OpenAPI document says of a member is what is enforced', () => {
  test.each<
    readonly [
      method: string,
      path: string,
      name: string,
      way: string,
      body: (text: string) => object,
      string[],
      string[],
    ]
  >([
    ['POST', '/projects', 'NewProject', 'key', (key) => ({ key }), ['a.b', 'Z'], ['', '-a', 'a/b', 'x'.repeat(65)]],
    [
      ...(['POST', `${OF_TENANT}/webhooks`, 'NewWebhook', 'url', (url: string) => ({ url })] as const),
      [HOOK, `${HOOK}?a=b`],
      ['', 'x', 'ftp://hooks.example.com', `${HOOK}#a`, `${HOOK}a b`, `${HOOK}${'x'.repeat(2_000)}`],
    ],
    [
      ...(['POST', `${OF_TENANT}/webhooks`, 'NewWebhook', 'events.0'] as const),
      (event) => ({ url: HOOK, events: [event] }),
      ['*', 'user.created', 'group.*'],
      ['', 'user', 'a.b.c'],
    ],
    [
      ...(['POST', `${OF_TENANT}/streams`, 'NewStream', 'url'] as const),
      (url) => ({ method: 'push', audience: 'a', url }),
      [HOOK],
      ['x', `${HOOK}#a`],
    ],
    [
      ...(['PATCH', OF_TENANT, 'TenantSettingsChange', 'roleRules.0.group.displayName'] as const),
      (displayName) => ({ settings: { roleRules: [{ group: { displayName }, role: 'r' }] } }),
      ['a', 'é', '😀'],
      ['', 'a\u0001', '\u0085', 'x'.repeat(301)],
    ],
    [
      ...(['PATCH', OF_TENANT, 'TenantSettingsChange', 'externalIssuers.0.permissions.values.{name}'] as const),
      (value) => ({
        settings: { externalIssuers: [{ ...issuer, permissions: { claim: 'c', values: { [value]: ['scim:read'] } } }] },
      }),
      ['a b'],
      ['', 'é', 'x'.repeat(201)],
    ],
    [
      ...(['PATCH', OF_TENANT, 'TenantSettingsChange', 'allowedAddresses.0'] as const),
      (range) => ({ settings: { allowedAddresses: [range] } }),
      ['203.0.113.7', '2001:db8::/32'],
      ['', 'x', '203.0.113.7/', '203.0.113.0 /24'],
    ],
    [
      ...(['POST', `${OF_TENANT}/account-drift/repairs`, 'DriftRepair', 'from'] as const),
      (from) => ({ kinds: ['roles'], from }),
      ['a:', 'a:x', 'u:', `u:${ID}`],
      ['', 'x', `u:${ID}a`],
    ],
    [
      ...(['POST', `${OF_TENANT}/self-tests`, 'NewSelfTest', 'address'] as const),
      (address) => ({ identityProvider: 'generic', address }),
      ['203.0.113.7', '2001:db8::1'],
      ['', 'x'],
    ],
    [
      ...(['POST', `${OF_TENANT}/self-tests`, 'NewSelfTest', 'baseUrl'] as const),
      (baseUrl) => ({ identityProvider: 'generic', baseUrl }),
      ['http://scim.test/scim/v2/acme/prod/v2/globex'],
      ['', 'ftp://scim.test'],
    ],
  ])('%s %s: %s %s', async (method, path, name, way, body, taken, refused) => {
    const schema = schemaOf(name, way.split('.'))
    for (const text of [...taken, ...refused]) {
      const { status } = await api.send(method, real(path), body(text))
      expect([text, fits(schema, text), status !== 400]).toEqual([text, taken.includes(text), taken.includes(text)])
    }
  })

  test('every pattern is one of JSON Schema, which has no flags', () => {
    const patterns = new Set(
      [...JSON.stringify(document).matchAll(/"pattern":("(?:[^"\\]|\\.)*")/g)].map(([, text]) => text),
    )
    const texts = [...patterns].map((text): string => JSON.parse(text ?? '""'))
    expect(texts.length).toBeGreaterThan(10)
    expect(texts.filter((text) => !text.startsWith('^') || /\$\/[a-z]+$/.test(text))).toEqual([])
  })
})

test('a method that is not offered is 405, whatever its If-Match says', async () => {
  const answer = await api.send('OPTIONS', '/projects/acme', undefined, api.adminKey, { 'If-Match': 'x' })
  expect([answer.status, answer.headers.get('Allow')]).toEqual([405, 'DELETE, GET, HEAD, PATCH'])
  for (const [method, path] of [
    ['POST', '/projects/acme'],
    ['PUT', '/api-keys/x/rotation'],
    ['POST', '/projects/acme/environments/x/catalogue'],
  ] as const)
    expect((await api.send(method, path, {}, api.adminKey, { 'If-Match': '0' })).status).toBe(405)
})
