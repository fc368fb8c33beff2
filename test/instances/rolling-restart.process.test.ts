import { randomBytes } from 'node:crypto'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type Child, freePort, runGateway } from '../support/children.ts'
import { findHaproxy, startHaproxy } from '../support/haproxy.ts'
import { onDatabase, type PostgresServer, startPostgres } from '../support/postgres-server.ts'

const program = findHaproxy()
const without = process.env.SKIP_POSTGRES === '1' || program === undefined
const ADMIN_KEY = 'a-key-of-more-than-twenty-letters'
const USER_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:User'
const headers = { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/scim+json' }

describe.skipIf(without)(`two instances behind HAProxy${without ? ' (skipped: there is no haproxy)' : ''}`, () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server.stop())

  const ready = (port: number) => () =>
    fetch(`http://127.0.0.1:${port}/readyz`).then(
      ({ status }) => status,
      () => 0,
    )

  /** Clients that make users without a pause until they are told to stop; gives what was not answered 201. */
  function clientsOf(origin: string): { answered(): number; stop(): Promise<string[]> } {
    const failed: string[] = []
    let [over, answered] = [false, 0]
    const client = async () => {
      while (!over) {
        const body = JSON.stringify({ schemas: [USER_SCHEMA], userName: randomBytes(8).toString('hex') })
        const outcome = await fetch(`${origin}/scim/v2/default/dev/Users`, { method: 'POST', headers, body }).then(
          async (response) => (response.status === 201 ? undefined : `${response.status} ${await response.text()}`),
          (error: Error) => String(error.cause ?? error),
        )
        if (outcome === undefined) answered++
        else failed.push(outcome)
      }
    }
    const clients = Array.from({ length: 8 }, client)
    return {
      answered: () => answered,
      stop: async () => {
        over = true
        await Promise.all(clients)
        return failed
      },
    }
  }

  test.each([
    ['plain', 'plain', []],
    ['without_retries', 'with retries and redispatch off', ['retries 0', 'no option redispatch']],
  ])('no request fails while both are restarted in turn: %s', async (name, _, settings) => {
    const databaseUrl = onDatabase(server.url, name)
    const admin = postgres(server.url, { max: 1 })
    await admin.unsafe(`create database ${name}`)
    await admin.end()
    const ports = [await freePort(), await freePort()]
    const start = (port: number): Child =>
      runGateway({
        ...{ NODE_ENV: '', DATABASE_URL: databaseUrl, PORT: String(port), ADMIN_KEY, LOG_LEVEL: 'warn' },
        DRAIN_DELAY_MS: '5000',
      })
    const gateways = ports.map(start)
    onTestFinished(async () => {
      for (const gateway of gateways) gateway.process.kill('SIGKILL')
      await Promise.all(gateways.map((gateway) => gateway.ended()))
    })
    for (const port of ports) await expect.poll(ready(port)).toBe(200)
    const proxy = await startHaproxy(program as string, ports, settings)
    onTestFinished(() => proxy.stop())
    const both = () =>
      proxy.sendsTo().then(
        (up) => up.every(Boolean),
        () => false,
      )
    await expect.poll(both).toBe(true)
    const clients = clientsOf(proxy.origin)
    onTestFinished(async () => void (await clients.stop()))
    for (const [i, port] of ports.entries()) {
      const before = clients.answered()
      await expect.poll(clients.answered).toBeGreaterThan(before + 50)
      gateways[i]?.process.kill('SIGTERM')
      await expect.poll(ready(port), { interval: 5 }).toBe(503)
      expect(await gateways[i]?.ended()).toBe(0)
      gateways[i] = start(port)
      // The other one stays until the proxy has noticed that this one is back.
      await expect.poll(both).toBe(true)
    }
    expect(await clients.stop()).toEqual([])
  })
})
