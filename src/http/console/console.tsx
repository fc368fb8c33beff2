import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { csrf } from 'hono/csrf'
import { HTTPException } from 'hono/http-exception'
import { secureHeaders } from 'hono/secure-headers'
import type { ExternalIssuers } from '../../auth/external-issuers.ts'
import type { SignInIssuer } from '../../auth/sign-in-issuer.ts'
import { consoleSessionsOf } from '../../repositories/control/console-sessions.ts'
import { parseIfMatch } from '../../scim/version.ts'
import { administrationOf } from '../control/administration.ts'
import type { AdminDependencies } from '../control/env.ts'
import { siteOf } from '../control/origin.ts'
import { callerOf, inTime } from '../in-time.ts'
import type { ConsoleApp, ConsoleEnv } from './env.ts'
import { errorPage } from './error-page.tsx'
import { checkToken, readForm, TAG_FIELD } from './forms.ts'
import { layout } from './layout.tsx'
import { domainPages } from './pages/accounts/domains.tsx'
import { driftPage } from './pages/accounts/drift.tsx'
import { reviewPage } from './pages/accounts/review.tsx'
import { auditPages } from './pages/audit.tsx'
import { brakePages } from './pages/brake.tsx'
import { configurationPage } from './pages/configuration.tsx'
import { endpointPages } from './pages/endpoint/endpoint.tsx'
import { newEndpointPages } from './pages/endpoint/making.tsx'
import { environmentPage } from './pages/environment.tsx'
import { erasurePages } from './pages/erasure/erasures.tsx'
import { eventPages } from './pages/events.tsx'
import { findPage } from './pages/find.tsx'
import { historyPages } from './pages/history/history.tsx'
import { apiKeyPages } from './pages/keys/api-keys.tsx'
import { setupLinkPages } from './pages/keys/setup-links.tsx'
import { mappingPages } from './pages/mapping/mapping.tsx'
import { overviewPage } from './pages/overview.tsx'
import { peoplePages } from './pages/people.tsx'
import { resourcePages } from './pages/person-or-group.tsx'
import { cataloguePages } from './pages/place/catalogue.tsx'
import { externalIssuersPage } from './pages/place/external-issuers.tsx'
import { projectPages } from './pages/place/project.tsx'
import { roleRulePages } from './pages/place/role-rules.tsx'
import { schemaPages } from './pages/place/schemas.tsx'
import { settingsPages } from './pages/place/settings.tsx'
import { requestPage } from './pages/request.tsx'
import { requestPages } from './pages/requests.tsx'
import { connectionPage } from './pages/tenant/connection.tsx'
import { movePages } from './pages/tenant/move.tsx'
import { tenantPage } from './pages/tenant/overview.tsx'
import { selfTestPage } from './pages/tenant/self-test.tsx'
import { signInCheckPage } from './pages/tenant/sign-in-check.tsx'
import { webhooksPage } from './pages/tenant/webhooks.tsx'
import { CONSOLE } from './paths.ts'
import { formPages } from './refused-form.tsx'
import { consoleSessions, nameOf } from './sessions.ts'
import { sessionCookie } from './sign-in/cookies.ts'
import { sessionPages } from './sign-in/sessions-page.tsx'
import { signInPages } from './sign-in/sign-in.tsx'
import { signOutPage } from './sign-in/sign-out.tsx'
import { STYLE_SOURCE } from './style.ts'

export interface ConsoleDependencies extends AdminDependencies {
  readonly config: AdminDependencies['config'] & { readonly adminKey?: string | undefined }
  /** With which people sign in; undefined where API keys alone open the console. */
  readonly issuer: SignInIssuer | undefined
  /** Whose JWTs are taken in the place of keys. */
  readonly externalIssuers: ExternalIssuers
  /** Told of what failed on our side, with the id of the request. */
  readonly failed: (error: unknown, requestId: string | undefined) => void
}

const MAX_FORM_BYTES = 65_536

