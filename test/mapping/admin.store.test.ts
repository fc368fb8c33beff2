import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { EXIT } from '../../src/cli/failure.ts'
import { type Admin, adminOf, type Body, json } from '../provisioning/registered.ts'
import { rollcall, rollcallJson } from '../support/cli.ts'
import { type Gateway, openGateway, type TestTenant } from '../support/gateway.ts'
import { newStoreFolder } from '../support/store-folder.ts'

// A mapping on the admin API and the command line: how it is set, previewed and refused, and what could be mapped.

let gateway: Gateway
let admin: Admin
let tenant: TestTenant
beforeAll(async () => {
  gateway = await openGateway()
  admin = adminOf(gateway)
})
beforeEach(async () => {
  tenant = await gateway.newTenant()
})
afterAll(() => gateway.close())

const MAPPING = { login: { upper: 'userName' }, area: { split: 'title', by: '-', part: 0 } }
const user = (userName: string, rest: object = {}) =>
  tenant.scim('POST', '/Users', { schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'], userName, ...rest })
const put = (mapping: object, path = '/mapping') => admin('PUT', path, { mapping }, tenant)
const errorsIn = ({ body }: { body: unknown }) =>
  ((body as { errors?: { path: string; message: string }[] }).errors ?? []).map(
    ({ path, message }) => `${path}: ${message}`,
  )
const ifMatch = (method: string, tag: string, mapping: object, path = '/mapping') =>
  fetch(
    `${gateway.origin}/api/v1/projects/${gateway.project}/environments/${gateway.environment}/tenants/${tenant.name}${path}`,
    {
      ...{ method, body: JSON.stringify({ mapping }) },
      headers: { Authorization: `Bearer ${gateway.adminKey}`, 'Content-Type': 'application/json', 'If-Match': tag },
    },
  )

test('it is set, inherited, hidden and taken back, and the tag is of the mapping alone', async () => {
  const nothing = await admin('GET', '/mapping', undefined, tenant)
  expect(nothing.body).toEqual({ mapping: {}, own: false })
  await admin('PUT', '/mapping', { mapping: { all: 'userName' } })
  const inherited = await admin('GET', '/mapping', undefined, tenant)
  expect(inherited.body).toEqual({ mapping: { all: 'userName' }, own: false })
  const tag = inherited.headers.get('etag') ?? ''
  await admin('PATCH', '', { name: 'Another name' }, tenant)
  expect((await admin('GET', '/mapping', undefined, tenant)).headers.get('etag')).toBe(tag)
  const own = await ifMatch('PUT', tag, MAPPING)
  expect([own.status, await own.json()]).toEqual([200, { mapping: MAPPING, own: true }])
  expect((await ifMatch('PUT', tag, {})).status).toBe(412)
  expect((await ifMatch('POST', tag, {}, '/mapping/preview')).status).toBe(412)
  expect((await put({})).body).toEqual({ mapping: {}, own: true })
  expect((await admin('DELETE', '/mapping', undefined, tenant)).status).toBe(204)
  expect((await admin('GET', '/mapping', undefined, tenant)).body).toEqual({ mapping: { all: 'userName' }, own: false })
  await admin('DELETE', '/mapping')
  const settings = json(await admin('GET', '', undefined, tenant)).settings
  expect(settings).toEqual({})
})

test('what leads to nothing is refused where it stands, by each way in, and nothing is changed', async () => {
  const bad = { ok: 'userName', gone: 'nope', secret: { first: ['password'] } }
  const expected = (prefix: string) => [
    expect.stringContaining(`${prefix}.gone: "nope" is no attribute`),
    expect.stringContaining(`${prefix}.secret: "password" is a secret`),
  ]
  expect(errorsIn(await put(bad))).toEqual(expected('mapping'))
  expect(errorsIn(await admin('POST', '/mapping/preview', { mapping: bad }, tenant))).toEqual(expected('mapping'))
  expect(errorsIn(await admin('PATCH', '', { settings: { mapping: bad } }, tenant))).toEqual(
    expected('settings.mapping'),
  )
  expect(errorsIn(await admin('PATCH', '', { settings: { mapping: bad } }))).toEqual(expected('settings.mapping'))
  for (const at of [tenant, undefined])
    expect(errorsIn(await admin('POST', '/preview', { settings: { mapping: bad } }, at))).toEqual(
      expected('settings.mapping'),
    )
  const made = await admin('POST', '/tenants', { key: 'refused', settings: { mapping: bad } })
  expect([made.status, ...errorsIn(made)]).toEqual([400, ...expected('settings.mapping')])
  expect(errorsIn(await put({ a: { first: ['title', {}] } }))).toEqual([
    expect.stringContaining('mapping.a.first.1: must be the path of an attribute'),
  ])
  expect((await admin('GET', '/mapping', undefined, tenant)).body).toEqual({ mapping: {}, own: false })
})

describe('a preview', () => {
  test('counts values by kind and shows whom it changes, page by page, and changes nothing', async () => {
    for (let n = 0; n < 5; n++) await user(`u${n}`, n < 2 ? { title: `Sales-${n}` } : {})
    const ask = async (query = '') =>
      json(await admin('POST', `/mapping/preview?limit=2${query}`, { mapping: MAPPING }, tenant)) as {
        looked: number
        complete: boolean
        fields: { name: string; kinds: Record<string, number>; changed: number }[]
        people: { name: string; before: unknown; after: unknown }[]
        next: string | null
      }
    const first = await ask()
    expect(first).toMatchObject({ looked: 5, complete: true })
    expect(first.fields).toEqual([
      { name: 'login', kinds: { text: 5, number: 0, boolean: 0, list: 0, none: 0 }, changed: 5 },
      { name: 'area', kinds: { text: 2, number: 0, boolean: 0, list: 0, none: 3 }, changed: 2 },
    ])
    const people = [...first.people]
    for (let next = first.next; next !== null; ) {
      const page = await ask(`&after=${next}`)
      people.push(...page.people)
      next = page.next
    }
    expect(people.map(({ name, before, after }) => [name, before, after])).toEqual(
      [0, 1, 2, 3, 4].map((n) => [`u${n}`, null, { login: `U${n}`, area: n < 2 ? 'Sales' : null }]),
    )
    expect((await admin('GET', '/mapping', undefined, tenant)).body).toEqual({ mapping: {}, own: false })
  })

  test('of an environment is of the tenants that have none of their own', async () => {
    await user('inherits')
    const other = await gateway.newTenant({ settings: { mapping: { own: 'userName' } } })
    await other.scim('POST', '/Users', { schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'], userName: 'has' })
    const found = json(await admin('POST', '/mapping/preview?limit=100', { mapping: MAPPING }))
    const names = (found.people as { name: string; tenant: { key: string } }[]).map(({ name }) => name)
    expect(names).toContain('inherits')
    expect(names).not.toContain('has')
  })

  test('shows nobody to who may not read people', async () => {
    await user('ada')
    const only = adminOf(gateway, await gateway.mintKey({ permissions: ['admin'], tenant }))
    const found = json(await only('POST', '/mapping/preview', { mapping: MAPPING }, tenant))
    expect([found.looked, found.people]).toEqual([1, null])
  })
})

test('attributes that no schema has are found in the provisioning log, with masked examples, until they are registered', async () => {
  const odd = 'urn:example:odd:1.0:User'
  await user('ada', {
    costCode: 'AB-1234',
    shoes: [{ size: 41 }],
    [odd]: { floor: 3 },
    name: { nick: 'A', givenName: 'Ada' },
  })
  await user('bob', { costCode: 'CD-9' })
  const [ada] = json(await tenant.scim('GET', '/Users?filter=userName eq "ada"')).Resources as Body[]
  await tenant.scim('PATCH', `/Users/${ada?.id}`, {
    schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
    Operations: [
      { op: 'add', path: 'emails[value eq "ada@acme.example"].nick', value: true },
      { op: 'add', value: { badge: 'x1', title: 'Lead' } },
    ],
  })
  type Seen = { items: { path: string; type: string; multiValued: boolean; requests: number; examples: string[] }[] }
  const seen = async () =>
    json(await admin('GET', '/seen-attributes', undefined, tenant)) as Seen & { requests: number }
  await expect.poll(async () => (await seen()).requests).toBe(3)
  const short = ({ items }: Seen) =>
    Object.fromEntries(
      items.map(({ path, type, multiValued, requests, examples }) => [path, { type, multiValued, requests, examples }]),
    )
  expect(short(await seen())).toEqual({
    costCode: { type: 'string', multiValued: false, requests: 2, examples: ['"••-•"', '"••-••••"'] },
    shoes: { type: 'complex', multiValued: true, requests: 1, examples: ['[{"size":0}]'] },
    [`${odd}:floor`]: { type: 'integer', multiValued: false, requests: 1, examples: ['0'] },
    'name.nick': { type: 'string', multiValued: false, requests: 1, examples: ['"•"'] },
    'emails.nick': { type: 'boolean', multiValued: false, requests: 1, examples: ['true'] },
    badge: { type: 'string', multiValued: false, requests: 1, examples: ['"••"'] },
  })
  const schema = { id: odd, name: 'Odd', attributes: [{ name: 'floor', type: 'integer' }] }
  const made = await admin('PUT', `/schema-extensions/${odd}`, { schema, resourceType: 'User' }, tenant)
  expect(made.status).toBe(201)
  expect(short(await seen())).not.toHaveProperty(`${odd}:floor`)
  expect((await put({ floor: `${odd}:floor` })).status).toBe(200)
})

test('rollcall mapping previews, sets, shows and takes back what a file of YAML says, and shows what was seen', async () => {
  await user('ada', { title: 'Sales-1', costCode: 'AB-1' })
  const folder = newStoreFolder()
  const file = join(folder, 'mapping.yaml')
  writeFileSync(file, 'login: { upper: userName }\narea: { split: title, by: "-", part: 0 }\n')
  const io = {
    ROLLCALL_URL: gateway.origin,
    ...{
      ROLLCALL_ADMIN_KEY: gateway.adminKey,
      ROLLCALL_PROJECT: gateway.project,
      ROLLCALL_ENVIRONMENT: gateway.environment,
    },
  }
  const at = ['--tenant', tenant.name]
  const preview = await rollcall(io, 'mapping', 'preview', file, ...at)
  expect([preview.exitCode, preview.out]).toEqual([
    EXIT.done,
    expect.stringContaining('{"login":"ADA","area":"Sales"}'),
  ])
  expect(await rollcallJson(io, 'mapping', 'set', file, ...at)).toEqual({ mapping: MAPPING, own: true })
  expect((await rollcall(io, 'mapping', 'show', ...at)).out).toContain('userName')
  await expect.poll(async () => (await rollcall(io, 'mapping', 'seen', ...at)).out).toContain('costCode')
  expect((await rollcall(io, 'mapping', 'clear', ...at)).exitCode).toBe(EXIT.done)
  expect(await rollcallJson(io, 'mapping', 'show', ...at)).toMatchObject({ own: false })
  writeFileSync(file, 'login: { upper: nope }\n')
  expect((await rollcall(io, 'mapping', 'set', file, ...at)).err).toContain('mapping.login')
})
