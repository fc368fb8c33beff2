import type { Reason } from '../scim/reasons.ts'
import type { Permission, Principal } from './principal.ts'

/** A refusal with its challenge (RFC 6750 §3); `detail` is for the error body. */
export interface Challenge {
  readonly status: 400 | 401 | 403
  readonly reason: Reason
  readonly wwwAuthenticate: string
  readonly detail: string
  /** True where what was sent is no key of ours: the client may be guessing. */
  readonly mayBeGuess?: true | undefined
}

export type Authentication = { readonly principal: Principal } | { readonly challenge: Challenge }

/**
 * Why a key or an access token is not good. The words tell a revoked or rotated key from an unknown one, since only its owner can
 * show it. They tell a token that has expired from a text that is none.
 */
export type BadKey = 'unknown' | 'revoked' | 'rotated' | 'no token of ours' | 'token expired' | 'token ended'

/** Finds the key that `token` is, or on which it rests. */
export type KeyLookup = (token: string) => Promise<Principal | BadKey>

const MAX_HEADER_LENGTH = 8192
const TOKEN = /^[!-~]+$/
const REALM = 'Bearer realm="scim"'
const WHY: Readonly<Record<BadKey, readonly [Reason, string]>> = {
  unknown: ['key-unknown', 'The API key is not one of ours, or has a typing mistake.'],
  revoked: ['key-revoked', 'The API key was revoked.'],
  rotated: ['key-rotated', 'The API key was rotated, and this secret of it has ended.'],
  'no token of ours': ['token-unknown', 'The access token is not one of ours, or not for this address.'],
  'token expired': ['token-expired', 'The access token has expired; ask for a new one.'],
  'token ended': [
    'token-ended',
    'The access token has ended with the credential by which it was got; ask for a new one.',
  ],
}

/**
 * Reads the `Authorization` header into a principal (RFC 6750 §2.1, §3.1). Nothing else of a request is ever looked at:
 * not the query, not a cookie, not the body.
 *
 * @param header the header's value; several headers joined with commas are refused as two tokens
 * @param now milliseconds since 1970
 */
export async function authenticate(
  header: string | undefined,
  lookup: KeyLookup,
  now: number,
): Promise<Authentication> {
  const text = header?.trim() ?? ''
  if (text.length > MAX_HEADER_LENGTH) return malformed('The Authorization header is too long to be one of our keys.')
  const space = text.indexOf(' ')
  const scheme = (space === -1 ? text : text.slice(0, space)).toLowerCase()
  const token = space === -1 ? '' : text.slice(space).trim()
  // Without a bearer token the answer must not carry an error code (RFC 6750 §3.1).
  if (scheme !== 'bearer' || token === '')
    return challenge(
      401,
      REALM,
      'key-missing',
      'This address needs an API key or an access token: send it as "Authorization: Bearer <key>".',
    )
  if (!TOKEN.test(token)) return malformed('The Authorization header must be "Bearer" and exactly one key.')

  const found = await lookup(token)
  if (found === 'unknown') return { challenge: { ...invalidToken(...WHY.unknown).challenge, mayBeGuess: true } }
  if (typeof found === 'string') return invalidToken(...WHY[found])
  if (found.expiresAt !== undefined && found.expiresAt <= now)
    return invalidToken('key-expired', 'The API key has expired.')
  return { principal: found }
}

/** The refusal for a key that lacks `permission` (RFC 6750 §3.1, insufficient_scope); undefined when it has it. */
export function missingPermission(principal: Principal, permission: Permission): Challenge | undefined {
  if (principal.permissions.has(permission)) return undefined
  return {
    status: 403,
    reason: 'key-lacks-permission',
    wwwAuthenticate: `${REALM}, error="insufficient_scope", scope="${permission}"`,
    detail: `The API key lacks the permission "${permission}".`,
  }
}

const challenge = (status: 400 | 401, wwwAuthenticate: string, reason: Reason, detail: string) => ({
  challenge: { status, wwwAuthenticate, reason, detail },
})

const malformed = (detail: string) => challenge(400, `${REALM}, error="invalid_request"`, 'key-malformed', detail)

const invalidToken = (reason: Reason, detail: string) =>
  challenge(401, `${REALM}, error="invalid_token"`, reason, detail)
