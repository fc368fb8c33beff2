import { CompactSign, type CryptoKey, calculateJwkThumbprint, compactVerify, createLocalJWKSet, type JWK } from 'jose'
import type { Keyring, PublicJwk } from './keyring.ts'

/** The media type in the header of a signature of a manifest. */
const MANIFEST_TYPE = 'rollcall-manifest+json'

/** A signature beside the text that it is of (RFC 7515 appendix F), and the public key that verifies it. */
export interface Detached {
  readonly jws: string
  readonly kid: string
  readonly publicJwk: PublicJwk
}

/** Signs a text with the key of the day. */
export async function signDetached(keyring: Keyring, text: string): Promise<Detached> {
  const { algorithm, kid, key } = await keyring.signing()
  const publicJwk = (await keyring.jwks()).keys.find((one) => one.kid === kid)
  if (publicJwk === undefined) throw new Error('the key that signs is not published')
  const signed = await new CompactSign(new TextEncoder().encode(text))
    .setProtectedHeader({ alg: algorithm, typ: MANIFEST_TYPE, kid })
    .sign(key as CryptoKey)
  const [header, , signature] = signed.split('.')
  return { jws: `${header}..${signature}`, kid, publicJwk }
}

/** The id of the published key that has signed a text; undefined where none of them has. */
export async function verifyDetached(jws: string, text: string, keys: readonly JWK[]): Promise<string | undefined> {
  const [header, payload, signature, ...rest] = jws.trim().split('.')
  if (payload !== '' || signature === undefined || rest.length > 0) return undefined
  // Under the name of a key stands that key alone.
  const named = await Promise.all(
    keys.map(async (key) => ((await calculateJwkThumbprint(key)) === key.kid ? [key] : [])),
  )
  const whole = `${header}.${Buffer.from(text).toString('base64url')}.${signature}`
  try {
    const { protectedHeader } = await compactVerify(whole, createLocalJWKSet({ keys: named.flat() }), {
      algorithms: ['ES256', 'RS256'],
    })
    return protectedHeader.typ === MANIFEST_TYPE ? protectedHeader.kid : undefined
  } catch {
    return undefined
  }
}
