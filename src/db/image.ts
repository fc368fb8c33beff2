import { createHash, randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { PACKAGE_FOLDER } from '../package.ts'
import { exists } from './files.ts'
import { migrationsFolder } from './migrations.ts'

// The build ships the image; `npm run dev` and the tests, which run the sources, keep theirs in a cache.
const built = import.meta.url.endsWith('.js')
const folder = join(PACKAGE_FOLDER, built ? 'dist/database-image' : 'node_modules/.cache/rollcall')

/** Another number for an image that is made in another way. */
const MADE = 2

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
 * Makes the image of an empty database. It was closed, so whoever opens it recovers nothing.
 *
 * @param upTo when the last migration that it is to have was made, in ms since 1970; undefined for all
 */
export async function makeImage(path: string, upTo?: number): Promise<void> {
  // Only to make one: who has an image loads the engine in a thread of its own.
  const [{ PGlite }, { NodeFS }, { migratePglite }, { createTar }] = await Promise.all([
    import('@electric-sql/pglite'),
    import('@electric-sql/pglite/nodefs'),
    import('./pglite-migrate.ts'),
    import('nanotar'),
  ])
  const made = await mkdtemp(join(tmpdir(), 'rollcall-image-'))
  try {
    const client = await PGlite.create({ fs: new NodeFS(made) })
    await migratePglite(client, upTo)
    // No database is ever made of these two, which are half of the files.
    for (const template of ['template0', 'template1']) {
      await client.exec(`alter database ${template} is_template false`)
      await client.exec(`drop database ${template}`)
    }
    await client.close()
    const entries = await readdir(made, { recursive: true, withFileTypes: true })
    const items = entries.map(async (entry) => {
      const at = join(entry.parentPath, entry.name)
      const name = `/${relative(made, at)}`
      if (entry.isDirectory()) return { name, attrs: { mode: '700' } }
      return { name, data: await readFile(at), attrs: { mode: '600' } }
    })
    await writeFile(path, await promisify(gzip)(createTar(await Promise.all(items))))
  } finally {
    await rm(made, { recursive: true, force: true })
  }
}

/** Writes the files of an image into a folder that is empty, for this account alone. They may still be in memory. */
export async function unpackImage(path: string, into: string): Promise<void> {
  const [packed, { parseTar }] = await Promise.all([readFile(path), import('nanotar')])
  // The end of the file says how large it is unpacked. With that room it is unpacked in one go, beside this thread.
  const tar = await promisify(gunzip)(packed, { chunkSize: packed.readUInt32LE(packed.length - 4) })
  const items = parseTar(tar.buffer.slice(tar.byteOffset, tar.byteOffset + tar.byteLength))
  for (const { name, type } of items)
    if (type === 'directory') await mkdir(join(into, name), { recursive: true, mode: 0o700 })
  const files = items.filter(({ type }) => type === 'file')
  await Promise.all(files.map(({ name, data = '' }) => writeFile(join(into, name), data, { mode: 0o600 })))
}

async function imageKey(): Promise<string> {
  const hash = createHash('sha256')
  const names = (await readdir(migrationsFolder)).filter((name) => name.endsWith('.sql')).sort()
  for (const name of [...names, 'meta/_journal.json'])
    hash.update(name).update(await readFile(join(migrationsFolder, name)))
  return `pglite-${pgliteVersion()}-${MADE}-${hash.digest('hex').slice(0, 16)}`
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
