import { mkdirSync } from 'node:fs'
import { startPostgres } from '../test/support/postgres-server.ts'
import { type FlameResult, measureFlames } from './flame/measure.ts'
import { type Bench, type CaseResult, measure, warmUp } from './measure.ts'
import { type MemoryResult, measureMemory } from './memory.ts'
import { readOptions, USAGE } from './options.ts'
import { originOf } from './origin.ts'
import { chosenParts } from './parts.ts'
import type { Refusal } from './peers/client.ts'
import { measurePeers, type PeersResult, peerSteps } from './peers/measure.ts'
import { postgresPid, prepare } from './prepare.ts'
import { startCeiling, startLoad } from './processes.ts'
import { progressOn } from './progress.ts'
import { writeReport } from './report.ts'
import { measureRoundTrips, type RoundTrips } from './round-trips.ts'
import { measureStart, type StartResult } from './start-times.ts'

/** A server that has the memory for a million users, as one in production would. */
const POSTGRES_SETTINGS = ['shared_buffers=2GB', 'max_wal_size=8GB']

async function main(): Promise<void> {
  if (process.argv.includes('--help')) {
    process.stdout.write(USAGE)
    return
  }
  const { options, parts } = commandLine()
  const { workloads, besides, fill } = parts
  const progress = progressOn(process.stderr)
  const begun = Date.now()

  progress.note('starting PostgreSQL')
  const server = await startPostgres({ fsync: true, settings: POSTGRES_SETTINGS })
  const origin = originOf(server.description)
  const { world, gateway } = await prepare(server.url, options, fill, progress)
  const bench: Bench = {
    ...{ options, world, load: startLoad(), postgresPid: await postgresPid(server.url) },
    servers: { ours: gateway, ceiling: await startCeiling(server.url) },
  }
  bench.load.know(world)

  const results: CaseResult[] = []
  const rounds = workloads.flatMap((w) =>
    w.cases(world).map((c) => options.rounds + (c.requests === undefined ? 1 : 0)),
  )
  progress.begin(rounds.reduce((sum, n) => sum + n, 0))
  if (workloads[0] !== undefined) await warmUp(bench, workloads[0], progress.note)
  for (const workload of workloads) {
    const measured = await measure(bench, workload, progress.step)
    results.push(...measured)
    for (const one of measured) progress.say(summary(one))
  }
  await bench.servers.ceiling.stop()
  progress.begin(besides.has('peers') ? peerSteps(options) : 0)
  const peers: PeersResult | Refusal | undefined = besides.has('peers')
    ? await measurePeers(bench, server.url, progress)
    : undefined
  await bench.servers.ours.stop()
  progress.begin(0)
  const roundTrips: readonly RoundTrips[] = besides.has('round-trips')
    ? await measureRoundTrips(bench, server.url, progress)
    : []
  const memory: MemoryResult | undefined = besides.has('memory')
    ? await measureMemory(bench, server.url, progress)
    : undefined
  const start: StartResult | undefined = besides.has('start')
    ? await measureStart(server.url, options, progress)
    : undefined
  mkdirSync(options.results, { recursive: true })
  const flames: readonly FlameResult[] = besides.has('flame')
    ? await measureFlames(bench, server.url, options.results, progress)
    : []
  bench.load.stop()

  const seconds = Math.round((Date.now() - begun) / 1_000)
  const text = writeReport(options.results, {
    origin,
    seconds,
    options,
    results,
    roundTrips,
    memory,
    start,
    peers,
    flames,
  })
  await server.stop()
  process.stdout.write(text)
}

/** What was asked for; ends with a line for people where that makes no sense. */
function commandLine() {
  try {
    const options = readOptions(process.argv.slice(2))
    return { options, parts: chosenParts(options) }
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${USAGE}`)
    process.exit(2)
  }
}

/** One case in one line. */
function summary({ workload, name, ours, ceiling, ratio, cpuRatio }: CaseResult): string {
  const side = (of: CaseResult['ours']) =>
    `${of.perSecond.toFixed(of.perSecond < 100 ? 1 : 0)}/s ${of.p50.toFixed(1)}/${of.p99.toFixed(1)} ms ${of.serverCpuUs.toFixed(0)}+${of.postgresCpuUs.toFixed(0)} us`
  return `${`${workload} ${name}`.padEnd(40)} ${ratio.toFixed(2)}  cpu ${cpuRatio.toFixed(2)}   ours ${side(ours)}   ceiling ${side(ceiling)}`
}

await main()
process.exit()
