import { readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Database } from '../../src/db/database.ts'
import { migratePostgres } from '../../src/db/migrate.ts'
import { openPglite } from '../../src/db/pglite.ts'
import { openPostgres } from '../../src/db/postgres.ts'
import { type Child, runGateway, runProgram } from './children.ts'
import { engineName, PATIENT } from './engines.ts'
import { startPostgres } from './postgres-server.ts'
import { newStoreFolder, storeParent } from './store-folder.ts'

export const ADMIN = 'an-admin-key-for-the-chaos'

/** Share of the messages that the receiver refuses while it is well. */
const REFUSED = 0.005
/** Longest time for which something stays down. */
const DOWN_MS = 300
/** So long without a message, the receiver has got all that is due. */
const QUIET_MS = 1_000

/** What can be killed. */
export type Victim = 'server' | 'database' | 'receiver'

/** A message as the receiver took it. */
export interface Taken {
  readonly id: string
  readonly position: number
  readonly resource: string
}

/** Gateways, their database and a receiver of webhooks, each a process of its own that can be killed. */
export interface ChaosWorld {
  /** Of what runs on this engine; the embedded database dies with its one server. */
  readonly victims: readonly Victim[]
  /** Where the gateway for a client is at the moment. */
  origin(client: number): string
  /** Ends one by SIGKILL, and starts it again a moment later. */
  kill(victim: Victim): Promise<void>
  /** Lets the receiver have all that waits for it, and gives what `work` finds in the store, which no gateway has open. */
  settled<Found>(work: (database: Database) => Promise<Found>): Promise<Found>
  /** All that the receiver has taken, in the order of coming. */
  taken(): Taken[]
  close(): Promise<void>
}

/** Starts two gateways on PostgreSQL, or one on an embedded folder, with an endpoint for everything that happens. */
export async function openChaos(): Promise<ChaosWorld> {
  const folder = newStoreFolder()
  const postgres = engineName() === 'postgres' ? await startPostgres({ fsync: true, parent: storeParent() }) : undefined
  if (postgres) await migratePostgres({ databaseUrl: postgres.url })
  const store = { DATABASE_URL: postgres?.url ?? '', DATA_DIR: join(folder, 'data') }
  const env = { PORT: '0', HOST: '127.0.0.1', ADMIN_KEY: ADMIN, LOG_LEVEL: 'silent', ...store }
  const file = join(folder, 'taken')

  const startGateway = async () => {
    const child = runGateway({ ...env, DELIVERY_NETWORKS: '127.0.0.0/8' })
    await child.says('Create a user')
    return { child, origin: `http://127.0.0.1:${/http:\/\/localhost:(\d+)/.exec(child.stdout())?.[1]}` }
  }
  const startReceiver = async (port: string, fails: number) => {
    const child = runProgram('receiver', [port, file, String(fails)])
    await child.says('\n\n')
    return { child, port: /port (\d+)/.exec(child.stdout())?.[1] ?? '' }
  }
  const gateways = [await startGateway()]
  if (postgres) gateways.push(await startGateway())
  let receiver = await startReceiver('0', REFUSED)
  await makeEndpoint(gateways[0]?.origin ?? '', `http://127.0.0.1:${receiver.port}/hook`)

  const end = async ({ child }: { child: Child }, signal: NodeJS.Signals) => {
    child.process.kill(signal)
    return child.ended()
  }
  const down = () => pause(Math.random() * DOWN_MS)
  const restartReceiver = async (fails: number) => {
    await end(receiver, 'SIGKILL')
    await down()
    receiver = await startReceiver(receiver.port, fails)
  }
  const stopGateways = async () => {
    for (const code of await Promise.all(gateways.map((gateway) => end(gateway, 'SIGTERM'))))
      if (code !== 0) throw new Error(`a gateway that was told to stop ended with ${code}`)
  }
  const look = async <Found>(work: (database: Database) => Promise<Found>): Promise<Found> => {
    const database = postgres
      ? await openPostgres({ ...PATIENT, databaseUrl: postgres.url, databasePool: 2, databasePrepare: true })
      : await openPglite({ ...PATIENT, dataDir: env.DATA_DIR ?? '' }, () => {})
    try {
      return await work(database)
    } finally {
      await database.close()
    }
  }

  return {
    victims: postgres ? ['server', 'database', 'receiver'] : ['server', 'receiver'],
    origin: (client) => gateways[client % gateways.length]?.origin ?? '',
    kill: async (victim) => {
      if (victim === 'receiver') return restartReceiver(REFUSED)
      if (victim === 'database') {
        await postgres?.kill()
        await down()
        return postgres?.restart()
      }
      const at = Math.floor(Math.random() * gateways.length)
      await end(gateways[at] as (typeof gateways)[number], 'SIGKILL')
      await down()
      gateways[at] = await startGateway()
    },
    settled: async (work) => {
      await restartReceiver(0)
      for (;;) {
        for (let size = -1; size !== sizeOf(file); await pause(QUIET_MS)) size = sizeOf(file)
        await stopGateways()
        if ((await look(hurry)) === 0) break
        for (const [i] of gateways.entries()) gateways[i] = await startGateway()
      }
      return look(work)
    },
    taken: () =>
      readFileSync(file, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line).data)
        .map(({ id, position, resource }) => ({ id, position, resource: resource.id })),
    close: async () => {
      for (const { child } of [...gateways, receiver]) child.process.kill('SIGKILL')
      await postgres?.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Makes due now what the dead had claimed, for half a minute, and what failed; gives how much there is still to be done. */
async function hurry(database: Database): Promise<number> {
  await database.run("update webhook_deliveries set due_at = now() where due_at < 'infinity'", [])
  await database.run('update webhook_endpoints set resume_at = null', [])
  const [left] = await database.run<{ n: number }>(
    `select ((select count(*) from webhook_deliveries) + (select count(*) from waiting_events))::int as n`,
    [],
  )
  return left?.n ?? 0
}

async function makeEndpoint(origin: string, url: string): Promise<void> {
  const made = await fetch(`${origin}/api/v1/projects/default/environments/dev/webhooks`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${ADMIN}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ url }),
  })
  if (made.status !== 201) throw new Error(`the endpoint was answered ${made.status}: ${await made.text()}`)
}

const sizeOf = (file: string) => statSync(file).size
