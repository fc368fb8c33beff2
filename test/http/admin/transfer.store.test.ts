import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Permission } from '../../../src/auth/principal.ts'
import { type AdminClient, adminClient, type Schemas } from '../../../src/client/index.ts'
import { parsePosition } from '../../../src/transfer/records.ts'
import { idOf } from '../../support/directories.ts'
import { type Gateway, openGateway, type TestTenant } from '../../support/gateway.ts'
import { importInto } from '../../support/imports.ts'

type TransferRecord = Schemas['TransferRecord']
const TENANT = '/projects/{project}/environments/{environment}/tenants/{tenant}'

let gateway: Gateway
let client: AdminClient
beforeAll(async () => {
  gateway = await openGateway()
  client = adminClient({ origin: gateway.origin, key: gateway.adminKey })
})
afterAll(() => gateway.close())

const pathOf = ({ name }: TestTenant) => ({ project: gateway.project, environment: gateway.environment, tenant: name })
const give = (tenant: TestTenant, items: readonly TransferRecord[], as = client) =>
  importInto(gateway, tenant, items, as)
const take = (tenant: TestTenant, query: object = {}, as = client) =>
  as.GET(`${TENANT}/export`, { params: { path: pathOf(tenant), query } })

const user = (n: number, userName = `user${n}`, more: object = {}): TransferRecord => {
  const schemas = ['urn:ietf:params:scim:schemas:core:2.0:User']
  return { kind: 'resource', type: 'User', resource: { schemas, id: idOf(n, 'user'), userName, ...more } }
}
const group = (n: number): TransferRecord => {
  const schemas = ['urn:ietf:params:scim:schemas:core:2.0:Group']
  return { kind: 'resource', type: 'Group', resource: { schemas, id: idOf(n, 'group'), displayName: `Group ${n}` } }
}
const member = (g: number, n: number): TransferRecord => ({
  kind: 'member',
  group: idOf(g, 'group'),
  member: idOf(n, 'user'),
})

test('an export comes in pages of any size, each record once and in order', async () => {
  const tenant = await gateway.newTenant()
  const records = [user(1), user(2), user(3), group(1), group(2), member(1, 1), member(1, 2), member(2, 3)]
  expect((await give(tenant, records)).data).toEqual({ created: 5, changed: 0, unchanged: 0, members: 3 })
  const whole = (await take(tenant, { total: 'true' })).data
  expect(whole).toMatchObject({ next: null, total: records.length })
  expect(whole?.items.map(({ kind }) => kind)).toEqual(records.map(({ kind }) => kind))
  for (const limit of [1, 2, 3, 5, 8]) {
    const items: TransferRecord[] = []
    for (let after: string | null | undefined; after !== null; ) {
      const { data } = await take(tenant, { limit, ...(after !== undefined && { after }) })
      items.push(...(data?.items ?? []))
      after = data?.next ?? null
    }
    expect(items, `limit ${limit}`).toEqual(whole?.items)
  }
})

test('an import has no more active users than the tenant may have, and of a request beyond that nothing is taken', async () => {
  const tenant = await gateway.newTenant({ settings: { maxActiveUsers: 3 } })
  const inactive = (n: number) => user(n, `user${n}`, { active: false })
  const active = (n: number) => user(n, `user${n}`, { active: true })
  expect((await give(tenant, [user(1), user(2), inactive(3), user(4), group(1)])).response.status).toBe(200)
  const beyond = await give(tenant, [inactive(5), user(6)])
  expect(beyond.response.status).toBe(403)
  expect(beyond.error?.detail).toContain('may have 3 active users (maxActiveUsers)')
  expect((await take(tenant, { total: 'true' })).data).toMatchObject({ total: 5 })
  // One goes and one comes in the same request.
  expect((await give(tenant, [inactive(1), active(3)])).data).toMatchObject({ changed: 2 })
  expect((await give(tenant, [active(1)])).response.status).toBe(403)
  expect((await give(tenant, [active(2), active(3), inactive(5)])).data).toMatchObject({ created: 1, unchanged: 2 })
})

test('SEC-13 what each permission opens of export and import', async () => {
  const tenant = await gateway.newTenant()
  const cases: [Permission[], number, number][] = [
    [['directory:read'], 200, 403],
    [['admin'], 403, 403],
    [['scim:read', 'scim:write'], 403, 403],
    [['admin', 'scim:write'], 403, 200],
  ]
  for (const [permissions, exported, imported] of cases) {
    const as = adminClient({ origin: gateway.origin, key: await gateway.mintKey({ permissions, tenant }) })
    const statuses = [(await take(tenant, {}, as)).response.status, (await give(tenant, [user(1)], as)).response.status]
    expect(statuses, permissions.join(' ')).toEqual([exported, imported])
    const other = await gateway.newTenant()
    expect((await take(other, {}, as)).response.status).toBe(403)
    expect((await give(other, [user(1)], as)).response.status).toBe(403)
  }
})

