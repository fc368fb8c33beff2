import { access, chmod, mkdir, open, readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { CannotOpen, sqlState } from './errors.ts'

const OTHERS = 0o077

/** Whether accounts beside its owner may read or write this file or folder. */
export const isOpenToOthers = async (path: string): Promise<boolean> => ((await stat(path)).mode & OTHERS) !== 0

/**
 * Keeps a database's files to their owner: an earlier version let every account of the machine read them. The file that
 * tells whether this is done comes last.
 */
export async function keepFromOthers(folder: string): Promise<void> {
  const last = join(folder, 'PG_VERSION')
  if (!(await isOpenToOthers(last))) return
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isDirectory()) await chmod(path, 0o700)
    else if (entry.isFile() && path !== last) await chmod(path, 0o600)
  }
  await chmod(last, 0o600)
}

/** Writes a file that was not there, for this account alone, onto the disk. */
export async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** What was written to a file, or made in a folder, is there after a power cut too. */
export async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** A folder's files all at once, which the disk takes in the time of a few. Those that are deleted meanwhile are left out. */
export async function syncTree(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true })
  const pathsOf = (folders: boolean) =>
    entries.filter((entry) => entry.isDirectory() === folders).map(({ name }) => join(folder, name))
  await Promise.all(pathsOf(false).map((path) => sync(path).catch(unlessGone)))
  for (const path of pathsOf(true)) await syncTree(path)
  await sync(folder)
}

function unlessGone(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

/** Makes a folder and those above it. Node's own way never ends where the system has room for none, as in /proc. */
export async function makeFolders(path: string): Promise<void> {
  if (await exists(path)) return
  await makeFolders(dirname(path))
  await mkdir(path, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
    // Another process was there first; or it is a link to nowhere.
    return access(path)
  })
}

/** Runs `step`; what the operating system says against it becomes one line for the operator. */
export async function usable<T>(dataDir: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step()
  } catch (error) {
    if (error instanceof CannotOpen || sqlState(error) !== undefined) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new CannotOpen(`the data folder ${dataDir} cannot be used (DATA_DIR): ${reason}`, { cause: error })
  }
}
