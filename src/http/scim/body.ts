import { isAscii, isUtf8 } from 'node:buffer'
import { ScimError } from '../../scim/errors.ts'
import { parseJson } from '../../scim/json.ts'
import type { Reason } from '../../scim/reasons.ts'
import type { JsonValue } from '../../scim/resource.ts'
import type { Passage } from '../in-flight.ts'
import type { ScimRequest } from './env.ts'

/**
 * Reads the body of a SCIM request: JSON in UTF-8 as `application/scim+json` or `application/json` (RFC 7644 §3.1, §3.8).
 *
 * @param limitName the name of the limit in a refusal
 * @throws {ScimError} 415 for another media type, charset or coding; 413 past `maxBytes`; 400 invalidSyntax or invalidValue;
 * 429 or 503 where requests under way hold too many bytes
 */
export async function readJson(
  { header, raw, passage, tenant, thread, seen }: BodyRequest,
  maxBytes: number,
  limitName = `${maxBytes} bytes`,
): Promise<JsonValue> {
  const charset = checkMediaType(header)
  const takesAscii = ASCII_CHARSETS.test(charset) && tenant.deviations.has('ascii-charsets')
  if (!takesAscii && !UTF_8.test(charset)) throw otherCharset()
  const bytes = await readBytes(raw, header('content-length'), { maxBytes, limitName, passage }).catch(
    (error: unknown) => {
      // The client has probably gone. That is no fault of the gateway, and must not look like one in the log.
      throw error instanceof ScimError
        ? error
        : ScimError.invalidSyntax('body-incomplete', 'The body ended before all of it had arrived.')
    },
  )
  if (seen !== undefined) {
    seen.body = bytes
    if (takesAscii) seen.deviations.push('ascii-charsets')
  }
  const pause = bytes.length > SMALL_BYTES ? thread.work(tenant.id).pause() : undefined
  if (pause) await pause
  if (takesAscii && !isAscii(bytes)) throw otherCharset()
  if (!isUtf8(bytes)) throw ScimError.invalidSyntax('body-not-utf8', 'The body is not UTF-8 text.')
  return parseJson(bytes.toString('utf8'))
}

type BodyRequest = Pick<ScimRequest, 'header' | 'raw' | 'passage' | 'tenant' | 'thread' | 'seen'>

/** To read so many bytes takes a millisecond at the most. Larger bodies, one of which takes some, are read in different turns. */
const SMALL_BYTES = 65_536

const unsupported = (reason: Reason, detail: string) => new ScimError(415, 'invalidSyntax', reason, detail)
const MEDIA_TYPE = /^application\/(?:scim\+)?json$/i
const UTF_8 = /^utf-?8$/i
const ASCII_CHARSETS = /^(?:us-ascii|ascii|iso-8859-1|latin-?1)$/i
const otherCharset = () =>
  unsupported('charset-unsupported', 'The body must be in UTF-8: name no other charset in Content-Type.')

/** @returns the charset that Content-Type names, UTF-8 where it names none (RFC 8259 §8.1) */
function checkMediaType(header: ScimRequest['header']): string {
  const coding = header('content-encoding')
  if (coding !== undefined && coding.toLowerCase() !== 'identity') {
    throw unsupported('body-compressed', 'The body must not be compressed: leave Content-Encoding out.')
  }
  const [type = '', ...parameters] = (header('content-type') ?? '').split(';').map((part) => part.trim())
  if (!MEDIA_TYPE.test(type)) {
    throw unsupported('content-type-unsupported', 'The Content-Type must be application/scim+json or application/json.')
  }
  const charset = parameters.find((parameter) => /^charset\s*=/i.test(parameter))
  return charset === undefined ? 'utf-8' : charset.replace(/^charset\s*=\s*/i, '').replace(/^"(.*)"$/, '$1')
}

/** The gateway reads this much beyond the limit and drops it. */
const DISCARDED_BYTES = 33_554_432

async function readBytes(
  request: Request,
  announced: string | undefined,
  { maxBytes, limitName, passage }: { maxBytes: number; limitName: string; passage: Passage },
): Promise<Buffer> {
  const tooLarge = () => ScimError.tooLarge('body-too-large', `The body is larger than the limit: ${limitName}.`)
  // Node enforces the announced length, so there is nothing to count.
  if (announced !== undefined) {
    if (Number(announced) > maxBytes) throw tooLarge()
    passage.holdBody(Number(announced))
    return Buffer.from(await request.arrayBuffer())
  }
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength
    if (size <= maxBytes) {
      passage.holdBody(size, maxBytes)
      chunks.push(chunk)
    }
    // A client that is cut off while it sends sees a reset connection and no answer. So the rest is read and dropped.
    else if (size > maxBytes + DISCARDED_BYTES) break
  }
  if (size > maxBytes) throw tooLarge()
  return Buffer.concat(chunks)
}
