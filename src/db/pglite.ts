import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { PGlite } from '@electric-sql/pglite'
import { BACKGROUND } from './caller.ts'
import { connectPostgres } from './connect.ts'
import type { Database } from './database.ts'
import { refuseFullDisk, watchRoom } from './disk-room.ts'
import { CannotOpen } from './errors.ts'
import { exists, keepFromOthers, makeFolders, sync, syncTree, usable } from './files.ts'
import { lockFolder } from './folder-lock.ts'
import type { StatementLimits } from './handle.ts'
import { ensureImage, unpackImage } from './image.ts'
import { copyIn, databaseIn, ENGINE_FILES, engineFilesIn, restoringIn } from './pglite-folder.ts'
import { type EnginePort, type EngineThread, engineThread } from './pglite-port.ts'
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
 * @param thread for the engine, where one was started already
 * @throws {CannotOpen} when the folder cannot be written, or another process has it
 */
export async function openPglite(
  settings: PgliteSettings,
  onLost: (reason: string) => void,
  {
    statementTimeoutMs = STATEMENT_TIMEOUT_MS,
    thread = engineThread(),
  }: { readonly statementTimeoutMs?: number; readonly thread?: EngineThread | undefined } = {},
): Promise<Database> {
  try {
    return await openWith(thread, settings, onLost, statementTimeoutMs)
  } catch (error) {
    await thread.end()
    throw error
  }
}

async function openWith(
  thread: EngineThread,
  settings: PgliteSettings,
  onLost: (reason: string) => void,
  statementTimeoutMs: number,
): Promise<Database> {
  const { dataDir } = settings
  await usable(dataDir, () => makeFolders(dataDir))
  const lock = await usable(dataDir, () => lockFolder(dataDir, onLost))
  try {
    await refuseFullDisk(dataDir)
    const folder = databaseIn(dataDir)
    // Of a backup during which the process was killed.
    await rm(copyIn(dataDir), { recursive: true, force: true })
    if (await exists(unfinished(folder))) await rm(folder, { recursive: true, force: true })
    await refuseOtherEngine(dataDir)
    await refuseHalfRestored(dataDir)
    const open = () => thread.open({ folder }, onLost)
    const engine = await usable(dataDir, async () => {
      if (!(await exists(folder))) return makeDatabase(folder, open)
      await keepFromOthers(folder)
      return open()
    })
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
    // Nobody else may have the folder while the engine still writes to it.
    await thread.end()
    await lock.release()
    throw error
  }
}

/** The embedded engine in memory and in this thread, from the database image: for tests. */
export async function openPgliteInMemory(image: Blob, limits: StatementLimits = {}): Promise<Database> {
  const [{ PGlite }, { answering, PLANS }] = await Promise.all([
    import('@electric-sql/pglite'),
    import('./pglite-engine.ts'),
  ])
  const startParams = [...PGlite.defaultStartParams, ...PLANS]
  const client: PGlite = await PGlite.create({ loadDataDir: image, startParams })
  const engine = { ask: answering(client), cancel: () => {}, close: () => client.close() }
  return served(new PgliteServer(engine, STATEMENT_TIMEOUT_MS), limits, {})
}

/** Any name does: nobody else looks it up. */
const URL_OF_THE_ENGINE = 'postgres://postgres@embedded/postgres'

/** The database over an engine, as the driver of PostgreSQL and its guard see it. */
export function served(
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
 * what looks like a database. The next start then begins anew. What the image gave gets onto the disk while the engine opens; what
 * the engine writes, it sees to itself.
 */
async function makeDatabase(folder: string, open: () => Promise<EnginePort>): Promise<EnginePort> {
  const parent = dirname(folder)
  const imagePath = await ensureImage()
  await writeFile(unfinished(folder), '')
  await sync(parent)
  await mkdir(folder, { mode: 0o700 })
  await unpackImage(imagePath, folder)
  const [engine] = await Promise.all([open(), syncTree(folder)])
  await rm(unfinished(folder))
  await sync(parent)
  return engine
}

/** @throws {CannotOpen} where another version of the engine has made the folder's files */
async function refuseOtherEngine(dataDir: string): Promise<void> {
  const version = (await engineFilesIn(dataDir)) ?? ENGINE_FILES
  if (version === ENGINE_FILES) return
  throw new CannotOpen(
    `the database in ${databaseIn(dataDir)} has files of PostgreSQL ${version}, and this release reads those of ` +
      `${ENGINE_FILES}. With the release that made them, run rollcall backup FILE; then run rollcall upgrade --from FILE ` +
      'with this one',
  )
}

/** @throws {CannotOpen} where a restore was killed: an empty database would pass for what it was to bring back */
async function refuseHalfRestored(dataDir: string): Promise<void> {
  if ((await exists(databaseIn(dataDir))) || !(await exists(restoringIn(dataDir)))) return
  throw new CannotOpen(
    `a restore into the data folder ${dataDir} (DATA_DIR) has not ended. Run it again, or delete ${restoringIn(dataDir)}`,
  )
}

const unfinished = (folder: string) => `${folder}.unfinished`
