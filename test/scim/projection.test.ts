import { describe, expect, test } from 'vitest'
import { ScimError } from '../../src/scim/errors.ts'
import { afterWrite, isDefault, parseProjection, projectResource, wants } from '../../src/scim/projection.ts'
import type { Resource } from '../../src/scim/resource.ts'
import { defineResourceType, defineSchema } from '../../src/scim/schema/define.ts'
import { buildRegistry, builtInRegistry } from '../../src/scim/schema/registry.ts'
import type { ResourceType } from '../../src/scim/schema/resource-type.ts'
import { ENTERPRISE_USER_SCHEMA, GROUP_SCHEMA, USER_SCHEMA } from '../../src/scim/urn.ts'

const user = typeOf('User')
const group = typeOf('Group')

const bjensen: Resource = {
  schemas: [USER_SCHEMA, ENTERPRISE_USER_SCHEMA],
  id: '2819c223',
  userName: 'bjensen',
  name: { givenName: 'Barbara', familyName: 'Jensen' },
  password: 't1meMa$heen',
  emails: [{ value: 'b@example.com', type: 'work', primary: true }, { value: 'babs@example.com' }],
  groups: [{ value: 'g1', display: 'Tour Guides' }],
  [ENTERPRISE_USER_SCHEMA]: { costCenter: '4130', manager: { value: '26118915', displayName: 'John' } },
  meta: { resourceType: 'User', version: 'W/"1"' },
}
const { password, ...sent } = bjensen

const device = defineSchema({
  id: 'urn:example:scim:Device',
  attributes: [
    { name: 'serial', returned: 'always' },
    { name: 'note', returned: 'request' },
    { name: 'pin', mutability: 'writeOnly' },
    {
      name: 'owner',
      type: 'complex',
      subAttributes: [
        { name: 'value', returned: 'always' },
        { name: 'since' },
        { name: 'reason', returned: 'request' },
        { name: 'secret', returned: 'never' },
      ],
    },
  ],
})
const deviceType = defineResourceType(
  { name: 'Device', endpoint: '/Devices', schema: device.id },
  new Map([[device.id.toLowerCase(), device]]),
)
const devices = typeOf('Device', buildRegistry({ resourceTypes: [deviceType] }))
const printer: Resource = {
  schemas: [device.id],
  id: 'd1',
  serial: 'S1',
  note: 'n',
  pin: '1234',
  owner: { value: 'u1', since: '2026', reason: 'r', secret: 's' },
  meta: { resourceType: 'Device' },
}

function typeOf(name: string, registry = builtInRegistry): ResourceType {
  const type = registry.byName.get(name)
  if (!type) throw new Error(name)
  return type
}

const attributes = (...names: string[]) => projectResource(bjensen, parseProjection({ attributes: names }, user))
const excluding = (...names: string[]) => projectResource(bjensen, parseProjection({ excludedAttributes: names }, user))

describe('default', () => {
  test('A-16 U-04 everything is sent but what is never returned', () => {
    expect(projectResource(bjensen, parseProjection({}, user))).toEqual(sent)
  })

  test('A-17 what is returned on request only is left out, sub-attributes too', () => {
    expect(projectResource(printer, parseProjection({}, devices))).toEqual({
      schemas: [device.id],
      id: 'd1',
      serial: 'S1',
      owner: { value: 'u1', since: '2026' },
      meta: { resourceType: 'Device' },
    })
  })

  test('A-06 a name outside the schema is not sent, whatever was stored', () => {
    const stored = JSON.parse(
      '{"schemas":[],"id":"1","userName":"a","__proto__":{"x":1},"constructor":"c","urn:x:y":{"a":1}}',
    )
    expect(projectResource(stored, parseProjection({}, user))).toEqual({
      schemas: [USER_SCHEMA],
      id: '1',
      userName: 'a',
    })
  })
})

