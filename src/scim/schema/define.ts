import { type JsonObject, type JsonValue, memberIgnoringCase } from '../resource.ts'
import {
  ENTERPRISE_USER_SCHEMA,
  GROUP_SCHEMA,
  RESOURCE_TYPE_SCHEMA,
  SCHEMA_SCHEMA,
  SERVICE_PROVIDER_CONFIG_SCHEMA,
  USER_SCHEMA,
} from '../urn.ts'
import type { Attribute, AttributeType, Mutability, Returned, Schema, Uniqueness } from './attribute.ts'
import { flag, listAt, MAX_NAME, objectAt, oneOf, optionalText, refusal, text, texts } from './definition-members.ts'

const TYPES: readonly AttributeType[] = [
  'string',
  'boolean',
  'decimal',
  'integer',
  'dateTime',
  'binary',
  'reference',
  'complex',
]
const MUTABILITIES: readonly Mutability[] = ['readWrite', 'readOnly', 'immutable', 'writeOnly']
const RETURNED: readonly Returned[] = ['always', 'never', 'default', 'request']
const UNIQUENESS: readonly Uniqueness[] = ['none', 'server', 'global']
const CHARACTERISTICS = new Set(
  'name type multivalued description required caseexact mutability returned uniqueness canonicalvalues referencetypes subattributes'.split(
    ' ',
  ),
)

const NAME = /^[A-Za-z][A-Za-z0-9_$-]*$/
const ENDPOINT = /^\/[A-Za-z][A-Za-z0-9_-]*$/
// In a URL this would be the version of the protocol.
const VERSION = /^\/v[0-9]+$/i
const RESOURCE_TYPE_NAME = /^[A-Za-z][A-Za-z0-9_-]*$/
// Narrower than RFC 8141: what also stands unquoted in an attribute path and in a URL path.
const URN = /^urn:[A-Za-z0-9][A-Za-z0-9-]{1,31}(:[A-Za-z0-9._-]+)+$/i

const COMMON_NAMES = new Set(['schemas', 'id', 'externalid', 'meta'])
const PROTOTYPE_NAMES = new Set(Object.getOwnPropertyNames(Object.prototype).map((name) => name.toLowerCase()))
const RESERVED_TYPES = new Set(['user', 'group', 'serviceproviderconfig', 'resourcetype', 'schema'])
const RESERVED_ENDPOINTS = new Set(
  '/users /groups /me /bulk /schemas /resourcetypes /serviceproviderconfig /v2'.split(' '),
)

const BUILT_IN = new Set(
  [
    ...[USER_SCHEMA, GROUP_SCHEMA, ENTERPRISE_USER_SCHEMA],
    ...[SERVICE_PROVIDER_CONFIG_SCHEMA, RESOURCE_TYPE_SCHEMA, SCHEMA_SCHEMA],
  ].map((urn) => urn.toLowerCase()),
)

const MAX_ATTRIBUTES = 100
const MAX_SUB_ATTRIBUTES = 50
const MAX_LIST = 200

/** A resource type as declared (RFC 7643 §6), with its schemas; `buildRegistry` makes it ready for look-ups. */
export interface ResourceTypeDefinition {
  readonly name: string
  /** Path of the collection below the base URL, such as `/Devices`. */
  readonly endpoint: string
  readonly description: string
  readonly schema: Schema
  readonly extensions: readonly { readonly schema: Schema; readonly required: boolean }[]
}

/**
 * Reads a tenant's own schema from its JSON form (RFC 7643 §7) and fills in the defaults of §2.2.
 *
 * Refused are the URNs of SCIM itself, names of common attributes, and attributes that no client could ever write.
 *
 * @throws {ScimError} invalidValue; the detail starts with the place, such as `attributes[3].subAttributes[0].type`
 */
export function defineSchema(definition: JsonValue): Schema {
  const object = objectAt(definition, 'schema')
  const id = text(object, 'id', '')
  if (!URN.test(id) || id.length > MAX_NAME)
    throw refusal('id', 'must be a URN of letters, digits, ".", "_", "-" and ":", such as urn:example:scim:Device:1.0')
  // Core URNs of other RFCs, such as the devices of RFC 9944, are welcome: only a registration can bring them.
  if (/^urn:ietf:params:scim:api:/i.test(id) || BUILT_IN.has(id.toLowerCase()))
    throw refusal('id', `"${id}" belongs to SCIM itself; choose a URN of your own`)
  const attributes = readAttributes(memberIgnoringCase(object, 'attributes') ?? null, 'attributes')
  for (const [index, attribute] of attributes.entries()) {
    const path = `attributes[${index}]`
    if (COMMON_NAMES.has(attribute.name.toLowerCase()))
      throw refusal(`${path}.name`, `"${attribute.name}" is an attribute that every resource has (RFC 7643 §3.1)`)
    refuseUnwritable(attribute, path)
  }
  const name = optionalText(object, 'name', '') || id
  return Object.freeze({ id, name, description: optionalText(object, 'description', ''), attributes })
}

