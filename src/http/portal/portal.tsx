import { type Context, Hono, type MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { csrf } from 'hono/csrf'
import { HTTPException } from 'hono/http-exception'
import { beginVisit, endVisit } from '../../administration/keys/setup-links.ts'
import { Refusal } from '../../administration/refusal.ts'
import { hashSecret, isMintedId, sameHash } from '../../auth/minted-secret.ts'
import { SETUP_LINKS } from '../../auth/setup-link.ts'
import { findSetupLink, setupLinksOf } from '../../repositories/control/keys/setup-links.ts'
import { effectiveSettings } from '../../tenancy/settings.ts'
import { addressOf } from '../address.ts'
import { checkToken, readForm } from '../console/forms.ts'
import { formPages } from '../console/refused-form.tsx'
import { administrationOf } from '../control/administration.ts'
import { siteOf } from '../control/origin.ts'
import { tenantAt } from '../control/places.ts'
import { SETUP } from '../control/setup-urls.ts'
import { tooManyGuesses } from '../guesses.ts'
import { callerOf, inTime } from '../in-time.ts'
import { linkOf, type PortalApp, type PortalDependencies, type PortalEnv } from './env.ts'
import { portalErrorPage } from './error-page.tsx'
import { pathOfLink, policyOf, portalLayout } from './layout.tsx'
import { arrivalPages } from './pages/arrivals.tsx'
import { overviewPage } from './pages/overview.tsx'
import { selfTestPages } from './pages/self-test.tsx'
import { stepPages } from './pages/steps.tsx'
import { tokenPages } from './pages/tokens.tsx'
import { Goodbye, Welcome } from './pages/welcome.tsx'
import { refuseEnded, visitEnd, visitorCookies, visitorOf } from './visitors.ts'

const MAX_FORM_BYTES = 16_384

/**
 * The set-up portal, to be mounted at `/setup`: pages for the IT admin of one customer, who has a link in place of a key. A
 * visitor reaches one tenant, and does what is mounted here: begins and leaves, chooses an identity provider, makes and rotates
 * its tokens, tests the connection, and looks at what arrives.
 */
export function setupPortal(dependencies: PortalDependencies): PortalApp {
  const { database, control, config, deliveries, failures, underWay, failed } = dependencies
  const cookies = visitorCookies(deliveries.box, config)
  const app: PortalApp = new Hono<PortalEnv>()

  app.use('*', guard)
  app.use('*', portalLayout)
  const pages = formPages(app, SETUP)
  app.onError((error, c) => portalErrorPage(c, error, failed, pages))
  app.use('*', csrf({ origin: (origin, c) => origin === siteOf(c, config) }))
  app.use('*', bodyLimit({ maxSize: MAX_FORM_BYTES, onError: () => refuse(413, 'The form is too large.') }))
  app.use('*', readForm)

  /** The tenant of a link with what is around it, and how the portal looks there. */
  async function placeOf(c: Context<PortalEnv>, link: Awaited<ReturnType<typeof findSetupLink>>) {
    if (link === undefined) throw new Error('no link')
    const principal = visitorOf(link)
    const { projectId, environmentId, tenantId } = link.scope
    const names = { project: projectId, environment: environmentId, tenant: tenantId }
    const place = await tenantAt({ ...c.var, principal, database: c.var.database ?? database }, names)
    return { principal, place, portal: effectiveSettings(place.environment.settings).setupPortal }
  }

  // The address has the secret: it is answered with another address, and no page ever has it.
  app.get('/enter/:secret', async (c) => {
    c.set('hidesAddress', true)
    const secret = c.req.param('secret')
    const id = SETUP_LINKS.parse(secret)
    const link = id === undefined ? undefined : await inTime(findSetupLink(database, id), config.requestTimeoutMs)
    if (link === undefined || !sameHash(link.hash, hashSecret(secret))) {
      const tooMany = tooManyGuesses(failures, id, addressOf(c, config), 'link')
      throw tooMany ?? new Refusal(404, 'This is no set-up link of ours, or a part of it is missing.')
    }
    await refuseEnded(control, link)
    const { portal } = await inTime(placeOf(c, link), config.requestTimeoutMs)
    await cookies.set(c, link, portal)
    return c.redirect(pathOfLink(link.id), 303)
  })

  // No page below is to be had without a cookie of its link.
  const admit: MiddlewareHandler<PortalEnv> = async (c, next) => {
    const startedAt = performance.now()
    const limitMs = config.requestTimeoutMs
    const id = c.req.param('link') ?? ''
    const ticket = isMintedId(id) ? await cookies.of(c, id) : undefined
    const link = ticket && (await inTime(findSetupLink(database, id), limitMs))
    if (ticket === undefined || link === undefined) throw signedOut()
    const passage = underWay?.requests.enter(link.id, link.scope.tenantId)
    try {
      await refuseEnded(control, link)
      const { visit, formToken } = ticket
      const caller = callerOf(link.id, limitMs, { startedAt, reader: c.req.raw, streams: () => false })
      c.set('database', database.for(caller))
      if (visit !== undefined && !(await setupLinksOf(c.var.database, link.scope.tenantId).hasVisit(link.id, visit)))
        throw signedOut()
      const { principal, place, portal } = await placeOf(c, link)
      c.set('keyId', link.id)
      c.set('principal', principal)
      c.set('session', { principal, id: visit ?? '', person: null, formToken })
      c.set('link', link)
      c.set('place', place)
      c.set('portal', portal)
      if (visit !== undefined) c.set('visit', visit)
      c.set('administration', administrationOf(c, { ...dependencies, database: c.var.database }, principal.keyId))
      await next()
    } finally {
      passage?.answered(c.req.method, c.env)
    }
  }
  app.use('/:link/*', admit, checkToken)

  app.get('/:link', async (c, next) => {
    if (c.var.visit !== undefined) return next()
    const { link, place } = linkOf(c)
    return c.render(<Welcome place={place} path={pathOfLink(link.id)} />, { title: 'Set-up' })
  })
  app.post('/:link/begin', async (c) => {
    const { link } = linkOf(c)
    if (c.var.visit === undefined) {
      const visit = await beginVisit(c.var.administration, link, visitEnd(link))
      await cookies.set(c, link, portalOf(c), visit)
    }
    return c.redirect(pathOfLink(link.id), 303)
  })

  // And none below without a session, which the link counts.
  app.use('/:link/*', async (c, next) => {
    if (c.var.visit === undefined) return c.redirect(pathOfLink(linkOf(c).link.id), 303)
    return next()
  })
  overviewPage(app)
  stepPages(app, config)
  tokenPages(app, config)
  arrivalPages(app)
  selfTestPages(app, dependencies)
  app.post('/:link/leave', async (c) => {
    const { link } = linkOf(c)
    await endVisit(c.var.administration, link, c.var.visit ?? '')
    cookies.clear(c, link.id, portalOf(c))
    // The page that follows shows no parts of the portal any more.
    c.set('visit', undefined)
    return c.render(<Goodbye />, { title: 'You have left' })
  })
  app.all('*', () => refuse(404, 'The portal has no such page.'))
  return app
}

const portalOf = (c: Context<PortalEnv>) => c.var.portal ?? effectiveSettings({}).setupPortal

/** What every answer says to the browser: to keep nothing, to run nothing but our script, and who may embed the page. */
const guard: MiddlewareHandler<PortalEnv> = async (c, next) => {
  await next()
  c.header('Cache-Control', 'no-store')
  c.header('Content-Security-Policy', policyOf(c))
  if ((c.var.portal?.frameAncestors ?? []).length === 0) c.header('X-Frame-Options', 'DENY')
  c.header('X-Content-Type-Options', 'nosniff')
  c.header('X-Robots-Tag', 'noindex')
  // With "no-referrer", browsers say nothing of the origin of a form; so it is for the one address that is secret.
  c.header('Referrer-Policy', c.var.hidesAddress ? 'no-referrer' : 'same-origin')
}

const signedOut = () =>
  new HTTPException(401, { message: 'There is no session here: it is over, or this browser has not opened the link.' })

function refuse(status: 404 | 413, message: string): never {
  throw new HTTPException(status, { message })
}
