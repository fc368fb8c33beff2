import { chmod, open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

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
