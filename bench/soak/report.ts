import { table } from '../markdown.ts'
import type { Origin } from '../origin.ts'
import { atMost, type Verdict } from '../verdict.ts'

/** What the soak has found of one tenant. */
export interface TenantFindings {
  readonly name: string
  readonly requests: number
  readonly acknowledged: number
  readonly p50: number
  readonly p99: number
  readonly refused: number
  readonly unanswered: number
  readonly lost: readonly string[]
  readonly wrong: readonly string[]
}

/** A fault, when it came, and how long the slowest tenant then had no answer. */
export interface FaultFindings {
  readonly title: string
  readonly atSeconds: number
  readonly tookMs: number
  readonly longestSilenceMs: number
}

/** Memory of an instance at a moment, once it was warm. */
export interface MemorySample {
  readonly atSeconds: number
  readonly mb: number
}

export interface SoakFindings {
  readonly origin: Origin
  readonly minutes: number
  readonly tenants: readonly TenantFindings[]
  readonly faults: readonly FaultFindings[]
  readonly memory: readonly MemorySample[]
  /** Events that were not delivered in the end, and what does not fit together in the database. */
  readonly undelivered: number
  readonly inconsistent: readonly string[]
}

/** How far memory may move from the one part of the time to the other, after a quarter for warming up. */
const FLAT = 0.1

/** Median memory of the last third ÷ that of the second third; undefined where too little is known. */
export function memoryGrowth(memory: readonly MemorySample[]): number | undefined {
  const ordered = [...memory].sort((a, b) => a.atSeconds - b.atSeconds)
  const third = Math.floor(ordered.length / 3)
  const median = (samples: readonly MemorySample[]) =>
    samples.map(({ mb }) => mb).sort((a, b) => a - b)[Math.floor(samples.length / 2)]
  const [before, after] = [median(ordered.slice(third, 2 * third)), median(ordered.slice(2 * third))]
  return third < 3 || before === undefined || after === undefined ? undefined : after / before
}

export function soakVerdicts({ tenants, memory, undelivered, inconsistent }: SoakFindings): Verdict[] {
  const none = (what: string, found: readonly string[]): Verdict => ({
    ...{ what, target: 'none', measured: String(found.length), reached: found.length === 0 },
  })
  const growth = memoryGrowth(memory)
  return [
    none(
      'Acknowledged writes that were lost',
      tenants.flatMap(({ lost }) => lost),
    ),
    none(
      'Answers with data of another tenant, or that nobody should get',
      tenants.flatMap(({ wrong }) => wrong),
    ),
    none('What does not fit together in the database', inconsistent),
    { ...atMost('Events that were not delivered in the end', undelivered, 0) },
    ...(growth === undefined
      ? []
      : [atMost('Memory: last third ÷ second third, distance from 1', Math.abs(growth - 1), FLAT)]),
  ]
}

/** The report in Markdown. */
export function soakReport(findings: SoakFindings): string {
  const { origin, minutes, tenants, faults, memory } = findings
  const judged = soakVerdicts(findings)
  const found = [...tenants.flatMap(({ lost, wrong }) => [...lost, ...wrong]), ...findings.inconsistent]
  const growth = memoryGrowth(memory)
  return `# Soak

\`${origin.command}\`, ${origin.date}: ${minutes} minutes, ${tenants.length} tenants on two instances on PostgreSQL, a fault a minute.

Machine: ${origin.machine}.

${table(
  ['Target', 'Wanted', 'Measured', ''],
  judged.map(({ what, target, measured, reached }) => [what, target, measured, reached ? 'reached' : '**missed**']),
)}

## By tenant

Times in ms, of all requests with a clear answer, those during faults among them. *Refused*: 429 and 503. *Unanswered*: the connection was lost.

${table(
  ['Tenant', 'Requests', 'Writes acknowledged', 'p50', 'p99', 'Refused', 'Unanswered'],
  tenants.map((one) => [
    ...[one.name, String(one.requests), String(one.acknowledged), one.p50.toFixed(1), one.p99.toFixed(1)],
    ...[String(one.refused), String(one.unanswered)],
  ]),
)}

## Faults

*Longest silence*: from one clear answer to the next, of the tenant that waited longest, in the minute of the fault.

${table(
  ['At', 'Fault', 'It took', 'Longest silence'],
  faults.map(({ title, atSeconds, tookMs, longestSilenceMs }) => [
    ...[`${Math.floor(atSeconds / 60)}:${String(Math.floor(atSeconds % 60)).padStart(2, '0')}`, title],
    ...[`${(tookMs / 1_000).toFixed(1)} s`, `${(longestSilenceMs / 1_000).toFixed(1)} s`],
  ]),
)}

## Memory

Of instances that have run for a minute: ${memory.length} samples${
    growth === undefined ? '' : `, the last third ÷ the second third ${growth.toFixed(2)}`
  }. Highest ${Math.max(0, ...memory.map(({ mb }) => mb)).toFixed(0)} MB.
${
  found.length === 0
    ? ''
    : `\n## What went wrong\n\n${found
        .slice(0, 50)
        .map((one) => `- ${one}`)
        .join('\n')}\n`
}`
}
