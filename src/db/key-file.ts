import { randomBytes } from 'node:crypto'
import { chmod, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { CannotOpen } from './errors.ts'
import { isOpenToOthers, sync, writeSynced } from './files.ts'

/** Where the key of an embedded instance is: beside the folder of the database, so that no copy of that has it. */
export const keyFileOf = (dataDir: string): string => join(dataDir, 'secrets.key')

const SHORTEST = 32

/**
 * The key by which an embedded instance seals its secrets, from a file of its own with the mode 0600; made where there is none.
 * To be called by the process that has the folder.
 *
 * @throws {CannotOpen} where the file cannot be used, with one line for the operator
 */
export function keyFromFile(dataDir: string): Promise<string> {
  const path = keyFileOf(dataDir)
  return usable(path, async () => {
    const key = (await contentOf(path)) ?? (await make(path, dataDir))
    if (key.length < SHORTEST) throw new Error('it holds no whole key; put the one from your backup there')
    if (await isOpenToOthers(path)) await chmod(path, 0o600)
    return key
  })
}

/** The same where there is such a file, else undefined. @throws {CannotOpen} */
export function keyInFile(dataDir: string): Promise<string | undefined> {
  const path = keyFileOf(dataDir)
  return usable(path, () => contentOf(path))
}

async function usable<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new CannotOpen(`the key file ${path} cannot be used: ${reason}`, { cause: error })
  }
}

async function contentOf(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Under its name it is whole: what a start that was killed has left is made anew. */
async function make(path: string, folder: string): Promise<string> {
  const key = randomBytes(32).toString('base64url')
  const unfinished = `${path}.unfinished`
  await rm(unfinished, { force: true })
  await writeSynced(unfinished, `${key}\n`)
  await rename(unfinished, path)
  await sync(folder)
  return key
}
