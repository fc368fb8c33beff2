import { randomUUID } from 'node:crypto'
import type { HttpBindings } from '@hono/node-server'
import type { Context, MiddlewareHandler } from 'hono'
import { type Logger, requestLine } from '../observability/logger.ts'

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
}

/** Gives every request an id (in its answer, in its errors, in its events) and one line in the log. */
export function requestLog(logger: Logger): MiddlewareHandler<GatewayEnv> {
  return async (c, next) => {
    const trace = newTrace()
    const { requestId } = trace
    c.set('requestId', requestId)
    await next()
    c.res.headers.set(REQUEST_ID, requestId)
    writeLine(logger, { ...trace, tenantId: c.get('tenantId'), keyId: c.get('keyId') }, c.req.method, c.res.status)
  }
}

/**
 * The same for a handler that is alone at its address, puts the id into its answers and never rejects. Nothing is composed
 * around it, since that would cost a tenth of a read.
 */
export function logged(
  logger: Logger,
  handler: (c: Context<GatewayEnv>, trace: Trace) => Promise<Response>,
): (c: Context<GatewayEnv>) => Promise<Response> {
  return async (c) => {
    const trace = newTrace()
    const answer = await handler(c, trace)
    writeLine(logger, trace, c.req.method, answer.status)
    return answer
  }
}

const newTrace = (): Trace => ({ requestId: randomUUID(), startedAt: performance.now() })

function writeLine(logger: Logger, trace: Trace, method: string, status: number): void {
  const { requestId, startedAt, tenantId, keyId } = trace
  const ms = Math.round((performance.now() - startedAt) * 10) / 10
  requestLine(logger, { requestId, method, status, ms, tenantId, keyId })
}
