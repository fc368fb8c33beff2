import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { isOutOfTime, ReaderGone } from '../../src/db/errors.ts'
import { openPostgres } from '../../src/db/postgres.ts'
import { streamLog } from '../../src/delivery/event-stream.ts'
import { LogWatch } from '../../src/delivery/log-watch.ts'
import { tenantLog } from '../../src/delivery/read-log.ts'
import { refusalFor } from '../../src/http/errors.ts'
import { eventLogOf } from '../../src/repositories/log/event-log.ts'
import { snapshotOf } from '../../src/repositories/resources/snapshot.ts'
import { engineName, freshPostgresUrl, openTestDatabase } from '../support/engines.ts'
import { type Instance, idIn, openInstance, userBody } from '../support/instances.ts'
import { recordStatements } from '../support/statements.ts'

test('idle streams ask the database for nothing, and hear of what happens all the same', async () => {
  const database = await openTestDatabase()
  const instance = await openInstance(database)
  const tenant = await instance.newTenant()
  await tenant.scim('POST', '/Users', userBody('before'))
  const recorder = recordStatements(database)
  const watch = new LogWatch(database, () => {})
  const log = eventLogOf(database, tenant.id)
  while ((await log.number({ wait: true })) > 0);
  const { head } = await log.read(0, 1, { types: [], nouns: [] })
  const first = await log.read(head, 10, { types: [], nouns: [] })
  const gone = new AbortController()
  const streams = Array.from({ length: 20 }, () =>
    streamLog(tenantLog(recorder.database, watch, tenant.id), first, {
      ...{ types: { types: [], nouns: [] }, signal: gone.signal, beatMs: 20 },
    }),
  )
  for (const stream of streams) await stream.next()
  for (let beat = 0; beat < 5; beat++) {
    const said = await Promise.all(streams.map((stream) => stream.next()))
    expect(said.map(({ value }) => value)).toEqual(streams.map(() => `id: ${head}\n\n`))
  }
  expect(recorder.statements).toEqual([])
  await tenant.scim('POST', '/Users', userBody('after'))
  const heard = await Promise.all(
    streams.map(async (stream) => {
      for (let beats = 0; beats < 500; beats++) {
        const { value } = await stream.next()
        if (value?.includes('user.created')) return true
      }
      return false
    }),
  )
  expect(heard).toEqual(streams.map(() => true))
  gone.abort()
  await watch.stop()
  await instance.close()
})

