import { createHash } from 'node:crypto'
import type { MiddlewareHandler } from 'hono'
import { idempotency } from '../../administration/idempotency.ts'
import { Refusal } from '../../administration/refusal.ts'
import type { StoredAnswer } from '../../repositories/control/idempotency-keys.ts'
import { type Problem, problemResponse } from '../problem.ts'
import type { AdminEnv } from './env.ts'

const HEADER = 'Idempotency-Key'
const MAX_LENGTH = 255
/** Printable ASCII, bare or in quotes. Spaces around it are no part of a header. */
const KEY = /^(?:(?!""$)[!-~](?:[ -~]{0,253}[!-~])?|"[ -~]{1,255}")$/
/** Says that an answer was given before. */
const REPEATED = 'Idempotency-Replayed'

const NOT_KEPT: Problem = {
  status: 409,
  detail: 'The first request with this Idempotency-Key was done, and its answer was kept nowhere.',
}

/** The header for the OpenAPI document. */
export const idempotencyKeyParameter = {
  name: HEADER,
  in: 'header' as const,
  required: false,
  description:
    'Makes it safe to send the request again: what it made is made once, and a repeat within 24 hours gets the answer of the ' +
    'first (with "Idempotency-Replayed: true"), save that no secret is kept and a repeat of a request that made one gets 409. ' +
    'Any text of up to 255 characters, such as a UUID; each API key has its own. 409 while the first is still under way, ' +
    '422 where the key was used for another request: another address, or a body that differs in one byte. Requests that are ' +
    'refused leave the key free.',
  schema: { type: 'string' as const, pattern: KEY.source },
}

/**
 * Whether a POST to this path, real or of the OpenAPI document, accepts the header. A test of a webhook and a poll of a stream make
 * nothing. They only wait for others, and would hold a transaction meanwhile; on the embedded database that stops all requests.
 * So does the verification of a domain. Accounts may be posted again, and repairs are made in steps.
 * A sign-in check and a preview only ask, and their answers must show the present state. A self-test leaves nothing behind.
 */
export const takesIdempotencyKey = (path: string): boolean =>
  !/\/(?:(?:webhooks|streams)\/[^/]+\/test|streams\/[^/]+\/poll|sign-in-checks|self-tests|preview|accounts|account-runs\/[^/]+\/finish|domains\/[^/]+\/verify|account-drift\/repairs)$/.test(
    path,
  )

/**
 * `Idempotency-Key` for POSTs (draft-ietf-httpapi-idempotency-key-header): the whole request becomes one transaction with
 * its answer, which is kept unless it is a refusal. An answer that says `no-store` is kept nowhere: what a repeat gets in its
 * place the route may say (`toRepeats`).
 */
export function idempotent(): MiddlewareHandler<AdminEnv> {
  const { once } = idempotency()
  return async (c, next) => {
    const header = c.req.header(HEADER)
    if (header === undefined || c.req.method !== 'POST' || !takesIdempotencyKey(c.req.path)) return next()
    const { pathname, search } = new URL(c.req.url)
    const fingerprint = createHash('sha256')
      .update(`${pathname}${search}\n${await c.req.text()}`)
      .digest('base64url')
    const request = { actor: c.var.principal.keyId, key: keyIn(header), fingerprint }
    const outcome = await once(c.var.administration, request, async (inside) => {
      c.set('administration', inside)
      c.set('database', inside.database)
      await next()
      if (!c.res.ok) return undefined
      const location = c.res.headers.get('Location')
      const instead = c.var.toRepeats ?? (c.res.headers.get('Cache-Control') === 'no-store' ? NOT_KEPT : undefined)
      const kept = instead === undefined ? c.res.clone() : problemResponse(instead, undefined)
      return { status: kept.status, location, body: await kept.text() }
    })
    return outcome.kind === 'repeated' ? responseOf(outcome.answer) : undefined
  }
}

function responseOf({ status, location, body }: StoredAnswer): Response {
  const headers = new Headers({ [REPEATED]: 'true', 'Cache-Control': 'no-store' })
  if (body !== '') headers.set('Content-Type', status < 400 ? 'application/json' : 'application/problem+json')
  if (location !== null) headers.set('Location', location)
  return new Response(body === '' ? null : body, { status, headers })
}

/** The key, whether it is sent as the structured string that the draft asks for or bare, as most clients do. */
function keyIn(header: string): string {
  if (KEY.test(header)) return /^"(.+)"$/.exec(header)?.[1]?.replaceAll(/\\(["\\])/g, '$1') ?? header
  const message = `must have 1 to ${MAX_LENGTH} printable ASCII characters`
  throw new Refusal(400, `The ${HEADER} ${message}.`, [{ path: HEADER, message }])
}
