import type { Config } from './config.ts'
import { type Logger, lostSpansLine } from './observability/logger.ts'
import type { Metrics } from './observability/metrics.ts'
import type { Tracing } from './observability/tracing/tracing.ts'

/** A receiver of traces that is away is one line in so long. */
const TELL_EVERY_MS = 60_000

/** Opens the traces where the configuration asks for them. Otherwise nothing is loaded, and nothing is traced. */
export async function openTraces({ traces, instance }: Config, logger: Logger): Promise<Tracing | undefined> {
  if (traces === undefined) return undefined
  const { openTracing } = await import('./observability/tracing/open.ts')
  let toldAt = Number.NEGATIVE_INFINITY
  const tracing: Tracing = openTracing(traces, {
    instance,
    lost: (reason) => {
      if (performance.now() - toldAt < TELL_EVERY_MS) return
      toldAt = performance.now()
      lostSpansLine(logger, { ...tracing.lost, reason })
    },
  })
  return tracing
}

/** Adds to the metrics how many spans of traces were lost. */
export function measureTraces(metrics: Metrics, { lost }: Tracing): void {
  metrics.family({
    look: () => lost,
    measures: [
      {
        ...{ type: 'counter', name: 'spans_lost_total', labels: ['why'] },
        help: 'Spans of traces that were not sent since the start: too many waited, or their receiver did not take them.',
        of: (found) => Object.entries(found).map(([why, value]) => ({ labels: { why }, value })),
      },
    ],
  })
}
