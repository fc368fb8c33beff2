import { scimRoutes } from '../../src/http/scim/routes.ts'
import { GLOBAL_TOKEN_REVOCATION } from '../../src/tenancy/scim-path.ts'

const LIMITS = {
  maxBodyBytes: 1,
  maxOperations: 1,
  maxPayloadBytes: 1,
  defaultPageSize: 1,
  maxPageSize: 1,
  cursorTimeoutSeconds: 1,
}
const sealer = { seal: () => Promise.resolve(''), open: () => Promise.resolve(undefined) }

/**
 * Every SCIM route that takes a key, as `GET /:endpoint/:id`, read from Hono: a new route is tested from its first day. The one that
 * ends sessions takes tokens of registered issuers alone; `http/scim/logout.store.test.ts` puts foreign ids and tokens there.
 */
export const SCIM_ROUTES: readonly string[] = scimRoutes(LIMITS, { sealer, timeoutMs: 1, now: () => 0 })
  .routes.filter(({ method, path }) => method !== 'ALL' && path !== `/${GLOBAL_TOKEN_REVOCATION}`)
  .map(({ method, path }) => `${method} ${path}`)
