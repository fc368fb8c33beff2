import { randomUUID } from 'node:crypto'
import type { HttpBindings } from '@hono/node-server'
import type { MiddlewareHandler } from 'hono'
import { type Logger, requestLine } from '../observability/logger.ts'

/** What every request carries. */
export interface GatewayEnv {
  Bindings: Partial<HttpBindings>
  Variables: {
    requestId: string
    tenantId?: string
    keyId?: string
    /** Set where the answer was made with the request's id, so that nobody need take it to pieces to add it. */
    idInAnswer?: true
  }
}

/** The header in which every answer carries the request's id. */
export const REQUEST_ID = 'X-Request-Id'

/** Gives every request an id (in its answer, in its errors, in its events) and one line in the log. */
export function requestLog(logger: Logger): MiddlewareHandler<GatewayEnv> {
  return async (c, next) => {
    const requestId = randomUUID()
    c.set('requestId', requestId)
    const start = performance.now()
    await next()
    if (!c.get('idInAnswer')) c.res.headers.set(REQUEST_ID, requestId)
    requestLine(logger, {
      requestId,
      method: c.req.method,
      status: c.res.status,
      ms: Math.round((performance.now() - start) * 10) / 10,
      tenantId: c.get('tenantId'),
      keyId: c.get('keyId'),
    })
  }
}
