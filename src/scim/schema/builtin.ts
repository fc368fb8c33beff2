import type { JsonValue } from '../resource.ts'
import { ENTERPRISE_USER_SCHEMA, GATEWAY_CONFIG_SCHEMA, GROUP_SCHEMA, SCHEMA_SCHEMA, USER_SCHEMA } from '../urn.ts'
import type { Attribute, Schema } from './attribute.ts'
import { type ResourceTypeDefinition, readAttributes } from './define.ts'
import data from './schemas.json' with { type: 'json' }

/** `schemas`, `id`, `externalId` and `meta`, which every resource has (RFC 7643 §3, §3.1). */
export const commonAttributes: readonly Attribute[] = readAttributes(plain(data.commonAttributes), 'attributes')

/** The schemas of RFC 7643 §8.7, errata applied, in the order of the RFC. */
export const builtInSchemas: readonly Schema[] = Object.freeze(
  data.schemas.map(({ id, name, description, attributes }) =>
    Object.freeze({
      id,
      name,
      description,
      attributes: readAttributes(plain(attributes), 'attributes', id === SCHEMA_SCHEMA ? 3 : 2),
    }),
  ),
)

export const userSchema: Schema = builtIn(USER_SCHEMA)
export const groupSchema: Schema = builtIn(GROUP_SCHEMA)
export const enterpriseUserSchema: Schema = builtIn(ENTERPRISE_USER_SCHEMA)

/** Schemas of the discovery documents: ServiceProviderConfig, ResourceType, Schema (RFC 7643 §8.7.2). */
export const discoverySchemas: readonly Schema[] = Object.freeze(
  builtInSchemas.filter((schema) => ![userSchema, groupSchema, enterpriseUserSchema].includes(schema)),
)

/**
 * What this gateway says in ServiceProviderConfig beside the RFC. Clients get it where they ask for it: many refuse the whole
 * document for one member that they do not know.
 */
export const gatewayConfigSchema: Schema = Object.freeze({
  id: GATEWAY_CONFIG_SCHEMA,
  name: 'ServiceProviderConfig of Rollcall',
  description: 'What this gateway says of itself beside RFC 7643 §5',
  attributes: readAttributes(
    [
      asked('integer', 'maxFilterLength', 'The most characters of a filter.'),
      asked('integer', 'maxFilterTerms', 'The most comparisons in a filter.'),
      asked('integer', 'maxFilterDepth', 'The most levels of brackets in a filter.'),
      asked('boolean', 'interopProfileConformant', 'True where the tenant has the mode interop; else not there.'),
    ],
    'attributes',
  ),
})

function asked(type: 'integer' | 'boolean', name: string, description: string): JsonValue {
  return { name, type, multiValued: false, description, mutability: 'readOnly', returned: 'request' }
}

/** The enterprise extension is optional (D-09): the "required" of RFC 7643 §8.6 would force it on every user. */
export const userType: ResourceTypeDefinition = Object.freeze({
  name: 'User',
  endpoint: '/Users',
  description: userSchema.description,
  schema: userSchema,
  extensions: Object.freeze([Object.freeze({ schema: enterpriseUserSchema, required: false })]),
})

export const groupType: ResourceTypeDefinition = Object.freeze({
  name: 'Group',
  endpoint: '/Groups',
  description: groupSchema.description,
  schema: groupSchema,
  extensions: Object.freeze([]),
})

function builtIn(urn: string): Schema {
  const schema = builtInSchemas.find((each) => each.id === urn)
  if (!schema) throw new Error(`schemas.json lacks ${urn}`)
  return schema
}

/** The compiler infers optional members for rows of a JSON file, which JSON does not have. */
function plain(rows: unknown): JsonValue {
  return rows as JsonValue
}
