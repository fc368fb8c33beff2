import { table } from '../markdown.ts'
import { atMost, type Verdict } from '../verdict.ts'
import { shortNumber } from '../workloads/workload.ts'
import type { Asked, LogRowsResult } from './rows.ts'

/** The first page of the longest log against that of the shortest; times of single milliseconds scatter. */
const FIRST_PAGE = 1.5
/** Any question to the longest log, once its pages are in memory. */
const ANY_MS = 25

const STATES = [
  ['neverAnalysed', 'never analysed'],
  ['analysed', 'analysed'],
] as const

/** The first page is as fast as in a short log, and nothing else is slow. */
export function logRowsVerdicts(results: readonly LogRowsResult[]): Verdict[] {
  const [few, many] = [results[0], results.at(-1)]
  if (few === undefined || many === undefined || few === many) return []
  return STATES.flatMap(([state, words]) => {
    const what = `A log of ${shortNumber(many.rows)} requests, ${words}`
    const [first] = many[state]
    const slowest = many[state].toSorted((a, b) => b.warmMs - a.warmMs)[0]
    if (first === undefined || slowest === undefined) return []
    const than = few[state][0]?.warmMs ?? 0
    return [
      atMost(`${what}: first page ÷ with ${shortNumber(few.rows)}`, first.warmMs / than, FIRST_PAGE),
      atMost(`${what}: the slowest question (${slowest.what})`, slowest.warmMs, ANY_MS, 'ms'),
    ]
  })
}

/** Empty where it was not measured. */
export function logRowsSection(results: readonly LogRowsResult[]): string {
  if (results.length === 0) return ''
  const [first] = results
  const sizes = results.map(({ rows, gigabytes }) => `${shortNumber(rows)} (${gigabytes.toFixed(1)} GB)`)
  const cells = ({ coldMs, warmMs, buffers }: Asked) => `${warmMs.toFixed(1)} / ${coldMs.toFixed(1)} / ${buffers}`
  return `## How long it takes to find requests in the provisioning log

Half of all requests are of the tenant that is asked, the others of up to 199 tenants, in the order of time. Milliseconds warm, the median
of several, and cold, the first after PostgreSQL has started; then how many pages of 8 KB PostgreSQL looks at. *Never analysed*: by a
server without statistics, which has not vacuumed either. Logs of ${sizes.join(' and ')} requests.

${table(
  ['What', ...STATES.flatMap(([, words]) => results.map(({ rows }) => `${shortNumber(rows)}, ${words}`))],
  (first?.analysed ?? []).map(({ what }, i) => [
    what,
    ...STATES.flatMap(([state]) => results.map((result) => cells(result[state][i] as Asked))),
  ]),
)}

`
}
