import { Hono } from 'hono'
import type { CursorOptions } from '../../provisioning/query.ts'
import { MethodNotAllowed } from '../errors.ts'
import { bulkRoutes } from './bulk.ts'
import { discoveryRoutes } from './discovery.ts'
import type { ScimEnv, ScimLimits } from './env.ts'
import { queryRoutes } from './queries.ts'
import { meRoutes, resourceRoutes, typeOf, unknownAddress } from './resources.ts'

/**
 * Routes of one tenant, below whichever of the three base URLs led here. The guard has read the address; this router
 * matches what it read, so that no spelling of a path can mean one thing to one and another to the other.
 */
export function scimRouter(limits: ScimLimits, cursors: CursorOptions): Hono<ScimEnv> {
  const router = new Hono<ScimEnv>({
    // Only the gateway calls this router, and it always hands over the request that it has read.
    getPath: (_request, options) => (options as { env: ScimEnv['Bindings'] }).env.scim.path,
  })
  const only = (path: string, allow: string) =>
    router.all(path, (c) => {
      throw new MethodNotAllowed(c.req.method, allow)
    })
  const onlyOfType = (path: string, allow: string) =>
    router.all(path, (c) => {
      typeOf(c)
      throw new MethodNotAllowed(c.req.method, allow)
    })

  // Addresses with a name of their own come first, each with the answer to other methods behind it.
  discoveryRoutes(router, limits)
  for (const path of [
    '/ServiceProviderConfig',
    '/ResourceTypes',
    '/ResourceTypes/:name',
    '/Schemas',
    '/Schemas/:urn',
  ]) {
    only(path, 'GET')
  }
  bulkRoutes(router, limits)
  only('/Bulk', 'POST')
  meRoutes(router, limits)
  only('/Me', 'GET, PUT, PATCH, DELETE')
  queryRoutes(router, limits, cursors)
  only('/', 'GET')
  only('/.search', 'POST')
  onlyOfType('/:endpoint/.search', 'POST')
  resourceRoutes(router, limits)
  onlyOfType('/:endpoint', 'GET, POST')
  onlyOfType('/:endpoint/:id', 'GET, PUT, PATCH, DELETE')
  router.notFound(() => {
    throw unknownAddress()
  })
  // Errors belong to the outer app, which knows the request.
  router.onError((error) => {
    throw error
  })
  return router
}
