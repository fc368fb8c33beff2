import { siteOf } from '../../control/origin.ts'
import type { ConsoleApp } from '../env.ts'
import { done } from '../forms.ts'
import { CONSOLE } from '../paths.ts'
import type { Session } from '../sessions.ts'
import { sessionCookie } from './cookies.ts'
import type { SignInDependencies } from './dependencies.ts'
import { onwardPage } from './page.tsx'

/**
 * `/console/sign-out`: ends the session, or all of its key or person. The browser of a person goes on to where the issuer ends its own
 * session, where the issuer offers that (OpenID Connect RP-Initiated Logout 1.0).
 */
export function signOutPage(app: ConsoleApp, { sessions, issuer, config }: SignInDependencies): void {
  app.post('/sign-out', async (c) => {
    const idToken = await sessions.end(c.var.session as Session, c.var.administration, c.var.form.has('everywhere'))
    sessionCookie.clear(c, config)
    const back = `${CONSOLE}/sign-in`
    const url = idToken === undefined ? undefined : await issuer?.signOutUrl(idToken, siteOf(c, config) + back)
    if (url === undefined) return done(c, back, 'signed-out')
    c.set('session', undefined)
    return onwardPage(c, { url, title: 'You have signed out', link: `Sign out of ${issuer?.host} too` })
  })
}
