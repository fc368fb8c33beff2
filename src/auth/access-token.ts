import { randomUUID } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader, errors, type JWTPayload, jwtVerify, SignJWT } from 'jose'
import { LRUCache } from 'lru-cache'
import { type Keyring, SIGNED_FOR_MS, SIGNING_ALGORITHM } from '../signing/keyring.ts'
import { isApiKeyId } from './api-key.ts'
import { idsOf, PERMISSIONS, type Permission, type Scope } from './principal.ts'

/** What an access token says: on which key it rests, and what it leaves of that key's permissions. */
export interface AccessToken {
  /** Id of the API key. */
  readonly keyId: string
  /** Version of the secret by which it was got, thumbprint of the public key, or id of the trust; the token ends with it. */
  readonly credential: number | string
  /** Ids of the key's place when the token was made: a claim, and no place. */
  readonly place: ClaimedPlace
  readonly permissions: readonly Permission[]
  /** Milliseconds since 1970, a whole second. */
  readonly expiresAt: number
}

/** The ids of a scope as a token has them. */
export type ClaimedPlace = { readonly [Id in keyof ReturnType<typeof idsOf>]: string | null }

/** Why a text is no access token for us. */
export type BadToken = 'no token of ours' | 'token expired'

/** Says that the JWT is an access token and nothing else that we might sign (RFC 9068 §2.1, RFC 8725 §3.11). */
const TYPE = 'at+jwt'
const SHAPE = /^[\w-]+\.[\w-]+\.[\w-]*$/
const MAX_LENGTH = 4096
const MAX_VERIFIED = 10_000

/** True for text that has the form of a signed JWT, which no API key has. */
export const isJwt = (text: string): boolean => SHAPE.test(text)

/** Whom a JWT says it is from; nothing is verified. Undefined for what is no JWT or does not say. */
export function claimedIssuer(text: string): string | undefined {
  try {
    return isJwt(text) ? decodeJwt(text).iss : undefined
  } catch {
    return undefined
  }
}

/**
 * Issues and verifies access tokens: JWTs by the profile of RFC 9068. Issuer and audience are the origin by which clients
 * reach us, since authorization server and resource server are one.
 */
export class AccessTokens {
  readonly #keyring: Keyring
  readonly #now: () => number
  /** By the hash of the token. What was good stays so until it expires; whether its key is, is not for this class to say. */
  readonly #verified = new LRUCache<
    string,
    { readonly issuer: string; readonly kid: string; readonly token: AccessToken }
  >({
    // Entries of size one, since `max` would reserve the room for all at once.
    ...{ maxSize: MAX_VERIFIED, sizeCalculation: () => 1 },
  })

  /** @param now milliseconds since 1970 */
  constructor(keyring: Keyring, now: () => number = Date.now) {
    this.#keyring = keyring
    this.#now = now
  }

  /** Signs a token that lives an hour, or until `notAfter` in milliseconds since 1970. */
  async issue(
    content: Omit<AccessToken, 'place' | 'expiresAt'> & { readonly scope: Scope },
    issuer: string,
    notAfter: number = Number.POSITIVE_INFINITY,
  ): Promise<{ readonly token: string; readonly expiresInSeconds: number }> {
    const issuedAt = Math.floor(this.#now() / 1000)
    const expiresAt = Math.floor(Math.min(issuedAt * 1000 + SIGNED_FOR_MS, notAfter) / 1000)
    const { kid, key } = await this.#keyring.signing()
    const { keyId, credential, scope, permissions } = content
    const token = await new SignJWT({
      ...{ client_id: keyId, scope: permissions.join(' '), credential, place: idsOf(scope) },
    })
      .setProtectedHeader({ alg: SIGNING_ALGORITHM, typ: TYPE, kid })
      .setIssuer(issuer)
      .setAudience(issuer)
      .setSubject(keyId)
      .setJti(randomUUID())
      .setIssuedAt(issuedAt)
      .setExpirationTime(expiresAt)
      .sign(key)
    return { token, expiresInSeconds: expiresAt - issuedAt }
  }

  /**
   * Reads a token that `issuer` has signed for itself. What is no token of ours costs no query, and a signature's check only
   * where it names a key of ours.
   *
   * @param hash of the token
   */
  async verify(token: string, hash: string, issuer: string): Promise<AccessToken | BadToken> {
    const known = this.#verified.get(hash)
    if (known !== undefined && known.issuer === issuer && this.#keyring.stillHas(known.kid))
      return known.token.expiresAt > this.#now() ? known.token : 'token expired'

    const kid = token.length > MAX_LENGTH ? undefined : keyIdOf(token)
    const key = kid === undefined ? undefined : await this.#keyring.verifying(kid)
    if (kid === undefined || key === undefined) return 'no token of ours'
    try {
      const { payload } = await jwtVerify(token, key, {
        ...{ algorithms: [SIGNING_ALGORITHM], typ: TYPE, issuer, audience: issuer },
        currentDate: new Date(this.#now()),
        requiredClaims: ['exp', 'iat', 'jti', 'sub'],
      })
      const read = contentOf(payload)
      if (read === undefined) return 'no token of ours'
      this.#verified.set(hash, { issuer, kid, token: read })
      return read
    } catch (error) {
      // Anything but a refusal is a fault of ours.
      if (!(error instanceof errors.JOSEError)) throw error
      return error instanceof errors.JWTExpired ? 'token expired' : 'no token of ours'
    }
  }
}

/** The key that a token names, unless it names another algorithm than ours (RFC 8725 §3.1). */
function keyIdOf(token: string): string | undefined {
  try {
    const { alg, kid } = decodeProtectedHeader(token)
    return alg === SIGNING_ALGORITHM ? kid : undefined
  } catch {
    return undefined
  }
}

/** Reads a payload that we have signed, as strictly as one that we have not. */
function contentOf(payload: JWTPayload): AccessToken | undefined {
  const { client_id: keyId, sub, scope, credential, place, exp } = payload
  if (typeof keyId !== 'string' || keyId !== sub || !isApiKeyId(keyId) || typeof scope !== 'string') return undefined
  if ((typeof credential !== 'number' && typeof credential !== 'string') || exp === undefined) return undefined
  if (typeof place !== 'object' || place === null) return undefined
  const id = (name: string) => {
    const value: unknown = Reflect.get(place, name)
    return typeof value === 'string' ? value : null
  }
  const given = scope.split(' ')
  return {
    ...{ keyId, credential, expiresAt: exp * 1000 },
    place: { projectId: id('projectId'), environmentId: id('environmentId'), tenantId: id('tenantId') },
    permissions: PERMISSIONS.filter((permission) => given.includes(permission)),
  }
}
