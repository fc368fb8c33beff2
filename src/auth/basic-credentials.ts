import { parseApiKey } from './api-key.ts'

/** An API key in two halves: its id for the user, and for the password the key or what follows its last underscore. */
export interface BasicCredentials {
  readonly keyId: string
  readonly key: string
}

const BASIC = /^ *basic +([A-Za-z0-9+/]+={0,2}) *$/i

/** True for a header of the scheme Basic, good or bad. */
export const isBasic = (authorization: string): boolean => /^ *basic(?: |$)/i.test(authorization)

/**
 * The API key in an `Authorization` header of HTTP Basic (RFC 7617). Undefined where there is none, or where id and key do not
 * belong together.
 *
 * @param decode what is done to both halves: OAuth has them form-encoded (RFC 6749 §2.3.1)
 */
export function basicCredentials(
  authorization: string | undefined,
  decode: (text: string) => string | undefined = (text) => text,
): BasicCredentials | undefined {
  const [keyId, password] = halvesOf(authorization).map(decode)
  return keyId === undefined || password === undefined ? undefined : clientCredentials(keyId, password)
}

/** The same from an id and a secret that come in another way. Undefined where they do not belong together. */
export function clientCredentials(keyId: string, secret: string): BasicCredentials | undefined {
  const key = secret.startsWith('rck_') ? secret : `rck_${keyId}_${secret}`
  return parseApiKey(key) === keyId ? { keyId, key } : undefined
}

/** Whom such a header names, whether or not what it says of itself is true. */
export const basicUser = (authorization: string | undefined): string | undefined => halvesOf(authorization)[0]

function halvesOf(authorization: string | undefined): readonly string[] {
  const encoded = BASIC.exec(authorization ?? '')?.[1]
  if (encoded === undefined) return []
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return [text.slice(0, Math.max(colon, 0)), text.slice(colon + 1)]
}
