import { table } from '../markdown.ts'
import { median } from '../measure.ts'
import { atLeast, atMost, type Verdict } from '../verdict.ts'
import type { FreshResult, Rates } from './measure.ts'

const KINDS = ['creates', 'deactivations'] as const
type Kind = (typeof KINDS)[number]

/** The slowest stretch of so many thousands counts: the machine itself stumbles for single ones. */
const STRETCH = 5
const FLAT = 0.85
const FLAT_CPU = 1.15

/**
 * No stretch of the first sync is slower than what came before it by more than 15 %, or dearer to PostgreSQL. That the first thousands
 * are slower says that a gateway and a database have just started: nothing is compiled, planned or in memory yet.
 */
export const freshVerdicts = ({ users, engines }: FreshResult): Verdict[] =>
  engines.flatMap(({ name, rates }) =>
    KINDS.flatMap((kind) => {
      const what = `First sync to ${users.toLocaleString('en')} users, ${name}`
      const falls = stretchesOf(rates.map((one) => one[kind]))
      const verdict = atLeast(`${what}: slowest ${STRETCH} thousand ${kind} ÷ those before`, Math.min(...falls), FLAT)
      if (!hasCpu(rates)) return [verdict]
      const dearest = Math.max(...stretchesOf(rates.map(({ cpuUs }) => cpuUs?.[kind] ?? 0)))
      const cpu = `${what}: PostgreSQL's CPU of the dearest ${STRETCH} thousand ${kind} ÷ those before`
      return [verdict, atMost(cpu, dearest, FLAT_CPU)]
    }),
  )

/** The median of each `STRETCH` thousands in a row, ÷ the median of all before them; 1 where there are too few. */
export function stretchesOf(values: readonly number[]): number[] {
  const starts = Array.from({ length: Math.max(0, values.length - 2 * STRETCH + 1) }, (_, i) => i + STRETCH)
  const of = (i: number) => median(values.slice(i, i + STRETCH)) / median(values.slice(0, i))
  return starts.length === 0 ? [1] : starts.map(of)
}

const hasCpu = (rates: readonly Rates[]) => rates.every(({ cpuUs }) => cpuUs !== undefined)
const medianOf = (rates: readonly Rates[], kind: Kind) => median(rates.map((one) => one[kind]))

/** The part of the report about the first sync into an empty database; empty where it was not measured. */
export function freshSection(result: FreshResult | undefined): string {
  if (result === undefined) return ''
  const { users, engines } = result
  const [{ rates: first = [] } = {}] = engines
  return `## First sync into an empty database

${users.toLocaleString('en')} users, 8 connections, from a database that was never analysed; after each thousand users 200 of them are deactivated. Per
second, ÷ the median of the column, and CPU of all of PostgreSQL's processes in µs for each. PostgreSQL is one of its own, with its
defaults and autovacuum off.

${table(
  [
    'Users',
    ...engines.flatMap(({ name, rates }) =>
      KINDS.flatMap((kind) => [`${name}: ${kind}`, '÷ median', ...(hasCpu(rates) ? ['CPU'] : [])]),
    ),
  ],
  first.map(({ users: made }, i) => [
    made.toLocaleString('en'),
    ...engines.flatMap(({ rates }) =>
      KINDS.flatMap((kind) => {
        const rate = rates[i]?.[kind] ?? Number.NaN
        const cpu = hasCpu(rates) ? [rates[i]?.cpuUs?.[kind].toFixed(0) ?? ''] : []
        return [rate.toFixed(0), (rate / medianOf(rates, kind)).toFixed(2), ...cpu]
      }),
    ),
  ]),
)}

`
}
