import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BULK_REQUEST, USER_SCHEMA } from '../../src/scim/urn.ts'
import { type Answer, type Gateway, openGateway, type Scim, type TestTenant } from '../support/gateway.ts'
import {
  APPS,
  adminOf,
  BADGE,
  BLE,
  type Body,
  badgeSchema,
  DEVICE,
  deviceType,
  ENDPOINT_APP,
  endpointAppType,
  inShort,
  json,
  listed,
  MAB,
  patchOf,
} from './registered.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await openGateway()
})
afterAll(() => gateway.close())

const nobody = '0190a0b0-c0d0-7000-8000-000000000000'
let names = 0

/** What the events of a tenant say of changes, as text. */
async function eventsOf(tenant: TestTenant): Promise<string[]> {
  const rows = await gateway.database.run<{ text: string }>(
    `select type || ' ' || changes as text from events where tenant_id = $1::uuid order by seq`,
    [tenant.id],
  )
  return rows.map((row) => row.text)
}

describe('an extension of the user', () => {
  let tenant: TestTenant
  let other: TestTenant
  let scim: Scim
  const user = (badge: Body | undefined, more: Body = {}): Body => ({
    schemas: [USER_SCHEMA, ...(badge ? [BADGE] : [])],
    userName: `badge${++names}`,
    ...(badge ? { [BADGE]: badge } : {}),
    ...more,
  })
  const create = async (badge: Body | undefined, more: Body = {}) => {
    const answer = await scim('POST', '/Users', user(badge, more))
    if (answer.status !== 201) throw new Error(answer.text)
    return json(answer) as Body & { id: string; userName: string }
  }
  const badgeIn = (answer: Answer) => json(answer)[BADGE] as Body

  beforeAll(async () => {
    tenant = await gateway.newTenant({ settings: { mode: 'standard' } })
    other = await gateway.newTenant({ settings: { mode: 'standard' } })
    const made = await adminOf(gateway)(
      'PUT',
      `/schema-extensions/${BADGE}`,
      { schema: badgeSchema, resourceType: 'User' },
      tenant,
    )
    expect(made.status).toBe(201)
    scim = tenant.scim
  })

  test('D-08 D-09 D-10 D-11 TEN-09 shows in the discovery of its tenant alone', async () => {
    const type = json(await scim('GET', '/ResourceTypes/User'))
    expect(type.schemaExtensions).toContainEqual({ schema: BADGE, required: false })
    const schema = json(await scim('GET', `/Schemas/${BADGE.toUpperCase()}`))
    expect(schema).toMatchObject({ id: BADGE, name: 'Badge', meta: { location: `${tenant.base}/Schemas/${BADGE}` } })
    expect(await listed(scim, '/Schemas')).toContainEqual(schema)
    expect((await other.scim('GET', '/ResourceTypes')).text + (await other.scim('GET', '/Schemas')).text).not.toContain(
      BADGE,
    )
    expect((await other.scim('GET', `/Schemas/${BADGE}`)).status).toBe(404)
  })

  test('D-12 D-13 its attributes are shown as they were registered', async () => {
    const { attributes } = json(await scim('GET', `/Schemas/${BADGE}`)) as { attributes: Body[] }
    expect(attributes).toHaveLength(badgeSchema.attributes.length)
    for (const [i, declared] of badgeSchema.attributes.entries()) {
      const { subAttributes, ...characteristics } = declared as Body & { subAttributes?: Body[] }
      expect(attributes[i]).toMatchObject(characteristics)
      for (const [j, sub] of (subAttributes ?? []).entries())
        expect(attributes[i]).toHaveProperty(['subAttributes', j], expect.objectContaining(sub))
    }
    const zone = attributes.find(({ name }) => name === 'zone')
    expect(zone).not.toHaveProperty('uniqueness')
    expect(zone).not.toHaveProperty('caseExact')
  })

  test('C-01 schemas names the extension while there is data of it', async () => {
    const made = await create({ badgeNumber: 1 })
    expect(made.schemas).toEqual([USER_SCHEMA, BADGE])
    const cleared = await scim('PATCH', `/Users/${made.id}`, patchOf({ op: 'remove', path: BADGE }))
    expect(json(cleared)).toMatchObject({ schemas: [USER_SCHEMA] })
    expect(badgeIn(cleared)).toBeUndefined()
    expect((await create(undefined)).schemas).toEqual([USER_SCHEMA])
  })

  test('C-02 its URN is unknown to another tenant', async () => {
    const refused = await other.scim('POST', '/Users', user({ badgeNumber: 1 }))
    expect(inShort(refused)).toBe('400 invalidValue')
    expect(inShort(await other.scim('GET', `/Users?filter=${encodeURIComponent(`${BADGE}:badgeNumber pr`)}`))).toBe(
      '400 invalidFilter',
    )
  })

  test('A-01 names are accepted in any case and come back as declared', async () => {
    const answer = await scim(
      'POST',
      '/Users',
      user(undefined, { [BADGE.toUpperCase()]: { BADGENUMBER: 5, Zone: { NAME: 'x' } } }),
    )
    expect(badgeIn(answer)).toEqual({ badgeNumber: 5, zone: { name: 'x' } })
  })

  test.each<[string, Body]>([
    ['badgeNumber', { badgeNumber: '42' }],
    ['badgeNumber', { badgeNumber: 1.5 }],
    ['clearance', { clearance: 'high' }],
    ['remote', { remote: 'true' }],
    ['issuedAt', { issuedAt: '2024-02-30T00:00:00Z' }],
    ['photoHash', { photoHash: '*' }],
    ['accessCode', { accessCode: 7 }],
    ['homePage', { homePage: 'two words' }],
    ['tags', { tags: 'blue' }],
    ['tags[1]', { tags: ['blue', 1] }],
    ['desks[0].floor', { desks: [{ value: 'D1', floor: 'third' }] }],
    [
      'desks',
      {
        desks: [
          { value: 'D1', primary: true },
          { value: 'D2', primary: true },
        ],
      },
    ],
    ['zone', { zone: 'North' }],
    ['zone.level', { zone: { level: true } }],
  ])('A-09 A-10 A-11 A-12 A-13 a wrong value of %s is refused with its path', async (path, badge) => {
    const body = user(badge)
    const refused = await scim('POST', '/Users', body)
    expect(inShort(refused)).toBe('400 invalidValue')
    expect(json(refused).detail).toContain(`${BADGE}:${path}`)
    expect(await listed(scim, '/Users', { filter: `userName eq "${body.userName}"` })).toEqual([])
  })

  describe('queries', () => {
    const of: Record<string, string> = {}
    beforeAll(async () => {
      const badges: Record<string, Body | undefined> = {
        north: {
          badgeNumber: 42,
          clearance: 1.5,
          remote: false,
          issuedAt: '2020-03-01T09:00:00Z',
          photoHash: 'q83v',
          accessCode: 'Alpha-7',
          homePage: 'https://Pages.example/js',
          tags: ['blue', 'night'],
          desks: [
            { value: 'D1', floor: 3 },
            { value: 'D2', floor: 5, primary: true },
          ],
          zone: { name: 'North', level: 2 },
        },
        south: {
          badgeNumber: 7,
          clearance: 2.25,
          remote: true,
          issuedAt: '2024-02-29T12:00:00+09:00',
          accessCode: 'alpha-7',
          tags: ['Red'],
          desks: [{ value: 'D2', floor: 3 }],
          zone: { name: 'south', level: -1 },
        },
        none: undefined,
      }
      for (const [name, badge] of Object.entries(badges)) of[(await create(badge, { title: 'queried' })).id] = name
    })

    const found = async (query: Record<string, string>) => {
      const filter = query.filter === undefined ? 'title eq "queried"' : `title eq "queried" and (${query.filter})`
      return (await listed(scim, '/Users', { ...query, filter })).map(({ id }) => of[id as string] ?? '?')
    }

    test.each<[string, string[]]>([
      [`${BADGE}:badgeNumber eq 42`, ['north']],
      ['badgeNumber ne 42', ['none', 'south']],
      ['badgeNumber gt 7', ['north']],
      ['badgeNumber ge 7', ['north', 'south']],
      ['badgeNumber lt 42', ['south']],
      ['badgeNumber le 42', ['north', 'south']],
      ['badgeNumber pr', ['north', 'south']],
      ['not (badgeNumber pr)', ['none']],
      ['clearance eq 2.25', ['south']],
      ['clearance lt 2', ['north']],
      ['remote eq true', ['south']],
      ['remote ne true', ['none', 'north']],
      ['issuedAt eq "2024-02-29T03:00:00Z"', ['south']],
      ['issuedAt lt "2021-01-01T00:00:00Z"', ['north']],
      ['photoHash eq "q83v"', ['north']],
      ['accessCode eq "alpha-7"', ['south']],
      ['accessCode sw "Al"', ['north']],
      ['homePage co "Pages"', ['north']],
      ['homePage co "pages"', []],
      ['tags eq "RED"', ['south']],
      ['tags co "igh"', ['north']],
      ['tags ew "t"', ['north']],
      ['tags sw "b"', ['north']],
      ['tags ne "blue"', ['none', 'north', 'south']],
      ['desks eq "d2"', ['north', 'south']],
      ['desks.floor gt 3', ['north']],
      ['desks[value eq "D2" and floor eq 3]', ['south']],
      ['desks[value eq "D2" and floor gt 3]', ['north']],
      ['zone.name eq "SOUTH"', ['south']],
      ['zone.level ge 2', ['north']],
      [`${BADGE}:zone[name eq "north" and level eq 2]`, ['north']],
      ['badgeNumber eq 7 or zone.name sw "n"', ['north', 'south']],
    ])('Q-16 Q-17 Q-19 %s finds %j', async (filter, expected) => {
      expect((await found({ filter })).sort()).toEqual(expected)
    })

    test.each([
      'pin eq "1"',
      'pin pr',
      'badgeNumber co 4',
      'badgeNumber eq "42"',
      'remote gt true',
      'zone eq "x"',
      `${BADGE}:none pr`,
    ])('Q-25 %s is refused', async (filter) => {
      expect(inShort(await scim('GET', `/Users?filter=${encodeURIComponent(filter)}`))).toBe('400 invalidFilter')
    })

    test.each<[string, string[]]>([
      ['badgeNumber', ['south', 'north', 'none']],
      [`${BADGE}:clearance`, ['north', 'south', 'none']],
      ['remote', ['north', 'south', 'none']],
      ['issuedAt', ['north', 'south', 'none']],
      ['accessCode', ['north', 'south', 'none']],
      ['tags', ['north', 'south', 'none']],
      ['zone.name', ['north', 'south', 'none']],
      ['zone.level', ['south', 'north', 'none']],
    ])('S-04 S-05 S-06 sorts by %s', async (sortBy, expected) => {
      expect(await found({ sortBy })).toEqual(expected)
      expect(await found({ sortBy, sortOrder: 'descending' })).toEqual([...expected].reverse())
    })
  })

  test.each<[string, Body[], Body]>([
    ['a value', [{ op: 'replace', path: `${BADGE}:badgeNumber`, value: 9 }], { badgeNumber: 9 }],
    ['an unqualified name', [{ op: 'add', path: 'clearance', value: 0.5 }], { clearance: 0.5 }],
    ['a part', [{ op: 'replace', path: `${BADGE}:zone.level`, value: 3 }], { zone: { name: 'North', level: 3 } }],
    [
      'one element',
      [{ op: 'replace', path: `${BADGE}:desks[value eq "d1"].floor`, value: 8 }],
      { desks: [{ value: 'D1', floor: 8, primary: true }, { value: 'D2' }] },
    ],
    [
      'another element, and the primary one',
      [{ op: 'add', path: `${BADGE}:desks`, value: [{ value: 'D3', primary: true }] }],
      { desks: [{ value: 'D1', floor: 1 }, { value: 'D2' }, { value: 'D3', primary: true }] },
    ],
    [
      'an element away',
      [{ op: 'remove', path: `${BADGE}:desks[value eq "D2"]` }],
      { desks: [{ value: 'D1', floor: 1, primary: true }] },
    ],
    [
      'several at once',
      [{ op: 'add', path: BADGE, value: { badgeNumber: 4, remote: true } }],
      { badgeNumber: 4, remote: true },
    ],
    [
      'without path',
      [{ op: 'replace', value: { [BADGE]: { remote: true }, [`${BADGE}:badgeNumber`]: 3 } }],
      { badgeNumber: 3, remote: true },
    ],
    ['an attribute away', [{ op: 'remove', path: `${BADGE}:tags` }], { tags: undefined }],
  ])('PAT-08 PAT-14 a PATCH changes %s', async (_, operations, expected) => {
    const before = {
      badgeNumber: 1,
      tags: ['a'],
      desks: [{ value: 'D1', floor: 1, primary: true }, { value: 'D2' }],
      zone: { name: 'North', level: 1 },
    }
    const { id } = await create(before)
    const answer = await scim('PATCH', `/Users/${id}`, patchOf(...operations))
    expect({ status: answer.status, badge: badgeIn(answer) }).toEqual({ status: 200, badge: expect.anything() })
    const after = Object.fromEntries(
      Object.entries({ ...before, ...expected }).filter(([, value]) => value !== undefined),
    )
    expect(badgeIn(answer)).toEqual(after)
    expect(badgeIn(await scim('GET', `/Users/${id}`))).toEqual(after)
  })

  test('PAT-16 a PATCH with a wrong value changes nothing', async () => {
    const { id } = await create({ badgeNumber: 1 })
    const operations = patchOf(
      { op: 'replace', path: `${BADGE}:badgeNumber`, value: 2 },
      { op: 'replace', path: `${BADGE}:zone.level`, value: 'high' },
    )
    expect(inShort(await scim('PATCH', `/Users/${id}`, operations))).toBe('400 invalidValue')
    expect(badgeIn(await scim('GET', `/Users/${id}`))).toEqual({ badgeNumber: 1 })
  })

  test('A-14 A-15 read-only values are passed over, immutable ones stay as they were first given', async () => {
    const made = await create({ serial: 'S1', computed: 'mine' })
    expect(made[BADGE]).toEqual({ serial: 'S1' })
    const path = `/Users/${made.id}`
    const replace = (attribute: string, value: string) =>
      patchOf({ op: 'replace', path: `${BADGE}:${attribute}`, value })
    expect(inShort(await scim('PATCH', path, replace('computed', 'x')))).toBe('400 mutability')
    expect(inShort(await scim('PATCH', path, replace('serial', 'S2')))).toBe('400 mutability')
    expect((await scim('PATCH', path, replace('serial', 'S1'))).status).toBe(200)
    const put = (badge: Body) => scim('PUT', path, user(badge, { userName: made.userName }))
    expect(inShort(await put({ serial: 'S2' }))).toBe('400 mutability')
    expect(badgeIn(await put({ tags: ['x'] }))).toEqual({ serial: 'S1', tags: ['x'] })
    const late = await create({ badgeNumber: 1 })
    expect((await scim('PATCH', `/Users/${late.id}`, replace('serial', 'S3'))).status).toBe(200)
  })

  test('A-16 what is never returned is in no answer and no event, and survives a PUT that does not name it', async () => {
    const made = await create({ pin: 'secret-1', badgeNumber: 1 })
    const path = `/Users/${made.id}`
    const stored = async () =>
      (
        await gateway.database.run<{ document: string }>('select document from resources where id = $1::uuid', [
          made.id,
        ])
      )[0]?.document
    const answers = [
      JSON.stringify(made),
      (await scim('GET', path)).text,
      (await scim('GET', `${path}?attributes=${BADGE}:pin`)).text,
      (await scim('PATCH', path, patchOf({ op: 'replace', path: `${BADGE}:pin`, value: 'secret-2' }))).text,
      (await scim('PUT', path, user({ badgeNumber: 2 }, { userName: made.userName }))).text,
      (await scim('GET', `/Users?filter=${encodeURIComponent(`userName eq "${made.userName}"`)}`)).text,
    ]
    expect(answers.join()).not.toMatch(/pin|secret/)
    expect(await stored()).toContain('secret-2')
    expect((await scim('DELETE', path)).status).toBe(204)
    const events = (await eventsOf(tenant)).slice(-4)
    expect(events.map((event) => event.split(' ')[0])).toEqual([
      'user.created',
      'user.updated',
      'user.updated',
      'user.deleted',
    ])
    expect(events.join()).not.toContain('secret')
    expect(events[0]).toContain('badgeNumber')
    expect(events[1]).toContain(`${BADGE}:pin`)
    expect(events[3]).toContain(made.userName)
  })

  test('A-17 what is returned on request comes when it is asked for or was written', async () => {
    const answer = await scim('POST', '/Users', user({ notes: 'n1', badgeNumber: 1 }))
    expect(badgeIn(answer)).toEqual({ notes: 'n1', badgeNumber: 1 })
    const path = `/Users/${json(answer).id}`
    expect(badgeIn(await scim('GET', path))).toEqual({ badgeNumber: 1 })
    expect(json(await scim('GET', `${path}?attributes=notes`))).toMatchObject({ [BADGE]: { notes: 'n1' } })
    expect(badgeIn(await scim('GET', `${path}?attributes=${BADGE}`))).toEqual({ notes: 'n1', badgeNumber: 1 })
    expect(badgeIn(await scim('GET', `${path}?excludedAttributes=${BADGE}:badgeNumber`))).toBeUndefined()
    const patch = (...operations: Body[]) => scim('PATCH', path, patchOf(...operations))
    expect(badgeIn(await patch({ op: 'replace', path: `${BADGE}:notes`, value: 'n2' }))).toMatchObject({ notes: 'n2' })
    expect(badgeIn(await patch({ op: 'add', path: BADGE, value: { notes: 'n3' } }))).toMatchObject({ notes: 'n3' })
    expect(badgeIn(await patch({ op: 'add', value: { [BADGE]: { notes: 'n4' } } }))).toMatchObject({ notes: 'n4' })
    expect(badgeIn(await patch({ op: 'replace', path: `${BADGE}:badgeNumber`, value: 2 }))).toEqual({ badgeNumber: 2 })
    expect(badgeIn(await patch({ op: 'add', path: BADGE, value: { badgeNumber: 3 } }))).toEqual({ badgeNumber: 3 })
  })

  test('U-05 a tenant without passwords shows its own schemas and no such attribute', async () => {
    await gateway.setSettings(tenant, { password: 'drop' })
    const schemas = (await scim('GET', '/Schemas')).text
    await gateway.setSettings(tenant, { password: null })
    expect(schemas).toContain(BADGE)
    expect(schemas).not.toContain('"password"')
    expect((await scim('GET', '/Schemas')).text).toContain('"password"')
  })

  test('an attribute that is added later is there at once, for old and new resources', async () => {
    const { id } = await create({ badgeNumber: 1 })
    const schema = { ...badgeSchema, attributes: [...badgeSchema.attributes, { name: 'colour', uniqueness: 'server' }] }
    const body = { schema, resourceType: 'User' }
    expect((await adminOf(gateway)('PUT', `/schema-extensions/${BADGE}`, body, tenant)).status).toBe(200)
    const patched = await scim('PATCH', `/Users/${id}`, patchOf({ op: 'add', path: `${BADGE}:colour`, value: 'red' }))
    expect(badgeIn(patched)).toEqual({ badgeNumber: 1, colour: 'red' })
    expect(await listed(scim, '/Users', { filter: 'colour eq "RED"' })).toHaveLength(1)
    expect(inShort(await scim('POST', '/Users', user({ colour: 'Red' })))).toBe('409 uniqueness')
  })
})

