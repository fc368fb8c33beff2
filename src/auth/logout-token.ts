import type { LogoutIssuer } from '../tenancy/trusted-issuers.ts'
import { CLOCK_TOLERANCE_S, type ExternalIssuers, nameOf } from './external-issuers.ts'

/** The `typ` of JWTs that ask to end somebody's sessions, and of no others. */
const TYPE = 'global-token-revocation+jwt'
const LONGEST_LIFE_S = 300
const MAX_JTI_LENGTH = 255

/** Who asks for a logout, as a token has proved it. */
export interface LogoutSender {
  readonly issuer: LogoutIssuer
  /** For logs, the trail and events: see `nameOf`. */
  readonly name: string
  /** Whether the token is of the application that the settings name. */
  readonly isForUs: boolean
  readonly jti: string
  /** From then on the token is refused for its age. */
  readonly endsAt: Date
}

/** What the sender is told of a token whose signature is no registered issuer's; also where there is no such tenant. */
export const NOT_OF_AN_ISSUER =
  'The token is not signed by an issuer that this address knows (logoutIssuers of the tenant).'

const WRONG = {
  typ: `The typ of the token must be ${TYPE}.`,
  aud: 'The aud of the token must be this URL without its query, and nothing else.',
  exp: 'The token has expired, or has no exp.',
  nbf: 'The token is not yet good (nbf).',
  iat: 'The token is from the future, or its iat is no time.',
  sub: 'The token has no sub.',
  jti: `The jti of the token must have from 1 to ${MAX_JTI_LENGTH} characters.`,
} as const
const isTold = (claim: string): claim is keyof typeof WRONG => Object.hasOwn(WRONG, claim)

/**
 * Who asks by a token of Global Token Revocation, by an issuer whose name the token bears. Its audience is the URL it was sent to, it
 * ends within five minutes, and it names itself by a `jti`; whether that was there before, the caller finds out.
 *
 * @param now milliseconds since 1970
 * @returns in words why the token proves nothing
 */
export async function logoutSender(
  issuers: ExternalIssuers,
  token: string,
  issuer: LogoutIssuer,
  audience: string,
  now: number,
): Promise<LogoutSender | string> {
  const found = await issuers.prove(token, { ...issuer, audience, required: ['jti', 'aud'], typ: TYPE })
  if (typeof found === 'string') return NOT_OF_AN_ISSUER
  if ('wrong' in found) return isTold(found.wrong) ? WRONG[found.wrong] : NOT_OF_AN_ISSUER
  const { exp, iat, jti, sub, aud } = found.payload
  const latest = now / 1000 + CLOCK_TOLERANCE_S
  if (Array.isArray(aud) && aud.length !== 1) return WRONG.aud
  if (exp > latest + LONGEST_LIFE_S) return 'The token must end within five minutes of being sent (exp).'
  if (iat !== undefined && iat > latest) return WRONG.iat
  if (typeof jti !== 'string' || jti === '' || jti.length > MAX_JTI_LENGTH) return WRONG.jti
  if (typeof sub !== 'string' || sub === '') return WRONG.sub
  return {
    ...{ issuer, jti, name: nameOf(issuer, sub) },
    isForUs: issuer.subject === undefined || issuer.subject === sub,
    endsAt: new Date((exp + CLOCK_TOLERANCE_S) * 1000),
  }
}
