import { ExportResultCode, parseKeyPairsIntoRecord } from '@opentelemetry/core'
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { BatchSpanProcessor, type SpanExporter, type SpanProcessor } from '@opentelemetry/sdk-trace-base'
import type { TraceSettings } from '../../config/traces.ts'
import type { LostSpans } from './tracing.ts'

/** Spans that wait to be sent. More are dropped, since a receiver that is slow must not cost memory. */
const MOST_WAITING = 4_096
const MOST_IN_BATCH = 512
const SEND_EVERY_MS = 2_000
/** Time for one batch, with its repetitions. */
const BATCH_MS = 10_000

/** Gathers spans, sends them in batches, and counts those that are lost. */
export interface SpanQueue {
  readonly processor: SpanProcessor
  readonly lost: LostSpans
}

/** @param tell is told of each loss, with a reason in which nothing is that was traced */
export function spanQueue({ url, protocol, headers }: TraceSettings, tell: (reason: string) => void): SpanQueue {
  const settings = {
    ...{ url, timeoutMillis: BATCH_MS },
    ...(headers === undefined ? {} : { headers: parseKeyPairsIntoRecord(headers) }),
  }
  const exporter = protocol === 'http/json' ? new JsonExporter(settings) : new ProtobufExporter(settings)
  return queueFor(exporter, tell)
}

/** The same for any way of sending. */
export function queueFor(to: SpanExporter, tell: (reason: string) => void): SpanQueue {
  const lost = { dropped: 0, failed: 0 }
  let waiting = 0
  const counting: SpanExporter = {
    export(spans, done) {
      waiting -= spans.length
      to.export(spans, (result) => {
        if (result.code !== ExportResultCode.SUCCESS) {
          lost.failed += spans.length
          tell(reasonOf(result.error))
        }
        // The queue would throw the failure where nobody is.
        done({ code: ExportResultCode.SUCCESS })
      })
    },
    shutdown: () => to.shutdown(),
  }
  const inner = new BatchSpanProcessor(counting, {
    ...{ maxQueueSize: MOST_WAITING, maxExportBatchSize: MOST_IN_BATCH },
    ...{ scheduledDelayMillis: SEND_EVERY_MS, exportTimeoutMillis: BATCH_MS },
  })
  const processor: SpanProcessor = {
    onStart: (span, context) => inner.onStart(span, context),
    onEnd(span) {
      if (waiting >= MOST_WAITING) {
        lost.dropped++
        tell('too many wait')
        return
      }
      waiting++
      inner.onEnd(span)
    },
    forceFlush: () => inner.forceFlush(),
    shutdown: () => inner.shutdown(),
  }
  return { processor, lost }
}

/** A code of the network or of HTTP. The message of the error may have what the receiver wrote. */
function reasonOf(error: Error | undefined): string {
  const { code } = (error ?? {}) as { code?: unknown }
  return code === undefined ? (error?.name ?? 'unknown') : String(code)
}
