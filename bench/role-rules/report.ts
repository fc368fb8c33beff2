import { table } from '../markdown.ts'
import { atLeast, type Verdict } from '../verdict.ts'
import { MEMBER_WITH_ROLE, MEMBERS_OF_MANY } from '../workloads/crowds.ts'
import { shortNumber } from '../workloads/workload.ts'
import { type RuledSide, type RuleResult, ratioOf } from './measure.ts'

/** Requests per second with two rules to those without any, at the least. */
const RATIOS: Readonly<Record<string, number>> = {
  [MEMBER_WITH_ROLE]: 0.65,
  'rules-member-without-role': 0.65,
  [MEMBERS_OF_MANY]: 0.65,
  'rules-create': 0.95,
  'rules-deactivate': 0.95,
  'rules-delete': 0.75,
}
/** Requests per second in the largest tenant to those in the smallest, at the least: a write does not look through a group. */
const FLAT = 1 / 1.15
const STAY_FLAT: readonly string[] = ['rules-deactivate', 'rules-delete']

/** What is promised of writes in a tenant whose groups give roles. */
export function roleRuleVerdicts(results: readonly RuleResult[]): Verdict[] {
  const compared = results.flatMap(({ workload, title, users, ratio }) => {
    const least = RATIOS[workload]
    return least === undefined
      ? []
      : [atLeast(`${title}, ${shortNumber(users)}: with role rules ÷ without`, ratio, least)]
  })
  return [...compared, ...STAY_FLAT.flatMap((workload) => flat(results, workload)), ...parallel(results)]
}

function flat(results: readonly RuleResult[], workload: string): Verdict[] {
  const sized = results.filter((one) => one.workload === workload)
  const [small, large] = [sized[0], sized.at(-1)]
  if (small === undefined || large === undefined || small === large) return []
  const sizes = `${shortNumber(large.users)} ÷ ${shortNumber(small.users)}`
  return [
    atLeast(`${large.title}: per second, ${sizes}`, ratioOf(large.without, small.without), FLAT),
    atLeast(`${large.title}, with role rules: per second, ${sizes}`, ratioOf(large.with, small.with), FLAT),
  ]
}

/** Who adds to different groups does not wait for the others: they are no slower than those who add to one. */
const parallel = (results: readonly RuleResult[]): Verdict[] =>
  results.flatMap(({ workload, users, with: many }) => {
    const one = results.find((other) => other.workload === MEMBER_WITH_ROLE && other.users === users)
    return workload !== MEMBERS_OF_MANY || one === undefined
      ? []
      : [
          atLeast(
            `With role rules, ${shortNumber(users)}: members of different groups per second ÷ members of one group`,
            ratioOf(many, one.with),
            1,
          ),
        ]
  })

/** The part of the report about role rules; empty where they were not measured. */
export function roleRulesSection(results: readonly RuleResult[]): string {
  if (results.length === 0) return ''
  const cells = ({ perSecond, p50, serverCpuUs, postgresCpuUs }: RuledSide) => [
    ...[perSecond.toFixed(0), p50.toFixed(2), `${serverCpuUs.toFixed(0)} + ${postgresCpuUs.toFixed(0)}`],
  ]
  return `## Writes with role rules

The same writes of the gateway in tenants without role rules and with two, in turns. All users of a tenant are in one group, which
gives a role; a second rule names half of 20 more groups. Who gets a role or loses it is told of by a second event. CPU in µs
per request: gateway + PostgreSQL.

${table(
  ['Write', 'Users', 'With ÷ without', 'Without /s', 'p50', 'CPU', 'With /s', 'p50', 'CPU'],
  results.map((one) => [
    ...[one.title, shortNumber(one.users), one.ratio.toFixed(2), ...cells(one.without), ...cells(one.with)],
  ]),
)}

`
}
