import { decodeJwt, decodeProtectedHeader, errors, importJWK, type JWTPayload, jwtVerify } from 'jose'
import { credentialOf, type KnownSecret, type StoredPublicKey } from '../auth/stored-key.ts'
import type { ControlPlane } from './control-plane.ts'

/** Value of `client_assertion_type` (RFC 7523 §2.2). */
export const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

const MAX_LENGTH = 8192
const MAX_JTI_LENGTH = 255
const CLOCK_TOLERANCE_S = 30
const LONGEST_LIFE_S = 300

/**
 * Who an assertion proves its sender to be (`private_key_jwt`, RFC 7523 §3): an API key by one of its public keys. Issuer and
 * subject are the key's id, the audience is one of `audiences` alone, it ends within five minutes, and its `jti` is good once.
 *
 * @param now milliseconds since 1970
 * @returns the reason in words where it proves nothing; nothing is said of keys to clients that cannot sign for them
 */
export async function verifyAssertion(
  control: ControlPlane,
  assertion: string,
  audiences: readonly string[],
  now: number,
): Promise<KnownSecret | string> {
  const claimed = assertion.length > MAX_LENGTH ? undefined : unverified(assertion)
  const stored = claimed && (await control.apiKey(claimed.keyId))
  if (claimed === undefined || stored === undefined || stored.revoked) return NO_SIGNER
  let payload: JWTPayload | undefined
  let signedBy: StoredPublicKey | undefined
  for (const candidate of stored.publicKeys) {
    if (claimed.kid !== undefined && ![candidate.jwk.kid, candidate.thumbprint].includes(claimed.kid)) continue
    if (candidate.algorithm !== claimed.alg) continue
    payload = await payloadOf(assertion, candidate, claimed.keyId, now)
    if (payload === undefined) continue
    signedBy = candidate
    break
  }
  if (payload === undefined || signedBy === undefined) return NO_SIGNER

  const { exp = 0, jti = '', aud } = payload
  const [audience, ...others] = [aud].flat()
  if (audience === undefined || others.length > 0 || !audiences.includes(audience))
    return 'The audience of the assertion must be the issuer or the token endpoint, and nothing else.'
  if (exp > now / 1000 + LONGEST_LIFE_S + CLOCK_TOLERANCE_S)
    return 'The assertion must end within five minutes of being sent.'
  if (jti === '' || jti.length > MAX_JTI_LENGTH) return `jti must have from 1 to ${MAX_JTI_LENGTH} characters.`
  const { principal, thumbprint } = signedBy
  if (principal.expiresAt !== undefined && principal.expiresAt <= now) return NO_SIGNER
  const endsAt = new Date((exp + CLOCK_TOLERANCE_S) * 1000)
  if (!(await control.takeAssertion(claimed.keyId, jti, endsAt)))
    return 'The assertion was used before; jti is good once.'
  const credential = credentialOf(stored, thumbprint)
  return credential === undefined ? NO_SIGNER : { ...credential, revoked: false }
}

const NO_SIGNER = 'The assertion is not signed by a public key of an API key, has expired, or is not yet good.'

/** What it says of itself, to find the keys with which to verify it. */
function unverified(
  assertion: string,
): { keyId: string; kid: string | undefined; alg: string | undefined } | undefined {
  try {
    const { kid, alg } = decodeProtectedHeader(assertion)
    const { iss, sub } = decodeJwt(assertion)
    return iss !== undefined && iss === sub ? { keyId: iss, kid, alg } : undefined
  } catch {
    return undefined
  }
}

async function payloadOf(
  assertion: string,
  { jwk, algorithm }: StoredPublicKey,
  keyId: string,
  now: number,
): Promise<JWTPayload | undefined> {
  try {
    const { payload } = await jwtVerify(assertion, await importJWK(jwk, algorithm), {
      ...{ algorithms: [algorithm], issuer: keyId, subject: keyId, requiredClaims: ['exp', 'jti', 'aud'] },
      ...{ clockTolerance: CLOCK_TOLERANCE_S, currentDate: new Date(now) },
    })
    return payload
  } catch (error) {
    // Anything but a refusal is a fault of ours.
    if (!(error instanceof errors.JOSEError)) throw error
    return undefined
  }
}
