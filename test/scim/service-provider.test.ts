import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { MODES } from '../../src/scim/deviations/mode.ts'
import type { JsonObject, JsonValue } from '../../src/scim/resource.ts'
import { isObject } from '../../src/scim/resource.ts'
import type { Attribute, Schema } from '../../src/scim/schema/attribute.ts'
import { discoverySchemas } from '../../src/scim/schema/builtin.ts'
import { defineSchema } from '../../src/scim/schema/define.ts'
import { builtInRegistry } from '../../src/scim/schema/registry.ts'
import {
  resourceTypeDocument,
  type ServiceProviderOptions,
  schemaDocument,
  serviceProviderConfig,
} from '../../src/scim/service-provider.ts'
import {
  GATEWAY_CONFIG_SCHEMA,
  RESOURCE_TYPE_SCHEMA,
  SCHEMA_SCHEMA,
  SERVICE_PROVIDER_CONFIG_SCHEMA,
} from '../../src/scim/urn.ts'

const baseUrl = 'https://scim.example.com/acme/prod/v2/t1'
const limits = {
  maxOperations: 1000,
  maxPayloadBytes: 1048576,
  maxResults: 200,
  defaultPageSize: 100,
  cursorTimeoutSeconds: 3600,
}
const all = { bulk: true, changePassword: true, sort: true, etag: true, cursor: true }
const none = { bulk: false, changePassword: false, sort: false, etag: false, cursor: false }
const options: ServiceProviderOptions = { baseUrl, mode: 'lenient', supported: all, basicAuthentication: false, limits }

describe('ServiceProviderConfig', () => {
  test('D-01 D-02 D-05 D-06 says what is offered', () => {
    expect(serviceProviderConfig(options)).toEqual({
      schemas: [SERVICE_PROVIDER_CONFIG_SCHEMA],
      patch: { supported: true },
      bulk: { supported: true, maxOperations: 1000, maxPayloadSize: 1048576 },
      filter: { supported: true, maxResults: 200 },
      changePassword: { supported: true },
      sort: { supported: true },
      etag: { supported: true },
      pagination: {
        cursor: true,
        index: true,
        defaultPaginationMethod: 'index',
        defaultPageSize: 100,
        maxPageSize: 200,
        cursorTimeout: 3600,
      },
      authenticationSchemes: [expect.objectContaining({ type: 'oauthbearertoken' })],
      meta: { resourceType: 'ServiceProviderConfig', location: `${baseUrl}/ServiceProviderConfig` },
    })
  })

  test('D-05 U-05 what is not offered is unsupported, limits included', () => {
    const config = serviceProviderConfig({ ...options, supported: none })
    expect(config).toMatchObject({
      bulk: { supported: false, maxOperations: 0, maxPayloadSize: 0 },
      changePassword: { supported: false },
      sort: { supported: false },
      etag: { supported: false },
      pagination: { cursor: false, index: true },
    })
    expect(config.pagination).not.toHaveProperty('cursorTimeout')
  })

  test('D-07 AS-05 security events show when a receiver is set up, and only then', () => {
    const eventUris = ['urn:ietf:params:SCIM:event:prov:create:notice']
    expect(serviceProviderConfig({ ...options, eventUris }).securityEvents).toEqual({ asyncRequest: 'none', eventUris })
    expect(serviceProviderConfig(options)).not.toHaveProperty('securityEvents')
  })

  test.each(MODES)('TEN-09 the mode %s shows as the fragment of documentationUri', (mode) => {
    const documentationUri = 'https://scim.example.com/docs/modes'
    expect(serviceProviderConfig({ ...options, mode, documentationUri }).documentationUri).toBe(
      `${documentationUri}#${mode}`,
    )
  })

  test.each(MODES)('IOP-01 interopProfileConformant is there in interop alone, for who asks for it: %s', (mode) => {
    const config = serviceProviderConfig({ ...options, mode, attributes: [GATEWAY_CONFIG_SCHEMA.toUpperCase()] })
    expect(config).toMatchObject({
      schemas: [SERVICE_PROVIDER_CONFIG_SCHEMA, GATEWAY_CONFIG_SCHEMA],
      [GATEWAY_CONFIG_SCHEMA]: { maxFilterLength: 8192, maxFilterTerms: 128, maxFilterDepth: 32 },
    })
    const own = config[GATEWAY_CONFIG_SCHEMA] as JsonObject
    expect(own.interopProfileConformant).toBe(mode === 'interop' ? true : undefined)
    const one = serviceProviderConfig({ ...options, mode, attributes: [`${GATEWAY_CONFIG_SCHEMA}:maxfilterlength`] })
    expect(one[GATEWAY_CONFIG_SCHEMA]).toEqual({ maxFilterLength: 8192 })
  })

  test.each(MODES)('D-03 who asks for nothing of ours gets the members of the RFC alone: %s', (mode) => {
    for (const attributes of [[], ['patch'], ['interopProfileConformant'], ['maxFilterLength']]) {
      const config = serviceProviderConfig({ ...options, mode, attributes })
      expect(config.schemas).toEqual([SERVICE_PROVIDER_CONFIG_SCHEMA])
      expect(JSON.stringify(config)).not.toMatch(/interop|maxFilter/)
    }
  })

  test('D-03 every member is in the published schema, with its type, and nothing required is missing', () => {
    const schema = discoverySchemas.find((each) => each.id === SERVICE_PROVIDER_CONFIG_SCHEMA)
    const eventUris = ['urn:ietf:params:SCIM:event:feed:add']
    const { schemas, meta, ...own } = serviceProviderConfig({
      ...options,
      documentationUri: 'https://x.example',
      eventUris,
    })
    expect(problems(own, schema?.attributes ?? [], '')).toEqual([])
    expect([schemas, meta]).not.toContain(undefined)
  })
})

