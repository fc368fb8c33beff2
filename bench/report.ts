import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ratioChart } from './chart.ts'
import type { WriteCost } from './costs/measure.ts'
import { costsSection } from './costs/report.ts'
import type { FairResult } from './fair/measure.ts'
import { fairChart, fairSection } from './fair/report.ts'
import type { FlameResult } from './flame/measure.ts'
import type { FreshResult } from './fresh/measure.ts'
import { freshSection } from './fresh/report.ts'
import type { ImageSize } from './image-size.ts'
import { sideCells, table } from './markdown.ts'
import type { CaseResult } from './measure.ts'
import type { MemoryResult } from './memory.ts'
import type { Options } from './options.ts'
import type { Origin } from './origin.ts'
import type { Refusal } from './peers/client.ts'
import type { PeersResult } from './peers/measure.ts'
import { peersSection } from './peers/report.ts'
import { type RequestLogFindings, requestLogSection } from './request-log/cost.ts'
import { logRowsSection } from './request-log/report.ts'
import type { LogRowsResult } from './request-log/rows.ts'
import type { RuleResult } from './role-rules/measure.ts'
import { roleRulesSection } from './role-rules/report.ts'
import type { RoundTrips } from './round-trips.ts'
import type { StartResult } from './start-times.ts'
import { bareTarget, ratioTarget, verdicts } from './targets.ts'
import type { TenantsResult } from './tenants/measure.ts'
import { tenantsSection } from './tenants/report.ts'
import type { Verdict } from './verdict.ts'
import type { WebhooksResult } from './webhooks/measure.ts'
import { webhooksSection } from './webhooks/report.ts'
import type { Written } from './written.ts'

/** Everything that a run has found out. */
export interface Findings {
  readonly origin: Origin
  readonly seconds: number
  readonly options: Options
  readonly results: readonly CaseResult[]
  readonly roundTrips: readonly RoundTrips[]
  readonly memory: MemoryResult | undefined
  readonly start: StartResult | undefined
  readonly image: ImageSize | undefined
  readonly peers: PeersResult | Refusal | undefined
  readonly flames: readonly FlameResult[]
  readonly costs: readonly WriteCost[]
  readonly roleRules: readonly RuleResult[]
  readonly fresh: FreshResult | undefined
  readonly fair: readonly FairResult[]
  readonly tenants: readonly TenantsResult[]
  readonly written: readonly Written[]
  readonly webhooks: WebhooksResult | undefined
  readonly requestLog: RequestLogFindings | undefined
  readonly logRows: readonly LogRowsResult[]
  /** Parts that could not be measured. */
  readonly failed: readonly { readonly part: string; readonly why: string }[]
}

/** What is known before anything was measured. */
export const nothingYet = (origin: Origin, options: Options): Findings => ({
  ...{ origin, options, seconds: 0, results: [], roundTrips: [], costs: [], roleRules: [], written: [], flames: [] },
  ...{ fair: [], tenants: [], requestLog: undefined, logRows: [] },
  ...{
    failed: [],
    memory: undefined,
    start: undefined,
    image: undefined,
    fresh: undefined,
    peers: undefined,
    webhooks: undefined,
  },
})

/** Writes `report.md`, `report.json` and `ratios.svg` into `folder`, and gives the text of the report. */
export function writeReport(folder: string, findings: Findings): string {
  const judged = verdicts(findings)
  const text = markdown(findings, judged)
  const { gateway: _, results: _folder, ...options } = findings.options
  writeFileSync(join(folder, 'report.json'), `${JSON.stringify({ ...findings, options, verdicts: judged }, null, 2)}\n`)
  writeFileSync(join(folder, 'ratios.svg'), ratioChart(findings.results))
  if (findings.fair.length > 0) writeFileSync(join(folder, 'fair.svg'), fairChart(findings.fair))
  writeFileSync(join(folder, 'report.md'), text)
  return text
}

