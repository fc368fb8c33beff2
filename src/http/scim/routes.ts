import { Hono } from 'hono'
import { PatternRouter } from 'hono/router/pattern-router'
import { isOfCatalogue } from '../../provisioning/catalogue/entries.ts'
import type { CursorOptions } from '../../provisioning/query.ts'
import { GLOBAL_TOKEN_REVOCATION } from '../../tenancy/scim-path.ts'
import { MethodNotAllowed } from '../errors.ts'
import { bulkHandler } from './bulk.ts'
import { discoveryHandlers } from './discovery.ts'
import type { ScimEnv, ScimLimits, ScimRequest } from './env.ts'
import { revokeSessions } from './logout.ts'
import { queryHandlers } from './queries.ts'
import { meHandlers, READS, resourceHandlers, typeAt, unknownAddress } from './resources.ts'

/** The SCIM routes below a base URL. Call `fetch` with the request as it came, and with the `ScimRequest` as its environment. */
export type ScimRoutes = Hono<ScimEnv>

/**
 * Declares the routes below a base URL (RFC 7644 §3.2); the three forms of base URL share them. They match the segments that the
 * guard has decoded, never the raw path, so guard and router cannot read one spelling in two ways.
 *
 * `fetch` rejects with what the handlers refuse, with 404 for an unknown address and with 405 for a method that an address lacks.
 */
export function scimRoutes(limits: ScimLimits, cursors: CursorOptions): ScimRoutes {
  const discovery = discoveryHandlers(limits)
  const query = queryHandlers(limits, cursors)
  const resource = resourceHandlers(limits)
  const me = meHandlers(limits)
  // Hono's other routers do more work for so few routes; docs/adr/0057 says which, and what routing costs a read.
  const scim: ScimRoutes = new Hono<ScimEnv>({ router: new PatternRouter(), getPath: pathForHono })

  scim.get('/', query.all)
  scim.post('/.search', query.searchAll)
  scim.get('/ServiceProviderConfig', discovery.serviceProviderConfig)
  scim.get('/ResourceTypes', discovery.resourceTypes)
  scim.get('/ResourceTypes/:name', discovery.resourceType)
  scim.get('/Schemas', discovery.schemas)
  scim.get('/Schemas/:urn', discovery.schema)
  scim.post('/Bulk', bulkHandler(limits))
  scim.post(`/${GLOBAL_TOKEN_REVOCATION}`, revokeSessions)
  scim.get('/Me', me.retrieve).put(me.replace).patch(me.modify).delete(me.delete)

  // Routes further down match these names too. Closed here, `GET /Bulk` is 405 and no query of a resource type `Bulk`.
  const close = (path: string) => {
    const allow = scim.routes.filter((route) => route.path === path).map((route) => route.method)
    scim.all(path, ({ env, req }) => refuseMethod(env, req.param('endpoint'), allow))
  }
  for (const path of new Set(scim.routes.map((route) => route.path))) close(path)
  scim.post('/:endpoint/.search', query.searchType)
  close('/:endpoint/.search')

  scim.get('/:endpoint', query.ofType).post(resource.create)
  scim.get('/:endpoint/:id', resource.retrieve).put(resource.replace).patch(resource.modify).delete(resource.delete)

  // These two stay open: where two routes match, Hono composes a chain, which would slow down every read.
  const methods = [...new Set(scim.routes.map((route) => route.method))].filter((method) => method !== 'ALL')
  scim.notFound(({ env, req }) => {
    const allow = methods.filter((method) => scim.router.match(method, req.path)[0].length > 0)
    if (allow.length === 0) throw unknownAddress()
    return refuseMethod(env, env.segments[0], allow)
  })
  scim.onError((error) => {
    // The gateway turns every error into an answer, those of its own included.
    throw error
  })
  return scim
}

/** Addresses and endpoints that every tenant has. Those of registered resource types differ from tenant to tenant. */
const COMMON: ReadonlySet<string> = new Set([
  ...[
    '.search',
    GLOBAL_TOKEN_REVOCATION,
    'ServiceProviderConfig',
    'ResourceTypes',
    'Schemas',
    'Bulk',
    'Me',
    'Users',
    'Groups',
  ],
])

/** The template of an address below a base URL, for logs and metrics: without ids, and without names that a customer chose. */
export function templateOf([endpoint, id, ...more]: readonly string[]): string {
  if (endpoint === undefined) return BASE
  const name = COMMON.has(endpoint) ? endpoint : ':endpoint'
  if (id === undefined) return `${BASE}/${name}`
  return `${BASE}/${name}/${id === '.search' ? id : ':id'}${more.length > 0 ? '/*' : ''}`
}

const BASE = '/scim/v2/:base'

/** Hono decodes path parameters. The segments are decoded already, so their percent signs are encoded once more. */
function pathForHono(_: Request, options?: { env?: ScimRequest }): string {
  const path = `/${options?.env?.segments.join('/') ?? ''}`
  return path.includes('%') ? path.replaceAll('%', '%25') : path
}

/** @throws {ScimError} 405; 404 and 403 where the address belongs to a resource type that the tenant does not offer */
function refuseMethod({ method, tenant }: ScimRequest, endpoint: string | undefined, allow: readonly string[]): never {
  const type = endpoint === undefined ? undefined : typeAt(tenant, endpoint)
  const onlyReads = type !== undefined && isOfCatalogue(tenant, type) && allow.includes(READS)
  throw new MethodNotAllowed(method, onlyReads ? READS : allow.join(', '))
}
