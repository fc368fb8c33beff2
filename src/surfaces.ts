import { Hono } from 'hono'
import type { FailedAttempts } from './auth/attempts.ts'
import type { ExternalIssuers } from './auth/external-issuers.ts'
import { SignInIssuer } from './auth/sign-in-issuer.ts'
import type { Config } from './config.ts'
import type { ControlPlane } from './context/control-plane.ts'
import type { Database } from './db/database.ts'
import type { Deliveries } from './delivery/deliveries.ts'
import { HISTORY_KEYS, historySigner } from './history/signing.ts'
import { adminApi } from './http/admin/api.ts'
import { describe } from './http/admin/reference/openapi.ts'
import { referencePage } from './http/admin/reference/reference-page.tsx'
import { consoleApp } from './http/console/console.tsx'
import { SETUP } from './http/control/setup-urls.ts'
import { refusalFor } from './http/errors.ts'
import { eventsPage } from './http/events-page.tsx'
import { frontPage } from './http/front-page.ts'
import { causeOf } from './http/hung-up.ts'
import type { UnderWay } from './http/in-flight.ts'
import { inTime } from './http/in-time.ts'
import { type GatewayEnv, requestLog, type Telling } from './http/middleware.ts'
import { modesPage } from './http/modes-page.tsx'
import { PUBLIC_FOR_AN_HOUR } from './http/oauth/published.ts'
import { oauthRoutes } from './http/oauth/routes.ts'
import { setupPortal } from './http/portal/portal.tsx'
import { problemResponse } from './http/problem.ts'
import type { ConnectionNotes } from './http/scim/gateway.ts'
import { receiverApi } from './http/ssf/receiver-api.ts'
import { type Logger, logError, signInLine } from './observability/logger.ts'
import type { Metrics } from './observability/metrics.ts'
import type { Tracing } from './observability/tracing/tracing.ts'
import type { ProvisioningLog } from './request-log/exchange.ts'

/** What the surfaces need. */
export interface AppDeps {
  readonly database: Database
  readonly control: ControlPlane
  readonly config: Config
  readonly logger: Logger
  readonly deliveries: Deliveries
  /** Counts the requests under way. Without it, the app counts its own. */
  readonly underWay?: UnderWay
  /** Takes note of how identity providers are heard of. Without it, nothing is noted. */
  readonly connections?: ConnectionNotes | undefined
  /** Measures the requests. Without it, nothing is measured. */
  readonly metrics?: Metrics | undefined
  /** Traces the requests. Without it, nothing is traced. */
  readonly tracing?: Tracing | undefined
  /** Keeps the provisioning log. Without it, none is kept. */
  readonly requestLog?: ProvisioningLog | undefined
}

/**
 * Mounts the surfaces beside SCIM: the admin API, what receivers of Security Event Tokens ask, OAuth, the console, the set-up portal and the pages of documentation. It turns every error in them
 * into an answer, and passes the error to `failed`.
 */
export function otherSurfaces(
  deps: AppDeps & {
    readonly issuers: ExternalIssuers
    readonly failures: FailedAttempts
    readonly underWay: UnderWay
    readonly telling: Telling
  },
  failed: (error: unknown, requestId: string) => void,
): Hono<GatewayEnv> {
  const { config, control, database, logger, deliveries, issuers, failures, underWay, telling, tracing } = deps
  const others = new Hono<GatewayEnv>()
  others.use(requestLog(telling))
  others.route('/', frontPage())
  others.route('/', modesPage())
  others.route('/', eventsPage())
  others.route(
    '/',
    oauthRoutes({ control, issuers, config, failures, requests: underWay.requests, log: deps.requestLog }),
  )
  const signer = historySigner(database, deliveries.signing)
  others.get(HISTORY_KEYS, async (c) =>
    c.json(await inTime(signer.keys(), config.requestTimeoutMs), 200, PUBLIC_FOR_AN_HOUR),
  )
  const admin = adminApi({ database, config, control, deliveries, issuers, failures, underWay, tracing })
  others.route('/api/v1', admin)
  others.route('/', receiverApi({ database, config, control, deliveries, failures, underWay, tracing }))
  others.route(
    '/',
    referencePage(() => describe(admin)),
  )
  const log = (error: unknown, requestId: string | undefined) => logError(logger, error, requestId)
  const { consoleSignIn, deliveryNetworks } = config
  const issuer = consoleSignIn && new SignInIssuer(consoleSignIn, deliveryNetworks, (why) => signInLine(logger, why))
  others.route(
    '/console',
    consoleApp({ database, config, control, deliveries, issuer, externalIssuers: issuers, failures, failed: log }),
  )
  others.route(SETUP, setupPortal({ database, config, control, deliveries, failures, underWay, failed: log }))
  others.notFound((c) => problemResponse({ status: 404, detail: 'There is nothing at this address.' }, c.var.requestId))
  others.onError((thrown, c) => {
    const { requestId } = c.var
    const error = causeOf(thrown, c)
    const { refusal, headers } = refusalFor(error, requestId)
    failed(error, requestId)
    const response = problemResponse({ status: refusal.status, detail: refusal.message }, requestId)
    for (const [name, value] of Object.entries(headers)) response.headers.set(name, value)
    return response
  })
  return others
}
