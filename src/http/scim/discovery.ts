import type { Context, Hono } from 'hono'
import { ScimError } from '../../scim/errors.ts'
import { listResponse } from '../../scim/list-response.ts'
import type { JsonObject } from '../../scim/resource.ts'
import { parameterReader } from '../../scim/search-request.ts'
import { resourceTypeDocument, schemaDocument, serviceProviderConfig } from '../../scim/service-provider.ts'
import type { ScimEnv, ScimLimits } from './env.ts'
import { json } from './respond.ts'

/** First segments of the discovery endpoints, which a tenant may open to anonymous callers (RFC 7644 §4). */
export const DISCOVERY = ['ServiceProviderConfig', 'ResourceTypes', 'Schemas']

/** What this service provider can do, for the tenant that asks (RFC 7644 §4). Query parameters mean nothing here. */
export function discoveryRoutes(router: Hono<ScimEnv>, limits: ScimLimits): void {
  router.get('/ServiceProviderConfig', (c) => {
    const { tenant } = withoutFilter(c)
    return send(
      c,
      serviceProviderConfig({
        baseUrl: tenant.baseUrl,
        documentationUri: new URL('/docs/modes', tenant.baseUrl).href,
        mode: tenant.settings.mode,
        supported: {
          bulk: true,
          changePassword: tenant.settings.password === 'hash',
          sort: true,
          etag: true,
          cursor: true,
        },
        limits: { ...limits, maxResults: limits.maxPageSize },
      }),
    )
  })

  router.get('/ResourceTypes', (c) => {
    const { tenant } = withoutFilter(c)
    return send(c, whole(tenant.registry.resourceTypes.map((type) => resourceTypeDocument(type, tenant.baseUrl))))
  })

  router.get('/ResourceTypes/:name', (c) => {
    const { tenant } = withoutFilter(c)
    const type = tenant.registry.byName.get(c.req.param('name'))
    if (!type) throw ScimError.notFound(`ResourceType "${c.req.param('name').slice(0, 64)}" was not found.`)
    return send(c, resourceTypeDocument(type, tenant.baseUrl))
  })

  router.get('/Schemas', (c) => {
    const { tenant } = withoutFilter(c)
    return send(c, whole([...tenant.registry.schemas.values()].map((schema) => schemaDocument(schema, tenant.baseUrl))))
  })

  router.get('/Schemas/:urn', (c) => {
    const { tenant } = withoutFilter(c)
    const schema = tenant.registry.schemas.get(c.req.param('urn').toLowerCase())
    if (!schema) throw ScimError.notFound(`Schema "${c.req.param('urn').slice(0, 200)}" was not found.`)
    return send(c, schemaDocument(schema, tenant.baseUrl))
  })
}

/** A filter here must be refused, since the answer could not honour it (RFC 7644 §4). */
function withoutFilter(c: Context<ScimEnv>) {
  const { scim } = c.env
  if (parameterReader(scim.query)('filter') !== null) throw ScimError.forbidden('Discovery endpoints take no filter.')
  return scim
}

const whole = (documents: readonly JsonObject[]): JsonObject =>
  listResponse({ resources: documents, totalResults: documents.length, startIndex: 1 })

const send = (c: Context<ScimEnv>, document: JsonObject): Response => json(c, JSON.stringify(document))
