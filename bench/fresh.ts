import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startPostgres } from '../test/support/postgres-server.ts'
import { ADMIN_KEY, adminAt } from './admin.ts'
import { table } from './markdown.ts'
import { median } from './measure.ts'
import { gatewayEnv } from './prepare.ts'
import { type Server, startGateway } from './processes.ts'
import { clientsFor, dispatch } from './programs/closed-loop.ts'
import { newPerson } from './workloads/users.ts'

// The first sync of a newcomer: creates and deactivations, per thousand users, from an empty database that nothing else analyses.

const CONNECTIONS = 8
const THOUSAND = 1_000
const DEACTIVATIONS = 200
const RESULTS = fileURLToPath(new URL('results/fresh.json', import.meta.url))

/** Per second, while there were up to so many users. */
interface Rates {
  readonly users: number
  readonly creates: number
  readonly deactivations: number
}

async function fill(gateway: Server, users: number): Promise<Rates[]> {
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
  /** Operations per second, each connection with one request under way. */
  const rateOf = async (count: number, work: (n: number) => Promise<unknown>): Promise<number> => {
    const begun = performance.now()
    const lane = async (lane: number) => {
      for (let n = lane; n < count; n += CONNECTIONS) await work(n)
    }
    await Promise.all(Array.from({ length: CONNECTIONS }, (_, i) => lane(i)))
    return (count * 1_000) / (performance.now() - begun)
  }
  const world = { apiKey: key } as Parameters<typeof newPerson>[1]['world']
  const leave = JSON.stringify({
    schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
    Operations: [{ op: 'replace', path: 'active', value: false }],
  })
  const rates: Rates[] = []
  for (let made = 0; made < users; made += THOUSAND) {
    const ids: string[] = []
    const creates = await rateOf(THOUSAND, async (n) => {
      const turn = { world, connection: 0, connections: 1, turn: made + n }
      const body = newPerson('ours', turn, { ...tenant, key: 'fresh', users: 0 }, 'fresh-')
      ids.push(await send(n, 'POST', '/Users', body))
    })
    const deactivations = await rateOf(DEACTIVATIONS, (n) => send(n, 'PATCH', `/Users/${ids[n]}`, leave))
    rates.push({ users: made + THOUSAND, creates, deactivations })
  }
  return rates
}

function report(engine: string, rates: readonly Rates[]): string {
  const middle = {
    creates: median(rates.map(({ creates }) => creates)),
    deactivations: median(rates.map(({ deactivations }) => deactivations)),
  }
  const cells = (one: Rates) => [
    ...[one.users.toLocaleString('en'), one.creates.toFixed(0), (one.creates / middle.creates).toFixed(2)],
    ...[one.deactivations.toFixed(0), (one.deactivations / middle.deactivations).toFixed(2)],
  ]
  const head = ['Users', 'Creates /s', '÷ median', 'Deactivations /s', '÷ median']
  return `## ${engine}\n\n${table(head, rates.map(cells))}\n\n`
}

const { values } = parseArgs({
  options: {
    users: { type: 'string', default: '50000' },
    gateway: { type: 'string' },
    results: { type: 'string', default: RESULTS },
  },
})
const users = Number(values.users)
if (!Number.isSafeInteger(users) || users < THOUSAND) throw new Error(`--users takes a number from ${THOUSAND} on`)

const measured: Record<string, Rates[]> = {}
const measure = async (engine: string, env: Record<string, string>) => {
  const gateway = await startGateway(env, values.gateway)
  const rates = await fill(gateway, users)
  await gateway.stop()
  measured[engine] = rates
  process.stdout.write(report(engine, rates))
}
const postgres = await startPostgres({ fsync: true, settings: ['autovacuum=off'] })
await measure(`${postgres.description}, autovacuum off`, gatewayEnv(postgres.url))
await postgres.stop()
const folder = mkdtempSync(join(tmpdir(), 'rollcall-fresh-'))
await measure('The embedded engine', { ADMIN_KEY, DATA_DIR: join(folder, 'data') })
rmSync(folder, { recursive: true, force: true })
mkdirSync(dirname(values.results), { recursive: true })
writeFileSync(values.results, `${JSON.stringify({ users, measured }, null, 2)}\n`)
process.exit()
