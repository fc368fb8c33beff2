import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { CannotOpen } from '../../src/db/errors.ts'
import { migratePostgres } from '../../src/db/migrate.ts'
import { openDatabase } from '../../src/db/open.ts'
import { openPostgres } from '../../src/db/postgres.ts'
import { giveSettingsToRole, SESSION_SETTINGS } from '../../src/db/session-settings.ts'
import { findPgbouncer, type Pgbouncer, startPgbouncer, versionOf } from '../support/pgbouncer.ts'
import { onDatabase, type PostgresServer, startPostgres } from '../support/postgres-server.ts'

const program = findPgbouncer()
const without = process.env.SKIP_POSTGRES === '1' || program === undefined
/** From 1.21 on it looks after the names of statements, where it is told to. */
const [major = 0, minor = 0] = program === undefined ? [] : versionOf(program).split('.').map(Number)
const namesStatements = major > 1 || minor >= 21
const WITHOUT_NAMES = namesStatements ? ['max_prepared_statements = 0'] : []

describe.skipIf(without)(
  `behind PgBouncer in transaction mode${without ? ' (skipped: there is no pgbouncer)' : ''}`,
  () => {
    let server: PostgresServer
    let bouncer: Pgbouncer
    const ends: (() => unknown)[] = []
    beforeAll(async () => {
      server = await startPostgres()
      bouncer = await startPgbouncer(program as string, server.url, WITHOUT_NAMES)
    })
    afterAll(async () => {
      for (const end of ends) await end()
      await bouncer.stop()
      await server.stop()
    })

    function connect(url: string): postgres.Sql {
      const client = postgres(url, { max: 1, onnotice: () => {}, fetch_types: false, prepare: false })
      ends.push(() => client.end({ timeout: 1 }))
      return client
    }

    /** An empty database of its own, behind `pooler`. */
    async function empty(name: string, pooler: Pgbouncer = bouncer): Promise<string> {
      await connect(server.url).unsafe(`create database ${name}`)
      return pooler.through(onDatabase(server.url, name))
    }

    async function open(
      databaseUrl: string,
      databasePrepare?: boolean,
      say?: (line: string) => void,
    ): Promise<Database> {
      const settings = {
        databaseUrl,
        directDatabaseUrl: undefined,
        databasePool: 10,
        databasePrepare,
        dataDir: '/nowhere',
      }
      const database = await openDatabase(settings, (reason) => expect.unreachable(reason), say)
      ends.push(() => database.close())
      return database
    }

    /** Statements of several texts, over more connections than one, again and again. */
    async function manyStatements(database: Database): Promise<void> {
      const one = (n: number) => database.run<{ n: number }>(`select ${n % 7}::int + $1::int as n`, [n])
      const pair = (n: number) => database.transaction(async (tx) => [await one7(tx, n), await one7(tx, n)])
      const one7 = (tx: Database, n: number) => tx.run(`select ${n % 7}::int + $1::int as n`, [n])
      for (let round = 0; round < 10; round++)
        await Promise.all(Array.from({ length: 40 }, (_, n) => (n % 4 === 0 ? pair(n) : one(n))))
      expect(await one(12)).toEqual([{ n: 17 }])
    }

    const named = `select count(*)::int as n from pg_prepared_statements where statement like 'select _::int + %'`

    test('an empty database is migrated, and statements find what they need, with nothing set', async () => {
      const said: string[] = []
      const database = await open(await empty('bare'), undefined, (line) => said.push(line))
      await manyStatements(database)
      expect(said).toEqual([])
      expect(await database.run(named, [])).toEqual([{ n: 0 }])
    })

    test('sessions have the settings of the gateway, also those that the pooler had opened before', async () => {
      const url = await empty('settled')
      const early = Array.from({ length: 5 }, () => connect(url))
      await Promise.all(early.map((client) => client.unsafe('select pg_sleep(0.05)')))
      const database = await open(url)
      const look = `select json_object_agg(name, setting) as found from pg_settings
      where name in (${Object.keys(SESSION_SETTINGS).map((name) => `'${name}'`)})`
      const found = await Promise.all(
        Array.from({ length: 10 }, () => database.run(`${look} and (select pg_sleep(0.1)) is not null`, [])),
      )
      expect(found).toEqual(Array(10).fill([{ found: SESSION_SETTINGS }]))
    })

    test('where the role may not be given settings, it is said what an administrator has to run', async () => {
      const url = await empty('unsettled')
      const client = connect(url)
      const run = (statement: string) => {
        if (!statement.includes('alter role')) return client.unsafe<object[]>(statement)
        return Promise.reject(Object.assign(new Error('permission denied'), { code: '42501' }))
      }
      expect(await giveSettingsToRole(run, SESSION_SETTINGS)).toMatch(
        /^alter role rollcall in database unsettled set plan_cache_mode = 'force_generic_plan'; alter role .* set idle_in_transaction_session_timeout = '60000';$/,
      )
    })

    test('migrations beside the traffic of others leave no lock in the sessions of the pooler', async () => {
      const url = await empty('beside')
      let over = false
      const traffic = Array.from({ length: 5 }, async () => {
        const client = connect(url)
        // Sessions that the first migrator found idle are ended once, for their settings; clients connect again.
        while (!over) await client.unsafe('select pg_sleep(0.002)').catch(() => {})
      })
      await Promise.all(Array.from({ length: 3 }, () => migratePostgres({ databaseUrl: url })))
      over = true
      await Promise.all(traffic)
      const locks = `select count(*)::int as n from pg_locks l join pg_database d on d.oid = l.database
      where l.locktype = 'advisory' and d.datname = 'beside'`
      expect(await connect(server.url).unsafe(locks)).toEqual([{ n: 0 }])
    })

    test('named statements are refused with what to set, where the pooler would mix them up', async () => {
      const databaseUrl = await empty('mixed')
      await migratePostgres({ databaseUrl })
      const refused = await openPostgres({ databaseUrl, databasePool: 5, databasePrepare: true }).catch(
        (error: unknown) => error,
      )
      expect(refused).toBeInstanceOf(CannotOpen)
      expect((refused as Error).message).toMatch(/leave DATABASE_PREPARE unset, or set max_prepared_statements = 200/)
    })

    test.skipIf(!namesStatements)(
      `statements have names where the pooler looks after them${namesStatements ? '' : ' (skipped: from PgBouncer 1.21 on)'}`,
      async () => {
        const naming = await startPgbouncer(program as string, server.url, ['max_prepared_statements = 100'])
        ends.push(() => naming.stop())
        const database = await open(await empty('named', naming))
        await manyStatements(database)
        const [row] = await database.run<{ n: number }>(named, [])
        expect(row?.n).toBeGreaterThan(0)
      },
    )
  },
)
