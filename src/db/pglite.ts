import { access, chmod, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import { PGlite, type PGliteOptions } from '@electric-sql/pglite'
import type { Database } from './database.ts'
import { DurableFs } from './durable-fs.ts'
import { CannotOpen, ConnectionLost, sqlState } from './errors.ts'
import { keepFromOthers, sync } from './files.ts'
import { lockFolder } from './folder-lock.ts'
import { databaseOver, type Execute } from './handle.ts'
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

// Without -F, which turns fsync off; fdatasync does nothing here. Little WAL, since a crash replays it all, slowly. To analyse a
// table the engine holds 300 rows for each point of the target, whole documents, in memory that it never gives back.
const durable = [
  ...PGlite.defaultStartParams.filter((param) => param !== '-F'),
  ...[
    'wal_sync_method=fsync',
    'shared_buffers=32MB',
    'max_wal_size=64MB',
    'min_wal_size=32MB',
    'default_statistics_target=25',
  ].flatMap((setting) => ['-c', setting]),
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
  await usable(dataDir, () => makeFolders(dataDir))
  const lock = await usable(dataDir, () => lockFolder(dataDir, onLost))
  try {
    const folder = join(dataDir, 'database')
    if (await exists(unfinished(folder))) await rm(folder, { recursive: true, force: true })
    const image = (await exists(folder)) ? undefined : await readImage()
    if (image === undefined) await usable(dataDir, () => keepFromOthers(folder))
    const client = await usable(dataDir, () => (image === undefined ? openFolder(folder) : makeDatabase(folder, image)))
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

/** The embedded engine in memory, from the database image: for tests. */
export async function openPgliteInMemory(image: Blob): Promise<Database> {
  const client = await PGlite.create({ ...reading, loadDataDir: image })
  return pgliteDatabase(
    client,
    () => {},
    () => client.close(),
  )
}

function pgliteDatabase(client: PGlite, onLost: (reason: string) => void, close: () => Promise<void>): Database {
  const letOthersIn = turnsOfTheLoop()
  const executeOn =
    (session: Pick<PGlite, 'query'>): Execute =>
    async (statement, values, { shape }) => {
      try {
        const rowMode = shape === 'objects' ? 'object' : 'array'
        const { rows } = await session.query(statement, [...values], { rowMode })
        await letOthersIn()
        return shape === 'bytes' ? (rows as (string | null)[][]).map(asBytes) : rows
      } catch (error) {
        if (client.closed) throw new ConnectionLost('the database is closed')
        if (error instanceof Error && error.name === 'RuntimeError')
          onLost(`the embedded engine has stopped: ${error.message}`)
        throw error
      }
    }
  return databaseOver({
    engine: 'pglite',
    execute: executeOn(client),
    begin: (work) => client.transaction((tx) => work(executeOn(tx))),
    close,
  })
}

/** The engine decodes every text. */
const asBytes = (row: readonly (string | null)[]) => row.map((text) => (text === null ? null : Buffer.from(text)))

/** Milliseconds of statements after which other work has a turn. */
const MOST_AT_A_TIME = 10

/** The engine answers without a turn of the event loop. A caller that asks on and on would keep requests, timers and signals waiting. */
function turnsOfTheLoop(): () => Promise<void> {
  let last = performance.now()
  return async () => {
    if (performance.now() - last < MOST_AT_A_TIME) return
    last = performance.now()
    await turnOfTheLoop()
  }
}

function openFolder(folder: string, options: Pick<PGliteOptions, 'loadDataDir'> = {}): Promise<PGlite> {
  return PGlite.create({ ...reading, ...options, fs: new DurableFs(folder), startParams: durable })
}

/**
 * Makes the database from the image. Until it is whole, a file beside it says so: a start that is killed half-way must not leave
 * what looks like a database. The next start then begins anew.
 */
async function makeDatabase(folder: string, image: Blob): Promise<PGlite> {
  const parent = dirname(folder)
  await writeFile(unfinished(folder), '')
  await sync(parent)
  await mkdir(folder, { mode: 0o700 })
  const client = await openFolder(folder, { loadDataDir: image })
  await chmod(folder, 0o700)
  await syncTree(folder)
  await rm(unfinished(folder))
  await sync(parent)
  return client
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
