import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Gateway, openGateway, type TestTenant } from '../../support/gateway.ts'
import {
  bulkBody,
  groupBody,
  idIn,
  json,
  listed,
  listedIds,
  patchBody,
  searchBody,
  userBody,
} from '../../support/instances.ts'

let gateway: Gateway
let tenant: TestTenant
let user: string
let group: string

beforeAll(async () => {
  gateway = await openGateway()
})
afterAll(() => gateway.close())

describe.each([
  { off: 'userSync', on: 'groupSync', endpoint: '/Users', type: 'User', schema: 'core:2.0:User' },
  { off: 'groupSync', on: 'userSync', endpoint: '/Groups', type: 'Group', schema: 'core:2.0:Group' },
] as const)('$off switched off', ({ off, endpoint, type, schema }) => {
  const other = type === 'User' ? '/Groups' : '/Users'
  const otherType = type === 'User' ? 'Group' : 'User'
  const body = () => (type === 'User' ? userBody('new') : groupBody('new'))
  const one = () => `${endpoint}/${type === 'User' ? user : group}`
  const refused = { status: 403, detail: expect.stringContaining(off) }
  const brief = (answer: { status: number; body: unknown }) => ({
    status: answer.status,
    detail: (answer.body as { detail?: string } | undefined)?.detail,
  })

  beforeAll(async () => {
    tenant = await gateway.newTenant()
    user = idIn(await tenant.scim('POST', '/Users', userBody('ada')))
    group = idIn(await tenant.scim('POST', '/Groups', groupBody('all', [user])))
    await gateway.setSettings(tenant, { [off]: false })
  })

  test.each<[string, () => string, (() => object) | undefined]>([
    ['GET', () => endpoint, undefined],
    ['GET', () => `${endpoint}?filter=id%20pr`, undefined],
    ['POST', () => `${endpoint}/.search`, () => searchBody()],
    ['POST', () => endpoint, body],
    ['GET', one, undefined],
    ['PUT', one, body],
    ['PATCH', one, () => patchBody({ op: 'replace', path: 'externalId', value: 'x' })],
    ['DELETE', one, undefined],
    ['GET', () => '/', undefined],
    ['POST', () => '/.search', () => searchBody()],
  ])('D-05 %s is refused with words for the log', async (method, path, message) => {
    expect(brief(await tenant.scim(method, path(), message?.()))).toEqual(refused)
  })

  test('in a bulk its operations are refused and the others done', async () => {
    const answer = await tenant.scim(
      'POST',
      '/Bulk',
      bulkBody([
        { method: 'POST', path: endpoint, bulkId: 'a', data: body() },
        { method: 'DELETE', path: one() },
        {
          method: 'POST',
          path: other,
          bulkId: 'b',
          data: type === 'User' ? groupBody('other') : userBody('other'),
        },
      ]),
    )
    const results = json(answer).Operations as { status: string; response?: { detail: string } }[]
    expect(results.map(({ status }) => status)).toEqual(['403', '403', '201'])
    expect(results[0]?.response?.detail).toContain(off)
  })

  test('D-14 discovery does not show it', async () => {
    const types = listed(await tenant.scim('GET', '/ResourceTypes')).map(({ id }) => id)
    expect(types).toEqual([otherType])
    expect((await tenant.scim('GET', `/ResourceTypes/${type}`)).status).toBe(404)
    const urn = `urn:ietf:params:scim:schemas:${schema}`
    const schemas = listed(await tenant.scim('GET', '/Schemas')).map(({ id }) => id)
    expect(schemas).not.toContain(urn)
    expect(schemas.some((id) => String(id).includes('enterprise'))).toBe(type === 'Group')
    expect(schemas).toContain('urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig')
    expect((await tenant.scim('GET', `/Schemas/${urn}`)).status).toBe(404)
    const config = json(await tenant.scim('GET', '/ServiceProviderConfig'))
    expect(config.changePassword).toEqual({ supported: type === 'Group' })
  })

  test('the other endpoint goes on, and all is as it was when it is switched on again', async () => {
    expect(listed(await tenant.scim('GET', other)).length).toBeGreaterThan(0)
    await gateway.setSettings(tenant, { [off]: null })
    expect(json(await tenant.scim('GET', one()))).toMatchObject({ id: type === 'User' ? user : group })
    expect((await tenant.scim('GET', '/')).status).toBe(200)
  })
})

test('a key that stands for a user reaches no user where users are switched off', async () => {
  tenant = await gateway.newTenant()
  user = idIn(await tenant.scim('POST', '/Users', userBody('me')))
  const key = await gateway.mintKey({ tenant, userId: user })
  const me = () => tenant.scim('GET', '/Me', undefined, { Authorization: `Bearer ${key}` })
  expect((await me()).status).toBe(200)
  await gateway.setSettings(tenant, { userSync: false })
  expect((await me()).status).toBe(403)
})

