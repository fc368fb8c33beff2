import type { CacheStats } from '../context/cache-stats.ts'
import type { ReplicaNumbers } from '../db/database.ts'
import type { DatabaseObserver, PoolState } from '../db/observer.ts'
import { STATEMENT_NAMES } from '../db/statement-names.ts'
import type { HistoryNumbers } from '../history/history-worker.ts'
import type { UnderWay } from '../http/in-flight.ts'
import type { Workers } from '../http/readiness.ts'
import type { Metrics } from '../observability/metrics.ts'
import { VERSION } from '../package.ts'
import { type Backlog, MOST_COUNTED } from '../repositories/delivery/backlog.ts'
import type { RequestLogNumbers } from '../request-log/writer.ts'
import { historyFamily, requestLogFamily } from './behind-families.ts'
import { labelled } from './labelled.ts'

/** What is asked when Prometheus reads the metrics. */
export interface MeasuredParts {
  readonly engine: 'pglite' | 'postgres'
  readonly underWay: UnderWay
  /** What is in memory of the control plane. */
  readonly cache: () => CacheStats
  /** What waits and what ends soon, of all instances. */
  readonly backlog: () => Promise<Backlog>
  /** The work behind the requests. */
  readonly workers: Workers
  /** What became of requests on their way to the provisioning log. */
  readonly requestLog: () => RequestLogNumbers
  /** What was done for the histories of tenants. */
  readonly histories: () => HistoryNumbers
  /** Undefined where there are no replicas. */
  readonly replicas: () => ReplicaNumbers | undefined
}

/** One question for the backlog serves all who read the metrics within this time. */
const BACKLOG_KEPT_MS = 5_000

/** Seconds. A statement takes less than a request, and its waiting most often nothing. */
const STATEMENT_BUCKETS = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5]
const WAIT_BUCKETS = [0.001, 0.01, 0.05, 0.25, 1, 5]
const DELIVERY_BUCKETS = [0.05, 0.25, 1, 5, 15]

const HOUR_MS = 3_600_000

/** Measures the database: its connections, how long statements wait for one, and how long they take. */
export function databaseMeter(metrics: Metrics): DatabaseObserver {
  const wait = metrics.durations({
    name: 'database_wait_seconds',
    help: 'For how long statements and transactions waited for a connection, by whose share of them they use: control, tenant or background.',
    labels: ['share'],
    buckets: WAIT_BUCKETS,
    most: 3,
  })
  const statement = metrics.durations({
    name: 'statement_duration_seconds',
    help: 'For how long the database took to answer a statement, by its name. The waiting for a connection is not in it.',
    labels: ['statement'],
    buckets: STATEMENT_BUCKETS,
    most: STATEMENT_NAMES.length + 1,
  })
  const kinds = { control: ['control'], tenant: ['tenant'], background: ['background'] } as const
  const used = { control: 0, tenant: 0, background: 0 }
  return {
    opened(state) {
      metrics.family({
        look: state,
        measures: [
          {
            name: 'database_connections',
            help: 'Connections to the database of this instance: those in use, and the most there may be.',
            labels: ['state'],
            of: ({ inUse, connections }: PoolState) => labelled('state', { in_use: inUse, limit: connections }),
          },
          {
            name: 'database_waiting',
            help: 'Statements and transactions that wait for a connection at this moment.',
            of: ({ waiting }: PoolState) => waiting,
          },
          {
            name: 'database_busy_seconds_total',
            help: 'For how long connections were in use, by whose share it was.',
            labels: ['share'],
            type: 'counter',
            of: () => labelled('share', inSeconds(used)),
          },
        ],
      })
    },
    waited: ({ kind }, ms) => wait(kinds[kind], ms),
    used({ kind, party, lane }, ms) {
      used[kind] += ms
      // A key of several tenants is a party of its own; it has no lane.
      if (kind === 'tenant' && lane !== '') metrics.tenants.database(party, ms)
    },
    answered: (name, ms) => statement([name ?? 'other'], ms),
  }
}

/** Measures attempts to deliver events. */
export function deliveryMeter(metrics: Metrics): (kind: 'webhook' | 'stream', accepted: boolean, ms: number) => void {
  const attempt = metrics.durations({
    name: 'delivery_attempt_duration_seconds',
    help: 'How long attempts to deliver an event took, by its kind and outcome.',
    labels: ['kind', 'outcome'],
    buckets: DELIVERY_BUCKETS,
    most: 4,
  })
  return (kind, accepted, ms) => attempt([kind, accepted ? 'accepted' : 'failed'], ms)
}

/** Adds what the parts tell. */
export function addFamilies(metrics: Metrics, parts: MeasuredParts): void {
  const { engine, underWay, cache, backlog, workers, replicas, requestLog, histories } = parts
  metrics.family({
    look: () => ({ version: VERSION, engine }),
    measures: [
      {
        name: 'build_info',
        help: 'Always 1; the labels tell the release and the engine of the database.',
        labels: ['version', 'engine'],
        of: (labels) => [{ labels, value: 1 }],
      },
    ],
  })
  requestFamily(metrics, underWay)
  metrics.family({
    look: () => workers,
    measures: [
      {
        name: 'worker_standstill_seconds',
        help: 'How long ago the work behind the requests last got on: numbering events, and looking for due deliveries.',
        labels: ['worker'],
        of: ({ numbering, sending }) =>
          labelled('worker', inSeconds({ numbering: numbering.standstillMs, sending: sending.standstillMs })),
      },
    ],
  })
  cacheFamily(metrics, cache)
  backlogFamily(metrics, backlog)
  replicaFamily(metrics, replicas)
  requestLogFamily(metrics, requestLog)
  historyFamily(metrics, histories)
}

