import { table } from '../markdown.ts'
import { atMost, type Verdict } from '../verdict.ts'
import { SIDES } from '../world.ts'
import type { Cost, WriteCost } from './measure.ts'

/** Bytes of log of a write at the most, without images of whole pages. */
const BYTES: Readonly<Record<string, number>> = {
  create: 5_000,
  deactivate: 2_000,
  patch: 3_500,
  put: 3_500,
  member: 1_500,
  bulk: 5_000,
}
/** PostgreSQL's CPU time for a write, to that for the bare one, at the most. */
const CPU = 2
const NO_CPU_TARGET: readonly string[] = ['bulk']

/** What is promised of the work of a write, without the provisioning log. */
export const costVerdicts = (costs: readonly WriteCost[]): Verdict[] =>
  costs.flatMap(({ workload, title, case: name, sides: { ours, bare } }) => {
    const most = BYTES[workload]
    if (ours === undefined || most === undefined) return []
    const what = `${title}, ${name}`
    return [
      atMost(`${what}: bytes of log`, changesOf(ours) / 1_000, most / 1_000, 'kB'),
      ...(bare === undefined || NO_CPU_TARGET.includes(workload)
        ? []
        : [atMost(`${what}: PostgreSQL's CPU ÷ bare`, ours.cpuUs / bare.cpuUs, CPU)]),
    ]
  })

/** Bytes that say what has changed: all but images of pages, whose number is a matter of how long ago the checkpoint was. */
const changesOf = ({ bytes, imageBytes = 0 }: Cost): number => bytes - imageBytes

/** The part of the report about what a write costs PostgreSQL; empty where it was not measured. */
export function costsSection(costs: readonly WriteCost[]): string {
  if (costs.length === 0) return ''
  const bytes = (cost: Cost | undefined) =>
    cost === undefined
      ? ''
      : `${kB(changesOf(cost))}${cost.imageBytes === undefined ? '' : ` + ${kB(cost.imageBytes)}`}`
  return `## What a write costs PostgreSQL

kB (1,000 bytes) of write-ahead log for each write: what has changed + images of whole pages, which PostgreSQL writes with the first
change of a page after a checkpoint; targets are about the former. CPU of all of PostgreSQL's processes in µs. Both with what the
gateway does behind the answer, such as numbering events: a window ends when nothing is written any more. The gateway numbers the
events of the ceiling of the same rows too. Autovacuum is off meanwhile. Of a bulk, for each of its users. The gateway's provisioning
log is off in all columns but the one that says what it adds: the gateway writes all of it at up to 500 requests a second, and less
of it while it is overloaded.

${table(
  [
    'Write',
    'Case',
    ...SIDES.map((side) => `kB ${NAMES[side]}`),
    'kB of the provisioning log',
    ...SIDES.map((side) => `CPU ${NAMES[side]}`),
    'CPU ÷ bare',
  ],
  costs.map(({ title, case: name, sides }) => [
    ...[
      title,
      name,
      ...SIDES.map((side) => bytes(sides[side])),
      sides.logged && sides.ours ? kB(changesOf(sides.logged) - changesOf(sides.ours)) : '',
      ...SIDES.map((side) => sides[side]?.cpuUs.toFixed(0) ?? ''),
    ],
    sides.ours && sides.bare ? (sides.ours.cpuUs / sides.bare.cpuUs).toFixed(2) : '',
  ]),
)}

`
}

const NAMES = { ours: 'gateway', ceiling: 'same rows', bare: 'bare' } as const
const kB = (bytes: number) => (bytes / 1_000).toFixed(2)
