import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { openPostgres } from '../../src/db/postgres.ts'
import { inconsistencies } from '../../test/support/instances.ts'
import { quietResult } from '../fair/measure.ts'
import { originOf } from '../origin.ts'
import { rssMb } from '../processes.ts'
import { FAULTS } from './faults.ts'
import { type FaultFindings, type MemorySample, type SoakFindings, soakReport, soakVerdicts } from './report.ts'
import { lostWrites, newTraffic, runTraffic, type TenantTraffic } from './traffic.ts'
import { openSoak, type SoakWorld, sleep } from './world.ts'

// Traffic of some tenants on two instances, a fault a minute, and at the end the question whether anything was lost.

const USAGE = `npm run soak -- [options]
  --minutes N      how long (30); each minute has a fault
  --tenants N      tenants with traffic (5)
  --every S        seconds from one fault to the next (60)
  --gateway PATH   another build's main.js (dist/main.js)
  --results PATH   folder for soak.md and soak.json (bench/results; under half an hour bench/results/trial)
`
const RESULTS = fileURLToPath(new URL('../results/', import.meta.url))
const SAMPLE_MS = 2_000
const WARM_MS = 60_000
/** How long after the end everything may take to be numbered and delivered. */
const SETTLES_MS = 120_000

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '30' },
      tenants: { type: 'string', default: '5' },
      every: { type: 'string', default: '60' },
      gateway: { type: 'string' },
      results: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(USAGE)
    return
  }
  const minutes = Number(values.minutes)
  const world = await openSoak(Number(values.tenants), values.gateway)
  try {
    const findings = await soak(world, minutes, Number(values.every) * 1_000)
    const folder = values.results ?? (minutes < 30 ? join(RESULTS, 'trial') : RESULTS)
    mkdirSync(folder, { recursive: true })
    const text = soakReport(findings)
    writeFileSync(join(folder, 'soak.md'), text)
    writeFileSync(
      join(folder, 'soak.json'),
      `${JSON.stringify({ ...findings, verdicts: soakVerdicts(findings) }, null, 2)}\n`,
    )
    process.stdout.write(text)
    process.exitCode = soakVerdicts(findings).every(({ reached }) => reached) ? 0 : 1
  } finally {
    await world.close()
  }
}

async function soak(world: SoakWorld, minutes: number, everyMs: number): Promise<SoakFindings> {
  const traffic = world.tenants.map(newTraffic)
  const begun = performance.now()
  const endsAt = begun + minutes * 60_000
  const over = () => performance.now() >= endsAt
  const memory: MemorySample[] = []
  const sampling = sampleMemory(world, begun, over, memory)
  const running = runTraffic(world, traffic, over)
  const struck: { title: string; at: number; tookMs: number }[] = []
  for (let turn = 0; ; turn++) {
    const at = begun + (turn + 0.25) * everyMs
    if (at >= endsAt) break
    await sleep(at - performance.now())
    const fault = FAULTS[turn % FAULTS.length] as (typeof FAULTS)[number]
    process.stderr.write(`${((at - begun) / 1_000).toFixed(0).padStart(5)} s  ${fault.title}\n`)
    const from = performance.now()
    await fault.strike(world, turn)
    struck.push({ title: fault.title, at: from, tookMs: performance.now() - from })
  }
  await running
  await sampling
  process.stderr.write('the traffic is over; looking at what there is\n')
  const undelivered = await settled(world)
  const faults: FaultFindings[] = struck.map(({ title, at, tookMs }) => ({
    ...{ title, tookMs, atSeconds: (at - begun) / 1_000 },
    longestSilenceMs: Math.max(...traffic.map((one) => longestSilence(one, at, Math.min(at + everyMs, endsAt)))),
  }))
  const tenants = await Promise.all(
    traffic.map(async (one) => {
      // Taken before the look at what there is, which is no traffic.
      const { p50, p99, requests } = quietResult(one.times.map(({ ms }) => ({ ms, said: '200' })))
      const lost = await lostWrites(world, one)
      const { acknowledged, refused, unanswered, wrong } = one
      return { name: one.tenant.name, requests, acknowledged, p50, p99, refused, unanswered, lost, wrong }
    }),
  )
  const inconsistent = await withDatabase(world, async (database) =>
    (await Promise.all(world.tenants.map(({ id }) => inconsistencies(database, id)))).flat(),
  )
  const command = `npm run soak${process.argv.length > 2 ? ` -- ${process.argv.slice(2).join(' ')}` : ''}`
  const origin = { ...originOf(world.postgres.description), command }
  return { origin, minutes, tenants, faults, memory, undelivered, inconsistent }
}

async function sampleMemory(world: SoakWorld, begun: number, over: () => boolean, into: MemorySample[]): Promise<void> {
  while (!over()) {
    for (let i = 0; i < world.instances; i++) {
      const mb = rssMb(world.instance(i).pid)
      const now = performance.now()
      if (mb > 0 && now - world.since(i) > WARM_MS) into.push({ atSeconds: (now - begun) / 1_000, mb })
    }
    await sleep(SAMPLE_MS)
  }
}

/** The longest time between two clear answers, of which one at least lies in the time from `from` to `to`. */
function longestSilence({ times }: TenantTraffic, from: number, to: number): number {
  const ends = times.map(({ at, ms }) => at + ms).filter((at) => at >= from && at <= to)
  const all = [from, ...ends.sort((a, b) => a - b), to]
  return Math.max(...all.slice(1).map((at, i) => at - (all[i] as number)))
}

/** Waits until all events have positions and were delivered; gives how many events were not. */
async function settled(world: SoakWorld): Promise<number> {
  const begun = performance.now()
  return withDatabase(world, async (database) => {
    for (;;) {
      const [left] = await database.run<{ n: number }>(
        'select ((select count(*) from webhook_deliveries) + (select count(*) from waiting_events))::int as n',
        [],
      )
      if (left?.n === 0 || performance.now() - begun > SETTLES_MS) break
      await sleep(500)
    }
    const told = await database.run<{ id: string }>(
      `select e.id::text from events e join tenants t on t.id = e.tenant_id
       where t.key like 'tenant%' and e.type like 'user.%'`,
      [],
    )
    return told.filter(({ id }) => !world.received.has(id)).length
  })
}

async function withDatabase<T>(
  { postgres }: SoakWorld,
  work: (database: Awaited<ReturnType<typeof openPostgres>>) => Promise<T>,
): Promise<T> {
  const database = await openPostgres({ databaseUrl: postgres.url, databasePool: 2, databasePrepare: true })
  try {
    return await work(database)
  } finally {
    await database.close()
  }
}

await main()
process.exit()
