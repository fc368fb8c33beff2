import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import { PACKAGE_FOLDER } from '../package.ts'

/** The folder of migrations. */
export const migrationsFolder = join(PACKAGE_FOLDER, 'drizzle')

/** One step of the tables from one form to the next. */
export interface Migration {
  /** The name of its file, such as `0015_schema_compatibility`. */
  readonly name: string
  /** When it was made, in ms since 1970. The order of migrations is that of these moments. */
  readonly madeAt: number
  readonly hash: string
  readonly statements: readonly string[]
  /**
   * Its statements run outside a transaction, since they refuse to run in one (`create index concurrently`). A second run begins
   * them anew, so they have to be repeatable.
   */
  readonly alone: boolean
}

/** The first line of a migration that runs outside a transaction. */
const ALONE = '-- no transaction'

/** The migrations in a folder, in their order, without what they do. */
export function journalIn(folder: string = migrationsFolder): Pick<Migration, 'name' | 'madeAt'>[] {
  const { entries } = JSON.parse(readFileSync(join(folder, 'meta/_journal.json'), 'utf8')) as {
    entries: { tag: string; when: number }[]
  }
  return entries.map(({ tag, when }) => ({ name: tag, madeAt: when }))
}

/** The migrations in a folder, in their order. */
export function migrationsIn(folder: string = migrationsFolder): Migration[] {
  const journal = journalIn(folder)
  return readMigrationFiles({ migrationsFolder: folder }).map(({ sql, folderMillis, hash }, i) => ({
    ...{ name: journal[i]?.name ?? '', madeAt: folderMillis, hash, statements: sql },
    alone: sql[0]?.startsWith(ALONE) === true,
  }))
}

/** Runs one statement, and gives its rows. */
export type RunStatement = (statement: string) => Promise<readonly object[]>

/** Where the applied migrations stand: the table that Drizzle's own migrator has, so that either can go on where the other was. */
export const APPLIED = 'drizzle.__drizzle_migrations'

/** When the last migration that was applied was made, in ms since 1970; 0 where there is none. */
export async function lastApplied(run: RunStatement): Promise<number> {
  const [table] = (await run(`select to_regclass('${APPLIED}') is not null as there`)) as [{ there: boolean }]
  if (!table.there) return 0
  const [row] = (await run(`select coalesce(max(created_at), 0)::float8 as last from ${APPLIED}`)) as [{ last: number }]
  return row.last
}

/** Applies one migration, unless that was done in the meantime. */
export async function applyMigration(run: RunStatement, migration: Migration): Promise<void> {
  await run('create schema if not exists drizzle')
  await run(`create table if not exists ${APPLIED} (id serial primary key, hash text not null, created_at bigint)`)
  if ((await lastApplied(run)) >= migration.madeAt) return
  for (const statement of migration.statements) await run(statement)
  await run(`insert into ${APPLIED} (hash, created_at) values ('${migration.hash}', ${migration.madeAt})`)
}
