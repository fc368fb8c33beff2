import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { built } from './built.ts'
import { type Child, runCommand } from './children.ts'
import { ROOT } from './documents.ts'

// The gateway as a container or a service manager runs it: by an account that has nothing, where next to nothing can be written.

/** Why a process cannot be confined here; undefined where it can. */
export function whyNotConfined(): string | undefined {
  if (process.getuid?.() !== 0) return 'it takes root'
  const tried = spawnSync('unshare', ['--mount', 'setpriv', '--reuid=12345', '--regid=0', '--clear-groups', 'true'])
  return tried.status === 0 ? undefined : 'it takes unshare and setpriv, and the right to mount'
}

/** Who runs the gateway, and what the folder that it stores in looks like at first. */
export interface Account {
  readonly uid: number
  readonly gid: number
  /** Owner and mode of the data folder. */
  readonly data: { readonly uid: number; readonly gid: number; readonly mode: string }
}

/** A copy of what is delivered, with a folder `data` and one for temporary files; nothing else can be written there. */
export interface Confined {
  readonly data: string
  readonly temporary: string
  /**
   * Runs Node with `args`, with these variables and no others. `dist/main.js` among them is that of the copy. What the data folder
   * holds is gone at the end.
   */
  run(args: readonly string[], account: Account, env: Readonly<Record<string, string>>): Child
  /** Runs a line of the shell in the same way. */
  shell(line: string, account: Account): { readonly status: number | null; readonly output: string }
  remove(): void
}

export function confined(): Confined {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-confined-'))
  chmodSync(folder, 0o755)
  const [app, data, temporary] = ['app', 'data', 'tmp'].map((name) => join(folder, name)) as [string, string, string]
  for (const each of [join(app, 'node_modules'), data, temporary]) mkdirSync(each, { recursive: true })
  const delivered = dirname(dirname(built.main()))
  for (const name of ['package.json', 'dist']) cpSync(join(delivered, name), join(app, name), { recursive: true })
  cpSync(join(ROOT, 'drizzle'), join(app, 'drizzle'), { recursive: true })
  const node = join(app, 'node')
  writeFileSync(node, '')

  /** A shell that mounts everything for reading alone, then becomes the account, and runs its arguments. */
  const inside = ({ uid, gid, data: owner }: Account, args: readonly string[]): string[] => {
    const mounts = [
      `mount --rbind / /`,
      `mount --bind '${join(ROOT, 'node_modules')}' '${app}/node_modules'`,
      `mount --bind '${process.execPath}' '${node}'`,
      'mount -o remount,bind,ro /',
      `mount -t tmpfs -o mode=${owner.mode},uid=${owner.uid},gid=${owner.gid} data '${data}'`,
      `mount -t tmpfs -o mode=1777 tmp '${temporary}'`,
    ]
    const become = `exec setpriv --reuid=${uid} --regid=${gid} --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all "$@"`
    return [
      '--mount',
      '--propagation=private',
      'sh',
      '-ec',
      [...mounts, `cd '${app}'`, become].join('\n'),
      'sh',
      ...args,
    ]
  }
  return {
    data,
    temporary,
    run: (args, account, env) =>
      runCommand('the gateway', 'unshare', inside(account, [node, ...args]), {
        env: { PATH: process.env.PATH, TMPDIR: temporary, ...env },
      }),
    shell: (line, account) => {
      const { status, stdout, stderr } = spawnSync('unshare', inside(account, ['sh', '-c', line]), { encoding: 'utf8' })
      return { status, output: stdout + stderr }
    },
    remove: () => rmSync(folder, { recursive: true }),
  }
}
