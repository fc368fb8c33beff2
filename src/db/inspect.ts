import { readMigrationFiles } from 'drizzle-orm/migrator'
import type { Database } from './database.ts'
import { migrationsFolder } from './migrations-folder.ts'

/** What a look at a database shows. */
export interface Inspection {
  /** Of the server, such as `18.1`. */
  readonly version: string
  readonly majorVersion: number
  /** Its clock less ours, in ms; what the question took is the error. */
  readonly aheadMs: number
  /** Migrations of this build that it does not have. */
  readonly missing: number
  /** Whether it has migrations that this build does not know. */
  readonly newer: boolean
}

/** Looks at a database and changes nothing. */
export async function inspectDatabase(database: Database): Promise<Inspection> {
  const asked = Date.now()
  const [server] = await database.run<{ version: string; number: number; now: number }>(
    `select current_setting('server_version') as version, current_setting('server_version_num')::int as number,
       (extract(epoch from clock_timestamp()) * 1000)::float8 as now`,
    [],
  )
  const answered = Date.now()
  const last = await lastMigration(database)
  const known = readMigrationFiles({ migrationsFolder }).map(({ folderMillis }) => folderMillis)
  return {
    version: server?.version ?? '',
    majorVersion: Math.floor((server?.number ?? 0) / 10_000),
    aheadMs: Math.round((server?.now ?? 0) - (asked + answered) / 2),
    missing: known.filter((made) => made > last).length,
    newer: known.every((made) => made < last),
  }
}

/** When the last migration that was applied was made, in ms since 1970; 0 where there is none. */
async function lastMigration(database: Database): Promise<number> {
  const [table] = await database.run<{ there: boolean }>(
    `select to_regclass('drizzle.__drizzle_migrations') is not null as there`,
    [],
  )
  if (!table?.there) return 0
  const [row] = await database.run<{ last: number | null }>(
    'select max(created_at)::float8 as last from drizzle.__drizzle_migrations',
    [],
  )
  return row?.last ?? 0
}
