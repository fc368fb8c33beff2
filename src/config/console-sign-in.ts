import { ownAddressProblem } from '../network/delivery-address.ts'
import { type ConsoleSignIn, consoleAccessIn } from '../tenancy/console-sign-in.ts'
import type { Values, variables } from './variables.ts'

/** A variable that cannot be used, and what it takes. */
type Wrong = readonly [name: keyof typeof variables.shape, message: string]

const NEED_THE_ISSUER = ['CONSOLE_OIDC_CLIENT_ID', 'CONSOLE_OIDC_CLIENT_SECRET', 'CONSOLE_OIDC_ACCESS'] as const
const ISSUER =
  "takes the issuer's URL as its tokens have it, such as https://id.example.com; http only for an address that DELIVERY_NETWORKS allows"
const ACCESS =
  'takes a list such as [{"value": "operators", "permissions": ["admin", "directory:read"], "place": "shop/prod"}] in JSON: ' +
  'each entry has "admin" among its permissions, and one without a place is for everything'

/** By which issuer people sign in to the console, undefined where by none; or which variables are wrong. */
export function consoleSignIn(
  values: Values,
): { readonly signIn: ConsoleSignIn | undefined } | { readonly wrong: readonly Wrong[] } {
  const { CONSOLE_OIDC_ISSUER: issuer, CONSOLE_OIDC_CLIENT_ID: clientId, CONSOLE_OIDC_ACCESS: text } = values
  if (issuer === undefined) {
    const alone = NEED_THE_ISSUER.filter((name) => values[name] !== undefined)
    if (alone.length === 0) return { signIn: undefined }
    return { wrong: alone.map((name): Wrong => [name, 'takes CONSOLE_OIDC_ISSUER beside it']) }
  }
  const access = text === undefined ? undefined : consoleAccessIn(text)
  const wrong: Wrong[] = [
    ...(ownAddressProblem(issuer, values.DELIVERY_NETWORKS ?? []) ? [['CONSOLE_OIDC_ISSUER', ISSUER] as const] : []),
    ...(clientId === undefined ? [['CONSOLE_OIDC_CLIENT_ID', 'is not set, and CONSOLE_OIDC_ISSUER is'] as const] : []),
    ...(access === undefined ? [['CONSOLE_OIDC_ACCESS', ACCESS] as const] : []),
  ]
  if (clientId === undefined || access === undefined || wrong.length > 0) return { wrong }
  const { CONSOLE_OIDC_CLIENT_SECRET: clientSecret, CONSOLE_OIDC_SCOPES: scopes, CONSOLE_OIDC_CLAIM: claim } = values
  return { signIn: { issuer, clientId, clientSecret, scopes, claim, access } }
}
