import { calculateJwkThumbprint, importJWK, type JWK } from 'jose'

/** The public key by which a client proves who it is (`private_key_jwt`). */
export interface ClientKey {
  /** Names the key: by RFC 7638, over what makes it that key. */
  readonly thumbprint: string
  /** Without anything that is not public or not known. */
  readonly jwk: JWK
  /** The one algorithm that its signatures may have. */
  readonly algorithm: ClientAlgorithm
}

/** What clients may sign with: asymmetric, and none that is on its way out. */
export type ClientAlgorithm = 'ES256' | 'ES384' | 'EdDSA' | 'RS256' | 'PS256'

export const CLIENT_ALGORITHMS: readonly ClientAlgorithm[] = ['ES256', 'ES384', 'EdDSA', 'RS256', 'PS256']

const BY_CURVE: Readonly<Record<string, ClientAlgorithm>> = { 'P-256': 'ES256', 'P-384': 'ES384', Ed25519: 'EdDSA' }
const PUBLIC_MEMBERS = ['kty', 'crv', 'x', 'y', 'n', 'e', 'kid', 'alg'] as const
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'] as const
const MIN_RSA_BITS = 2048
const MAX_RSA_BITS = 8192

/** The algorithm of a key that `readClientKey` has read: the curve's own, or of RSA what its `alg` says. */
export function algorithmOf({ crv, alg }: JWK): ClientAlgorithm {
  return (crv === undefined ? undefined : BY_CURVE[crv]) ?? (alg === 'PS256' ? 'PS256' : 'RS256')
}

/** Reads a JWK as a client's public key; gives what is wrong with it where the gateway cannot accept it. */
export async function readClientKey(given: Readonly<Record<string, unknown>>): Promise<ClientKey | string> {
  if (PRIVATE_MEMBERS.some((name) => name in given))
    return 'is not public: keep the private half to the client, and make a new pair, since this one has travelled'
  if (given.use !== undefined && given.use !== 'sig') return 'is not for signatures'
  const known = PUBLIC_MEMBERS.flatMap((name) => (given[name] === undefined ? [] : [[name, given[name]] as const]))
  if (known.some(([, value]) => typeof value !== 'string')) return 'has members that are no text'
  const jwk = Object.fromEntries(known) as JWK
  const byCurve = jwk.crv !== undefined && Object.hasOwn(BY_CURVE, jwk.crv) && (jwk.kty === 'EC' || jwk.kty === 'OKP')
  if (!byCurve && !(jwk.kty === 'RSA' && jwk.crv === undefined))
    return 'must be an elliptic curve key (P-256, P-384, Ed25519) or an RSA key'
  const algorithm = algorithmOf(jwk)
  if (jwk.alg !== undefined && jwk.alg !== algorithm) return `cannot have the algorithm "${jwk.alg.slice(0, 20)}"`
  try {
    const key = await importJWK(jwk, algorithm)
    const bits = key instanceof Uint8Array ? 0 : (key.algorithm as { modulusLength?: number }).modulusLength
    if (bits !== undefined && (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS))
      return `must have from ${MIN_RSA_BITS} to ${MAX_RSA_BITS} bits`
    return { thumbprint: await calculateJwkThumbprint(jwk), jwk, algorithm }
  } catch {
    return 'is no public key in the form of a JWK (RFC 7517)'
  }
}
