import { access, chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { PGlite } from '@electric-sql/pglite'
import { BACKGROUND } from './caller.ts'
import { connectPostgres } from './connect.ts'
import type { Database } from './database.ts'
import { refuseFullDisk, watchRoom } from './disk-room.ts'
import { CannotOpen, sqlState } from './errors.ts'
import { keepFromOthers, sync } from './files.ts'
import { lockFolder } from './folder-lock.ts'
import type { StatementLimits } from './handle.ts'
import { ensureImage } from './image.ts'
import { type EnginePort, startEngine } from './pglite-port.ts'
import { PgliteServer } from './pglite-server.ts'
import { keepTidy } from './pglite-vacuum.ts'
import { guardedDatabase } from './postgres-guard.ts'
import { STATEMENT_TIMEOUT_MS } from './session-settings.ts'

export interface PgliteSettings extends StatementLimits {
  /** Folder of the database and its lock; made where there is none. */
  readonly dataDir: string
}

/**
 * Opens the embedded engine in `dataDir`, made from the database image at the first start, and applies what is missing. A
 * commit is on disk before it is answered. `onLost` is called when the folder's lock or the engine is lost while running:
 * nothing more can be stored then.
 *
 * @throws {CannotOpen} when the folder cannot be written, or another process has it
 */
export async function openPglite(
  settings: PgliteSettings,
  onLost: (reason: string) => void,
  { statementTimeoutMs = STATEMENT_TIMEOUT_MS }: { readonly statementTimeoutMs?: number } = {},
): Promise<Database> {
  const { dataDir } = settings
  await usable(dataDir, () => makeFolders(dataDir))
  const lock = await usable(dataDir, () => lockFolder(dataDir, onLost))
  try {
    await refuseFullDisk(dataDir)
    const folder = join(dataDir, 'database')
    if (await exists(unfinished(folder))) await rm(folder, { recursive: true, force: true })
    await refuseOtherEngine(folder)
    const imagePath = (await exists(folder)) ? undefined : await ensureImage()
    if (imagePath === undefined) await usable(dataDir, () => keepFromOthers(folder))
    const engine = await usable(dataDir, () =>
      imagePath === undefined
        ? startEngine({ folder, imagePath }, onLost)
        : makeDatabase(folder, () => startEngine({ folder, imagePath }, onLost)),
    )
    const server = new PgliteServer(engine, statementTimeoutMs)
    let full = false
    const stopWatching = watchRoom(dataDir, (now) => {
      full = now
      server.takeChanges(!full)
    })
    const database = served(server, settings, {
      closing: () => {
        stopWatching()
        stopTidying()
      },
      closed: () => lock.release(),
    })
    const stopTidying = keepTidy(database.for(BACKGROUND), () => !full)
    return database
  } catch (error) {
    await lock.release()
    throw error
  }
}

/** The embedded engine in memory and in this thread, from the database image: for tests. */
export async function openPgliteInMemory(image: Blob): Promise<Database> {
  const [{ PGlite }, { answering }] = await Promise.all([import('@electric-sql/pglite'), import('./pglite-engine.ts')])
  const client: PGlite = await PGlite.create({ loadDataDir: image })
  const engine = { ask: answering(client), cancel: () => {}, close: () => client.close() }
  return served(new PgliteServer(engine, STATEMENT_TIMEOUT_MS), {}, {})
}

/** Any name does: nobody else looks it up. */
const URL_OF_THE_ENGINE = 'postgres://postgres@embedded/postgres'

/** The database over an engine, as the driver of PostgreSQL and its guard see it. */
function served(
  server: PgliteServer,
  limits: StatementLimits,
  ends: { readonly closing?: () => void; readonly closed?: () => Promise<void> },
): Database {
  const connect = () => connectPostgres(URL_OF_THE_ENGINE, { max: 1, prepare: false, socket: () => server.connect() })
  return guardedDatabase(connect, {
    ...limits,
    engine: 'pglite',
    prepare: false,
    connections: 1,
    tenantRole: undefined,
    closing: ends.closing,
    closed: async () => {
      await server.close()
      await ends.closed?.()
    },
  })
}

/**
 * Makes the database from the image. Until it is whole, a file beside it says so: a start that is killed half-way must not leave
 * what looks like a database. The next start then begins anew.
 */
async function makeDatabase(folder: string, open: () => Promise<EnginePort>): Promise<EnginePort> {
  const parent = dirname(folder)
  await writeFile(unfinished(folder), '')
  await sync(parent)
  await mkdir(folder, { mode: 0o700 })
  const engine = await open()
  await chmod(folder, 0o700)
  await syncTree(folder)
  await rm(unfinished(folder))
  await sync(parent)
  return engine
}

/** PostgreSQL's major version in PGlite, by which its files are laid out. */
const FILES_OF = '18'

/** @throws {CannotOpen} where another version of the engine has made the folder's files */
async function refuseOtherEngine(folder: string): Promise<void> {
  const version = (await readFile(join(folder, 'PG_VERSION'), 'utf8').catch(() => FILES_OF)).trim()
  if (version === FILES_OF) return
  throw new CannotOpen(
    `the database in ${folder} has files of PostgreSQL ${version}, and this release reads those of ${FILES_OF}. With the ` +
      'release that made them, export each tenant (rollcall export); then import them into a new folder (rollcall import)',
  )
}

const unfinished = (folder: string) => `${folder}.unfinished`

/** A folder's files all at once, which the disk takes in the time of a few. */
async function syncTree(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true })
  const pathsOf = (folders: boolean) =>
    entries.filter((entry) => entry.isDirectory() === folders).map(({ name }) => join(folder, name))
  await Promise.all(pathsOf(false).map(sync))
  for (const path of pathsOf(true)) await syncTree(path)
  await sync(folder)
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

/** Makes a folder and those above it. Node's own way never ends where the system has room for none, as in /proc. */
async function makeFolders(path: string): Promise<void> {
  if (await exists(path)) return
  await makeFolders(dirname(path))
  await mkdir(path, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
    // Another process was there first; or it is a link to nowhere.
    return access(path)
  })
}

/** Runs `step`; what the operating system says against it becomes one line for the operator. */
async function usable<T>(dataDir: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step()
  } catch (error) {
    if (error instanceof CannotOpen || sqlState(error) !== undefined) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new CannotOpen(`the data folder ${dataDir} cannot be used (DATA_DIR): ${reason}`, { cause: error })
  }
}
