import type { Options } from './options.ts'
import { cpuMs, type Load, rssMb, type Server } from './processes.ts'
import type { Measured } from './programs/closed-loop.ts'
import { type Case, sidesOf, type Workload } from './workloads/workload.ts'
import type { SameRows, Side, World } from './world.ts'

/** Who takes part in a measurement. */
export interface Bench {
  readonly options: Options
  readonly world: World
  readonly load: Load
  /** Both ceilings are one server. */
  readonly servers: Readonly<Record<SameRows, Server>>
  readonly postgresPid: number
  /** Lets what the gateway does behind its answers come to an end, so that nobody else's window pays for it. */
  readonly settled: (withinMs?: number) => Promise<void>
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
  /** Where the work has a bare form. */
  readonly bare?: SideResult
  /** Our requests per second to the ceiling's, in each round and as their median. */
  readonly ratios: readonly number[]
  readonly ratio: number
  /** The same to the bare ceiling's. */
  readonly bareRatio?: number
  /** The ceiling's CPU time per request to ours, server and PostgreSQL together. */
  readonly cpuRatio: number
}

/**
 * Runs a workload: each case is warmed up and checked on all its sides, then measured in rounds, in which the sides of a
 * case follow each other directly. What else the machine does meets all alike.
 */
export async function measure(bench: Bench, workload: Workload, step: (label: string) => void): Promise<CaseResult[]> {
  const { options, world } = bench
  const cases = workload.cases(world)
  const samples = new Map(cases.map(({ name }) => [name, { ours: [], ceiling: [], bare: [] } as Samples]))
  for (const one of cases) {
    // What can be done once is not warmed up with: it would be gone.
    if (one.requests !== undefined) continue
    step(`${workload.name} ${one.name}: warming up`)
    for (const side of sidesOf(one)) await window(bench, workload, one, side, options.warmUpMs)
  }
  for (let round = 0; round < options.rounds; round++) {
    for (const one of cases) {
      step(`${workload.name} ${one.name}: round ${round + 1}`)
      for (const side of inTurns(sidesOf(one), round)) {
        const milliseconds = options.windowMs * (workload.longer ?? 1)
        const sample = await window(bench, workload, one, side, milliseconds)
        samples.get(one.name)?.[side].push({ ...sample, rss: rssMb(serverOf(bench, side).pid) })
        if (one.calls.bare !== undefined) await bench.settled()
      }
    }
  }
  return cases.map(({ name }) => caseResult(workload, name, samples.get(name) as Samples))
}

type Samples = Readonly<Record<Side, (Sample & { readonly rss: number })[]>>

/** In every round somebody else is the first. */
export const inTurns = <Item>(items: readonly Item[], round: number): readonly Item[] =>
  items.map((_, i) => items[(i + round) % items.length] as Item)

/** What the windows of a case come to. */
function caseResult({ name: workload, title, connections }: Workload, name: string, samples: Samples): CaseResult {
  const of = (side: Side) => sideResult(samples[side], Math.max(...samples[side].map(({ rss }) => rss)))
  const ratiosTo = (side: Side) => samples.ours.map((sample, i) => rate(sample) / rate(samples[side][i] as Sample))
  const cpu = ({ serverCpuUs, postgresCpuUs }: SideResult) => serverCpuUs + postgresCpuUs
  const [ours, ceiling, ratios] = [of('ours'), of('ceiling'), ratiosTo('ceiling')]
  return {
    ...{ workload, title, name, connections, ours, ceiling, ratios },
    ...{ ratio: median(ratios), cpuRatio: cpu(ceiling) / cpu(ours) },
    ...(samples.bare.length === 0 ? {} : { bare: of('bare'), bareRatio: median(ratiosTo('bare')) }),
  }
}

/** Who answers for a side. */
export const serverOf = ({ servers }: Bench, side: Side): Server => servers[side === 'ours' ? 'ours' : 'ceiling']

/** Lets V8 compile what all requests go through, on both sides, before anything is measured. */
export async function warmUp(bench: Bench, workload: Workload, note: (text: string) => void): Promise<void> {
  const one = workload.cases(bench.world).find(({ requests }) => requests === undefined)
  if (one === undefined) return
  note('warming up')
  for (const side of sidesOf(one)) await window(bench, workload, one, side, WARM_UP_MS)
}

const WARM_UP_MS = 2_000

/** Sends what fits into so many milliseconds, or what a case of a set number of requests has for one round. */
export async function window(
  bench: Bench,
  workload: Workload,
  one: Case,
  side: Side,
  durationMs: number,
): Promise<Sample> {
  const { load, options, postgresPid } = bench
  const { origin, pid } = serverOf(bench, side)
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
