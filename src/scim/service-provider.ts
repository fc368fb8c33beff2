import { deviationsOf } from './deviations/index.ts'
import type { Mode } from './deviations/mode.ts'
import { MAX_FILTER_DEPTH, MAX_FILTER_LENGTH, MAX_FILTER_TERMS } from './filter/limits.ts'
import type { JsonObject } from './resource.ts'
import type { Attribute, AttributeType, Schema } from './schema/attribute.ts'
import { commonAttributes } from './schema/builtin.ts'
import { CATALOGUE_SCHEMAS, ROLES_AND_ENTITLEMENTS } from './schema/catalogue-types.ts'
import type { ResourceType } from './schema/resource-type.ts'
import {
  GATEWAY_CONFIG_SCHEMA,
  GROUP_SCHEMA,
  RESOURCE_TYPE_SCHEMA,
  SCHEMA_SCHEMA,
  SERVICE_PROVIDER_CONFIG_SCHEMA,
  sameUrn,
  USER_SCHEMA,
} from './urn.ts'

/** What the tenant offers. Everything here is what is enforced, so that the document is true (D-05). */
export interface ServiceProviderOptions {
  /** The tenant's own base URL, without a trailing slash. */
  readonly baseUrl: string
  /** Our page on modes, with a heading named after each; see `serviceProviderConfig`. */
  readonly documentationUri?: string
  readonly mode: Mode
  readonly supported: {
    readonly bulk: boolean
    readonly changePassword: boolean
    readonly sort: boolean
    readonly etag: boolean
    readonly cursor: boolean
  }
  /** Whether API keys are accepted by HTTP Basic beside bearer tokens. */
  readonly basicAuthentication: boolean
  readonly limits: {
    readonly maxOperations: number
    readonly maxPayloadBytes: number
    /** The most resources on one page, by index or by cursor. */
    readonly maxResults: number
    readonly defaultPageSize: number
    readonly cursorTimeoutSeconds: number
  }
  /** URIs of the Security Event Tokens that can be delivered (RFC 9967 §7.4); absent when no receiver is set up (D-07). */
  readonly eventUris?: readonly string[]
  /** Names of attributes that the client asks for. */
  readonly attributes?: readonly string[]
  /** The resource types of the catalogue of roles and entitlements; absent where there is none. */
  readonly offered?: readonly ResourceType[]
}

/**
 * The ServiceProviderConfig document (RFC 7643 §5, RFC 9865 §4, RFC 9967 §4).
 *
 * The tenant's mode shows as the fragment of `documentationUri` (TEN-09). What is our own stands under a URN that `schemas` names
 * (RFC 7643 §3.3), and is there where the client names it in `attributes`: its characteristic `returned` is `request` (§7).
 * Clients generated from the schema would refuse the whole document for one member, or one URN, that they do not know.
 */
export function serviceProviderConfig(options: ServiceProviderOptions): JsonObject {
  const {
    baseUrl,
    documentationUri,
    mode,
    supported,
    basicAuthentication,
    limits,
    eventUris,
    attributes = [],
    offered,
  } = options
  const own = ownMembers(mode, attributes)
  return {
    schemas: [SERVICE_PROVIDER_CONFIG_SCHEMA, ...(own === undefined ? [] : [GATEWAY_CONFIG_SCHEMA])],
    ...(documentationUri === undefined ? {} : { documentationUri: `${documentationUri}#${mode}` }),
    patch: { supported: true },
    bulk: {
      supported: supported.bulk,
      maxOperations: supported.bulk ? limits.maxOperations : 0,
      maxPayloadSize: supported.bulk ? limits.maxPayloadBytes : 0,
    },
    filter: { supported: true, maxResults: limits.maxResults },
    changePassword: { supported: supported.changePassword },
    sort: { supported: supported.sort },
    etag: { supported: supported.etag },
    pagination: {
      cursor: supported.cursor,
      index: true,
      defaultPaginationMethod: 'index',
      defaultPageSize: limits.defaultPageSize,
      maxPageSize: limits.maxResults,
      ...(supported.cursor ? { cursorTimeout: limits.cursorTimeoutSeconds } : {}),
    },
    // Prefer: respond-async is not offered (AS-05).
    ...(eventUris === undefined ? {} : { securityEvents: { asyncRequest: 'none', eventUris: [...eventUris] } }),
    ...(offered === undefined ? {} : { RolesAndEntitlements: rolesAndEntitlements(offered) }),
    authenticationSchemes: [
      {
        type: 'oauthbearertoken',
        name: 'OAuth Bearer Token',
        description: 'An API key or access token in the Authorization header: "Authorization: Bearer …".',
        specUri: 'https://www.rfc-editor.org/info/rfc6750',
        primary: true,
      },
      ...(basicAuthentication ? [HTTP_BASIC] : []),
    ],
    ...(own === undefined ? {} : { [GATEWAY_CONFIG_SCHEMA]: own }),
    meta: { resourceType: 'ServiceProviderConfig', location: `${baseUrl}/ServiceProviderConfig` },
  }
}

