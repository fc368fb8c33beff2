import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { ROOT } from '../support/documents.ts'
import { findTool } from '../support/tools.ts'

const ALERTS = join(ROOT, 'deploy/prometheus/alerts.yml')
const promtool = findTool('promtool')
const without = promtool === undefined ? ' (skipped: there is no promtool, as in Debian’s package prometheus)' : ''

interface Rule {
  readonly alert: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

/**
 * What makes an alert fire. Series have a sample every `step` minutes, in the notation of promtool: `0+60x90` counts 60 more at
 * each of 90 samples.
 */
interface Case {
  readonly ill: Readonly<Record<string, string>>
  /** The same where all is well. */
  readonly well: Readonly<Record<string, string>>
  /** When it fires, and when it is not there yet: minutes from the first sample. */
  readonly at: readonly [firing: number, notYet: number]
  readonly labels?: Readonly<Record<string, string>>
  /** Minutes; 1 by default. */
  readonly step?: number
  /** How its summary ends for a reader. */
  readonly says: string
}

const DAY = 24 * 60
const on = { instance: 'one:9464' }
const requests = (status: string, values: string, route = '/scim/v2/:base/Users', method = 'GET') => ({
  [`rollcall_http_request_duration_seconds_count{instance="one:9464",method="${method}",route="${route}",status="${status}"}`]:
    values,
})
const seconds = (values: string) => ({
  'rollcall_http_request_duration_seconds_sum{instance="one:9464",method="GET",route="/scim/v2/:base/Users",status="2xx"}':
    values,
})
/** Buckets of which the last but one has `within` of all. */
const buckets = (metric: string, labels: string, le: string, within: string, all: string) => ({
  [`${metric}_bucket{instance="one:9464",${labels},le="${le}"}`]: within,
  [`${metric}_bucket{instance="one:9464",${labels},le="5"}`]: all,
  [`${metric}_bucket{instance="one:9464",${labels},le="+Inf"}`]: all,
})
const up = 'up{job="rollcall",instance="one:9464"}'
const scim = 'method="GET",route="/scim/v2/:base/Users",status="2xx"'

/** A gauge that is `ill` from the first sample on. */
const gauge = (series: string, ill: string, well: string, rest: Omit<Case, 'ill' | 'well'>): Case => ({
  ...{ ill: { [series]: `${ill}x90` }, well: { [series]: `${well}x90` } },
  ...rest,
})

const CASES: Readonly<Record<string, Case>> = {
  RollcallDown: gauge(up, '0', '1', {
    ...{ at: [1, 0], labels: { ...on, job: 'rollcall' }, says: 'Rollcall on one:9464 does not answer.' },
  }),
  RollcallFails: {
    ill: { ...requests('2xx', '0+90x90'), ...requests('5xx', '0+10x90') },
    // An instance that stops says so at /readyz, which is no fault.
    well: { ...requests('2xx', '0+90x90'), ...requests('5xx', '0+10x90', '/readyz') },
    ...{ at: [10, 3], labels: on, says: '10% of the requests to one:9464 fail on our side.' },
  },
  RollcallSlow: {
    ill: buckets('rollcall_http_request_duration_seconds', scim, '2.5', '0+90x90', '0+100x90'),
    well: buckets('rollcall_http_request_duration_seconds', scim, '0.5', '0+100x90', '0+100x90'),
    ...{ at: [15, 5], labels: on, says: 'takes more than 4.75s.' },
  },
  RollcallSlowerThanYesterday: {
    step: 10,
    ill: { ...requests('2xx', '0+600x288'), ...seconds('0+30x143 4320+90x144') },
    well: { ...requests('2xx', '0+600x288'), ...seconds('0+30x288') },
    at: [DAY + 90, DAY + 20],
    labels: { method: 'GET', route: '/scim/v2/:base/Users' },
    says: 'GET /scim/v2/:base/Users takes more than twice as long as a day ago.',
  },
  RollcallPoolFull: {
    ill: buckets('rollcall_database_wait_seconds', 'share="tenants"', '2.5', '0+0x90', '0+100x90'),
    // Work behind the requests may wait.
    well: buckets('rollcall_database_wait_seconds', 'share="background"', '2.5', '0+0x90', '0+100x90'),
    ...{ at: [10, 3], labels: on, says: 'Statements wait 4.875s and more for a connection on one:9464.' },
  },
  RollcallReplicasLeftAlone: gauge(
    'rollcall_replicas{instance="one:9464",state="left_alone"}',
    ...(['1', '0'] as const),
    { at: [15, 10], labels: { ...on, state: 'left_alone' }, says: 'its log says why.' },
  ),
  RollcallRefuses: {
    ill: { 'rollcall_requests_refused_total{instance="one:9464",reason="connections"}': '0+60x90' },
    // A tenant at its own limit is no fault of the instance.
    well: { 'rollcall_requests_refused_total{instance="one:9464",reason="tenant_rate"}': '0+60x90' },
    ...{ at: [10, 3], labels: { ...on, reason: 'connections' }, says: 'one:9464 refuses requests: connections.' },
  },
  RollcallMemoryForRequests: {
    ill: bytes('95'),
    well: bytes('10'),
    ...{ at: [5, 3], labels: on, says: 'hold nearly all the memory that they may on one:9464.' },
  },
  RollcallEventLoopLags: gauge('nodejs_eventloop_lag_p99_seconds{job="rollcall",instance="one:9464"}', '0.5', '0.02', {
    ...{
      at: [10, 5],
      labels: { ...on, job: 'rollcall' },
      says: 'lags by 500ms: it has more to do than one processor can.',
    },
  }),
  RollcallCacheTooSmall: {
    ill: { 'rollcall_context_cache_lookups_total{instance="one:9464",outcome="eviction"}': '0+120x90' },
    well: { 'rollcall_context_cache_lookups_total{instance="one:9464",outcome="eviction"}': '0+6x90' },
    ...{ at: [60, 20], labels: { ...on, outcome: 'eviction' }, says: 'than it can keep in memory.' },
  },
  RollcallBacklogUnknown: {
    ill: { [up]: '1x90' },
    well: { [up]: '1x90', 'rollcall_deliveries{instance="one:9464",state="due"}': '0x90' },
    ...{ at: [5, 3], says: 'the database takes too long for that, or does not answer.' },
  },
  RollcallDeliveryLate: gauge('rollcall_delivery_late_seconds{instance="one:9464"}', '90', '5', {
    ...{ at: [2, 1], says: 'has been due for 1m 30s.' },
  }),
  RollcallEventsWait: gauge('rollcall_events_unnumbered_age_seconds{instance="one:9464"}', '45', '1', {
    ...{ at: [2, 1], says: 'for 45s: no reader and no receiver sees them.' },
  }),
  RollcallWorkStandsStill: gauge(
    'rollcall_worker_standstill_seconds{instance="one:9464",worker="numbering"}',
    ...(['75', '1'] as const),
    { at: [1, 0], labels: { ...on, worker: 'numbering' }, says: 'numbering on one:9464 has not got on for 1m 15s.' },
  ),
  RollcallReceiversRefuse: gauge(
    'rollcall_delivery_receivers{instance="one:9464",kind="webhook",state="resting"}',
    ...(['2', '0'] as const),
    {
      ...{ at: [15, 10], labels: { kind: 'webhook', state: 'resting' } },
      says: '2 receivers (webhook) are resting, and events wait for them.',
    },
  ),
  RollcallDeliveriesDie: {
    ill: { 'rollcall_deliveries{instance="one:9464",state="dead"}': '3x70 5x90' },
    well: { 'rollcall_deliveries{instance="one:9464",state="dead"}': '3x160' },
    ...{ at: [72, 70], says: '5 are dead now.' },
  },
  RollcallLeaverBrakeHolds: gauge('rollcall_leaver_brake_holds{instance="one:9464"}', '1', '0', {
    ...{ at: [5, 3], says: 'look whether so many people really leave.' },
  }),
  RollcallDirectoriesSilent: {
    step: 10,
    ill: { 'rollcall_tenants_active{instance="one:9464",within="1h"}': '100x143 50x12' },
    well: { 'rollcall_tenants_active{instance="one:9464",within="1h"}': '100x143 80x12' },
    ...{ at: [DAY + 40, DAY + 10], says: 'far fewer than a day ago.' },
  },
  RollcallKeysExpire: gauge('rollcall_api_keys_expiring{instance="one:9464",within="7d"}', '2', '0', {
    ...{ at: [1, -1], says: '2 API keys expire within seven days.' },
  }),
}

function bytes(requests: string): Record<string, string> {
  return {
    'rollcall_request_bytes{instance="one:9464",of="requests"}': `${requests}x90`,
    'rollcall_request_bytes{instance="one:9464",of="limit"}': '100x90',
  }
}

const rules = (parse(readFileSync(ALERTS, 'utf8')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
)

/** What promtool says of a rule at a minute: `''` where `alerts` is what fires. */
function verdict(series: Case['ill'], step: number, rule: Rule, minute: number, alerts: readonly object[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-alerts-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'tests.yml')
  const input_series = Object.entries(series).map(([name, values]) => ({ series: name, values }))
  const expected = { eval_time: `${minute}m`, alertname: rule.alert, exp_alerts: alerts }
  const tests = [{ interval: `${step}m`, input_series, alert_rule_test: [expected] }]
  writeFileSync(file, stringify({ rule_files: [ALERTS], evaluation_interval: `${step}m`, tests }))
  const { status, stdout, stderr } = spawnSync(promtool ?? '', ['test', 'rules', file], { encoding: 'utf8' })
  return status === 0 ? '' : stdout + stderr
}

test('each alert has a case here', () => {
  expect(Object.keys(CASES).sort()).toEqual(rules.map(({ alert }) => alert).sort())
})

// Few machines have Prometheus. Where it is missing, the title says so.
describe.skipIf(promtool === undefined)(`Prometheus${without}`, () => {
  test.each(rules.map((rule) => [rule.alert, rule] as const))(
    'fires %s in time, in words that a reader understands, and not where all is well',
    (name, rule) => {
      const { ill, well, at, labels = {}, step = 1, says } = CASES[name] as Case
      const [firing, notYet] = at
      const fired = (summary: string) => [
        {
          exp_labels: { ...rule.labels, ...labels },
          exp_annotations: { summary, runbook: rule.annotations.runbook },
        },
      ]
      // promtool tells the summary that it found, which has to end as the case says.
      const told = verdict(ill, step, rule, firing, fired('?'))
      const summary = /got:[\s\S]*?summary="((?:[^"\\]|\\.)*)"/.exec(told)?.[1] ?? ''
      expect(summary, told).toMatch(/^[A-Z0-9].*\.$|^\w+ on \S+ has|^one:9464 /)
      expect(summary.endsWith(says), `${summary}\n${told}`).toBe(true)
      expect(verdict(ill, step, rule, firing, fired(summary))).toBe('')
      if (notYet >= 0) expect(verdict(ill, step, rule, notYet, [])).toBe('')
      expect(verdict(well, step, rule, firing, [])).toBe('')
    },
  )
})
