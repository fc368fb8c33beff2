import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { EXIT } from '../../../src/cli/failure.ts'
import { MOST_ENTRIES } from '../../../src/tenancy/catalogue.ts'
import { type Admin, adminOf, type Body, json } from '../../provisioning/registered.ts'
import { rollcall, rollcallJson } from '../../support/cli.ts'
import { type Gateway, openGateway, type TestTenant } from '../../support/gateway.ts'
import { newStoreFolder } from '../../support/store-folder.ts'

// The catalogue of roles and entitlements on the admin API and the command line.

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

const LICENSE = { name: 'License', endpoint: '/Licenses' }
const role = (value: string, rest: object = {}) => ({ kind: 'Role', value, displayName: value, ...rest })
const put = (catalogue: object, path = '/catalogue') => admin('PUT', path, catalogue as Body, tenant)
const withHeader = async (method: string, path: string, headers: Record<string, string>, body?: object) => {
  const url = `${gateway.origin}/api/v1/projects/${gateway.project}/environments/${gateway.environment}/tenants/${tenant.name}${path}`
  const sent = { Authorization: `Bearer ${gateway.adminKey}`, 'Content-Type': 'application/json', ...headers }
  return fetch(url, { method, headers: sent, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
}
const refusal = ({ status, body }: { status: number; body: unknown }) => {
  const { detail, errors = [] } = body as { detail: string; errors?: { path: string; message: string }[] }
  return `${status} ${errors.map(({ path, message }) => `${path} ${message}`).join('; ') || detail}`
}
const audited = async () => {
  const answer = await admin('GET', '/audit-log?limit=50', undefined, tenant)
  const { items } = json(answer) as { items: { action: string; before: Body | null; after: Body }[] }
  return items.filter(({ action }) => action.startsWith('catalogue.')).reverse()
}

test('the whole list is put as often as one likes: only the first and each change is made, with an audit entry', async () => {
  const catalogue = { kinds: [LICENSE], entries: [role('admin', { contains: ['viewer'] }), role('viewer')] }
  const made = await put(catalogue)
  expect(made).toMatchObject({
    status: 201,
    body: { version: 1, kinds: [{ ...LICENSE, attribute: 'entitlements', description: '' }] },
  })
  const again = await put(catalogue)
  expect([again.status, again.body]).toEqual([200, made.body])
  expect((await admin('GET', '/catalogue', undefined, tenant)).body).toEqual(made.body)
  const changed = await put({ entries: [role('viewer', { displayName: 'Viewer' }), role('editor')] })
  expect(changed).toMatchObject({ status: 200, body: { version: 2, kinds: [] } })
  const [first, second, ...more] = await audited()
  expect(first).toMatchObject({
    action: 'catalogue.created',
    before: null,
    after: { entries: 2, added: ['admin', 'viewer'] },
  })
  expect(second).toMatchObject({
    action: 'catalogue.changed',
    before: { version: 1 },
    after: { version: 2, added: ['editor'], removed: ['admin'], changed: ['viewer'] },
  })
  expect(more).toEqual([])
})

test('entries one by one: added, changed, read and taken out, in any letter case', async () => {
  const { value, ...editor } = role('Editor')
  expect(await put(editor, '/catalogue/entries/Editor')).toMatchObject({
    status: 201,
    body: { value, supported: true },
  })
  expect((await put(role('viewer'), '/catalogue/entries/viewer')).status).toBe(400)
  const changed = await put({ ...editor, supported: false }, '/catalogue/entries/editor')
  expect(changed).toMatchObject({ status: 200, body: { value: 'editor', supported: false } })
  expect((await admin('GET', '/catalogue/entries/EDITOR', undefined, tenant)).body).toEqual(changed.body)
  expect((await admin('DELETE', '/catalogue/entries/EDITOR', undefined, tenant)).status).toBe(204)
  expect(refusal(await admin('DELETE', '/catalogue/entries/editor', undefined, tenant))).toBe(
    '404 There is no entry "editor" here.',
  )
  expect(refusal(await admin('GET', '/catalogue', undefined, tenant))).toBe('404 No catalogue is published here.')
})

test('ETag, If-None-Match and If-Match, of the whole and of each entry', async () => {
  await put({ entries: [role('admin'), role('viewer')] })
  for (const path of ['/catalogue', '/catalogue/entries/admin']) {
    const tag = (await withHeader('GET', path, {})).headers.get('etag') ?? ''
    expect(tag).toMatch(/^".+"$/)
    expect((await withHeader('GET', path, { 'If-None-Match': tag })).status).toBe(304)
    expect((await withHeader('DELETE', path, { 'If-Match': '"other"' })).status).toBe(412)
  }
  const tag = (await withHeader('GET', '/catalogue/entries/admin', {})).headers.get('etag') ?? ''
  const body = { kind: 'Role', displayName: 'Boss' }
  expect((await withHeader('PUT', '/catalogue/entries/admin', { 'If-Match': tag }, body)).status).toBe(200)
  const stale = await withHeader('PUT', '/catalogue/entries/admin', { 'If-Match': tag }, body)
  expect([
    stale.status,
    ((await stale.json()) as { changed: { path: string }[] }).changed.map(({ path }) => path),
  ]).toEqual([412, ['modified', 'displayName']])
  // Another entry is not touched by that.
  const viewer = (await withHeader('GET', '/catalogue/entries/viewer', {})).headers.get('etag') ?? ''
  await put(body, '/catalogue/entries/admin')
  expect((await withHeader('DELETE', '/catalogue/entries/viewer', { 'If-Match': viewer })).status).toBe(204)
})

describe('what is refused', () => {
  test('what is wrong with the list itself, each mistake by its place', async () => {
    const wrong = await put({
      kinds: [
        LICENSE,
        { name: 'license', endpoint: '/Seats' },
        { name: 'User', endpoint: '/People' },
        { name: 'Seat', endpoint: '/roles' },
      ],
      entries: [role('a'), role('A'), { kind: 'Nothing', value: 'b', displayName: 'b' }],
    })
    expect(refusal(wrong).split('; ')).toEqual([
      '400 kinds.1.name "license" is there already',
      expect.stringMatching(/^kinds\.2 name: "User"/),
      'kinds.3.endpoint "/roles" is there already',
      'entries.1.value "A" is there twice (letter case does not count)',
      'entries.2.kind "Nothing" is no kind of this catalogue',
    ])
    for (const value of ['', 'two words', 'ä', 'a/b', 'x'.repeat(101)])
      expect((await put({ entries: [role(value)] })).status).toBe(400)
    const many = Array.from({ length: MOST_ENTRIES + 1 }, (_, i) => role(`r${i}`))
    expect((await put({ entries: many })).status).toBe(400)
    expect((await put({ entries: many.slice(1) })).status).toBe(201)
  })

  test('a kind where a tenant, a resource type or another kind is, and the other way round', async () => {
    const taken = await gateway.newTenant()
    expect(refusal(await put({ kinds: [{ name: 'Key', endpoint: `/${taken.name}` }], entries: [] }))).toMatch(
      /^409 kinds a tenant of/,
    )
    const urn = 'urn:example:scim:Badge'
    const badge = (endpoint: string) => ({
      resourceType: { name: 'Badge', endpoint, schema: urn },
      schemas: [{ id: urn, attributes: [{ name: 'code' }] }],
    })
    expect((await admin('PUT', '/resource-types/Badge', badge('/Badges'), tenant)).status).toBe(201)
    expect(refusal(await put({ kinds: [{ name: 'Sign', endpoint: '/badges' }], entries: [] }))).toMatch(
      /^409 kinds .*registered resource type/,
    )
    expect((await put({ kinds: [{ name: 'Sign', endpoint: '/Signs' }], entries: [] })).status).toBe(201)
    const sign = { ...badge('/Signs'), resourceType: { name: 'Other', endpoint: '/Signs', schema: urn } }
    expect(refusal(await admin('PUT', '/resource-types/Other', sign, tenant))).toMatch(/^409 .*catalogue/)
    const other = await admin('POST', '/tenants', { key: 'signs' })
    expect(refusal(other)).toMatch(/^409 key is taken: a resource type/)
    expect(
      refusal(await admin('PUT', '/catalogue', { kinds: [{ name: 'Sign', endpoint: '/Others' }], entries: [] })),
    ).toMatch(/^409 kinds .*in a tenant$/)
  })

  test('keys without the permission admin', async () => {
    const key = await gateway.mintKey({ tenant, permissions: ['directory:read', 'scim:write'] })
    for (const [method, path] of [
      ['GET', '/catalogue'],
      ['PUT', '/catalogue'],
      ['DELETE', '/catalogue/entries/a'],
    ] as const)
      expect(
        (await adminOf(gateway, key)(method, path, method === 'PUT' ? { entries: [] } : undefined, tenant)).status,
      ).toBe(403)
  })
})

test('the command line shows, publishes, sets, removes and withdraws, for an environment or a tenant', async () => {
  const env = {
    ...{ ROLLCALL_PROJECT: gateway.project, ROLLCALL_ENVIRONMENT: gateway.environment },
    ...{ ROLLCALL_URL: gateway.origin, ROLLCALL_ADMIN_KEY: gateway.adminKey },
  }
  const of = ['--tenant', tenant.name]
  const file = join(newStoreFolder(), 'catalogue.json')
  writeFileSync(file, JSON.stringify({ kinds: [LICENSE], entries: [role('admin')] }))
  expect((await rollcall(env, 'catalogue', 'publish', file, ...of)).out).toMatch(
    /License at \/Licenses, in entitlements\n\nKIND +VALUE/,
  )
  await rollcallJson(
    env,
    'catalogue',
    'set',
    'seat.full',
    'Full seat',
    '--kind',
    'License',
    '--description',
    'All of it',
    ...of,
  )
  await rollcallJson(env, 'catalogue', 'set', 'old', 'Old one', '--unsupported', '--contains', 'admin', ...of)
  const shown = await rollcallJson(env, 'catalogue', 'show', ...of)
  expect(shown).toMatchObject({
    version: 3,
    entries: [
      { value: 'admin' },
      { value: 'seat.full', kind: 'License' },
      { value: 'old', supported: false, contains: ['admin'] },
    ],
  })
  const { etag } = shown as { etag: string }
  expect(await rollcall(env, 'catalogue', 'remove', 'OLD', ...of)).toMatchObject({ exitCode: 0 })
  expect((await rollcall(env, 'catalogue', 'publish', file, '--if-match', etag, ...of)).exitCode).toBe(EXIT.refused)
  expect(await rollcall(env, 'catalogue', 'withdraw', ...of)).toMatchObject({
    exitCode: 0,
    out: 'the catalogue is withdrawn\n',
  })
  expect((await rollcall(env, 'catalogue', 'show', ...of)).exitCode).toBe(EXIT.refused)
  writeFileSync(file, 'no JSON')
  expect((await rollcall(env, 'catalogue', 'publish', file)).exitCode).toBe(EXIT.usage)
  expect(readFileSync(file, 'utf8')).toBe('no JSON')
  expect(gateway.errors).toEqual([])
})
