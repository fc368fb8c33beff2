import { type IncomingMessage, request } from 'node:http'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { openPostgres } from '../src/db/postgres.ts'
import { startPostgres } from '../test/support/postgres-server.ts'
import { ADMIN_KEY, adminAt } from './admin.ts'
import { cpuMs, startGateway } from './processes.ts'

// What readers cost that wait for events: statements and CPU of the gateway in each second, and the times of a quiet tenant's
// reads, alone and beside them. Readers are event streams, or requests that wait (`wait=30`) and come again.

/** What is measured, and by what. */
export interface IdleWorld {
  readonly origin: string
  /** The process of the gateway. */
  readonly pid: number
  readonly headers: Readonly<Record<string, string>>
  /** Where each tenant's events are read; each gets as many readers as another. */
  readonly events: readonly string[]
  /** A quiet tenant's user. */
  readonly quietUser: string
  /** Transactions of the database so far, each a statement. */
  statements(): Promise<number>
}

type Kind = 'streams' | 'waiting requests'

/** Measures alone and beside both kinds of readers, and says a line for each. */
export async function idleReaders(world: IdleWorld, readers: number, windowMs: number, say: (line: string) => void) {
  say(`${'readers'.padEnd(26)} quiet p50 /  p99 ms   statements/s   CPU ms/s`)
  await measured(world, 'none', windowMs, say)
  for (const kind of ['streams', 'waiting requests'] as const) {
    const stop = await openReaders(world, kind, readers)
    await measured(world, `${readers} ${kind}`, windowMs, say)
    stop()
  }
}

async function openReaders({ events, headers }: IdleWorld, kind: Kind, readers: number): Promise<() => void> {
  let over = false
  const open = new Set<ReturnType<typeof request>>()
  const waits = (url: string, after: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const asked = request(`${url}?wait=30&after=${after}`, { headers }, (answer) => {
        open.delete(asked)
        answer.resume().on('end', () => void (over || waits(url, after)))
      })
      open.add(asked.on('error', (error) => (over ? resolve() : reject(error))))
      asked.end(() => resolve())
    })
  const streams = (url: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const asked = request(`${url}/stream`, { headers }, (answer: IncomingMessage) => {
        if (answer.statusCode !== 200) return reject(new Error(`a stream is answered ${answer.statusCode}`))
        answer.on('error', () => {}).on('data', () => {})
        resolve()
      })
      open.add(asked.on('error', (error) => (over ? resolve() : reject(error))))
      asked.end()
    })
  const heads = new Map<string, string>()
  for (const url of events) {
    const answer = await fetch(`${url}?limit=500`, { headers })
    heads.set(url, String(((await answer.json()) as { next: number }).next))
  }
  for (let from = 0; from < readers; from += 100) {
    const urls = Array.from(
      { length: Math.min(100, readers - from) },
      (_, i) => events[(from + i) % events.length] ?? '',
    )
    await Promise.all(urls.map((url) => (kind === 'streams' ? streams(url) : waits(url, heads.get(url) ?? '0'))))
  }
  return () => {
    over = true
    for (const one of open) one.destroy()
  }
}

async function measured(world: IdleWorld, name: string, windowMs: number, say: (line: string) => void): Promise<void> {
  // What opening them has begun is over.
  await pause(3_000)
  const [statements, cpu, begun] = [await world.statements(), cpuMs(world.pid), performance.now()]
  await pause(windowMs)
  const idle = (performance.now() - begun) / 1_000
  const perSecond = ((await world.statements()) - statements) / idle
  const cpuPerSecond = (cpuMs(world.pid) - cpu) / idle
  const times: number[] = []
  for (const end = performance.now() + windowMs; performance.now() < end; await pause(50)) {
    const start = performance.now()
    await (await fetch(world.quietUser, { headers: world.headers })).text()
    times.push(performance.now() - start)
  }
  times.sort((a, b) => a - b)
  const of = (q: number) => (times[Math.floor(times.length * q)] ?? 0).toFixed(1)
  say(
    `${name.padEnd(26)} ${of(0.5).padStart(9)} / ${of(0.99).padStart(7)} ${perSecond.toFixed(1).padStart(14)} ${cpuPerSecond.toFixed(0).padStart(10)}`,
  )
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** A world of its own: tenants, of which one is quiet, on a private PostgreSQL. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      gateway: { type: 'string' },
      readers: { type: 'string', default: '2000' },
      tenants: { type: 'string', default: '40' },
      window: { type: 'string', default: '6000' },
    },
  })
  const server = await startPostgres({ fsync: true })
  const most = { MAX_STREAMS: '100000', KEY_MAX_STREAMS: '100000', TENANT_MAX_STREAMS: '100000' }
  const gateway = await startGateway(
    { DATABASE_URL: server.url, ADMIN_KEY, LOG_LEVEL: 'silent', ...most },
    values.gateway,
  )
  const database = await openPostgres({ databaseUrl: server.url, databasePool: 1, databasePrepare: true })
  try {
    const admin = adminAt(gateway.origin)
    const keys = Array.from({ length: Number(values.tenants) }, (_, i) => `t${i}`)
    for (const key of [...keys, 'quiet']) await admin('POST', '/tenants', { key })
    const made = await admin<{ key: string }>('POST', '/api-keys', {
      ...{ name: 'bench', permissions: ['scim:read', 'scim:write', 'directory:read'] },
    })
    const headers = { authorization: `Bearer ${made.key}`, 'content-type': 'application/scim+json' }
    const post = async (tenant: string) => {
      const answer = await fetch(`${gateway.origin}/scim/v2/default/dev/v2/${tenant}/Users`, {
        ...{ method: 'POST', headers },
        body: JSON.stringify({ schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'], userName: 'one' }),
      })
      return ((await answer.json()) as { id: string }).id
    }
    for (const key of keys) await post(key)
    const id = await post('quiet')
    await idleReaders(
      {
        ...{ origin: gateway.origin, pid: gateway.pid, headers },
        events: keys.map((key) => `${gateway.origin}/api/v1/projects/default/environments/dev/tenants/${key}/events`),
        quietUser: `${gateway.origin}/scim/v2/default/dev/v2/quiet/Users/${id}`,
        statements: async () => {
          const [row] = await database.run<{ n: number }>(
            'select xact_commit::float8 as n from pg_stat_database where datname = current_database()',
            [],
          )
          return row?.n ?? 0
        },
      },
      Number(values.readers),
      Number(values.window),
      (line) => void process.stdout.write(`${line}\n`),
    )
  } finally {
    await database.close()
    await gateway.stop()
    await server.stop()
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await main()
  process.exit()
}