/**
 * Reads a tenant's own resource type (RFC 7643 §6): `name`, `endpoint`, `schema`, `schemaExtensions`.
 *
 * @param schemas the schemas it may name, by lower-cased URN
 * @throws {ScimError} invalidValue
 */
export function defineResourceType(
  definition: JsonValue,
  schemas: ReadonlyMap<string, Schema>,
): ResourceTypeDefinition {
  const object = objectAt(definition, 'resource type')
  const name = text(object, 'name', '')
  if (
    !RESOURCE_TYPE_NAME.test(name) ||
    RESERVED_TYPES.has(name.toLowerCase()) ||
    PROTOTYPE_NAMES.has(name.toLowerCase())
  )
    throw refusal('name', `"${name}" must start with a letter and be none of SCIM's own resource types`)
  const endpoint = text(object, 'endpoint', '')
  if (!ENDPOINT.test(endpoint) || RESERVED_ENDPOINTS.has(endpoint.toLowerCase()) || VERSION.test(endpoint))
    throw refusal('endpoint', `"${endpoint}" must be one segment such as /Devices and none of SCIM's own endpoints`)
  const schema = namedSchema(object, '', schemas)
  if (BUILT_IN.has(schema.id.toLowerCase()))
    throw refusal('schema', `"${schema.id}" is the schema of a built-in resource type; a resource type needs its own`)
  const extensions = listAt(memberIgnoringCase(object, 'schemaExtensions'), 'schemaExtensions', MAX_LIST).map(
    (extension, index) => {
      const path = `schemaExtensions[${index}]`
      const declared = objectAt(extension, path)
      return Object.freeze({
        schema: namedSchema(declared, `${path}.`, schemas),
        required: flag(declared, 'required', `${path}.`),
      })
    },
  )
  const urns = [schema, ...extensions.map((extension) => extension.schema)].map((each) => each.id.toLowerCase())
  if (new Set(urns).size < urns.length) throw refusal('schemaExtensions', 'names a schema twice')
  const description = optionalText(object, 'description', '')
  return Object.freeze({ name, endpoint, description, schema, extensions: Object.freeze(extensions) })
}

/**
 * Why stored resources or running clients would not survive a new version of a schema: it may add attributes and widen what
 * there is, and never forbid what was allowed. Empty when they would.
 */
export function incompatibilities(previous: Schema, next: Schema): readonly string[] {
  const reasons = narrowed(previous.attributes, next.attributes, '')
  // Documents are stored under the URN, and attributes under the name, as spelled.
  if (previous.id !== next.id) reasons.unshift(`the URN changes to "${next.id}"`)
  return reasons
}

function narrowed(previous: readonly Attribute[], next: readonly Attribute[], parent: string): string[] {
  const reasons: string[] = []
  const after = new Map(next.map((attribute) => [attribute.name, attribute]))
  const before = new Set(previous.map((attribute) => attribute.name))
  for (const was of previous) {
    const path = parent + was.name
    const is = after.get(was.name)
    if (!is) {
      reasons.push(`${path} is removed or spelled otherwise`)
      continue
    }
    for (const characteristic of ['type', 'multiValued', 'caseExact'] as const)
      if (was[characteristic] !== is[characteristic])
        reasons.push(`${path} changes ${characteristic} from ${was[characteristic]} to ${is[characteristic]}`)
    if (is.required && !was.required) reasons.push(`${path} becomes required`)
    if (UNIQUENESS.indexOf(is.uniqueness) > UNIQUENESS.indexOf(was.uniqueness))
      reasons.push(`${path} becomes unique (${is.uniqueness})`)
    if (is.mutability !== was.mutability && is.mutability !== 'readWrite')
      reasons.push(`${path} changes mutability from ${was.mutability} to ${is.mutability}`)
    if (was.returned === 'never' && is.returned !== 'never') reasons.push(`${path} was never returned and would be now`)
    const refused = refusedTargets(was, is)
    if (refused.length > 0) reasons.push(`${path} no longer refers to ${refused.join(', ')}`)
    reasons.push(...narrowed(was.subAttributes, is.subAttributes, `${path}.`))
  }
  for (const added of next)
    if (added.required && !before.has(added.name)) reasons.push(`${parent}${added.name} is new and required`)
  return reasons
}

/**
 * The resource types to one of which a value of this attribute has to lead. Undefined where it may lead elsewhere: the
 * attribute is no reference, or one to `external` or `uri` resources (RFC 7643 §7).
 */
export function targetTypes({ type, referenceTypes }: Attribute): readonly string[] | undefined {
  const elsewhere = referenceTypes.some((name) => ['external', 'uri'].includes(name.toLowerCase()))
  return type !== 'reference' || referenceTypes.length === 0 || elsewhere ? undefined : referenceTypes
}

/** What a reference could lead to and cannot any more. */
function refusedTargets(was: Attribute, is: Attribute): readonly string[] {
  const allowed = targetTypes(is)
  if (allowed === undefined) return []
  return targetTypes(was)?.filter((name) => !allowed.includes(name)) ?? ['other resources']
}

