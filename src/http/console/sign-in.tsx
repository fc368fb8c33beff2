import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { z } from 'zod'
import type { OriginPolicy } from '../../tenancy/base-url.ts'
import { addressOf } from '../address.ts'
import type { AdminDependencies } from '../control/env.ts'
import { siteOf } from '../control/origin.ts'
import { guessed } from '../guesses.ts'
import { inTime } from '../in-time.ts'
import type { ConsoleApp, ConsoleContext } from './env.ts'
import { fieldsOf } from './forms.ts'
import { Form } from './parts.tsx'
import { CONSOLE } from './paths.ts'
import { type ConsoleSessions, SESSION_SECONDS } from './sessions.ts'

const NAME = 'rollcall_console'
const attributes = (c: Context, policy: OriginPolicy) =>
  ({ path: CONSOLE, httpOnly: true, sameSite: 'Strict', secure: siteOf(c, policy).startsWith('https:') }) as const

/** The cookie that a session is. */
export const sessionCookie = {
  of: (c: ConsoleContext): string | undefined => getCookie(c, NAME),
  set: (c: ConsoleContext, policy: OriginPolicy, value: string): void =>
    setCookie(c, NAME, value, { ...attributes(c, policy), maxAge: SESSION_SECONDS }),
  clear: (c: ConsoleContext, policy: OriginPolicy): void => {
    deleteCookie(c, NAME, attributes(c, policy))
  },
}

/** `/console/sign-in`. */
export function signInPages(
  app: ConsoleApp,
  sessions: ConsoleSessions,
  { config, failures }: Pick<AdminDependencies, 'config' | 'failures'>,
): void {
  app.get('/sign-in', (c) => page(c))

  app.post('/sign-in', async (c) => {
    const { key = '' } = fieldsOf(c.var.form, z.object({ key: z.string().trim().max(500).optional() }))
    const result = await inTime(sessions.begin(key, c.req.header('user-agent')), config.requestTimeoutMs)
    if ('refused' in result) {
      const tooMany = guessed(failures, result, `Bearer ${key}`, addressOf(c, config))
      if (tooMany !== undefined) throw tooMany
      c.status(401)
      return page(c, result.refused)
    }
    sessionCookie.set(c, config, result.cookie)
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
