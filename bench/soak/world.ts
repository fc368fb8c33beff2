import { readdirSync, readFileSync } from 'node:fs'
import { createServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { openPostgres } from '../../src/db/postgres.ts'
import { analyze, fillDirectly } from '../../test/support/instances.ts'
import { type PostgresServer, startPostgres } from '../../test/support/postgres-server.ts'
import { ADMIN_KEY, adminAt } from '../admin.ts'
import type { FairWorld } from '../fair/world.ts'
import { postgresPid } from '../prepare.ts'
import { type Server, startGateway } from '../processes.ts'

/** Users of the tenant that only storms come from; they are in one group, which slow readers read. */
const STORM_USERS = 20_000

/** A tenant with traffic: its name is in the name of each of its users. */
export interface SoakTenant {
  readonly id: string
  readonly name: string
  readonly headers: Readonly<Record<string, string>>
}

/** Two instances on one PostgreSQL, and a receiver of webhooks. */
export interface SoakWorld {
  readonly postgres: PostgresServer
  readonly tenants: readonly SoakTenant[]
  /** What a storm comes from. */
  storm(): FairWorld
  /** The instance for a client at the moment; another one by another number. */
  instance(client: number): Server
  readonly instances: number
  /** Ends an instance by a signal, and starts another in its place. */
  replace(index: number, signal: 'SIGKILL' | 'SIGTERM'): Promise<void>
  /** Since when each instance runs, by the steady clock. */
  since(index: number): number
  /** Stops all processes of PostgreSQL, and lets them go on. */
  freeze(ms: number): Promise<void>
  /** The receiver is not there for so long. */
  deafen(ms: number): Promise<void>
  /** Ids of events that the receiver has taken. */
  readonly received: ReadonlySet<string>
  close(): Promise<void>
}

/** Starts it all, with `tenants` tenants and a webhook for each. */
export async function openSoak(tenants: number, main: string | undefined): Promise<SoakWorld> {
  const postgres = await startPostgres({ fsync: true, settings: ['shared_buffers=256MB', 'max_wal_size=2GB'] })
  const env = { DATABASE_URL: postgres.url, ADMIN_KEY, LOG_LEVEL: 'silent', DELIVERY_NETWORKS: '127.0.0.0/8' }
  const start = async () => ({ server: await startGateway(env, main), since: performance.now() })
  const gateways = [await start(), await start()]
  const received = new Set<string>()
  let receiver = await listen(received, 0)
  const { port } = receiver.address() as AddressInfo
  const first = gateways[0]?.server as Server
  const admin = adminAt(first.origin)
  const makeTenant = async (name: string): Promise<SoakTenant> => {
    const { id } = await admin<{ id: string }>('POST', '/tenants', { key: name })
    const permissions = ['scim:read', 'scim:write', 'directory:read']
    const { key } = await admin<{ key: string }>('POST', `/tenants/${name}/api-keys`, { name: 'soak', permissions })
    return { id, name, headers: { authorization: `Bearer ${key}`, 'content-type': 'application/scim+json' } }
  }
  const made: SoakTenant[] = []
  for (let i = 0; i < tenants; i++) {
    const tenant = await makeTenant(`tenant${i}`)
    await admin('POST', `/tenants/${tenant.name}/webhooks`, { url: `http://127.0.0.1:${port}/${tenant.name}` })
    made.push(tenant)
  }
  const storming = await makeTenant('storm')
  const largeGroup = await fillStorm(postgres.url, storming.id)
  const pid = () => postgresPid(postgres.url)

  return {
    postgres,
    tenants: made,
    storm: () => {
      const { origin } = (gateways[0] as { server: Server }).server
      const base = `${origin}/scim/v2/default/dev/v2/storm`
      const loud = { base, admin: `${origin}/api/v1/projects/default/environments/dev/tenants/storm`, ...storming }
      return { loud, largeGroup, quiet: [], followed: [], adminHeaders: {}, users: STORM_USERS, groups: 1 }
    },
    instances: gateways.length,
    instance: (client) => gateways[client % gateways.length]?.server as Server,
    since: (index) => gateways[index]?.since ?? 0,
    async replace(index, signal) {
      const { server } = gateways[index] as (typeof gateways)[number]
      process.kill(server.pid, signal)
      await server.stop()
      gateways[index] = await start()
    },
    async freeze(ms) {
      const all = await processesUnder(await pid())
      for (const one of all) process.kill(one, 'SIGSTOP')
      await sleep(ms)
      for (const one of all) signalQuietly(one, 'SIGCONT')
    },
    async deafen(ms) {
      receiver.closeAllConnections()
      await new Promise((resolve) => receiver.close(resolve))
      await sleep(ms)
      receiver = await listen(received, port)
    },
    received,
    async close() {
      for (const { server } of gateways) await server.stop()
      receiver.closeAllConnections()
      receiver.close()
      await postgres.stop()
    },
  }
}

async function fillStorm(url: string, tenantId: string): Promise<string> {
  const database = await openPostgres({ databaseUrl: url, databasePool: 1, databasePrepare: true })
  const { groupId } = await fillDirectly(database, tenantId, { users: STORM_USERS, groups: 1 })
  await analyze(database)
  await database.close()
  return groupId(1)
}

function listen(received: Set<string>, port: number): Promise<HttpServer> {
  const server = createServer(async (incoming, outgoing) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const { data } = JSON.parse(Buffer.concat(chunks).toString()) as { data: { id: string } }
    received.add(data.id)
    outgoing.writeHead(204).end()
  })
  return new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(server)))
}

async function processesUnder(pid: number): Promise<number[]> {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number),
  )
  return [pid, ...children]
}

function signalQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // A session that has ended meanwhile.
  }
}

export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
