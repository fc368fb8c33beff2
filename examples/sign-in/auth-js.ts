import { checkSignIn, type Directory } from './check.ts'

// Auth.js (NextAuth 5): `NextAuth({ providers: […], callbacks: authJsCallbacks(directoryOf) })`. The types below are as much of
// those of `@auth/core` as is used here, so that this file needs no package.

interface AuthJsUser {
  readonly email?: string | null
}
type AuthJsToken = Record<string, unknown>
interface AuthJsSession {
  readonly user?: object
}

/** Says whose customer a person is; undefined for somebody of no customer, who does not get in. */
export type DirectoryOf = (email: string) => Directory | undefined | Promise<Directory | undefined>

/** Callbacks for Auth.js: the directory decides who gets in, and the session has the roles. */
export function authJsCallbacks(directoryOf: DirectoryOf) {
  const checked = async (email: string | null | undefined) => {
    const directory = email ? await directoryOf(email) : undefined
    return directory === undefined || !email ? undefined : checkSignIn(directory, email)
  }
  return {
    /** False shows the page of Auth.js for people who may not. */
    async signIn({ user }: { readonly user: AuthJsUser }): Promise<boolean> {
      return (await checked(user.email))?.allowed === true
    },
    /** With the sign-in alone: later calls have no `user`. End sessions of leavers by `user.deactivated`. */
    async jwt({ token, user }: { token: AuthJsToken; readonly user?: AuthJsUser }): Promise<AuthJsToken> {
      return user === undefined ? token : { ...token, roles: (await checked(user.email))?.roles ?? [] }
    },
    async session<Session extends AuthJsSession>({
      session,
      token,
    }: {
      readonly session: Session
      readonly token: AuthJsToken
    }) {
      return { ...session, user: { ...session.user, roles: token.roles ?? [] } }
    },
  }
}