/**
 * The console, to be mounted at `/console`: pages for those who run the gateway, signed in with an API key that has `admin`, or by
 * an issuer that says as much of them. What a page shows and does is what the admin API would for such a key, by the same
 * functions. No page has a script.
 */
export function consoleApp(dependencies: ConsoleDependencies): ConsoleApp {
  const { database, control, config, deliveries, issuer, failed } = dependencies
  const { adminKey } = config
  const store = consoleSessionsOf(database)
  const sessions = consoleSessions(control, deliveries.box, store, { adminKey, signIn: issuer?.settings })
  const app: ConsoleApp = new Hono<ConsoleEnv>()

  app.use('*', guard)
  app.use('*', (c, next) => {
    c.header('Cache-Control', 'no-store')
    return next()
  })
  app.use('*', layout)
  const pages = formPages(app, CONSOLE)
  app.onError((error, c) => errorPage(c, error, failed, pages))

  // What browsers tell of a form's origin, they tell unless they are asked for no referrer at all.
  app.use('*', csrf({ origin: (origin, c) => origin === siteOf(c, config) }))
  app.use('*', bodyLimit({ maxSize: MAX_FORM_BYTES, onError: () => refuse(413, 'The form is too large.') }))
  app.use('*', readForm)
  signInPages(app, { ...dependencies, sessions })

  // No page below is to be had without a session.
  app.use('*', async (c, next) => {
    const startedAt = performance.now()
    const limitMs = config.requestTimeoutMs
    const session = await inTime(sessions.find(sessionCookie.of(c, config), c.req.header('user-agent')), limitMs)
    if (session === undefined) return c.redirect(`${CONSOLE}/sign-in`, 303)
    const { principal, person } = session
    c.set('session', session)
    // The subject of a person is no word for a log line; the trail says whose session it is.
    c.set('keyId', person === null ? principal.keyId : `session ${session.id}`)
    c.set('principal', principal)
    const caller = callerOf(principal.keyId, limitMs, { startedAt, reader: c.req.raw, streams: () => false })
    c.set('database', database.for(caller))
    const asked = { ...dependencies, database: c.var.database }
    const administration = administrationOf(c, asked, principal.keyId, person && nameOf(person))
    const tag = c.var.form?.get(TAG_FIELD) ?? undefined
    c.set('administration', { ...administration, expected: parseIfMatch(tag) })
    return next()
  })
  app.use('*', checkToken)

  signOutPage(app, { ...dependencies, sessions })
  sessionPages(app)
  overviewPage(app)
  findPage(app)
  environmentPage(app)
  tenantPage(app)
  connectionPage(app, dependencies)
  selfTestPage(app, dependencies)
  webhooksPage(app)
  projectPages(app)
  settingsPages(app)
  externalIssuersPage(app, dependencies)
  roleRulePages(app)
  cataloguePages(app)
  mappingPages(app)
  schemaPages(app)
  movePages(app, dependencies)
  signInCheckPage(app, dependencies)
  setupLinkPages(app, dependencies)
  peoplePages(app, dependencies)
  resourcePages(app, dependencies)
  erasurePages(app, dependencies)
  historyPages(app, dependencies)
  eventPages(app, dependencies)
  apiKeyPages(app, deliveries)
  newEndpointPages(app, dependencies)
  endpointPages(app, dependencies)
  brakePages(app)
  reviewPage(app)
  driftPage(app, dependencies)
  domainPages(app, dependencies)
  requestPages(app)
  requestPage(app)
  auditPages(app)
  configurationPage(app, config.settings)
  app.all('*', () => refuse(404, 'The console has no such page.'))
  return app
}

const guard = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    styleSrc: [STYLE_SOURCE],
    formAction: ["'self'"],
    frameAncestors: ["'none'"],
    baseUri: ["'none'"],
  },
  xFrameOptions: 'DENY',
  // Not "no-referrer": with that, browsers say nothing of the origin of a form either.
  referrerPolicy: 'same-origin',
  // The proxy that ends TLS in front says it.
  strictTransportSecurity: false,
})

function refuse(status: 404 | 413, message: string): never {
  throw new HTTPException(status, { message })
}
