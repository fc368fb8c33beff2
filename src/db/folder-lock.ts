import { randomBytes } from 'node:crypto'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { mkdir, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { CannotOpen } from './errors.ts'

/** A data folder that this process alone may use. */
export interface FolderLock {
  /** Lets the next process in. */
  release(): Promise<void>
}

/** Times in ms; the heartbeat matters only to processes whose kernel is another. */
interface Times {
  readonly heartbeat: number
  readonly watch: number
  readonly stale: number
}

const TIMES: Times = { heartbeat: 2_000, watch: 10_000, stale: 30_000 }
const ATTEMPTS = 8

/**
 * Locks `folder` for this process, or refuses at once when another process has it, in any container and with any pid. The
 * lock ends with the process, also by `kill -9`.
 *
 * Every contender listens on a socket of its own in `folder`/lock before it looks at the others', and has the lock when
 * none of them answers. Of two contenders the later one sees the earlier, so never both have it. A socket whose process is
 * gone refuses connections, and its name is used once, so removing it cannot hit another process. Processes on other machines
 * cannot be asked; they are told by the time on their file, which its owner renews.
 *
 * `onLost` is called when the lock's file disappears while this process holds it.
 *
 * @throws {CannotOpen} when another process has the folder
 */
export async function lockFolder(folder: string, onLost: (reason: string) => void, times = TIMES): Promise<FolderLock> {
  const locks = join(folder, 'lock')
  await mkdir(locks, { recursive: true, mode: 0o700 })
  for (let attempt = 1; ; attempt++) {
    const own = await announce(locks)
    const other = await findOther(locks, own.name, times)
    if (other === undefined) return hold(own, onLost, times)
    await own.withdraw()
    // Two that started together have seen each other: one of them comes back first.
    if (attempt === ATTEMPTS) {
      throw new CannotOpen(
        `the data folder ${folder} is in use by another process (pid ${other.pid} there). ` +
          'Stop that one first, or have a command ask it (ROLLCALL_URL); to run several instances, use PostgreSQL (DATABASE_URL)',
      )
    }
    await pause(20 + Math.random() * 30 * attempt)
  }
}

interface Announced {
  readonly name: string
  readonly path: string
  withdraw(): Promise<void>
}

/** A file's name says what its socket cannot: the kernel (boot id) and the pid of its owner, and that it has a socket. */
async function announce(locks: string): Promise<Announced> {
  const id = `${bootId()}.${process.pid}.${randomBytes(6).toString('hex')}`
  // Seen by others only once it listens: until then it would refuse them, as a dead one does.
  const hidden = join(locks, `.${id}`)
  const server = await listenIn(locks, `.${id}`)
  if (server === undefined) await writeFile(hidden, '')
  const name = server === undefined ? `${id}.file` : `${id}.sock`
  const path = join(locks, name)
  await rename(hidden, path)
  return {
    name,
    path,
    withdraw: async () => {
      await rm(path, { force: true })
      server?.close()
    },
  }
}

function hold(own: Announced, onLost: (reason: string) => void, times: Times): FolderLock {
  const timer = setInterval(async () => {
    try {
      await touch(own.path)
    } catch (error) {
      clearInterval(timer)
      onLost(`the lock file ${own.path} is gone (${error instanceof Error ? error.message : error})`)
    }
  }, times.heartbeat)
  timer.unref()
  return {
    release: async () => {
      clearInterval(timer)
      await own.withdraw()
    },
  }
}

/** The first of the others that is alive; the dead ones are removed. */
async function findOther(locks: string, ownName: string, times: Times): Promise<Owner | undefined> {
  for (const name of await readdir(locks)) {
    const owner = ownerOf(name)
    if (owner === undefined || name === ownName) continue
    const alive = owner.here ? await answers(locks, name) : await beats(join(locks, name), join(locks, ownName), times)
    if (alive) return owner
    await rm(join(locks, name), { force: true })
  }
  return undefined
}

interface Owner {
  readonly pid: string
  /** True when its kernel is ours and it has a socket: then the kernel knows whether it lives. */
  readonly here: boolean
}

function ownerOf(name: string): Owner | undefined {
  const [boot, pid, , kind] = name.split('.')
  if (boot === undefined || boot === '' || pid === undefined || (kind !== 'sock' && kind !== 'file')) return undefined
  return { pid, here: kind === 'sock' && boot === bootId() }
}

/** Undefined where the file system has no sockets, as some that are shared with virtual machines. */
function listenIn(locks: string, name: string): Promise<Server | undefined> {
  return withShortPath(
    locks,
    name,
    (path) =>
      new Promise((resolve) => {
        const server = createServer((socket) => socket.destroy())
        server.once('error', () => resolve(undefined))
        server.listen(path, () => resolve(server.unref()))
      }),
  )
}

/** True when a process listens on the socket; a busy one counts, since the kernel answers for it. */
function answers(locks: string, name: string): Promise<boolean> {
  return withShortPath(
    locks,
    name,
    (path) =>
      new Promise((resolve) => {
        const socket = connect(path)
        const settle = (alive: boolean) => {
          socket.destroy()
          resolve(alive)
        }
        socket.once('connect', () => settle(true))
        socket.once('error', (error: NodeJS.ErrnoException) => {
          settle(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT')
        })
      }),
  )
}

/** True when the file's time moves while it is watched; not watched when it is far behind the file just made beside it. */
async function beats(path: string, freshPath: string, times: Times): Promise<boolean> {
  try {
    const first = (await stat(path)).mtimeMs
    if ((await stat(freshPath)).mtimeMs - first > times.stale) return false
    for (let watched = 0; watched < times.watch; watched += 100) {
      await pause(100)
      if ((await stat(path)).mtimeMs !== first) return true
    }
    return false
  } catch {
    return false
  }
}

/** A socket's address has room for about 100 bytes: a longer path is reached through the open folder, where Linux allows. */
async function withShortPath<T>(folder: string, name: string, use: (path: string) => Promise<T>): Promise<T> {
  const path = join(folder, name)
  if (process.platform !== 'linux' || Buffer.byteLength(path) < 100) return use(path)
  const handle = openSync(folder, 'r')
  try {
    return await use(`/proc/self/fd/${handle}/${name}`)
  } finally {
    closeSync(handle)
  }
}

async function touch(path: string): Promise<void> {
  const now = new Date()
  await utimes(path, now, now)
}

/** What tells this run of this kernel from others, the same in every container on it. */
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim().replaceAll('-', '').slice(0, 12)
  } catch {
    return process.platform
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
