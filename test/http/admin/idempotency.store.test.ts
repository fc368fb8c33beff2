import { Hono } from 'hono'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { CONFIGURED_ADMIN } from '../../../src/auth/principal.ts'
import type { AdminEnv } from '../../../src/http/control/env.ts'
import { idempotent } from '../../../src/http/control/idempotent.ts'
import { openAdminApi, type TestAdminApi } from '../../support/admin-api.ts'
import { administrationOn } from '../../support/administration.ts'
import { engineName } from '../../support/engines.ts'

let api: TestAdminApi
let unique = 0
let name = ''
beforeAll(async () => {
  api = await openAdminApi()
  await api.client.POST('/projects', { body: { key: 'acme' } })
  await api.client.POST('/projects/{project}/environments', {
    params: { path: { project: 'acme' } },
    body: { key: 'prod' },
  })
})
afterAll(() => api.close())
beforeEach(() => {
  name = `n${++unique}`
})

type Body = Record<string, unknown>
const create = (path: string, body: unknown, idempotencyKey: string, key?: string, by = api) =>
  by.send<Body>('POST', path, body, key, { 'Idempotency-Key': idempotencyKey })
const ENVIRONMENT = '/projects/acme/environments/prod'
const count = async (table: string): Promise<number> =>
  (await api.database.run<{ n: number }>(`select count(*)::int as n from ${table}`, []))[0]?.n ?? -1

