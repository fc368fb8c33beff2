import { describe, expect, test } from 'vitest'
import { ScimError } from '../../../src/scim/errors.ts'
import type { JsonValue } from '../../../src/scim/resource.ts'
import { builtInSchemas } from '../../../src/scim/schema/builtin.ts'
import { defineResourceType, defineSchema, incompatibilities } from '../../../src/scim/schema/define.ts'

const URN = 'urn:example:scim:Device:1.0'
const withAttributes = (...attributes: JsonValue[]) => ({ id: URN, name: 'Device', attributes })
const string = (name: string, more: object = {}) => ({ name, type: 'string', ...more })
const complex = (...subAttributes: JsonValue[]) => ({ name: 'owner', type: 'complex', subAttributes })

function refusalOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof ScimError) return `${error.status} ${error.scimType}: ${error.message}`
    throw error
  }
  return 'accepted'
}

describe('defineSchema', () => {
  test('A-01 fills in the defaults of a definition that is silent', () => {
    expect(defineSchema({ ID: URN, Attributes: [{ Name: 'serial' }] })).toEqual({
      id: URN,
      name: URN,
      description: '',
      attributes: [
        {
          name: 'serial',
          type: 'string',
          multiValued: false,
          description: '',
          required: false,
          caseExact: false,
          mutability: 'readWrite',
          returned: 'default',
          uniqueness: 'none',
          canonicalValues: [],
          referenceTypes: [],
          subAttributes: [],
        },
      ],
    })
  })

  test.each([
    ['reference', { type: 'reference', caseExact: false }, { caseExact: true }],
    ['binary', { type: 'binary' }, { caseExact: true }],
    ['A-16 write-only', { mutability: 'writeOnly' }, { returned: 'never' }],
    ['a null characteristic', { description: null, canonicalValues: null }, { description: '', canonicalValues: [] }],
  ])('A-01 %s attributes have the characteristics that follow', (_, declared, expected) => {
    expect(defineSchema(withAttributes({ name: 'x', ...declared })).attributes[0]).toMatchObject(expected)
  })

  test('D-13 complex attributes as the RFC itself prints them are accepted', () => {
    const schema = defineSchema(
      withAttributes({
        ...complex(string('value'), string('$ref', { type: 'reference' })),
        uniqueness: 'none',
        caseExact: false,
      }),
    )
    expect(schema.attributes[0]?.subAttributes.map((sub) => sub.name)).toEqual(['value', '$ref'])
  })

  test.each(['urn:ietf:params:scim:schemas:extension:acme:2.0:User', 'urn:example:x', 'URN:Example:Device-1_a.b'])(
    'the URN %s is a tenant’s own',
    (id) => {
      expect(defineSchema({ id, attributes: [string('a')] }).id).toBe(id)
    },
  )

  test.each([
    ['http://example.com/schema'],
    ['urn:example:'],
    ['urn:example'],
    ['urn::x'],
    ['urn:example:a b'],
    ['urn:example:a/b'],
    ['urn:example:a[b]'],
    [`urn:example:${'a'.repeat(300)}`],
    ['urn:ietf:params:scim:schemas:core:2.0:User'],
    ['URN:IETF:params:scim:schemas:CORE:2.0:Schema'],
    ['urn:ietf:params:scim:schemas:extension:enterprise:2.0:user'],
    ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  ])('the URN %s is refused', (id) => {
    expect(refusalOf(() => defineSchema({ id, attributes: [string('a')] }))).toMatch(/^400 invalidValue: id: /)
  })

  test.each<[string, JsonValue]>([
    ['schema: must', []],
    ['id: must', { attributes: [string('a')] }],
    ['attributes: must', { id: URN }],
    ['attributes: must', { id: URN, attributes: [] }],
    ['attributes: must be a list', { id: URN, attributes: {} }],
    ['attributes[0]: must', withAttributes('x')],
    ['attributes[0].name: ', withAttributes({ type: 'string' })],
    ['attributes[0].name: ', withAttributes(string('1st'))],
    ['attributes[0].name: ', withAttributes(string('a.b'))],
    ['attributes[0].name: ', withAttributes(string('$ref'))],
    ['attributes[0].name: ', withAttributes(string('a'.repeat(300)))],
    ['attributes[0].name: ', withAttributes(string('__proto__'))],
    ['attributes[0].name: ', withAttributes(string('constructor'))],
    ['attributes[0].name: ', withAttributes(string('TOSTRING'))],
    ['attributes[0].name: ', withAttributes(string('ID'))],
    ['attributes[0].name: ', withAttributes(string('meta'))],
    ['attributes[1].name: "SERIAL" is there twice', withAttributes(string('serial'), string('SERIAL'))],
    ['attributes[0].type: must be one of', withAttributes(string('a', { type: 'text' }))],
    ['attributes[0].type: must be one of', withAttributes(string('a', { type: 'toString' }))],
    ['attributes[0].multiValued: must', withAttributes(string('a', { multiValued: 'true' }))],
    ['attributes[0].mutability: must', withAttributes(string('a', { mutability: 'readonly' }))],
    ['attributes[0].returned: must', withAttributes(string('a', { returned: true }))],
    ['attributes[0].returned: must', withAttributes(string('a', { mutability: 'writeOnly', returned: 'default' }))],
    ['attributes[0].uniqueness: must', withAttributes(string('a', { uniqueness: 'tenant' }))],
    ['attributes[0].uniqueness: an', withAttributes(string('a', { type: 'boolean', uniqueness: 'server' }))],
    ['attributes[0].uniqueness: an', withAttributes({ ...complex(string('a')), uniqueness: 'server' })],
    ['attributes[0].caseExact: an', withAttributes({ ...complex(string('a')), caseExact: true })],
    ['attributes[0].caseExact: an', withAttributes(string('a', { type: 'integer', caseExact: true }))],
    ['attributes[0].canonicalValues: must', withAttributes(string('a', { canonicalValues: 'x' }))],
    ['attributes[0].canonicalValues[1]: must', withAttributes(string('a', { canonicalValues: ['x', 1] }))],
    ['attributes[0].canonicalValues: an', withAttributes(string('a', { type: 'integer', canonicalValues: ['1'] }))],
    ['attributes[0].referenceTypes: only', withAttributes(string('a', { referenceTypes: ['User'] }))],
    ['attributes[0].required: no client', withAttributes(string('a', { required: true, mutability: 'readOnly' }))],
    ['attributes[0].description: has a character', withAttributes(string('a', { description: 'a\0' }))],
    ['attributes[0].canonicalValues[0]: has a character', withAttributes(string('a', { canonicalValues: ['\ud800'] }))],
    ['attributes[0].retruned: is not', withAttributes(string('a', { retruned: 'always' }))],
    ['attributes[0].subAttributes: only', withAttributes(string('a', { subAttributes: [string('b')] }))],
    ['attributes[0].subAttributes: must', withAttributes(complex())],
    ['attributes[1].subAttributes[0].type: must', withAttributes(string('a'), complex(string('b', { type: 'x' })))],
    ['attributes[0].subAttributes[1].name: "B" is', withAttributes(complex(string('b'), string('B')))],
    [
      'attributes[0].subAttributes[0].required: no client',
      withAttributes(complex(string('b', { required: true, mutability: 'readOnly' }))),
    ],
    [
      'attributes[0].subAttributes[0].type: a sub-attribute cannot be complex',
      withAttributes(complex({ name: 'deep', type: 'complex', subAttributes: [string('a')] })),
    ],
    ['attributes: has 101 entries', withAttributes(...Array.from({ length: 101 }, (_, n) => string(`a${n}`)))],
    [
      'attributes[0].subAttributes: has 51 entries',
      withAttributes(complex(...Array.from({ length: 51 }, (_, n) => string(`a${n}`)))),
    ],
  ])('D-13 refuses with the place: %s', (detail, definition) => {
    expect(refusalOf(() => defineSchema(definition))).toContain(`400 invalidValue: ${detail}`)
  })

  test('a member named __proto__ in a definition is refused and touches nothing', () => {
    const definition = JSON.parse(`{"id":"${URN}","attributes":[{"name":"a","__proto__":{"type":"boolean"}}]}`)
    expect(refusalOf(() => defineSchema(definition))).toContain('attributes[0].__proto__')
    expect(Object.hasOwn(Object.prototype, 'type')).toBe(false)
  })
})

