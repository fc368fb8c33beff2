import { z } from 'zod'
import { addressOf } from '../../address.ts'
import { administrationOf } from '../../control/administration.ts'
import { guessed } from '../../guesses.ts'
import { inTime } from '../../in-time.ts'
import type { ConsoleApp, ConsoleContext } from '../env.ts'
import { fieldsOf } from '../forms.ts'
import { CONSOLE } from '../paths.ts'
import type { SignInFrom } from '../sessions.ts'
import { sessionCookie } from './cookies.ts'
import type { SignInDependencies } from './dependencies.ts'
import { issuerPages } from './issuer.tsx'
import { signInPage } from './page.tsx'

/** `/console/sign-in`, and the pages below it for an issuer. */
export function signInPages(app: ConsoleApp, dependencies: SignInDependencies): void {
  const { sessions, issuer, config, failures } = dependencies
  const from = (c: ConsoleContext): SignInFrom => ({
    client: c.req.header('user-agent'),
    administration: (actor, actorName) => administrationOf(c, dependencies, actor, actorName),
  })

  app.get('/sign-in', (c) => signInPage(c, issuer?.host))

  app.post('/sign-in', async (c) => {
    const { key = '' } = fieldsOf(c.var.form, z.object({ key: z.string().trim().max(500).optional() }))
    const result = await inTime(sessions.begin(key, from(c)), config.requestTimeoutMs)
    if ('refused' in result) {
      const tooMany = guessed(failures, result, `Bearer ${key}`, addressOf(c, config))
      if (tooMany !== undefined) throw tooMany
      return signInPage(c, issuer?.host, { status: 401, why: result.refused })
    }
    sessionCookie.set(c, config, result.cookie)
    return c.redirect(CONSOLE, 303)
  })

  if (issuer !== undefined) issuerPages(app, issuer, from, dependencies)
}
