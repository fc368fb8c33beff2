import type { CursorOptions } from '../../provisioning/query.ts'
import { MethodNotAllowed } from '../errors.ts'
import { bulkHandler } from './bulk.ts'
import { discoveryHandlers } from './discovery.ts'
import type { ScimHandler, ScimLimits, ScimRequest } from './env.ts'
import { queryHandlers } from './queries.ts'
import { meHandlers, resourceHandlers, typeOf, unknownAddress } from './resources.ts'

/** What an address offers, by method. */
type Offers = Readonly<Record<string, ScimHandler>>

/** The routes below a base URL, and what answers there. */
export interface ScimRouter {
  /** Each as `GET /:endpoint/:id`. */
  readonly routes: readonly string[]
  /** @throws {ScimError} 404, 405, and whatever the handlers refuse */
  readonly answer: ScimHandler
}

/**
 * The routes of one tenant, below whichever of the three base URLs led here (RFC 7644 §3.2). They match the segments that the
 * guard has read, so that no spelling of a path can mean one thing to one and another to the other.
 */
export function scimRouter(limits: ScimLimits, cursors: CursorOptions): ScimRouter {
  const discovery = discoveryHandlers(limits)
  const query = queryHandlers(limits, cursors)
  const resource = resourceHandlers(limits)
  const table: Readonly<Record<string, Offers>> = {
    '/': { GET: query.all },
    '/.search': { POST: query.searchAll },
    '/ServiceProviderConfig': { GET: discovery.serviceProviderConfig },
    '/ResourceTypes': { GET: discovery.resourceTypes },
    '/ResourceTypes/:name': { GET: discovery.resourceType },
    '/Schemas': { GET: discovery.schemas },
    '/Schemas/:urn': { GET: discovery.schema },
    '/Bulk': { POST: bulkHandler(limits) },
    '/Me': meHandlers(limits),
    '/:endpoint': { GET: query.ofType, POST: resource.create },
    '/:endpoint/.search': { POST: query.searchType },
    '/:endpoint/:id': {
      GET: resource.retrieve,
      PUT: resource.replace,
      PATCH: resource.modify,
      DELETE: resource.delete,
    },
  }
  const addresses = new Map(Object.entries(table))

  return {
    routes: Object.entries(table).flatMap(([path, offers]) => Object.keys(offers).map((method) => `${method} ${path}`)),
    answer(request) {
      const offers = addresses.get(patternOf(request))
      if (offers === undefined) throw unknownAddress()
      const handler = Object.hasOwn(offers, request.method) ? offers[request.method] : undefined
      if (handler === undefined) throw new MethodNotAllowed(request.method, Object.keys(offers).join(', '))
      return handler(request)
    },
  }
}

/** Names of the service provider's own come first; anything else in their place is the endpoint of a resource type. */
function patternOf(request: ScimRequest): string {
  const [first, second, third] = request.segments
  if (first === undefined) return '/'
  if (third !== undefined) throw unknownAddress()
  if (second === undefined && OWN_NAMES.has(first)) return `/${first}`
  if (second !== undefined && first === 'ResourceTypes') return '/ResourceTypes/:name'
  if (second !== undefined && first === 'Schemas') return '/Schemas/:urn'
  typeOf(request)
  if (second === undefined) return '/:endpoint'
  return second === '.search' ? '/:endpoint/.search' : '/:endpoint/:id'
}

const OWN_NAMES: ReadonlySet<string> = new Set([
  '.search',
  'ServiceProviderConfig',
  'ResourceTypes',
  'Schemas',
  'Bulk',
  'Me',
])
