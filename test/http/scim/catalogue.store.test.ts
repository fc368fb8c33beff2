import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Admin, adminOf, type Body, json } from '../../provisioning/registered.ts'
import { type Answer, type Gateway, openGateway, type TestTenant } from '../../support/gateway.ts'
import { etag, listed, listedIds, patchBody, searchBody } from '../../support/instances.ts'

// What the application publishes of roles and entitlements, as SCIM clients read it.

const OKTA_ROLE = 'urn:okta:scim:schemas:core:1.0:Role'
const ROLE = 'urn:ietf:params:scim:schemas:core:2.0:Role'
const OKTA_ENTITLEMENT = 'urn:okta:scim:schemas:core:1.0:Entitlement'
const ENTITLEMENT = 'urn:ietf:params:scim:schemas:core:2.0:Entitlement'
const SPC = 'urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig'

const CATALOGUE = {
  kinds: [{ name: 'License', endpoint: '/Licenses', description: 'Seats that can be bought.' }],
  entries: [
    { kind: 'Role', value: 'admin', displayName: 'Administrator', description: 'All of it.', contains: ['viewer'] },
    { kind: 'Role', value: 'Editor', displayName: 'editor', contains: ['viewer', 'gone'] },
    { kind: 'Role', value: 'viewer', displayName: 'Viewer', supported: false },
    { kind: 'Entitlement', value: 'export', displayName: 'Export' },
    { kind: 'License', value: 'seat.full', displayName: 'Full seat' },
  ],
}

let gateway: Gateway
let admin: Admin
let tenant: TestTenant
let scim: TestTenant['scim']

beforeAll(async () => {
  gateway = await openGateway()
  admin = adminOf(gateway)
})
beforeEach(async () => {
  tenant = await gateway.newTenant()
  ;({ scim } = tenant)
})
afterAll(() => gateway.close())

const publish = async (catalogue: object = CATALOGUE, of: TestTenant = tenant) =>
  expect((await admin('PUT', '/catalogue', catalogue as Body, of)).status).toBeLessThan(300)
const names = (answer: Answer) => listed(answer).map(({ name }) => name)
const refused = ({ status, body }: Answer) => `${status} ${(body as Body).scimType ?? ''}`.trim()

test('nothing shows where no catalogue is published, nor once it is withdrawn', async () => {
  const before = [
    await scim('GET', '/ResourceTypes'),
    await scim('GET', '/Schemas'),
    await scim('GET', '/ServiceProviderConfig'),
  ]
  expect(names(before[0] as Answer)).toEqual(['User', 'Group'])
  expect(before.map(({ text }) => text).join()).not.toMatch(/okta|RolesAndEntitlements|core:2.0:Role/)
  expect((await scim('GET', '/Roles')).status).toBe(404)
  await publish()
  expect((await scim('GET', '/Roles')).status).toBe(200)
  expect((await admin('DELETE', '/catalogue', undefined, tenant)).status).toBe(204)
  expect((await admin('DELETE', '/catalogue', undefined, tenant)).status).toBe(204)
  expect((await admin('GET', '/catalogue', undefined, tenant)).status).toBe(404)
  const after = [
    await scim('GET', '/ResourceTypes'),
    await scim('GET', '/Schemas'),
    await scim('GET', '/ServiceProviderConfig'),
  ]
  expect(after.map(({ text }) => text)).toEqual(before.map(({ text }) => text))
  expect((await scim('GET', '/Roles')).status).toBe(404)
})

describe('discovery', () => {
  test('Okta finds its URN as the schema of each resource type, the working group its own beside it', async () => {
    await publish()
    const types = listed(await scim('GET', '/ResourceTypes'))
    expect(types.slice(2)).toMatchObject([
      {
        id: 'Role',
        name: 'Role',
        endpoint: '/Roles',
        schema: OKTA_ROLE,
        schemaExtensions: [{ schema: ROLE, required: false }],
      },
      {
        name: 'Entitlement',
        endpoint: '/Entitlements',
        schema: OKTA_ENTITLEMENT,
        schemaExtensions: [{ schema: ENTITLEMENT }],
      },
      { name: 'License', endpoint: '/Licenses', schema: OKTA_ENTITLEMENT, description: 'Seats that can be bought.' },
    ])
    expect((await scim('GET', '/ResourceTypes/License')).body).toEqual(types[4])
    const schemas = listed(await scim('GET', '/Schemas'))
    for (const urn of [OKTA_ROLE, ROLE, OKTA_ENTITLEMENT, ENTITLEMENT]) {
      const found = schemas.filter(({ id }) => id === urn) as { attributes: Body[] }[]
      expect(found).toHaveLength(1)
      expect(found[0]?.attributes.map(({ name, mutability }) => `${name} ${mutability}`)).toContain(
        'displayName readOnly',
      )
      expect((await scim('GET', `/Schemas/${urn}`)).body).toEqual(found[0])
    }
  })

  test('ServiceProviderConfig has RolesAndEntitlements, and its schema names the member', async () => {
    await publish()
    expect(json(await scim('GET', '/ServiceProviderConfig')).RolesAndEntitlements).toEqual({
      roles: {
        ...{ supported: true, multipleRolesSupported: true, primarySupported: true, typeSupported: true },
        types: ['Role'],
      },
      entitlements: {
        ...{ supported: true, multipleEntitlementsSupported: true, primarySupported: true, typeSupported: true },
        types: ['Entitlement', 'License'],
      },
    })
    const { attributes } = json(await scim('GET', `/Schemas/${SPC}`)) as { attributes: Body[] }
    expect(attributes.map(({ name }) => name)).toContain('RolesAndEntitlements')
  })

  test('the import of schemas: extension URNs stand under User in ResourceTypes, and Schemas has each of them', async () => {
    const extension = {
      schema: { id: 'urn:example:payroll:2.0:User', attributes: [{ name: 'grade' }] },
      resourceType: 'User',
    }
    await admin('PUT', `/schema-extensions/${extension.schema.id}`, extension, tenant)
    const user = json(await scim('GET', '/ResourceTypes/User')) as { schema: string; schemaExtensions: Body[] }
    const urns = [user.schema, ...user.schemaExtensions.map(({ schema }) => String(schema))]
    expect(urns).toEqual([
      'urn:ietf:params:scim:schemas:core:2.0:User',
      'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User',
      extension.schema.id,
    ])
    const found = listed(await scim('GET', '/Schemas')).map(({ id }) => id)
    expect(urns.filter((urn) => !found.includes(urn))).toEqual([])
  })
})

