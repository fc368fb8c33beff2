import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Database } from '../../../src/db/database.ts'
import { openPostgres } from '../../../src/db/postgres.ts'
import { engineName, freshPostgres } from '../../support/engines.ts'
import type { Answer, TestTenant } from '../../support/gateway.ts'
import {
  bulkBody,
  groupBody,
  type Instance,
  idIn,
  json,
  openInstance,
  patchBody,
  userBody,
} from '../../support/instances.ts'
import { startProxy } from '../../support/tcp-proxy.ts'

const LIMITS = { READ_TIMEOUT_MS: '700', REQUEST_TIMEOUT_MS: '1200', BULK_TIMEOUT_MS: '2000' }

// The embedded engine has one session, so nobody else can lock anything there.
describe.skipIf(engineName() === 'pglite')('the time of a whole request on PostgreSQL', () => {
  let settings: Awaited<ReturnType<typeof freshPostgres>>
  let database: Database
  let locker: Database
  let instance: Instance
  let tenant: TestTenant
  let unlock: () => Promise<unknown> = async () => {}
  beforeAll(async () => {
    settings = await freshPostgres(4)
    locker = await openPostgres({ ...settings, requestTimeoutMs: 60_000 })
  })
  beforeEach(async () => {
    database = await openPostgres({ ...settings, readTimeoutMs: 700, requestTimeoutMs: 1_200 })
    instance = await openInstance(database, LIMITS)
    tenant = await instance.newTenant()
    await tenant.scim('GET', '/Users?count=1')
  })
  afterEach(async () => {
    await unlock()
    await instance.close()
    await database.close()
  })
  afterAll(() => locker.close())

  /** Runs `statement` in a transaction that stays open until `unlock` is called. */
  async function lock(statement: string, values: string[] = []): Promise<void> {
    let [locked, release] = [() => {}, () => {}]
    const taken = new Promise<void>((resolve) => {
      locked = resolve
    })
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    const held = locker.transaction(async (tx) => {
      await tx.run(statement, values, { prepare: false })
      locked()
      await released
    })
    unlock = () => {
      release()
      return held
    }
    await taken
  }

  const lockTable = () => lock('lock table resources in access exclusive mode')
  const lockGroup = (id: string) => lock('select 1 from resources where id = $1::uuid for update', [id])

  /** Statements of the gateway that run on the server. */
  const running = async () => {
    const rows = await locker.run<{ n: number }>(
      `select count(*)::int as n from pg_stat_activity
       where datname = current_database() and state <> 'idle' and pid <> pg_backend_pid() and wait_event_type = 'Lock'`,
      [],
    )
    return rows[0]?.n
  }

  const isUnavailable = (answer: Answer) => {
    expect(answer.status).toBe(503)
    expect(answer.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
    expect(answer.body).not.toHaveProperty('scimType')
  }

  const write = { POST: userBody('late'), PUT: userBody('there', { title: 'late' }) }
  test.each<[what: string, ask: (id: string, group: string) => Promise<Answer>]>([
    ['a create', () => tenant.scim('POST', '/Users', write.POST)],
    ['a replacement', (id) => tenant.scim('PUT', `/Users/${id}`, write.PUT)],
    [
      'a change',
      (id) => tenant.scim('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'title', value: 'late' })),
    ],
    [
      'a deactivation',
      (id) => tenant.scim('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'active', value: false })),
    ],
    ['a deletion', (id) => tenant.scim('DELETE', `/Users/${id}`)],
    [
      'a member',
      (id, group) =>
        tenant.scim('PATCH', `/Groups/${group}`, patchBody({ op: 'add', path: 'members', value: [{ value: id }] })),
    ],
    [
      'a bulk request',
      () => tenant.scim('POST', '/Bulk', bulkBody([{ method: 'POST', path: '/Users', bulkId: 'a', data: write.POST }])),
    ],
  ])(
    'SEC-15 %s that waits for a lock is 503 while the lock is held, and is not done afterwards',
    async (_what, ask) => {
      const id = idIn(await tenant.scim('POST', '/Users', userBody('there')))
      const group = idIn(await tenant.scim('POST', '/Groups', groupBody('group')))
      await lockTable()
      isUnavailable(await ask(id, group))
      await expect.poll(running, { timeout: 20_000 }).toBe(0)
      await unlock()
      const users = json(await tenant.scim('GET', '/Users'))
      expect(users).toMatchObject({ totalResults: 1, Resources: [{ id, userName: 'there', active: true }] })
      expect(json(await tenant.scim('GET', `/Users/${id}`)).title).toBeUndefined()
      expect(json(await tenant.scim('GET', `/Groups/${group}`)).members).toEqual([])
    },
  )

  test('SEC-15 a tenant whose statements all wait is told so within its time, and another tenant feels nothing', async () => {
    const quiet = await instance.newTenant()
    const id = idIn(await quiet.scim('POST', '/Users', userBody('quiet')))
    const group = idIn(await tenant.scim('POST', '/Groups', groupBody('group')))
    const member = idIn(await tenant.scim('POST', '/Users', userBody('member')))
    await lockGroup(group)
    const add = patchBody({ op: 'add', path: 'members', value: [{ value: member }] })
    const loud = Array.from({ length: 30 }, () => tenant.scim('PATCH', `/Groups/${group}`, add))
    for (let n = 0; n < 5; n++) {
      expect((await quiet.scim('GET', `/Users/${id}`)).status).toBe(200)
      expect((await quiet.scim('POST', '/Users', userBody(`more ${n}`))).status).toBe(201)
    }
    for (const answer of await Promise.all(loud)) isUnavailable(answer)
    await expect.poll(running, { timeout: 20_000 }).toBe(0)
    await unlock()
    expect(json(await tenant.scim('GET', `/Groups/${group}`)).members).toEqual([])
    expect(instance.errors.length).toBeGreaterThan(0)
  })

  /** Opens the gateway anew, with so much time that nothing else ends what waits. */
  const openPatient = async () => {
    await instance.close()
    await database.close()
    database = await openPostgres({ ...settings, readTimeoutMs: 30_000 })
    instance = await openInstance(database, { ...LIMITS, READ_TIMEOUT_MS: '30000', REQUEST_TIMEOUT_MS: '60000' })
    return instance.reach(tenant)
  }

  test('SEC-15 of a client that has gone the writes that wait for a turn are not begun', async () => {
    const scim = await openPatient()
    const group = idIn(await scim('POST', '/Groups', groupBody('group')))
    const member = idIn(await scim('POST', '/Users', userBody('member')))
    await lockGroup(group)
    const add = patchBody({ op: 'add', path: 'members', value: [{ value: member }] })
    const loud = Array.from({ length: 4 }, () => scim('PATCH', `/Groups/${group}`, add))
    await expect.poll(running, { timeout: 20_000 }).toBe(2)
    const gone = new AbortController()
    const headers = { Authorization: `Bearer ${tenant.key}`, 'Content-Type': 'application/scim+json' }
    const body = JSON.stringify(userBody('dropped'))
    const asked = instance.send(
      new Request(`${tenant.base}/Users`, { method: 'POST', headers, body, signal: gone.signal }),
    )
    gone.abort()
    expect((await asked).status).toBe(499)
    await unlock()
    expect((await Promise.all(loud)).map(({ status }) => status)).toEqual([200, 200, 200, 200])
    expect(json(await scim('GET', '/Users')).totalResults).toBe(1)
  })

  test('E-09 a server that says nothing at all is 503 in time, and used again once it speaks', async () => {
    const id = idIn(await tenant.scim('POST', '/Users', userBody('there')))
    const { port } = new URL(settings.databaseUrl)
    const proxy = await startProxy(Number(port))
    const databaseUrl = settings.databaseUrl.replace(`:${port}/`, `:${proxy.port}/`)
    const far = await openPostgres({ ...settings, databaseUrl, readTimeoutMs: 700, requestTimeoutMs: 1_200 })
    const there = await openInstance(far, LIMITS)
    const scim = there.reach(tenant)
    await scim('GET', '/Users?count=1')
    proxy.swallow = true
    const change = patchBody({ op: 'replace', path: 'active', value: false })
    const asked = await Promise.all([
      ...Array.from({ length: 12 }, (_, n) => scim('POST', '/Users', userBody(`far ${n}`))),
      ...Array.from({ length: 12 }, () => scim('GET', `/Users/${id}`)),
      ...[scim('PATCH', `/Users/${id}`, change), scim('DELETE', `/Users/${id}`), scim('GET', '/Groups')],
    ])
    for (const answer of asked) isUnavailable(answer)
    proxy.swallow = false
    await expect.poll(async () => (await scim('GET', `/Users/${id}`)).status).toBe(200)
    expect((await scim('POST', '/Users', userBody('afterwards'))).status).toBe(201)
    await there.close()
    await far.close()
    proxy.close()
  })

  test('SEC-15 a read by id ends on the server when all who asked have gone, and not before', async () => {
    const id = idIn(await tenant.scim('POST', '/Users', userBody('there')))
    await (await openPatient())('GET', '/Users?count=1')
    await lockTable()
    const gone = [new AbortController(), new AbortController()]
    const headers = { Authorization: `Bearer ${tenant.key}` }
    const asked = gone.map(({ signal }) =>
      instance.send(new Request(`${tenant.base}/Users/${id}`, { headers, signal })),
    )
    await expect.poll(running, { timeout: 20_000 }).toBe(1)
    gone[0]?.abort()
    expect(await running()).toBe(1)
    gone[1]?.abort()
    expect((await Promise.all(asked)).map(({ status }) => status)).toEqual([499, 499])
    await expect.poll(running, { timeout: 20_000 }).toBe(0)
  })
})
