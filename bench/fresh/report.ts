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

/** No stretch of the first sync is slower than the whole of it by more than 15 %, or dearer to PostgreSQL. */
export const freshVerdicts = ({ users, engines }: FreshResult): Verdict[] =>
  engines.flatMap(({ name, rates }) =>
    KINDS.flatMap((kind) => {
      const what = `First sync to ${users.toLocaleString('en')} users, ${name}`
      const slowest = slowestStretch(rates, kind) / medianOf(rates, kind)
      const verdict = atLeast(`${what}: slowest ${STRETCH} thousand ${kind} ÷ median`, slowest, FLAT)
      const costs = rates.map(({ cpuUs }) => cpuUs?.[kind] ?? 0)
      if (!hasCpu(rates)) return [verdict]
      const dearest = Math.max(...stretchesOf(costs)) / median(costs)
      return [
        verdict,
        atMost(`${what}: PostgreSQL's CPU of the dearest ${STRETCH} thousand ${kind} ÷ median`, dearest, FLAT_CPU),
      ]
    }),
  )

/** The lowest of the medians of `STRETCH` thousands in a row. */
export const slowestStretch = (rates: readonly Rates[], kind: Kind): number =>
  Math.min(...stretchesOf(rates.map((one) => one[kind])))

/** The median of each `STRETCH` thousands in a row. */
function stretchesOf(values: readonly number[]): number[] {
  const length = Math.min(STRETCH, values.length)
  return Array.from({ length: values.length - length + 1 }, (_, i) => median(values.slice(i, i + length)))
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