// The embedded engine cannot end a statement that has begun, and has no activity to look into.
describe.skipIf(engineName() === 'pglite')('reads on PostgreSQL', () => {
  const READ_TIMEOUT_MS = 400
  let url: string
  let database: Database
  let instance: Instance
  let locker: Database
  let unlock = () => {}
  beforeAll(async () => {
    url = await freshPostgresUrl()
  })
  beforeEach(async () => {
    const settings = { databaseUrl: url, databasePool: 3, databasePrepare: true }
    database = await openPostgres({ ...settings, readTimeoutMs: READ_TIMEOUT_MS })
    locker = await openPostgres(settings)
    instance = await openInstance(database, { READ_TIMEOUT_MS: String(READ_TIMEOUT_MS) })
  })
  afterEach(async () => {
    unlock()
    await instance.close()
    await database.close()
    await locker.close()
  })

  /** Locks the resources of all tenants until `unlock` is called. */
  async function lock(): Promise<void> {
    let locked = () => {}
    const taken = new Promise<void>((resolve) => {
      locked = resolve
    })
    const released = new Promise<void>((resolve) => {
      unlock = resolve
    })
    void locker.transaction(async (tx) => {
      await tx.run('lock table resources in access exclusive mode', [], { prepare: false })
      locked()
      await released
    })
    await taken
  }

  /** Statements of the gateway that wait for the lock. */
  const waiting = async () => {
    const rows = await locker.run<{ n: number }>(
      `select count(*)::int as n from pg_stat_activity
       where datname = current_database() and state = 'active' and wait_event_type = 'Lock'`,
      [],
    )
    return rows[0]?.n
  }

  test.each([
    ['by id', (id: string) => `/Users/${id}`],
    ['a look-up', () => '/Users?filter=userName%20eq%20%22late%22'],
    ['a scan', () => '/Users?filter=emails%20co%20%22late%22'],
    ['a page', () => '/Users?count=10'],
  ])('E-09 SEC-15 a read has its time, then it is 503 with Retry-After and runs no longer: %s', async (_what, path) => {
    const tenant = await instance.newTenant()
    const id = idIn(await tenant.scim('POST', '/Users', userBody('late')))
    await lock()
    const answer = await tenant.scim('GET', path(id))
    expect(answer.body).toMatchObject({ status: '503', detail: expect.stringContaining('READ_TIMEOUT_MS') })
    expect(answer.body).not.toHaveProperty('scimType')
    expect(answer.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
    await expect.poll(waiting, { timeout: 20_000 }).toBe(0)
    unlock()
    expect((await tenant.scim('GET', path(id))).status).toBe(200)
  })

  test('SEC-15 a write has the longer time', async () => {
    const tenant = await instance.newTenant()
    await tenant.scim('GET', '/Users')
    await lock()
    const made = tenant.scim('POST', '/Users', userBody('patient'))
    const read = await tenant.scim('GET', '/Users')
    expect(read.status).toBe(503)
    unlock()
    expect((await made).status).toBe(201)
  })

  test.each([
    ['a scan', '/Users?filter=emails%20co%20%22late%22'],
    ['a page', '/Users?count=10'],
  ])('SEC-15 a client that hangs up takes its statement along: %s', async (_what, path) => {
    await database.close()
    database = await openPostgres({ databaseUrl: url, databasePool: 3, databasePrepare: true, readTimeoutMs: 30_000 })
    await instance.close()
    instance = await openInstance(database)
    const tenant = await instance.newTenant()
    await tenant.scim('GET', '/Users')
    await lock()
    const gone = new AbortController()
    const headers = { Authorization: `Bearer ${tenant.key}` }
    const asked = instance.send(new Request(tenant.base + path, { headers, signal: gone.signal }))
    await expect.poll(waiting, { timeout: 20_000 }).toBe(1)
    gone.abort()
    expect((await asked).status).toBe(499)
    await expect.poll(waiting, { timeout: 20_000 }).toBe(0)
    expect(instance.errors).toEqual([])
  })

  test('E-09 SEC-15 the query builder reads in the same time, and no longer than its reader waits', async () => {
    const tenant = await instance.newTenant()
    await lock()
    const failure = (read: Promise<unknown>) => read.catch((error: unknown) => refusalFor(error, 'r').refusal)
    const late = await failure(snapshotOf(database, tenant.id).resources(undefined))
    expect(late).toMatchObject({ status: 503, message: expect.stringContaining('READ_TIMEOUT_MS') })
    const gone = new AbortController()
    gone.abort()
    expect(await failure(snapshotOf(database, tenant.id, gone).resources(undefined))).toMatchObject({ status: 499 })
    await expect.poll(waiting, { timeout: 20_000 }).toBe(0)
  })

  test('a read that waits for a connection is not begun once its reader has left', async () => {
    const gone = new AbortController()
    const busy = Array.from({ length: 3 }, () => database.run('select pg_sleep(0.2)', []))
    const late = database.run('select 1', [], { reader: gone }).catch((error: unknown) => error)
    gone.abort()
    expect(await late).toBeInstanceOf(ReaderGone)
    await Promise.all(busy)
  })

  test('E-09 a statement of the server that took too long is out of time, and no refusal of what was asked', async () => {
    const error = await database
      .transaction(async (tx) => {
        await tx.run(`set local statement_timeout = '20ms'`, [], { prepare: false })
        await tx.run('select pg_sleep(5)', [])
      })
      .catch((error: unknown) => error)
    expect(isOutOfTime(error)).toBe(true)
  })

  test('what is cancelled in the middle of its rows leaves none of them, and no gap, to the next statement', async () => {
    const alone = await openPostgres({ databaseUrl: url, databasePool: 1, databasePrepare: true })
    const gone = new AbortController()
    const rows = `select repeat('x', 1000) as x, pg_sleep(0.002) from generate_series(1, 5000)`
    const read = alone.run(rows, [], { reader: gone }).catch((error: unknown) => error)
    setTimeout(() => gone.abort(), 300)
    expect(await read).toBeInstanceOf(ReaderGone)
    expect(await alone.run('select n from generate_series(1, 3) as n', [])).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
    await alone.close()
  })

  test('what is cancelled takes no other statement with it', async () => {
    // Cancelled about when it ends: some are hit after their end, when the connection may work for another already.
    const cancelled = async (i: number) => {
      const gone = new AbortController()
      const read = database.run('select pg_sleep(0.105)', [], { reader: gone }).then(
        () => 'done',
        (error: unknown) => (error instanceof ReaderGone ? 'gone' : error),
      )
      setTimeout(() => gone.abort(), 100 + (i % 10))
      return read
    }
    let others = 0
    const ends = Array.from({ length: 60 }, (_, i) => cancelled(i))
    const running = Promise.all(ends).then((outcomes) => {
      others = -1
      return outcomes
    })
    const failed: unknown[] = []
    let done = 0
    while (others === 0) {
      await database.run('select pg_sleep(0.002)', []).then(
        () => done++,
        (error: unknown) => failed.push(error),
      )
    }
    const outcomes = await running
    expect(failed).toEqual([])
    expect(done).toBeGreaterThan(0)
    expect(outcomes.filter((outcome) => outcome !== 'done' && outcome !== 'gone')).toEqual([])
    expect(outcomes).toContain('gone')
  })
})
