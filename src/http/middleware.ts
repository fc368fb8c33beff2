import type { HttpBindings } from '@hono/node-server'
import type { Context, MiddlewareHandler } from 'hono'
import { routePath } from 'hono/route'
import { believesForwarded, type ProxyTrust } from '../network/proxies.ts'
import type { RequestFields } from '../observability/logger.ts'
import type { RequestSpan, Tracing } from '../observability/tracing/tracing.ts'
import { idAt } from '../request-log/ids.ts'
import type { Refused } from '../scim/errors.ts'
import { type HeaderReader, headerReader } from './headers.ts'

/** What every request carries. */
export interface GatewayEnv {
  Bindings: Partial<HttpBindings>
  Variables: {
    requestId: string
    keyId?: string
    /** What the log says of the request: whoever finds out more puts it here. */
    noted?: Trace
  }
}

/** The header in which every answer carries the request's id. */
export const REQUEST_ID = 'X-Request-Id'

/** What is found out about a request on its way, for the log. */
export interface Noted {
  tenantId?: string | undefined
}

/** What the log says of a request, as far as it is known yet. */
export interface Trace extends Noted {
  readonly requestId: string
  /** Whether the gateway gave the id: then no other request has it, and it tells when the request came. */
  readonly isOurs: boolean
  /** The same as events of the request keep it. Where the request is traced, it names the span too. */
  readonly inEvents: string
  /** On the clock of `performance.now`. */
  readonly startedAt: number
  keyId?: string | undefined
  /** `User-Agent` of an identity provider: of requests with a key that stands for no user. */
  client?: string | undefined
  /** The template of its address, without ids and names. */
  route?: string | undefined
  /** Why it was refused; set for requests to SCIM. */
  refused?: Refused | undefined
  /** How often work was done again because another writer came first. */
  retries: number
  readonly span?: RequestSpan | undefined
}

/** Told of every request once it is answered: the log, and the metrics. */
export type Told = (request: RequestFields) => void

/** How requests begin, and who is told of them. */
export interface Telling {
  readonly told: Told
  /** Whose `X-Request-Id` is kept. */
  readonly origin: { readonly trustProxy: ProxyTrust }
  /** Undefined where nothing is traced. */
  readonly tracing?: Tracing | undefined
}

/** Gives every request an id (in its answer, in its errors, in its events), and tells of it. */
export function requestLog(telling: Telling): MiddlewareHandler<GatewayEnv> {
  return async (c, next) => {
    const trace = begin(c, telling)
    const { requestId, span } = trace
    c.set('requestId', requestId)
    c.set('noted', trace)
    await (span === undefined ? next() : span.run(next))
    c.res.headers.set(REQUEST_ID, requestId)
    trace.keyId = c.var.keyId
    // Of the handler that was reached. The last one that matches the address is the one for addresses that are none.
    trace.route = routePath(c)
    tell(telling, trace, c.req.method, c.res.status)
  }
}

/**
 * The same for a handler that is alone at its address, puts the id into its answers and never rejects. Nothing is composed
 * around it, since that would cost a tenth of a read.
 */
export function logged(
  telling: Telling,
  handler: (c: Context<GatewayEnv>, trace: Trace) => Promise<Response>,
): (c: Context<GatewayEnv>) => Promise<Response> {
  return async (c) => {
    const trace = begin(c, telling)
    const { span } = trace
    const answer = await (span === undefined ? handler(c, trace) : span.run(() => handler(c, trace)))
    tell(telling, trace, c.req.method, answer.status)
    return answer
  }
}

function begin(c: Context<GatewayEnv>, { origin, tracing }: Telling): Trace {
  const startedAt = performance.now()
  if (origin.trustProxy.kind === 'none' && tracing === undefined) return untraced(idAt(Date.now()), startedAt, true)
  const { incoming } = c.env ?? {}
  const header = headerReader(c.req.raw, incoming)
  const kept = requestIdOf(origin.trustProxy, incoming?.socket.remoteAddress, header)
  if (tracing === undefined) return untraced(kept ?? idAt(Date.now()), startedAt, kept === undefined)
  const { encrypted } = (incoming?.socket ?? {}) as { encrypted?: boolean }
  const span = tracing.arrived(c.req.method, encrypted ? 'https' : 'http', header('traceparent'))
  const { reference } = span
  const requestId = kept ?? reference ?? idAt(Date.now())
  const inEvents = kept === undefined || reference === undefined ? requestId : `${kept};${reference}`
  return { ...untraced(requestId, startedAt, kept === undefined && reference === undefined), inEvents, span }
}

// All members from the start: most requests get each of them, and an object that grows is slower.
const untraced = (requestId: string, startedAt: number, isOurs: boolean): Trace => ({
  requestId,
  isOurs,
  inEvents: requestId,
  startedAt,
  tenantId: undefined,
  keyId: undefined,
  client: undefined,
  route: undefined,
  refused: undefined,
  retries: 0,
  span: undefined,
})

/** What proxies put into `X-Request-Id`. It stands in log lines as it is, so there is nothing in it that JSON would escape. */
export const REQUEST_ID_SHAPE = /^[\w.:+=-]{8,128}$/

/** The id that a proxy has given the request; undefined where the peer is none that is believed, or it has sent none. */
function requestIdOf(trust: ProxyTrust, peer: string | undefined, header: HeaderReader): string | undefined {
  if (!believesForwarded(trust, peer)) return undefined
  const given = header('x-request-id')
  return given !== undefined && REQUEST_ID_SHAPE.test(given) ? given : undefined
}

function tell({ told }: Telling, trace: Trace, method: string, status: number): void {
  const { requestId, startedAt, tenantId, keyId, route, refused, span } = trace
  const ms = Math.round((performance.now() - startedAt) * 10) / 10
  const retries = trace.retries === 0 ? undefined : trace.retries
  const { scimType, reason } = refused ?? {}
  const request = {
    ...{ route, requestId, method, status, ms, tenantId, keyId, scimType, reason, retries },
    traceId: span?.traceId,
  }
  told(request)
  span?.end(request)
}
