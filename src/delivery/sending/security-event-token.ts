import { SignJWT } from 'jose'
import type { Keyring } from '../../signing/keyring.ts'

/** The media type of Security Event Tokens, and their `typ` (RFC 8417 §2.3). */
export const SET_TYPE = 'secevent+jwt'

/** What a Security Event Token says (RFC 8417 §2.2, RFC 9967 §2.2). */
export interface SetClaims {
  readonly iss: string
  readonly aud: string
  /** The same however often the token is sent. */
  readonly jti: string
  /** The same in all tokens of one change. */
  readonly txn: string
  /** When it happened, in seconds since 1970. */
  readonly toe: number
  readonly sub_id: Readonly<Record<string, string>>
  /** One event by its URI. */
  readonly events: Readonly<Record<string, unknown>>
  /** Id of the tenant: a stream may be about several, and paths are the tenant's own. Not of the standard. */
  readonly tenant?: string
}

/**
 * Signs a token with the key of the day, to be verified by what is published at its issuer. It never expires (RFC 8417 §2.2), and
 * has no `sub`: the subject is in `sub_id` (RFC 9967 §2.1).
 */
export async function signSet(keyring: Keyring, claims: SetClaims): Promise<string> {
  const { algorithm, kid, key } = await keyring.signing()
  return new SignJWT({ ...claims }).setProtectedHeader({ alg: algorithm, typ: SET_TYPE, kid }).setIssuedAt().sign(key)
}