test('TEN-07 the same ids in two tenants are two directories', async () => {
  const [one, two] = [await gateway.newTenant(), await gateway.newTenant()]
  await give(one, [user(1, 'ada'), user(2), group(1), member(1, 1)])
  await give(two, [user(1, 'bob'), group(1)])
  expect((await give(two, [member(1, 2)])).error?.errors).toEqual([
    { path: 'items.0', message: expect.stringContaining('the tenant has no') },
  ])
  await two.scim('DELETE', `/Users/${idOf(1, 'user')}`)
  const left = (await take(one)).data?.items ?? []
  expect(left.map(({ kind }) => kind)).toEqual(['resource', 'resource', 'resource', 'member'])
})

const others = [user(1, 'ada'), group(1)]
test.each<[string, TransferRecord[], number, string, RegExp]>([
  ['a type that is not registered', [{ ...user(5), type: 'Device' } as TransferRecord], 400, 'items.0', /"Device"/],
  ['an id that is none', [user(6), user(5, 'x', { id: 'X' })], 400, 'items.1', /lower-case UUID/],
  ['an id that is a group', [user(5, 'x', { id: idOf(1, 'group') })], 400, 'items.0', /is a Group here/],
  ['a user without a name', [user(6), user(5, '')], 400, 'items.1', /userName/],
  ['a name that is taken', [user(6), user(5, 'ADA')], 409, 'items.1', /"ADA" exists already/],
  ['a name twice', [user(6, 'x'), user(5, 'X')], 409, 'items.1', /"X" exists already/],
  ['a group that is not there', [user(6), member(9, 1)], 400, 'items.1', /no group/],
  ['a member that is not there', [user(6), member(1, 1), member(1, 9)], 400, 'items.2', /a member of/],
])('%s is refused by its place, and nothing is taken', async (_, records, status, path, message) => {
  const tenant = await gateway.newTenant()
  await give(tenant, others)
  const { error, response } = await give(tenant, records)
  expect([response.status, error?.errors]).toEqual([status, [{ path, message: expect.stringMatching(message) }]])
  expect((await take(tenant, { total: 'true' })).data?.total).toBe(others.length)
})

test('names that change places are refused or done, never half', async () => {
  const tenant = await gateway.newTenant()
  await give(tenant, [user(1, 'ada'), user(2, 'bob')])
  const { response } = await give(tenant, [user(3, 'new'), user(2, 'ada')])
  expect(response.status).toBe(409)
  expect((await take(tenant)).data?.items).toHaveLength(2)
})

test('with an Idempotency-Key a repeat gets the first answer', async () => {
  const tenant = await gateway.newTenant()
  const once = () =>
    client.POST(`${TENANT}/import`, {
      params: { path: pathOf(tenant), header: { 'Idempotency-Key': tenant.name } },
      body: { items: [user(1), group(1), member(1, 1)] },
    })
  const first = await once()
  expect(first.data).toMatchObject({ created: 2, members: 1 })
  expect((await once()).data).toEqual(first.data)
})

test('what is too much, or no position, is refused', async () => {
  const tenant = await gateway.newTenant()
  const many = Array.from({ length: 1_001 }, (_, n) => user(n))
  expect((await give(tenant, many)).response.status).toBe(400)
  expect((await take(tenant, { after: 'resource:x' })).response.status).toBe(400)
})

test.each([
  [`resource:${idOf(1, 'user')}`, { kind: 'resource', id: idOf(1, 'user') }],
  [
    `member:${idOf(1, 'group')}:${idOf(1, 'user')}`,
    { kind: 'member', group: idOf(1, 'group'), member: idOf(1, 'user') },
  ],
  [`deferred:${idOf(1, 'group')}:a:b\nc`, { kind: 'deferred', group: idOf(1, 'group'), member: 'a:b\nc' }],
  [`resource:${idOf(1, 'user')}:`, undefined],
  [`member:${idOf(1, 'group')}:x`, undefined],
  [`deferred:${idOf(1, 'group')}`, undefined],
  ['other:x', undefined],
])('%j is a position or none', (text, position) => expect(parsePosition(text)).toEqual(position))
