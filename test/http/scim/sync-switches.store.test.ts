import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Gateway, openGateway, type TestTenant } from '../../support/gateway.ts'
import { bulkBody, groupBody, idIn, json, listed, patchBody, searchBody, userBody } from '../../support/instances.ts'

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
