import { randomBytes } from 'node:crypto'
import { lstat, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { FirstKeys } from './administration/bootstrap.ts'
import { describeUrl } from './config/connection.ts'
import { CannotOpen, isUnavailable } from './db/errors.ts'
import { sync, writeSynced } from './db/files.ts'

const NAME = 'rollcall-first-keys'

/**
 * The file with the keys of a first start, which this account alone can read. It lies in the data folder. On PostgreSQL, which
 * needs no data folder, it may lie in the working folder or the folder for temporary files. An existing file is never changed.
 */
export function keysFile({ databaseUrl, dataDir }: { databaseUrl: string | undefined; dataDir: string }) {
  const store = databaseUrl === undefined ? resolve(dataDir) : describeUrl(databaseUrl)
  const folders = [dataDir, ...(databaseUrl === undefined ? [] : ['.', tmpdir()])].map((folder) => resolve(folder))
  let written: string | undefined

  async function write(keys: FirstKeys): Promise<void> {
    // A second call means that the first attempt was undone.
    await remove()
    const { apiKey = null, adminKey = null, keysExpireAt } = keys
    const text = `${JSON.stringify({ store, apiKey, adminKey, keysExpireAt }, null, 2)}\n`
    const reasons: string[] = []
    for (const folder of folders) {
      try {
        written = await writeBeside(folder, text)
        return
      } catch (error) {
        reasons.push(error instanceof Error ? error.message : String(error))
      }
    }
    throw new CannotOpen(`the keys of the first start cannot be written to a file: ${reasons.join('; ')}`)
  }

  async function remove(): Promise<void> {
    if (written !== undefined) await rm(written, { force: true })
    written = undefined
  }

  return {
    /** Runs `work`, which must write the keys before it makes them valid. Where `work` fails, the file is deleted. */
    async kept<T>(work: (keep: (keys: FirstKeys) => Promise<void>) => Promise<T>): Promise<T> {
      try {
        return await work(write)
      } catch (error) {
        // If the connection was lost, the commit may still have happened: then the keys are valid, and the file stays.
        if (!isUnavailable(error)) await remove()
        throw error
      }
    },

    /** Where the keys are, written just now or by an earlier start. Undefined where the file is gone. */
    async path(): Promise<string | undefined> {
      if (written !== undefined) return written
      for (const path of (await Promise.all(folders.map(filesIn))).flat()) {
        // Other instances and other accounts may have files of this name in the same folder.
        if ((await isOurs(path)) && (await textIn(path)).includes(`"store": ${JSON.stringify(store)}`)) return path
      }
      return undefined
    },

    /** Deletes the file that was written just now. */
    delete: remove,
  }
}

async function writeBeside(folder: string, text: string): Promise<string> {
  const path = join(folder, NAME)
  const write = async (at: string) => {
    await writeSynced(at, text)
    await sync(folder)
    return at
  }
  return write(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
    return write(`${path}-${randomBytes(4).toString('hex')}`)
  })
}

async function filesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => [])
  return names.filter((name) => name.startsWith(NAME)).map((name) => join(folder, name))
}

/** Empty where the file has gone meanwhile: an instance that shows its keys deletes it. */
const textIn = (path: string): Promise<string> =>
  readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
    return ''
  })

async function isOurs(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined)
  return found?.isFile() === true && (process.getuid === undefined || found.uid === process.getuid())
}
