import { sideCells, table } from '../markdown.ts'
import type { SideResult } from '../measure.ts'
import { atLeast, type Verdict } from '../verdict.ts'
import type { Refusal } from './client.ts'
import type { PeerCaseResult, PeerSide, PeersResult } from './measure.ts'

/** Requests per second, ours to those of the best server that can do it, at the least. */
const RATIOS: readonly (readonly [workload: string, name: string, least: number])[] = [
  ['read', 'users', 2.5],
  ['look-up-userName', 'users', 5],
  ['look-up-externalId', 'users', 5],
  ['look-up-work-email', 'users', 5],
  ['create', 'users', 4],
  ['deactivate', 'users', 4],
  ['member', '10k', 500],
  ['page-by-index', 'users', 6],
  ['group', '10k', 8],
  ['group-without-members', '10k', 500],
]

/** What is promised against others, for all that was measured. */
export function peerVerdicts({ cases }: PeersResult): Verdict[] {
  return RATIOS.flatMap(([workload, name, least]) => {
    const one = cases.find((c) => c.workload === workload && c.name === name)
    const best = one && bestOf(one, cases)
    return best === undefined
      ? []
      : [atLeast(`${one?.title}, ${name}: ÷ ${best.name}, the quickest that can`, best.ratio, least)]
  })
}

/** The quickest of the others; of groups, among those that show their members at all. */
export function bestOf(
  one: PeerCaseResult,
  cases: readonly PeerCaseResult[],
): { name: string; ratio: number } | undefined {
  const shown = cases.find((c) => c.workload === 'group' && c.name === one.name)
  const able = Object.entries(one.sides).flatMap(([name, side]) =>
    name === OURS || 'cannot' in side || (shown?.sides[name] && 'cannot' in shown.sides[name])
      ? []
      : [{ name, ratio: side.ratio }],
  )
  return able.sort((a, b) => a.ratio - b.ratio)[0]
}

const OURS = 'gateway'

/** The part of the report about other servers; `undefined` where they were not measured. */
export function peersSection(result: PeersResult | Refusal | undefined): string {
  if (result === undefined) return '## Other servers\n\nLeft out of this run; `--peers` adds them.\n'
  if ('cannot' in result) return `## Other servers\n\nNot installed: ${plain(result.cannot)}\n`
  const { users, servers, left, cases, once } = result
  const names = servers.map(({ name }) => name)
  return `## Other servers

The same requests, sent to servers of npm that one could take instead, each set up as its documentation says, on the same
PostgreSQL with fsync on, and in turns with the gateway in every round. Each was filled through its own interface with ${users.toLocaleString('en')}
users and the groups below. × says how many times more requests per second the gateway
answered, and behind the CPU how many times more of it the other took for one; the generator takes its share of the cores, too.

${table(
  ['Server', 'Users created per second while filling, 16 connections'],
  servers.map(({ name, title, usersPerSecond }) => [
    name === OURS ? title : `${name}: ${title}`,
    usersPerSecond.toFixed(0),
  ]),
)}
${left.map(({ title, cannot }) => `\n${title} could not be set up: ${plain(cannot)}\n`).join('')}
Requests per second, p50 / p99 in ms, CPU in µs per request: server + PostgreSQL, memory of the server in MB.

${table(
  ['Workload', 'Case', 'c', ...names],
  cases.map(({ title, name, connections, sides }) => [
    ...[title, name, String(connections)],
    ...names.map((server) => cell(sides[server], server === OURS ? undefined : sides[OURS])),
  ]),
)}

What else was asked, once:

${table(
  ['Asked', ...names],
  once.map(({ title, answers }) => [
    title,
    ...names.map((server) => {
      const answer = answers[server] ?? 'yes'
      return answer === 'yes' ? 'yes' : `no: ${plain(answer.cannot)}`
    }),
  ]),
)}
`
}

/** `ours` is what it is compared with. */
function cell(side: PeerSide | undefined, ours: PeerSide | undefined): string {
  if (side === undefined) return ''
  if ('cannot' in side) return `cannot: ${plain(side.cannot)}`
  const [perSecond, times, cpu, memory] = sideCells(side)
  if (ours === undefined || 'cannot' in ours) return `${perSecond}; ${times}; ${cpu}; ${memory}`
  return `${perSecond} **${factor(side.ratio)}**; ${times}; ${cpu} (${factor(cpuOf(side) / cpuOf(ours))}); ${memory}`
}

const cpuOf = ({ serverCpuUs, postgresCpuUs }: SideResult) => serverCpuUs + postgresCpuUs
const factor = (times: number) => `×${times.toFixed(times < 10 ? 1 : 0)}`

/** Text of somebody else's in a cell of a table. */
const plain = (text: string) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;')