describe('attributes', () => {
  const always = { schemas: [USER_SCHEMA], id: '2819c223' }

  test.each<[string, string[], Resource]>([
    ['J-01 the one named', ['userName'], { userName: 'bjensen' }],
    ['J-01 with spaces around it', [' userName ', ''], { userName: 'bjensen' }],
    ['J-06 in any case', ['USERNAME'], { userName: 'bjensen' }],
    ['J-06 nothing for unknown ones', ['nope', 'constructor', '__proto__', 'a b', 'name.nope', ''], {}],
    ['J-04 one sub-attribute', ['name.givenName'], { name: { givenName: 'Barbara' } }],
    [
      'J-04 two of them',
      ['name.familyName', 'NAME.givenname'],
      { name: { givenName: 'Barbara', familyName: 'Jensen' } },
    ],
    ['J-04 whole wins over part', ['name.givenName', 'name'], { name: { givenName: 'Barbara', familyName: 'Jensen' } }],
    ['J-04 of each value', ['emails.value'], { emails: [{ value: 'b@example.com' }, { value: 'babs@example.com' }] }],
    ['J-04 values without the part vanish', ['emails.type'], { emails: [{ type: 'work' }] }],
    ['J-04 the attribute too when no part is left', ['name.middleName'], {}],
    ['J-05 a qualified core name', [`${USER_SCHEMA}:userName`], { userName: 'bjensen' }],
    [
      'J-01 the computed ones',
      ['groups', 'meta.version'],
      { groups: bjensen.groups ?? null, meta: { version: 'W/"1"' } },
    ],
    ['A-16 never the password', ['password', `${USER_SCHEMA}:password`], {}],
  ])('%s', (_, names, expected) => {
    expect(attributes(...names)).toEqual({ ...always, ...expected })
  })

  test.each<[string, string, Resource]>([
    ['J-05 a qualified name', `${ENTERPRISE_USER_SCHEMA}:costCenter`, { costCenter: '4130' }],
    [
      'J-05 a qualified sub-attribute',
      `${ENTERPRISE_USER_SCHEMA.toUpperCase()}:manager.value`,
      { manager: { value: '26118915' } },
    ],
    [
      'J-05 the whole extension by its URN',
      ENTERPRISE_USER_SCHEMA.toLowerCase(),
      { costCenter: '4130', manager: { value: '26118915', displayName: 'John' } },
    ],
    ['A-04 the unqualified name of one extension only', 'costCenter', { costCenter: '4130' }],
  ])('%s, and J-08 its schema is listed', (_, name, expected) => {
    expect(attributes(name)).toEqual({
      ...always,
      schemas: [USER_SCHEMA, ENTERPRISE_USER_SCHEMA],
      [ENTERPRISE_USER_SCHEMA]: expected,
    })
  })

  test('J-08 schemas does not list an extension without data in the answer', () => {
    expect(attributes(`${ENTERPRISE_USER_SCHEMA}:division`)).toEqual(always)
  })

  test('A-17 returned always comes unasked, also inside; request comes when asked', () => {
    const ask = (...names: string[]) => projectResource(printer, parseProjection({ attributes: names }, devices))
    const unasked = { schemas: [device.id], id: 'd1', serial: 'S1', owner: { value: 'u1' } }
    expect(ask('meta.version')).toEqual(unasked)
    expect(ask('note', 'pin', 'owner.secret')).toEqual({ ...unasked, note: 'n' })
    expect(ask('owner.reason')).toEqual({ ...unasked, owner: { value: 'u1', reason: 'r' } })
    expect(ask('owner')).toEqual({ ...unasked, owner: { value: 'u1', since: '2026' } })
  })
})

describe('excludedAttributes', () => {
  test.each<[string, string[], Resource]>([
    ['J-02 the ones named are left out', ['emails', 'groups', 'META'], without('emails', 'groups', 'meta')],
    ['J-02 A-17 returned always stays', ['id', 'schemas'], sent],
    ['J-06 unknown names are ignored', ['nope', 'name.nope'], sent],
    ['J-04 one sub-attribute', ['name.givenName'], { ...sent, name: { familyName: 'Jensen' } }],
    ['J-04 of each value', ['emails.value', 'emails.type'], { ...sent, emails: [{ primary: true }] }],
    ['A-07 nothing left is nothing', ['name.givenName', 'name.familyName'], without('name')],
    [
      'J-05 J-08 a whole extension',
      [ENTERPRISE_USER_SCHEMA],
      { ...without(ENTERPRISE_USER_SCHEMA), schemas: [USER_SCHEMA] },
    ],
    [
      'J-05 a qualified name',
      [`${ENTERPRISE_USER_SCHEMA}:manager`],
      { ...sent, [ENTERPRISE_USER_SCHEMA]: { costCenter: '4130' } },
    ],
  ])('%s', (_, names, expected) => {
    expect(excluding(...names)).toEqual(expected)
  })

  test('A-17 a sub-attribute that is always returned stays when its attribute is excluded', () => {
    const projection = parseProjection({ excludedAttributes: ['owner', 'serial', 'meta'] }, devices)
    expect(projectResource(printer, projection)).toEqual({
      schemas: [device.id],
      id: 'd1',
      serial: 'S1',
      owner: { value: 'u1' },
    })
  })

  function without(...names: string[]): Resource {
    return Object.fromEntries(Object.entries(sent).filter(([name]) => !names.includes(name)))
  }
})

