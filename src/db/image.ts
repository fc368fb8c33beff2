import { createHash, randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { PACKAGE_FOLDER } from '../package.ts'
import { exists } from './files.ts'
import { migrationsFolder } from './migrations.ts'

// The build ships the image; `npm run dev` and the tests, which run the sources, keep theirs in a cache.
const built = import.meta.url.endsWith('.js')
const folder = join(PACKAGE_FOLDER, built ? 'dist/database-image' : 'node_modules/.cache/rollcall')

/**
 * The path of an empty, migrated database as `.tar.gz`, made now where there is none for this version of the engine and
 * these migrations. Loading it takes a third of the memory that making a database takes, and no initdb.
 */
export async function ensureImage(): Promise<string> {
  const path = join(folder, `${await imageKey()}.tar.gz`)
  if (await exists(path)) return path
  await mkdir(folder, { recursive: true })
  const unfinished = join(folder, `.${randomUUID()}`)
  await makeImage(unfinished)
  await rename(unfinished, path)
  await removeOthers(path)
  return path
}

/**
 * Makes the image of an empty database.
 *
 * @param upTo when the last migration that it is to have was made, in ms since 1970; undefined for all
 */
export async function makeImage(path: string, upTo?: number): Promise<void> {
  // Only to make one: who has an image loads the engine in a thread of its own.
  const [{ PGlite }, { migratePglite }] = await Promise.all([
    import('@electric-sql/pglite'),
    import('./pglite-migrate.ts'),
  ])
  const client = await PGlite.create()
  await migratePglite(client, upTo)
  // An image is of a running database, which is recovered when it is loaded: from here.
  await client.exec('checkpoint')
  const image = await client.dumpDataDir('gzip')
  await client.close()
  await writeFile(path, Buffer.from(await image.arrayBuffer()))
}

async function imageKey(): Promise<string> {
  const hash = createHash('sha256')
  const names = (await readdir(migrationsFolder)).filter((name) => name.endsWith('.sql')).sort()
  for (const name of [...names, 'meta/_journal.json'])
    hash.update(name).update(await readFile(join(migrationsFolder, name)))
  return `pglite-${pgliteVersion()}-${hash.digest('hex').slice(0, 16)}`
}

function pgliteVersion(): string {
  const require = createRequire(import.meta.url)
  const { version } = require(join(require.resolve('@electric-sql/pglite'), '../../package.json')) as {
    version: string
  }
  return version
}

async function removeOthers(path: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.endsWith('.tar.gz') && join(folder, name) !== path) await rm(join(folder, name), { force: true })
  }
}
