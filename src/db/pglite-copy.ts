import { constants } from 'node:fs'
import { cp, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { BACKGROUND } from './caller.ts'
import type { Database } from './database.ts'
import { refuseCopy } from './disk-room.ts'
import { served } from './pglite.ts'
import { copyIn, databaseIn } from './pglite-folder.ts'
import { startEngine } from './pglite-port.ts'
import { PgliteServer } from './pglite-server.ts'
import { STATEMENT_TIMEOUT_MS } from './session-settings.ts'

/**
 * Opens a copy of the embedded database as it is now, in an engine of its own, so that reading all of it holds nobody up. Closing
 * removes the copy.
 *
 * The engine has one session, and writes its files only while a statement runs. A transaction that does nothing therefore keeps
 * them still while they are copied; statements wait so long.
 *
 * @param database the one in `dataDir`, which this process has open
 * @throws {CannotOpen} where the disk has no room for a copy
 */
export async function openCopy(database: Database, dataDir: string): Promise<Database> {
  const [from, folder] = [databaseIn(dataDir), copyIn(dataDir)]
  const remove = () => rm(folder, { recursive: true, force: true })
  await remove()
  await refuseCopy(dataDir, await sizeOf(from))
  try {
    // Not in the time of the request: a large database may take longer.
    await database.shared.for(BACKGROUND).transaction(async (tx) => {
      // What was stored is in its place then, and the copy need not be recovered.
      await tx.run('checkpoint', [], { prepare: false })
      // Where the file system can, the copy shares its blocks with the original until either changes.
      await cp(from, folder, { recursive: true, mode: constants.COPYFILE_FICLONE })
    })
    // Each page is read once.
    const engine = await startEngine({ folder, sharedBuffers: '1MB' }, () => {})
    const limits = { requestTimeoutMs: STATEMENT_TIMEOUT_MS }
    return served(new PgliteServer(engine, STATEMENT_TIMEOUT_MS), limits, { closed: remove })
  } catch (error) {
    await remove()
    throw error
  }
}

async function sizeOf(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const sizes = await Promise.all(
    entries
      .filter((entry) => entry.isFile())
      // The engine removes files meanwhile.
      .map(({ parentPath, name }) =>
        stat(join(parentPath, name)).then(
          ({ size }) => size,
          () => 0,
        ),
      ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}
