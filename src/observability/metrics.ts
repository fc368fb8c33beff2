import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { RequestFields } from './logger.ts'
import { knownMethod } from './methods.ts'
import { type TenantLoad, tenantLoad, tenantMetrics } from './tenant-load.ts'

/** Values by their labels. */
export type Reading = number | readonly { readonly labels: Readonly<Record<string, string>>; readonly value: number }[]

interface Described {
  /** As Prometheus names metrics, without `rollcall_`. */
  readonly name: string
  readonly help: string
  readonly labels?: readonly string[]
}

/** A gauge, or a count since the start, that is made of what a look has found. */
export interface Measure<Found> extends Described {
  readonly type?: 'gauge' | 'counter'
  readonly of: (found: Found) => Reading
}

/** Metrics that are read together, when Prometheus asks. */
export interface Family<Found> {
  /** Finds all that the metrics tell. Where it fails, they are left out of the answer, and the others stay. */
  readonly look: () => Found | Promise<Found>
  /**
   * What was found is good for so long, whoever asks meanwhile. It is told for `STALE_AFTER` times as long while nothing new can be
   * found: a database that is busy is no reason to know nothing.
   */
  readonly keptMs?: number
  readonly measures: readonly Measure<Found>[]
}

/** A histogram of durations. */
export interface Durations extends Described {
  /** Upper bounds in seconds. */
  readonly buckets: readonly number[]
  /** The most sets of labels. */
  readonly most: number
  /** The labels of what comes beyond them, of which there have to be few; without it, each is `other`. */
  readonly beyond?: (labels: readonly string[]) => string[]
}

/** A count since the start. */
export interface Counted extends Described {
  readonly most: number
}

/** Takes the values of the labels, in their order. */
export type Observe = (labels: readonly string[], ms: number) => void

/** The tenants of which an answer tells: so many of the loudest, and so many of those that are silent for longest. */
export interface TenantsAsked {
  readonly loudest: number
  readonly silent: number
}

/** What one instance tells Prometheus. */
export interface Metrics {
  /** Counts an answered request, and how long it took. */
  request(fields: RequestFields): void
  /** Counts a request that was refused, by a word of ours for the reason. */
  refused(reason: string): void
  /** What each tenant asks of this instance. */
  readonly tenants: TenantLoad
  durations(described: Durations): Observe
  counter(described: Counted): (...labels: readonly string[]) => void
  family<Found>(family: Family<Found>): void
  /** The metrics in the text format of Prometheus, and its media type. Without `tenants`, no tenant is named. */
  text(tenants?: TenantsAsked): Promise<{ readonly body: string; readonly type: string }>
}

/** Seconds: a read takes some milliseconds, a large bulk some seconds, and no request more than ten. */
const REQUEST_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5]
/** Routes, methods and classes of status together. */
const MOST_REQUEST_LABELS = 80
/** Reasons are words of ours; the bound is for a mistake of ours. */
const MOST_REASONS = 40

/** A reader waits for so long until all is found, which is well below the time that Prometheus has by default. */
const LOOK_MS = 1_000
const STALE_AFTER = 6

const PREFIX = 'rollcall_'
const OTHER = 'other'

/**
 * Opens the metrics of this process: its memory and the lag of its event loop, and what is added. The number of series has a
 * bound: labels are names of routes, methods, statements and classes of status. No tenant is one, unless who reads asks for that.
 */
