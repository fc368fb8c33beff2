import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test, vi } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { migratePostgres } from '../../src/db/migrate.ts'
import { openPglite } from '../../src/db/pglite.ts'
import { openPostgres } from '../../src/db/postgres.ts'
import { runGateway } from '../support/children.ts'
import { engineName, freshPostgresUrl, PATIENCE, PATIENT } from '../support/engines.ts'
import { jsonIn } from '../support/http-client.ts'
import {
  addMembers,
  groupBody,
  inconsistencies,
  openInstance,
  patchBody,
  removeMember,
  userBody,
  valuesOf,
} from '../support/instances.ts'
import { startPostgres } from '../support/postgres-server.ts'
import { newStoreFolder, storeParent } from '../support/store-folder.ts'

const KILLS = 20
const CLIENTS = 6
/** Acknowledged changes between two kills; each time some more, so that the kills meet other moments. */
const changesBefore = (kill: number) => 20 + 4 * kill

const folder = newStoreFolder()
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** What a client was told of one user of its own; undefined for one that is deleted. */
interface Known {
  readonly id: string
  readonly title: string | undefined
  readonly email: string
  readonly member: boolean
}

/** A user's states that the store may be in: the acknowledged one, and what the request under way would have made of it. */
interface Tracked {
  acknowledged: Known | undefined
  underWay: { readonly becomes: Known | undefined } | undefined
}

type Send = (
  method: string,
  path: string,
  body?: object,
) => Promise<{ status: number; body: unknown; requestId: string }>

function sender(base: string, key: string): Send {
  return async (method, path, body) => {
    const headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/scim+json' }
    const response = await fetch(base + path, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) })
    const text = await response.text()
    return { status: response.status, body: jsonIn(text), requestId: response.headers.get('x-request-id') ?? '' }
  }
}

test('EV-15 killed twenty times under load, the server has lost nothing that it acknowledged, and nothing is half there', async () => {
  const adminKey = randomBytes(20).toString('hex')
  const engine = engineName()
  const url = engine === 'postgres' ? await freshPostgresUrl() : ''
  const env = {
    PORT: '0',
    HOST: '127.0.0.1',
    ADMIN_KEY: adminKey,
    LOG_LEVEL: 'silent',
    DATA_DIR: join(folder, 'data'),
    DATABASE_URL: url,
    ...PATIENCE,
  }
  const start = async () => {
    const child = runGateway(env)
    await child.says('Create a user')
    const port = /http:\/\/localhost:(\d+)/.exec(child.stdout())?.[1]
    return { child, send: sender(`http://127.0.0.1:${port}/scim/v2/default/dev`, adminKey) }
  }

  const requests: string[] = []
  const tracked: Tracked[] = []
  let names = 0
  let group: string | undefined
  let server = await start()

  /** Changes of one user after another, until the server is gone. */
  async function client(send: Send): Promise<void> {
    const ask = async (one: Tracked, becomes: Known | undefined, method: string, path: string, body?: object) => {
      one.underWay = { becomes }
      const answer = await send(method, path, body)
      if (answer.status >= 300)
        throw new Error(`${method} ${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`)
      requests.push(answer.requestId)
      one.acknowledged = becomes
      one.underWay = undefined
      return answer
    }
    for (;;) {
      const name = `user${++names}`
      const one: Tracked = { acknowledged: undefined, underWay: undefined }
      const email = `${name}@x.test`
      const made = await send('POST', '/Users', userBody(name, { emails: [{ value: email }] }))
      if (made.status !== 201) throw new Error(`POST answered ${made.status}`)
      requests.push(made.requestId)
      const id = String((made.body as { id: string }).id)
      let now: Known = { id, title: undefined, email, member: false }
      one.acknowledged = now
      tracked.push(one)
      const path = `/Users/${id}`
      now = { ...now, title: 'T1' }
      await ask(one, now, 'PATCH', path, patchBody({ op: 'replace', path: 'title', value: 'T1' }))
      now = { ...now, member: true }
      await ask(one, now, 'PATCH', `/Groups/${group}`, addMembers(id))
      now = { ...now, title: 'T2', email: `second-${email}` }
      await ask(one, now, 'PUT', path, userBody(name, { title: 'T2', emails: [{ value: `second-${email}` }] }))
      if (names % 3 === 0) await ask(one, undefined, 'DELETE', path)
      else if (names % 3 === 1) await ask(one, { ...now, member: false }, 'PATCH', `/Groups/${group}`, removeMember(id))
    }
  }

  async function stateOf(send: Send, id: string, members: ReadonlySet<string>): Promise<Known | undefined> {
    const { status, body } = await send('GET', `/Users/${id}`)
    if (status === 404) return undefined
    expect(status).toBe(200)
    const user = body as { title?: string; emails: { value: string }[] }
    return { id, title: user.title, email: user.emails[0]?.value ?? '', member: members.has(id) }
  }

  /** Compares those that moved since the last look, and settles what was under way. */
  async function look(send: Send, ones: readonly Tracked[]): Promise<void> {
    const shown = (await send('GET', `/Groups/${group}`)).body as { members?: unknown }
    const members = new Set(valuesOf(shown.members))
    for (const one of ones) {
      const id = one.acknowledged?.id ?? one.underWay?.becomes?.id
      if (id === undefined) continue
      const there = await stateOf(send, id, members)
      const possible = [one.acknowledged, ...(one.underWay ? [one.underWay.becomes] : [])]
      expect(possible).toContainEqual(there)
      one.acknowledged = there
      one.underWay = undefined
    }
  }

  const made = await server.send('POST', '/Groups', groupBody('Under load'))
  requests.push(made.requestId)
  group = String((made.body as { id: string }).id)
  let looked = 0
  for (let kill = 0; kill < KILLS; kill++) {
    const refused: string[] = []
    const load = Array.from({ length: CLIENTS }, () =>
      client(server.send).catch((error: unknown) => {
        // What the connection says when its server dies; an answer that is a refusal says more.
        if (String(error).includes('answered')) refused.push(String(error))
      }),
    )
    const enough = requests.length + changesBefore(kill)
    await vi.waitUntil(() => requests.length >= enough || refused.length > 0, { timeout: 60_000, interval: 3 })
    server.child.process.kill('SIGKILL')
    await Promise.all([server.child.ended(), ...load])
    expect(refused).toEqual([])
    server = await start()
    const moved = tracked.filter((one) => one.underWay !== undefined)
    await look(server.send, [...moved, ...tracked.slice(looked, looked + 20)])
    looked = tracked.length
  }
  await look(server.send, tracked)
  expect(tracked.length).toBeGreaterThan(KILLS)
  server.child.process.kill('SIGKILL')
  await server.child.ended()

  const database: Database =
    engine === 'postgres'
      ? await openPostgres({ ...PATIENT, databaseUrl: url, databasePool: 2, databasePrepare: true })
      : await openPglite({ ...PATIENT, dataDir: env.DATA_DIR }, () => {})
  try {
    const [tenant] = await database.run<{ id: string }>(`select id::text from tenants where key = 'default'`, [])
    expect(await inconsistencies(database, tenant?.id ?? '')).toEqual([])
    const logged = await database.run<{ id: string }>('select distinct request_id as id from events', [])
    const known = new Set(logged.map(({ id }) => id))
    expect(requests.filter((id) => !known.has(id))).toEqual([])
    expect(requests.length).toBeGreaterThan(KILLS * 2)
  } finally {
    await database.close()
  }
})

