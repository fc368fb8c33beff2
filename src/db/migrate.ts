import { setTimeout as pause } from 'node:timers/promises'
import { refuseNewer } from './compatibility.ts'
import { cannotOpen, connectPostgres } from './connect.ts'
import type { Database } from './database.ts'
import { CannotOpen, isBusy } from './errors.ts'
import { watchBlockers } from './lock-holders.ts'
import {
  applyMigration,
  lastApplied,
  type Migration,
  migrationsFolder,
  migrationsIn,
  type RunStatement,
} from './migrations.ts'
import { lookAtWay, settledWay, type Way } from './pooler.ts'
import { guardedDatabase } from './postgres-guard.ts'
import { isTenantRolePrepared, prepareTenantRole } from './tenant-role.ts'

// Any number that no other program's advisory lock has: the letters of "rollcall".
const LOCK = '8245929752839219308'

export interface MigrationSettings {
  readonly databaseUrl: string
  readonly directDatabaseUrl?: string | undefined
  readonly databaseTenantRole?: string | undefined
}

/** How long a migration waits for locks. Milliseconds. */
export interface Patience {
  /** Who waits for a lock on a table keeps all later statements on the table waiting, those of running instances. */
  readonly lockTimeoutMs: number
  /** Until the next attempt; twice as long each time. In between, running instances go on. */
  readonly firstPauseMs: number
  readonly longestPauseMs: number
  readonly giveUpAfterMs: number
}

const PATIENCE: Patience = { lockTimeoutMs: 2_000, firstPauseMs: 500, longestPauseMs: 10_000, giveUpAfterMs: 600_000 }

interface MigrationOptions {
  readonly folder?: string
  readonly patience?: Patience
  /** To the database at `databaseUrl`; found out where it is not given. */
  readonly way?: Way
}

/**
 * Applies the missing migrations to PostgreSQL, each in a transaction of its own. Also prepares the role for tenants where there
 * is to be one, and gives the gateway's settings to sessions behind a pooler. Of several instances that start together, one works
 * and the others wait. Where nothing is missing, nothing is locked.
 *
 * The lock belongs to a transaction. A pooler would keep the lock of a session, and every later start would wait for it.
 *
 * @param say told what a migration waits for
 * @throws {CannotOpen} when the database does not answer, has tables that this build cannot serve, or a migration fails
 */
export async function migratePostgres(
  settings: MigrationSettings,
  say: (line: string) => void = () => {},
  { folder = migrationsFolder, patience = PATIENCE, way }: MigrationOptions = {},
): Promise<void> {
  const databaseUrl = settings.directDatabaseUrl ?? settings.databaseUrl
  const { databaseTenantRole } = settings
  const found = way ?? (await settledWay({ databaseUrl: settings.databaseUrl, databasePrepare: false }, say))
  const upToDate = found.upToDate && folder === migrationsFolder
  if (upToDate && databaseTenantRole === undefined) return
  let doing = 'used'
  let database: Database | undefined
  try {
    database = await openForLong(databaseUrl, settings.directDatabaseUrl === undefined ? found : undefined)
    const run = runOn(database)
    if (!upToDate) await refuseNewer(run)
    const inTurn = turnsUnderLock(database, patience, say)
    for (const migration of upToDate ? [] : await missingIn(folder, run)) {
      doing = `migrated (${migration.name})`
      await inTurn(`the migration ${migration.name}`, async (tx) => {
        if (!migration.alone) return applyMigration(runOn(tx), migration)
        // Ends the look of the statement before at the tables. An index that is made concurrently would wait for it for ever.
        await runOn(tx)('savepoint aside')
        return applyMigration(run, migration)
      })
    }
    doing = 'used'
    if (databaseTenantRole !== undefined && !(await isTenantRolePrepared(database, databaseTenantRole)))
      await inTurn('the role for tenants', (tx) => prepareTenantRole(tx, databaseTenantRole))
  } catch (error) {
    throw error instanceof CannotOpen ? error : cannotOpen(databaseUrl, error, doing)
  } finally {
    await database?.close()
  }
}

async function missingIn(folder: string, run: RunStatement): Promise<Migration[]> {
  const last = await lastApplied(run)
  return migrationsIn(folder).filter(({ madeAt }) => madeAt > last)
}

const runOn =
  (database: Database): RunStatement =>
  (statement) =>
    database.run<object>(statement, [], { prepare: false })

/** One connection holds the lock, one looks who keeps it waiting, and one is for a migration outside a transaction. */
const CONNECTIONS = 3
const A_DAY_MS = 86_400_000

/** The database for statements that may take long, also where sessions of this user have a limit. */
export async function openForLong(databaseUrl: string, way?: Way | undefined): Promise<Database> {
  const { takesSettings, sslmode } = way ?? (await lookAtWay({ databaseUrl, databasePrepare: false }))
  const settings = takesSettings ? { statement_timeout: '0' } : {}
  const connect = () => connectPostgres(databaseUrl, { max: CONNECTIONS, prepare: false, settings, sslmode })
  const times = { answerDeadlineMs: A_DAY_MS, readTimeoutMs: A_DAY_MS }
  return guardedDatabase(connect, {
    engine: 'postgres',
    prepare: false,
    connections: CONNECTIONS,
    tenantRole: undefined,
    ...times,
  })
}

/**
 * Does work in a transaction that holds the lock of migrations. Where a lock does not come soon, the transaction is rolled back and
 * begun again after a pause, so that the statements which queue behind it go on.
 */
function turnsUnderLock(database: Database, patience: Patience, say: (line: string) => void) {
  const attempt = async (work: (tx: Database) => Promise<void>): Promise<string | undefined> => {
    const blockers = watchBlockers(database, patience.lockTimeoutMs)
    try {
      await database.transaction(async (tx) => {
        const [own] = (await runOn(tx)(
          `select pg_backend_pid() as pid, set_config('lock_timeout', '${patience.lockTimeoutMs}', true),
             set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true),
             set_config('citus.enable_unsafe_triggers', 'on', true)`,
        )) as [{ pid: number }]
        blockers.of(own.pid)
        await runOn(tx)(`select pg_advisory_xact_lock(${LOCK})`)
        await work(tx)
      })
      return undefined
    } catch (error) {
      if (!isBusy(error)) throw error
      return blockers.inWords()
    } finally {
      blockers.stop()
    }
  }
  return async (what: string, work: (tx: Database) => Promise<void>): Promise<void> => {
    const begun = performance.now()
    for (let pauseMs = patience.firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, patience.longestPauseMs)) {
      const waitsFor = await attempt(work)
      if (waitsFor === undefined) return
      const line = `${what} waits for ${waitsFor}`
      if (performance.now() - begun > patience.giveUpAfterMs) throw new CannotOpen(`gave up: ${line}`)
      say(`${line}; it tries again in ${pauseMs / 1000} s`)
      await pause(pauseMs)
    }
  }
}
