import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { table } from './markdown.ts'
import type { CaseResult } from './measure.ts'
import { bestOf } from './peers/report.ts'
import type { Findings } from './report.ts'
import { growthOf } from './targets.ts'
import type { Verdict } from './verdict.ts'

const PAGE = fileURLToPath(new URL('../docs/performance.md', import.meta.url))
const README = fileURLToPath(new URL('../README.md', import.meta.url))
const REPORT = fileURLToPath(new URL('results/report.json', import.meta.url))
const [BEGIN, END] = ['<!-- from bench/results/report.json -->', '<!-- end of the report -->']

const NO_REPORT = '`npm run bench` measures; there is no report yet.'

/** What `docs/performance.md` shows of a whole run. */
export type Told = Pick<Findings, 'origin' | 'results' | 'memory' | 'start' | 'peers'> & {
  readonly verdicts?: readonly Verdict[]
}

/** The rows of the page's table: a workload, the case of it that is shown, the case that growth starts from, the case of the peers. */
const ROWS: readonly (readonly [workload: string, shown: string, from: string, peers: string])[] = [
  ['read', '1M', '1k', 'users'],
  ['look-up-userName', '1M', '1k', 'users'],
  ['look-up-work-email', '1M', '1k', 'users'],
  ['look-up-title', '1M', '1k', ''],
  ['create', '1M', '1k', 'users'],
  ['deactivate', '1M', '1k', 'users'],
  ['patch', '1M', '1k', ''],
  ['put', '1M', '1k', ''],
  ['member', '100k', '100', ''],
  ['member', '10k', '100', '10k'],
  ['page-by-index', '1M first', '1k first', 'users'],
  ['page-by-cursor', '1M last', '1M first', ''],
  ['group', '10k', '', '10k'],
  ['group-without-members', '100k', '', ''],
]

/** The workloads that the README tells of, and in which words. */
const IN_README: Readonly<Record<string, string>> = {
  read: 'reads',
  'look-up-userName': 'look-ups',
  create: 'creates',
  deactivate: 'deactivations',
}

/** The numbers of a report, for the page. Without a report the text says how to get one. */
export function performanceSection(told: Told | undefined): string {
  if (told === undefined) return NO_REPORT
  const { origin, memory, start, verdicts = [] } = told
  const missed = verdicts.filter(({ reached }) => !reached)
  const { Node, PostgreSQL } = origin.versions
  const mb = (n: number | undefined) => `${n?.toFixed(0) ?? '?'} MB`
  const s = (ms: number | undefined) => `${((ms ?? 0) / 1_000).toFixed(2)} s`
  return `Measured by \`${origin.command}\` on ${origin.machine}.
Node is ${Node}, PostgreSQL ${PostgreSQL} with fsync on. Gateway, database and load generator share the machine.

${table(['Workload', 'Size', 'Requests/s', 'p50 / p99 ms', '÷ same rows', '÷ bare', '÷ best npm peer', 'Growth'], rowsOf(told))}

Memory is ${mb(memory?.idleMb)} idle and ${mb(memory?.underLoadMb)} under load. The time from start to first answer is ${s(start?.postgresMs)} on PostgreSQL, ${s(start?.existingFolderMs)} on
an embedded folder and ${s(start?.newFolderMs)} on a new one. The run reaches ${verdicts.length - missed.length} of ${verdicts.length} targets.`
}

/** A few numbers of a report, in words: requests per second, and how many times as many as the quickest peer makes. */
export function readmeSection(told: Told | undefined): string {
  if (told === undefined) return NO_REPORT
  const rows = Object.entries(IN_README).flatMap(([workload, words]) =>
    rowsOf(told, [workload]).map(([, , perSecond, , , , times]) => ({ rate: `${perSecond} ${words}`, times })),
  )
  const { peers } = told
  const [rates, times] = [rows.map(({ rate }) => rate), rows.map((row) => row.times ?? '')]
  const compared =
    peers === undefined || 'cannot' in peers
      ? ''
      : ` With ${peers.users.toLocaleString('en')}: ${listed(times)} times the quickest npm peer.`
  return `A second, with a million users, PostgreSQL and clients on the same two cores:
${listed(rates)}.${compared}`
}

const listed = (texts: readonly string[]): string => `${texts.slice(0, -1).join(', ')} and ${texts.at(-1) ?? ''}`

function rowsOf({ results, peers }: Told, workloads?: readonly string[]): string[][] {
  const find = (workload: string, name: string) => results.find((one) => one.workload === workload && one.name === name)
  return ROWS.flatMap(([workload, shown, from, peersCase]) => {
    const one = find(workload, shown)
    if (one === undefined || workloads?.includes(workload) === false) return []
    const others = peers === undefined || 'cannot' in peers ? [] : peers.cases
    const compared = others.find((other) => other.workload === workload && other.name === peersCase)
    const best = compared && bestOf(compared, others)
    return [cells(one, find(workload, from), best?.ratio)]
  })
}

function cells(one: CaseResult, smallest: CaseResult | undefined, timesBest: number | undefined): string[] {
  const { perSecond, p50, p99 } = one.ours
  return [
    ...[one.title, one.name, perSecond.toFixed(perSecond < 100 ? 1 : 0), `${p50.toFixed(2)} / ${p99.toFixed(2)}`],
    ...[
      one.ratio.toFixed(2),
      one.bareRatio?.toFixed(2) ?? '',
      timesBest === undefined ? '' : timesBest.toFixed(timesBest < 10 ? 1 : 0),
    ],
    smallest === undefined ? '' : growthOf(one, smallest).toFixed(2),
  ]
}

/** The text of the page with `section` between its two marks. @throws if the page has no marks */
export function withSection(page: string, section: string): string {
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (from < 0 || to < from) throw new Error(`the page has no "${BEGIN}" followed by "${END}"`)
  return `${page.slice(0, from)}${BEGIN}\n\n${section}\n\n${page.slice(to)}`
}

/** Puts the numbers of the report in `bench/results` into `docs/performance.md` and the README. */
export function putIntoPages(): void {
  const told = committedReport()
  writeFileSync(PAGE, withSection(readFileSync(PAGE, 'utf8'), performanceSection(told)))
  writeFileSync(README, withSection(readFileSync(README, 'utf8'), readmeSection(told)))
}

/** The report in `bench/results`. */
export const committedReport = (): Told | undefined =>
  existsSync(REPORT) ? (JSON.parse(readFileSync(REPORT, 'utf8')) as Told) : undefined

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) putIntoPages()
