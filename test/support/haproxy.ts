import { spawnSync } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './children.ts'
import { findTool, runTool } from './tools.ts'

/** The program: on PATH, or where Debian puts it; undefined where there is none. */
export const findHaproxy = (): string | undefined => findTool('haproxy')

/** HAProxy in front of instances, on a free loopback port. */
export interface Haproxy {
  readonly origin: string
  /** Which instances it sends requests to, in the order of their ports. */
  sendsTo(): Promise<boolean[]>
  stop(): Promise<void>
}

/**
 * Starts HAProxy in front of `ports`. It asks each instance at `/readyz`, as its defaults are: in HTTP/1.0, without a Host, and an
 * instance is down after three failed checks.
 *
 * @param settings further lines for all backends, such as `retries 0`
 */
export async function startHaproxy(
  program: string,
  ports: readonly number[],
  settings: readonly string[],
): Promise<Haproxy> {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-haproxy-'))
  const [port, statistics] = [await freePort(), await freePort()]
  const file = join(folder, 'haproxy.cfg')
  const lines = [
    ...[
      'defaults',
      'mode http',
      'timeout connect 5s',
      'timeout client 60s',
      'timeout server 60s',
      'timeout check 5s',
      ...settings,
    ],
    ...['listen gateways', `bind 127.0.0.1:${port}`, 'balance roundrobin', 'option httpchk GET /readyz'],
    ...ports.map((of, i) => `server gateway${i} 127.0.0.1:${of} check inter 200`),
    ...['listen statistics', `bind 127.0.0.1:${statistics}`, 'stats enable', 'stats uri /'],
  ]
  writeFileSync(file, `${lines.join('\n')}\n`)
  const checked = spawnSync(program, ['-c', '-f', file], { encoding: 'utf8' })
  if (checked.status !== 0) throw new Error(`HAProxy refuses its configuration: ${checked.stderr}`)
  const { stop } = runTool(program, ['-db', '-f', file], folder)
  return {
    origin: `http://127.0.0.1:${port}`,
    sendsTo: async () => {
      const table = await (await fetch(`http://127.0.0.1:${statistics}/;csv`)).text()
      return ports.map((_, i) => new RegExp(`^gateways,gateway${i},.*,UP,`, 'm').test(table))
    },
    stop,
  }
}
