import { HTTPException } from 'hono/http-exception'
import type { Person, SignInAttempt, SignInFailure, SignInIssuer } from '../../../auth/sign-in-issuer.ts'
import type { SecretBox } from '../../../signing/secret-box.ts'
import { siteOf } from '../../control/origin.ts'
import { inTime } from '../../in-time.ts'
import type { ConsoleApp, ConsoleContext } from '../env.ts'
import { CONSOLE } from '../paths.ts'
import type { SignInFrom } from '../sessions.ts'
import { ATTEMPT_SECONDS, attemptCookie, sessionCookie } from './cookies.ts'
import type { SignInDependencies } from './dependencies.ts'
import { type NotSignedIn, onwardPage, signInPage } from './page.tsx'

/** Sign-ins that come back at the same time, on one instance: each asks the issuer, and anybody can begin one. */
const MOST_AT_ONCE = 16
const OWNER = 'console sign-in'
const BEGIN = `${CONSOLE}/sign-in/oidc`
/** Where the issuer sends the browser back to; the client is registered there with it. */
const RETURN = `${BEGIN}/return`
const SHOWN_VALUES = 10

interface Remembered extends SignInAttempt {
  /** Milliseconds since 1970. */
  readonly startedAt: number
}

/** `/console/sign-in/oidc`, which leads to the issuer, and the page to which the issuer leads back. */
export function issuerPages(
  app: ConsoleApp,
  issuer: SignInIssuer,
  from: (c: ConsoleContext) => SignInFrom,
  { sessions, config, deliveries: { box } }: SignInDependencies,
): void {
  const refused = (c: ConsoleContext, failed: NotSignedIn) => signInPage(c, issuer.host, failed)
  let atOnce = 0

  app.get('/sign-in/oidc', async (c) => {
    const begun = await issuer.begin(siteOf(c, config) + RETURN)
    if ('failure' in begun) return refused(c, inWords(begun.failure, issuer))
    const remembered: Remembered = { ...begun.attempt, startedAt: Date.now() }
    attemptCookie.set(c, config, await box.seal(JSON.stringify(remembered), OWNER))
    return c.redirect(begun.url, 303)
  })

  app.get('/sign-in/oidc/return', async (c) => {
    const attempt = await rememberedIn(box, attemptCookie.of(c, config))
    attemptCookie.clear(c, config)
    if (attempt === undefined) return refused(c, NOT_BEGUN)
    if (atOnce >= MOST_AT_ONCE) throw new HTTPException(503, { message: 'Too many people sign in at this moment.' })
    atOnce++
    try {
      const back = await issuer.finish(attempt, new URL(c.req.url).search)
      if ('failure' in back) return refused(c, inWords(back.failure, issuer))
      const begun = await inTime(sessions.beginFor(back.person, from(c)), config.requestTimeoutMs)
      if (begun === undefined) return refused(c, withoutAccess(back.person, issuer))
      sessionCookie.set(c, config, begun.cookie)
      return onwardPage(c, { url: CONSOLE, title: 'You are signed in', link: 'To the console' })
    } finally {
      atOnce--
    }
  })
}

/** The sign-in that a cookie is; undefined for none, and after its time. */
async function rememberedIn(box: SecretBox, cookie: string | undefined): Promise<SignInAttempt | undefined> {
  const text = cookie === undefined ? undefined : await box.open(cookie, OWNER)
  if (text === undefined) return undefined
  const remembered = JSON.parse(text) as Remembered
  return Date.now() < remembered.startedAt + ATTEMPT_SECONDS * 1_000 ? remembered : undefined
}

const NOT_BEGUN: NotSignedIn = {
  status: 400,
  why: 'This sign-in was not begun in this browser, or it took more than ten minutes. Begin it again.',
}

function inWords({ problem, reason }: SignInFailure, { host }: SignInIssuer): NotSignedIn {
  switch (problem) {
    case 'unreachable':
      return { status: 503, why: `${host} does not answer as it should. Try again in a minute, or use an API key.` }
    case 'declined':
      return { status: 401, why: `${host} did not sign you in: ${reason}.` }
    case 'unproven':
      return {
        status: 401,
        why: `What ${host} sent back does not prove who you are (${reason}). Begin the sign-in again.`,
      }
  }
}

function withoutAccess({ name, email, values }: Person, { host, settings }: SignInIssuer): NotSignedIn {
  const who = email === null || email === name ? name : `${name} (${email})`
  const had = values.length === 0 ? 'It has no value.' : `It has: ${values.slice(0, SHOWN_VALUES).join(', ')}.`
  const lacking = `${host} knows you as ${who}, but no value of the claim “${settings.claim}” opens this console.`
  return { status: 403, why: `${lacking} ${had} The operator says in CONSOLE_OIDC_ACCESS which values do.` }
}