function requestFamily(metrics: Metrics, { requests, streams, bytes }: UnderWay): void {
  const kinds = (of: (one: UnderWay['requests']) => number) =>
    labelled('kind', { request: of(requests), stream: of(streams) })
  metrics.family({
    look: () => metrics.tenants,
    measures: [
      {
        name: 'requests_under_way',
        help: 'Requests that this instance is answering, and event streams and long polls that are open on it.',
        labels: ['kind'],
        of: () => kinds(({ count }) => count),
      },
      {
        name: 'requests_under_way_limit',
        help: 'The most requests, and the most event streams and long polls, that there may be at the same time.',
        labels: ['kind'],
        of: () => kinds(({ most }) => most),
      },
      {
        name: 'request_bytes',
        help: 'Bytes of bodies and answers that requests hold in memory, and the most that they may.',
        labels: ['of'],
        of: () => labelled('of', { requests: bytes.all, limit: bytes.most }),
      },
      {
        name: 'tenants_active',
        help: 'Tenants of which this instance has answered a request within that time, of the last 10,000.',
        labels: ['within'],
        of: (tenants) => labelled('within', { '1h': tenants.active(HOUR_MS), '1d': tenants.active(24 * HOUR_MS) }),
      },
    ],
  })
}

/** Kinds of entries have names of ours, so there are few of them, however many tenants there are. */
function cacheFamily(metrics: Metrics, look: () => CacheStats): void {
  metrics.family({
    look,
    measures: [
      {
        name: 'context_cache_entries',
        help: 'Tenants, keys and the like that this instance knows without asking the database.',
        labels: ['kind'],
        of: ({ entries }) => labelled('kind', Object.fromEntries(entries)),
      },
      {
        name: 'context_cache_bytes',
        help: 'About how much memory the entries of the context cache take, and the most that they may.',
        labels: ['of'],
        of: ({ bytes, maxBytes }) => labelled('of', { entries: bytes, limit: maxBytes }),
      },
      {
        name: 'context_cache_lookups_total',
        help: 'Look-ups in the context cache that found an entry or not, and entries that were pushed out by others.',
        labels: ['outcome'],
        type: 'counter',
        of: ({ hits, misses, evictions }) => labelled('outcome', { hit: hits, miss: misses, eviction: evictions }),
      },
    ],
  })
}

const counted = `Counted up to ${MOST_COUNTED.toLocaleString('en')}.`

function backlogFamily(metrics: Metrics, look: () => Promise<Backlog>): void {
  metrics.family({
    look,
    keptMs: BACKLOG_KEPT_MS,
    measures: [
      {
        name: 'deliveries',
        help: `Deliveries of all instances: due now, to be sent later, behind an earlier event of the resource, or dead. ${counted}`,
        labels: ['state'],
        of: ({ deliveries }) => labelled('state', deliveries),
      },
      {
        name: 'delivery_late_seconds',
        help: 'For how long a delivery is due to a receiver that is well, and nobody sends it. 0 where none is late.',
        of: ({ lateMs }) => (lateMs ?? 0) / 1000,
      },
      {
        name: 'delivery_receivers',
        help: 'Webhooks and streams with something in their queue, by kind and state. The first 500.',
        labels: ['kind', 'state'],
        of: ({ receivers }) => receivers.map(({ kind, state, count }) => ({ labels: { kind, state }, value: count })),
      },
      {
        name: 'events_unnumbered',
        help: `Events that have no position in their log yet, of all instances. ${counted}`,
        of: ({ unnumbered }) => unnumbered,
      },
      {
        name: 'events_unnumbered_age_seconds',
        help: 'How old the oldest event without a position is. 0 where there is none.',
        of: ({ unnumberedMs }) => Math.max(0, unnumberedMs ?? 0) / 1000,
      },
      {
        name: 'leaver_brake_holds',
        help: `Tenants whose events the leaver brake holds. ${counted}`,
        of: ({ holds }) => holds,
      },
      {
        name: 'directories',
        help: `Tenants whose directory is silent for longer than is usual for it, or has all of its requests refused. ${counted}`,
        labels: ['state'],
        of: ({ troubled }) => labelled('state', troubled),
      },
      {
        name: 'api_keys_expiring',
        help: `API keys that expire within that time, or have expired in the last seven days. ${counted}`,
        labels: ['within'],
        of: ({ keys: { week, month, expired } }) => labelled('within', { '7d': week, '30d': month, expired }),
      },
    ],
  })
}

const NO_REPLICAS: ReplicaNumbers = { replicas: [], byReplica: 0, byPrimary: 0 }

function replicaFamily(metrics: Metrics, look: MeasuredParts['replicas']): void {
  metrics.family({
    look: () => look() ?? NO_REPLICAS,
    measures: [
      {
        name: 'replicas',
        help: 'Replicas in the configuration, by whether lists are asked of them: used, or left alone for a while.',
        labels: ['state'],
        of: ({ replicas }) => {
          const used = replicas.filter(({ isWell }) => isWell).length
          return labelled('state', { used, left_alone: replicas.length - used })
        },
      },
      {
        name: 'list_statements_total',
        help: 'Statements that replicas may answer, where there are replicas, by what answered them.',
        labels: ['by'],
        type: 'counter',
        of: ({ byReplica, byPrimary }) => labelled('by', { replica: byReplica, primary: byPrimary }),
      },
    ],
  })
}

const inSeconds = <Name extends string>(ms: Readonly<Record<Name, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries<number>(ms).map(([name, value]) => [name, value / 1000]))
