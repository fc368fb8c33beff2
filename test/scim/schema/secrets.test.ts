import { expect, test } from 'vitest'
import { changeEvents } from '../../../src/events/changes.ts'
import type { Resource } from '../../../src/scim/resource.ts'
import { readDefinition, registryInput } from '../../../src/scim/schema/definitions.ts'
import { buildRegistry, builtInRegistry } from '../../../src/scim/schema/registry.ts'
import type { ResourceType } from '../../../src/scim/schema/resource-type.ts'
import { secretPaths, withoutSecrets } from '../../../src/scim/schema/secrets.ts'

const [CORE, MORE] = ['urn:example:Lock', 'urn:example:LockMore']
const parts = [{ name: 'name' }, { name: 'code', returned: 'never' }]
const lock = buildRegistry(
  registryInput([
    readDefinition('resourceType', {
      resourceType: { name: 'Lock', endpoint: '/Locks', schema: CORE, schemaExtensions: [{ schema: MORE }] },
      schemas: [
        {
          id: CORE,
          attributes: [
            { name: 'name' },
            { name: 'password', mutability: 'writeOnly' },
            { name: 'members', multiValued: true },
            { name: 'door', type: 'complex', subAttributes: parts },
          ],
        },
        {
          id: MORE,
          attributes: [
            { name: 'pin', mutability: 'writeOnly' },
            { name: 'keys', type: 'complex', multiValued: true, subAttributes: parts },
          ],
        },
      ],
    }),
  ]),
).byName.get('Lock') as ResourceType

const resource = (): Resource => ({
  name: 'front',
  password: 'x',
  door: { name: 'd', code: 'x' },
  [MORE]: { pin: 'x', keys: [{ name: 'k', code: 'x' }] },
})

test('A-16 what is never returned is found wherever a schema has it', () => {
  expect(secretPaths(lock)).toEqual([['password'], ['door', 'code'], [MORE, 'pin'], [MORE, 'keys']])
  expect(withoutSecrets(lock, resource())).toEqual({ name: 'front', door: { name: 'd' }, [MORE]: {} })
  expect(withoutSecrets(lock, { door: 'none' })).toEqual({ door: 'none' })
})

test('A-16 the built-in types have nothing of the kind in what is stored', () => {
  expect(builtInRegistry.resourceTypes.flatMap(secretPaths)).toEqual([])
})

test('A-16 an event names a secret that changed, and does not tell it', () => {
  const after: Resource = {
    name: 'back',
    password: 'y',
    members: ['m'],
    door: { name: 'd', code: 'y' },
    [MORE]: { pin: 'y', keys: [{ name: 'k', code: 'y' }] },
  }
  expect(changeEvents(lock, resource(), after, false)).toEqual([
    {
      type: 'lock.updated',
      changes: {
        changed: [
          { path: 'name', before: 'front', after: 'back' },
          { path: 'password' },
          { path: 'door.code' },
          { path: `${MORE}:pin` },
          { path: `${MORE}:keys` },
          { path: 'members', after: ['m'] },
        ],
      },
    },
  ])
})