describe('incompatibilities', () => {
  const before = defineSchema(
    withAttributes(
      string('serial', { uniqueness: 'server', required: true }),
      string('note', { mutability: 'readOnly' }),
      string('pin', { mutability: 'writeOnly' }),
      complex(string('value')),
    ),
  )

  test('an update may add attributes and widen what there is', () => {
    const next = defineSchema({
      ...withAttributes(
        { ...complex(string('value', { description: 'who', canonicalValues: ['x'] }), string('note')) },
        string('serial', { uniqueness: 'none' }),
        string('note', { mutability: 'readWrite' }),
        string('pin', { mutability: 'readWrite', returned: 'never' }),
        string('added'),
      ),
      name: 'Appliance',
    })
    expect(incompatibilities(before, next)).toEqual([])
  })

  test('an update that takes something away is refused with every reason', () => {
    const next = defineSchema({
      id: 'urn:example:scim:DEVICE:1.0',
      attributes: [
        string('Serial'),
        string('note', { mutability: 'immutable', uniqueness: 'global', required: true }),
        string('pin', { type: 'integer', multiValued: true }),
        { ...complex(string('value', { caseExact: true }), string('name', { required: true })) },
        string('more', { required: true }),
      ],
    })
    expect(incompatibilities(before, next)).toEqual([
      expect.stringContaining('the URN changes'),
      'serial is removed or spelled otherwise',
      'note becomes required',
      'note becomes unique (global)',
      'note changes mutability from readOnly to immutable',
      'pin changes type from string to integer',
      'pin changes multiValued from false to true',
      'pin was never returned and would be now',
      'owner.value changes caseExact from false to true',
      'owner.name is new and required',
      'more is new and required',
    ])
  })

  const referring = (...referenceTypes: string[]) =>
    defineSchema(withAttributes({ name: 'a', type: 'reference', referenceTypes }))
  test.each<[string[], string[], string[]]>([
    [['User'], ['User', 'Group'], []],
    [['User'], [], []],
    [['User'], ['User', 'external'], []],
    [['User', 'Group'], ['Group'], ['a no longer refers to User']],
    [[], ['User'], ['a no longer refers to other resources']],
    [['uri'], ['User'], ['a no longer refers to other resources']],
  ])('a reference to %j may become one to %j: %j', (was, is, reasons) => {
    expect(incompatibilities(referring(...was), referring(...is))).toEqual(reasons)
  })
})

