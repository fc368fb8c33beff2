import { createHash, randomInt, timingSafeEqual } from 'node:crypto'
import { crc32 } from 'node:zlib'

/**
 * Secrets that we make look like `rck_` + 12 characters of id + `_` + 32 of secret + 6 of checksum, all of them letters and
 * digits. The prefix tells their kinds apart. A secret has 190 random bits.
 */
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const ID_LENGTH = 12
const SECRET_LENGTH = 32
const CHECKSUM_LENGTH = 6

/** A new secret: `key` goes to its owner and is kept nowhere; `id` and `hash` are stored. */
export interface MintedKey {
  readonly id: string
  readonly key: string
  readonly hash: string
}

/** Makes and reads the secrets with one prefix. */
export function mintedSecrets(prefix: string) {
  const shape = new RegExp(`^${prefix}_([0-9A-Za-z]{12})_[0-9A-Za-z]{38}$`)
  return {
    /** Makes one from the system's random source, or a new one for what has the given id. */
    mint(id: string = randomText(ID_LENGTH)): MintedKey {
      const body = `${prefix}_${id}_${randomText(SECRET_LENGTH)}`
      const key = body + checksum(body)
      return { id, key, hash: hashSecret(key) }
    },

    /** The id inside `token`, or undefined when it is none of ours: another shape, or a checksum that shows a typo. */
    parse(token: string): string | undefined {
      const id = shape.exec(token)?.[1]
      if (id === undefined) return undefined
      return checksum(token.slice(0, -CHECKSUM_LENGTH)) === token.slice(-CHECKSUM_LENGTH) ? id : undefined
    },
  }
}

/** True for text that has the form of the id of such a secret. */
export const isMintedId = (text: string): boolean => MINTED_ID.test(text)
/** The form of ids that are made here. */
export const MINTED_ID = /^[0-9A-Za-z]{12}$/

/** SHA-256 of the whole secret in base64url. With 190 random bits behind it, a slow hash would add nothing. */
export const hashSecret = (key: string): string => createHash('sha256').update(key).digest('base64url')

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
