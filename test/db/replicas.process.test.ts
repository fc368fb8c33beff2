import { setTimeout as pause } from 'node:timers/promises'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { requestOf } from '../../src/db/caller.ts'
import { type Database, READERS } from '../../src/db/database.ts'
import { migratePostgres } from '../../src/db/migrate.ts'
import { openPostgres, type PostgresSettings } from '../../src/db/postgres.ts'
import type { TenantId } from '../../src/place-ids.ts'
import { groupBody, idIn, json, listed, openInstance, userBody } from '../support/instances.ts'
import { placeId } from '../support/place-ids.ts'
import { canCopyServers, onDatabase, type PostgresServer, startPostgres } from '../support/postgres-server.ts'

const without = process.env.SKIP_POSTGRES === '1' || !canCopyServers()
const ROLE = 'replicas_tenant'
const TENANT = placeId<TenantId>('00000000-0000-7000-8000-000000000001')
/** Which server answers: true for the standby. */
const WHERE = 'select pg_is_in_recovery() as standby'

describe.skipIf(without)(`lists from replicas${without ? ' (skipped: there is no pg_basebackup)' : ''}`, () => {
  let primary: PostgresServer
  let standby: PostgresServer
  const ends: (() => unknown)[] = []
  beforeAll(async () => {
    // A read that stands in the way of the log ends at once.
    const settings = ['max_standby_streaming_delay=0']
    primary = await startPostgres()
    await migratePostgres({ databaseUrl: primary.url, databaseTenantRole: ROLE })
    standby = await startPostgres({ standbyOf: primary.url, settings })
  })
  afterAll(async () => {
    for (const end of ends.reverse()) await end()
    await standby?.stop()
    await primary?.stop()
  })

  function connect(url: string): postgres.Sql {
    const client = postgres(url, { max: 1, onnotice: () => {} })
    ends.push(() => client.end({ timeout: 1 }))
    return client
  }

  /** A gateway's database, and what it has said. */
  async function open(replicas: readonly string[] = [standby.url], more: Partial<PostgresSettings> = {}) {
    const said: string[] = []
    const settings = { databaseUrl: primary.url, databasePool: 6, databaseReplicaUrls: replicas, ...more }
    const database = await openPostgres(settings, { say: (line) => said.push(line) })
    ends.push(() => database.close())
    return { database, said }
  }

  const asked = (database: Database, statement = WHERE) =>
    database
      .for(requestOf('key'))
      .asTenant(TENANT)
      .run<{ standby: boolean; who: string }>(statement, [], { reader: READERS, replica: true })
  const onStandby = async (database: Database) => (await asked(database))[0]?.standby === true

  /** Asks until the standby answers, or does no longer. */
  async function untilAnswered(database: Database, byStandby = true): Promise<void> {
    while ((await onStandby(database)) !== byStandby) await pause(20)
  }

  test('what reads many rows is answered by the standby, and all else by the primary', async () => {
    const { database } = await open()
    await untilAnswered(database)
    expect(database.replicas).toMatchObject({ replicas: [{ isWell: true }], byReplica: 1 })
    expect(await database.run(WHERE, [], { reader: READERS })).toEqual([{ standby: false }])
    await database.transaction(async (tx) => {
      expect(await tx.run(WHERE, [], { reader: READERS, replica: true })).toEqual([{ standby: false }])
    })
  })

  test('of several hosts in the URL of a replica, the first that answers is taken, standby or not', async () => {
    const { database } = await open([standby.url.replace('@127.0.0.1', '@127.0.0.1:1,127.0.0.1')])
    await untilAnswered(database)
  })

  test('statements on a replica are measured and watched like all others', async () => {
    const answered = new Set<string | undefined>()
    let opened = 0
    const observer = {
      ...{ waited: () => {}, used: () => {} },
      opened: () => void opened++,
      answered: (name: string | undefined) => void answered.add(name),
    }
    const { database } = await open([standby.url], { observer })
    const watched: unknown[] = []
    const seen = database.watched((asking, take) => {
      watched.push(asking)
      return take((work) => work())
    })
    await untilAnswered(database)
    watched.length = 0
    const options = { reader: READERS, replica: true, name: 'page' } as const
    const tenant = seen.for(requestOf('key')).asTenant(TENANT)
    expect(await tenant.run(WHERE, [], options)).toEqual([{ standby: true }])
    expect(watched).toContainEqual({ statement: WHERE, share: 'tenant' })
    expect([...answered]).toEqual(expect.arrayContaining(['page', 'replica-position', 'replica-replayed']))
    expect(opened).toBe(1)
  })

  test('a list has every change that was answered before, whichever instance made it', async () => {
    const [one, other] = [(await open()).database, (await open()).database]
    await Promise.all([untilAnswered(one), untilAnswered(other)])
    const [writing, reading] = [await openInstance(one), await openInstance(other)]
    ends.push(writing.close, reading.close)
    const before = other.replicas?.byReplica ?? 0
    const tenants = await Promise.all(Array.from({ length: 4 }, () => writing.newTenant()))
    await Promise.all(
      tenants.map(async (tenant) => {
        const read = reading.reach(tenant)
        for (let n = 1; n <= 25; n++) {
          const user = idIn(await tenant.scim('POST', '/Users', userBody(`u${n}`)))
          expect(json(await read('GET', '/Users?count=1')).totalResults).toBe(n)
          const changed = { schemas: userBody('').schemas, userName: `u${n}`, title: `t${n}` }
          await tenant.scim('PUT', `/Users/${user}`, changed)
          const sorted = await read('GET', '/Users?sortBy=id&sortOrder=descending&count=1')
          expect(listed(sorted)).toMatchObject([{ id: user, title: `t${n}` }])
          expect(json(await read('GET', '/Users?filter=title%20co%20%22T%22&count=1')).totalResults).toBe(n)
        }
      }),
    )
    // Otherwise nothing was tested.
    expect(other.replicas?.byReplica).toBeGreaterThan(before)
  })

  test('a standby that stands still answers nobody, until it has caught up', async () => {
    const { database, said } = await open()
    await untilAnswered(database)
    const instance = await openInstance(database)
    ends.push(instance.close)
    const tenant = await instance.newTenant()
    const member = idIn(await tenant.scim('POST', '/Users', userBody('before')))
    const server = connect(standby.url)
    await server`select pg_wal_replay_pause()`
    try {
      await tenant.scim('POST', '/Users', userBody('after'))
      expect(json(await tenant.scim('GET', '/Users')).totalResults).toBe(2)
      const group = await tenant.scim('POST', '/Groups', groupBody('g', [member]))
      expect(listed(await tenant.scim('GET', '/Groups'))).toMatchObject([{ members: [{ value: member }] }])
      await tenant.scim('DELETE', `/Groups/${idIn(group)}`)
      expect(json(await tenant.scim('POST', '/.search', SEARCH)).totalResults).toBe(2)
      expect(database.replicas?.replicas).toMatchObject([{ isWell: false }])
      expect(said).toContainEqual(expect.stringMatching(/^the replica at 127\.0\.0\.1:\d+\/rollcall is left alone/))
    } finally {
      await server`select pg_wal_replay_resume()`
    }
    await untilAnswered(database)
    expect(json(await tenant.scim('GET', '/Users')).totalResults).toBe(2)
    expect(said.at(-1)).toMatch(/^the replica at .* answers again$/)
  })

  test('a standby that is away is done without, and used again once it is back', async () => {
    const { database, said } = await open()
    await untilAnswered(database)
    await standby.kill()
    try {
      expect(await Promise.all(Array.from({ length: 20 }, () => onStandby(database)))).toEqual(Array(20).fill(false))
      const late = await open()
      expect(await onStandby(late.database)).toBe(false)
      while (!late.said.some((line) => /is left alone.*ECONNREFUSED/.test(line))) await pause(20)
    } finally {
      await standby.restart()
    }
    await untilAnswered(database)
    expect(said.at(-1)).toMatch(/answers again$/)
  })

  test('a read that the standby undoes for the sake of the log is done by the primary', async () => {
    const { database } = await open([standby.url], { readTimeoutMs: 25_000 })
    const writer = connect(primary.url)
    await writer.unsafe('create table crowded as select generate_series(1, 1000) as n')
    await untilAnswered(database)
    const server = connect(standby.url)
    const slow = asked(database, 'select pg_is_in_recovery() as standby, pg_sleep(600) from crowded where n = 1')
    const reads = () => server`select 1 from pg_stat_activity where query like '%from crowded%' and state = 'active'
      and pid <> pg_backend_pid() and backend_xmin is not null`
    while ((await reads()).length === 0) await Promise.race([slow, pause(5)])
    await writer.unsafe('delete from crowded')
    await writer.unsafe('vacuum crowded')
    // The primary has no such row any more.
    expect(await slow).toEqual([])
    await untilAnswered(database)
  })

  test('policies bind what the standby answers', async () => {
    const { database } = await open([standby.url], { databaseTenantRole: ROLE })
    await untilAnswered(database)
    const who = `select pg_is_in_recovery() as standby, current_user || ' ' || current_setting('rollcall.tenant') as who`
    expect(await asked(database, who)).toEqual([{ standby: true, who: `${ROLE} ${TENANT}` }])
  })

  test('one tenant with many lists leaves the connections to the standby to others', async () => {
    const { database } = await open([standby.url], { databasePool: 4 })
    await untilAnswered(database)
    let done = 0
    const slow = 'select pg_sleep(0.08), pg_is_in_recovery() as standby'
    const busy = Promise.all(Array.from({ length: 60 }, () => asked(database, slow).then(() => done++)))
    const other = database.for(requestOf('other')).asTenant(placeId('00000000-0000-7000-8000-000000000002'))
    for (let n = 0; n < 5; n++)
      expect(await other.run(WHERE, [], { reader: READERS, replica: true })).toEqual([{ standby: true }])
    expect(done).toBeLessThan(30)
    await busy
  })

  test('what is no standby of the primary is never asked, and the line says what it is', async () => {
    const stranger = await startPostgres()
    ends.push(stranger.stop)
    for (const [url, what] of [
      [onDatabase(stranger.url, 'rollcall'), 'it is no copy of the server in DATABASE_URL'],
      [primary.url, 'it is no standby'],
    ] as const) {
      const { database, said } = await open([url])
      while (!said.some((line) => line.includes(what))) {
        expect(await onStandby(database)).toBe(false)
        await pause(10)
      }
      expect(database.replicas).toMatchObject({ byReplica: 0 })
    }
  })

  test('a standby that a failover has left behind is not asked, although its log is longer', async () => {
    const promoted = await startPostgres({ standbyOf: primary.url })
    ends.push(promoted.stop)
    const [old, fresh] = [connect(primary.url), connect(promoted.url)]
    await fresh`select pg_promote()`
    // What the old primary took after that is lost, though the standby has it.
    await old.unsafe('create table lost as select generate_series(1, 50000) as n')
    const [{ behind } = { behind: true }] = await fresh.unsafe<{ behind: boolean }[]>(
      `select pg_current_wal_flush_lsn() < '${(await old`select pg_current_wal_flush_lsn() as at`)[0]?.at}' as behind`,
    )
    expect(behind).toBe(true)
    const { database, said } = await open([standby.url], { databaseUrl: promoted.url })
    while (!said.some((line) => line.includes('it has not followed the last failover yet'))) {
      expect(await onStandby(database)).toBe(false)
      await pause(10)
    }
    expect(database.replicas).toMatchObject({ byReplica: 0 })
  })
})

const SEARCH = { schemas: ['urn:ietf:params:scim:api:messages:2.0:SearchRequest'] }
