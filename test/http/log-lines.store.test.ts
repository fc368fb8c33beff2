import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { listen } from '../../src/listen.ts'
import { openTestDatabase } from '../support/engines.ts'
import type { TestTenant } from '../support/gateway.ts'
import { type Instance, idIn, openInstance, patchBody, userBody } from '../support/instances.ts'
import { idOf } from '../support/oauth.ts'
import { placeOf } from '../support/readers.ts'
import { withRun } from '../support/statements.ts'

const ADMIN = 'an-admin-key-for-log-lines-in-tests'
const PAGE = readFileSync(join(import.meta.dirname, '../../docs/logs-and-traces.md'), 'utf8')
/** Stands in every text that a client sends here. */
const PLANTED = /planted/i

let database: Database
let instance: Instance
let tenant: TestTenant
let origin: string
let stop: () => Promise<void>

beforeAll(async () => {
  database = await openTestDatabase()
  const env = { ADMIN_KEY: ADMIN, PUBLIC_URL: 'http://scim.test', TRUST_PROXY: '127.0.0.2/32', INSTANCE_NAME: 'one' }
  instance = await openInstance(database, env)
  tenant = await instance.newTenant()
  const server = await listen((request, bindings) => instance.send(request, bindings), { host: '127.0.0.1', port: 0 })
  origin = `http://127.0.0.1:${server.port}`
  stop = () => server.stop(0)
})
afterAll(async () => {
  await stop()
  await instance.close()
})

