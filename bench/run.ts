import { mkdirSync } from 'node:fs'
import { startPostgres } from '../test/support/postgres-server.ts'
import { measureFlames } from './flame/measure.ts'
import { type Bench, type CaseResult, measure, warmUp } from './measure.ts'
import { measureMemory } from './memory.ts'
import { readOptions, USAGE } from './options.ts'
import { originOf } from './origin.ts'
import { chosenParts } from './parts.ts'
import { measurePeers, peerSteps } from './peers/measure.ts'
import { postgresPid, prepare } from './prepare.ts'
import { startCeiling, startLoad } from './processes.ts'
import { progressOn } from './progress.ts'
import { type Findings, writeReport } from './report.ts'
import { measureRoundTrips } from './round-trips.ts'
import { measureStart } from './start-times.ts'

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

  mkdirSync(options.results, { recursive: true })
  let findings: Findings = {
    ...{ origin, options, seconds: 0, results: [], roundTrips: [] },
    ...{ memory: undefined, start: undefined, peers: undefined, flames: [] },
  }
  // After every part, so that what comes later cannot take an hour's results with it.
  const found = (more: Partial<Findings>) => {
    findings = { ...findings, ...more, seconds: Math.round((Date.now() - begun) / 1_000) }
    return writeReport(options.results, findings)
  }

  const rounds = workloads.flatMap((w) =>
    w.cases(world).map((c) => options.rounds + (c.requests === undefined ? 1 : 0)),
  )
  progress.begin(rounds.reduce((sum, n) => sum + n, 0))
  if (workloads[0] !== undefined) await warmUp(bench, workloads[0], progress.note)
  for (const workload of workloads) {
    const measured = await measure(bench, workload, progress.step)
    found({ results: [...findings.results, ...measured] })
    for (const one of measured) progress.say(summary(one))
  }
  await bench.servers.ceiling.stop()
  progress.begin(besides.has('peers') ? peerSteps(options) : 0)
  if (besides.has('peers')) found({ peers: await measurePeers(bench, server.url, progress) })
  await bench.servers.ours.stop()
  progress.begin(0)
  if (besides.has('round-trips')) found({ roundTrips: await measureRoundTrips(bench, server.url, progress) })
  if (besides.has('memory')) found({ memory: await measureMemory(bench, server.url, progress) })
  if (besides.has('start')) found({ start: await measureStart(server.url, options, progress) })
  if (besides.has('flame')) found({ flames: await measureFlames(bench, server.url, options.results, progress) })
  bench.load.stop()
  const text = found({})
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
