import { expect, test } from 'vitest'
import { defineResourceType, defineSchema } from '../../../src/scim/schema/define.ts'
import { buildRegistry, builtInRegistry } from '../../../src/scim/schema/registry.ts'
import { ENTERPRISE_USER_SCHEMA, GATEWAY_CONFIG_SCHEMA, GROUP_SCHEMA, USER_SCHEMA } from '../../../src/scim/urn.ts'

const badge = defineSchema({ id: 'urn:example:scim:Badge', attributes: [{ name: 'badgeNumber', type: 'integer' }] })
const device = defineSchema({ id: 'urn:example:scim:Device', attributes: [{ name: 'serial' }] })
const schemas = new Map([badge, device].map((schema) => [schema.id.toLowerCase(), schema]))
const deviceType = defineResourceType({ name: 'Device', endpoint: '/Devices', schema: device.id }, schemas)

test('D-08 D-09 users with an optional enterprise extension and groups are there without any setting', () => {
  expect(builtInRegistry.resourceTypes.map((type) => type.name)).toEqual(['User', 'Group'])
  const user = builtInRegistry.byEndpoint.get('Users')
  expect(user).toBe(builtInRegistry.byName.get('User'))
  expect(user?.extensions.map(({ schema, required }) => [schema.id, required])).toEqual([
    [ENTERPRISE_USER_SCHEMA, false],
  ])
  expect(user?.extensionsByUrn.get(ENTERPRISE_USER_SCHEMA.toLowerCase())?.attributes.get('costcenter')?.name).toBe(
    'costCenter',
  )
  expect(builtInRegistry.byName.get('Group')?.endpoint).toBe('/Groups')
  expect(builtInRegistry.byEndpoint.get('users')).toBeUndefined()
})

test('A-02 attributes are found by lower-cased name, common ones included, and nothing else is', () => {
  const core = builtInRegistry.byName.get('User')?.core
  for (const name of ['schemas', 'id', 'externalid', 'meta', 'username', 'x509certificates'])
    expect(core?.has(name)).toBe(true)
  for (const name of ['userName', 'costcenter', 'constructor', '__proto__', 'tostring'])
    expect(core?.has(name)).toBe(false)
})

test('D-10 D-14 every schema that a resource type names is listed, and those of discovery', () => {
  expect([...builtInRegistry.schemas.values()].map((schema) => schema.id)).toEqual([
    USER_SCHEMA,
    ENTERPRISE_USER_SCHEMA,
    GROUP_SCHEMA,
    'urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig',
    'urn:ietf:params:scim:schemas:core:2.0:ResourceType',
    'urn:ietf:params:scim:schemas:core:2.0:Schema',
    GATEWAY_CONFIG_SCHEMA,
  ])
  expect([...builtInRegistry.schemas.keys()].every((urn) => urn === urn.toLowerCase())).toBe(true)
})

test('D-15 no message schema is listed', () => {
  expect([...builtInRegistry.schemas.keys()].filter((urn) => urn.includes(':api:messages:'))).toEqual([])
})

test('U-05 D-14 a tenant without passwords has no password attribute, and the others keep theirs', () => {
  const registry = buildRegistry({ withoutPassword: true })
  expect(registry.byName.get('User')?.core.has('password')).toBe(false)
  const listed = registry.schemas.get(USER_SCHEMA.toLowerCase())?.attributes.map((attribute) => attribute.name)
  expect(listed).not.toContain('password')
  expect(listed).toContain('userName')
  expect(builtInRegistry.byName.get('User')?.core.has('password')).toBe(true)
})

test('TEN-09 a tenant’s own schemas extend a resource type or make one', () => {
  const registry = buildRegistry({
    resourceTypes: [deviceType],
    extensions: [
      { resourceType: 'Group', schema: badge, required: true },
      { resourceType: 'Device', schema: badge, required: false },
    ],
  })
  expect(registry.byEndpoint.get('Devices')?.core.get('serial')?.name).toBe('serial')
  expect(registry.byEndpoint.get('Devices')?.extensionsByUrn.get('urn:example:scim:badge')?.urn).toBe(badge.id)
  expect(registry.byName.get('Group')?.extensions).toEqual([{ schema: badge, required: true }])
  expect(registry.schemas.get('urn:example:scim:device')).toBe(device)
  expect(Object.fromEntries(registry.endpoints)).toEqual({ User: '/Users', Group: '/Groups', Device: '/Devices' })
  expect(builtInRegistry.byName.get('Group')?.extensions).toEqual([])
})

test.each([
  ['an unknown resource type', { extensions: [{ resourceType: 'Printer', schema: badge, required: false }] }],
  ['one extension twice', { extensions: [1, 2].map(() => ({ resourceType: 'User', schema: badge, required: false })) }],
  ['one resource type twice', { resourceTypes: [deviceType, deviceType] }],
  ['one endpoint twice', { resourceTypes: [deviceType, { ...deviceType, name: 'Printer', endpoint: '/DEVICES' }] }],
  [
    'two schemas of one URN',
    {
      resourceTypes: [deviceType],
      extensions: [{ resourceType: 'User', schema: { ...device }, required: false }],
    },
  ],
])('refuses %s', (_, input) => {
  expect(() => buildRegistry(input)).toThrow(expect.objectContaining({ status: 400, scimType: 'invalidValue' }))
})

test('a registry is frozen down to its resource types', () => {
  expect(Object.isFrozen(builtInRegistry)).toBe(true)
  expect(builtInRegistry.resourceTypes.every((type) => Object.isFrozen(type) && Object.isFrozen(type.extensions))).toBe(
    true,
  )
})
