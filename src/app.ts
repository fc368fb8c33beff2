import { Hono } from 'hono'
import { FailedAttempts } from './auth/attempts.ts'
import { ExternalIssuers } from './auth/external-issuers.ts'
import { refusalFor, refusedFor } from './http/errors.ts'
import { healthRoutes } from './http/health.ts'
import { nothingUnderWay } from './http/in-flight.ts'
import { keyedMetricsRoutes } from './http/metrics.ts'
import { type GatewayEnv, logged, requestLog, type Telling } from './http/middleware.ts'
import { Readiness } from './http/readiness.ts'
import { scimGateway } from './http/scim/gateway.ts'
import { scimRoutes } from './http/scim/routes.ts'
import { logError, requestLine, unreachableIssuerLine } from './observability/logger.ts'
import { cursorSealer } from './provisioning/cursor.ts'
import { instanceSecret } from './repositories/control/instance-secrets.ts'
import { derivedKey } from './signing/secret-box.ts'
import type { AppDeps } from './surfaces.ts'

/**
 * Mounts SCIM and health. The other surfaces are half of the gateway's modules, so they load with their first request. A gateway
 * that only provisions neither waits for them at its start nor holds them in memory.
 */
export function createApp(deps: AppDeps): Hono<GatewayEnv> {
  const { config, control, database, logger, metrics, tracing } = deps
  const limits = {
    maxBodyBytes: config.maxBodyBytes,
    maxOperations: config.bulkMaxOperations,
    maxPayloadBytes: config.bulkMaxPayloadBytes,
    defaultPageSize: config.pageSizeDefault,
    maxPageSize: config.pageSizeMax,
    cursorTimeoutSeconds: config.cursorTimeoutSeconds,
  }
  const cursors = {
    sealer: cursorSealer(async () => {
      if (config.cursorKey !== undefined) return config.cursorKey
      // Someone who can read the database must not be able to forge cursors.
      if (config.secretsKey !== undefined) return derivedKey(config.secretsKey, 'cursors')
      return instanceSecret(database, 'cursor')
    }),
    timeoutMs: config.cursorTimeoutSeconds * 1000,
    now: Date.now,
  }
  const telling: Telling = {
    told: (request) => {
      requestLine(logger, request)
      metrics?.request(request)
    },
    origin: config,
    tracing,
  }
  const issuers = new ExternalIssuers(config.deliveryNetworks, (uri, reason) =>
    unreachableIssuerLine(logger, uri, reason),
  )
  const failures = new FailedAttempts()
  const readiness = new Readiness(database, deps.deliveries.workers)
  const failed = (error: unknown, requestId: string) => {
    readiness.saw(error)
    const reason = metrics && refusedFor(error)
    if (reason !== undefined) metrics?.refused(reason)
    if (refusalFor(error, requestId).refusal.status >= 500) logError(logger, error, requestId)
  }
  const underWay = deps.underWay ?? nothingUnderWay(config)
  const { requests } = underWay
  const gateway = scimGateway(
    {
      database,
      control,
      issuers,
      requests,
      origin: config,
      limits: config,
      failures,
      filterBudget: config.filterBudget,
      tracing,
      heard: deps.connections && ((...request) => deps.connections?.heard(...request)),
      log: deps.requestLog,
    },
    scimRoutes(limits, cursors),
    failed,
  )

  const rest = once(async () =>
    (await import('./surfaces.ts')).otherSurfaces({ ...deps, issuers, failures, underWay, telling }, failed),
  )

  // One handler alone matches SCIM's addresses, so Hono calls it without composing a chain around it.
  const app = new Hono<GatewayEnv>()
  app.all('/scim/*', logged(telling, gateway))
  // Probes come every second and tell nothing in a trace.
  const untraced = { ...telling, tracing: undefined }
  for (const path of ['/livez', '/readyz']) app.use(path, requestLog(untraced))
  if (metrics !== undefined && config.metricsKey !== undefined) {
    app.use('/metrics', requestLog(untraced))
    app.route('/', keyedMetricsRoutes(metrics, config.metricsKey, { failures, origin: config }))
  }
  app.route('/', healthRoutes(readiness))
  app.notFound(async (c) => (await rest()).fetch(c.req.raw, c.env))
  return app
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make()
    return made
  }
}
