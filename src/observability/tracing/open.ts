import {
  type Context,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  TraceFlags,
  trace,
} from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { parseKeyPairsIntoRecord, parseTraceParent } from '@opentelemetry/core'
import { type Resource, resourceFromAttributes } from '@opentelemetry/resources'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BasicTracerProvider,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-base'
import type { TraceSettings } from '../../config/traces.ts'
import { VERSION } from '../../package.ts'
import { knownMethod } from '../methods.ts'
import { type SpanQueue, spanQueue } from './export.ts'
import { failedBy, failedWith } from './failure.ts'
import { summaryOf } from './summary.ts'
import type { Tracing } from './tracing.ts'

/** A stop waits for so long until what waits is sent. */
const STOP_WITHIN_MS = 2_000

/** What a trace says of this instance, and who is told that spans are lost. */
export interface TracingParts {
  readonly instance: string
  readonly lost: (reason: string) => void
}

/** Opens the traces of this instance. Loaded only where the configuration asks for traces. */
export function openTracing(settings: TraceSettings, { instance, lost }: TracingParts): Tracing {
  return tracingBy(spanQueue(settings, lost), settings, instance)
}

/** The same with any way to send spans. */
export function tracingBy(queue: SpanQueue, settings: TraceSettings, instance: string): Tracing {
  const provider = new BasicTracerProvider({
    resource: resourceOf(settings, instance),
    sampler: samplerOf(settings),
    spanProcessors: [queue.processor],
  })
  const tracer = provider.getTracer('rollcall', VERSION)
  // Not the global one of OpenTelemetry: nothing outside of here looks for it.
  const contexts = new AsyncLocalStorageContextManager().enable()

  /** What is traced here. Undefined outside of a trace, in one that is not recorded, and after its end, where timers still run. */
  const within = (): Context | undefined => {
    const context = contexts.active()
    return trace.getSpan(context)?.isRecording() ? context : undefined
  }
  const around = <T>(span: Span, context: Context, work: () => T): T => {
    let result: T
    try {
      result = contexts.with(trace.setSpan(context, span), work)
    } catch (error) {
      failedBy(span, error)
      span.end()
      throw error
    }
    if (!(result instanceof Promise)) {
      span.end()
      return result
    }
    return result.then(
      (value) => {
        span.end()
        return value
      },
      (error: unknown) => {
        failedBy(span, error)
        span.end()
        throw error
      },
    ) as T
  }

  return {
    lost: queue.lost,
    arrived(method, scheme, parent) {
      const attributes = { 'http.request.method': knownMethod(method) ?? '_OTHER', 'url.scheme': scheme }
      const span = tracer.startSpan(
        'HTTP',
        { kind: SpanKind.SERVER, attributes },
        below(parent && parseTraceParent(parent)),
      )
      const { traceId, spanId, traceFlags } = span.spanContext()
      return {
        traceId,
        reference: (traceFlags & TraceFlags.SAMPLED) === 0 ? undefined : `${traceId}-${spanId}`,
        run: (work) => contexts.with(trace.setSpan(ROOT_CONTEXT, span), work),
        end({ route, status, tenantId, keyId, requestId, scimType, retries }) {
          const name = knownMethod(method) ?? 'HTTP'
          span.updateName(route === undefined ? name : `${name} ${route}`)
          span.setAttributes({
            ...given('http.route', route),
            'http.response.status_code': status,
            'rollcall.request.id': requestId,
            ...given('rollcall.tenant.id', tenantId),
            ...given('rollcall.key.id', keyId),
            ...given('rollcall.scim_type', scimType),
            ...given('rollcall.retries', retries),
          })
          if (status >= 500) failedWith(span, String(status))
          span.end()
        },
      }
    },
    part(name, work) {
      const context = within()
      return context === undefined ? work() : around(tracer.startSpan(name, {}, context), context, work)
    },
    statement({ statement, share }, take) {
      const context = within()
      if (context === undefined) return take((work) => work())
      const asked = performance.timeOrigin + performance.now()
      let asking = true
      let begun = false
      const waited = () => {
        if (asking) return
        const attributes = { 'rollcall.share': share }
        tracer.startSpan('wait for a turn', { startTime: asked, attributes }, context).end()
      }
      const taken = take((work) => {
        begun = true
        waited()
        const summary = statement === undefined ? 'transaction' : summaryOf(statement)
        const attributes = { 'db.system.name': 'postgresql', 'db.query.summary': summary }
        // Its turn may come at the end of another's statement, in the context of that one.
        return around(tracer.startSpan(summary, { kind: SpanKind.CLIENT, attributes }, context), context, work)
      })
      asking = false
      // What never had its turn has waited all the same.
      taken.catch(() => begun || waited())
      return taken
    },
    async delivery(of, send) {
      const kind = of.kind === 'webhook' ? 'deliver to webhook' : 'deliver to stream'
      const attributes = {
        'rollcall.tenant.id': of.tenantId,
        'rollcall.endpoint.id': of.endpointId,
        'rollcall.event.id': of.eventId,
        'rollcall.event.type': of.eventType,
        'rollcall.event.age_ms': Math.max(0, Date.now() - of.occurredAt),
        'rollcall.delivery.attempt': of.attempts,
        'http.request.method': 'POST',
      }
      const context = below(referencedIn(of.requestId))
      const span = tracer.startSpan(kind, { kind: SpanKind.CLIENT, attributes }, context)
      return around(span, context, async () => {
        const outcome = await send(traceParentOf(span.spanContext()))
        if (outcome.status !== null) span.setAttribute('http.response.status_code', outcome.status)
        if (!outcome.ok) failedWith(span, outcome.status === null ? 'no_answer' : String(outcome.status))
        return outcome
      })
    },
    async stop() {
      const timer = new AbortController()
      const late = new Promise<void>((resolve) => {
        const over = setTimeout(resolve, STOP_WITHIN_MS)
        timer.signal.addEventListener('abort', () => clearTimeout(over))
      })
      await Promise.race([provider.shutdown().catch(() => {}), late])
      timer.abort()
      contexts.disable()
    },
  }
}

