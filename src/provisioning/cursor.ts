import { createHash, webcrypto } from 'node:crypto'
import { CompactEncrypt, compactDecrypt } from 'jose'
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
  // Imported once: with the bytes for a key, each cursor would cost three times as much.
  let known: Promise<webcrypto.CryptoKey> | undefined
  const key = () => {
    known ??= secret().then((text) => {
      const bytes = createHash('sha256').update(`cursor\n${text}`).digest()
      return webcrypto.subtle.importKey('raw', bytes, 'AES-GCM', false, ['encrypt', 'decrypt'])
    })
    // A failure is not remembered: the next cursor asks again.
    known.catch(() => {
      known = undefined
    })
    return known
  }
  return {
    // A compact JWE has only letters, digits, `-`, `_` and `.`: the unreserved characters that RFC 9865 §2 asks for.
    seal: async (content) =>
      new CompactEncrypt(Buffer.from(JSON.stringify(content)))
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
        .encrypt(await key()),
    async open(cursor) {
      const opened = await compactDecrypt(cursor, await key(), {
        keyManagementAlgorithms: ['dir'],
        contentEncryptionAlgorithms: ['A256GCM'],
      }).catch(() => undefined)
      return opened && (JSON.parse(Buffer.from(opened.plaintext).toString()) as CursorContent)
    },
  }
}

/** The fingerprint of a query, which its cursors hold. */
export const queryFingerprint = (parts: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('base64url')

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
    throw ScimError.invalidCursor('The cursor does not belong to this query; begin again with an empty cursor.')
  }
  if (content.expiresAt < nowMs)
    throw ScimError.expiredCursor('The cursor has expired; begin again with an empty cursor.')
  if (count !== undefined && count !== content.count) {
    throw ScimError.invalidCount(`count was ${content.count} when this cursor was made and cannot change on the way.`)
  }
  return content
}
