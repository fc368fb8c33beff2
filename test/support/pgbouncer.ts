import { execFileSync } from 'node:child_process'
import { chownSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './children.ts'
import { unprivileged } from './postgres-server.ts'
import { findTool, runTool, untilAnswered } from './tools.ts'

/** A private PgBouncer on a free loopback port. */
export interface Pgbouncer {
  /** The URL of a database of the server behind it. */
  through(url: string): string
  stop(): Promise<void>
}

/** The program: at `PGBOUNCER`, on PATH, or where Debian puts it; undefined where there is none. */
export function findPgbouncer(): string | undefined {
  return process.env.PGBOUNCER || findTool('pgbouncer')
}

/** Its version, such as `1.18.0`. */
export const versionOf = (program: string): string =>
  /\d+\.\d+\.\d+/.exec(execFileSync(program, ['--version'], { encoding: 'utf8' }))?.[0] ?? ''

/**
 * Starts PgBouncer in transaction mode in front of the server of `url`, and for the rest with its defaults.
 *
 * @param settings lines of its configuration, such as `max_prepared_statements = 100`
 */
export async function startPgbouncer(
  program: string,
  url: string,
  settings: readonly string[] = [],
): Promise<Pgbouncer> {
  const { hostname, port: serverPort, username } = new URL(url)
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-pgbouncer-'))
  const port = await freePort()
  const file = (name: string) => join(folder, name)
  const lines = [
    ...['[databases]', `* = host=${hostname} port=${serverPort}`, '[pgbouncer]'],
    ...['listen_addr = 127.0.0.1', `listen_port = ${port}`, 'unix_socket_dir =', 'pool_mode = transaction'],
    ...['auth_type = trust', `auth_file = ${file('users')}`, `logfile = ${file('log')}`, ...settings],
  ]
  writeFileSync(file('users'), `"${username}" ""\n`)
  writeFileSync(file('pgbouncer.ini'), `${lines.join('\n')}\n`)
  if (unprivileged) chownSync(folder, unprivileged.uid, unprivileged.gid)
  const { child, stop } = runTool(program, ['-q', file('pgbouncer.ini')], folder, unprivileged)
  const through = (to: string) => {
    const other = new URL(to)
    other.hostname = '127.0.0.1'
    other.port = String(port)
    return other.href
  }
  try {
    await untilAnswered(through(url), child, 'PgBouncer', () => readFileSync(file('log'), 'utf8'))
    return { through, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
