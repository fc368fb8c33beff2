import type { Config } from './config.ts'
import type { CacheStats } from './context/cache-stats.ts'
import type { UnderWay } from './http/in-flight.ts'
import { listen } from './listen.ts'
import type { Metrics } from './observability/metrics.ts'

/** What is measured beside the requests. */
export interface MeasuredParts {
  readonly underWay: UnderWay
  /** What is in memory of the control plane. */
  readonly cache: () => CacheStats
  /** Deliveries that wait, as far as they are counted. */
  readonly waiting: () => Promise<number>
  /** Milliseconds for which a delivery is due that should be on its way; undefined where none is late. */
  readonly oldestDue: () => Promise<number | undefined>
}

/** The metrics of a running instance. */
export interface Measured {
  readonly metrics: Metrics
  /** The port with `/metrics` alone; undefined where the configuration gives none. */
  readonly port: number | undefined
  /** Closes that port. */
  stop(): Promise<void>
}

const STOP_WITHIN_MS = 1_000

/**
 * Opens the metrics where the configuration asks for them, and their own port. Otherwise nothing is loaded, and requests are not
 * measured.
 *
 * @throws {CannotListen} with one line for the operator
 */
export async function measure(config: Config, parts: MeasuredParts): Promise<Measured | undefined> {
  const { host, metricsKey, metricsPort } = config
  const { underWay, cache } = parts
  if (metricsKey === undefined && metricsPort === undefined) return undefined
  const { openMetrics } = await import('./observability/metrics.ts')
  const metrics = openMetrics()
  metrics.gauge({
    name: 'requests_under_way',
    help: 'Requests that this instance is answering, and event streams and long polls that are open on it.',
    labels: ['kind'],
    read: () => [
      { labels: { kind: 'request' }, value: underWay.requests.count },
      { labels: { kind: 'stream' }, value: underWay.streams.count },
    ],
  })
  measureCache(metrics, cache)
  measureDeliveries(metrics, parts)
  if (metricsPort === undefined) return { metrics, port: undefined, stop: () => Promise.resolve() }
  const { openMetricsApp } = await import('./http/metrics.ts')
  const server = await listen(openMetricsApp(metrics).fetch, { host, port: metricsPort, setting: 'METRICS_PORT' })
  return { metrics, port: server.port, stop: () => server.stop(STOP_WITHIN_MS) }
}

/** Asked of the database when Prometheus reads the metrics; both questions have a bound. */
function measureDeliveries(metrics: Metrics, { waiting, oldestDue }: MeasuredParts): void {
  metrics.gauge({
    name: 'deliveries_waiting',
    help: 'Events that wait for webhooks and streams, of all instances. Counted up to 10,000.',
    read: waiting,
  })
  metrics.gauge({
    name: 'delivery_late_seconds',
    help: 'For how long a delivery is due to a receiver that is well, and nobody sends it. 0 where none is late.',
    read: async () => ((await oldestDue()) ?? 0) / 1_000,
  })
}

/** Kinds of entries have names of ours, so there are few of them, however many tenants there are. */
function measureCache(metrics: Metrics, cache: () => CacheStats): void {
  metrics.gauge({
    name: 'context_cache_entries',
    help: 'Tenants, keys and the like that this instance knows without asking the database.',
    labels: ['kind'],
    read: () => [...cache().entries].map(([kind, value]) => ({ labels: { kind }, value })),
  })
  metrics.gauge({
    name: 'context_cache_bytes',
    help: 'About how much memory they take, and the most that they may.',
    labels: ['of'],
    read: () => {
      const { bytes, maxBytes } = cache()
      return [
        { labels: { of: 'entries' }, value: bytes },
        { labels: { of: 'limit' }, value: maxBytes },
      ]
    },
  })
  metrics.gauge({
    name: 'context_cache_lookups',
    help: 'Since the start: look-ups that found an entry or not, and entries that were pushed out by others.',
    labels: ['outcome'],
    read: () => {
      const { hits, misses, evictions } = cache()
      return Object.entries({ hit: hits, miss: misses, eviction: evictions }).map(([outcome, value]) => ({
        ...{ labels: { outcome }, value },
      }))
    },
  })
}