const given = (name: string, value: string | number | undefined) => (value === undefined ? {} : { [name]: value })

/** The context below a span of another process; of none, where it begins a trace. */
const below = (parent: SpanContext | null | undefined | ''): Context =>
  parent ? trace.setSpanContext(ROOT_CONTEXT, { ...parent, isRemote: true }) : ROOT_CONTEXT

const REFERENCE = /(?:^|;)([0-9a-f]{32})-([0-9a-f]{16})$/

/** The span that a request's id names. Only those of recorded traces do. */
function referencedIn(requestId: string): SpanContext | undefined {
  const [, traceId, spanId] = REFERENCE.exec(requestId) ?? []
  if (traceId === undefined || spanId === undefined) return undefined
  return { traceId, spanId, traceFlags: TraceFlags.SAMPLED }
}

/** W3C Trace Context §3.2. */
const traceParentOf = ({ traceId, spanId, traceFlags }: SpanContext): string =>
  `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`

function resourceOf({ serviceName, resourceAttributes = '' }: TraceSettings, instance: string): Resource {
  const attributes = parseKeyPairsIntoRecord(resourceAttributes)
  return resourceFromAttributes({
    ...{ 'service.name': 'rollcall', 'service.version': VERSION, 'service.instance.id': instance },
    ...attributes,
    ...(serviceName === undefined ? {} : { 'service.name': serviceName }),
  })
}

function samplerOf({ sampler, ratio }: TraceSettings): Sampler {
  const root = sampler.endsWith('traceidratio')
    ? new TraceIdRatioBasedSampler(ratio)
    : sampler.endsWith('always_off')
      ? new AlwaysOffSampler()
      : new AlwaysOnSampler()
  return sampler.startsWith('parentbased_') ? new ParentBasedSampler({ root }) : root
}
