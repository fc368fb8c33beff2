import type { Options } from './options.ts'
import { cpuMs, type Load, rssMb, type Server } from './processes.ts'
import type { Measured } from './programs/closed-loop.ts'
import type { Case, Workload } from './workloads/workload.ts'
import { SIDES, type Side, type World } from './world.ts'

/** Who takes part in a measurement. */
export interface Bench {
  readonly options: Options
  readonly world: World
  readonly load: Load
  readonly servers: Readonly<Record<Side, Server>>
  readonly postgresPid: number
}

/** One window, with the CPU time of those who served it. */
export interface Sample extends Measured {
  readonly serverCpuMs: number
  readonly postgresCpuMs: number
}

/** What one side did in one case: medians over the rounds, and CPU over all of them. */
export interface SideResult {
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
  readonly serverCpuUs: number
  readonly postgresCpuUs: number
  readonly rssMb: number
  /** Median time of each round, for growth. */
  readonly p50s: readonly number[]
}

export interface CaseResult {
  readonly workload: string
  readonly title: string
  readonly name: string
  readonly connections: number
  readonly ours: SideResult
  readonly ceiling: SideResult
  /** Our requests per second to the ceiling's, in each round and as their median. */
  readonly ratios: readonly number[]
  readonly ratio: number
  /** The ceiling's CPU time per request to ours, server and PostgreSQL together. */
  readonly cpuRatio: number
}

/**
 * Runs a workload: each case is warmed up and checked on both sides, then measured in rounds, in which the two sides of a
 * case follow each other directly. What else the machine does meets both alike.
 */
export async function measure(bench: Bench, workload: Workload, step: (label: string) => void): Promise<CaseResult[]> {
  const { options, world } = bench
  const cases = workload.cases(world)
  const samples = new Map(cases.map((c) => [c.name, { ours: [] as Sample[], ceiling: [] as Sample[], rss: [0, 0] }]))
  for (const one of cases) {
    // What can be done once is not warmed up with: it would be gone.
    if (one.requests !== undefined) continue
    step(`${workload.name} ${one.name}: warming up`)
    for (const side of SIDES) await window(bench, workload, one, side, options.warmUpMs)
  }
  for (let round = 0; round < options.rounds; round++) {
    for (const one of cases) {
      step(`${workload.name} ${one.name}: round ${round + 1}`)
      const seen = samples.get(one.name)
      if (!seen) continue
      for (const side of round % 2 === 0 ? SIDES : SIDES.toReversed()) {
        const milliseconds = options.windowMs * (workload.longer ?? 1)
        seen[side].push(await window(bench, workload, one, side, milliseconds))
        const at = side === 'ours' ? 0 : 1
        seen.rss[at] = Math.max(seen.rss[at] as number, rssMb(bench.servers[side].pid))
      }
    }
  }
  return cases.map((one) => {
    const { ours, ceiling, rss } = samples.get(one.name) as NonNullable<ReturnType<typeof samples.get>>
    const ratios = ours.map((sample, i) => rate(sample) / rate(ceiling[i] as Sample))
    const sides = { ours: sideResult(ours, rss[0] as number), ceiling: sideResult(ceiling, rss[1] as number) }
    const cpu = ({ serverCpuUs, postgresCpuUs }: SideResult) => serverCpuUs + postgresCpuUs
    const { name: workloadName, title, connections } = workload
    return {
      ...{ workload: workloadName, title, name: one.name, connections, ...sides, ratios },
      ratio: median(ratios),
      cpuRatio: cpu(sides.ceiling) / cpu(sides.ours),
    }
  })
}

/** Lets V8 compile what all requests go through, on both sides, before anything is measured. */
export async function warmUp(bench: Bench, workload: Workload, note: (text: string) => void): Promise<void> {
  const one = workload.cases(bench.world).find(({ requests }) => requests === undefined)
  if (one === undefined) return
  note('warming up')
  for (const side of SIDES) await window(bench, workload, one, side, WARM_UP_MS)
}

const WARM_UP_MS = 2_000

async function window(bench: Bench, workload: Workload, one: Case, side: Side, durationMs: number): Promise<Sample> {
  const { load, options, postgresPid, servers } = bench
  const { origin, pid } = servers[side]
  const perConnection =
    one.requests === undefined ? null : Math.ceil(one.requests / options.rounds / workload.connections / 2) * 2
  const before = [cpuMs(pid), cpuMs(postgresPid)] as const
  const measured = await load.run({
    ...{ workload: workload.name, case: one.name, side, origin, perConnection },
    durationMs: perConnection === null ? durationMs : 600_000,
  })
  const after = [cpuMs(pid), cpuMs(postgresPid)] as const
  return { ...measured, serverCpuMs: after[0] - before[0], postgresCpuMs: after[1] - before[1] }
}

/** Requests per second. */
export const rate = ({ requests, elapsedMs }: Measured): number => (requests * 1_000) / elapsedMs

/** What the windows of one side come to. */
export function sideResult(samples: readonly Sample[], rss: number): SideResult {
  const of = (read: (sample: Sample) => number) => median(samples.map(read))
  const requests = samples.reduce((sum, sample) => sum + sample.requests, 0)
  const perRequestUs = (read: (sample: Sample) => number) =>
    (samples.reduce((sum, sample) => sum + read(sample), 0) * 1_000) / requests
  return {
    perSecond: of(rate),
    p50: of(({ p50 }) => p50),
    p99: of(({ p99 }) => p99),
    serverCpuUs: perRequestUs(({ serverCpuMs }) => serverCpuMs),
    postgresCpuUs: perRequestUs(({ postgresCpuMs }) => postgresCpuMs),
    rssMb: rss,
    p50s: samples.map(({ p50 }) => p50),
  }
}

/** The middle value; of an even number of values the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  return ((sorted[Math.ceil(middle) - 1] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2
}
