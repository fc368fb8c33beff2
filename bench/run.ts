import { mkdirSync } from 'node:fs'
import postgres from 'postgres'
import { startPostgres } from '../test/support/postgres-server.ts'
import { measureCosts } from './costs/measure.ts'
import { measureFair } from './fair/measure.ts'
import { measureFlames } from './flame/measure.ts'
import { measureFresh } from './fresh/measure.ts'
import { measureImage } from './image-size.ts'
import { type Bench, type CaseResult, measure, warmUp } from './measure.ts'
import { measureMemory } from './memory.ts'
import { readOptions, USAGE } from './options.ts'
import { originOf } from './origin.ts'
import { type Beside, chosenParts } from './parts.ts'
import { measurePeers } from './peers/measure.ts'
import { putIntoPages } from './performance-page.ts'
import { gatewayEnv, postgresPid, prepare } from './prepare.ts'
import { type Load, startCeiling, startGateway, startLoad } from './processes.ts'
import { type Progress, progressOn } from './progress.ts'
import { type Findings, nothingYet, writeReport } from './report.ts'
import { measureRequestLog } from './request-log/cost.ts'
import { measureLogRows } from './request-log/rows.ts'
import { measureRoleRules } from './role-rules/measure.ts'
import { measureRoundTrips } from './round-trips.ts'
import { measureStart } from './start-times.ts'
import { whenStill } from './still.ts'
import { measureTenants } from './tenants/measure.ts'
import { measureWebhooks } from './webhooks/measure.ts'
import type { Workload } from './workloads/workload.ts'
import type { World } from './world.ts'
import { measureWritten } from './written.ts'

/** A server that has the memory for a million users, as one in production would. */
const POSTGRES_SETTINGS = ['shared_buffers=2GB', 'max_wal_size=8GB']

/** Events are numbered and index entries merged within less; PostgreSQL's own housekeeping may take longer, and is not waited for. */
const SETTLED_MS = 300
const SETTLED_WITHIN_MS = 3_000

/** Measures a part besides the workloads. */
type Measuring = (bench: Bench, databaseUrl: string, progress: Progress) => Promise<Partial<Findings>>

/** Those that need the gateway and the ceilings, in the order to run them. */
const beside: readonly (readonly [Beside, Measuring])[] = [
  ['costs', async (...its) => ({ costs: await measureCosts(...its) })],
  ['role-rules', async (bench, _, progress) => ({ roleRules: await measureRoleRules(bench, progress) })],
  ['peers', async (...its) => ({ peers: await measurePeers(...its) })],
]

/** Those that start a gateway of their own, in the order to run them. */
const alone: readonly (readonly [Beside, Measuring])[] = [
  ['round-trips', async (...its) => ({ roundTrips: await measureRoundTrips(...its) })],
  ['memory', async (...its) => ({ memory: await measureMemory(...its) })],
  ['image', async () => ({ image: await measureImage() })],
  ['written', async (...its) => ({ written: await measureWritten(...its) })],
  ['fresh', async ({ options }, _, progress) => ({ fresh: await measureFresh(options, progress) })],
  ['start', async (...its) => ({ start: await measureStart(...its) })],
  ['fair', async ({ options }, _, progress) => ({ fair: await measureFair(options, progress) })],
  ['tenants', async ({ options }, _, progress) => ({ tenants: await measureTenants(options, progress) })],
  ['webhooks', async (...its) => ({ webhooks: await measureWebhooks(...its) })],
  ['request-log', async (...its) => ({ requestLog: await measureRequestLog(...its) })],
  ['request-log-rows', async ({ options }, _, progress) => ({ logRows: await measureLogRows(options, progress) })],
  ['flame', async (...its) => ({ flames: await measureFlames(...its) })],
]

