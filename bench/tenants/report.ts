import { table } from '../markdown.ts'
import { atMost, type Verdict } from '../verdict.ts'
import { shortNumber } from '../workloads/workload.ts'
import type { TenantsResult } from './measure.ts'

/** Milliseconds of PostgreSQL in a second of an idle gateway, however many tenants there are. */
const IDLE_MS = 5
const RETENTION_MS = 100
const OVERVIEW_MS = 150
/** What so many tenants more may add, to a start and in memory. */
const START_GROWS_MS = 300
const MEMORY_GROWS_MB = 24
/** Of the control plane for a request of a known tenant: whether anything has changed is asked by the clock. */
const ASKED = 0.2
/** Against the fewest tenants: a first request against the next one, and the numbering of one event. */
const GROWTH = 2

/** Nothing but numbering grows with the tenants that there are; that with the events, of which each tenant has one. */
export function tenantsVerdicts(results: readonly TenantsResult[]): Verdict[] {
  const [few, many] = [results[0], results.at(-1)]
  if (few === undefined || many === undefined || few === many) return []
  const what = `${shortNumber(many.tenants)} tenants`
  const than = `÷ with ${shortNumber(few.tenants)}`
  return [
    atMost(`${what}, idle: PostgreSQL in a second`, many.idle.databaseMs, IDLE_MS, 'ms'),
    atMost(`${what} with a webhook each, idle: the same`, many.idleWithWebhooks.databaseMs, IDLE_MS, 'ms'),
    atMost(`${what}: a pass of retention with nothing to delete`, many.retentionMs, RETENTION_MS, 'ms'),
    atMost(`${what}: the overview of the console`, many.overviewMs, OVERVIEW_MS, 'ms'),
    atMost(
      `${what}: start, more than with ${shortNumber(few.tenants)}`,
      many.startMs - few.startMs,
      START_GROWS_MS,
      'ms',
    ),
    atMost(
      `${what}: memory, more than with ${shortNumber(few.tenants)}`,
      many.rssMb - few.rssMb,
      MEMORY_GROWS_MB,
      'MB',
    ),
    atMost(`${what}: first request of a tenant ÷ the next, ${than}`, coldToWarm(many) / coldToWarm(few), GROWTH),
    atMost(
      `${what}: questions to the control plane per request, once another tenant was made`,
      many.askedAfterChange,
      ASKED,
    ),
    atMost(`${what}: numbering, per event ${than}`, perEvent(many) / perEvent(few), GROWTH),
  ]
}

const coldToWarm = ({ coldMs, warmMs }: TenantsResult) => coldMs / warmMs
const perEvent = ({ numberedMs, tenants }: TenantsResult) => numberedMs / tenants

/** Empty where it was not measured. */
export function tenantsSection(results: readonly TenantsResult[]): string {
  if (results.length === 0) return ''
  const idle = ({ perSecond, databaseMs }: TenantsResult['idle']) =>
    `${perSecond.toFixed(1)} / ${databaseMs.toFixed(1)}`
  return `## Many tenants that do nothing

Each number of tenants on a database of its own, with an API key and a log of one event for each tenant. *Idle*: statements and ms
of PostgreSQL in a second. Other times in ms. *Asked after a change*: questions
to the control plane for each request of the same tenants, right after another tenant and its key were made.

${table(
  [
    ...['Tenants', 'Start', 'MB', 'Idle', 'Idle, a webhook each', 'Retention', 'Overview', 'First request', 'Next'],
    ...['Asked after a change', 'New tenant to its first answer', 'An event of each numbered'],
  ],
  results.map((one) => [
    ...[shortNumber(one.tenants), one.startMs.toFixed(0), one.rssMb.toFixed(0), idle(one.idle)],
    ...[idle(one.idleWithWebhooks), one.retentionMs.toFixed(1), one.overviewMs.toFixed(1), one.coldMs.toFixed(1)],
    ...[one.warmMs.toFixed(1), one.askedAfterChange.toFixed(2), one.newTenantMs.toFixed(0), one.numberedMs.toFixed(0)],
  ]),
)}

`
}
