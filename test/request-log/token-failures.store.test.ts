import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { adminSender } from '../support/admin-sender.ts'
import { openFreshDatabase } from '../support/engines.ts'
import type { TestTenant } from '../support/gateway.ts'
import { type Instance, ORIGIN, openInstance } from '../support/instances.ts'
import { basic, idOf } from '../support/oauth.ts'
import { placeOf } from '../support/readers.ts'

const ADMIN = 'an-admin-key-for-failures-at-the-token-endpoint'

let database: Database
let instance: Instance
let tenant: TestTenant
beforeAll(async () => {
  database = await openFreshDatabase()
  instance = await openInstance(database, { ADMIN_KEY: ADMIN, PUBLIC_URL: ORIGIN })
  tenant = await instance.newTenant()
})
afterAll(async () => {
  await instance.close()
  expect(instance.errors).toEqual([])
  await database.close()
})

interface Item {
  readonly id: string
  readonly status: number
  readonly reason: string | null
  readonly key: { readonly id: string } | null
}
const admin = <Body>(method: string, path: string, body?: object) =>
  adminSender(() => instance, ADMIN)<Body>(method, path, body)
const logged = async (of: TestTenant): Promise<Item[]> => {
  await instance.requestLog.flush()
  return (await admin<{ items: Item[] }>('GET', `${placeOf(of)}/requests?operation=token`)).body.items
}
const ask = (form: Readonly<Record<string, string>>, headers: Readonly<Record<string, string>> = {}) =>
  instance.send(
    new Request(`${ORIGIN}/oauth/token`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded', 'User-Agent': 'Entra', ...headers },
      body: new URLSearchParams({ grant_type: 'client_credentials', ...form }).toString(),
    }),
  )
const wrongOf = (key: string) => `${key.slice(0, -4)}0000`

test('a refused request for a token is in the log of the tenant of its key, with the reason, what to change and no secret', async () => {
  const [id, secret] = [idOf(tenant.key), `s3cr3t-${randomUUID()}`]
  const type = { client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' }
  const assertion = `${Buffer.from('{"alg":"ES256"}').toString('base64url')}.${Buffer.from(`{"iss":"${id}","sub":"${id}"}`).toString('base64url')}.${secret}`
  const asked: readonly (readonly [Promise<Response>, number, string])[] = [
    [ask({ client_id: id, client_secret: secret }), 401, 'client-secret-wrong'],
    [ask({}, { Authorization: basic(id, wrongOf(tenant.key)) }), 401, 'client-secret-wrong'],
    [ask({ client_id: id }), 401, 'client-unauthenticated'],
    [ask({ ...type, client_assertion: assertion }), 401, 'assertion-wrong'],
    [ask({ client_id: id, client_secret: tenant.key, scope: 'admin' }), 400, 'scope-not-held'],
    [ask({ client_id: id, client_secret: tenant.key, grant_type: 'password' }), 400, 'token-request-malformed'],
  ]
  for (const [answer, status] of asked) expect((await answer).status).toBe(status)
  const items = await logged(tenant)
  expect(items.map(({ status, reason }) => [status, reason]).sort()).toEqual(
    asked.map(([, status, reason]) => [status, reason]).sort(),
  )
  for (const item of items)
    expect(item).toMatchObject({
      ...{ operation: 'token', method: 'POST', path: '/oauth/token', client: 'Entra', key: { id } },
      explanation: { problem: expect.stringMatching(/access token/), remedy: expect.stringMatching(/\.$/) },
    })
  const one = (await admin('GET', `${placeOf(tenant)}/requests/${items[0]?.id}`)).body
  expect(one).toMatchObject({ request: null, response: null })
  const stored = JSON.stringify(await database.run('select l::text as row from request_log l', []))
  for (const text of [secret, tenant.key.slice(17), wrongOf(tenant.key).slice(17)]) expect(stored).not.toContain(text)
})

test('a good request leaves nothing, and neither does one of a key of no single tenant or of no key', async () => {
  const other = await instance.newTenant()
  expect((await ask({ client_id: idOf(other.key), client_secret: other.key })).status).toBe(200)
  const made = await admin<{ id: string }>('POST', '/api-keys', { name: 'of the instance' })
  const before = await database.run('select id from request_log', [])
  for (const id of [made.body.id, '000000000000', "' or 1=1", '']) await ask({ client_id: id, client_secret: 'wrong' })
  await ask({ client_secret: 'wrong' })
  await instance.requestLog.flush()
  expect(await database.run('select id from request_log', [])).toHaveLength(before.length)
  expect(await logged(other)).toEqual([])
})

test('a tenant whose log is off keeps none of it', async () => {
  const quiet = await instance.newTenant()
  await admin('PATCH', placeOf(quiet), { settings: { requestLog: 'off' } })
  await ask({ client_id: idOf(quiet.key), client_secret: 'wrong' })
  expect(await logged(quiet)).toEqual([])
})

test('who names a key without proving to be it fills no log: so many a minute are kept', async () => {
  const target = await instance.newTenant()
  const before = instance.requestLog.numbers.dropped.guesses
  for (let i = 0; i < 45; i++) await ask({ client_id: idOf(target.key), client_secret: `wrong ${i}` })
  // A minute may end between them.
  const items = await logged(target)
  expect(items.length).toBeGreaterThanOrEqual(30)
  expect(items.length + instance.requestLog.numbers.dropped.guesses - before).toBe(45)
})
