import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import { z } from 'zod'
import type { OriginPolicy } from '../../context/base-url.ts'
import { addressOf } from '../address.ts'
import { issuerOf } from '../admin/origin.ts'
import { TooManyRequests } from '../errors.ts'
import type { ConsoleApp } from './console.tsx'
import type { ConsoleContext } from './env.ts'
import { fieldsOf } from './forms.ts'
import { Form } from './parts.tsx'
import { CONSOLE } from './paths.ts'
import { type ConsoleSessions, SESSION_SECONDS } from './sessions.ts'

const NAME = 'rollcall_console'
const attributes = (c: Context, policy: OriginPolicy) =>
  ({ path: CONSOLE, httpOnly: true, sameSite: 'Strict', secure: issuerOf(c, policy).startsWith('https:') }) as const

/** The cookie that a session is. */
export const sessionCookie = {
  of: (c: ConsoleContext): string | undefined => getCookie(c, NAME),
  set: (c: ConsoleContext, policy: OriginPolicy, value: string): void =>
    setCookie(c, NAME, value, { ...attributes(c, policy), maxAge: SESSION_SECONDS }),
  clear: (c: ConsoleContext, policy: OriginPolicy): void => {
    deleteCookie(c, NAME, attributes(c, policy))
  },
}

/** Attempts with a wrong key that an address has in a quarter of an hour, on each instance. */
const ATTEMPTS = 10
const WINDOW_SECONDS = 900

/** `/console/sign-in`. */
export function signInPages(app: ConsoleApp, sessions: ConsoleSessions, policy: OriginPolicy): void {
  const attempts = new RateLimiterMemory({ points: ATTEMPTS, duration: WINDOW_SECONDS })

  app.get('/sign-in', (c) => page(c))

  app.post('/sign-in', async (c) => {
    const { incoming } = (c.env as ConsoleContext['env'] | undefined) ?? {}
    const from = addressOf(c.req.header('x-forwarded-for'), incoming, policy) ?? 'nowhere'
    // Counted before it is looked at, so that attempts at the same time count too.
    await attempts.consume(from).catch((refused: unknown) => {
      if (!(refused instanceof RateLimiterRes)) throw refused
      const seconds = Math.ceil(refused.msBeforeNext / 1000)
      throw new TooManyRequests('Too many keys from this address were wrong; come again in a while.', seconds)
    })
    const { key = '' } = fieldsOf(c.var.form, z.object({ key: z.string().trim().max(500).optional() }))
    const result = await sessions.begin(key, c.req.header('user-agent'))
    if ('refused' in result) {
      c.status(401)
      return page(c, result.refused)
    }
    await attempts.reward(from)
    sessionCookie.set(c, policy, result.cookie)
    return c.redirect(CONSOLE, 303)
  })
}

function page(c: ConsoleContext, refused?: string) {
  return c.render(
    <section class="narrow card">
      <h1>Rollcall console</h1>
      <p class="quiet">Sign in with an API key that has the permission “admin”. You see what that key may see.</p>
      {refused && (
        <p class="warning bad" role="alert">
          {refused}
        </p>
      )}
      <Form action={`${CONSOLE}/sign-in`} class="fields">
        <label>
          API key
          <input type="password" name="key" required autocomplete="current-password" autofocus spellcheck={false} />
        </label>
        <button type="submit" class="main">
          Sign in
        </button>
      </Form>
    </section>,
    { title: 'Sign in' },
  )
}
