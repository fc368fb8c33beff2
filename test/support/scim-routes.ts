import { scimRoutes } from '../../src/http/scim/routes.ts'

const LIMITS = {
  maxBodyBytes: 1,
  maxOperations: 1,
  maxPayloadBytes: 1,
  defaultPageSize: 1,
  maxPageSize: 1,
  cursorTimeoutSeconds: 1,
}
const sealer = { seal: () => Promise.resolve(''), open: () => Promise.resolve(undefined) }

/** Every SCIM route as `GET /:endpoint/:id`, read from Hono: a new route is tested from its first day. */
export const SCIM_ROUTES: readonly string[] = scimRoutes(LIMITS, { sealer, timeoutMs: 1, now: () => 0 })
  .routes.filter(({ method }) => method !== 'ALL')
  .map(({ method, path }) => `${method} ${path}`)
