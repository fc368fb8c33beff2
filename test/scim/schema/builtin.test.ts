import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { JsonObject, JsonValue } from '../../../src/scim/resource.ts'
import type { Attribute } from '../../../src/scim/schema/attribute.ts'
import { builtInSchemas, commonAttributes, discoverySchemas } from '../../../src/scim/schema/builtin.ts'
import { schemaDocument } from '../../../src/scim/service-provider.ts'
import { SCHEMA_SCHEMA } from '../../../src/scim/urn.ts'

const fixture: { schemas: Record<string, JsonObject>; commonAttributes: JsonValue[] } = JSON.parse(
  readFileSync(new URL('../../fixtures/scim/schemas.json', import.meta.url), 'utf8'),
)

test.each(Object.entries(fixture.schemas))('D-12 %s is published exactly as the RFC defines it', (urn, expected) => {
  const schema = builtInSchemas.find((each) => each.id === urn)
  expect(schema).toBeDefined()
  if (schema) expect(schemaDocument(schema, '{base}')).toEqual(expected)
})

test('D-12 nothing is built in beside the schemas of the RFC', () => {
  expect(builtInSchemas.map((schema) => schema.id)).toEqual(Object.keys(fixture.schemas))
  expect(discoverySchemas).toHaveLength(3)
})

test('A-01 a common attribute has the characteristics declared, and the defaults where nothing is', () => {
  expect(commonAttributes.map((attribute) => attribute.name)).toEqual(['schemas', 'id', 'externalId', 'meta'])
  expect(commonAttributes[1]).toMatchObject({ returned: 'always', mutability: 'readOnly', caseExact: true })
  expect(commonAttributes[3]?.subAttributes.find((sub) => sub.name === 'created')).toMatchObject({
    type: 'dateTime',
    uniqueness: 'none',
    canonicalValues: [],
    referenceTypes: [],
    subAttributes: [],
    description: '',
  })
})

test('D-13 sub-attributes are never complex, but in the schema of schemas', () => {
  const nested = builtInSchemas.filter((schema) =>
    schema.attributes.some((attribute) => attribute.subAttributes.some((sub) => sub.type === 'complex')),
  )
  expect(nested.map((schema) => schema.id)).toEqual([SCHEMA_SCHEMA])
})

test('no definition can be changed by code that holds it', () => {
  const isFrozen = (attribute: Attribute): boolean =>
    Object.isFrozen(attribute) && Object.isFrozen(attribute.subAttributes) && attribute.subAttributes.every(isFrozen)
  for (const schema of builtInSchemas) {
    expect(Object.isFrozen(schema) && Object.isFrozen(schema.attributes)).toBe(true)
    expect(schema.attributes.every(isFrozen)).toBe(true)
  }
})
