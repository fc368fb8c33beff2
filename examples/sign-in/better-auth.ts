import type { DirectoryOf } from './auth-js.ts'
import { checkSignIn } from './check.ts'

// better-auth: `betterAuth({ databaseHooks: betterAuthHooks(directoryOf, emailOf), session: { additionalFields: … } })`, where
// `emailOf` asks `(await auth.$context).internalAdapter.findUserById(id)`. test/example-packages has the whole application. The types
// below are as much of better-auth's as is used here, so that this file needs no package.

interface NewSession {
  readonly userId: string
}

/**
 * Hooks for better-auth: no session begins for a person whom the directory does not let in. The session has the roles, for which
 * it needs an additional field of sessions: `roles: { type: 'string[]', required: false, input: false }`.
 *
 * @param emailOf the address of a user of better-auth by the id
 */
export function betterAuthHooks(directoryOf: DirectoryOf, emailOf: (userId: string) => Promise<string | undefined>) {
  return {
    session: {
      create: {
        /** `false` begins no session. */
        async before<Session extends NewSession>(
          session: Session,
        ): Promise<false | { data: Session & { roles: string[] } }> {
          const email = await emailOf(session.userId)
          const directory = email === undefined ? undefined : await directoryOf(email)
          if (email === undefined || directory === undefined) return false
          const { allowed, roles } = await checkSignIn(directory, email)
          return allowed ? { data: { ...session, roles } } : false
        },
      },
    },
  }
}