async function main(): Promise<void> {
  if (process.argv.includes('--help')) {
    process.stdout.write(USAGE)
    return
  }
  const { options, parts } = commandLine()
  const progress = progressOn(process.stderr)
  const begun = Date.now()

  progress.note('starting PostgreSQL')
  const server = await startPostgres({ fsync: true, settings: POSTGRES_SETTINGS })
  const { world, gateway } = await prepare(server.url, options, parts.fill, progress)
  const sql = postgres(server.url, { max: 1 })
  let bench: Bench = {
    ...{ options, world, load: loadFor(world), postgresPid: await postgresPid(server.url) },
    settled: async (withinMs = SETTLED_WITHIN_MS) => void (await whenStill(sql, SETTLED_MS, withinMs)),
    servers: { ours: gateway, ceiling: await startCeiling(server.url) },
  }

  mkdirSync(options.results, { recursive: true })
  let findings = nothingYet(originOf(server.description), options)
  const found = (more: Partial<Findings>) => {
    findings = { ...findings, ...more, seconds: Math.round((Date.now() - begun) / 1_000) }
    return writeReport(options.results, findings)
  }
  /** Writes the report after every part, and goes on where one fails: what was found is not lost with it. */
  const attempt = async (part: string, work: () => Promise<Partial<Findings>>) => {
    try {
      found(await work())
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      progress.say(`${part} failed: ${why}`)
      found({ failed: [...findings.failed, { part, why }] })
    }
    bench = bench.load.alive() ? bench : { ...bench, load: loadFor(world) }
  }

  progress.begin(rounds(parts.workloads, bench))
  const [first] = parts.workloads
  if (first !== undefined) await warmUp(bench, first, progress.note)
  for (const workload of parts.workloads) {
    await attempt(workload.name, async () => {
      const measured = await measure(bench, workload, progress.step)
      for (const one of measured) progress.say(summary(one))
      return { results: [...findings.results, ...measured] }
    })
    bench = { ...bench, servers: await revived(bench, server.url) }
  }
  for (const [name, work] of beside) {
    if (parts.besides.has(name)) await attempt(name, () => work(bench, server.url, progress))
  }
  for (const each of Object.values(bench.servers)) await each.stop()
  for (const [name, work] of alone) {
    if (parts.besides.has(name)) await attempt(name, () => work(bench, server.url, progress))
  }
  bench.load.stop()
  const text = found({})
  await sql.end()
  await server.stop()
  if (options.whole) putIntoPages()
  process.stdout.write(text)
  process.exitCode = findings.failed.length > 0 ? 1 : 0
}

/** The servers, and in the place of one that has ended a new one: what failed may have taken it along. */
const revived = async ({ options, servers: { ours, ceiling } }: Bench, databaseUrl: string) => ({
  ours: ours.alive() ? ours : await startGateway(gatewayEnv(databaseUrl), options.gateway),
  ceiling: ceiling.alive() ? ceiling : await startCeiling(databaseUrl),
})

function loadFor(world: World): Load {
  const load = startLoad()
  load.know(world)
  return load
}

/** Steps of all workloads. */
const rounds = (workloads: readonly Workload[], { options, world }: Bench): number =>
  workloads
    .flatMap((workload) =>
      workload.cases(world).map(({ requests }) => options.rounds + (requests === undefined ? 1 : 0)),
    )
    .reduce((sum, n) => sum + n, 0)

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
function summary({ workload, name, ours, ceiling, ratio, bareRatio, cpuRatio }: CaseResult): string {
  const side = (of: CaseResult['ours']) =>
    `${of.perSecond.toFixed(of.perSecond < 100 ? 1 : 0)}/s ${of.p50.toFixed(1)}/${of.p99.toFixed(1)} ms ${of.serverCpuUs.toFixed(0)}+${of.postgresCpuUs.toFixed(0)} us`
  return `${`${workload} ${name}`.padEnd(40)} ${ratio.toFixed(2)} ${(bareRatio?.toFixed(2) ?? '').padEnd(4)}  cpu ${cpuRatio.toFixed(2)}   ours ${side(ours)}   ceiling ${side(ceiling)}`
}

await main()
process.exit()
