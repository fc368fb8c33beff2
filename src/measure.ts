import type { Config } from './config.ts'
import type { UnderWay } from './http/in-flight.ts'
import { listen } from './listen.ts'
import type { Metrics } from './observability/metrics.ts'

/** What is measured beside the requests. */
export interface MeasuredParts {
  readonly underWay: UnderWay
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
export async function measure(config: Config, { underWay }: MeasuredParts): Promise<Measured | undefined> {
  const { host, metricsKey, metricsPort } = config
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
  if (metricsPort === undefined) return { metrics, port: undefined, stop: () => Promise.resolve() }
  const { openMetricsApp } = await import('./http/metrics.ts')
  const server = await listen(openMetricsApp(metrics).fetch, { host, port: metricsPort, setting: 'METRICS_PORT' })
  return { metrics, port: server.port, stop: () => server.stop(STOP_WITHIN_MS) }
}