describe('ResourceType', () => {
  const fixture: { resourceTypes: JsonObject[] } = JSON.parse(
    readFileSync(new URL('../fixtures/scim/schemas.json', import.meta.url), 'utf8'),
  )

  test.each(['User', 'Group'])('D-08 D-09 %s is published as the RFC shows it, its extension optional', (name) => {
    const type = builtInRegistry.byName.get(name)
    const expected = fixture.resourceTypes.find((each) => each.name === name)
    expect(type && resourceTypeDocument(type, '{base}')).toEqual(expected)
  })

  test('D-08 every member is in the published schema', () => {
    const schema = discoverySchemas.find((each) => each.id === RESOURCE_TYPE_SCHEMA)
    for (const type of builtInRegistry.resourceTypes) {
      const { schemas, meta, ...own } = resourceTypeDocument(type, baseUrl)
      expect(problems(own, schema?.attributes ?? [], '')).toEqual([])
      expect([schemas, meta]).not.toContain(undefined)
    }
  })
})

describe('Schema', () => {
  const schemaOfSchemas = discoverySchemas.find((each) => each.id === SCHEMA_SCHEMA)

  test.each([...builtInRegistry.schemas].map(([urn, schema]): [string, Schema] => [urn, schema]))(
    'D-11 %s has id, name, description, attributes, meta',
    (_, schema) => {
      const document = schemaDocument(schema, baseUrl)
      expect(document).toMatchObject({
        schemas: [SCHEMA_SCHEMA],
        id: schema.id,
        name: schema.name,
        description: expect.stringMatching(/./),
        meta: { resourceType: 'Schema', location: `${baseUrl}/Schemas/${schema.id}` },
      })
      const { schemas, meta, ...own } = document
      // It describes one level of sub-attributes and has two itself; the RFC leaves it so (§7).
      const expected = schema.id === SCHEMA_SCHEMA ? ['attributes.subAttributes.subAttributes unknown'] : []
      expect(problems(own, schemaOfSchemas?.attributes ?? [], '')).toEqual(expected)
      expect([schemas, meta]).not.toContain(undefined)
    },
  )

  test('D-12 D-13 characteristics stand only where the type has them', () => {
    const schema = defineSchema({
      id: 'urn:example:scim:Types',
      attributes: [
        { name: 's' },
        { name: 'r', type: 'reference', referenceTypes: ['external'] },
        { name: 'b', type: 'boolean' },
        { name: 'i', type: 'integer', uniqueness: 'server' },
        { name: 't', type: 'dateTime' },
        { name: 'c', type: 'complex', multiValued: true, subAttributes: [{ name: 'value', canonicalValues: ['x'] }] },
      ],
    })
    const base = { multiValued: false, required: false, mutability: 'readWrite', returned: 'default' }
    expect(schemaDocument(schema, baseUrl).attributes).toEqual([
      { ...base, name: 's', type: 'string', caseExact: false, uniqueness: 'none' },
      { ...base, name: 'r', type: 'reference', caseExact: true, uniqueness: 'none', referenceTypes: ['external'] },
      { ...base, name: 'b', type: 'boolean' },
      { ...base, name: 'i', type: 'integer', uniqueness: 'server' },
      { ...base, name: 't', type: 'dateTime' },
      {
        ...base,
        name: 'c',
        type: 'complex',
        multiValued: true,
        subAttributes: [
          { ...base, name: 'value', type: 'string', caseExact: false, uniqueness: 'none', canonicalValues: ['x'] },
        ],
      },
    ])
  })

  test('TEN-09 what is published can be defined again', () => {
    const definition = { id: 'urn:example:scim:Again', name: 'Again', attributes: [{ name: 'a', type: 'binary' }] }
    const schema = defineSchema(definition)
    expect(defineSchema(schemaDocument(schema, baseUrl))).toEqual(schema)
  })
})

/** Where `object` departs from the published definitions, the way a client generated from them would see it. */
function problems(object: JsonObject, attributes: readonly Attribute[], path: string): string[] {
  const known = new Map(attributes.map((attribute) => [attribute.name, attribute]))
  const unknown = Object.keys(object).filter((name) => !known.has(name))
  const missing = attributes.filter((attribute) => attribute.required && !Object.hasOwn(object, attribute.name))
  const inside = Object.entries(object).flatMap(([name, value]) => {
    const attribute = known.get(name)
    if (!attribute) return []
    if (Array.isArray(value) !== attribute.multiValued) return [`${path}${name} multiValued`]
    return [value].flat().flatMap((each: JsonValue) => {
      if (isObject(each)) return problems(each, attribute.subAttributes, `${path}${name}.`)
      const expected = { boolean: 'boolean', integer: 'number', decimal: 'number', complex: 'object' }[
        attribute.type as 'boolean'
      ]
      return typeof each === (expected ?? 'string') ? [] : [`${path}${name} type`]
    })
  })
  return [
    ...unknown.map((name) => `${path}${name} unknown`),
    ...missing.map(({ name }) => `${path}${name} missing`),
    ...inside,
  ]
}
