import { setTimeout as pause } from 'node:timers/promises'
import { type Admin, adminAt } from '../admin.ts'
import { type Bench, inTurns, median, rate, type Sample, sideResult, window } from '../measure.ts'
import type { Progress } from '../progress.ts'
import { CROWD_RULES, RULED, ruledCase, ruleWorkloads } from '../workloads/crowds.ts'

/** How a write did in a tenant without role rules and in one with two. */
export interface RuleResult {
  readonly workload: string
  readonly title: string
  readonly users: number
  /** Requests per second, medians. */
  readonly without: RuledSide
  readonly with: RuledSide
  /** Requests per second with rules to those without, median of the rounds. */
  readonly ratio: number
}

/** Medians over the rounds; CPU of gateway and PostgreSQL in µs per request. */
export interface RuledSide {
  readonly perSecond: number
  /** Of each round. */
  readonly rates: readonly number[]
  readonly p50: number
  readonly serverCpuUs: number
  readonly postgresCpuUs: number
}

/** Measures the same writes without rules and with them, and tenants of all sizes, in turns. */
export async function measureRoleRules(bench: Bench, progress: Progress): Promise<RuleResult[]> {
  const { rounds, warmUpMs, windowMs } = bench.options
  const admin = adminAt(bench.servers.ours.origin)
  for (const { users, ruled } of bench.world.crowds) {
    progress.note(`role rules of a tenant of ${users} users`)
    await setRules(admin, ruled.key, CROWD_RULES(users))
  }
  await bench.settled(RULES_MS)
  progress.begin(ruleWorkloads.length * (rounds + 1))
  const results: RuleResult[] = []
  for (const workload of ruleWorkloads) {
    const cases = workload.cases(bench.world)
    const samples = new Map(cases.map(({ name }) => [name, [] as Sample[]]))
    for (let round = -1; round < rounds; round++) {
      progress.step(`role rules, ${workload.name}: ${round < 0 ? 'warming up' : `round ${round + 1}`}`)
      for (const one of inTurns(cases, Math.max(round, 0))) {
        // What can be done once is not warmed up with: it would be gone.
        if (round < 0 && one.requests !== undefined) continue
        const sample = await window(bench, workload, one, 'ours', round < 0 ? warmUpMs : windowMs)
        if (round >= 0) samples.get(one.name)?.push(sample)
      }
    }
    for (const { users } of bench.world.crowds) {
      const [without, withRules] = RULED.map((rules) => side(samples.get(ruledCase(users, rules)) ?? []))
      if (without === undefined || withRules === undefined) continue
      const ratio = ratioOf(withRules, without)
      progress.say(`${`${workload.name} ${users}`.padEnd(40)} ${ratio.toFixed(2)}`)
      results.push({ workload: workload.name, title: workload.title, users, without, with: withRules, ratio })
    }
  }
  return results
}

/** Everybody in a group that begins to give a role is told of by an event. */
const RULES_MS = 600_000

/** Sets role rules, and waits until the groups give what they say. */
async function setRules(admin: Admin, tenant: string, roleRules: readonly object[]): Promise<void> {
  await admin('PATCH', `/tenants/${tenant}`, { settings: { roleRules } })
  for (const until = performance.now() + RULES_MS; ; await pause(50)) {
    const { state, problem } = await admin<{ state: string; problem: string | null }>(
      'GET',
      `/tenants/${tenant}/role-progress`,
    )
    if (state === 'done') return
    if (performance.now() > until) throw new Error(`the rules of ${tenant} are still ${state}: ${problem}`)
  }
}

function side(samples: readonly Sample[]): RuledSide {
  const { perSecond, p50, serverCpuUs, postgresCpuUs } = sideResult(samples, 0)
  return { perSecond, rates: samples.map(rate), p50, serverCpuUs, postgresCpuUs }
}

/** Requests per second of one to those of the other, median of the rounds. */
export const ratioOf = (one: Pick<RuledSide, 'rates'>, other: Pick<RuledSide, 'rates'>): number =>
  median(one.rates.map((perSecond, i) => perSecond / (other.rates[i] ?? Number.NaN)))
