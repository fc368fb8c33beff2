import type { Context, MiddlewareHandler } from 'hono'
import { matchedRoutes } from 'hono/route'
import { type State, tagOf } from '../../administration/states/state-tags.ts'
import {
  matchesTag,
  PRECONDITION_PATTERN,
  type Precondition,
  parseIfMatch,
  parseIfNoneMatch,
} from '../../scim/version.ts'
import type { AdminEnv } from './env.ts'
import { EXAMPLE } from './examples.ts'

/** Puts the tag of what is answered into `ETag`. */
export function tagged(c: Pick<Context, 'header'>, state: State): void {
  c.header('ETag', entityTag(state))
}

/** The entity tag of a state, as `ETag` and `If-Match` have it. */
export const entityTag = (state: State): string => `"${tagOf(state)}"`

const WRITES = new Set(['POST', 'PUT', 'PATCH', 'DELETE'])

/**
 * Which state the caller of a write has read. A method that the address does not offer is no write: it is refused as such.
 *
 * @throws {ScimError} 400 for what is no list of tags
 */
export const expectedBy = (c: Context): Precondition | undefined => {
  const { method } = c.req
  const isWrite = WRITES.has(method) && matchedRoutes(c).some((route) => route.method === method)
  return isWrite ? parseIfMatch(c.req.header('if-match')) : undefined
}

/** Answers 304 to who has what is asked for already (RFC 9110 §13.1.2). */
export const notModified: MiddlewareHandler<AdminEnv> = async (c, next) => {
  await next()
  const tag = c.req.method === 'GET' && c.res.status === 200 ? c.res.headers.get('ETag') : null
  if (tag === null) return
  const known = parseIfNoneMatch(c.req.header('if-none-match'))
  if (known !== undefined && matchesTag(known, tag.slice(1, -1)))
    c.res = new Response(null, { status: 304, headers: { ETag: tag } })
}

/** Where the OpenAPI document has these headers: resources with a tag, and what is done to them. */
const TAGGED = /\{(?:project|environment|tenant|apiKey|webhook|stream|urn|name|value)\}$|\/(?:catalogue|mapping)$/
const BELOW =
  /\/(?:\{apiKey\}\/(?:rotation(?:\/old)?|public-keys(?:\/\{thumbprint\})?|trusts(?:\/\{trust\})?)|rotate-secret|(?:\{(?:tenant|environment)\}|mapping)\/preview)$/

/** Whether a GET of this path has an `ETag`. */
export const hasTag = (path: string): boolean => TAGGED.test(path)

/** Whether a write to this path looks at `If-Match`. */
export const takesIfMatch = (path: string): boolean => TAGGED.test(path) || BELOW.test(path)

/** The headers for the OpenAPI document. */
export const ifMatchParameter = {
  name: 'If-Match',
  in: 'header' as const,
  required: false,
  description:
    'The `ETag` of the resource as you have read it; for what is done to an API key or a webhook, the one of that. Where somebody ' +
    'has changed it since, nothing is done, and 412 names in `changed` what differs and what it is now.',
  schema: { type: 'string' as const, pattern: PRECONDITION_PATTERN, example: EXAMPLE.entityTag },
}
export const ifNoneMatchParameter = {
  name: 'If-None-Match',
  in: 'header' as const,
  required: false,
  description:
    'The `ETag` of the resource as you have it: 304 while it is the same. Last uses, failures and warnings do not count.',
  schema: { type: 'string' as const, pattern: PRECONDITION_PATTERN, example: EXAMPLE.entityTag },
}
export const entityTagHeader = {
  description: 'For `If-Match` and `If-None-Match`.',
  schema: { type: 'string' as const },
}
