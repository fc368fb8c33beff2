import { readMigrationFiles } from 'drizzle-orm/migrator'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CannotOpen, isUnavailable } from '../../src/db/errors.ts'
import { migratePostgres } from '../../src/db/migrate.ts'
import { migrationsFolder } from '../../src/db/migrations.ts'
import { openDatabase } from '../../src/db/open.ts'
import { openPostgres } from '../../src/db/postgres.ts'
import { countingProxy } from '../support/counting-proxy.ts'
import { onDatabase, type PostgresServer, startPostgres } from '../support/postgres-server.ts'
import { storeParent } from '../support/store-folder.ts'
import { startProxy } from '../support/tcp-proxy.ts'

const settingsFor = (databaseUrl: string) => ({ databaseUrl, databasePool: 5, databasePrepare: true })
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const failure = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  )

// These start and stop servers of their own, also where the suite's PostgreSQL is given or left out.
describe.skipIf(process.env.SKIP_POSTGRES === '1')('PostgreSQL', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres({ fsync: true, parent: storeParent() })
  })
  afterAll(() => server.stop())

  /** An empty database of its own. */
  async function empty(name: string): Promise<string> {
    const admin = postgres(server.url, { max: 1 })
    await admin.unsafe(`create database ${name}`)
    await admin.end()
    return onDatabase(server.url, name)
  }

  const port = () => Number(new URL(server.url).port)
  const through = (proxy: { port: number }) => server.url.replace(`:${port()}/`, `:${proxy.port}/`)

  test('statements are prepared once per connection, under a name, unless told otherwise', async () => {
    const prepared = `select count(*)::int as n from pg_prepared_statements where statement like 'select $1::int + %'`
    const one = await openPostgres({ ...settingsFor(server.url), databasePool: 1 })
    for (let i = 0; i < 5; i++) await one.run('select $1::int + 1', [i])
    for (let i = 0; i < 5; i++) await one.run('select $1::int + 2', [i], { prepare: false })
    expect(await one.run(prepared, [])).toEqual([{ n: 1 }])
    await one.close()
    const pooled = await openPostgres({ ...settingsFor(server.url), databasePool: 1, databasePrepare: false })
    for (let i = 0; i < 5; i++) await pooled.run('select $1::int + 1', [i])
    expect(await pooled.run(prepared, [])).toEqual([{ n: 0 }])
    await pooled.close()
  })

  test('a statement and an idle transaction have their time', async () => {
    const database = await openPostgres(settingsFor(server.url))
    const [row] = await database.run(
      `select current_setting('statement_timeout') as statement, current_setting('idle_in_transaction_session_timeout') as idle`,
      [],
    )
    expect(row).toEqual({ statement: '30s', idle: '1min' })
    await database.close()
  })

  test('a pooler that refuses the time limits is used without them', async () => {
    const fields = ['SFATAL', 'VFATAL', 'C08P01', 'Munsupported startup parameter: statement_timeout', '']
    const body = Buffer.from(`${fields.join('\0')}\0`)
    const header = Buffer.from([0x45, 0, 0, 0, body.length + 4])
    const pooler = await startProxy(port(), { word: 'statement_timeout', answer: Buffer.concat([header, body]) })
    const database = await openPostgres(settingsFor(through(pooler)))
    expect(await database.run(`select current_setting('statement_timeout') as t`, [])).toEqual([{ t: '0' }])
    await database.close()
    pooler.close()
  })

  test('four instances that start together on an empty database migrate it once', async () => {
    const databaseUrl = await empty('together')
    const settings = { ...settingsFor(databaseUrl), directDatabaseUrl: undefined, dataDir: '/nowhere' }
    const opened = await Promise.all(
      Array.from({ length: 4 }, () => openDatabase(settings, (reason) => expect.unreachable(reason))),
    )
    const count = `select count(*)::int as n from drizzle.__drizzle_migrations`
    expect(await opened[0]?.run(count, [])).toEqual([{ n: readMigrationFiles({ migrationsFolder }).length }])
    await Promise.all(opened.map((database) => database.close()))
    await migratePostgres({ databaseUrl })
  })

  test('an open that finds the tables up to date asks over two connections, and waits for no instance that migrates', async () => {
    const databaseUrl = await empty('found')
    await migratePostgres({ databaseUrl })
    const migrating = postgres(databaseUrl, { max: 1 })
    await migrating.unsafe('select pg_advisory_lock(8245929752839219308)')
    const proxy = await countingProxy(databaseUrl)
    const settings = { databaseUrl: proxy.url, databasePool: 5, directDatabaseUrl: undefined, dataDir: '/nowhere' }
    const database = await openDatabase(settings, (reason) => expect.unreachable(reason))
    expect({ connections: proxy.connections(), statements: proxy.roundTrips() }).toEqual({
      connections: 2,
      // Settings in force, names of statements, migrations, whether there is a Citus; whom the policies bind.
      statements: 5,
    })
    await database.close()
    proxy.stop()
    await migrating.end()
  })

  test.each([
    [
      'no server listens',
      'postgres://rollcall@127.0.0.1:1/rollcall',
      /127\.0\.0\.1:1\/rollcall cannot be used: .*ECONNREFUSED/,
    ],
    ['no such database', 'nowhere', /database "nowhere" does not exist \(3D000\); make the database, /],
  ])('a database that cannot be used is one line without the password: %s', async (_what, target, line) => {
    const url = target.startsWith('postgres:') ? target : onDatabase(server.url, target)
    const error = await failure(openPostgres(settingsFor(url.replace('rollcall@', 'rollcall:hush@'))))
    expect(error).toBeInstanceOf(CannotOpen)
    expect((error as Error).message).toMatch(line)
    expect((error as Error).message).not.toContain('hush')
  })

  test('a server that shuts down or is killed costs what was under way, nothing acknowledged, and no restart of ours', async () => {
    const database = await openPostgres(settingsFor(server.url))
    await database.run('create table outage (n int primary key, whole boolean)', [])
    const acknowledged: number[] = []
    const failures: unknown[] = []
    let next = 0
    let running = true
    const worker = async (work: (n: number) => Promise<unknown>) => {
      while (running) {
        const n = next++
        try {
          await work(n)
          acknowledged.push(n)
        } catch (error) {
          failures.push(error)
        }
        // Lets the event loop turn while the server is away and each attempt fails at once.
        await sleep(1)
      }
    }
    const single = (n: number) => database.run('insert into outage values ($1, true)', [n])
    const pair = (n: number) =>
      database.transaction(async (tx) => {
        await tx.run('insert into outage values ($1, false)', [n])
        // Open for a moment, so that an outage meets it.
        await sleep(5)
        // As code that carries on after a failure would: the next statement must not land anywhere else.
        await failure(tx.run('select 1', []))
        await tx.run('update outage set whole = true where n = $1', [n])
      })
    const workers = [
      ...Array.from({ length: 8 }, () => worker(single)),
      ...Array.from({ length: 8 }, () => worker(pair)),
    ]

    for (const outage of ['restart', 'kill', 'restart', 'kill'] as const) {
      const begun = acknowledged.length
      await expect.poll(() => acknowledged.length).toBeGreaterThan(begun + 50)
      if (outage === 'kill') {
        await server.kill()
        const error = await failure(database.run('select 1', []))
        expect(isUnavailable(error)).toBe(true)
      }
      await server.restart()
      const before = acknowledged.length
      await expect.poll(() => acknowledged.length, { timeout: 30_000 }).toBeGreaterThan(before + 50)
    }
    running = false
    await Promise.all(workers)

    expect(failures.filter((error) => !isUnavailable(error))).toEqual([])
    const rows = await database.run<{ n: number; whole: boolean }>('select n, whole from outage', [])
    const stored = new Set(rows.map((row) => row.n))
    expect(acknowledged.filter((n) => !stored.has(n))).toEqual([])
    expect(rows.filter((row) => !row.whole)).toEqual([])
    const connections = `select count(*)::int as n from pg_stat_activity where datname = current_database() and state <> 'idle'`
    expect(await database.run(connections, [])).toEqual([{ n: 1 }])
    await database.close()
  })

  test('a network that swallows everything is noticed, and left behind once it is back', async () => {
    const proxy = await startProxy(port())
    const database = await openPostgres({ ...settingsFor(through(proxy)), requestTimeoutMs: 500 })
    await Promise.all(Array.from({ length: 10 }, () => database.run('select 1', [])))
    proxy.swallow = true
    const errors = await Promise.all([
      ...Array.from({ length: 10 }, () => failure(database.run('select 1', []))),
      failure(database.transaction((tx) => tx.run('select 1', []))),
    ])
    expect(errors.map(isUnavailable)).toEqual(Array(11).fill(true))
    proxy.swallow = false
    await expect.poll(() => failure(database.run('select 1', []))).toBeUndefined()
    await Promise.all(Array.from({ length: 10 }, () => database.transaction((tx) => tx.run('select 1', []))))
    await database.close()
    proxy.close()
  })
})