interface Sent {
  readonly key?: string | undefined
  readonly body?: unknown
  readonly type?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Sends a request over a socket, with planted headers; gives its answer, and the line that the log has of it. */
async function send(method: string, path: string, { key, body, type = 'application/json', headers }: Sent = {}) {
  const answer = await fetch(origin + path, {
    method,
    redirect: 'manual',
    headers: {
      ...{ 'user-agent': 'Planted/1.0', cookie: 'session=planted-cookie', 'x-forwarded-for': 'planted' },
      ...{
        referer: 'https://planted.example/',
        'x-request-id': 'planted-request-id',
        origin: 'https://planted.example',
      },
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      ...(body === undefined ? {} : { 'content-type': type }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  await answer.arrayBuffer()
  const id = answer.headers.get('x-request-id')
  expect(id).not.toBeNull()
  const line = instance.log.find((one) => one.includes(`"requestId":"${id}"`) && one.includes('"msg":"request"'))
  return { status: answer.status, line: JSON.parse(line ?? 'null') as Record<string, unknown> }
}

const scim = (path: string) => new URL(tenant.base).pathname + path
const admin = (path: string) => `/api/v1${placeOf(tenant)}${path}`

describe('SEC-12 lines of the log have nothing of what a client sent', () => {
  test('by SCIM: in path, query, body or header, whether it is done or refused', async () => {
    const { key } = tenant
    const user = { ...userBody('planted@people.example'), name: { givenName: 'Planted' }, password: 'Planted-Passw0rd' }
    const made = await send('POST', scim('/Users'), { key, body: user })
    expect(made).toMatchObject({ status: 201, line: { tenantId: tenant.id, keyId: idOf(key), instance: 'one' } })
    expect((await send('POST', scim('/Users'), { key, body: user })).line).toMatchObject({
      status: 409,
      scimType: 'uniqueness',
    })
    const bad = await send('GET', scim('/Users?filter=planted%20is%20%22planted%22'), { key })
    expect(bad.line).toMatchObject({ status: 400, scimType: 'invalidFilter', route: '/scim/v2/:base/Users' })
    await send('GET', scim('/Users?filter=userName%20eq%20%22planted@people.example%22&planted=planted'), { key })
    await send('GET', scim('/Users/planted@people.example'), { key })
    await send('GET', scim('/planted/planted/planted'), { key })
    await send('GET', '/scim/v2/planted/planted/v2/planted/Users/planted', { key })
    await send('GET', scim('/%00planted/..%2fplanted'), { key })
    await send('POST', scim('/Bulk'), { key, body: { planted: ['planted'] } })
    await send('PATCH', scim('/Users/planted'), { key, body: '{"planted' })
    await send('GET', scim('/Users'), { key: 'rck_planted_planted' })
    await send('GET', scim('/Users'), { headers: { authorization: 'Basic cGxhbnRlZDpwbGFudGVk' } })
    await send('GET', scim('/Users'), { key, headers: { accept: 'text/planted' } })
  })

  test('by the admin API, the console, OAuth, and addresses that are none', async () => {
    const found = await send('GET', admin('/users?userName=planted@people.example'), { key: ADMIN })
    expect(found.line).toMatchObject({
      tenantId: tenant.id,
      instance: 'one',
      route: '/api/v1/projects/:project/environments/:environment/tenants/:tenant/users',
    })
    expect(found.line.keyId).toEqual(expect.any(String))
    await send('POST', admin('/webhooks'), { key: ADMIN, body: { url: 'https://planted.example/planted', events: [] } })
    await send('POST', admin('/webhooks'), { key: ADMIN, body: '{"planted' })
    await send('PATCH', admin(''), { key: ADMIN, body: { name: 'Planted Ltd', settings: { mode: 'planted' } } })
    await send('GET', admin('/planted'), { key: ADMIN })
    await send('GET', '/api/v1/projects/planted@people.example', { key: ADMIN })
    await send('GET', '/api/v1/projects', { key: 'rck_planted_planted' })
    await send('GET', admin('/sign-in-checks?value=planted@people.example'), { key: tenant.key })
    const form = 'application/x-www-form-urlencoded'
    await send('POST', '/console/sign-in', { type: form, body: 'key=planted-key&planted=planted' })
    await send('GET', '/console/projects/planted/environments/planted?q=planted')
    await send('POST', '/oauth/token', {
      type: form,
      body: 'client_id=planted&client_secret=planted&grant_type=planted',
    })
    await send('GET', '/planted/planted?planted=planted')
    await send('GET', '/livez?planted')
    await send('GET', '/metrics', { key: 'planted' })
  })

  test('where the database fails, and its message has the values', async () => {
    const refuse = (severity?: string) =>
      withRun(database, () =>
        Promise.reject(
          Object.assign(new Error('Planted (planted@people.example)'), { code: 'XX000', severity, detail: 'planted' }),
        ),
      )
    const failing = await openInstance(refuse('ERROR'), { INSTANCE_NAME: 'one' }, undefined, database)
    expect((await failing.reach(tenant)('POST', '/Users', userBody('planted@people.example'))).status).toBe(500)
    expect(failing.log.length).toBe(2)
    expect(failing.log.filter((line) => PLANTED.test(line))).toEqual([])
    await failing.close()
  })

  test('none of the lines so far has any of it', () => {
    expect(instance.log.length).toBeGreaterThan(25)
    expect(instance.log.filter((line) => PLANTED.test(line) || line.includes('people.example'))).toEqual([])
    for (const secret of [tenant.key, ADMIN]) expect(instance.log.filter((line) => line.includes(secret))).toEqual([])
  })
})

describe('lines of the log', () => {
  test('say how often work was done again', async () => {
    const id = idIn(await tenant.scim('POST', '/Users', userBody('again')))
    // Another writer comes first, twice: the resource has no longer the version that was read.
    let overtaken = 2
    const contended = withRun(database, (inner, text, ...rest) =>
      /^with[\s\S]*update resources/.test(text) && overtaken-- > 0 ? Promise.resolve([]) : inner.run(text, ...rest),
    )
    const other = await openInstance(contended, {}, undefined, database)
    const change = patchBody({ op: 'replace', path: 'displayName', value: 'Again' })
    expect((await other.reach(tenant)('PATCH', `/Users/${id}`, change)).status).toBe(200)
    expect(JSON.parse(other.log.at(-1) ?? '')).toMatchObject({ status: 200, retries: 2 })
    await other.close()
  })

  test('have the fields that docs/logs-and-traces.md lists, and no others', async () => {
    const traced = await openInstance(database, {
      ...{ INSTANCE_NAME: 'two', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' },
    })
    await traced.reach(tenant)('GET', '/Users?filter=x')
    await traced.close()
    const fields = new Set(['retries'])
    for (const line of [...instance.log, ...traced.log]) {
      const { msg, ...rest } = JSON.parse(line)
      if (msg === 'request') for (const name of Object.keys({ msg, ...rest })) fields.add(name)
    }
    const [, table = ''] = PAGE.split('\n## Lines of requests\n')
    const listed = [...(table.split('\n## ')[0] ?? '').matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name)
    expect(listed.sort()).toEqual([...fields].sort())
  })
})

describe('X-Request-Id', () => {
  const ask = async (given: string | undefined, trust = '127.0.0.0/8') => {
    const asked = await openInstance(database, { TRUST_PROXY: trust })
    const server = await listen((request, env) => asked.send(request, env), { host: '127.0.0.1', port: 0 })
    const base = `http://127.0.0.1:${server.port}${new URL(tenant.base).pathname}`
    const headers = { authorization: `Bearer ${tenant.key}`, ...(given === undefined ? {} : { 'x-request-id': given }) }
    const ids = [
      (await fetch(`${base}/Users?count=0`, { headers })).headers.get('x-request-id'),
      (await fetch(`http://127.0.0.1:${server.port}/api/v1/projects`, { headers })).headers.get('x-request-id'),
    ]
    await server.stop(0)
    await asked.close()
    const logged = asked.log.map((line) => JSON.parse(line).requestId)
    expect(logged).toEqual(ids)
    return ids
  }
  const OURS = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/

  test.each(['0HMVD9K:00000001', '4bf92f3577b34da6a3ce929d0e0e4736', 'a'.repeat(128)])(
    'of a trusted proxy is kept, on every surface: %s',
    async (given) => {
      expect(await ask(given)).toEqual([given, given])
    },
  )

  test.each([
    'short',
    'a'.repeat(129),
    'ada@people.example',
    'two words are none',
    '"},{"level":"error',
    'a-comma,is-none',
  ])('of a trusted proxy is replaced where it has no such shape: %s', async (given) => {
    for (const id of await ask(given)) expect(id).toMatch(OURS)
  })

  test('of anybody else is replaced, and one is made where there is none', async () => {
    for (const id of await ask('of-the-client-1', 'none')) expect(id).toMatch(OURS)
    for (const id of await ask('of-the-client-1', '10.0.0.0/8')) expect(id).toMatch(OURS)
    for (const id of await ask(undefined)) expect(id).toMatch(OURS)
  })
})