function markdown(
  { origin, seconds, options, results, costs, roleRules, fresh, failed, ...findings }: Findings,
  judged: readonly Verdict[],
): string {
  const missed = judged.filter(({ reached }) => !reached).length
  return `# Benchmark

\`${origin.command}\`, ${origin.date}, ${seconds} s in all. ${options.rounds} interleaved rounds, windows of ${options.windowMs} ms.

Machine: ${origin.machine}. ${Object.entries(origin.versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ')}. PostgreSQL with fsync on, on the same machine.

*÷ same rows*: requests per second of the gateway ÷ those of a server that writes or reads the same rows and indexes in one
statement; median of the rounds. *÷ bare*: ÷ those of the same server where it writes one row with its primary key, a unique name and
two look-ups, and one event row, or of a member the group's version, a row and an event row. *CPU ratio*: CPU time per request for the same rows ÷ the gateway's, PostgreSQL included. Requests
per second and times say as much about the machine and its neighbours as about the program; ratios say less about them.

![Ratios](ratios.svg)

## Targets: ${judged.length - missed} reached, ${missed} missed

${table(
  ['Target', 'Wanted', 'Measured', ''],
  judged.map(({ what, target, measured, reached }) => [what, target, measured, reached ? 'reached' : '**missed**']),
)}
${failed.map(({ part, why }) => `\n${part} could not be measured: ${why}\n`).join('')}
## Workloads

CPU in µs per request: server + PostgreSQL. Times in ms, p50 / p99. \`c\`: connections.

${table(
  [
    'Workload',
    'Case',
    'c',
    '÷ same rows',
    'Lowest–highest',
    '÷ bare',
    'CPU ratio',
    'Gateway /s',
    'p50 / p99',
    'CPU',
    'MB',
    'Same rows /s',
    'p50 / p99',
    'CPU',
    'MB',
    'Bare /s',
    'p50 / p99',
    'CPU',
  ],
  results.map((result) => [
    ...[result.title, result.name, String(result.connections)],
    ...[ratioCell(result.ratio, ratioTarget(result)), span(result.ratios)],
    result.bareRatio === undefined ? '' : ratioCell(result.bareRatio, bareTarget(result)),
    ...[result.cpuRatio.toFixed(2), ...sideCells(result.ours), ...sideCells(result.ceiling)],
    // It is the same process as the ceiling of the same rows, with the same memory.
    ...(result.bare === undefined ? ['', '', ''] : sideCells(result.bare).slice(0, 3)),
  ]),
)}

${costsSection(costs)}${roleRulesSection(roleRules)}${freshSection(fresh)}${fairSection(findings.fair)}${tenantsSection(findings.tenants)}${imageSection(findings.image)}${writtenSection(findings.written)}${roundTripsSection(findings.roundTrips)}${webhooksSection(findings.webhooks)}${requestLogSection(findings.requestLog)}${logRowsSection(findings.logRows)}${peersSection(findings.peers)}
${findings.flames.map(flameSection).join('\n')}`
}

/** Empty where they were not counted. */
function roundTripsSection(roundTrips: readonly RoundTrips[]): string {
  if (roundTrips.length === 0) return ''
  return `## Round trips to PostgreSQL

Counted between the gateway's driver and PostgreSQL for one request after the other, once every connection has prepared its
statements; the lowest of some. What the gateway asks for itself now and then, such as whether control data has changed, is not in them.

${table(
  ['Workload', 'Round trips'],
  roundTrips.map(({ title, case: name, perRequest }) => [`${title}, ${name}`, String(perRequest)]),
)}

`
}

/** Empty where it was not measured. */
function imageSection(image: ImageSize | undefined): string {
  if (image === undefined) return ''
  return `## The image

Beside its base it has ${image.filesMb.toFixed(0)} MB of files, which are ${image.compressedMb.toFixed(0)} MB where layers travel.

`
}

/** Empty where it was not measured. */
function writtenSection(written: readonly Written[]): string {
  if (written.length === 0) return ''
  const each = written.map(({ case: name, bytes }) => `${name}: ${(bytes / 1_024).toFixed(1)} KB`)
  return `## What a replacement of a whole list of members writes

PostgreSQL's log of changes grows by so much with one request that sends the list: ${each.join('; ')}.

`
}

/** Where the time goes, in words and as a picture. */
function flameSection({ title, case: size, file, owners, functions }: FlameResult): string {
  const list = (items: FlameResult['owners'], n: number) =>
    items
      .slice(0, n)
      .map(({ what, share }) => `${what} ${(share * 100).toFixed(0)} %`)
      .join(', ')
  return `## Where the gateway's time goes: ${title}, ${size} users

Rollcall's own code takes ${list(owners.filter(isOurs), 1).replace('Rollcall ', '') || '0 %'} of it; ${list(
    owners.filter((one) => !isOurs(one)),
    7,
  )} take the rest. By function,
without what it calls: ${list(functions, 10)}.

![Flame graph](${file})
`
}

const isOurs = ({ what }: FlameResult['owners'][number]) => what === 'Rollcall'

const ratioCell = (ratio: number, target: number | undefined): string =>
  target !== undefined && ratio < target ? `**${ratio.toFixed(2)}**` : ratio.toFixed(2)

const span = (ratios: readonly number[]) => `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`
