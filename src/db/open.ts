import { leftOutOf } from '../config/connection.ts'
import type { Database } from './database.ts'
import { migratePostgres } from './migrate.ts'
import { openPglite, type PgliteSettings } from './pglite.ts'
import type { EngineThread } from './pglite-port.ts'
import { settledWay } from './pooler.ts'
import { openPostgres, type PostgresSettings } from './postgres.ts'

/** What decides where the data is: PostgreSQL where there is a URL, else the embedded engine in a folder. */
export type DatabaseSettings = PgliteSettings &
  Omit<PostgresSettings, 'databaseUrl'> & {
    readonly databaseUrl: string | undefined
    /** Past the pooler, for migrations. */
    readonly directDatabaseUrl: string | undefined
  }

/**
 * Opens the database and brings its tables up to date. `onLost` is called when an embedded database is lost for good while
 * running; PostgreSQL may come back, so it never is. `say` is told what the start waits for, what an administrator has to do, and
 * what becomes of replicas.
 *
 * @param thread for the embedded engine, where one was started already
 * @throws {CannotOpen} with one line for the operator
 */
export async function openDatabase(
  settings: DatabaseSettings,
  onLost: (reason: string) => void,
  say: (line: string) => void = () => {},
  thread?: EngineThread,
): Promise<Database> {
  const { databaseUrl } = settings
  if (databaseUrl === undefined) return openPglite(settings, onLost, { thread })
  const urls = {
    ...{ DATABASE_URL: databaseUrl, DIRECT_DATABASE_URL: settings.directDatabaseUrl },
    DATABASE_REPLICA_URLS: settings.databaseReplicaUrls,
  }
  for (const line of leftOutOf(urls)) say(line)
  const given = { ...settings, databaseUrl }
  const way = await settledWay(given, say)
  await migratePostgres(given, say, { way })
  return openPostgres(given, { way, say })
}

/**
 * Opens the database to look at it: over one connection, and without bringing the tables of PostgreSQL up to date. The embedded
 * engine's always are, once it is open.
 *
 * @throws {CannotOpen} with one line for the operator
 */
export async function openAsItIs(settings: DatabaseSettings): Promise<Database> {
  const { databaseUrl } = settings
  if (databaseUrl === undefined) return openPglite(settings, () => {})
  return openPostgres({ ...settings, databaseUrl, databasePool: 1, databaseReplicaUrls: [] })
}