export function openMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const tenants = tenantLoad()
  const refreshes: (() => Promise<void>)[] = []

  const durations: Metrics['durations'] = ({ name, help, labels = [], buckets, most, beyond = allOther }) => {
    const histogram = new Histogram({
      name: PREFIX + name,
      help,
      labelNames: [...labels],
      buckets: [...buckets],
      registers: [registry],
    })
    const observe = bounded(most, beyond, (values) => histogram.labels(...values))
    return (values, ms) => observe(values).observe(ms / 1000)
  }
  const counter: Metrics['counter'] = ({ name, help, labels = [], most }) => {
    const made = new Counter({ name: PREFIX + name, help, labelNames: [...labels], registers: [registry] })
    const count = bounded(most, allOther, (values) => made.labels(...values))
    return (...values) => count(values).inc()
  }

  const request = durations({
    name: 'http_request_duration_seconds',
    help: 'Time from the arrival of a request to its answer, by route template, method and class of status.',
    labels: ['route', 'method', 'status'],
    buckets: REQUEST_BUCKETS,
    most: MOST_REQUEST_LABELS,
    beyond: ([, , status = OTHER]) => [OTHER, OTHER, status],
  })
  const refused = counter({
    name: 'requests_refused_total',
    help: 'Requests that were refused for what they are allowed, for a limit, or for the state of the database, by reason.',
    labels: ['reason'],
    most: MOST_REASONS,
  })
  return {
    request({ route = 'none', method, status, ms, tenantId }) {
      request([route, knownMethod(method) ?? OTHER, `${Math.floor(status / 100)}xx`], ms)
      if (tenantId !== undefined) tenants.request(tenantId, ms)
    },
    refused: (reason) => refused(reason),
    tenants,
    durations,
    counter,
    family({ look, keptMs = 0, measures }) {
      const made = measures.map(({ of, type = 'gauge', name, help, labels = [] }) => {
        const described = { name: PREFIX + name, help, labelNames: [...labels], registers: [registry] }
        const metric = type === 'gauge' ? new Gauge(described) : new Counter(described)
        const clear = () => {
          metric.reset()
          // One without labels has the value 0 then.
          if (labels.length === 0) metric.remove()
        }
        return { metric, of, clear }
      })
      let [lookedAt, foundAt] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]
      let underWay: Promise<boolean> | undefined
      const refresh = async () => {
        const found = await Promise.resolve()
          .then(look)
          .catch(() => undefined)
        lookedAt = performance.now()
        if (found === undefined) return false
        foundAt = lookedAt
        // At once for all of them, so that no reader finds a part.
        for (const { metric, of, clear } of made) {
          clear()
          put(metric, of(found))
        }
        return true
      }
      refreshes.push(async () => {
        if (performance.now() - lookedAt < keptMs) return
        underWay ??= refresh().finally(() => {
          underWay = undefined
        })
        const isOfNow = await within(LOOK_MS, underWay)
        if (!isOfNow && performance.now() - foundAt > STALE_AFTER * keptMs) for (const { clear } of made) clear()
      })
    },
    async text(asked) {
      await Promise.all(refreshes.map((refresh) => refresh()))
      const body = await registry.metrics()
      const type = registry.contentType
      return { body: asked === undefined ? body : body + (await tenantMetrics(tenants.chosen(asked))), type }
    },
  }
}

/** What the work gives, or false where it takes longer than `ms`. */
async function within(ms: number, work: Promise<boolean>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, ms, false)
  })
  const outcome = await Promise.race([work, late])
  clearTimeout(timer)
  return outcome
}

function put(metric: Gauge | Counter, reading: Reading): void {
  const values = typeof reading === 'number' ? [{ labels: {}, value: reading }] : reading
  for (const { labels, value } of values) metric.inc({ ...labels }, value)
}

/**
 * What `make` gives for each set of labels, up to `most` of them. The library builds a text of all labels for each call; a look-up of
 * ours is a tenth of that.
 */
function bounded<T>(
  most: number,
  beyond: (labels: readonly string[]) => string[],
  make: (values: string[]) => T,
): (values: readonly string[]) => T {
  const known = new Map<string, T>()
  return (values) => {
    const name = values.length === 1 ? (values[0] as string) : values.join(' ')
    const before = known.get(name)
    if (before !== undefined) return before
    const made = make(known.size < most ? [...values] : beyond(values))
    if (known.size < most) known.set(name, made)
    return made
  }
}

const allOther = (labels: readonly string[]) => labels.map(() => OTHER)
