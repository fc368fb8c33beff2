import { ScimError } from '../../scim/errors.ts'
import { listResponse } from '../../scim/list-response.ts'
import type { JsonObject } from '../../scim/resource.ts'
import { parameterReader } from '../../scim/search-request.ts'
import { resourceTypeDocument, schemaDocument, serviceProviderConfig } from '../../scim/service-provider.ts'
import type { ScimLimits, ScimRequest } from './env.ts'
import { json } from './respond.ts'

/** First segments of the discovery endpoints, which a tenant may open to anonymous callers (RFC 7644 §4). */
export const DISCOVERY = ['ServiceProviderConfig', 'ResourceTypes', 'Schemas']

/** What this service provider can do, for the tenant that asks (RFC 7644 §4). Query parameters mean nothing here. */
export function discoveryHandlers(limits: ScimLimits) {
  return {
    serviceProviderConfig(request: ScimRequest): Response {
      const { tenant } = withoutFilter(request)
      const { baseUrl, settings } = tenant
      const document = serviceProviderConfig({
        baseUrl,
        documentationUri: new URL('/docs/modes', baseUrl).href,
        mode: settings.mode,
        supported: {
          bulk: true,
          changePassword: settings.password === 'hash',
          sort: true,
          etag: true,
          cursor: true,
        },
        basicAuthentication: settings.basicAuthentication,
        limits: { ...limits, maxResults: limits.maxPageSize },
      })
      return send(request, document)
    },

    resourceTypes(request: ScimRequest): Response {
      const { tenant } = withoutFilter(request)
      const types = tenant.registry.resourceTypes.map((type) => resourceTypeDocument(type, tenant.baseUrl))
      return send(request, whole(types))
    },

    resourceType(request: ScimRequest): Response {
      const { tenant } = withoutFilter(request)
      const name = nameIn(request)
      const type = tenant.registry.byName.get(name)
      if (!type) throw ScimError.notFound(`ResourceType "${name.slice(0, 64)}" was not found.`)
      return send(request, resourceTypeDocument(type, tenant.baseUrl))
    },

    schemas(request: ScimRequest): Response {
      const { tenant } = withoutFilter(request)
      const schemas = [...tenant.registry.schemas.values()].map((schema) => schemaDocument(schema, tenant.baseUrl))
      return send(request, whole(schemas))
    },

    schema(request: ScimRequest): Response {
      const { tenant } = withoutFilter(request)
      const urn = nameIn(request)
      const schema = tenant.registry.schemas.get(urn.toLowerCase())
      if (!schema) throw ScimError.notFound(`Schema "${urn.slice(0, 200)}" was not found.`)
      return send(request, schemaDocument(schema, tenant.baseUrl))
    },
  }
}

const nameIn = ({ segments }: ScimRequest): string => segments[1] ?? ''

/** A filter here must be refused, since the answer could not honour it (RFC 7644 §4). */
function withoutFilter(request: ScimRequest): ScimRequest {
  if (parameterReader(request.query)('filter') !== null) {
    throw ScimError.forbidden('Discovery endpoints take no filter.')
  }
  return request
}

const whole = (documents: readonly JsonObject[]): JsonObject =>
  listResponse({ resources: documents, totalResults: documents.length, startIndex: 1 })

const send = (request: ScimRequest, document: JsonObject): Response => json(request, JSON.stringify(document))
