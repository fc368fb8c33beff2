import { randomUUID } from 'node:crypto'
import type { HttpBindings } from '@hono/node-server'
import type { Context, MiddlewareHandler } from 'hono'
import { routePath } from 'hono/route'
import type { RequestFields } from '../observability/logger.ts'

/** What every request carries. */
export interface GatewayEnv {
  Bindings: Partial<HttpBindings>
  Variables: {
    requestId: string
    tenantId?: string
    keyId?: string
  }
}

/** The header in which every answer carries the request's id. */
export const REQUEST_ID = 'X-Request-Id'

/** What the log says of a request, as far as it is known yet. */
export interface Trace {
  readonly requestId: string
  /** On the clock of `performance.now`. */
  readonly startedAt: number
  tenantId?: string | undefined
  keyId?: string | undefined
  /** The template of its address, without ids and names. */
  route?: string | undefined
}

/** Told of every request once it is answered: the log, and the metrics. */
export type Told = (request: RequestFields) => void

/** Gives every request an id (in its answer, in its errors, in its events), and tells of it. */
export function requestLog(told: Told): MiddlewareHandler<GatewayEnv> {
  return async (c, next) => {
    const trace = newTrace()
    const { requestId } = trace
    c.set('requestId', requestId)
    await next()
    c.res.headers.set(REQUEST_ID, requestId)
    const { tenantId, keyId } = c.var
    tell(told, { ...trace, tenantId, keyId, route: routePath(c, -1) }, c.req.method, c.res.status)
  }
}

/**
 * The same for a handler that is alone at its address, puts the id into its answers and never rejects. Nothing is composed
 * around it, since that would cost a tenth of a read.
 */
export function logged(
  told: Told,
  handler: (c: Context<GatewayEnv>, trace: Trace) => Promise<Response>,
): (c: Context<GatewayEnv>) => Promise<Response> {
  return async (c) => {
    const trace = newTrace()
    const answer = await handler(c, trace)
    tell(told, trace, c.req.method, answer.status)
    return answer
  }
}

const newTrace = (): Trace => ({ requestId: randomUUID(), startedAt: performance.now() })

function tell(told: Told, trace: Trace, method: string, status: number): void {
  const { requestId, startedAt, tenantId, keyId, route } = trace
  const ms = Math.round((performance.now() - startedAt) * 10) / 10
  told({ route, requestId, method, status, ms, tenantId, keyId })
}
