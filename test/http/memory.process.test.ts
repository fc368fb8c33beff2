import { readFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { openPostgres } from '../../src/db/postgres.ts'
import { built } from '../support/built.ts'
import { type Child, freePort, runNode } from '../support/children.ts'
import { bulkBody, fillDirectly, userBody } from '../support/instances.ts'
import { type PostgresServer, startPostgres } from '../support/postgres-server.ts'
import { storeParent } from '../support/store-folder.ts'

const MEMBERS = 20_000
const ADMIN_KEY = 'the-key-of-the-operator-of-this-test'
/** What ends an answer in chunks. */
const END = '\r\n0\r\n\r\n'
/** What the process may have for its heap. Everything it does at all takes about half of it. */
const HEAP_MB = 128

// On PostgreSQL alone: the embedded engine's own memory would be the most of what is measured.
describe.skipIf(process.env.SKIP_POSTGRES === '1')('a gateway with little memory', () => {
  let server: PostgresServer
  let database: Database
  let gateway: Child
  let origin = ''
  const [large, quiet] = ['/scim/v2/default/dev/v2/large', '/scim/v2/default/dev/v2/quiet']
  const keys: string[] = []
  const paths = { group: '', list: '' }

  beforeAll(async () => {
    server = await startPostgres({ parent: storeParent() })
    const port = await freePort()
    gateway = runNode('gateway', [`--max-old-space-size=${HEAP_MB}`, built.main()], {
      ...{ NODE_ENV: 'test', DATABASE_URL: server.url, ADMIN_KEY, PORT: String(port), LOG_LEVEL: 'error' },
      // So many that memory is what they run out of.
      ...{ MAX_IN_FLIGHT: '1000', KEY_MAX_IN_FLIGHT: '1000', TENANT_MAX_IN_FLIGHT: '1000', SEND_TIMEOUT_SECONDS: '2' },
    })
    origin = `http://127.0.0.1:${port}`
    await gateway.says(`:${port}`)
    const admin = async <T>(path: string, body: object): Promise<T> => {
      const answer = await fetch(`${origin}/api/v1${path}`, {
        ...{ method: 'POST', body: JSON.stringify(body) },
        headers: { Authorization: `Bearer ${ADMIN_KEY}`, 'Content-Type': 'application/json' },
      })
      return (await answer.json()) as T
    }
    const place = '/projects/default/environments/dev'
    const { id } = await admin<{ id: string }>(`${place}/tenants`, { key: 'large' })
    await admin(`${place}/tenants`, { key: 'quiet' })
    for (const name of ['one', 'two'])
      keys.push(
        (await admin<{ key: string }>(`${place}/api-keys`, { name, permissions: ['scim:read', 'scim:write'] })).key,
      )
    // The large tables take longer to fill than a request may take.
    database = await openPostgres({ databaseUrl: server.url, databasePool: 2, requestTimeoutMs: 60_000 })
    const { groupId } = await fillDirectly(database, id, { users: MEMBERS * 3, groups: 3 })
    await database.run('analyze', [], { prepare: false })
    paths.group = `${large}/Groups/${groupId(1)}`
    paths.list = `${large}/Groups`
  })
  afterAll(async () => {
    gateway.process.kill('SIGKILL')
    await database?.close()
    await server?.stop()
  })

  const rssMb = () => {
    const status = readFileSync(`/proc/${gateway.process.pid}/status`, 'utf8')
    return { now: number(status, 'VmRSS'), most: number(status, 'VmHWM') }
  }
  const number = (text: string, name: string) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(text)?.[1]) / 1_024
  const connectionsAtWork = async () => {
    const [row] = await database.run<{ n: number }>(
      `select count(*)::int as n from pg_stat_activity where datname = current_database() and state <> 'idle' and pid <> pg_backend_pid()`,
      [],
    )
    return row?.n
  }
  /** A client that sends a request and takes nothing of the answer but its beginning. */
  const stalled = (path: string) =>
    new Promise<{ socket: Socket; status: number; beginning: string }>((resolve, reject) => {
      const { hostname, port } = new URL(origin)
      const socket = connect({ host: hostname, port: Number(port) })
      socket.on('error', reject)
      socket.once('data', (bytes) => {
        socket
          .pause()
          .off('error', reject)
          .on('error', () => {})
        const beginning = bytes.toString('latin1')
        resolve({ socket, status: Number(beginning.split(' ')[1]), beginning })
      })
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${keys[0]}\r\n\r\n`)
    })
  /** What else comes until the answer or the connection ends. */
  const restOf = (socket: Socket) =>
    new Promise<string>((resolve) => {
      let text = ''
      socket.on('data', (bytes) => {
        text += bytes.toString('latin1')
        if (text.endsWith(END)) resolve(text)
      })
      socket.once('close', () => resolve(text)).resume()
      if (socket.closed) resolve(text)
    })
  const read = (path: string, key = keys[0], body?: string) =>
    new Promise<{ status: number; text: string; retryAfter: string | undefined }>((resolve, reject) => {
      const headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/scim+json' }
      const asked = request(origin + path, { method: body === undefined ? 'GET' : 'POST', headers })
      asked.on('error', reject).on('response', (answer: IncomingMessage) => {
        const chunks: Buffer[] = []
        answer.on('data', (chunk) => chunks.push(chunk)).on('error', reject)
        answer.on('end', () => {
          const { statusCode: status = 0, headers } = answer
          resolve({ status, text: Buffer.concat(chunks).toString(), retryAfter: headers['retry-after'] })
        })
      })
      asked.end(body)
    })
  test.each(['group', 'list'] as const)(
    'SEC-15 128 readers of a large %s that take nothing hold no connection and little memory, and are let go',
    async (what) => {
      await read(`${quiet}/Users`)
      const before = rssMb()
      const readers = await Promise.all(Array.from({ length: 128 }, () => stalled(paths[what])))
      await expect.poll(connectionsAtWork, { timeout: 20_000 }).toBe(0)
      expect(new Set(readers.map(({ status }) => status))).toEqual(new Set([200, 429]))
      // Another tenant is served, by another key too.
      expect((await read(`${quiet}/Users`)).status).toBe(200)
      expect((await read(`${quiet}/Users`, keys[1])).status).toBe(200)
      expect(rssMb().most - before.now).toBeLessThan(200)
      // The gateway ends them: what they had is free again.
      await expect.poll(async () => (await read(paths[what])).status, { timeout: 20_000 }).toBe(200)
      const { status, text } = await read(paths[what])
      expect([status, text.match(/"value"/g)?.length]).toEqual([200, what === 'group' ? MEMBERS : MEMBERS * 3])
      // What they get of their answers does not look whole, unless the network had it all.
      for (const { socket, status, beginning } of readers) {
        const text = status === 200 ? beginning + (await restOf(socket)) : ''
        if (text.endsWith(END)) expect(text.match(/"value"/g)?.length).toBeGreaterThanOrEqual(MEMBERS)
        socket.destroy()
      }
    },
  )

  test('SEC-15 of 128 readers that read, each has all or is told to come again', async () => {
    const answers = await Promise.all(Array.from({ length: 128 }, () => read(paths.group)))
    for (const { status, text, retryAfter } of answers) {
      if (status === 200) expect((JSON.parse(text) as { members: unknown[] }).members).toHaveLength(MEMBERS)
      else expect([status, retryAfter]).toEqual([429, '1'])
    }
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThan(0)
  })

  test('SEC-15 of large bodies as many are read as fit, and the others are told to come again', async () => {
    const bulk = JSON.stringify(
      bulkBody(
        Array.from({ length: 50 }, (_, n) => ({
          ...{ method: 'POST', path: '/Users', bulkId: `${n}` },
          data: userBody(`u${n}`, { nickName: 'x'.repeat(16_000) }),
        })),
      ),
    )
    const answers = await Promise.all(Array.from({ length: 256 }, () => read(`${quiet}/Bulk`, keys[1], bulk)))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 429]))
    expect((await read(`${quiet}/Users`)).status).toBe(200)
  })
})