describe('Idempotency-Key', () => {
  test.each([
    ['a project', '/projects', (key: string) => ({ key }), 'projects'],
    ['an environment', '/projects/acme/environments', (key: string) => ({ key }), 'environments'],
    ['a tenant', `${ENVIRONMENT}/tenants`, (key: string) => ({ key, settings: { mode: 'strict' } }), 'tenants'],
  ])('%s is made once, and repeats get the answer of the first', async (_, path, body, table) => {
    const first = await create(path, body(name), `"${name}"`)
    expect(first).toMatchObject({ status: 201, body: { key: name } })
    const made = await count(table)
    // Quoted as the draft has it, or bare as most clients send it.
    for (const key of [`"${name}"`, name]) {
      const repeat = await create(path, body(name), key)
      expect(repeat).toMatchObject({ status: 201, body: first.body })
      expect(repeat.headers.get('Location')).toBe(first.headers.get('Location'))
      expect(repeat.headers.get('Content-Type')).toBe(first.headers.get('Content-Type'))
      expect(repeat.headers.get('Idempotency-Replayed')).toBe('true')
    }
    expect(first.headers.has('Idempotency-Replayed')).toBe(false)
    expect(await count(table)).toBe(made)
  })

  test('SEC-07 an API key is made once, and its secret is in no store: a repeat is told where it is', async () => {
    const first = await create(`${ENVIRONMENT}/api-keys`, { name }, name)
    expect(first.status).toBe(201)
    const made = await count('api_keys')
    const repeat = await create(`${ENVIRONMENT}/api-keys`, { name }, name)
    expect(repeat).toMatchObject({ status: 409, body: { detail: expect.stringContaining(String(first.body.id)) } })
    expect(repeat.headers.get('Location')).toBe(`/api/v1${ENVIRONMENT}/api-keys/${first.body.id}`)
    expect(await count('api_keys')).toBe(made)
    const secret = String(first.body.key).slice(17)
    for (const table of ['idempotency_keys', 'api_keys']) {
      const rows = await api.database.run<{ row: string }>(`select t::text as row from ${table} t`, [])
      expect(rows.map(({ row }) => row).join('\n')).not.toContain(secret)
    }
  })

  test('an answer that says no-store is kept nowhere, whatever route it is of', async () => {
    const app = new Hono<AdminEnv>()
    app.use('*', (c, next) => {
      c.set('principal', CONFIGURED_ADMIN)
      c.set('administration', administrationOn(api.database, api.control))
      return next()
    })
    app.use('*', idempotent())
    app.post('/', (c) => c.json({ secret: 'whsec_hush' }, 201, { 'Cache-Control': 'no-store' }))
    const send = () => app.request('/', { method: 'POST', headers: { 'Idempotency-Key': name } })
    expect(await (await send()).json()).toEqual({ secret: 'whsec_hush' })
    expect((await send()).status).toBe(409)
    const rows = await api.database.run<{ row: string }>('select t::text as row from idempotency_keys t', [])
    expect(rows.map(({ row }) => row).join('\n')).not.toContain('hush')
  })

  test.each([
    ['body', () => ['/projects', { key: name, name: 'another' }]],
    ['address', () => ['/projects/acme/environments', { key: name }]],
  ])('another %s under the same key is refused with 422', async (_, other) => {
    await create('/projects', { key: name }, name)
    const [path, body] = other() as [string, object]
    expect(await create(path, body, name)).toMatchObject({ status: 422, body: { detail: expect.any(String) } })
  })

  test('two API keys have their idempotency keys apart', async () => {
    const other = await api.keyFor('', ['admin'])
    expect((await create('/projects', { key: name }, name)).status).toBe(201)
    expect((await create('/projects', { key: `${name}-b` }, name, other)).status).toBe(201)
  })

  test('a refused request leaves nothing behind, and the key free', async () => {
    const before = await count('idempotency_keys')
    const path = `${ENVIRONMENT}/tenants`
    for (const wrong of [{ key: 'Users' }, { key: name, settings: { mode: 'loose' } }, { key: 'default' }])
      expect((await create(path, wrong, name)).status).toBeGreaterThanOrEqual(400)
    expect(await count('idempotency_keys')).toBe(before)
    expect((await create(path, { key: name }, name)).status).toBe(201)
  })

  test('a refusal that the store decides leaves the transaction usable for the next', async () => {
    const user = '01890a5d-ac96-774b-bcce-b302099a8057'
    const path = `${ENVIRONMENT}/tenants/default/api-keys`
    expect((await create(path, { name, user }, name)).status).toBe(400)
    expect((await create(path, { name }, name)).status).toBe(201)
  })

  test.each([['""'], ['x'.repeat(256)], ['é']])('a key that is none is refused: %s', async (key) => {
    const answer = await create('/projects', { key: name }, key)
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ path: 'Idempotency-Key' }] } })
  })

  test('of two at once one makes it, and the other is told that it is under way', async () => {
    const answers = await Promise.all([1, 2].map(() => create('/projects', { key: name }, name)))
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409])
    expect((await create('/projects', { key: name }, name)).status).toBe(201)
  })

  // The embedded database belongs to one process: there are no two instances of it.
  test.skipIf(engineName() === 'pglite')('so it is when they reach two instances', async () => {
    const elsewhere = await openAdminApi(api.database)
    let held: Promise<{ status: number }> | undefined
    await api.database.transaction(async (tx) => {
      // Every change of the control plane waits for this row.
      await tx.run('select revision::int from control_revision for update', [])
      held = create('/projects', { key: name }, name)
      const waiting = `select count(*)::int as n from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`
      await expect.poll(async () => (await api.database.run<{ n: number }>(waiting, []))[0]?.n).toBe(1)
      expect((await create('/projects', { key: name }, name, undefined, elsewhere)).status).toBe(409)
    })
    expect((await held)?.status).toBe(201)
    const repeat = await create('/projects', { key: name }, name, undefined, elsewhere)
    expect([repeat.status, repeat.headers.get('Idempotency-Replayed')]).toEqual([201, 'true'])
    await elsewhere.close()
  })

  test('after 24 hours the key is free again, and old answers are thrown away', async () => {
    const [first, other] = [`${name}-a`, `${name}-b`]
    for (const key of [first, other]) await create('/projects', { key }, key)
    const age = (hours: number) =>
      api.database.run(
        `update idempotency_keys set created_at = now() - make_interval(hours => $1::int) where key = any(array[$2::text, $3::text])`,
        [hours, first, other],
      )
    await age(23)
    expect((await create('/projects', { key: first }, first)).status).toBe(201)
    await age(25)
    expect(await create('/projects', { key: first }, first)).toMatchObject({
      status: 409,
      body: { errors: [{ path: 'key' }] },
    })
    await create('/projects', { key: `${name}-c` }, first)
    const left = await api.database.run<{ key: string }>('select key from idempotency_keys', [])
    expect(left.map(({ key }) => key)).toContain(first)
    expect(left.map(({ key }) => key)).not.toContain(other)
  })
})
