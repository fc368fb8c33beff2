import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { built } from './built.ts'
import { runCommand } from './children.ts'
import { ROOT } from './documents.ts'
import { findTool } from './tools.ts'

// A machine whose first process is systemd: this one's files below a layer that is thrown away, with a network of its own.

const nspawn = findTool('systemd-nspawn')

/** Mounts `/` with a layer above it at `r` of the folder `$1`. The mounts go with the process that makes them. */
const LAYER = `mount -t tmpfs -o size=2g layer "$1" && cd "$1" && mkdir u w r &&
  mount -t overlay overlay -o "lowerdir=/,upperdir=$1/u,workdir=$1/w" r`
/** Processes of their own, which all end with this one. */
const APART = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc']

/** Why systemd cannot boot here; undefined where it can. */
export function whyNotBooted(): string | undefined {
  if (process.getuid?.() !== 0) return 'it takes root'
  if (nspawn === undefined) return 'it takes systemd-nspawn, of Debian’s package systemd-container'
  const tried = spawnSync('unshare', [...APART, 'sh', '-ec', LAYER, 'sh', '/mnt'])
  return tried.status === 0 ? undefined : 'it takes unshare, the right to mount, and overlayfs'
}

/** A machine that runs. */
export interface Booted {
  /** Runs a script of bash there, and gives what it says. Throws where it fails. */
  run(script: string): string
  /** Ends the machine, and deletes what it has written. */
  halt(): Promise<void>
}

/** Writes what the machine has and this one has not, into `folder`; `app` is where the page has the gateway installed. */
function prepare(folder: string, app: string): void {
  const services = join(folder, 'etc/systemd/system')
  mkdirSync(services, { recursive: true })
  symlinkSync('/lib/systemd/system/multi-user.target', join(services, 'default.target'))
  for (const unit of ['systemd-timesyncd', 'systemd-networkd', 'systemd-logind', 'systemd-pstore', 'console-getty'])
    symlinkSync('/dev/null', join(services, `${unit}.service`))
  const delivered = dirname(dirname(built.main()))
  mkdirSync(join(folder, app, 'node_modules'), { recursive: true })
  for (const name of ['package.json', 'dist'])
    cpSync(join(delivered, name), join(folder, app, name), { recursive: true })
  for (const name of ['drizzle', 'docs/idp']) cpSync(join(ROOT, name), join(folder, app, name), { recursive: true })
  cpSync(join(ROOT, 'deploy'), join(folder, 'srv/clone/deploy'), { recursive: true })
  mkdirSync(join(folder, 'usr/bin'), { recursive: true })
  writeFileSync(join(folder, 'usr/bin/node'), '')
}

/** The first process that another one has made; both by their numbers here. */
function childOf(parent: number): number {
  for (const task of readdirSync(`/proc/${parent}/task`)) {
    const [child] = readFileSync(`/proc/${parent}/task/${task}/children`, 'utf8').split(' ').filter(Boolean)
    if (child !== undefined) return Number(child)
  }
  throw new Error(`the process ${parent} has made no other yet`)
}

/** Starts a machine with the gateway where docs/deploy/systemd.md has it installed, and a clone at `/srv/clone`. */
export function boot(): Booted {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-machine-'))
  const [layer, prepared] = [join(folder, 'layer'), join(folder, 'prepared')]
  mkdirSync(layer)
  const app = '/opt/rollcall/node_modules/rollcall'
  prepare(prepared, app)
  // No service of this machine starts there, and its Node is the one that runs here, which may be a link.
  const script = `${LAYER}\nrm -rf r/etc/systemd/system r/usr/bin/node\ncp -a "$2/." r/\nshift 2\nexec "$@"`
  const machine = runCommand('systemd', 'unshare', [
    ...[...APART, 'sh', '-ec', script, 'sh', layer, prepared, nspawn ?? ''],
    ...['--boot', '--quiet', '--register=no', '--keep-unit', '--private-network', '--console=pipe'],
    ...['--machine=rollcall-test', '--resolv-conf=off', '--timezone=off', `--directory=${layer}/r`],
    `--bind-ro=${process.execPath}:/usr/bin/node`,
    `--bind-ro=${join(ROOT, 'node_modules')}:${app}/node_modules`,
  ])
  return {
    run(script) {
      const first = childOf(childOf(machine.process.pid ?? 0))
      const inside = ['-t', String(first), '-m', '-p', '-i', '-u', '-n', '-C', 'env', '-i', `PATH=${process.env.PATH}`]
      const args = [...inside, 'bash', '--norc', '-euc', `cd /srv/clone\n${script}`]
      const { status, stdout, stderr } = spawnSync('nsenter', args, { encoding: 'utf8' })
      if (status !== 0) throw new Error(`${script}\n${stdout}${stderr}\n${machine.stdout()}${machine.stderr()}`)
      return stdout
    },
    async halt() {
      machine.process.kill('SIGKILL')
      await machine.ended()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
