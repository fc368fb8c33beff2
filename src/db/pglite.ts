import { randomUUID } from 'node:crypto'
import { access, chmod, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { PGlite, type PGliteOptions } from '@electric-sql/pglite'
import type { Database } from './database.ts'
import { DurableFs } from './durable-fs.ts'
import { CannotOpen, ConnectionLost, sqlState } from './errors.ts'
import { lockFolder } from './folder-lock.ts'
import { databaseOver, type Execute, insideTransaction } from './handle.ts'
import { readImage } from './image.ts'
import { migratePglite } from './pglite-migrate.ts'
import { keepTidy } from './pglite-vacuum.ts'

export interface PgliteSettings {
  /** Folder of the database and its lock; made where there is none. */
  readonly dataDir: string
}

const asIs = (value: string) => value

/** Values as PostgreSQL's driver gives them: dates and times as text. */
const reading = { parsers: { 1082: asIs, 1114: asIs, 1184: asIs } } satisfies PGliteOptions

// Without -F, which turns fsync off; fdatasync does nothing here. Little WAL, since a crash replays it all, slowly.
const durable = [
  ...PGlite.defaultStartParams.filter((param) => param !== '-F'),
  ...['wal_sync_method=fsync', 'shared_buffers=32MB', 'max_wal_size=64MB', 'min_wal_size=32MB'].flatMap((s) => [
    '-c',
    s,
  ]),
]

/**
 * Opens the embedded engine in `dataDir`, made from the database image at the first start, and applies what is missing. A
 * commit is on disk before it is answered. `onLost` is called when the folder's lock or the engine is lost while running:
 * nothing more can be stored then.
 *
 * @throws {CannotOpen} when the folder cannot be written, or another process has it
 */
export async function openPglite(settings: PgliteSettings, onLost: (reason: string) => void): Promise<Database> {
  const { dataDir } = settings
  await usable(dataDir, () => mkdir(dataDir, { recursive: true, mode: 0o700 }))
  const lock = await usable(dataDir, () => lockFolder(dataDir, onLost))
  try {
    const folder = join(dataDir, 'database')
    await removeUnfinished(dataDir)
    if (!(await exists(folder))) await makeFromImage(folder)
    const client = await usable(dataDir, () => openFolder(folder))
    await migratePglite(client)
    const stopTidying = keepTidy(client)
    return pgliteDatabase(client, onLost, async () => {
      stopTidying()
      await client.close()
      await lock.release()
    })
  } catch (error) {
    await lock.release()
    throw error
  }
}

/** The embedded engine in memory, migrated and empty: for tests. */
export async function openPgliteInMemory(): Promise<Database> {
  const client = await PGlite.create({ ...reading, loadDataDir: await readImage() })
  return pgliteDatabase(
    client,
    () => {},
    () => client.close(),
  )
}

function pgliteDatabase(client: PGlite, onLost: (reason: string) => void, close: () => Promise<void>): Database {
  const executeOn =
    (session: Pick<PGlite, 'query'>): Execute =>
    async (statement, values, { shape }) => {
      try {
        const answer = await session.query(statement, [...values], { rowMode: shape === 'arrays' ? 'array' : 'object' })
        return answer.rows
      } catch (error) {
        if (client.closed) throw new ConnectionLost('the database is closed')
        if (error instanceof Error && error.name === 'RuntimeError')
          onLost(`the embedded engine has stopped: ${error.message}`)
        throw error
      }
    }
  return databaseOver({
    engine: 'pglite',
    inTransaction: false,
    execute: executeOn(client),
    transaction: (work) => client.transaction((tx) => work(insideTransaction('pglite', executeOn(tx)))),
    close,
  })
}

function openFolder(folder: string): Promise<PGlite> {
  return PGlite.create({ ...reading, fs: new DurableFs(folder), startParams: durable })
}

/** Through a folder beside it, so that a start that is killed half-way leaves nothing that looks like a database. */
async function makeFromImage(folder: string): Promise<void> {
  const unfinished = `${folder}.${randomUUID()}${UNFINISHED}`
  await mkdir(unfinished, { mode: 0o700 })
  const client = await PGlite.create({
    fs: new DurableFs(unfinished),
    startParams: durable,
    loadDataDir: await readImage(),
  })
  await client.close()
  await chmod(unfinished, 0o700)
  await syncTree(unfinished)
  await rename(unfinished, folder)
  await sync(dirname(folder))
}

const UNFINISHED = '.unfinished'

async function removeUnfinished(dataDir: string): Promise<void> {
  for (const name of await readdir(dataDir)) {
    if (name.endsWith(UNFINISHED)) await rm(join(dataDir, name), { recursive: true, force: true })
  }
}

async function syncTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    await (entry.isDirectory() ? syncTree(path) : sync(path))
  }
  await sync(folder)
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
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
