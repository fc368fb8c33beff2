import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Database } from './database.ts'
import { refuseFullDisk } from './disk-room.ts'
import { CannotRestore } from './errors.ts'
import { exists, makeFolders, sync, syncTree, usable } from './files.ts'
import { lockFolder } from './folder-lock.ts'
import { ensureImage, makeImage, unpackImage } from './image.ts'
import { keyFileOf } from './key-file.ts'
import { migrationsIn } from './migrations.ts'
import { served } from './pglite.ts'
import { databaseIn, ENGINE_FILES, engineFilesIn, restoringIn } from './pglite-folder.ts'
import { type EnginePort, startEngine } from './pglite-port.ts'
import { PgliteServer } from './pglite-server.ts'
import { STATEMENT_TIMEOUT_MS } from './session-settings.ts'

/** What a database is made from. */
export interface Origin {
  /** When its last migration was made, in ms since 1970. */
  readonly lastMigration: number
  /** Fills its tables, in a session without triggers and foreign keys. */
  readonly fill: (database: Database) => Promise<void>
}

/**
 * Makes a database in `dataDir`, in which there is none. It has this name only once it is whole.
 *
 * @throws {CannotRestore} where the folder has files already
 */
export function restorePglite(dataDir: string, origin: Origin): Promise<void> {
  return withFolder(dataDir, async () => {
    // A disk of its own has one of these folders.
    const ours = [
      keyFileOf(dataDir),
      restoringIn(dataDir),
      imageIn(dataDir),
      join(dataDir, 'lock'),
      join(dataDir, 'lost+found'),
    ]
    const others = (await readdir(dataDir)).filter((name) => !ours.includes(join(dataDir, name)))
    if (others.length > 0) {
      throw new CannotRestore(
        `the data folder ${dataDir} (DATA_DIR) has ${others[0]} in it; restore into one that is empty or not there yet`,
      )
    }
    await make(dataDir, origin)
    await rename(restoringIn(dataDir), databaseIn(dataDir))
    await sync(dataDir)
  })
}

/**
 * Makes a database in the place of one with files of another version of the engine. Those are kept, in the folder whose path is
 * returned.
 *
 * @throws {CannotRestore} where there is no such database
 */
export function upgradePglite(dataDir: string, origin: Origin): Promise<string> {
  return withFolder(dataDir, async () => {
    const version = await engineFilesIn(dataDir)
    if (version === ENGINE_FILES)
      throw new CannotRestore(`the database in ${databaseIn(dataDir)} is one that this release reads: just start it`)
    const kept = version === undefined ? await keptIn(dataDir) : keptAs(dataDir, version)
    if (kept === undefined)
      throw new CannotRestore(`there is no database in ${dataDir} (DATA_DIR); to make one of a backup, use restore`)
    if (version !== undefined && (await exists(kept)))
      throw new CannotRestore(`${kept} is there already, where the old database is to go; move it away`)
    await make(dataDir, origin)
    if (version !== undefined) await rename(databaseIn(dataDir), kept)
    await rename(restoringIn(dataDir), databaseIn(dataDir))
    await sync(dataDir)
    return kept
  })
}

const KEPT = 'database.of-postgresql-'
const keptAs = (dataDir: string, version: string): string => join(dataDir, KEPT + version)

/** The old database of an upgrade that was killed after it had moved that. */
async function keptIn(dataDir: string): Promise<string | undefined> {
  if (!(await exists(restoringIn(dataDir)))) return undefined
  const name = (await readdir(dataDir)).find((name) => name.startsWith(KEPT))
  return name === undefined ? undefined : join(dataDir, name)
}

async function withFolder<T>(dataDir: string, work: () => Promise<T>): Promise<T> {
  await usable(dataDir, () => makeFolders(dataDir))
  const lock = await usable(dataDir, () => lockFolder(dataDir, () => {}))
  try {
    await refuseFullDisk(dataDir)
    return await usable(dataDir, work)
  } finally {
    await lock.release()
  }
}

const imageIn = (dataDir: string): string => `${restoringIn(dataDir)}.image`

/** Makes the database beside its place. */
async function make(dataDir: string, { lastMigration, fill }: Origin): Promise<void> {
  const folder = restoringIn(dataDir)
  const isNewest = lastMigration === migrationsIn().at(-1)?.madeAt
  const ownImage = imageIn(dataDir)
  await rm(folder, { recursive: true, force: true })
  try {
    if (!isNewest) await makeImage(ownImage, lastMigration)
    const imagePath = isNewest ? await ensureImage() : ownImage
    await mkdir(folder, { mode: 0o700 })
    await unpackImage(imagePath, folder)
    await filled(await engineIn({ folder, upTo: lastMigration }), fill)
    // Data moves of the newer migrations work on what was filled in.
    if (!isNewest) await (await engineIn({ folder })).close()
    await syncTree(folder)
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  } finally {
    await rm(ownImage, { force: true })
  }
}

const engineIn = (data: Parameters<typeof startEngine>[0]): Promise<EnginePort> => startEngine(data, () => {})

async function filled(engine: EnginePort, fill: Origin['fill']): Promise<void> {
  const limits = { requestTimeoutMs: STATEMENT_TIMEOUT_MS }
  const database = served(new PgliteServer(engine, STATEMENT_TIMEOUT_MS), limits, {})
  const set = (setting: string) => database.run(`set ${setting}`, [], { prepare: false })
  try {
    await set('session_replication_role = replica')
    // A database that is not whole is thrown away, so no commit of its own has to be on the disk.
    await set('synchronous_commit = off')
    await fill(database)
  } finally {
    await database.close()
  }
}