test('J-03 both at once are refused', () => {
  const both = { attributes: ['userName'], excludedAttributes: ['emails'] }
  expect(() => parseProjection(both, user)).toThrow(ScimError)
  expect(() => parseProjection(both, user)).toThrow(expect.objectContaining({ status: 400, scimType: 'invalidValue' }))
})

test('J-01 J-03 a list without any name is no list', () => {
  const projection = parseProjection({ attributes: ['', ' '], excludedAttributes: ['emails'] }, user)
  expect(projection.kind).toBe('excludedAttributes')
  expect(parseProjection({ attributes: [''], excludedAttributes: [] }, user).kind).toBe('default')
})

test('J-07 A-17 after a write, what the write named is returned too, unless the client chose the set', () => {
  const after = (request: { attributes?: string[]; excludedAttributes?: string[] }, ...written: string[]) =>
    projectResource(printer, afterWrite(parseProjection(request, devices), written))
  expect(after({}, 'NOTE', 'pin')).toMatchObject({ note: 'n', owner: { value: 'u1', since: '2026' } })
  expect(after({}, 'note', 'pin')).not.toHaveProperty('pin')
  expect(after({}, 'serial')).not.toHaveProperty('note')
  expect(after({}, 'owner.reason')).toMatchObject({ owner: { reason: 'r' } })
  expect(after({}, 'owner')).toMatchObject({ owner: { value: 'u1', since: '2026', reason: 'r' } })
  expect(after({}, 'owner.since').owner).not.toHaveProperty('reason')
  expect(after({}, 'owner').owner).not.toHaveProperty('secret')
  expect(after({ excludedAttributes: ['note'] }, 'note')).not.toHaveProperty('note')
  expect(after({ attributes: ['serial'] }, 'note')).not.toHaveProperty('note')
})

test.each<[boolean, string, Parameters<typeof parseProjection>[0], ResourceType]>([
  [true, 'nothing asked of a user', {}, user],
  [true, 'nothing asked of a group', {}, group],
  [true, 'only unknown names excluded', { excludedAttributes: ['nope'] }, user],
  [false, 'members excluded', { excludedAttributes: ['members'] }, group],
  [false, 'a sub-attribute excluded', { excludedAttributes: ['name.formatted'] }, user],
  [false, 'an extension excluded', { excludedAttributes: [ENTERPRISE_USER_SCHEMA] }, user],
  [false, 'attributes named', { attributes: ['userName'] }, user],
  [false, 'a type that keeps what is not sent', {}, devices],
])('the stored text is sent unread: %s for %s', (expected, _, request, type) => {
  expect(isDefault(parseProjection(request, type))).toBe(expected)
})

test.each<[boolean, string, string[] | undefined, string[] | undefined]>([
  [true, 'members', undefined, undefined],
  [false, 'members', undefined, ['members']],
  [false, 'members', undefined, [`${GROUP_SCHEMA}:Members`]],
  [true, 'members', undefined, ['members.display']],
  [false, 'members.display', undefined, ['members.display']],
  [false, 'members', ['displayName'], undefined],
  [true, 'members', ['members.value'], undefined],
  [true, 'members.value', ['members.value'], undefined],
  [false, 'members.display', ['members.value'], undefined],
  [true, 'members.display', ['MEMBERS'], undefined],
  [false, 'nope', undefined, undefined],
])('G-08 %s: %s is wanted with attributes %j, excludedAttributes %j', (expected, name, named, excluded) => {
  const projection = parseProjection(
    { ...(named && { attributes: named }), ...(excluded && { excludedAttributes: excluded }) },
    group,
  )
  expect(wants(projection, name)).toBe(expected)
})

test('X-02 the manager’s name is wanted by its qualified path', () => {
  const path = `${ENTERPRISE_USER_SCHEMA}:manager.displayName`
  expect(wants(parseProjection({}, user), path)).toBe(true)
  expect(wants(parseProjection({ attributes: ['userName'] }, user), path)).toBe(false)
  expect(wants(parseProjection({ attributes: [`${ENTERPRISE_USER_SCHEMA}:manager.value`] }, user), path)).toBe(false)
})

test('the resource itself is left as it was', () => {
  const before = structuredClone(bjensen)
  excluding('emails.value', 'name')
  expect(bjensen).toEqual(before)
  expect(password).toBe(before.password)
})
