import { createHash } from 'node:crypto'
import type { Handler } from 'hono'
import { matchesTag, parseIfNoneMatch } from '../scim/version.ts'

/** It changes with the gateway's version alone, so a cache may keep it for a while. */
const KEPT = 'public, max-age=300'

/**
 * Serves a text that is the same for every client. It is made once, when it is first asked for, and has a tag by which those who
 * know it get 304 (RFC 9110 §13.1.2).
 */
export function serveText(
  contentType: string,
  make: () => string | Promise<string>,
  headers: Readonly<Record<string, string>> = {},
): Handler {
  let made: Promise<{ text: string; tag: string }> | undefined
  const once = async () => {
    const text = await make()
    return { text, tag: createHash('sha256').update(text).digest('base64url') }
  }
  return async (c) => {
    made ??= once()
    const { text, tag } = await made
    const known = parseIfNoneMatch(c.req.header('if-none-match'))
    const always = { ...headers, ETag: `"${tag}"`, 'Cache-Control': KEPT }
    if (known !== undefined && matchesTag(known, tag)) return c.body(null, 304, always)
    return c.body(text, 200, { ...always, 'Content-Type': contentType })
  }
}
