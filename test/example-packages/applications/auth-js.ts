import { Auth } from '@auth/core'
import { authJsCallbacks, type DirectoryOf } from '../examples/sign-in/auth-js.ts'

/** An identity provider that signs people in by OpenID Connect, and the client that it knows. */
export interface SingleSignOn {
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret: string
}

/** The routes of an application with Auth.js, below `/auth`. */
export const authJs = (sso: SingleSignOn, directoryOf: DirectoryOf) => (request: Request) =>
  Auth(request, {
    // The address comes from the provider's own answer: its ID token has no more than who it is.
    providers: [{ id: 'sso', name: 'Single sign-on', type: 'oidc', idToken: false, ...sso }],
    callbacks: authJsCallbacks(directoryOf),
    basePath: '/auth',
    secret: 'a secret of this application, for its cookies',
    trustHost: true,
    logger: { error: () => {} },
  })
