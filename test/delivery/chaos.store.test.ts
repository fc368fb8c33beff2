import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { migratePostgres } from '../../src/db/migrate.ts'
import { openPostgres } from '../../src/db/postgres.ts'
import { runProgram } from '../support/children.ts'
import { engineName } from '../support/engines.ts'
import { jsonIn } from '../support/http-client.ts'
import { patchBody, userBody } from '../support/instances.ts'
import { startPostgres } from '../support/postgres-server.ts'
import { openReceiver } from '../support/receiver.ts'

const ADMIN = 'an-admin-key-for-the-chaos'
const CLIENTS = 16
const ROUNDS = 6
const ROUND_MS = 400

// Needs a look into the store beside the processes that die, which the embedded engine gives to nobody.
describe.runIf(engineName() === 'postgres')('EV-15 gateways, database and receiver go down at random', () => {
  test('every acknowledged write has its events, and each was delivered, in order per resource, with none made up', async () => {
    const postgres = await startPostgres({ fsync: true })
    await migratePostgres({ databaseUrl: postgres.url })
    const receiver = await openReceiver()
    const env = { PORT: '0', HOST: '127.0.0.1', ADMIN_KEY: ADMIN, LOG_LEVEL: 'silent', DATABASE_URL: postgres.url }
    const start = async () => {
      const child = runProgram('../../../src/main', [], { ...env, DELIVERY_NETWORKS: '127.0.0.0/8' })
      await child.says('SCIM')
      return { child, origin: /http:\/\/localhost:\d+/.exec(child.stdout())?.[0] ?? '' }
    }
    const headers = { Authorization: `Bearer ${ADMIN}`, 'Content-Type': 'application/json' }
    const gateways = [await start(), await start()]
    const place = '/projects/default/environments/dev'
    const made = await fetch(`${gateways[0]?.origin}/api/v1${place}/webhooks`, {
      ...{ method: 'POST', headers, body: JSON.stringify({ url: `${receiver.origin}/hook` }) },
    })
    expect(made.status).toBe(201)
    let broken = false
    receiver.answer('/hook', () => (broken || Math.random() < 0.05 ? 500 : 200))

    const acknowledged: string[] = []
    let writing = true
    const send = async (client: number, method: string, path: string, body?: object) => {
      const response = await fetch(`${gateways[client % 2]?.origin}/scim/v2/default/dev${path}`, {
        ...{ method, headers: { ...headers, 'Content-Type': 'application/scim+json' } },
        ...(body ? { body: JSON.stringify(body) } : {}),
      })
      const text = await response.text()
      if (response.status >= 300) throw new Error(String(response.status))
      acknowledged.push(response.headers.get('x-request-id') ?? '')
      return jsonIn(text) as { id: string }
    }
    const clients = Array.from({ length: CLIENTS }, async (_, client) => {
      for (let n = 0; writing; n++) {
        try {
          const { id } = await send(client, 'POST', '/Users', userBody(`chaos${client}-${n}`))
          await send(client, 'PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'title', value: 'A' }))
          await send(client, 'PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'active', value: false }))
          if (n % 2 === 0) await send(client, 'DELETE', `/Users/${id}`)
        } catch {
          // Whatever was under way is not acknowledged.
          await pause(20)
        }
      }
    })
    for (let round = 0; round < ROUNDS; round++) {
      await pause(ROUND_MS)
      if (round % 3 === 0) {
        const [victim] = gateways.splice(round % 2, 1, await start())
        victim?.child.process.kill('SIGKILL')
      } else if (round % 3 === 1) {
        await postgres.kill()
        await postgres.restart()
      } else {
        broken = true
        await pause(200)
        broken = false
      }
    }
    await pause(ROUND_MS)
    writing = false
    await Promise.all(clients)

    const database = await openPostgres({ databaseUrl: postgres.url, databasePool: 2, databasePrepare: true })
    // What the dead had claimed falls due in half a minute, and what failed a little later: that is now.
    const hurry = async () => {
      await database.run(
        "update webhook_deliveries set due_at = now() where due_at < 'infinity' and due_at > now()",
        [],
      )
      await database.run('update webhook_endpoints set resume_at = null', [])
      const [left] = await database.run<{ n: number }>(
        `select (select count(*) from webhook_deliveries)::int + (select count(*) from events where position is null)::int as n`,
        [],
      )
      return left?.n
    }
    await expect.poll(hurry, { timeout: 60_000, interval: 200 }).toBe(0)
    const events = await database.run<{
      id: string
      type: string
      request: string
      position: number
      resource: string
    }>(
      `select id::text, type, request_id as request, position::float8 as position, resource_id::text as resource from events
       order by position`,
      [],
    )
    expect(events.map(({ position }) => position)).toEqual(events.map((_, i) => i + 1))
    const requests = new Set(events.map(({ request }) => request))
    expect(acknowledged.filter((id) => !requests.has(id))).toEqual([])
    const ids = new Set(events.map(({ id }) => id))
    const first = new Map<string, number[]>()
    const seen = new Set<string>()
    for (const { headers: sent, position, resource } of receiver.taken('/hook')) {
      const id = String(sent['webhook-id'])
      expect(ids).toContain(id)
      if (!seen.has(id)) first.set(resource, [...(first.get(resource) ?? []), position])
      seen.add(id)
    }
    // That the tenant was made is older than the endpoint.
    expect(events.filter(({ id, type }) => !seen.has(id) && type !== 'tenant.created')).toEqual([])
    for (const order of first.values()) expect(order).toEqual([...order].sort((a, b) => a - b))
    expect(acknowledged.length).toBeGreaterThan(CLIENTS * ROUNDS)

    for (const { child } of gateways) child.process.kill('SIGTERM')
    expect(await Promise.all(gateways.map(({ child }) => child.ended()))).toEqual([0, 0])
    await database.close()
    await receiver.close()
    await postgres.stop()
  }, 120_000)
})
