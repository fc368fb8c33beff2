import { mkdirSync, writeFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { userBody } from '../test/support/instances.ts'
import { startPostgres } from '../test/support/postgres-server.ts'
import { adminAt } from './admin.ts'
import { gatewayEnv } from './prepare.ts'
import { startGateway } from './processes.ts'
import { fillTenants } from './tenants/fill.ts'

// One feed of an environment with many tenants, over one connection: how soon an event arrives once it has its position, and once the
// write was answered; what an idle feed asks of the database; and how long the first reader waits, and writers beside it.
//
//     npm run bench:feed -- [tenants]      # 10,000 unless it says otherwise

const tenants = Number(process.argv[2] ?? 10_000)
const [STEADY_MS, PER_SECOND] = [30_000, 50]
const [BURSTS, OF_A_BURST, CLIENTS] = [3, Math.min(1_000, tenants), 8]
const IDLE_MS = 10_000
const SETTINGS = [
  ...['shared_buffers=1GB', 'max_wal_size=4GB', 'shared_preload_libraries=pg_stat_statements'],
  // When the position of an event was committed.
  'track_commit_timestamp=on',
]

/** Milliseconds since 1970 of this machine, which is the database's too. */
const now = () => performance.timeOrigin + performance.now()

const server = await startPostgres({ fsync: true, settings: SETTINGS })
const gateway = await startGateway(gatewayEnv(server.url))
const sql = postgres(server.url, { max: 1, onnotice: () => {} })
const lines: string[] = []
const say = (line: string) => {
  console.log(line)
  lines.push(line)
}
const spread = (times: readonly number[]) => {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number) => (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(1)
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, most ${at(1)} ms, of ${sorted.length}`
}

/** When each user's event arrived over the one connection. */
const arrived = new Map<string, number>()
/** When each user's create was answered. */
const answered = new Map<string, number>()

try {
  await sql.unsafe('create extension pg_stat_statements')
  await fillTenants(sql, tenants, 0)
  const admin = adminAt(gateway.origin)
  const { key } = await admin<{ key: string }>('POST', '/api-keys', { name: 'bench' })
  const { key: reading } = await admin<{ key: string }>('POST', '/api-keys', {
    ...{ name: 'feed', permissions: ['directory:read'] },
  })
  const environment = `${gateway.origin}/api/v1/projects/default/environments/dev`
  let made = 0
  /** A new user of a tenant; gives the milliseconds until the answer. */
  const create = async (tenant: number): Promise<number> => {
    const began = now()
    const response = await fetch(`${gateway.origin}/scim/v2/default/dev/v2/many-${tenant}/Users`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/scim+json' },
      body: JSON.stringify(userBody(`new${++made}@feed.test`, { title: 'New' })),
    })
    const text = await response.text()
    if (response.status !== 201) throw new Error(`a create was answered ${response.status} ${text}`)
    answered.set((JSON.parse(text) as { id: string }).id, now())
    return now() - began
  }
  const anyTenant = () => 1 + Math.floor(Math.random() * tenants)
  /** Creates at the steady pace until the time is over; gives how long each took, and the bytes of log that each wrote. */
  const steadily = async (until: () => boolean) => {
    const [began, log] = [now(), await logEnd()]
    const under: Promise<number>[] = []
    for (let n = 0; !until(); n++) {
      await pause(Math.max(0, began + n * (1_000 / PER_SECOND) - now()))
      under.push(create(anyTenant()))
    }
    const times = await Promise.all(under)
    await numbered()
    return { times, bytes: ((await logEnd()) - log) / times.length }
  }
  const forMs = (ms: number) => {
    const end = now() + ms
    return () => now() >= end
  }
  const logEnd = async () => {
    const [row] = await sql.unsafe<{ at: string }[]>(`select (pg_current_wal_insert_lsn() - '0/0')::text as at`)
    return Number(row?.at)
  }
  const numbered = async () => {
    const waits = 'exists (select from waiting_events) or exists (select from waiting_stretches)'
    for (;;) {
      const [row] = await sql.unsafe<{ waits: boolean }[]>(`select ${waits} as waits`)
      if (!row?.waits) return
      await pause(10)
    }
  }
  /** Statements in a second, and the milliseconds of the database's work for them, by `pg_stat_statements`. */
  const idle = async (what: string) => {
    await pause(3_000)
    await sql.unsafe('select pg_stat_statements_reset()')
    const began = now()
    await pause(IDLE_MS)
    const [row] = await sql.unsafe<{ calls: number; ms: number }[]>(
      `select coalesce(sum(calls), 0)::float8 as calls, coalesce(sum(total_exec_time), 0)::float8 as ms
       from pg_stat_statements where query not like '%pg_stat_statements%'`,
    )
    const seconds = (now() - began) / 1_000
    const [calls, ms] = [(row?.calls ?? 0) / seconds, (row?.ms ?? 0) / seconds]
    say(`idle, ${what}: ${calls.toFixed(1)} statements a second, ${ms.toFixed(1)} ms of the database’s time a second`)
  }
  let ended = 0
  /** Reads a stream until it is closed, and goes on behind the last id where the gateway ends it; gives what closes it. */
  const stream = (url: string, last?: string) =>
    new Promise<() => void>((resolve, reject) => {
      let closed = false
      let close = () => {
        closed = true
        asked.destroy()
      }
      const headers = { authorization: `Bearer ${reading}`, ...(last === undefined ? {} : { 'last-event-id': last }) }
      const asked = request(url, { headers }, (answer: IncomingMessage) => {
        if (answer.statusCode !== 200) reject(new Error(`the stream was answered ${answer.statusCode}`))
        resolve(() => close())
        let [rest, id] = ['', last]
        answer.setEncoding('utf8').on('error', () => {})
        answer.on('close', async () => {
          if (closed) return
          ended++
          close = await stream(url, id)
        })
        answer.on('data', (chunk: string) => {
          const at = now()
          const whole = `${rest}${chunk}`.split('\n')
          rest = whole.pop() ?? ''
          for (const line of whole) {
            if (line.startsWith('id: ')) id = line.slice(4)
            if (!line.startsWith('data: ')) continue
            const event = JSON.parse(line.slice(6)) as { resource: { id: string } }
            if (!arrived.has(event.resource.id)) arrived.set(event.resource.id, at)
          }
        })
      })
      asked.on('error', reject)
      asked.end()
    })
  /** Waits for the events of all that was written, and says how long they took. */
  const report = async (what: string) => {
    const ids = [...answered.keys()]
    const patience = now() + 60_000
    while (ids.some((id) => !arrived.has(id))) {
      if (now() > patience) {
        const missing = ids.filter((id) => !arrived.has(id))
        throw new Error(
          `${missing.length} of ${ids.length} events have not arrived for a minute, such as ${missing[0]}; ${ended} ends`,
        )
      }
      await pause(5)
    }
    const positions = await sql.unsafe<{ id: string; at: number; written: number }[]>(
      `select e.resource_id::text as id, (extract(epoch from pg_xact_commit_timestamp(p.xmin)) * 1000)::float8 as at
       from events e join event_positions p on p.tenant_id = e.tenant_id and p.seq = e.seq
       where e.resource_id = any($1::text::uuid[])`,
      [`{${ids.join(',')}}`],
    )
    const arrival = (id: string) => arrived.get(id) ?? Number.NaN
    say(`${what}, from the position to the reader: ${spread(positions.map(({ id, at }) => arrival(id) - at))}`)
    say(
      `${what}, from the SCIM answer to the reader: ${spread(ids.map((id) => arrival(id) - (answered.get(id) ?? 0)))}`,
    )
    if (ended > 0)
      say(`the gateway has ended the stream ${ended} times so far, and the reader went on behind its last id`)
    answered.clear()
    arrived.clear()
  }

  // Loads what was not needed yet.
  await steadily(forMs(5_000))
  const without = await steadily(forMs(STEADY_MS / 3))
  say(
    `creates at ${PER_SECOND} a second without a feed: ${spread(without.times)}, ${without.bytes.toFixed(0)} bytes of log each`,
  )
  await idle('no feed was ever read')

  let isOpen = false
  const opening = (async () => {
    await pause(1_000)
    const began = now()
    const answer = await fetch(`${environment}/events?limit=1`, { headers: { Authorization: `Bearer ${reading}` } })
    if (!answer.ok) throw new Error(`the feed was answered ${answer.status} ${await answer.text()}`)
    await answer.text()
    isOpen = true
    return now() - began
  })()
  const beside = await steadily(() => isOpen)
  say(`the first reader waits ${(await opening).toFixed(0)} ms while the feed of ${tenants} tenants is opened`)
  say(`creates beside it: ${spread(beside.times)}`)
  answered.clear()
  await sql.unsafe('vacuum analyze')

  await idle('the feed is open and has no reader')
  const snapshot = await fetch(`${environment}/snapshot?resources=false`, {
    headers: { Authorization: `Bearer ${reading}` },
  })
  const cursor = /"cursor":"([^"]*)"/.exec(await snapshot.text())?.[1] ?? ''
  const closeOne = await stream(`${environment}/tenants/many-1/events/stream?after=1`)
  await idle('a stream of one tenant')
  closeOne()
  const closeFeed = await stream(`${environment}/events/stream?after=${cursor}`)
  await idle('the stream of the feed')

  const steady = await steadily(forMs(STEADY_MS))
  say(
    `creates at ${PER_SECOND} a second with the feed: ${spread(steady.times)}, ${steady.bytes.toFixed(0)} bytes of log each`,
  )
  await report(`${PER_SECOND} creates a second`)
  for (let burst = 0; burst < BURSTS; burst++) {
    let next = burst * OF_A_BURST
    const end = next + OF_A_BURST
    const client = async () => {
      while (next < end) await create(1 + (next++ % tenants))
    }
    await Promise.all(Array.from({ length: CLIENTS }, client))
  }
  await report(`${BURSTS} bursts of a create in each of ${OF_A_BURST} tenants, by ${CLIENTS} clients`)

  // Another mapping of the environment: each tenant is told, in its own log.
  let isTold = false
  const telling = (async () => {
    await pause(1_000)
    const began = now()
    await admin('PATCH', '', { settings: { mapping: { name: { first: ['displayName', 'userName'] } } } })
    const answeredMs = now() - began
    const rows = await sql.unsafe<{ id: string }[]>('select id::text as id from tenants')
    while (rows.some(({ id }) => !arrived.has(id))) await pause(5)
    isTold = true
    return { answeredMs, arrivedMs: now() - began }
  })()
  const besideTelling = await steadily(() => isTold)
  const { answeredMs, arrivedMs } = await telling
  say(
    `another mapping of the environment: answered after ${answeredMs.toFixed(0)} ms; all ${tenants} tenants’ events arrived after ${arrivedMs.toFixed(0)} ms`,
  )
  say(`creates beside it: ${spread(besideTelling.times)}`)
  await report('events of these creates')
  await steadily(forMs(STEADY_MS / 3))
  await report(`${PER_SECOND} creates a second, with mapped values`)

  closeFeed()

  const day = new Date().toISOString().slice(0, 10)
  const folder = fileURLToPath(new URL(`results/${day}/`, import.meta.url))
  mkdirSync(folder, { recursive: true })
  const head = `# The feed of an environment\n\n\`npm run bench:feed -- ${tenants}\`, ${new Date().toISOString()}, Node ${process.versions.node}.\n`
  writeFileSync(`${folder}feed.md`, `${head}\n${lines.map((line) => `- ${line}`).join('\n')}\n`)
} finally {
  await sql.end()
  await gateway.stop()
  await server.stop()
}
process.exit()
