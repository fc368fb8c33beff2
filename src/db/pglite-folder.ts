import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** PostgreSQL's major version in PGlite, by which its files are laid out. */
export const ENGINE_FILES = '18'

/** The embedded database in a data folder. */
export const databaseIn = (dataDir: string): string => join(dataDir, 'database')

/** Where a backup of a running gateway has its copy of the database. */
export const copyIn = (dataDir: string): string => join(dataDir, 'database.copy')

/** Where a restored database is until it is whole. */
export const restoringIn = (dataDir: string): string => join(dataDir, 'database.restoring')

/** The version of the engine that has made the files of the database; undefined where there is none. */
export async function engineFilesIn(dataDir: string): Promise<string | undefined> {
  const version = await readFile(join(databaseIn(dataDir), 'PG_VERSION'), 'utf8').catch(() => undefined)
  return version?.trim()
}
