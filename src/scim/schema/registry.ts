import { ScimError } from '../errors.ts'
import type { Attribute, Schema } from './attribute.ts'
import { commonAttributes, discoverySchemas, gatewayConfigSchema, groupType, userSchema, userType } from './builtin.ts'
import type { ResourceTypeDefinition } from './define.ts'
import type { ExtensionAttributes, ResourceType, SchemaRegistry } from './resource-type.ts'

/** What a tenant has beside, or without, the built-in resource types. */
export interface RegistryInput {
  /** Schemas that extend a resource type, built in or its own. */
  readonly extensions?: readonly {
    readonly resourceType: string
    readonly schema: Schema
    readonly required: boolean
  }[]
  readonly resourceTypes?: readonly ResourceTypeDefinition[]
  /** Drops `password` from the User schema, and so from `/Schemas` (U-05, D-14). */
  readonly withoutPassword?: boolean
}

/**
 * Builds the look-ups for one tenant; nothing in the result changes afterwards. Definitions come from `define.ts`, which
 * has checked each by itself; here they are checked against each other.
 *
 * @throws {ScimError} invalidValue for a repeated name, endpoint or URN, and for an extension of an unknown resource type
 */
export function buildRegistry(input: RegistryInput = {}): SchemaRegistry {
  const declared = [
    input.withoutPassword ? userTypeWithoutPassword : userType,
    groupType,
    ...(input.resourceTypes ?? []),
  ]
  refuseRepeats(
    'resource type',
    declared.map((type) => type.name),
  )
  refuseRepeats(
    'endpoint',
    declared.map((type) => type.endpoint),
  )
  const added = input.extensions ?? []
  for (const extension of added)
    if (!declared.some((type) => type.name === extension.resourceType))
      throw ScimError.invalidValue(
        'definition-wrong',
        `"${extension.schema.id}" extends "${extension.resourceType}", which does not exist`,
      )

  const resourceTypes = declared.map((type) =>
    resourceType(type, [...type.extensions, ...added.filter((extension) => extension.resourceType === type.name)]),
  )
  return Object.freeze({
    resourceTypes: Object.freeze(resourceTypes),
    byEndpoint: new Map(resourceTypes.map((type) => [type.endpoint.slice(1), type])),
    byName: new Map(resourceTypes.map((type) => [type.name, type])),
    endpoints: new Map(resourceTypes.map((type) => [type.name, type.endpoint])),
    schemas: schemasOf(resourceTypes),
  })
}

const userTypeWithoutPassword: ResourceTypeDefinition = Object.freeze({
  ...userType,
  schema: Object.freeze({
    ...userSchema,
    attributes: Object.freeze(userSchema.attributes.filter((attribute) => attribute.name !== 'password')),
  }),
})

/** The registry of a tenant with no schemas of its own. */
export const builtInRegistry: SchemaRegistry = buildRegistry()

function resourceType(type: ResourceTypeDefinition, extensions: ResourceTypeDefinition['extensions']): ResourceType {
  refuseRepeats(
    `schema of ${type.name}`,
    [type.schema, ...extensions.map((extension) => extension.schema)].map((schema) => schema.id),
  )
  return Object.freeze({
    name: type.name,
    endpoint: type.endpoint,
    description: type.description,
    schema: type.schema,
    extensions: Object.freeze(extensions.map(({ schema, required }) => Object.freeze({ schema, required }))),
    core: byLowerCasedName([...commonAttributes, ...type.schema.attributes]),
    extensionsByUrn: new Map(
      extensions.map(({ schema, required }): [string, ExtensionAttributes] => [
        schema.id.toLowerCase(),
        Object.freeze({ urn: schema.id, required, attributes: byLowerCasedName(schema.attributes) }),
      ]),
    ),
  })
}

/**
 * The discovery schemas are listed beside those of the resource types. `/Schemas` tells of every schema in use (RFC 7644
 * §4), and our discovery documents carry these URNs in `schemas`. RFC 7643 §8.7.2 defines them for this purpose.
 */
function schemasOf(resourceTypes: readonly ResourceType[]): ReadonlyMap<string, Schema> {
  const schemas = new Map<string, Schema>()
  const used = resourceTypes.flatMap((type) => [type.schema, ...type.extensions.map((extension) => extension.schema)])
  for (const schema of [...used, ...discoverySchemas, gatewayConfigSchema]) {
    const urn = schema.id.toLowerCase()
    if ((schemas.get(urn) ?? schema) !== schema)
      throw ScimError.invalidValue('definition-wrong', `schema "${schema.id}" is defined twice`)
    schemas.set(urn, schema)
  }
  return schemas
}

function byLowerCasedName(attributes: readonly Attribute[]): ReadonlyMap<string, Attribute> {
  return new Map(attributes.map((attribute) => [attribute.name.toLowerCase(), attribute]))
}

function refuseRepeats(what: string, names: readonly string[]): void {
  const seen = new Set<string>()
  for (const name of names) {
    const folded = name.toLowerCase()
    if (seen.has(folded)) throw ScimError.invalidValue('definition-wrong', `${what} "${name}" is there twice`)
    seen.add(folded)
  }
}
