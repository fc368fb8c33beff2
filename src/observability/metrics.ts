import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { RequestFields } from './logger.ts'
import { knownMethod } from './methods.ts'

/** Seconds: a read takes some milliseconds, a large bulk some seconds, and no request more than ten. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10]
/** Routes, methods and status classes together; a request beyond them counts under the route `other`. */
const MOST_SERIES = 120

/** A value now, or one for each set of labels. */
export type Reading = number | readonly { readonly labels: Readonly<Record<string, string>>; readonly value: number }[]

/** A gauge whose value is asked for when Prometheus reads the metrics. */
export interface GaugeSource {
  /** As Prometheus names metrics, without `rollcall_`. */
  readonly name: string
  readonly help: string
  readonly labels?: readonly string[]
  readonly read: () => Reading | Promise<Reading>
}

/** What one instance tells Prometheus. */
export interface Metrics {
  /** Counts an answered request, and how long it took. */
  request(fields: RequestFields): void
  /** Adds a gauge. One that cannot be read is left out of the answer, and the others stay. */
  gauge(source: GaugeSource): void
  /** The metrics in the text format of Prometheus, and its media type. */
  text(): Promise<{ readonly body: string; readonly type: string }>
}

/**
 * Opens the metrics of this process: its memory and the lag of its event loop, and what is added. The number of series has a
 * bound: labels are names of routes, methods and classes of status, never a tenant or a key.
 */
export function openMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const durations = new Histogram({
    name: 'rollcall_http_request_duration_seconds',
    help: 'Time from the arrival of a request to its answer, by route template and class of status.',
    labelNames: ['route', 'method', 'status'],
    buckets: BUCKETS,
    registers: [registry],
  })
  // The library builds a text of all labels for each call; a look-up of ours is a tenth of that.
  const series = new Map<string, ReturnType<typeof durations.labels>>()
  const seriesOf = (route: string, method: string, status: string) => {
    const name = `${route} ${method} ${status}`
    const known = series.get(name)
    if (known !== undefined) return known
    const made = durations.labels(series.size < MOST_SERIES ? route : 'other', method, status)
    if (series.size < MOST_SERIES) series.set(name, made)
    return made
  }
  return {
    request({ route, method, status, ms }) {
      seriesOf(route ?? 'none', knownMethod(method) ?? 'other', `${Math.floor(status / 100)}xx`).observe(ms / 1000)
    },
    gauge({ name, help, labels = [], read }) {
      const gauge: Gauge = new Gauge({
        name: `rollcall_${name}`,
        help,
        labelNames: [...labels],
        registers: [registry],
        async collect() {
          gauge.reset()
          const reading = await Promise.resolve()
            .then(read)
            .catch(() => undefined)
          if (reading === undefined) gauge.remove()
          else if (typeof reading === 'number') gauge.set(reading)
          else for (const { labels: of, value } of reading) gauge.set({ ...of }, value)
        },
      })
    },
    text: async () => ({ body: await registry.metrics(), type: registry.contentType }),
  }
}
