import { expect, test } from 'vitest'
import { NO_DEFINITIONS, readDefinition } from '../../src/scim/schema/definitions.ts'
import { DEFAULT_SETTINGS } from '../../src/tenancy/settings.ts'
import { registryOf } from '../../src/tenancy/tenant.ts'

const extension = (id: string) =>
  readDefinition('extension', { schema: { id, attributes: [{ name: 'code' }] }, resourceType: 'User' })
const ofEnvironment = [extension('urn:example:a')]
const ofTenant = [extension('urn:example:b')]
const withoutPassword = { ...DEFAULT_SETTINGS, password: 'drop' as const }
const urns = (registry: ReturnType<typeof registryOf>) =>
  registry.byName
    .get('User')
    ?.extensions.map(({ schema }) => schema.id)
    .slice(1)

test('TEN-09 a tenant has the schemas of its environment and its own', () => {
  expect(urns(registryOf(DEFAULT_SETTINGS, ofEnvironment, ofTenant))).toEqual(['urn:example:a', 'urn:example:b'])
  expect(urns(registryOf(DEFAULT_SETTINGS, ofEnvironment))).toEqual(['urn:example:a'])
  expect(urns(registryOf(DEFAULT_SETTINGS))).toEqual([])
})

test('U-05 without passwords nothing else is different', () => {
  const registry = registryOf(withoutPassword, ofEnvironment, ofTenant)
  expect(urns(registry)).toEqual(['urn:example:a', 'urn:example:b'])
  expect(registry.byName.get('User')?.core.has('password')).toBe(false)
  expect(registryOf(DEFAULT_SETTINGS, ofEnvironment, ofTenant).byName.get('User')?.core.has('password')).toBe(true)
})

test('what was built is kept while the definitions are the same, and shared by tenants without any', () => {
  expect(registryOf({ ...DEFAULT_SETTINGS }, ofEnvironment, ofTenant)).toBe(
    registryOf(DEFAULT_SETTINGS, ofEnvironment, ofTenant),
  )
  expect(registryOf(withoutPassword, ofEnvironment, NO_DEFINITIONS)).toBe(registryOf(withoutPassword, ofEnvironment))
  expect(registryOf(DEFAULT_SETTINGS)).toBe(registryOf(DEFAULT_SETTINGS))
  expect(registryOf(DEFAULT_SETTINGS, [...ofEnvironment], ofTenant)).not.toBe(
    registryOf(DEFAULT_SETTINGS, ofEnvironment, ofTenant),
  )
})

test('what does not fit together is no fault of the client', () => {
  expect(() => registryOf(DEFAULT_SETTINGS, ofEnvironment, [...ofEnvironment])).toThrow(
    expect.objectContaining({ status: 503, message: expect.stringContaining('urn:example:a') }),
  )
})
