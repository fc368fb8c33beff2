import { mkdirSync, writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import postgres from 'postgres'
import { loadConfig } from '../src/config.ts'
import { openDatabase } from '../src/db/open.ts'
import type { MirrorOptions, Report } from '../src/mirror/index.ts'
import { fillDirectly, patchBody, userBody } from '../test/support/instances.ts'
import { onDatabase, startPostgres } from '../test/support/postgres-server.ts'
import { adminAt } from './admin.ts'
import { gatewayEnv } from './prepare.ts'
import { startGateway } from './processes.ts'

// The mirror of a tenant with many users: how soon it has read their snapshot, how far it is behind while they change at a steady pace
// and in bursts, and how quickly it takes what has gathered while it was off. The gateway is a process, the mirror the built library in a
// thread; both databases are on one PostgreSQL that flushes each commit.
//
//     npm run bench:mirror -- [users]      # 100,000 unless it says otherwise

const users = Number(process.argv[2] ?? 100_000)
const [STEADY_MS, PER_SECOND] = [30_000, 50]
const [BURSTS, OF_A_BURST] = [10, 200]
const GATHERED = 5_000
const CLIENTS = 8

const LIBRARY = new URL('../dist/mirror/index.js', import.meta.url).href
/** The thread: a mirror that goes on until the thread is ended. */
const THREAD = `
  const { parentPort, workerData } = require('node:worker_threads')
  import('${LIBRARY}').then(({ openMirror }) =>
    openMirror({ ...workerData, onReport: (report) => parentPort.postMessage(report) }).follow(new AbortController().signal))`

const server = await startPostgres({ fsync: true, settings: ['shared_buffers=1GB', 'max_wal_size=4GB'] })
const gateway = await startGateway(gatewayEnv(server.url))
const lines: string[] = []
const say = (line: string) => {
  console.log(line)
  lines.push(line)
}
try {
  const admin = adminAt(gateway.origin)
  const tenant = await admin<{ id: string }>('POST', '/tenants', { key: 'mirrored' })
  const { key } = await admin<{ key: string }>('POST', '/api-keys', { name: 'bench' })
  const { key: reading } = await admin<{ key: string }>('POST', '/api-keys', {
    name: 'mirror',
    permissions: ['directory:read'],
  })
  const database = await openDatabase(loadConfig({ DATABASE_URL: server.url }), () => {})
  const groups = Math.ceil(users / 100)
  const { userId } = await fillDirectly(database, tenant.id, { users, groups })
  await database.run('analyze', [], { prepare: false })
  await database.close()
  const admins = postgres(server.url, { max: 1 })
  await admins.unsafe('create database application')
  await admins.end()
  const options: MirrorOptions = {
    gateway: { origin: gateway.origin, key: reading },
    database: onDatabase(server.url, 'application'),
  }

  let reports: Report[] = []
  const start = () => {
    reports = []
    const thread = new Worker(THREAD, { eval: true, workerData: options })
    thread.on('message', (report: Report) => reports.push(report))
    return thread
  }
  const until = async (wanted: () => boolean) => {
    while (!wanted()) await pause(5)
  }
  const applied = () => reports.flatMap((report) => (report.state === 'applied' ? [report] : []))
  const events = () => applied().reduce((sum, report) => sum + report.events, 0)

  const scim = async (method: string, path: string, body: object) => {
    const response = await fetch(`${gateway.origin}/scim/v2/default/dev/v2/mirrored${path}`, {
      method,
      headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/scim+json' },
      body: JSON.stringify(body),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
  }
  let made = 0
  /** One event: half are new users, half are changes of what others are. */
  const change = () => {
    const n = ++made
    if (n % 2 === 0) return scim('POST', '/Users', userBody(`new${n}@mirror.test`, { title: 'New' }))
    const value = `Title ${n} anew`
    return scim('PATCH', `/Users/${userId((n % users) + 1)}`, patchBody({ op: 'replace', path: 'title', value }))
  }
  const many = (count: number) =>
    Promise.all(
      Array.from({ length: CLIENTS }, async (_, client) => {
        for (let i = client; i < count; i += CLIENTS) await change()
      }),
    )
  /** Each event counts with the time of the oldest one that was committed with it, so these are upper bounds. */
  const lags = () => {
    const all = applied().flatMap(({ events, lagMs }) => Array.from({ length: events }, () => lagMs))
    all.sort((a, b) => a - b)
    const at = (share: number) => all[Math.min(all.length - 1, Math.floor(all.length * share))]
    return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, most ${all.at(-1)} ms, of ${all.length} events`
  }

  const beganAt = performance.now()
  let thread = start()
  await until(() => reports.some(({ state }) => state === 'following'))
  const readMs = performance.now() - beganAt
  say(
    `snapshot of ${users} users and ${groups} groups: ${(readMs / 1_000).toFixed(1)} s, ${Math.round((users * 1_000) / readMs)} users a second`,
  )

  // The first changes load what was not needed yet, on both sides.
  await many(200)
  await until(() => events() >= 200)
  reports = []
  const [steadyAt, before] = [performance.now(), made]
  const under: Promise<void>[] = []
  for (let n = 0; n * (1_000 / PER_SECOND) < STEADY_MS; n++) {
    await pause(Math.max(0, steadyAt + n * (1_000 / PER_SECOND) - performance.now()))
    under.push(change())
  }
  await Promise.all(under)
  await until(() => events() >= made - before)
  say(`lag at ${PER_SECOND} changes a second: ${lags()}`)

  reports = []
  for (let burst = 0; burst < BURSTS; burst++) {
    await many(OF_A_BURST)
    await until(() => events() >= (burst + 1) * OF_A_BURST)
  }
  say(`lag in bursts of ${OF_A_BURST} changes by ${CLIENTS} clients: ${lags()}`)

  await thread.terminate()
  await many(GATHERED)
  const resumedAt = performance.now()
  thread = start()
  await until(() => events() >= GATHERED)
  const tookMs = performance.now() - resumedAt
  say(
    `${GATHERED} changes that gathered while it was off: ${tookMs.toFixed(0)} ms, ${Math.round((GATHERED * 1_000) / tookMs)} a second`,
  )
  await thread.terminate()

  const day = new Date().toISOString().slice(0, 10)
  const folder = fileURLToPath(new URL(`results/${day}/`, import.meta.url))
  mkdirSync(folder, { recursive: true })
  const head = `# The mirror\n\n\`npm run bench:mirror -- ${users}\`, ${new Date().toISOString()}, Node ${process.versions.node}.\n`
  writeFileSync(`${folder}mirror.md`, `${head}\n${lines.map((line) => `- ${line}`).join('\n')}\n`)
} finally {
  await gateway.stop()
  await server.stop()
}