describe('devices in the manner of RFC 9944', () => {
  let tenant: TestTenant
  let other: TestTenant
  let scim: Scim
  let ann: string
  let app: string
  let macs = 0
  const mac = () => `00:1B:44:11:3A:${(++macs).toString(16).padStart(2, '0')}`

  const idOf = async (sent: Promise<Answer>): Promise<string> => {
    const answer = await sent
    if (answer.status !== 201) throw new Error(answer.text)
    return json(answer).id as string
  }
  const newUser = (send: Scim) => idOf(send('POST', '/Users', { schemas: [USER_SCHEMA], userName: `owner${++names}` }))
  const newApp = (send: Scim) => idOf(send('POST', '/EndpointApps', appBody()))
  const appBody = (more: Body = {}): Body => ({ schemas: [ENDPOINT_APP], applicationName: `app${++names}`, ...more })
  const ble = (more: Body = {}): Body => ({ deviceMacAddress: mac(), versionSupport: ['5.3'], ...more })
  const device = (more: Body = {}): Body => ({
    schemas: [DEVICE, ...[BLE, MAB, APPS].filter((urn) => urn in more)],
    adminState: true,
    ...more,
  })
  const create = async (more: Body = {}, send = scim) => {
    const answer = await send('POST', '/Devices', device(more))
    if (answer.status !== 201) throw new Error(answer.text)
    return json(answer) as Body & { id: string; meta: Record<string, string> }
  }
  const bulk = async (...operations: Body[]) => {
    const answer = await scim('POST', '/Bulk', { schemas: [BULK_REQUEST], Operations: operations })
    expect(answer.status).toBe(200)
    return json(answer).Operations as (Body & { status: string; location?: string; response?: Body })[]
  }
  const statuses = (results: readonly { status: string }[]) => results.map(({ status }) => status)

  beforeAll(async () => {
    tenant = await gateway.newTenant({ settings: { mode: 'strict' } })
    other = await gateway.newTenant({ settings: { mode: 'strict' } })
    const admin = adminOf(gateway)
    // Applications are everybody's, devices are registered tenant by tenant.
    expect((await admin('PUT', '/resource-types/EndpointApp', endpointAppType)).status).toBe(201)
    for (const each of [tenant, other])
      expect((await admin('PUT', '/resource-types/Device', deviceType, each)).status).toBe(201)
    scim = tenant.scim
    ann = await newUser(scim)
    app = await newApp(scim)
  })

  test('D-08 D-09 D-14 the types and every schema that they name are there', async () => {
    expect(json(await scim('GET', '/ResourceTypes/Device'))).toMatchObject({
      id: 'Device',
      endpoint: '/Devices',
      schema: DEVICE,
      schemaExtensions: [BLE, MAB, APPS].map((schema) => ({ schema, required: false })),
    })
    const urns = (await listed(scim, '/Schemas')).map(({ id }) => id)
    expect(urns).toEqual(expect.arrayContaining([DEVICE, BLE, MAB, APPS, ENDPOINT_APP]))
  })

  test('CR-01 R-01 C-07 ET-01 a device is created, retrieved, listed and deleted', async () => {
    const sent = {
      deviceDisplayName: 'BLE Heart Monitor',
      mudUrl: 'https://example.com/mud/monitor',
      [BLE]: ble({ isRandom: false, irk: '0123456789abcdef' }),
    }
    const answer = await scim('POST', '/Devices', device(sent))
    expect(answer.status).toBe(201)
    const made = json(answer)
    const { irk: _, ...shown } = sent[BLE] as Body
    expect(made).toMatchObject({
      schemas: [DEVICE, BLE],
      ...{ deviceDisplayName: 'BLE Heart Monitor', adminState: true, [BLE]: shown },
      meta: { resourceType: 'Device', location: `${tenant.base}/Devices/${made.id}`, version: 'W/"1"' },
    })
    expect(answer.headers.get('location')).toBe(`${tenant.base}/Devices/${made.id}`)
    expect(answer.headers.get('etag')).toBe('W/"1"')
    expect(answer.text).not.toContain('irk')

    const path = `/Devices/${made.id}`
    expect((await scim('GET', path)).body).toEqual(made)
    expect((await scim('GET', path, undefined, { 'If-None-Match': 'W/"1"' })).status).toBe(304)
    expect(await listed(scim, '/Devices', { filter: `id eq "${made.id}"` })).toEqual([made])
    expect((await scim('GET', `/Users/${made.id}`)).status).toBe(404)
    expect((await scim('DELETE', path, undefined, { 'If-Match': 'W/"7"' })).status).toBe(412)
    expect((await scim('DELETE', path, undefined, { 'If-Match': 'W/"1"' })).status).toBe(204)
    expect((await scim('GET', path)).status).toBe(404)
    const events = (await eventsOf(tenant)).slice(-2)
    expect(events.map((event) => event.split(' ')[0])).toEqual(['device.created', 'device.deleted'])
    expect(events.join()).not.toContain('0123456789abcdef')
  })

  test.each<[string, Body, string]>([
    ['without a required attribute', { adminState: undefined }, '400 invalidValue'],
    ['without one of an extension', { [BLE]: { deviceMacAddress: 'x' } }, '400 invalidValue'],
    [
      'with a value that is not canonical',
      { [BLE]: { deviceMacAddress: 'x', versionSupport: ['9'] } },
      '400 invalidValue',
    ],
    ['with an attribute that no schema has', { colour: 'red' }, '400 invalidSyntax'],
    ['with the schema of another type', { schemas: [DEVICE, USER_SCHEMA] }, '400 invalidValue'],
    ['without its own schema', { schemas: [BLE] }, '400 invalidSyntax'],
  ])('C-02 E-05 a device %s is refused', async (_, more, expected) => {
    expect(inShort(await scim('POST', '/Devices', device(more)))).toBe(expected)
  })

  test('Q-01 S-01 P-01 devices are filtered, sorted and paged', async () => {
    const mabAddress = mac()
    const each = [
      { deviceDisplayName: 'Cam B', adminState: false, [BLE]: ble({ isRandom: true, versionSupport: ['4.2', '5.3'] }) },
      { deviceDisplayName: 'cam a', [MAB]: { deviceMacAddress: mabAddress } },
      {
        deviceDisplayName: 'Cam C',
        [BLE]: ble({ isRandom: false }),
        owner: { value: ann, since: '2026-01-01T00:00:00Z' },
      },
    ]
    for (const more of each) await create(more)
    const query = async (more: Record<string, string>) => {
      const filter = `deviceDisplayName sw "cam"${more.filter ? ` and (${more.filter})` : ''}`
      return (await listed(scim, '/Devices', { sortBy: 'deviceDisplayName', ...more, filter })).map(
        (d) => d.deviceDisplayName,
      )
    }
    expect(await query({})).toEqual(['cam a', 'Cam B', 'Cam C'])
    expect(await query({ sortOrder: 'descending', startIndex: '2', count: '1' })).toEqual(['Cam B'])
    expect(await query({ filter: 'adminState eq false' })).toEqual(['Cam B'])
    expect(await query({ filter: `${BLE}:versionSupport eq "4.2"` })).toEqual(['Cam B'])
    expect(await query({ filter: `${BLE}:isRandom eq false` })).toEqual(['Cam C'])
    expect(await query({ filter: `${BLE}:deviceMacAddress pr or ${MAB}:deviceMacAddress pr` })).toHaveLength(3)
    expect(await query({ filter: `${MAB}:deviceMacAddress eq "${mabAddress}"` })).toEqual(['cam a'])
    expect(await query({ filter: `owner.value eq "${ann}"` })).toEqual(['Cam C'])
    expect(await query({ filter: 'owner.since gt "2025-12-31T23:59:59Z"' })).toEqual(['Cam C'])
    expect(await query({ filter: 'meta.resourceType eq "Device"' })).toHaveLength(3)
    // Two extensions have the name, so that by itself it names nothing.
    expect(inShort(await scim('GET', '/Devices?filter=deviceMacAddress%20pr'))).toBe('400 invalidFilter')
    const atRoot = await listed(scim, '/', { filter: 'deviceDisplayName sw "cam" or applicationName pr' })
    expect(new Set(atRoot.map(({ meta }) => (meta as Body).resourceType))).toEqual(new Set(['Device', 'EndpointApp']))
    const first = json(await scim('GET', '/Devices?count=1&cursor=&sortBy=deviceDisplayName'))
    const next = json(await scim('GET', `/Devices?count=1&sortBy=deviceDisplayName&cursor=${first.nextCursor}`))
    expect((next.Resources as Body[])[0]?.id).not.toBe((first.Resources as Body[])[0]?.id)
  })

  test('PAT-01 PUT-01 ET-02 a device is modified and replaced, each with a new version', async () => {
    const { id, ...made } = await create({ [BLE]: ble({ isRandom: true, irk: 'k' }), groups: ['a'] })
    const path = `/Devices/${id}`
    const patched = await scim(
      'PATCH',
      path,
      patchOf(
        { op: 'replace', path: 'adminState', value: false },
        { op: 'add', path: `${BLE}:versionSupport`, value: ['4.2'] },
        { op: 'remove', path: `${BLE}:isRandom` },
        { op: 'add', path: 'owner', value: { value: ann } },
      ),
      { 'If-Match': made.meta.version as string },
    )
    expect(patched.headers.get('etag')).toBe('W/"2"')
    expect(json(patched)).toMatchObject({ adminState: false, owner: { value: ann } })
    expect(json(patched)[BLE]).toMatchObject({ versionSupport: ['5.3', '4.2'] })
    expect(json(patched)[BLE]).not.toHaveProperty('isRandom')
    expect((await scim('PATCH', path, patchOf({ op: 'remove', path: 'adminState' }))).status).toBe(400)
    // A name that is special for users or groups is like any other here.
    expect(json(await scim('PATCH', path, patchOf({ op: 'add', path: 'groups', value: ['b'] }))).groups).toEqual([
      'a',
      'b',
    ])

    const put = await scim('PUT', path, device({ deviceDisplayName: 'New', [MAB]: { deviceMacAddress: mac() } }))
    expect(put.status).toBe(200)
    expect(json(put)).toMatchObject({
      schemas: [DEVICE, MAB],
      deviceDisplayName: 'New',
      meta: { version: 'W/"4"' },
    })
    expect(json(put)).not.toHaveProperty('owner')
    expect((await scim('PUT', path, device(), { 'If-Match': 'W/"1"' })).status).toBe(412)
    expect(
      (await scim('PATCH', path, patchOf({ op: 'replace', path: 'adminState', value: true }))).headers.get('etag'),
    ).toBe('W/"4"')
  })

  describe('unique values', () => {
    test('409 for create, PUT and PATCH, in base and extension attributes, in any case and once', async () => {
      const [taken, serialNumber] = [mac(), `SN-${++names}`]
      const first = await create({ serialNumber, [BLE]: ble({ deviceMacAddress: taken }) })
      const second = await create({ [BLE]: ble() })
      const path = `/Devices/${second.id}`
      const clash = { [BLE]: ble({ deviceMacAddress: taken.toLowerCase() }) }
      const refused = await scim('POST', '/Devices', device(clash))
      expect(inShort(refused)).toBe('409 uniqueness')
      expect(json(refused).detail).toContain(`${BLE}:deviceMacAddress`)
      expect(inShort(await scim('POST', '/Devices', device({ serialNumber })))).toBe('409 uniqueness')
      expect(inShort(await scim('PUT', path, device(clash)))).toBe('409 uniqueness')
      expect(
        inShort(await scim('PATCH', path, patchOf({ op: 'replace', path: `${BLE}:deviceMacAddress`, value: taken }))),
      ).toBe('409 uniqueness')
      expect(
        inShort(await scim('PATCH', path, patchOf({ op: 'add', path: 'serialNumber', value: serialNumber }))),
      ).toBe('409 uniqueness')
      expect((await scim('GET', path)).body).toEqual(second)
      // serialNumber is case exact, another extension is another attribute, and so is another tenant another place.
      expect((await scim('POST', '/Devices', device({ serialNumber: serialNumber.toLowerCase() }))).status).toBe(201)
      expect((await scim('POST', '/Devices', device({ [MAB]: { deviceMacAddress: taken } }))).status).toBe(201)
      expect((await other.scim('POST', '/Devices', device({ serialNumber, ...clash }))).status).toBe(201)
      // Its own values are no hindrance to a resource, and those of a deleted one hinder none.
      const own = { serialNumber, [BLE]: ble({ deviceMacAddress: taken, isRandom: true }) }
      expect((await scim('PUT', `/Devices/${first.id}`, device(own))).status).toBe(200)
      await scim('DELETE', `/Devices/${first.id}`)
      expect((await scim('PUT', path, device({ ...clash, serialNumber }))).status).toBe(200)
    })

    test('in parts of complex attributes too', async () => {
      const applications = [{ value: app, port: 8080 }]
      await create({ [APPS]: { applications } })
      expect(inShort(await scim('POST', '/Devices', device({ [APPS]: { applications } })))).toBe('409 uniqueness')
    })

    test('409 in a bulk fails each operation alone, with what refers to it', async () => {
      const taken = mac()
      await create({ [BLE]: ble({ deviceMacAddress: taken }) })
      const [one, two] = [await create({ [BLE]: ble() }), await create()]
      const fresh = mac()
      const post = (bulkId: string, more: Body) => ({ method: 'POST', path: '/Devices', bulkId, data: device(more) })
      const results = await bulk(
        post('a', { [BLE]: ble({ deviceMacAddress: taken }) }),
        post('b', { [BLE]: ble({ deviceMacAddress: fresh }) }),
        post('c', { [BLE]: ble({ deviceMacAddress: fresh.toUpperCase() }) }),
        post('d', {}),
        { method: 'PUT', path: `/Devices/${one.id}`, data: device({ [BLE]: ble({ deviceMacAddress: taken }) }) },
        {
          method: 'PATCH',
          path: `/Devices/${two.id}`,
          data: patchOf({ op: 'add', path: `${BLE}`, value: ble({ deviceMacAddress: taken }) }),
        },
      )
      expect(statuses(results)).toEqual(['409', '201', '409', '201', '409', '409'])
      expect(results[0]?.response).toMatchObject({ scimType: 'uniqueness', status: '409' })
      expect(await listed(scim, '/Devices', { filter: `${BLE}:deviceMacAddress eq "${fresh}"` })).toHaveLength(1)
      expect(statuses(await bulk(post('only', { [BLE]: ble({ deviceMacAddress: taken }) })))).toEqual(['409'])
    })
  })

  describe('references', () => {
    const reference = (more: Body, send = scim) => send('POST', '/Devices', device(more))

    test.each<[string, (id: { user: string; app: string; base: string }) => Body]>([
      ['by id in a complex attribute', ({ user }) => ({ owner: { value: user } })],
      ['by id beside a $ref', ({ user, base }) => ({ owner: { value: user, $ref: `${base}/Users/${user}` } })],
      ['by id in an extension', (to) => ({ [APPS]: { applications: [{ value: to.app, port: ++names + 10_000 }] } })],
      ['by a $ref alone', (to) => ({ [APPS]: { applications: [{ $ref: `EndpointApps/${to.app}` }] } })],
      ['by endpoint and id', ({ user }) => ({ installedBy: `Users/${user}` })],
      ['with a slash before', ({ user }) => ({ installedBy: `/Users/${user}` })],
      ['by the whole URL', ({ user, base }) => ({ installedBy: `${base}/Users/${user}` })],
    ])('TEN-07 a reference %s leads to a resource of the tenant', async (_, to) => {
      expect((await reference(to({ user: ann, app, base: tenant.base }))).status).toBe(201)
      // The same ids mean nothing to another tenant, like ids that do not exist.
      const elsewhere = await reference(to({ user: ann, app, base: other.base }), other.scim)
      const missing = await reference(to({ user: nobody, app: nobody, base: other.base }), other.scim)
      expect(inShort(elsewhere)).toBe('400 invalidValue')
      const detail = String(json(elsewhere).detail)
      expect(detail).toMatch(/^(owner\.value|installedBy|urn:.*applications\[0\]\.(value|\$ref)): /)
      expect(json(missing).detail).toBe(detail.replaceAll(ann, nobody).replaceAll(app, nobody))
    })

    test.each<[string, () => Body]>([
      ['an id that is none', () => ({ owner: { value: 'ann' } })],
      ['an empty id', () => ({ owner: { value: '' } })],
      ['a resource of another type', () => ({ owner: { value: app } })],
      ['an endpoint of another type', () => ({ installedBy: `/EndpointApps/${app}` })],
      ['an id at the wrong endpoint', () => ({ installedBy: `/Groups/${ann}` })],
      ['an id alone', () => ({ installedBy: ann })],
      ['a path that goes on', () => ({ installedBy: `/Users/${ann}/x` })],
      ["another tenant's URL", () => ({ installedBy: `${other.base}/Users/${ann}` })],
      ['another host', () => ({ installedBy: `https://example.com/Users/${ann}` })],
      ['one of two', () => ({ [APPS]: { applications: [{ value: app, port: ++names + 10_000 }, { value: nobody }] } })],
    ])('TEN-07 %s is refused', async (_, to) => {
      expect(inShort(await reference(to()))).toBe('400 invalidValue')
      const { id } = await create()
      expect(inShort(await scim('PUT', `/Devices/${id}`, device(to())))).toBe('400 invalidValue')
      expect(inShort(await scim('PATCH', `/Devices/${id}`, patchOf({ op: 'add', value: to() })))).toBe(
        '400 invalidValue',
      )
      expect((await scim('GET', `/Devices/${id}`)).headers.get('etag')).toBe('W/"1"')
    })

    test('a target that has gone is held against new references only', async () => {
      const gone = await newUser(scim)
      const { id } = await create({ owner: { value: gone } })
      await scim('DELETE', `/Users/${gone}`)
      const path = `/Devices/${id}`
      expect((await scim('PATCH', path, patchOf({ op: 'replace', path: 'adminState', value: false }))).status).toBe(200)
      expect((await scim('PUT', path, device({ owner: { value: gone }, deviceDisplayName: 'x' }))).status).toBe(200)
      expect(inShort(await scim('PUT', path, device({ installedBy: `Users/${gone}` })))).toBe('400 invalidValue')
      expect(inShort(await reference({ owner: { value: gone } }))).toBe('400 invalidValue')
    })

    test('G-05 a tenant that defers checks takes what is not there yet', async () => {
      await gateway.setSettings(other, { deferReferenceChecks: true })
      const taken = await reference({ owner: { value: nobody }, installedBy: '/Users/later' }, other.scim)
      await gateway.setSettings(other, { deferReferenceChecks: null })
      expect(taken.status).toBe(201)
    })
  })

  test('B-08 B-09 a bulk creates a user, an application and a device that refers to both', async () => {
    const results = await bulk(
      {
        method: 'POST',
        path: '/Devices',
        bulkId: 'd',
        data: device({ owner: { value: 'bulkId:u' }, [APPS]: { applications: [{ value: 'bulkId:a', port: 1 }] } }),
      },
      { method: 'POST', path: '/Users', bulkId: 'u', data: { schemas: [USER_SCHEMA], userName: `bulk${++names}` } },
      { method: 'POST', path: '/EndpointApps', bulkId: 'a', data: appBody() },
      { method: 'POST', path: '/Devices', bulkId: 'wrong-type', data: device({ owner: { value: 'bulkId:a' } }) },
      { method: 'POST', path: '/Devices', bulkId: 'missing', data: device({ owner: { value: nobody } }) },
      { method: 'POST', path: '/Devices', bulkId: 'bad', data: { schemas: [DEVICE] } },
      { method: 'POST', path: '/EndpointApps', bulkId: 'other', data: appBody({ applicationType: 'bulkId:bad' }) },
    )
    expect(statuses(results)).toEqual(['201', '201', '201', '400', '400', '400', '409'])
    const made = json(await scim('GET', `/Devices/${String(results[0]?.location).split('/').at(-1)}`))
    expect((made.owner as Body).value).toBe(String(results[1]?.location).split('/').at(-1))

    const path = `/Devices/${made.id}`
    const more = await bulk(
      { method: 'PATCH', path, data: patchOf({ op: 'replace', path: 'owner.value', value: nobody }) },
      { method: 'PUT', path, data: device({ owner: { value: ann }, deviceDisplayName: 'put' }) },
      {
        method: 'PATCH',
        path,
        data: patchOf({ op: 'add', path: 'installedBy', value: `/Users/${ann}` }),
        version: 'W/"2"',
      },
      { method: 'PATCH', path, data: patchOf({ op: 'add', path: 'adminState', value: false }), version: 'W/"1"' },
    )
    expect(statuses(more)).toEqual(['400', '200', '200', '412'])
    expect(json(await scim('GET', path))).toMatchObject({
      deviceDisplayName: 'put',
      installedBy: `/Users/${ann}`,
      meta: { version: 'W/"3"' },
    })
    expect(statuses(await bulk({ method: 'DELETE', path }, { method: 'DELETE', path }))).toEqual(['204', '404'])
  })

  test('TEN-04 TEN-05 the devices of one tenant are nothing to another', async () => {
    const made = await create({ deviceDisplayName: 'isolated', [BLE]: ble() })
    const path = `/Devices/${made.id}`
    const missing = `/Devices/${nobody}`
    for (const [method, body] of [
      ['GET'],
      ['DELETE'],
      ['PUT', device()],
      ['PATCH', patchOf({ op: 'add', path: 'adminState', value: false })],
    ] as const) {
      const [answer, nothing] = [await other.scim(method, path, body), await other.scim(method, missing, body)]
      expect(answer.status).toBe(404)
      expect(answer.text).toBe(nothing.text.replaceAll(nobody, made.id))
    }
    expect(await listed(other.scim, '/Devices', { filter: 'deviceDisplayName eq "isolated"' })).toEqual([])
    expect((await scim('GET', path)).body).toEqual(made)
  })
})
