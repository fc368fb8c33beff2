import type { Config } from './config.ts'
import type { DatabaseObserver } from './db/observer.ts'
import { listen } from './listen.ts'
import type { MeasuredParts } from './measure/families.ts'
import type { Metrics } from './observability/metrics.ts'

export type { MeasuredParts } from './measure/families.ts'

/** The metrics of an instance, and what it is measured by. */
export interface Measuring {
  readonly metrics: Metrics
  /** To be told of the database's statements. */
  readonly observer: DatabaseObserver
  /** To be told of each attempt to deliver an event. */
  readonly sent: (kind: 'webhook' | 'stream', accepted: boolean, ms: number) => void
  /**
   * Adds what the parts tell when Prometheus asks, and opens the port with `/metrics` alone, where the configuration gives one.
   *
   * @throws {CannotListen} with one line for the operator
   */
  begin(parts: MeasuredParts): Promise<MetricsPort | undefined>
}

/** The port with `/metrics` alone. */
export interface MetricsPort {
  readonly port: number
  stop(): Promise<void>
}

const STOP_WITHIN_MS = 1_000

/** Opens the metrics where the configuration asks for them. Otherwise nothing is loaded, and nothing is measured. */
export async function openMeasuring({ host, metricsKey, metricsPort }: Config): Promise<Measuring | undefined> {
  if (metricsKey === undefined && metricsPort === undefined) return undefined
  const [{ openMetrics }, { addFamilies, deliveryMeter, databaseMeter }] = await Promise.all([
    import('./observability/metrics.ts'),
    import('./measure/families.ts'),
  ])
  const metrics = openMetrics()
  return {
    metrics,
    observer: databaseMeter(metrics),
    sent: deliveryMeter(metrics),
    async begin(parts) {
      addFamilies(metrics, parts)
      if (metricsPort === undefined) return undefined
      const { openMetricsApp } = await import('./http/metrics.ts')
      const server = await listen(openMetricsApp(metrics).fetch, { host, port: metricsPort, setting: 'METRICS_PORT' })
      return { port: server.port, stop: () => server.stop(STOP_WITHIN_MS) }
    },
  }
}
