import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Bench } from '../measure.ts'
import { gatewayEnv } from '../prepare.ts'
import { GATEWAY, PROFILER, startServer } from '../processes.ts'
import type { Progress } from '../progress.ts'
import { workloads } from '../workloads/index.ts'
import { placesOf } from './places.ts'
import { type CpuProfile, frames, shares } from './profile.ts'
import { flameSvg } from './svg.ts'

/** Where the gateway's CPU time goes in one workload. */
export interface FlameResult {
  readonly workload: string
  readonly title: string
  readonly case: string
  /** Name of the SVG beside the report. */
  readonly file: string
  /** Shares of the working time, most first. */
  readonly owners: readonly { readonly what: string; readonly share: number }[]
  readonly functions: readonly { readonly what: string; readonly share: number }[]
}

const WORKLOADS = ['look-up-userName', 'create']
const WARM_UP_MS = 2_500
const PROFILED_MS = 4_000

/** Profiles a gateway of its own during the look-up and the create, and writes a flame graph of each beside the report. */
export async function measureFlames(
  { load, options, world }: Bench,
  databaseUrl: string,
  progress: Progress,
): Promise<FlameResult[]> {
  const scratch = mkdtempSync(join(tmpdir(), 'rollcall-profile-'))
  const results: FlameResult[] = []
  progress.begin(WORKLOADS.length)
  try {
    for (const name of WORKLOADS) {
      const workload = workloads.find((one) => one.name === name)
      const found = workload?.cases(world).at(-1)
      if (!workload || !found) throw new Error(`there is no ${name}`)
      progress.step(`flame: ${name} ${found.name}`)
      const profile = join(scratch, `${name}.cpuprofile`)
      const env = { PORT: '0', ...gatewayEnv(databaseUrl), PROFILE_TO: profile }
      const gateway = await startServer('gateway', ['--import', PROFILER, options.gateway ?? GATEWAY], env)
      const run = (durationMs: number) =>
        load.run({
          ...{ workload: name, case: found.name, side: 'ours', origin: gateway.origin },
          ...{ durationMs, perConnection: null },
        })
      await run(WARM_UP_MS)
      process.kill(gateway.pid, 'SIGALRM')
      await run(PROFILED_MS)
      process.kill(gateway.pid, 'SIGALRM')
      while (!existsSync(profile)) await pause(20)
      await gateway.stop()
      results.push(
        write(
          JSON.parse(readFileSync(profile, 'utf8')),
          { name, title: workload.title, size: found.name },
          options.results,
        ),
      )
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
  return results
}

function write(
  profile: CpuProfile,
  { name, title, size }: { readonly name: string; readonly title: string; readonly size: string },
  folder: string,
): FlameResult {
  const root = frames(profile, placesOf())
  const file = `flame-${name}.svg`
  const working = (root.total / profile.timeDeltas.reduce((sum, delta) => sum + delta, 0)) * 100
  const heading = `${title}, ${size} users: CPU time of the gateway's main thread, busy ${working.toFixed(0)} % of the time`
  writeFileSync(join(folder, file), flameSvg(root, heading))
  return {
    ...{ workload: name, title, case: size, file },
    owners: shares(root, ({ owner }) => owner),
    functions: shares(root, ({ name: called, at }) => `${called} ${at}`.trim()).slice(0, 15),
  }
}
