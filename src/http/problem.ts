import { STATUS_CODES } from 'node:http'
import { HTTPException } from 'hono/http-exception'
import { Changed, type ChangedPart, type Mistake, Refusal } from '../administration/refusal.ts'
import { ScimError } from '../scim/errors.ts'

/** Problem details (RFC 9457) as this service sends them; `type` is left at its default, `about:blank`. */
export interface Problem {
  readonly status: number
  readonly detail: string
  readonly errors?: readonly Mistake[]
  /** Of 412: what differs from what the caller has read. */
  readonly changed?: readonly ChangedPart[]
}

/** The problem that `error` is to the caller; undefined when it is none of the caller's and wants a look at the log. */
export function problemOf(error: unknown): Problem | undefined {
  if (error instanceof Refusal) {
    const { status, message, mistakes } = error
    return {
      ...{ status, detail: message, ...(mistakes.length > 0 && { errors: mistakes }) },
      ...(error instanceof Changed && { changed: error.changed }),
    }
  }
  if (error instanceof ScimError || (error instanceof HTTPException && error.status < 500))
    return { status: error.status, detail: error.message }
  return undefined
}

/** An `application/problem+json` response. */
export function problemResponse(
  problem: Problem,
  requestId: string | undefined,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const { status, detail, errors, changed } = problem
  const body = { status, title: STATUS_CODES[status] ?? 'Error', detail, errors, changed, requestId }
  return new Response(JSON.stringify(body), {
    status,
    headers: { ...headers, 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store' },
  })
}
