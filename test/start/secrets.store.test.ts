import { randomUUID } from 'node:crypto'
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeJwt, importJWK, type JWK, SignJWT } from 'jose'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import type { Database } from '../../src/db/database.ts'
import { openAsItIs, openDatabase } from '../../src/db/open.ts'
import { cursorSealer } from '../../src/provisioning/cursor.ts'
import { secretBox } from '../../src/signing/secret-box.ts'
import { type Child, runMain } from '../support/children.ts'
import { engineName, ownStore } from '../support/engines.ts'
import { ORIGIN, openInstance } from '../support/instances.ts'
import { openReceiver, type Receiver } from '../support/receiver.ts'

const ADMIN_KEY = 'a-key-of-more-than-twenty-letters'
const SECRETS_KEY = 'a-key-that-is-in-no-database-at-all-0123456789'
const CONFIGURED = { ADMIN_KEY, PUBLIC_URL: ORIGIN, DELIVERY_NETWORKS: '127.0.0.0/8' }
const ENVIRONMENT = '/api/v1/projects/default/environments/dev'
/** A key of its own, where there is no file for one. */
const ownKey = () => (engineName() === 'postgres' ? { SECRETS_KEY } : {})

let store: Awaited<ReturnType<typeof ownStore>>
let gateways: Child[]
beforeEach(async () => {
  store = await ownStore()
  gateways = []
})
afterEach(async () => {
  for (const gateway of gateways) await stop(gateway)
  store.remove()
})

type Send = (request: Request) => Promise<Response>

/** Runs the gateway as `npm start` does, on the test's store. */
async function start(env: Readonly<Record<string, string>> = {}) {
  const { gateway, origin } = await runMain({ ...CONFIGURED, ...store.env, ...env })
  gateways.push(gateway)
  const send: Send = async (request) => {
    const { pathname, search } = new URL(request.url)
    return fetch(new Request(origin + pathname + search, request))
  }
  return { gateway, send }
}
/** Stops a gateway, with all that it has to say. */
async function stop(gateway: Child) {
  gateway.process.kill('SIGTERM')
  expect(await gateway.ended()).toBe(0)
}

/** The store as one had it that an earlier version, or one without a key, has run on: its secrets are sealed with one of its own. */
async function asItWasBefore<T>(work: (send: Send) => Promise<T>): Promise<T> {
  const database = await openDatabase(loadConfig(store.env), () => {})
  const instance = await openInstance(database, CONFIGURED)
  try {
    await admin(instance.send, 'POST', '/api/v1/projects', { key: 'default' })
    await admin(instance.send, 'POST', '/api/v1/projects/default/environments', { key: 'dev' })
    return await work(instance.send)
  } finally {
    await instance.close()
    await database.close()
  }
}

/** What a client, an operator and a receiver have of a gateway. */
interface Given {
  readonly keyId: string
  readonly token: string
  readonly cookie: string
  readonly cursor: string
  readonly scimKey: string
}

async function admin<T>(send: Send, method: string, path: string, body?: unknown): Promise<T> {
  const headers = { Authorization: `Bearer ${ADMIN_KEY}`, 'Content-Type': 'application/json' }
  const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
  const answer = await send(new Request(ORIGIN + path, init))
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
  return JSON.parse(text || 'null') as T
}

async function use(send: Send): Promise<Given> {
  const permissions = ['admin', 'scim:read', 'scim:write', 'directory:read']
  const made = await admin<{ id: string; key: string }>(send, 'POST', '/api/v1/api-keys', { name: 'op', permissions })
  const schemas = ['urn:ietf:params:scim:schemas:core:2.0:User']
  for (const userName of ['ada', 'bob', 'eve'])
    await admin(send, 'POST', '/scim/v2/default/dev/Users', { schemas, userName: `${userName}-${randomUUID()}` })
  const form = (path: string, fields: Record<string, string>, headers: Record<string, string>) =>
    send(
      new Request(ORIGIN + path, {
        ...{ method: 'POST', redirect: 'manual', body: new URLSearchParams(fields) },
        headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
      }),
    )
  const basic = `Basic ${Buffer.from(`${made.id}:${made.key}`).toString('base64')}`
  const issued = await form('/oauth/token', { grant_type: 'client_credentials' }, { Authorization: basic })
  const signedIn = await form('/console/sign-in', { key: made.key }, { Origin: ORIGIN })
  return {
    ...{ keyId: made.id, scimKey: made.key },
    token: ((await issued.json()) as { access_token: string }).access_token,
    cookie: signedIn.headers.get('Set-Cookie')?.split(';')[0]?.split('=')[1] ?? '',
    cursor: (await firstPage(send, made.key)).nextCursor,
  }
}

