import { betterAuth } from 'better-auth'
import { memoryAdapter } from 'better-auth/adapters/memory'
import { genericOAuth } from 'better-auth/plugins'
import type { DirectoryOf } from '../examples/sign-in/auth-js.ts'
import { betterAuthHooks } from '../examples/sign-in/better-auth.ts'
import type { SingleSignOn } from './auth-js.ts'

/** The routes of an application with better-auth, below `/api/auth`; its users and sessions are in memory. */
export function betterAuthAt(
  baseURL: string,
  { issuer, ...client }: SingleSignOn,
  directoryOf: DirectoryOf,
): (request: Request) => Promise<Response> {
  const emailOf = async (id: string): Promise<string | undefined> =>
    (await (await auth.$context).internalAdapter.findUserById(id))?.email
  const discoveryUrl = `${issuer}/.well-known/openid-configuration`
  const auth = betterAuth({
    baseURL,
    secret: 'a secret of this application, for its cookies',
    database: memoryAdapter({ user: [], session: [], account: [], verification: [] }),
    plugins: [genericOAuth({ config: [{ providerId: 'sso', discoveryUrl, scopes: ['openid', 'email'], ...client }] })],
    session: { additionalFields: { roles: { type: 'string[]', required: false, input: false } } },
    databaseHooks: betterAuthHooks(directoryOf, emailOf),
    logger: { disabled: true },
    telemetry: { enabled: false },
  })
  return auth.handler
}
