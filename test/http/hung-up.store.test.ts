import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import { ControlPlane } from '../../src/context/control-plane.ts'
import type { Database } from '../../src/db/database.ts'
import { openDeliveries } from '../../src/delivery/deliveries.ts'
import { type Listening, listen } from '../../src/listen.ts'
import { createLogger } from '../../src/observability/logger.ts'
import { controlStore } from '../../src/repositories/control/control-store.ts'
import { openTestDatabase } from '../support/engines.ts'

const ADMIN_KEY = 'an-admin-key-that-never-hangs-up'
const KEY = `Authorization: Bearer ${ADMIN_KEY}`
const FORM = 'Content-Type: application/x-www-form-urlencoded'

let database: Database
let server: Listening
let control: ControlPlane
const lines: Record<string, unknown>[] = []
beforeAll(async () => {
  database = await openTestDatabase()
  const config = loadConfig({ PORT: '0', ADMIN_KEY })
  control = new ControlPlane(controlStore(database), { adminKey: ADMIN_KEY })
  const logger = createLogger('info', { write: (line) => lines.push(JSON.parse(line) as Record<string, unknown>) })
  const deliveries = openDeliveries(database, config, { failed: () => {}, disabled: () => {} })
  server = await listen(createApp({ database, control, config, logger, deliveries }).fetch, config)
})
afterAll(async () => {
  await server.stop(1_000)
  await control.stop()
})

/** Sends the head of a request and a part of its body, and hangs up; gives the lines that the log has of it. */
async function hangUp(path: string, headers: readonly string[], body: string): Promise<Record<string, unknown>[]> {
  const before = lines.length
  const head = [`POST ${path} HTTP/1.1`, `Host: 127.0.0.1:${server.port}`, ...headers]
  const socket = connect({ host: '127.0.0.1', port: server.port })
  socket.on('error', () => undefined)
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy())
  await expect.poll(() => lines.slice(before).some(({ msg }) => msg === 'request'), { timeout: 20_000 }).toBe(true)
  return lines.slice(before)
}

const LENGTH = ['Content-Length: 500']
const CHUNKS = ['Transfer-Encoding: chunked']
const JSON_TYPE = 'Content-Type: application/json'
test.each([
  ['tokens', '/oauth/token', [FORM, ...LENGTH], 'grant_type='],
  ['tokens, in chunks', '/oauth/token', [FORM, ...CHUNKS], '5\r\ngrant\r\n'],
  ['the admin API', '/api/v1/projects', [KEY, JSON_TYPE, ...LENGTH], '{"key":'],
  ['the admin API, in chunks', '/api/v1/projects', [KEY, JSON_TYPE, ...CHUNKS], '5\r\n{"key\r\n'],
  ['the admin API, once', '/api/v1/projects', [KEY, JSON_TYPE, 'Idempotency-Key: 1', ...LENGTH], '{"key":'],
  ['the console', '/console/sign-in', [FORM, 'Sec-Fetch-Site: same-origin', ...LENGTH], 'key='],
  ['the console, in chunks', '/console/sign-in', [FORM, 'Sec-Fetch-Site: same-origin', ...CHUNKS], '3\r\nkey\r\n'],
  ['SCIM', '/scim/v2/default/dev/Users', [KEY, JSON_TYPE, ...LENGTH], '{"userName":'],
] as const)('a client of %s that hangs up while it sends is no error of ours', async (_, path, headers, body) => {
  const logged = await hangUp(path, headers, body)
  expect(logged).toEqual([expect.objectContaining({ level: 'info', msg: 'request', method: 'POST' })])
  expect(logged[0]?.status).toBeLessThan(500)
})
