import { existsSync, mkdtempSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const MEMORY = '/dev/shm'
const ROOM_BYTES = 2 * 1024 ** 3

/**
 * Where folders of stores are made: in memory, if the system has 2 GB there. A store flushes each commit, and on a busy disk
 * the tests would mostly wait for that. A killed process loses no more in memory than on a disk; only a power cut would.
 */
export function storeParent(): string {
  if (process.env.TMPDIR !== undefined || !existsSync(MEMORY)) return tmpdir()
  const { bavail, bsize } = statfsSync(MEMORY)
  return bavail * bsize < ROOM_BYTES ? tmpdir() : MEMORY
}

/** Makes an empty folder for a store. */
export const newStoreFolder = (): string => mkdtempSync(join(storeParent(), 'rollcall-store-'))
