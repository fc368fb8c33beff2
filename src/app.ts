import { Hono } from 'hono'
import type { Config } from './config.ts'
import type { ControlPlane } from './context/control-plane.ts'
import { ExternalIssuers } from './context/external-issuers.ts'
import type { Database } from './db/database.ts'
import type { Deliveries } from './delivery/deliveries.ts'
import { adminApi } from './http/admin/api.ts'
import { describe } from './http/admin/openapi.ts'
import { referencePage } from './http/admin/reference-page.tsx'
import { consoleApp } from './http/console/console.tsx'
import { refusalFor } from './http/errors.ts'
import { healthRoutes } from './http/health.ts'
import { type GatewayEnv, logged, requestLog } from './http/middleware.ts'
import { modesPage } from './http/modes-page.tsx'
import { oauthRoutes } from './http/oauth/routes.ts'
import { problemResponse } from './http/problem.ts'
import { scimGateway } from './http/scim/gateway.ts'
import { scimRouter } from './http/scim/router.ts'
import { type Logger, logError, unreachableIssuerLine } from './observability/logger.ts'
import { cursorSealer } from './provisioning/cursor.ts'
import { instanceSecret } from './repositories/instance-secrets.ts'

/** What the surfaces are made of. */
export interface AppDeps {
  readonly database: Database
  readonly control: ControlPlane
  readonly config: Config
  readonly logger: Logger
  readonly deliveries: Deliveries
}

/** Mounts the surfaces: SCIM, the admin API, OAuth and health; and turns whatever fails into an answer, in this one place. */
export function createApp(deps: AppDeps): Hono<GatewayEnv> {
  const { config, control, database, logger, deliveries } = deps
  const limits = {
    maxBodyBytes: config.maxBodyBytes,
    maxOperations: config.bulkMaxOperations,
    maxPayloadBytes: config.bulkMaxPayloadBytes,
    defaultPageSize: config.pageSizeDefault,
    maxPageSize: config.pageSizeMax,
    cursorTimeoutSeconds: config.cursorTimeoutSeconds,
  }
  const cursors = {
    sealer: cursorSealer(async () => config.cursorKey ?? instanceSecret(database, 'cursor')),
    timeoutMs: config.cursorTimeoutSeconds * 1000,
    now: Date.now,
  }
  const issuers = new ExternalIssuers(config.deliveryNetworks, (uri, reason) =>
    unreachableIssuerLine(logger, uri, reason),
  )
  const failed = (error: unknown, requestId: string) => {
    if (refusalFor(error, requestId).refusal.status >= 500) logError(logger, error, requestId)
  }
  const gateway = scimGateway({ database, control, issuers, origin: config }, scimRouter(limits, cursors), failed)

  const others = new Hono<GatewayEnv>()
  others.use(requestLog(logger))
  others.route('/', healthRoutes(database))
  others.route('/', modesPage())
  others.route('/', oauthRoutes({ control, config }))
  const admin = adminApi({ database, config, control, deliveries, issuers })
  others.route('/api/v1', admin)
  others.route(
    '/',
    referencePage(() => describe(admin)),
  )
  const log = (error: unknown, requestId: string | undefined) => logError(logger, error, requestId)
  others.route('/console', consoleApp({ database, config, control, deliveries, failed: log }))
  others.notFound((c) => problemResponse({ status: 404, detail: 'There is nothing at this address.' }, c.var.requestId))
  others.onError((error, c) => {
    const { requestId } = c.var
    const { refusal, headers } = refusalFor(error, requestId)
    failed(error, requestId)
    const response = problemResponse({ status: refusal.status, detail: refusal.message }, requestId)
    for (const [name, value] of Object.entries(headers)) response.headers.set(name, value)
    return response
  })

  // SCIM has one handler and nothing else that fits its addresses, so that Hono calls it without composing anything.
  const app = new Hono<GatewayEnv>()
  app.all('/scim/*', logged(logger, gateway))
  app.notFound((c) => others.fetch(c.req.raw, c.env))
  return app
}
