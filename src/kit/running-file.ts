import { lstat, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import type { Customer } from './customer.ts'

/** The gateway of `rollcall dev` that runs on this machine, for commands in other terminals. */
export interface RunningGateway {
  readonly origin: string
  readonly adminKey: string
  readonly customer: Customer
}

/** Of this account alone. */
const path = () => join(tmpdir(), `rollcall-dev-${userInfo().username}.json`)

/** Notes how to reach a gateway, for this account alone. Gives what takes the note away. */
export async function noteRunning(running: RunningGateway): Promise<() => Promise<void>> {
  const unfinished = `${path()}.${process.pid}`
  const text = JSON.stringify(running)
  // `wx`, so that nobody else has made the file before.
  await writeFile(unfinished, text, { mode: 0o600, flag: 'wx' })
  await rename(unfinished, path())
  return async () => {
    // Another gateway may have noted itself since.
    if ((await readFile(path(), 'utf8').catch(() => '')) === text) await rm(path(), { force: true })
  }
}

/** What a gateway of this account has noted; undefined where none runs. */
export async function findRunning(): Promise<RunningGateway | undefined> {
  const found = await lstat(path()).catch(() => undefined)
  const isOurs = found?.isFile() === true && (process.getuid === undefined || found.uid === process.getuid())
  return isOurs ? (JSON.parse(await readFile(path(), 'utf8')) as RunningGateway) : undefined
}
