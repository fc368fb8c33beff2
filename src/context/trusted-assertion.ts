import { createHash } from 'node:crypto'
import { decodeJwt, type JWTPayload } from 'jose'
import { ASKED_AGAIN_AFTER_S, CLOCK_TOLERANCE_S, type ExternalIssuers } from '../auth/external-issuers.ts'
import { credentialOf, type KnownSecret } from '../auth/stored-key.ts'
import type { ControlPlane } from './control-plane.ts'

/** Why an assertion proves nothing, in words. With seconds, it may be good once they are over. */
export interface Unproven {
  readonly unproven: string
  readonly retryAfterSeconds?: number
}

/** Entra ID signs for 65 minutes. */
const LONGEST_LIFE_S = 65 * 60
const MAX_NAME_LENGTH = 255

/**
 * Who an assertion of a trusted issuer proves its sender to be (RFC 7523 §3, workload identity federation): the API key
 * `keyId`, where that trusts the issuer for this subject and audience. It lives 65 minutes at most, and is good once.
 *
 * @param now milliseconds since 1970
 */
export async function verifyTrusted(
  control: ControlPlane,
  issuers: ExternalIssuers,
  assertion: string,
  keyId: string,
  now: number,
): Promise<KnownSecret | Unproven> {
  const stored = await control.apiKey(keyId)
  const claimed = unverified(assertion)
  if (stored === undefined || stored.revoked || claimed === undefined) return NOT_TRUSTED
  const trusts = stored.trusts.filter(({ issuer }) => issuer === claimed.iss)
  const trust = trusts.find((one) => one.subject === claimed.sub && isFor(claimed, one.audiences)) ?? trusts[0]
  if (trust === undefined) return NOT_TRUSTED
  // No audience: where the signature is good, what follows says more precisely what is wrong with it.
  const { issuer, jwksUri, algorithms, subject, audiences, principal } = trust
  const proof = await issuers.prove(assertion, { issuer, jwksUri, algorithms })
  if (proof === 'no keys')
    return {
      unproven: 'The gateway cannot get the keys of the issuer at this moment.',
      retryAfterSeconds: ASKED_AGAIN_AFTER_S,
    }
  if (proof === 'nothing' || 'wrong' in proof) return NOT_TRUSTED
  const { payload } = proof
  if (payload.sub !== subject) return unproven('The API key trusts another subject of this issuer.')
  if (!isFor(payload, audiences))
    return unproven('The API key trusts this subject for another audience, or for one alone.')
  if (livesTooLong(payload, now / 1000)) return unproven('The assertion must not live longer than 65 minutes.')
  if (principal.expiresAt !== undefined && principal.expiresAt <= now) return NOT_TRUSTED
  const endsAt = new Date((payload.exp + CLOCK_TOLERANCE_S) * 1000)
  if (!(await control.takeAssertion(keyId, nameOf(payload, assertion), endsAt)))
    return unproven('The assertion was used before; each is good once.')
  const credential = credentialOf(stored, trust.id)
  return credential === undefined ? NOT_TRUSTED : { ...credential, revoked: false }
}

const unproven = (words: string): Unproven => ({ unproven: words })
const NOT_TRUSTED = unproven(
  'The assertion is not signed by an issuer that the API key trusts, has expired, or is not yet good.',
)

/** What it says of itself, to find the trust that it is for. */
function unverified(assertion: string): JWTPayload | undefined {
  try {
    return decodeJwt(assertion)
  } catch {
    return undefined
  }
}

/** One audience and no other: whoever else an assertion is for could send it here. */
function isFor({ aud }: JWTPayload, audiences: readonly string[]): boolean {
  const [audience, ...others] = [aud ?? []].flat()
  return audience !== undefined && others.length === 0 && audiences.includes(audience)
}

function livesTooLong({ iat, exp }: { readonly iat?: number; readonly exp: number }, now: number): boolean {
  return exp - Math.min(iat ?? now, now) > LONGEST_LIFE_S + CLOCK_TOLERANCE_S
}

/**
 * By what an issuer tells its tokens apart: Entra ID by `uti`, others by `jti`. Where there is neither, what is signed tells them
 * apart. Not the whole text: of one signature there can be several spellings.
 */
function nameOf({ iss, uti, jti }: JWTPayload, assertion: string): string {
  const own = [uti, jti].find((name) => typeof name === 'string' && name !== '' && name.length <= MAX_NAME_LENGTH)
  const signed = assertion.slice(0, assertion.lastIndexOf('.'))
  return JSON.stringify([iss, own ?? createHash('sha256').update(signed).digest('base64url')])
}
