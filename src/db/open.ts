import { leftOutOf } from '../config/connection.ts'
import type { Database } from './database.ts'
import { migratePostgres } from './migrate.ts'
import type { PgliteSettings } from './pglite.ts'
import type { PostgresSettings } from './postgres.ts'

/** What decides where the data is: PostgreSQL where there is a URL, else the embedded engine in a folder. */
export type DatabaseSettings = PgliteSettings &
  Omit<PostgresSettings, 'databaseUrl'> & {
    readonly databaseUrl: string | undefined
    /** Past the pooler, for migrations. */
    readonly directDatabaseUrl: string | undefined
  }

/**
 * Opens the database and brings its tables up to date. `onLost` is called when an embedded database is lost for good while
 * running; PostgreSQL may come back, so it never is. `say` is told what the start waits for, and what an administrator has to do.
 *
 * @throws {CannotOpen} with one line for the operator
 */
export async function openDatabase(
  settings: DatabaseSettings,
  onLost: (reason: string) => void,
  say: (line: string) => void = () => {},
): Promise<Database> {
  const { databaseUrl } = settings
  // One engine is loaded, not both: the embedded one alone takes more memory than everything else.
  if (databaseUrl === undefined) return (await import('./pglite.ts')).openPglite(settings, onLost)
  for (const line of leftOutOf({ DATABASE_URL: databaseUrl, DIRECT_DATABASE_URL: settings.directDatabaseUrl }))
    say(line)
  await migratePostgres({ ...settings, databaseUrl }, say)
  return (await import('./postgres.ts')).openPostgres({ ...settings, databaseUrl })
}

/**
 * Opens the database to look at it: over one connection, and without bringing the tables of PostgreSQL up to date. The embedded
 * engine's always are, once it is open.
 *
 * @throws {CannotOpen} with one line for the operator
 */
export async function openAsItIs(settings: DatabaseSettings): Promise<Database> {
  const { databaseUrl } = settings
  if (databaseUrl === undefined) return (await import('./pglite.ts')).openPglite(settings, () => {})
  return (await import('./postgres.ts')).openPostgres({ ...settings, databaseUrl, databasePool: 1 })
}