/**
 * Reads attribute definitions; `levels` bounds how deep complex attributes nest: 2, but 3 for the schema of schemas itself
 * (RFC 7643 §7).
 *
 * @throws {ScimError} invalidValue
 */
export function readAttributes(definitions: JsonValue, path: string, levels = 2): readonly Attribute[] {
  const list = listAt(definitions, path, path === 'attributes' ? MAX_ATTRIBUTES : MAX_SUB_ATTRIBUTES)
  if (list.length === 0) throw refusal(path, 'must be a list with at least one attribute')
  const seen = new Set<string>()
  const attributes = list.map((definition, index) => {
    const attribute = readAttribute(objectAt(definition, `${path}[${index}]`), `${path}[${index}].`, levels)
    const name = attribute.name.toLowerCase()
    if (seen.has(name)) throw refusal(`${path}[${index}].name`, `"${attribute.name}" is there twice`)
    seen.add(name)
    return attribute
  })
  return Object.freeze(attributes)
}

function readAttribute(object: JsonObject, path: string, levels: number): Attribute {
  for (const key of Object.keys(object))
    if (!CHARACTERISTICS.has(key.toLowerCase()))
      throw refusal(`${path}${key}`, 'is not a characteristic of an attribute (RFC 7643 §7)')
  const name = text(object, 'name', path)
  const isSubAttribute = path.includes('.subAttributes[')
  if ((!NAME.test(name) && !(isSubAttribute && name === '$ref')) || PROTOTYPE_NAMES.has(name.toLowerCase()))
    throw refusal(`${path}name`, `"${name}" must start with a letter and hold letters, digits, "-", "_" and "$" only`)

  const type = oneOf(object, 'type', path, TYPES, 'string')
  const uniqueness = oneOf(object, 'uniqueness', path, UNIQUENESS, 'none')
  if (uniqueness !== 'none' && ['complex', 'boolean', 'dateTime', 'binary'].includes(type))
    throw refusal(`${path}uniqueness`, `an attribute of type ${type} has none (RFC 7643 §2.3)`)
  const caseExact = flag(object, 'caseExact', path)
  if (caseExact && type !== 'string' && type !== 'reference' && type !== 'binary')
    throw refusal(`${path}caseExact`, `an attribute of type ${type} has none (RFC 7643 §2.3)`)
  const mutability = oneOf(object, 'mutability', path, MUTABILITIES, 'readWrite')
  const returned = oneOf(object, 'returned', path, RETURNED, mutability === 'writeOnly' ? 'never' : 'default')
  if (mutability === 'writeOnly' && returned !== 'never')
    throw refusal(`${path}returned`, 'must be "never" when mutability is "writeOnly" (RFC 7643 §7)')
  const canonicalValues = texts(object, 'canonicalValues', path)
  if (canonicalValues.length > 0 && type !== 'string' && type !== 'reference')
    throw refusal(`${path}canonicalValues`, `an attribute of type ${type} has none`)
  const referenceTypes = texts(object, 'referenceTypes', path)
  if (referenceTypes.length > 0 && type !== 'reference')
    throw refusal(`${path}referenceTypes`, `only an attribute of type reference has them, not ${type}`)

  return Object.freeze({
    name,
    type,
    multiValued: flag(object, 'multiValued', path),
    description: optionalText(object, 'description', path),
    required: flag(object, 'required', path),
    caseExact: caseExact || type === 'reference' || type === 'binary',
    mutability,
    returned,
    uniqueness,
    canonicalValues,
    referenceTypes,
    subAttributes: readSubAttributes(object, path, type, levels),
  })
}

function readSubAttributes(
  object: JsonObject,
  path: string,
  type: AttributeType,
  levels: number,
): readonly Attribute[] {
  const definitions = memberIgnoringCase(object, 'subAttributes') ?? []
  if (type === 'complex') {
    if (levels < 2) throw refusal(`${path}type`, 'a sub-attribute cannot be complex (RFC 7643 §2.3.8)')
    return readAttributes(definitions, `${path}subAttributes`, levels - 1)
  }
  if (!Array.isArray(definitions) || definitions.length > 0)
    throw refusal(`${path}subAttributes`, `only a complex attribute has them, not one of type ${type}`)
  return Object.freeze([])
}

function refuseUnwritable(attribute: Attribute, path: string): void {
  if (attribute.required && attribute.mutability === 'readOnly')
    throw refusal(`${path}.required`, 'no client could give a value: the attribute is readOnly')
  for (const [index, sub] of attribute.subAttributes.entries()) refuseUnwritable(sub, `${path}.subAttributes[${index}]`)
}

function namedSchema(object: JsonObject, path: string, schemas: ReadonlyMap<string, Schema>): Schema {
  const urn = text(object, 'schema', path)
  const schema = schemas.get(urn.toLowerCase())
  if (!schema) throw refusal(`${path}schema`, `no schema "${urn}" is defined`)
  return schema
}