describe('resources', () => {
  test('each carries both schemas; its id is what a user has as the value', async () => {
    await publish()
    const answer = await scim('GET', '/Roles/admin')
    expect(answer.status).toBe(200)
    expect(answer.body).toEqual({
      ...{
        schemas: [OKTA_ROLE, ROLE],
        id: 'admin',
        value: 'admin',
        display: 'Administrator',
        displayName: 'Administrator',
      },
      ...{ description: 'All of it.', type: 'Role', supported: true, contains: ['viewer'] },
      meta: {
        ...{ resourceType: 'Role', created: expect.any(String), lastModified: expect.any(String) },
        ...{
          location: `${tenant.base.replace('http://scim.test', gateway.origin)}/Roles/admin`,
          version: etag(answer),
        },
      },
    })
    expect(json(await scim('GET', '/Roles/viewer'))).toMatchObject({
      supported: false,
      containedBy: ['admin', 'Editor'],
    })
    // What is not there is not shown as contained.
    expect(json(await scim('GET', '/Roles/Editor')).contains).toEqual(['viewer'])
    expect(json(await scim('GET', '/Licenses/seat.full'))).toMatchObject({
      schemas: [OKTA_ENTITLEMENT, ENTITLEMENT],
      type: 'License',
    })
    expect((await scim('GET', '/Roles/nobody')).status).toBe(404)
    expect((await scim('GET', '/Roles/export')).status).toBe(404)
    expect((await scim('GET', '/Roles/ADMIN')).status).toBe(404)
  })

  test('ETags: 304 for who has it, another one after a change, and after it went and came again', async () => {
    await publish()
    const tag = etag(await scim('GET', '/Roles/admin'))
    expect(tag).toMatch(/^W\/"\d+"$/)
    const known = { 'If-None-Match': tag }
    expect((await scim('GET', '/Roles/admin', undefined, known)).status).toBe(304)
    await publish({ entries: [{ kind: 'Role', value: 'admin', displayName: 'Administrator 2' }] })
    const after = await scim('GET', '/Roles/admin', undefined, known)
    expect([after.status, json(after).displayName]).toEqual([200, 'Administrator 2'])
    expect((await scim('GET', '/Roles/admin', undefined, { 'If-Match': tag })).status).toBe(412)
  })

  test('PATCH, PUT, POST and DELETE are 405, and name GET', async () => {
    await publish()
    for (const [method, path] of [
      ['POST', '/Roles'],
      ['PUT', '/Roles/admin'],
      ['PATCH', '/Licenses/seat.full'],
      ['DELETE', '/Roles/admin'],
      ['PUT', '/Roles'],
    ] as const) {
      const answer = await scim(method, path, method === 'PATCH' ? patchBody({ op: 'remove', path: 'value' }) : {})
      expect([method, answer.status, answer.headers.get('allow')]).toEqual([method, 405, 'GET'])
    }
    expect((await scim('POST', '/Nothing', {})).status).toBe(404)
    expect((await scim('GET', '/Roles/.search')).headers.get('allow')).toBe('POST')
  })
})