describe('defineResourceType', () => {
  const device = defineSchema(withAttributes(string('serial')))
  const schemas = new Map([device, ...builtInSchemas].map((schema) => [schema.id.toLowerCase(), schema]))
  const enterprise = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'
  const type = { name: 'Device', endpoint: '/Devices', schema: URN.toUpperCase() }

  test('reads a resource type and finds its schemas without regard to case', () => {
    expect(
      defineResourceType({ ...type, schemaExtensions: [{ schema: enterprise, required: true }] }, schemas),
    ).toEqual({
      name: 'Device',
      endpoint: '/Devices',
      description: '',
      schema: device,
      extensions: [{ schema: schemas.get(enterprise.toLowerCase()), required: true }],
    })
  })

  test.each([
    'Users',
    'groups',
    'ME',
    'bulk',
    'schemas',
    'ResourceTypes',
    'serviceProviderConfig',
    'v2',
    'V1',
    '.search',
    '1a',
    'a/b',
    '',
  ])('the endpoint /%s is refused', (segment) => {
    const refusal = refusalOf(() => defineResourceType({ ...type, endpoint: `/${segment}` }, schemas))
    expect(refusal).toMatch(/^400 invalidValue: endpoint: /)
  })

  test.each<[string, JsonValue]>([
    ['resource type: must', null],
    ['name: ', { ...type, name: 'user' }],
    ['name: ', { ...type, name: 'Schema' }],
    ['name: ', { ...type, name: 'a b' }],
    ['name: ', { ...type, name: 'constructor' }],
    ['endpoint: ', { ...type, endpoint: 'Devices' }],
    ['schema: no schema', { ...type, schema: 'urn:example:none' }],
    ['schema: ', { ...type, schema: 'urn:ietf:params:scim:schemas:core:2.0:User' }],
    ['schemaExtensions: must', { ...type, schemaExtensions: {} }],
    ['schemaExtensions[0].schema: no', { ...type, schemaExtensions: [{ schema: 'urn:example:none' }] }],
    ['schemaExtensions[0].required: must', { ...type, schemaExtensions: [{ schema: enterprise, required: 'no' }] }],
    ['schemaExtensions: names a schema twice', { ...type, schemaExtensions: [{ schema: URN }] }],
  ])('refuses with the place: %s', (detail, definition) => {
    expect(refusalOf(() => defineResourceType(definition, schemas))).toContain(`400 invalidValue: ${detail}`)
  })
})