/** Those members of our own that the names ask for, by the URN alone or with the name of one; undefined where there are none. */
function ownMembers(mode: Mode, names: readonly string[]): JsonObject | undefined {
  const all: JsonObject = {
    ...{ maxFilterLength: MAX_FILTER_LENGTH, maxFilterTerms: MAX_FILTER_TERMS, maxFilterDepth: MAX_FILTER_DEPTH },
    ...(mode === 'interop' ? { interopProfileConformant: true } : {}),
  }
  const asked = Object.entries(all).filter(([name]) =>
    names.some((given) => sameUrn(given, GATEWAY_CONFIG_SCHEMA) || sameUrn(given, `${GATEWAY_CONFIG_SCHEMA}:${name}`)),
  )
  return asked.length === 0 ? undefined : Object.fromEntries(asked)
}

/** What there is of roles and entitlements (draft-ietf-scim-roles-entitlements-01 §4.1). */
function rolesAndEntitlements(offered: readonly ResourceType[]): JsonObject {
  const { roles, entitlements } = CATALOGUE_SCHEMAS
  const types = (schema: Schema) => offered.filter((type) => type.schema === schema).map(({ name }) => name)
  const is = (endpoint: string) => offered.some((type) => type.endpoint === endpoint)
  const both = { primarySupported: true, typeSupported: true }
  return {
    roles: { supported: is('/Roles'), multipleRolesSupported: true, ...both, types: types(roles.own) },
    entitlements: {
      ...{ supported: is('/Entitlements'), multipleEntitlementsSupported: true },
      ...{ ...both, types: types(entitlements.own) },
    },
  }
}

const HTTP_BASIC: JsonObject = {
  type: 'httpbasic',
  name: 'HTTP Basic',
  description: 'The id of an API key for the user name, and the key for the password.',
  specUri: 'https://www.rfc-editor.org/info/rfc7617',
  primary: false,
}

/** The ResourceType document of one resource type (RFC 7643 §6); its `id` is its name (D-08). */
export function resourceTypeDocument(type: ResourceType, baseUrl: string): JsonObject {
  return {
    schemas: [RESOURCE_TYPE_SCHEMA],
    id: type.name,
    name: type.name,
    ...(type.description === '' ? {} : { description: type.description }),
    endpoint: type.endpoint,
    schema: type.schema.id,
    schemaExtensions: [
      ...(type.also === undefined ? [] : [{ schema: type.also.id, required: false }]),
      ...type.extensions.map(({ schema, required }) => ({ schema: schema.id, required })),
    ],
    meta: { resourceType: 'ResourceType', location: `${baseUrl}/ResourceTypes/${type.name}` },
  }
}

/** A common attribute, which no schema lists (RFC 7643 §3.1). */
const EXTERNAL_ID = commonAttributes.filter(({ name }) => name === 'externalId')

/**
 * The Schema document of one schema (RFC 7643 §7), as these deviations have it.
 *
 * @param withCatalogue whether ServiceProviderConfig says what there is of roles and entitlements
 */
export function schemaDocument(
  schema: Schema,
  baseUrl: string,
  deviations = deviationsOf('strict'),
  withCatalogue = false,
): JsonObject {
  const showsExternalId = deviations.has('external-id-in-schemas') && [USER_SCHEMA, GROUP_SCHEMA].includes(schema.id)
  const more = withCatalogue && schema.id === SERVICE_PROVIDER_CONFIG_SCHEMA ? [ROLES_AND_ENTITLEMENTS] : []
  const attributes = [...(showsExternalId ? EXTERNAL_ID : []), ...schema.attributes, ...more]
  return {
    schemas: [SCHEMA_SCHEMA],
    ...schemaDefinition({ ...schema, attributes }),
    meta: { resourceType: 'Schema', location: `${baseUrl}/Schemas/${schema.id}` },
  }
}

/** What a schema says of itself, wherever it is in use. */
export function schemaDefinition(schema: Schema): JsonObject {
  return {
    id: schema.id,
    name: schema.name,
    ...(schema.description === '' ? {} : { description: schema.description }),
    attributes: schema.attributes.map(attributeDefinition),
  }
}

// RFC 7643 §2.3.1–8 say which types have these characteristics at all (D-12, D-13).
const WITH_CASE: readonly AttributeType[] = ['string', 'reference', 'binary']
const WITHOUT_UNIQUENESS: readonly AttributeType[] = ['complex', 'boolean', 'dateTime']

function attributeDefinition(attribute: Attribute): JsonObject {
  const { name, type, multiValued, description, required, mutability, returned } = attribute
  return {
    name,
    type,
    ...(type === 'complex' ? { subAttributes: attribute.subAttributes.map(attributeDefinition) } : {}),
    multiValued,
    ...(description === '' ? {} : { description }),
    required,
    ...(attribute.canonicalValues.length > 0 ? { canonicalValues: [...attribute.canonicalValues] } : {}),
    ...(WITH_CASE.includes(type) ? { caseExact: attribute.caseExact } : {}),
    mutability,
    returned,
    ...(WITHOUT_UNIQUENESS.includes(type) ? {} : { uniqueness: attribute.uniqueness }),
    ...(attribute.referenceTypes.length > 0 ? { referenceTypes: [...attribute.referenceTypes] } : {}),
  }
}