describe('queries', () => {
  const ids = async (query: string, path = '/Roles') => listedIds(await scim('GET', `${path}?${query}`))
  const filtered = (filter: string, path?: string) => ids(`filter=${encodeURIComponent(filter)}`, path)
  beforeEach(() => publish())

  test('filters, by the names of both schemas', async () => {
    expect(await filtered('displayName eq "EDITOR"')).toEqual(['Editor'])
    expect(await filtered('value sw "e"')).toEqual(['Editor'])
    expect(await filtered('supported eq false')).toEqual(['viewer'])
    expect(await filtered('contains eq "viewer" and not (id eq "admin")')).toEqual(['Editor'])
    expect(await filtered('description pr or containedBy pr')).toEqual(['admin', 'viewer'])
    expect(await filtered(`${ROLE}:display co "min"`)).toEqual(['admin'])
    expect(await filtered(`${OKTA_ROLE}:displayName co "min"`)).toEqual(['admin'])
    expect(await filtered('meta.lastModified gt "2020-01-01T00:00:00Z" and type eq "role"')).toHaveLength(3)
    expect(await filtered('type eq "License"', '/Entitlements')).toEqual([])
    expect(refused(await scim('GET', '/Roles?filter=userName%20eq%20%22a%22'))).toBe('400 invalidFilter')
  })

  test('sorting: what has no value comes last, and first where the order falls', async () => {
    expect(await ids('sortBy=displayName')).toEqual(['admin', 'Editor', 'viewer'])
    expect(await ids('sortBy=displayName&sortOrder=descending')).toEqual(['viewer', 'Editor', 'admin'])
    expect(await ids('sortBy=description')).toEqual(['admin', 'Editor', 'viewer'])
    expect(await ids('sortBy=description&sortOrder=descending')).toEqual(['viewer', 'Editor', 'admin'])
    expect(refused(await scim('GET', '/Roles?sortBy=userName'))).toBe('400 invalidValue')
  })

  test('pages by index', async () => {
    const answer = json(await scim('GET', '/Roles?startIndex=2&count=1'))
    expect(answer).toMatchObject({ totalResults: 3, startIndex: 2, itemsPerPage: 1 })
    expect(await ids('count=0')).toEqual([])
    expect(await ids('startIndex=9')).toEqual([])
  })

  test.each([
    '',
    '&sortBy=displayName',
    '&sortBy=description&sortOrder=descending',
    '&sortBy=meta.created',
    '&sortBy=supported',
  ])('pages by cursor, there and back: %s', async (order) => {
    const whole = await ids(order.slice(1))
    const page = async (cursor: string) => {
      const answer = await scim('GET', `/Roles?count=1&cursor=${cursor}${order}`)
      const { nextCursor, previousCursor } = json(answer) as Record<string, string | undefined>
      return { ids: listedIds(answer), nextCursor, previousCursor }
    }
    const there: string[] = []
    let at = await page('')
    for (there.push(...at.ids); at.nextCursor !== undefined; there.push(...at.ids)) at = await page(at.nextCursor)
    expect(there).toEqual(whole)
    const back = [...at.ids]
    for (; at.previousCursor !== undefined; back.unshift(...at.ids)) {
      at = await page(at.previousCursor)
      if (at.ids.length === 0) break
    }
    expect(back).toEqual(whole)
  })

  test('attributes and excludedAttributes, by the names of both schemas; .search answers the same', async () => {
    expect(listed(await scim('GET', `/Roles?attributes=display,${ROLE}:value&count=1`))).toEqual([
      { schemas: [OKTA_ROLE, ROLE], id: expect.any(String), value: expect.any(String), display: expect.any(String) },
    ])
    const without = listed(await scim('GET', '/Roles?excludedAttributes=displayName,meta'))
    expect(without.filter((each) => 'displayName' in each || 'meta' in each)).toEqual([])
    const found = await scim(
      'POST',
      '/Roles/.search',
      searchBody({ filter: 'displayName eq "editor"', attributes: ['value'] }),
    )
    expect(listed(found)).toEqual([{ schemas: [OKTA_ROLE, ROLE], id: 'Editor', value: 'Editor' }])
  })
})

test("a tenant's entries stand beside those of its environment, and over one of the same value", async () => {
  const other = await gateway.newTenant()
  const environment = {
    entries: [
      { kind: 'Role', value: 'admin', displayName: 'Shared' },
      { kind: 'Role', value: 'viewer', displayName: 'Viewer' },
    ],
  }
  expect((await admin('PUT', '/catalogue', environment)).status).toBeLessThan(300)
  try {
    await publish({
      ...CATALOGUE,
      entries: [
        { kind: 'Role', value: 'ADMIN', displayName: 'Own' },
        { kind: 'License', value: 'l', displayName: 'L' },
      ],
    })
    const shown = async (of: TestTenant) =>
      listed(await of.scim('GET', '/Roles')).map(({ id, displayName }) => `${id} ${displayName}`)
    expect(await shown(tenant)).toEqual(['ADMIN Own', 'viewer Viewer'])
    expect(await shown(other)).toEqual(['admin Shared', 'viewer Viewer'])
    expect((await other.scim('GET', '/Licenses')).status).toBe(404)
  } finally {
    expect((await admin('DELETE', '/catalogue')).status).toBe(204)
  }
  expect((await other.scim('GET', '/Roles')).status).toBe(404)
})

test('nothing of it was an error of ours', () => expect(gateway.errors).toEqual([]))
