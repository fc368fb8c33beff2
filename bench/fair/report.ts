import { escaped } from '../chart.ts'
import { table } from '../markdown.ts'
import { atMost, type Verdict } from '../verdict.ts'
import { shortNumber } from '../workloads/workload.ts'
import type { BesideResult, FairResult } from './measure.ts'
import type { Engine } from './world.ts'

/** The p99 of the quiet beside a loud tenant: so many times its own alone, or so many ms where that is more. */
const [TIMES, LEAST_MS] = [4, 60]

const ON: Readonly<Record<Engine, string>> = { postgres: 'PostgreSQL', embedded: 'the embedded engine' }

/** What the p99 beside a load may be. */
export const fairTarget = ({ alone }: FairResult): number => Math.max(TIMES * alone.p99, LEAST_MS)

/** Whom a load has hurt, in words; empty for nobody. */
export function unfairness({ refused, wrong }: Pick<BesideResult, 'refused' | 'wrong'>): string {
  const hurt = Object.entries(refused).map(([said, times]) => `quiet ${said}: ${times}`)
  return [...hurt, ...wrong.map((said) => `loud ${said}`)].join(', ')
}

export const fairVerdicts = (results: readonly FairResult[]): Verdict[] =>
  results.flatMap((result) =>
    result.beside.flatMap((one) => {
      const what = `Quiet tenants on ${ON[result.engine]}, beside ${one.title}`
      const wrong = unfairness(one)
      return [
        atMost(`${what}: p99`, one.p99, fairTarget(result), 'ms'),
        ...(wrong === '' ? [] : [{ what, target: 'right answers alone', measured: wrong, reached: false }]),
      ]
    }),
  )

/** Empty where it was not measured. */
export function fairSection(results: readonly FairResult[]): string {
  if (results.length === 0) return ''
  const of = (result: FairResult) => `### On ${ON[result.engine]}

A loud tenant of ${shortNumber(result.users)} users. Alone: ${result.alone.p50.toFixed(1)} / ${result.alone.p99.toFixed(1)} ms (${result.alone.requests} requests).

${table(
  ['Beside', 'p50 / p99 of the quiet', '÷ alone', 'Longest `/livez`', 'MB', 'The loud one is answered', 'Wrong'],
  result.beside.map((one) => [
    ...[one.title, times(one, fairTarget(result)), (one.p99 / result.alone.p99).toFixed(1)],
    ...[`${one.longestLivez.toFixed(0)}`, one.rssMb.toFixed(0), answersIn(one), unfairness(one)],
  ]),
)}
`
  return `## Fair: quiet tenants beside a loud one

Four tenants send five requests a second each, reads and some writes, and are timed from the moment when each request was due. Beside
them one tenant, from another process, asks for as much as it can. Times in ms. A p99 in bold is more than ${TIMES} times that alone, and more
than ${LEAST_MS} ms.

![p99 of the quiet tenants](fair.svg)

${results.map(of).join('\n')}
`
}

const times = ({ p50, p99 }: BesideResult, most: number) => {
  const text = `${p50.toFixed(1)} / ${p99.toFixed(1)}`
  return p99 > most ? `**${text}**` : text
}

const answersIn = ({ answers }: BesideResult) =>
  Object.entries(answers)
    .map(([said, count]) => `${said}: ${shortNumber(count)}`)
    .join(', ')

const ROW = 18
const [LEFT, WIDTH, TOP] = [330, 900, 48]
/** The scale is logarithmic, from the one to the other, in ms. */
const [LEAST, MOST] = [1, 60_000]

/** An SVG chart: a bar for the p99 beside each load, and a line at the target. */
export function fairChart(results: readonly FairResult[]): string {
  const x = (ms: number) =>
    LEFT + (Math.log(Math.min(Math.max(ms, LEAST), MOST) / LEAST) / Math.log(MOST / LEAST)) * (WIDTH - LEFT - 70)
  let y = TOP
  const row = (name: string, ms: number, colour: string, target: number) => {
    const at = y
    y += ROW
    return `<text x="${LEFT - 8}" y="${at + 11}" text-anchor="end">${escaped(name)}</text>
<rect x="${LEFT}" y="${at + 1}" width="${(x(ms) - LEFT).toFixed(1)}" height="${ROW - 6}" fill="${colour}"/>
<path d="M${x(target).toFixed(1)} ${at}v${ROW - 4}" stroke="#1b1f24" stroke-width="2"/>
<text x="${(x(Math.max(ms, target)) + 6).toFixed(1)}" y="${at + 11}">${ms.toFixed(0)} ms</text>`
  }
  const rows = results.map((result) => {
    const target = fairTarget(result)
    const head = `<text x="${LEFT}" y="${y + 11}" font-weight="600">${escaped(ON[result.engine])}</text>`
    y += ROW
    const bars = [
      row('alone', result.alone.p99, '#8a94a6', target),
      ...result.beside.map(({ title, p99 }) =>
        row(title.replaceAll('`', ''), p99, p99 > target ? '#c8553d' : '#2f8f5b', target),
      ),
    ]
    y += ROW / 2
    return [head, ...bars].join('\n')
  })
  const height = y + 8
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img"
  aria-label="p99 of quiet tenants beside each load of a loud one">
<style>text{font:12px system-ui,sans-serif;fill:#1b1f24}</style>
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="${LEFT}" y="18">p99 of quiet tenants beside a loud one, ms on a logarithmic scale; tick: target</text>
${rows.join('\n')}
</svg>
`
}
