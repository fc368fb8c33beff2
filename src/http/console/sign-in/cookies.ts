import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { SESSION_MS } from '../../../repositories/control/console-sessions.ts'
import type { OriginPolicy } from '../../../tenancy/base-url.ts'
import { siteOf } from '../../control/origin.ts'
import { CONSOLE } from '../paths.ts'

/** How long a sign-in with an issuer may take. */
export const ATTEMPT_SECONDS = 600

/** The cookie that a session is. No page of another site has the browser send it. */
export const sessionCookie = cookie('rollcall_console', CONSOLE, 'Strict', SESSION_MS / 1_000)

/** A sign-in that is under way. The browser sends it when the issuer sends the browser back, which "Strict" would not. */
export const attemptCookie = cookie('rollcall_sign_in', `${CONSOLE}/sign-in`, 'Lax', ATTEMPT_SECONDS)

/**
 * A cookie that no script sees. Under https its name begins with `__Host-`: then no other host and no page without TLS can have
 * set it. Such a cookie has no narrower path.
 */
function cookie(name: string, path: string, sameSite: 'Strict' | 'Lax', maxAge: number) {
  const isSecure = (c: Context, policy: OriginPolicy) => siteOf(c, policy).startsWith('https:')
  const attributes = (c: Context, policy: OriginPolicy) => {
    const always = { httpOnly: true, sameSite } as const
    return isSecure(c, policy)
      ? ({ ...always, path: '/', secure: true, prefix: 'host' } as const)
      : ({ ...always, path } as const)
  }
  return {
    of: (c: Context, policy: OriginPolicy): string | undefined =>
      isSecure(c, policy) ? getCookie(c, name, 'host') : getCookie(c, name),
    set: (c: Context, policy: OriginPolicy, value: string): void =>
      setCookie(c, name, value, { ...attributes(c, policy), maxAge }),
    clear: (c: Context, policy: OriginPolicy): void => {
      deleteCookie(c, name, attributes(c, policy))
    },
  }
}
