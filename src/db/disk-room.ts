import { statfs } from 'node:fs/promises'
import { CannotOpen } from './errors.ts'

const MB = 1024 ** 2
/** Three segments of the engine's log. Where it cannot write the next one, it stops for good. */
const LEAST_BYTES = 48 * MB
/** It takes changes again when there is more room than that, so that it does not go back and forth. */
const ENOUGH_BYTES = 64 * MB
/** The engine cannot write as much as `LEAST_BYTES` meanwhile. */
const EVERY_MS = 500

async function roomFor(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize
}

/** @throws {CannotOpen} where the disk of a data folder has no room for changes */
export async function refuseFullDisk(dataDir: string): Promise<void> {
  const room = await roomFor(dataDir)
  if (room >= LEAST_BYTES) return
  throw new CannotOpen(
    `the disk of the data folder ${dataDir} (DATA_DIR) is full: ${Math.floor(room / MB)} MB are left, and the database ` +
      `needs ${LEAST_BYTES / MB} MB. Nothing is lost; make room, and start again`,
  )
}

/** @throws {CannotOpen} where the disk of a data folder would be full with so many bytes more */
export async function refuseCopy(dataDir: string, bytes: number): Promise<void> {
  const room = await roomFor(dataDir)
  if (room - bytes >= ENOUGH_BYTES) return
  throw new CannotOpen(
    `a backup needs room for a copy of the database: ${Math.ceil((bytes + ENOUGH_BYTES) / MB)} MB on the disk of the data ` +
      `folder (DATA_DIR), which has ${Math.floor(room / MB)} MB. Make room, or back up while the gateway is stopped`,
  )
}

/** Tells when the disk of `folder` gets full, and when it has room again. Returns what stops that. */
export function watchRoom(folder: string, tell: (full: boolean) => void): () => void {
  let full = false
  const timer = setInterval(async () => {
    // A disk that does not answer is no news; the engine's own errors say more.
    const room = await roomFor(folder).catch(() => undefined)
    if (room === undefined || room < (full ? ENOUGH_BYTES : LEAST_BYTES) === full) return
    full = !full
    tell(full)
  }, EVERY_MS)
  timer.unref()
  return () => clearInterval(timer)
}