const bearer = (key: string) => ({ headers: { Authorization: `Bearer ${key}` } })
async function firstPage(send: Send, key: string) {
  const answer = await send(new Request(`${ORIGIN}/scim/v2/default/dev/Users?cursor=&count=1`, bearer(key)))
  return (await answer.json()) as { nextCursor: string }
}

/** How a gateway takes a token, a cookie and a cursor: the statuses. */
async function taken(
  send: Send,
  { token, cookie, cursor, scimKey }: Pick<Given, 'token' | 'cookie' | 'cursor' | 'scimKey'>,
) {
  const page = `${ORIGIN}/scim/v2/default/dev/Users?count=1&cursor=${cursor}`
  const session = { headers: { Cookie: `rollcall_console=${cookie}` }, redirect: 'manual' } as const
  return {
    token: (await send(new Request(`${ORIGIN}/api/v1/projects`, bearer(token)))).status,
    cookie: (await send(new Request(`${ORIGIN}/console`, session))).status,
    cursor: (await send(new Request(page, bearer(scimKey)))).status,
  }
}
const REFUSED = { token: 401, cookie: 303, cursor: 400 }
const TAKEN = { token: 200, cookie: 200, cursor: 200 }

/** All that SELECTs give of a database that holds secrets. */
interface Read {
  readonly secrets: readonly string[]
  readonly signingKeys: readonly { kid: string; sealed: string }[]
}

/** Reads a copy of the database, and of nothing beside it. */
async function read(): Promise<Read> {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-copy-'))
  if (engineName() === 'pglite')
    cpSync(join(store.env.DATA_DIR ?? '', 'database'), join(folder, 'database'), { recursive: true })
  const database = await openAsItIs(loadConfig({ ...store.env, DATA_DIR: folder }))
  try {
    return await selected(database)
  } finally {
    await database.close()
    rmSync(folder, { recursive: true })
  }
}
async function selected(database: Database): Promise<Read> {
  const secrets = await database.run<{ secret: string }>('select secret from instance_secrets', [])
  const signingKeys = await database.run<{ kid: string; sealed: string }>('select kid, sealed from signing_keys', [])
  return { secrets: secrets.map(({ secret }) => secret), signingKeys }
}

/** What a reader of the database makes with a secret of it: as good as can be, of what was given to somebody. */
async function forged(given: Given, secret: string, signingKeys: Read['signingKeys']) {
  const box = secretBox(async () => secret)
  let { token } = given
  for (const { kid, sealed } of signingKeys) {
    const opened = await box.open(sealed, `signing-key ${kid}`)
    if (opened === undefined) continue
    const header = { alg: 'ES256', typ: 'at+jwt', kid }
    const claims = { ...decodeJwt(given.token), jti: randomUUID(), place: {} }
    token = await new SignJWT(claims)
      .setProtectedHeader(header)
      .sign(await importJWK(JSON.parse(opened) as JWK, 'ES256'))
  }
  const ticket = { keyId: given.keyId, credential: 1, issuedAt: Date.now(), formToken: 'x' }
  const cookie = (await box.open(given.cookie, 'console session')) ?? JSON.stringify(ticket)
  const sealer = cursorSealer(async () => secret)
  const cursor = (await sealer.open(given.cursor)) ?? {
    ...{ query: 'q', count: 1, sort: null, id: randomUUID(), backward: false, expiresAt: Date.now() + 60_000 },
  }
  return {
    token: token === given.token ? `${token.slice(0, -8)}AAAAAAAA` : token,
    cookie: await box.seal(cookie, 'console session'),
    cursor: await sealer.seal(cursor),
    scimKey: given.scimKey,
  }
}

test('a copy of the database alone is not enough to make an access token, a session or a cursor', async () => {
  const before = await start(ownKey())
  const given = await use(before.send)
  expect(await taken(before.send, given)).toEqual(TAKEN)
  await stop(before.gateway)
  const stolen = await read()
  expect(stolen.signingKeys).not.toEqual([])

  const { send } = await start(ownKey())
  expect(await taken(send, given)).toEqual(TAKEN)
  for (const secret of ['', ...stolen.secrets])
    expect(await taken(send, await forged(given, secret, stolen.signingKeys))).toEqual(REFUSED)
})

