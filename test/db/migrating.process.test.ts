import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CannotOpen } from '../../src/db/errors.ts'
import { migratePostgres } from '../../src/db/migrate.ts'
import { openDatabase } from '../../src/db/open.ts'
import { oneMoreMigration } from '../support/migrations.ts'
import { onDatabase, type PostgresServer, startPostgres } from '../support/postgres-server.ts'

const patience = { lockTimeoutMs: 300, firstPauseMs: 100, longestPauseMs: 200, giveUpAfterMs: 600_000 }
const LOCK = '8245929752839219308'

describe.skipIf(process.env.SKIP_POSTGRES === '1')('migrations of PostgreSQL', () => {
  let server: PostgresServer
  let template: string
  const ends: (() => unknown)[] = []
  beforeAll(async () => {
    server = await startPostgres()
    template = onDatabase(server.url, 'migrated')
    const admin = connect(server.url)
    await admin.unsafe('create database migrated')
    await migratePostgres({ databaseUrl: template })
  })
  afterAll(async () => {
    for (const end of ends) await end()
    await server.stop()
  })

  function connect(url: string, name = 'somebody'): postgres.Sql {
    const client = postgres(url, { max: 1, onnotice: () => {}, connection: { application_name: name } })
    ends.push(() => client.end({ timeout: 1 }))
    return client
  }

  /** A migrated database of its own. */
  async function migrated(name: string): Promise<string> {
    await connect(server.url).unsafe(`create database ${name} template migrated`)
    return onDatabase(server.url, name)
  }

  function later(name: string, text: string): string {
    const { folder, remove } = oneMoreMigration(name, text)
    ends.push(remove)
    return folder
  }

  /** Runs a statement in a transaction that stays open until `release`. */
  async function held(url: string, statement: string): Promise<{ release(): Promise<void> }> {
    let over = () => {}
    const until = new Promise<void>((resolve) => {
      over = resolve
    })
    const client = connect(url, 'a report')
    let began = () => {}
    const begun = new Promise<void>((resolve) => {
      began = resolve
    })
    const work = client.begin(async (tx) => {
      await tx.unsafe(statement)
      began()
      await until
    })
    await begun
    return {
      release: async () => {
        over()
        await work
      },
    }
  }

  test('a migration that waits for a table lets others use it, says whom it waits for, and is done when it can', async () => {
    const databaseUrl = await migrated('waits')
    const holder = await held(databaseUrl, 'select count(*) from webhook_endpoints')
    const said: string[] = []
    const folder = later('9001_notes', 'alter table webhook_endpoints add column notes text')
    const done = migratePostgres({ databaseUrl }, (line) => said.push(line), { folder, patience })
    await expect.poll(() => said.length).toBeGreaterThan(0)
    expect(said[0]).toMatch(
      /^the migration 9001_notes waits for a lock on webhook_endpoints that the server's process \d+ holds \(application a report, user rollcall, idle in transaction, in its transaction for \d+ s\); it tries again in 0\.1 s$/,
    )
    // As a running instance reads while the migration waits: answered long before the other transaction ends.
    const reader = connect(databaseUrl)
    for (let n = 0; n < 3; n++) {
      const seen = said.length
      await reader.unsafe('select count(*) from webhook_endpoints')
      await expect.poll(() => said.length).toBeGreaterThan(seen)
    }
    await holder.release()
    await done
    expect(await reader.unsafe('select notes from webhook_endpoints')).toEqual([])
  })

  test('a migration gives up in words when nothing helps', async () => {
    const databaseUrl = await migrated('gives_up')
    const holder = await held(databaseUrl, 'select count(*) from webhook_endpoints')
    const folder = later('9001_notes', 'alter table webhook_endpoints add column notes text')
    const impatient = { ...patience, lockTimeoutMs: 1_000, giveUpAfterMs: 0 }
    await expect(migratePostgres({ databaseUrl }, () => {}, { folder, patience: impatient })).rejects.toThrow(
      /^gave up: the migration 9001_notes waits for a lock on webhook_endpoints that .* holds/,
    )
    await holder.release()
  })

  test('a migration waits for another instance that migrates, and nothing of its lock outlives a transaction', async () => {
    const databaseUrl = await migrated('in_turn')
    const holder = await held(databaseUrl, `select pg_advisory_xact_lock(${LOCK})`)
    const said: string[] = []
    const folder = later('9001_notes', 'alter table webhook_endpoints add column notes text')
    const done = migratePostgres({ databaseUrl }, (line) => said.push(line), { folder, patience })
    await expect.poll(() => said.at(-1)).toMatch(/waits for a lock that .*application a report/)
    await holder.release()
    await done
    const locks = `select count(*)::int as n from pg_locks where locktype = 'advisory'`
    expect(await connect(databaseUrl).unsafe(locks)).toEqual([{ n: 0 }])
  })

  test('an index is made beside running writers, outside a transaction', async () => {
    const databaseUrl = await migrated('beside')
    const folder = later(
      '9001_index',
      `-- no transaction
drop index concurrently if exists audit_notes;
--> statement-breakpoint
create index concurrently audit_notes on projects (created_at)`,
    )
    await Promise.all([
      migratePostgres({ databaseUrl }, undefined, { folder }),
      migratePostgres({ databaseUrl }, undefined, { folder }),
    ])
    const valid = `select indisvalid as valid from pg_index where indexrelid = to_regclass('audit_notes')`
    expect(await connect(databaseUrl).unsafe(valid)).toEqual([{ valid: true }])
    const applied = 'select count(*)::int as n from drizzle.__drizzle_migrations group by hash having count(*) > 1'
    expect(await connect(databaseUrl).unsafe(applied)).toEqual([])
  })

  test('a migration that fails changes nothing, and its line names it', async () => {
    const databaseUrl = await migrated('fails')
    const folder = later(
      '9001_wrong',
      'alter table projects add column notes text;\n--> statement-breakpoint\nselect 1 / 0',
    )
    await expect(migratePostgres({ databaseUrl }, undefined, { folder })).rejects.toThrow(
      /^PostgreSQL at \S+ cannot be migrated \(9001_wrong\): division by zero \(22012\)$/,
    )
    await expect(connect(databaseUrl).unsafe('select notes from projects')).rejects.toThrow(/notes/)
  })

  test('a limit that the role has does not end a migration', async () => {
    const databaseUrl = await migrated('limited')
    const client = connect(databaseUrl)
    await client.unsafe('alter role rollcall in database limited set statement_timeout = 50')
    const folder = later('9001_slow', 'select pg_sleep(0.3)')
    await migratePostgres({ databaseUrl }, undefined, { folder })
  })

  describe('beside a newer release', () => {
    const open = (databaseUrl: string) =>
      openDatabase({ databaseUrl, directDatabaseUrl: undefined, databasePool: 2, dataDir: '/nowhere' }, (reason) =>
        expect.unreachable(reason),
      )

    test('this build serves tables that the newer release has only added to', async () => {
      const databaseUrl = await migrated('expanded')
      const folder = later('9001_notes', 'alter table projects add column notes text')
      await migratePostgres({ databaseUrl }, undefined, { folder })
      const database = await open(databaseUrl)
      expect(await database.run('select count(*)::int as n from projects', [])).toEqual([{ n: 0 }])
      await database.close()
    })

    test('this build refuses tables that the newer release has taken something away from, and says which release to run', async () => {
      const databaseUrl = await migrated('contracted')
      const folder = later(
        '9001_contract',
        `alter table projects drop column created_at;
--> statement-breakpoint
update schema_compatibility set needs_migration = '9001_contract', needs_release = '9.0.0'`,
      )
      await migratePostgres({ databaseUrl }, undefined, { folder })
      const refused = await open(databaseUrl).catch((error: unknown) => error)
      expect(refused).toBeInstanceOf(CannotOpen)
      expect((refused as Error).message).toMatch(
        /^the database has tables of Rollcall 9\.0\.0, which this build \(\S+\) cannot serve, since it does not know the migration 9001_contract; run Rollcall 9\.0\.0 or later/,
      )
    })
  })
})
