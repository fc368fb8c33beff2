import type { WriteCost } from './costs/measure.ts'
import { costVerdicts } from './costs/report.ts'
import type { FairResult } from './fair/measure.ts'
import { fairVerdicts } from './fair/report.ts'
import type { FreshResult } from './fresh/measure.ts'
import { freshVerdicts } from './fresh/report.ts'
import type { ImageSize } from './image-size.ts'
import type { CaseResult } from './measure.ts'
import { median } from './measure.ts'
import type { MemoryResult } from './memory.ts'
import type { Refusal } from './peers/client.ts'
import type { PeersResult } from './peers/measure.ts'
import { peerVerdicts } from './peers/report.ts'
import { type RequestLogFindings, requestLogVerdicts } from './request-log/cost.ts'
import { logRowsVerdicts } from './request-log/report.ts'
import type { LogRowsResult } from './request-log/rows.ts'
import type { RuleResult } from './role-rules/measure.ts'
import { roleRuleVerdicts } from './role-rules/report.ts'
import type { StartResult } from './start-times.ts'
import type { TenantsResult } from './tenants/measure.ts'
import { tenantsVerdicts } from './tenants/report.ts'
import { atLeast, atMost, type Verdict } from './verdict.ts'
import type { WebhooksResult } from './webhooks/measure.ts'
import { webhookVerdicts } from './webhooks/report.ts'
import { shortNumber } from './workloads/workload.ts'
import type { Written } from './written.ts'

/** Requests per second, ours to those of the same rows, at the least; the worst case of the workload counts. */
export const RATIOS: Readonly<Record<string, number>> = {
  read: 0.85,
  'look-up-userName': 0.85,
  'look-up-externalId': 0.85,
  'look-up-work-email': 0.85,
  'look-up-email': 0.85,
  'look-up-title': 0.85,
  'look-up-department': 0.85,
  group: 0.85,
  'group-without-members': 0.85,
  create: 0.75,
  deactivate: 0.75,
  patch: 0.7,
  put: 0.7,
  member: 0.75,
  'member-by-path': 0.75,
  bulk: 0.8,
  'sync-users': 0.75,
  'sync-groups': 0.75,
  'sync-members': 0.75,
  'page-by-index': 0.75,
  'page-by-cursor': 0.75,
  day: 0.75,
}
/** Over ten thousand tenants, few of which are known to an instance. */
const DAY_OF_MANY = { tenants: 10_000, least: 0.7 }

/** Requests per second, ours to those of the bare ceiling, at the least. */
export const BARE_RATIOS: Readonly<Record<string, number>> = {
  create: 0.5,
  deactivate: 0.55,
  patch: 0.5,
  put: 0.5,
  member: 0.55,
  'member-by-path': 0.55,
  bulk: 0.5,
}

type Named = Pick<CaseResult, 'workload' | 'name'>

/** The ceilings know of no managers, and of no groups where they read a user. */
const doesMore = ({ name }: Named) => name.includes('manager') || name.includes('groups')

/** The target of a case against the same rows; undefined where nothing is promised. */
export function ratioTarget(one: Named): number | undefined {
  if (doesMore(one)) return undefined
  if (one.workload === 'day' && Number.parseInt(one.name, 10) >= DAY_OF_MANY.tenants) return DAY_OF_MANY.least
  return RATIOS[one.workload]
}

/** The same against the bare ceiling. */
export const bareTarget = (one: Named): number | undefined => (doesMore(one) ? undefined : BARE_RATIOS[one.workload])

/** Median time at the largest size to that at the smallest, ours to that of the same rows, at the most. */
const GROWTH = 1.15
export const GROWING: readonly string[] = [
  ...['read', 'look-up-userName', 'look-up-externalId', 'look-up-work-email', 'look-up-email', 'look-up-title'],
  ...['look-up-department', 'create', 'deactivate', 'patch', 'put', 'member', 'member-by-path', 'delete'],
]