describe.each([
  { off: 'userSync', endpoint: '/Users', type: 'User' },
  { off: 'groupSync', endpoint: '/Groups', type: 'Group' },
] as const)('$off switched off, with whenSyncIsOff: empty', ({ off, endpoint, type }) => {
  const other = type === 'User' ? '/Groups' : '/Users'
  const none = { Resources: [], totalResults: 0, itemsPerPage: 0, startIndex: 1 }

  beforeAll(async () => {
    tenant = await gateway.newTenant()
    user = idIn(await tenant.scim('POST', '/Users', userBody('ada')))
    group = idIn(await tenant.scim('POST', '/Groups', groupBody('all', [user])))
    await gateway.setSettings(tenant, { [off]: false, whenSyncIsOff: 'empty' })
  })

  test.each<[string, string, (() => object) | undefined]>([
    ['GET', endpoint, undefined],
    ['GET', `${endpoint}?filter=id%20pr&sortBy=id`, undefined],
    ['GET', `${endpoint}?filter=displayName%20eq%20%22all%22`, undefined],
    ['POST', `${endpoint}/.search`, () => searchBody()],
  ])('D-05 %s %s finds nothing', async (method, path, message) => {
    const answer = await tenant.scim(method, path, message?.())
    expect(answer.status).toBe(200)
    expect(json(answer)).toEqual({ schemas: ['urn:ietf:params:scim:api:messages:2.0:ListResponse'], ...none })
  })

  test('D-05 a page by cursor is empty and the last one, and startIndex is the one that was asked for', async () => {
    const byCursor = json(await tenant.scim('GET', `${endpoint}?cursor=`))
    expect(byCursor).toMatchObject({ totalResults: 0 })
    expect(byCursor).not.toHaveProperty('nextCursor')
    expect(json(await tenant.scim('GET', `${endpoint}?startIndex=6&count=5`))).toMatchObject({ startIndex: 6 })
  })

  test('D-05 a query that is none is refused, as it is anywhere', async () => {
    expect((await tenant.scim('GET', `${endpoint}?filter=nonsense`)).body).toMatchObject({ scimType: 'invalidFilter' })
  })

  test('D-05 at the base URL the other type alone is found, by whatever it is sorted', async () => {
    const own = type === 'User' ? 'userName' : 'displayName'
    for (const query of ['', '?sortBy=id', `?sortBy=${own}&sortOrder=descending`, '?filter=id%20pr'])
      expect(listedIds(await tenant.scim('GET', `/${query}`))).toEqual([type === 'User' ? group : user])
    expect(listedIds(await tenant.scim('POST', '/.search', searchBody()))).toEqual([type === 'User' ? group : user])
  })

  test('D-05 one resource is not found, and no write is done', async () => {
    const one = `${endpoint}/${type === 'User' ? user : group}`
    expect((await tenant.scim('GET', one)).status).toBe(404)
    const body = type === 'User' ? userBody('new') : groupBody('new')
    const writes = [
      await tenant.scim('POST', endpoint, body),
      await tenant.scim('PUT', one, body),
      await tenant.scim('PATCH', one, patchBody({ op: 'replace', path: 'externalId', value: 'x' })),
      await tenant.scim('DELETE', one),
    ]
    for (const { status, text } of writes) expect([status, text]).toEqual([403, expect.stringContaining(off)])
    const bulk = await tenant.scim('POST', '/Bulk', bulkBody([{ method: 'DELETE', path: one }]))
    expect(json(bulk).Operations).toMatchObject([{ status: '403' }])
  })

  test('D-14 its schema can be read, and its resource type is not offered', async () => {
    const names = listed(await tenant.scim('GET', '/Schemas')).map(({ id }) => String(id))
    expect(names).toContain(`urn:ietf:params:scim:schemas:core:2.0:${type}`)
    expect(names).toContain('urn:ietf:params:scim:schemas:extension:enterprise:2.0:User')
    expect((await tenant.scim('GET', `/ResourceTypes/${type}`)).status).toBe(404)
  })

  test('all is as it was when it is switched on again', async () => {
    expect(listed(await tenant.scim('GET', other))).toHaveLength(1)
    await gateway.setSettings(tenant, { [off]: null })
    expect(listedIds(await tenant.scim('GET', endpoint))).toEqual([type === 'User' ? user : group])
  })
})

test.each(['legacy', 'default', 'tenant'] as const)(
  'whenSyncIsOff: empty holds at the base URL of the form %s',
  async (form) => {
    const groups = () => fetch(`${gateway.bases[form]}/Groups`, { headers: { Authorization: `Bearer ${gateway.key}` } })
    await gateway.setSettings(gateway.tenant, { groupSync: false })
    expect((await groups()).status).toBe(403)
    await gateway.setSettings(gateway.tenant, { whenSyncIsOff: 'empty' })
    const answer = await groups()
    expect([answer.status, await answer.json()]).toEqual([200, expect.objectContaining({ totalResults: 0 })])
    await gateway.setSettings(gateway.tenant, { groupSync: null, whenSyncIsOff: null })
  },
)