test('what was read of a database before its key came is good for nothing after', async () => {
  const given = await asItWasBefore(use)
  const stolen = await read()
  const { gateway, send } = await start(ownKey())
  expect(stolen.secrets).toHaveLength(2)
  for (const secret of stolen.secrets)
    expect(await taken(send, await forged(given, secret, stolen.signingKeys))).toEqual(REFUSED)
  // What was given then has ended too, but for keys: they are hashes.
  expect(await taken(send, { ...given, cursor: (await firstPage(send, given.scimKey)).nextCursor })).toEqual({
    ...REFUSED,
    cursor: 200,
  })
  await stop(gateway)
  expect(gateway.stderr()).toMatch(/the secrets in this database are sealed with \S+ now, 0 of webhooks/)
  expect((await read()).secrets.filter((secret) => stolen.secrets.includes(secret))).toEqual([])
})

test('secrets of webhooks that were sealed with the secret in the database are sealed anew, by one of several instances', async () => {
  const receiver: Receiver = await openReceiver()
  await asItWasBefore((send) => admin(send, 'POST', `${ENVIRONMENT}/webhooks`, { url: `${receiver.origin}/anew` }))
  const before = await sealedSecrets()
  const instances = await Promise.all((engineName() === 'postgres' ? [1, 2, 3] : [1]).map(() => start(ownKey())))
  const words = () => instances.filter(({ gateway }) => gateway.stderr().includes('1 of webhooks and streams anew'))
  await expect.poll(() => words().length).toBe(1)
  const [one] = instances
  if (one === undefined) throw new Error('no instance was started')
  const schemas = ['urn:ietf:params:scim:schemas:core:2.0:User']
  const user = await admin<{ id: string }>(one.send, 'POST', '/scim/v2/default/dev/Users', { schemas, userName: 'ada' })
  await expect.poll(() => receiver.taken('/anew').map(({ resource }) => resource)).toContain(user.id)
  for (const { gateway } of instances) await stop(gateway)
  expect(words()).toHaveLength(1)
  const after = await sealedSecrets()
  expect(after).toHaveLength(1)
  expect(after).not.toEqual(before)
  await receiver.close()
})

async function sealedSecrets(): Promise<readonly string[]> {
  const database = await openAsItIs(loadConfig(store.env))
  try {
    const rows = await database.run<{ secret: string }>('select secret from webhook_endpoints', [])
    return rows.map(({ secret }) => secret)
  } finally {
    await database.close()
  }
}

test('another key than that of before is said in words, and what it cannot open is not lost', async () => {
  const first = await start({ SECRETS_KEY })
  const receiver = await openReceiver()
  await admin(first.send, 'POST', `${ENVIRONMENT}/webhooks`, { url: `${receiver.origin}/other` })
  await receiver.close()
  await stop(first.gateway)
  expect(first.gateway.stderr()).not.toContain('sealed with')

  const other = await start({ SECRETS_KEY: SECRETS_KEY.toUpperCase() })
  await stop(other.gateway)
  const words =
    '1 secrets of webhooks and streams are sealed with another key than SECRETS_KEY: set that one, or rotate'
  expect(other.gateway.stderr()).toContain(words)

  const again = await start({ SECRETS_KEY })
  await stop(again.gateway)
  expect(again.gateway.stderr()).not.toContain('sealed with')
})

test('on PostgreSQL a start without a key warns, and is refused where there was one', async ({ skip }) => {
  if (engineName() !== 'postgres') return skip()
  const without = await start()
  await stop(without.gateway)
  expect(without.gateway.stderr()).toMatch(/SECRETS_KEY is not set: .*; make one: openssl rand -base64 32/)
  await stop((await start({ SECRETS_KEY })).gateway)
  await expect(start()).rejects.toThrow(/rollcall: SECRETS_KEY is not set, and the secrets in this database are sealed/)
})

test('the key of an embedded instance is in a file of its own, which is kept, and goes over into SECRETS_KEY', async ({
  skip,
}) => {
  if (engineName() !== 'pglite') return skip()
  const first = await start()
  const file = join(store.env.DATA_DIR ?? '', 'secrets.key')
  expect((statSync(file).mode & 0o777).toString(8)).toBe('600')
  const key = readFileSync(file, 'utf8')
  const receiver = await openReceiver()
  await admin(first.send, 'POST', `${ENVIRONMENT}/webhooks`, { url: `${receiver.origin}/file` })
  await receiver.close()
  await stop(first.gateway)
  await stop((await start()).gateway)
  expect(readFileSync(file, 'utf8')).toBe(key)
  const configured = await start({ SECRETS_KEY })
  await stop(configured.gateway)
  expect(configured.gateway.stderr()).toContain('sealed with SECRETS_KEY now, 1 of webhooks and streams anew')
})