// The embedded engine lives and dies with its process, which is what the test above is about.
describe.runIf(engineName() === 'postgres')('a database that goes and comes back', () => {
  test.each(['restart', 'kill'] as const)(
    'E-09 %s under load: 503 with Retry-After, then all goes on, and nothing acknowledged is lost',
    async (how) => {
      const server = await startPostgres({ fsync: true, parent: storeParent() })
      await migratePostgres({ databaseUrl: server.url })
      const database = await openPostgres({ databaseUrl: server.url, databasePool: 10, databasePrepare: true })
      const instance = await openInstance(database)
      try {
        const { scim, id: tenantId } = await instance.newTenant()
        const acknowledged: string[] = []
        const seen = new Set<number>()
        let stop = false
        const clients = Array.from({ length: 8 }, async (_, client) => {
          for (let i = 0; !stop; i++) {
            const name = `u${client}-${i}`
            const answer = await scim('POST', '/Users', userBody(name, { emails: [{ value: `${name}@x.test` }] }))
            seen.add(answer.status)
            if (answer.status === 201) acknowledged.push(name)
            if (answer.status === 503) {
              expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
              expect(answer.headers.get('content-type')).toMatch(/^application\/scim\+json/)
              await new Promise((resolve) => setTimeout(resolve, 5))
            }
          }
        })
        const twentyMoreThan = (count: number) =>
          vi.waitUntil(() => acknowledged.length >= count + 20, { timeout: 60_000, interval: 5 })
        await twentyMoreThan(0)
        if (how === 'kill') await server.kill()
        await server.restart()
        await twentyMoreThan(acknowledged.length)
        stop = true
        await Promise.all(clients)
        expect([...seen].sort()).toEqual([201, 503])
        const stored = await database.run<{ name: string }>(
          'select unique_key as name from resources where tenant_id = $1::uuid',
          [tenantId],
        )
        const there = new Set(stored.map(({ name }) => name))
        expect(acknowledged.filter((name) => !there.has(name))).toEqual([])
        expect(await inconsistencies(database, tenantId)).toEqual([])
      } finally {
        await instance.close()
        await database.close()
        await server.stop()
      }
    },
  )
})