/** Every target for which there is a measurement. */
export function verdicts({
  results,
  costs,
  roleRules,
  peers,
  written,
  memory,
  fresh,
  start,
  image,
  fair,
  tenants,
  webhooks,
  requestLog,
  logRows,
}: Judged): Verdict[] {
  return [
    ...[...ratios(results), ...costVerdicts(costs), ...roleRuleVerdicts(roleRules)],
    ...(peers === undefined || 'cannot' in peers ? [] : peerVerdicts(peers)),
    ...[...growth(results), ...ofWritten(written), ...ofMemory(memory)],
    ...(fresh === undefined ? [] : freshVerdicts(fresh)),
    ...[
      ...ofStart(start),
      ...ofImage(image),
      ...fairVerdicts(fair),
      ...tenantsVerdicts(tenants),
      ...(webhooks === undefined ? [] : webhookVerdicts(webhooks)),
      ...(requestLog === undefined ? [] : requestLogVerdicts(requestLog)),
      ...logRowsVerdicts(logRows),
    ],
  ]
}

/** What targets are about. */
interface Judged {
  readonly results: readonly CaseResult[]
  readonly costs: readonly WriteCost[]
  readonly roleRules: readonly RuleResult[]
  readonly peers: PeersResult | Refusal | undefined
  readonly written: readonly Written[]
  readonly memory: MemoryResult | undefined
  readonly fresh: FreshResult | undefined
  readonly start: StartResult | undefined
  readonly image: ImageSize | undefined
  readonly fair: readonly FairResult[]
  readonly tenants: readonly TenantsResult[]
  readonly webhooks: WebhooksResult | undefined
  readonly requestLog: RequestLogFindings | undefined
  readonly logRows: readonly LogRowsResult[]
}

const ratios = (results: readonly CaseResult[]): Verdict[] =>
  results.flatMap((result) => {
    const what = `${result.title}, ${result.name}`
    const [target, bare] = [ratioTarget(result), bareTarget(result)]
    return [
      ...(target === undefined ? [] : [atLeast(`${what}: ÷ same rows`, result.ratio, target)]),
      ...(bare === undefined || result.bareRatio === undefined
        ? []
        : [atLeast(`${what}: ÷ bare`, result.bareRatio, bare)]),
    ]
  })

function growth(results: readonly CaseResult[]): Verdict[] {
  const sized = (workload: string, position = '') =>
    results.filter(({ workload: w, name }) => w === workload && /^\d+[kM]?( |$)/.test(name) && name.endsWith(position))
  const grown = (what: string, from: CaseResult | undefined, to: CaseResult | undefined, most: number, divide = 1) =>
    from === undefined || to === undefined || from === to
      ? []
      : [atMost(`${what}: time of ${to.name} ÷ ${from.name}`, ratioOfTimes(to, from) / divide, most)]
  const grownMore = (what: string, from: CaseResult | undefined, to: CaseResult | undefined) =>
    from === undefined || to === undefined || from === to
      ? []
      : [atMost(`${what}: time of ${to.name} ÷ ${from.name}, ÷ that of the same rows`, growthOf(to, from), GROWTH)]
  const plain = GROWING.flatMap((workload) => {
    const cases = sized(workload).filter(({ name }) => !name.includes(','))
    return grownMore(cases[0]?.title ?? '', cases[0], cases.at(-1))
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
    ...grownMore('First page', first[0], first.at(-1)),
    ...pages,
    ...grown('Read a group, per thousand members', group, largest, 1.3, 10),
  ]
}

/** Rounds are compared one by one, so that what the machine did meanwhile meets both. */
export const ratioOfTimes = (to: CaseResult, from: CaseResult): number =>
  median(to.ours.p50s.map((time, i) => time / (from.ours.p50s[i] ?? Number.NaN)))

/** The same without what the ceiling of the same rows grows by: caches are as small for it. */
export const growthOf = (to: CaseResult, from: CaseResult): number => {
  const times = (side: 'ours' | 'ceiling', i: number) =>
    (to[side].p50s[i] ?? Number.NaN) / (from[side].p50s[i] ?? Number.NaN)
  return median(to.ours.p50s.map((_, i) => times('ours', i) / times('ceiling', i)))
}

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

/** The engine of the embedded database is most of it. */
const ofImage = (image: ImageSize | undefined): Verdict[] =>
  image === undefined ? [] : [atMost('The image beside its base', image.compressedMb, 25, 'MB')]

function ofStart(start: StartResult | undefined): Verdict[] {
  if (start === undefined) return []
  return [
    atMost('Start to first answer, PostgreSQL', start.postgresMs / 1_000, 0.5, 's'),
    atMost('Start to first answer, embedded folder that is there', start.existingFolderMs / 1_000, 1.2, 's'),
    atMost('Start to first answer, new embedded folder', start.newFolderMs / 1_000, 2.5, 's'),
  ]
}
