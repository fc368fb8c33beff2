import type { Bench } from './measure.ts'
import { gatewayEnv } from './prepare.ts'
import { rssMb, startGateway, startLoad } from './processes.ts'
import type { Measured } from './programs/closed-loop.ts'
import type { Progress } from './progress.ts'
import { workloads } from './workloads/index.ts'
import { shortNumber } from './workloads/workload.ts'

/** Memory of a gateway of its own, in MB, with the largest tenant, and what a read of the largest group does to others, in ms. */
export interface MemoryResult {
  readonly idleMb: number
  readonly underLoadMb: number
  /** Members of the largest group. */
  readonly groupMembers: number
  /** Highest during reads of it, one after the other, over what it was just before. */
  readonly groupReadAddsMb: number
  readonly quietP99: number
  readonly besideGroupReadP99: number
}

const LOADS = ['look-up-userName', 'read', 'create', 'deactivate', 'member', 'page-by-index']

/** Starts a gateway, lets it idle, loads it, and reads the largest group while another tenant looks users up. */
export async function measureMemory(bench: Bench, databaseUrl: string, progress: Progress): Promise<MemoryResult> {
  const { load, options, world } = bench
  // p99 wants some hundreds of requests.
  const windowMs = Math.max(options.windowMs, options.quick ? 200 : 400)
  progress.begin(LOADS.length + 2)
  progress.step('memory: idle')
  const gateway = await startGateway(gatewayEnv(databaseUrl), options.gateway)
  const other = startLoad()
  other.know(world)
  await pause(2_000)
  const idleMb = rssMb(gateway.pid)

  const largest = shortNumber(world.sizes.at(-1)?.users ?? 0)
  const window = (name: string, size: string | undefined, connections: number, durationMs: number) => {
    const cases = workloads.find((workload) => workload.name === name)?.cases(world) ?? []
    const found = cases.find((one) => one.name.split(' ')[0] === size) ?? cases.at(-1)
    const one = { workload: name, case: found?.name ?? '', side: 'ours', origin: gateway.origin } as const
    return { ...one, connections, durationMs, perConnection: null }
  }
  const watched = await highest(gateway.pid, async () => {
    for (const name of LOADS) {
      progress.step(`memory: ${name}`)
      await load.run(window(name, largest, name.startsWith('page') ? 4 : 16, 2 * windowMs))
    }
  })

  progress.step('memory: a large group beside a small tenant')
  const smallest = shortNumber(world.sizes[0]?.users ?? 0)
  const lookUps = (durationMs: number) => window('look-up-userName', smallest, 2, durationMs)
  await other.run(lookUps(windowMs))
  const quiet = await other.run(lookUps(5 * windowMs))
  const before = rssMb(gateway.pid)
  let beside: Measured | undefined
  const reading = await highest(gateway.pid, async () => {
    const reads = load.run(window('group', undefined, 1, 5 * windowMs))
    beside = await other.run(lookUps(5 * windowMs))
    await reads
  })
  other.stop()
  await gateway.stop()
  return {
    groupMembers: world.groups.all.at(-1)?.members ?? 0,
    ...{ idleMb, underLoadMb: watched, groupReadAddsMb: reading - before },
    ...{ quietP99: quiet.p99, besideGroupReadP99: beside?.p99 ?? 0 },
  }
}

/** The most memory that a process has held while `work` was done, in MB. */
async function highest(pid: number, work: () => Promise<void>): Promise<number> {
  let most = rssMb(pid)
  const timer = setInterval(() => {
    most = Math.max(most, rssMb(pid))
  }, 10)
  try {
    await work()
  } finally {
    clearInterval(timer)
  }
  return most
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
