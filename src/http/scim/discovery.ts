import { isReadable, isSynchronised } from '../../provisioning/refusals.ts'
import { ScimError } from '../../scim/errors.ts'
import { listResponse } from '../../scim/list-response.ts'
import type { JsonObject } from '../../scim/resource.ts'
import type { Schema } from '../../scim/schema/attribute.ts'
import type { ResourceType } from '../../scim/schema/resource-type.ts'
import { parameterReader } from '../../scim/search-request.ts'
import { resourceTypeDocument, schemaDocument, serviceProviderConfig } from '../../scim/service-provider.ts'
import type { TenantContext } from '../../tenancy/tenant.ts'
import type { ScimContext, ScimLimits, ScimRequest } from './env.ts'
import { json } from './respond.ts'

/** First segments of the discovery endpoints, which a tenant may open to anonymous clients (RFC 7644 §4). */
export const DISCOVERY = ['ServiceProviderConfig', 'ResourceTypes', 'Schemas']

/**
 * Tells what this service provider can do for the tenant (RFC 7644 §4). Query parameters have no effect here, but for the names of
 * what is sent on request alone.
 */
export function discoveryHandlers(limits: ScimLimits) {
  return {
    serviceProviderConfig({ env: request }: ScimContext): Response {
      const { tenant } = withoutFilter(request)
      const { baseUrl, settings, eventUris, catalogue } = tenant
      const document = serviceProviderConfig({
        baseUrl,
        documentationUri: new URL('/docs/modes', baseUrl).href,
        mode: settings.mode,
        supported: {
          bulk: true,
          changePassword: settings.password === 'hash' && settings.userSync,
          sort: true,
          etag: true,
          cursor: true,
        },
        basicAuthentication: settings.basicAuthentication,
        limits: { ...limits, maxResults: limits.maxPageSize },
        attributes:
          parameterReader(request.query)('attributes')
            ?.split(',')
            .map((name) => name.trim()) ?? [],
        ...(eventUris.length === 0 ? {} : { eventUris }),
        ...(catalogue === undefined || catalogue.types.length === 0 ? {} : { offered: catalogue.types }),
      })
      return send(request, document)
    },

    resourceTypes({ env: request }: ScimContext): Response {
      const { tenant } = withoutFilter(request)
      return send(request, whole(offered(tenant).map((type) => resourceTypeDocument(type, tenant.baseUrl))))
    },

    resourceType({ env: request, req }: ScimContext<'/ResourceTypes/:name'>): Response {
      const { tenant } = withoutFilter(request)
      const name = req.param('name')
      const type = offered(tenant).find((each) => each.name === name)
      if (!type)
        throw ScimError.notFound('resource-type-not-found', `ResourceType "${name.slice(0, 64)}" was not found.`)
      return send(request, resourceTypeDocument(type, tenant.baseUrl))
    },

    schemas({ env: request }: ScimContext): Response {
      const { tenant } = withoutFilter(request)
      return send(request, whole(schemasInUse(tenant).map((schema) => documentOf(schema, tenant))))
    },

    schema({ env: request, req }: ScimContext<'/Schemas/:urn'>): Response {
      const { tenant } = withoutFilter(request)
      const urn = req.param('urn')
      const schema = schemasInUse(tenant).find(({ id }) => id.toLowerCase() === urn.toLowerCase())
      if (!schema) throw ScimError.notFound('schema-not-found', `Schema "${urn.slice(0, 200)}" was not found.`)
      return send(request, documentOf(schema, tenant))
    },
  }
}

const documentOf = (schema: Schema, { baseUrl, deviations, catalogue }: TenantContext): JsonObject =>
  schemaDocument(schema, baseUrl, deviations, catalogue !== undefined && catalogue.types.length > 0)

/** The resource types that are not switched off, and those of the catalogue. */
const offered = (tenant: TenantContext): readonly ResourceType[] => [
  ...tenant.registry.resourceTypes.filter((type) => isSynchronised(tenant, type)),
  ...(tenant.catalogue?.types ?? []),
]

/** All schemas, without those that only types have which are switched off and refuse reads. */
function schemasInUse(tenant: TenantContext): readonly Schema[] {
  const { registry, catalogue } = tenant
  const schemasOf = (types: readonly ResourceType[]) =>
    new Set(types.flatMap((type) => [type.schema, ...type.extensions.map(({ schema }) => schema)]))
  const readable = registry.resourceTypes.filter((type) => isReadable(tenant, type))
  const [inUse, known] = [schemasOf(readable), schemasOf(registry.resourceTypes)]
  const ofCatalogue = (catalogue?.types ?? []).flatMap(({ schema, also }) => (also ? [schema, also] : [schema]))
  return [
    ...[...registry.schemas.values()].filter((schema) => inUse.has(schema) || !known.has(schema)),
    ...new Set(ofCatalogue),
  ]
}

/** The answer cannot honour a filter, so a filter is refused (RFC 7644 §4). */
function withoutFilter(request: ScimRequest): ScimRequest {
  if (parameterReader(request.query)('filter') !== null) {
    throw ScimError.forbidden('discovery-filtered', 'Discovery endpoints take no filter.')
  }
  return request
}

const whole = (documents: readonly JsonObject[]): JsonObject =>
  listResponse({ resources: documents, totalResults: documents.length, startIndex: 1 })

const send = (request: ScimRequest, document: JsonObject): Response => json(request, JSON.stringify(document))
