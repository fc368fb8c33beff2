import type { RequestFields } from '../logger.ts'

/** What a request says of its trace, in W3C's header `traceparent`; undefined where it has none. */
export type TraceParent = string | undefined

/** The span of a request, which has all that the request does below it. */
export interface RequestSpan {
  readonly traceId: string
  /** Names this span in the events of the request, so that a delivery finds it. Undefined where the trace is not recorded. */
  readonly reference: string | undefined
  /** Does the work of the request. */
  run<T>(work: () => Promise<T>): Promise<T>
  end(request: RequestFields): void
}

/** What may be said of an attempt to deliver an event; never what is in it. */
export interface DeliveryFacts {
  readonly kind: 'webhook' | 'stream'
  readonly endpointId: string
  readonly tenantId: string
  readonly eventId: string
  readonly eventType: string
  /** Of the request that made the event; it may name the request's span. */
  readonly requestId: string
  /** Milliseconds since 1970. */
  readonly occurredAt: number
  readonly attempts: number
}

/** What came of an attempt. */
interface Attempted {
  readonly ok: boolean
  readonly status: number | null
}

/** Spans that were not sent, because too many waited or because the receiver did not take them. */
export interface LostSpans {
  readonly dropped: number
  readonly failed: number
}

/** Makes the traces of an instance. */
export interface Tracing {
  /** Begins the span of a request. @param scheme as the connection has it */
  arrived(method: string, scheme: string, parent: TraceParent): RequestSpan
  /** Does a part of what is traced here, which may be over at once. */
  part<T>(name: string, work: () => T): T
  /** Watches a statement or a transaction: its waiting for a turn, and itself. */
  statement<T>(
    asking: { readonly statement: string | undefined; readonly share: string },
    take: (inTurn: <R>(work: () => Promise<R>) => Promise<R>) => Promise<T>,
  ): Promise<T>
  /** Traces an attempt to deliver; `send` gets the `traceparent` for its receiver. */
  delivery<T extends Attempted>(of: DeliveryFacts, send: (traceparent: string) => Promise<T>): Promise<T>
  /** Since the start. */
  readonly lost: LostSpans
  /** Sends what waits to be sent, for a bounded time. */
  stop(): Promise<void>
}
