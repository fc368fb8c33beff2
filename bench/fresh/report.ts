import { table } from '../markdown.ts'
import { median } from '../measure.ts'
import { atLeast, type Verdict } from '../verdict.ts'
import type { FreshResult, Rates } from './measure.ts'

const KINDS = ['creates', 'deactivations'] as const
type Kind = (typeof KINDS)[number]

/** The slowest stretch of so many thousands counts: the machine itself stumbles for single ones. */
const STRETCH = 5
const FLAT = 0.85

/** No stretch of the first sync is slower than the whole of it by more than 15 %. */
export const freshVerdicts = ({ users, engines }: FreshResult): Verdict[] =>
  engines.flatMap(({ name, rates }) =>
    KINDS.map((kind) => {
      const what = `First sync to ${users.toLocaleString('en')} users, ${name}: slowest ${STRETCH} thousand ${kind} ÷ median`
      return atLeast(what, slowestStretch(rates, kind) / medianOf(rates, kind), FLAT)
    }),
  )

/** The lowest of the medians of `STRETCH` thousands in a row. */
export function slowestStretch(rates: readonly Rates[], kind: Kind): number {
  const length = Math.min(STRETCH, rates.length)
  const stretches = Array.from({ length: rates.length - length + 1 }, (_, i) => rates.slice(i, i + length))
  return Math.min(...stretches.map((stretch) => medianOf(stretch, kind)))
}

const medianOf = (rates: readonly Rates[], kind: Kind) => median(rates.map((one) => one[kind]))

/** The part of the report about the first sync into an empty database; empty where it was not measured. */
export function freshSection(result: FreshResult | undefined): string {
  if (result === undefined) return ''
  const { users, engines } = result
  const [{ rates: first = [] } = {}] = engines
  return `## First sync into an empty database

${users.toLocaleString('en')} users, 8 connections, from a database that was never analysed; after each thousand users 200 of them are deactivated. Per
second, and ÷ the median of the column. PostgreSQL is one of its own, with its defaults and autovacuum off.

${table(
  ['Users', ...engines.flatMap(({ name }) => KINDS.flatMap((kind) => [`${name}: ${kind}`, '÷ median']))],
  first.map(({ users: made }, i) => [
    made.toLocaleString('en'),
    ...engines.flatMap(({ rates }) =>
      KINDS.flatMap((kind) => {
        const rate = rates[i]?.[kind] ?? Number.NaN
        return [rate.toFixed(0), (rate / medianOf(rates, kind)).toFixed(2)]
      }),
    ),
  ]),
)}

`
}
