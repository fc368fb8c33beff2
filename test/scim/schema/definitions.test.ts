import { describe, expect, test } from 'vitest'
import { ScimError } from '../../../src/scim/errors.ts'
import type { JsonObject, JsonValue } from '../../../src/scim/resource.ts'
import {
  type DefinitionKind,
  definitionJson,
  definitionName,
  incompatibleChanges,
  readDefinition,
  registryInput,
} from '../../../src/scim/schema/definitions.ts'
import { buildRegistry } from '../../../src/scim/schema/registry.ts'

const schema = (id: string, ...attributes: JsonValue[]): JsonObject => ({
  id,
  attributes: attributes.length > 0 ? attributes : [{ name: 'serial' }],
})
const BADGE = 'urn:example:scim:Badge:1.0'
const DEVICE = 'urn:example:scim:Device:1.0'
const BLE = 'urn:example:scim:Ble:1.0'

const badge = (more: JsonObject = {}): JsonObject => ({ schema: schema(BADGE), resourceType: 'User', ...more })
const device = (more: JsonObject = {}, schemas: JsonValue[] = [schema(DEVICE), schema(BLE)]): JsonObject => ({
  resourceType: {
    name: 'Device',
    endpoint: '/Devices',
    schema: DEVICE,
    schemaExtensions: [{ schema: BLE, required: false }],
    ...more,
  },
  schemas,
})

function refusalOf(kind: DefinitionKind, json: JsonValue): string {
  try {
    readDefinition(kind, json)
  } catch (error) {
    if (error instanceof ScimError) return `${error.scimType}: ${error.message}`
    throw error
  }
  return 'accepted'
}

test.each<[DefinitionKind, JsonObject, string]>([
  ['extension', badge({ required: true }), BADGE],
  ['resourceType', device(), 'Device'],
])('a definition of the kind %s is the same after a way through the store', (kind, json, name) => {
  const definition = readDefinition(kind, json)
  expect(definitionName(definition)).toBe(name)
  const stored = definitionJson(definition)
  expect(readDefinition(kind, JSON.parse(JSON.stringify(stored)))).toEqual(definition)
  expect(definitionJson(readDefinition(kind, stored))).toEqual(stored)
})

test.each<[DefinitionKind, JsonValue, string]>([
  ['extension', [], 'definition: must'],
  ['extension', { resourceType: 'User' }, 'schema.schema: must'],
  ['extension', badge({ resourceType: 1 }), 'resourceType: must'],
  ['extension', badge({ required: 'no' }), 'required: must'],
  ['extension', badge({ schema: schema(BADGE, { name: 'id' }) }), 'schema.attributes[0].name: '],
  ['resourceType', { schemas: [] }, 'resourceType.resource type: must'],
  ['resourceType', device({}, []), 'resourceType.schema: no schema'],
  ['resourceType', device({}, [schema(DEVICE), schema(BLE, { type: 'string' })]), 'schemas[1].attributes[0].name: '],
  ['resourceType', device({}, [schema(DEVICE), schema(DEVICE.toUpperCase())]), 'schemas[1].id: '],
  ['resourceType', device({}, [schema(DEVICE), schema(BLE), schema(BADGE)]), `schemas: "${BADGE}" is none`],
  ['resourceType', device({ endpoint: '/Users' }), 'resourceType.endpoint: '],
])('refuses %s %j with the place', (kind, json, detail) => {
  expect(refusalOf(kind, json)).toContain(`invalidValue: ${detail}`)
})

describe('incompatibleChanges', () => {
  const changesOf = (kind: DefinitionKind, was: JsonObject, is: JsonObject) =>
    incompatibleChanges(readDefinition(kind, was), readDefinition(kind, is)).map(
      ({ path, message }) => `${path}: ${message}`,
    )

  test('what adds or widens is compatible', () => {
    const [serial, more] = [{ name: 'serial' }, { name: 'more' }]
    expect(changesOf('extension', badge({ required: true }), badge({ schema: schema(BADGE, serial, more) }))).toEqual(
      [],
    )
    const wider = device({ description: 'Things', schemaExtensions: [{ schema: BLE }, { schema: BADGE }] }, [
      schema(DEVICE, serial, more),
      schema(BLE),
      schema(BADGE),
    ])
    expect(changesOf('resourceType', device(), wider)).toEqual([])
  })

  test('every reason against a change is told', () => {
    const narrower = schema(BADGE, { name: 'serial', type: 'integer' })
    expect(changesOf('extension', badge(), badge({ resourceType: 'Group', required: true, schema: narrower }))).toEqual(
      [
        'resourceType: changes from "User" to "Group"',
        'required: the extension becomes required',
        'schema: serial changes type from string to integer',
      ],
    )
    const other = device(
      { name: 'device', endpoint: '/Things', schemaExtensions: [{ schema: BADGE, required: true }] },
      [schema(DEVICE, { name: 'number' }), schema(BADGE)],
    )
    expect(changesOf('resourceType', device(), other)).toEqual([
      'resourceType.name: changes from "Device" to "device"',
      'resourceType.endpoint: changes from "/Devices" to "/Things"',
      'schemas[0]: serial is removed or spelled otherwise',
      `resourceType.schemaExtensions: "${BLE}" is removed or spelled otherwise`,
      `resourceType.schemaExtensions: "${BADGE}" becomes required`,
    ])
  })
})

test('D-09 definitions of both kinds make one registry', () => {
  const definitions = [
    readDefinition('resourceType', device()),
    readDefinition('extension', badge({ resourceType: 'Device' })),
  ]
  const type = buildRegistry(registryInput(definitions)).byEndpoint.get('Devices')
  expect(type?.extensions.map((extension) => extension.schema.id)).toEqual([BLE, BADGE])
})
