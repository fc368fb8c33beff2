import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createSecretKey,
  hash,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import type { SortValue } from '../repositories/query/sort-sql.ts'
import { ScimError } from '../scim/errors.ts'

/** What a cursor holds: where the next page begins, and which query it belongs to (RFC 9865 §2, §5.2). */
export interface CursorContent {
  /** Hash over tenant, endpoint, filter, sort and projection. */
  readonly query: string
  readonly count: number
  readonly sort: SortValue
  readonly id: string
  readonly backward: boolean
  /** Milliseconds since 1970. */
  readonly expiresAt: number
}

/** Seals and opens cursors with the instance's key. No client can read a cursor, make one, or use one for another query. */
export interface CursorSealer {
  seal(content: CursorContent): Promise<string>
  /** Undefined for anything that this instance has not sealed. */
  open(cursor: string): Promise<CursorContent | undefined>
}

/** @param secret gives the secret that all processes of the instance share; called when the first cursor needs it */
export function cursorSealer(secret: () => Promise<string>): CursorSealer {
  let known: Promise<KeyObject> | undefined
  const key = () => {
    known ??= secret().then((text) => createSecretKey(createHash('sha256').update(`cursor\n${text}`).digest()))
    // A failure is not remembered: the next cursor asks again.
    known.catch(() => {
      known = undefined
    })
    return known
  }
  return {
    seal: async (content) => sealed(JSON.stringify(content), await key()),
    async open(cursor) {
      const text = opened(cursor, await key())
      return text === undefined ? undefined : (JSON.parse(text) as CursorContent)
    },
  }
}

// A cursor is a compact JWE (RFC 7516 §3.1): it has only letters, digits, `-`, `_` and `.`, the unreserved characters that
// RFC 9865 §2 asks for. A library does the same by WebCrypto, whose threads cost more than all else that a page costs Node.
const CIPHER = 'aes-256-gcm'
const HEADER = Buffer.from('{"alg":"dir","enc":"A256GCM"}').toString('base64url')
/** The header, no key, and the initialisation vector of 12 bytes, the ciphertext and the tag of 16 bytes in base64url. */
const CURSOR = new RegExp(`^${HEADER}\\.\\.([\\w-]{16})\\.([\\w-]+)\\.([\\w-]{22})$`)

function sealed(text: string, key: KeyObject): string {
  const vector = randomBytes(12)
  const cipher = createCipheriv(CIPHER, key, vector).setAAD(Buffer.from(HEADER))
  const hidden = cipher.update(text, 'utf8', 'base64url') + cipher.final('base64url')
  return `${HEADER}..${vector.toString('base64url')}.${hidden}.${cipher.getAuthTag().toString('base64url')}`
}

function opened(cursor: string, key: KeyObject): string | undefined {
  const [, vector, hidden, tag] = CURSOR.exec(cursor) ?? []
  if (vector === undefined || hidden === undefined || tag === undefined) return undefined
  const decipher = createDecipheriv(CIPHER, key, Buffer.from(vector, 'base64url'))
  decipher.setAAD(Buffer.from(HEADER)).setAuthTag(Buffer.from(tag, 'base64url'))
  const text = decipher.update(hidden, 'base64url', 'utf8')
  try {
    return text + decipher.final('utf8')
  } catch {
    // The tag belongs to another text, or to another key.
    return undefined
  }
}

/** The fingerprint of a query, which its cursors hold. */
export const queryFingerprint = (parts: readonly unknown[]): string =>
  hash('sha256', JSON.stringify(parts), 'base64url')

/**
 * Opens a cursor for the query that is asked now.
 *
 * @param count undefined when the request names none
 * @throws {ScimError} invalidCursor for a cursor that is forged, damaged, or of another tenant or query, without saying which;
 *   invalidCount when the count has changed; expiredCursor
 */
export async function openCursor(
  sealer: CursorSealer,
  cursor: string,
  query: string,
  count: number | undefined,
  nowMs: number,
): Promise<CursorContent> {
  const content = await sealer.open(cursor)
  if (content === undefined || content.query !== query) {
    throw ScimError.invalidCursor(
      'cursor-wrong',
      'The cursor does not belong to this query; begin again with an empty cursor.',
    )
  }
  if (content.expiresAt < nowMs)
    throw ScimError.expiredCursor('cursor-expired', 'The cursor has expired; begin again with an empty cursor.')
  if (count !== undefined && count !== content.count) {
    throw ScimError.invalidCount(
      'cursor-count-changed',
      `count was ${content.count} when this cursor was made and cannot change on the way.`,
    )
  }
  return content
}
