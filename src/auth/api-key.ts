import { createHash, randomInt, timingSafeEqual } from 'node:crypto'
import { crc32 } from 'node:zlib'

/**
 * API keys look like `rck_` + 12 characters of id + `_` + 32 of secret + 6 of checksum, all of them letters and digits.
 * For secret scanners: `rck_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}`. The secret has 190 random bits.
 */
const SHAPE = /^rck_([0-9A-Za-z]{12})_[0-9A-Za-z]{38}$/
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const ID_LENGTH = 12
const SECRET_LENGTH = 32
const CHECKSUM_LENGTH = 6

/** A new key: `key` goes to its owner and is kept nowhere; `id` and `hash` are stored. */
export interface MintedKey {
  readonly id: string
  readonly key: string
  readonly hash: string
}

/** Makes a new API key from the system's random source, or a new secret for the key with the given id. */
export function mintApiKey(id: string = randomText(ID_LENGTH)): MintedKey {
  const body = `rck_${id}_${randomText(SECRET_LENGTH)}`
  const key = body + checksum(body)
  return { id, key, hash: hashApiKey(key) }
}

/** The id inside `token`, or undefined when it is no key of ours: another shape, or a checksum that shows a typo. */
export function parseApiKey(token: string): string | undefined {
  const id = SHAPE.exec(token)?.[1]
  if (id === undefined) return undefined
  return checksum(token.slice(0, -CHECKSUM_LENGTH)) === token.slice(-CHECKSUM_LENGTH) ? id : undefined
}

/** True for text that has the form of an API key's id. */
export const isApiKeyId = (text: string): boolean => /^[0-9A-Za-z]{12}$/.test(text)

/** SHA-256 of the whole key in base64url. With 190 random bits behind it, a slow hash would add nothing. */
export const hashApiKey = (key: string): string => createHash('sha256').update(key).digest('base64url')

/** Compares two hashes in a time that does not depend on where they differ. */
export function sameHash(a: string, b: string): boolean {
  const left = Buffer.from(a)
  const right = Buffer.from(b)
  return left.length === right.length && timingSafeEqual(left, right)
}

function checksum(body: string): string {
  let rest = crc32(body)
  let text = ''
  for (let i = 0; i < CHECKSUM_LENGTH; i++) {
    text = ALPHABET.charAt(rest % ALPHABET.length) + text
    rest = Math.floor(rest / ALPHABET.length)
  }
  return text
}

const randomText = (length: number): string =>
  Array.from({ length }, () => ALPHABET.charAt(randomInt(ALPHABET.length))).join('')
