import { type Bench, inTurns, median, rate, type Sample, sideResult, window } from '../measure.ts'
import type { Progress } from '../progress.ts'
import { RULED, ruledCase, ruleWorkloads } from '../workloads/crowds.ts'

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
  readonly p50: number
  readonly serverCpuUs: number
  readonly postgresCpuUs: number
}

/** Measures the same writes without rules and with them, in turns. */
export async function measureRoleRules(bench: Bench, progress: Progress): Promise<RuleResult[]> {
  const { options, world } = bench
  progress.begin(ruleWorkloads.length * world.crowds.length * (options.rounds + 1))
  const results: RuleResult[] = []
  for (const workload of ruleWorkloads) {
    const cases = workload.cases(world)
    for (const { users } of world.crowds) {
      const samples = { plain: [] as Sample[], ruled: [] as Sample[] }
      for (let round = -1; round < options.rounds; round++) {
        progress.step(`role rules, ${workload.name} ${users}: ${round < 0 ? 'warming up' : `round ${round + 1}`}`)
        for (const rules of inTurns(RULED, Math.max(round, 0))) {
          const one = cases.find(({ name }) => name === ruledCase(users, rules))
          // What can be done once is not warmed up with: it would be gone.
          if (one === undefined || (round < 0 && one.requests !== undefined)) continue
          const sample = await window(bench, workload, one, 'ours', round < 0 ? options.warmUpMs : options.windowMs)
          if (round >= 0) samples[rules].push(sample)
        }
      }
      const side = (of: readonly Sample[]): RuledSide => {
        const { perSecond, p50, serverCpuUs, postgresCpuUs } = sideResult(of, 0)
        return { perSecond, p50, serverCpuUs, postgresCpuUs }
      }
      const result = {
        ...{ workload: workload.name, title: workload.title, users },
        ...{ without: side(samples.plain), with: side(samples.ruled) },
        ratio: median(samples.ruled.map((sample, i) => rate(sample) / rate(samples.plain[i] as Sample))),
      }
      progress.say(`${`${workload.name} ${users}`.padEnd(40)} ${result.ratio.toFixed(2)}`)
      results.push(result)
    }
  }
  return results
}
