import type { CaseResult } from './measure.ts'
import { median } from './measure.ts'
import type { MemoryResult } from './memory.ts'
import type { Refusal } from './peers/client.ts'
import type { PeersResult } from './peers/measure.ts'
import { peerVerdicts } from './peers/report.ts'
import type { StartResult } from './start-times.ts'
import { atLeast, atMost, type Verdict } from './verdict.ts'
import type { WebhooksResult } from './webhooks/measure.ts'
import { webhookVerdicts } from './webhooks/report.ts'
import { shortNumber } from './workloads/workload.ts'
import type { Written } from './written.ts'

/** Requests per second, ours to the ceiling's, at the least; the worst case of the workload counts. */
export const RATIOS: Readonly<Record<string, number>> = {
  read: 0.75,
  'look-up-userName': 0.7,
  'look-up-externalId': 0.7,
  'look-up-work-email': 0.7,
  'look-up-email': 0.7,
  'look-up-title': 0.5,
  'look-up-department': 0.5,
  create: 0.65,
  deactivate: 0.6,
  member: 0.65,
  'member-by-path': 0.65,
  'page-by-index': 0.75,
  'page-by-cursor': 0.75,
  group: 0.8,
  'group-without-members': 0.7,
}

/** The target of a case; undefined where nothing is promised, as for pages in the middle. */
export function ratioTarget({ workload, name }: Pick<CaseResult, 'workload' | 'name'>): number | undefined {
  if (workload.startsWith('page') && !name.endsWith('first')) return undefined
  if (workload === 'group' && name !== '10k') return undefined
  if (name.includes('manager') || name.includes('groups')) return undefined
  return RATIOS[workload]
}

/** Median time at the largest size to that at the smallest, at the most. */
const GROWTH: Readonly<Record<string, number>> = {
  read: 1.15,
  'look-up-userName': 1.15,
  'look-up-externalId': 1.15,
  'look-up-work-email': 1.15,
  'look-up-email': 1.15,
  'look-up-title': 1.5,
  'look-up-department': 1.5,
  create: 1.2,
  deactivate: 1.15,
  member: 1.15,
  'member-by-path': 1.15,
}

/** Every target for which there is a measurement. */
export function verdicts({
  results,
  memory,
  start,
  peers,
  written,
  webhooks,
}: {
  readonly results: readonly CaseResult[]
  readonly memory: MemoryResult | undefined
  readonly start: StartResult | undefined
  readonly peers: PeersResult | Refusal | undefined
  readonly written: readonly Written[]
  readonly webhooks: WebhooksResult | undefined
}): Verdict[] {
  const against = peers === undefined || 'cannot' in peers ? [] : peerVerdicts(peers)
  return [
    ...[...ratios(results), ...against, ...growth(results), ...ofWritten(written)],
    ...[...ofMemory(memory), ...ofStart(start), ...(webhooks === undefined ? [] : webhookVerdicts(webhooks))],
  ]
}

const ratios = (results: readonly CaseResult[]): Verdict[] =>
  results.flatMap((result) => {
    const target = ratioTarget(result)
    return target === undefined ? [] : [atLeast(`${result.title}, ${result.name}`, result.ratio, target)]
  })

function growth(results: readonly CaseResult[]): Verdict[] {
  const sized = (workload: string, position = '') =>
    results.filter(({ workload: w, name }) => w === workload && /^\d+[kM]?( |$)/.test(name) && name.endsWith(position))
  const grown = (what: string, from: CaseResult | undefined, to: CaseResult | undefined, most: number, divide = 1) =>
    from === undefined || to === undefined || from === to
      ? []
      : [atMost(`${what}: time of ${to.name} ÷ ${from.name}`, ratioOfTimes(to, from) / divide, most)]
  const plain = Object.entries(GROWTH).flatMap(([workload, most]) => {
    const cases = sized(workload).filter(({ name }) => !name.includes(','))
    return grown(cases[0]?.title ?? '', cases[0], cases.at(-1), most)
  })
  const first = sized('page-by-index', 'first')
  const pages = [['page-by-index', 3] as const, ['page-by-cursor', 1.1] as const].flatMap(([workload, most]) => {
    const begin = sized(workload, 'first').at(-1)
    return grown(begin?.title ?? '', begin, sized(workload, 'last').at(-1), most)
  })
  const groups = sized('group')
  const [group, largest] = [groups.find(({ name }) => name === '10k'), groups.find(({ name }) => name === '100k')]
  return [
    ...plain,
    ...grown('First page', first[0], first.at(-1), 1.15),
    ...pages,
    ...grown('Read a group, per thousand members', group, largest, 1.3, 10),
  ]
}

/** Rounds are compared one by one, so that what the machine did meanwhile meets both. */
export const ratioOfTimes = (to: CaseResult, from: CaseResult): number =>
  median(to.ours.p50s.map((time, i) => time / (from.ours.p50s[i] ?? Number.NaN)))

/** A replacement of a list that changes a thousandth of what another does writes at most a twentieth. */
function ofWritten(written: readonly Written[]): Verdict[] {
  const [few, many] = [written[0], written.at(-1)]
  if (few === undefined || many === undefined || few === many) return []
  const what = `Replace the whole list of members: bytes written with ${few.case} ÷ ${many.case}`
  return [atMost(what, few.bytes / many.bytes, 0.05)]
}

function ofMemory(memory: MemoryResult | undefined): Verdict[] {
  if (memory === undefined) return []
  const { besideGroupReadP99, quietP99 } = memory
  return [
    atMost('Memory, idle', memory.idleMb, 110, 'MB'),
    atMost('Memory, under load', memory.underLoadMb, 200, 'MB'),
    atMost(`Memory that reads of a group of ${shortNumber(memory.groupMembers)} add`, memory.groupReadAddsMb, 64, 'MB'),
    atMost('p99 of another tenant during such reads ÷ its quiet one', besideGroupReadP99 / quietP99, 3),
  ]
}

function ofStart(start: StartResult | undefined): Verdict[] {
  if (start === undefined) return []
  return [
    atMost('Start to first answer, PostgreSQL', start.postgresMs / 1_000, 0.6, 's'),
    atMost('Start to first answer, embedded folder that is there', start.existingFolderMs / 1_000, 1.5, 's'),
    atMost('Start to first answer, new embedded folder', start.newFolderMs / 1_000, 3, 's'),
  ]
}
