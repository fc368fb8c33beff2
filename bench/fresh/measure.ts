import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres } from '../../test/support/postgres-server.ts'
import { ADMIN_KEY, adminAt } from '../admin.ts'
import type { Options } from '../options.ts'
import { gatewayEnv, postgresPid } from '../prepare.ts'
import { cpuMs, type Server, startGateway } from '../processes.ts'
import { clientsFor, dispatch } from '../programs/closed-loop.ts'
import type { Progress } from '../progress.ts'
import { patchOf } from '../workloads/groups.ts'
import { newPerson } from '../workloads/users.ts'

// The first sync of a newcomer: creates and deactivations, per thousand users, from an empty database that nothing else analyses.

const CONNECTIONS = 8
const THOUSAND = 1_000
const DEACTIVATIONS = 200

/** Per second, while there were up to so many users. */
export interface Rates {
  readonly users: number
  readonly creates: number
  readonly deactivations: number
  /** CPU of all of PostgreSQL's processes in µs for each; undefined where the engine is no process of its own. */
  readonly cpuUs?: { readonly creates: number; readonly deactivations: number }
}

/** The first sync into an empty database of each engine. */
export interface FreshResult {
  readonly users: number
  readonly engines: readonly { readonly name: string; readonly rates: readonly Rates[] }[]
}

/** Fills an empty database of each engine through the interface, on PostgreSQL without autovacuum. */
export async function measureFresh({ freshUsers, gateway: main }: Options, progress: Progress): Promise<FreshResult> {
  const users = Math.max(THOUSAND, freshUsers)
  const engines: { name: string; rates: Rates[] }[] = []
  const measure = async (name: string, env: Record<string, string>, pid?: number) => {
    const gateway = await startGateway(env, main)
    try {
      engines.push({
        name,
        rates: await fill(gateway, { users, pid }, (made) => progress.portion(`fresh, ${name}`, made, users)),
      })
    } finally {
      await gateway.stop()
    }
  }
  const server = await startPostgres({ fsync: true, settings: ['autovacuum=off'] })
  try {
    await measure('PostgreSQL without autovacuum', gatewayEnv(server.url), await postgresPid(server.url))
  } finally {
    await server.stop()
  }
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-fresh-'))
  try {
    await measure('The embedded engine', { ADMIN_KEY, DATA_DIR: join(folder, 'data') })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return { users, engines }
}

/** @param pid of the engine, where it is a process of its own */
async function fill(
  gateway: Server,
  { users, pid }: { readonly users: number; readonly pid: number | undefined },
  report: (made: number) => void,
): Promise<Rates[]> {
  const admin = adminAt(gateway.origin)
  const tenant = await admin<{ id: string }>('POST', '/tenants', { key: 'fresh' })
  const { key } = await admin<{ key: string }>('POST', '/api-keys', { name: 'fresh' })
  const type = 'application/scim+json'
  const headers = { authorization: `Bearer ${key}`, accept: type, 'content-type': type }
  const clients = clientsFor(gateway.origin, CONNECTIONS)
  const send = async (at: number, method: 'POST' | 'PATCH', path: string, body: string): Promise<string> => {
    const client = clients[at % CONNECTIONS] as (typeof clients)[number]
    const request = { method, path: `/scim/v2/default/dev/v2/fresh${path}`, body, headers }
    const { status, text } = await dispatch(client, request, true)
    if (status > 299) throw new Error(`${method} ${path} was answered ${status} ${text}`)
    return text === '' ? '' : (JSON.parse(text) as { id: string }).id
  }
  const cpuOfEngine = () => (pid === undefined ? 0 : cpuMs(pid))
  /** Operations per second, each connection with one request under way, and the engine's CPU for each. */
  const rateOf = async (count: number, work: (n: number) => Promise<unknown>) => {
    const [begun, usedMs] = [performance.now(), cpuOfEngine()]
    const lane = async (lane: number) => {
      for (let n = lane; n < count; n += CONNECTIONS) await work(n)
    }
    await Promise.all(Array.from({ length: CONNECTIONS }, (_, i) => lane(i)))
    return {
      perSecond: (count * 1_000) / (performance.now() - begun),
      cpuUs: ((cpuOfEngine() - usedMs) * 1_000) / count,
    }
  }
  const world = { apiKey: key } as Parameters<typeof newPerson>[1]['world']
  const leave = patchOf({ op: 'replace', path: 'active', value: false })
  const rates: Rates[] = []
  for (let made = 0; made < users; made += THOUSAND) {
    const ids: string[] = []
    const creates = await rateOf(THOUSAND, async (n) => {
      const turn = { world, connection: 0, connections: 1, turn: made + n }
      const body = newPerson('ours', turn, { ...tenant, key: 'fresh', users: 0 }, 'fresh-')
      ids.push(await send(n, 'POST', '/Users', body))
    })
    const deactivations = await rateOf(DEACTIVATIONS, (n) => send(n, 'PATCH', `/Users/${ids[n]}`, leave))
    const cpuUs = { creates: creates.cpuUs, deactivations: deactivations.cpuUs }
    rates.push({
      ...{ users: made + THOUSAND, creates: creates.perSecond, deactivations: deactivations.perSecond },
      ...(pid === undefined ? {} : { cpuUs }),
    })
    report(made + THOUSAND)
  }
  return rates
}
