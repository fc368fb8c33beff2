import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { built } from './built.ts'
import { runCommand } from './children.ts'
import { ROOT } from './documents.ts'
import { findTool } from './tools.ts'

// A machine whose first process is systemd: this one's files below a layer that is thrown away, with a network of its own.

/** Mounts `/` with a layer above it at `r` of the present folder. `u` holds what is written. */
const LAYER = 'mkdir r && mount -t overlay overlay -o lowerdir=/,upperdir=$PWD/u,workdir=$PWD/w r'

const nspawn = findTool('systemd-nspawn')

/** Why systemd cannot boot here; undefined where it can. */
export function whyNotBooted(): string | undefined {
  if (process.getuid?.() !== 0) return 'it takes root'
  if (nspawn === undefined) return 'it takes systemd-nspawn, of Debian’s package systemd-container'
  const tried = spawnSync('unshare', [
    '--mount',
    'sh',
    '-ec',
    `mount -t tmpfs t /mnt; mkdir /mnt/u /mnt/w; cd /mnt; ${LAYER}`,
  ])
  return tried.status === 0 ? undefined : 'it takes the right to mount, and overlayfs'
}

/** A machine that runs. */
export interface Booted {
  /** Runs a script of bash there, and gives what it says. Throws where it fails. */
  run(script: string): string
  /** Ends the machine, and deletes what it has written. */
  halt(): Promise<void>
}

/** Boots a machine with this project's programs where docs/deploy/systemd.md has them installed, and a clone at `/srv/clone`. */
export async function boot(): Promise<Booted> {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-machine-'))
  execFileSync('sh', ['-ec', `mount -t tmpfs -o size=2g t "$PWD" && cd "$PWD" && mkdir u w && ${LAYER}`], {
    cwd: folder,
  })
  const root = join(folder, 'r')
  // No service of this machine starts, but those that systemd has itself.
  const services = join(root, 'etc/systemd/system')
  rmSync(services, { recursive: true, force: true })
  mkdirSync(services, { recursive: true })
  symlinkSync('/lib/systemd/system/multi-user.target', join(services, 'default.target'))
  for (const unit of ['timesyncd', 'networkd', 'logind', 'udevd', 'pstore'])
    symlinkSync('/dev/null', join(services, `systemd-${unit}.service`))
  symlinkSync('/dev/null', join(services, 'console-getty.service'))
  const app = join(root, 'opt/rollcall/node_modules/rollcall')
  mkdirSync(join(app, 'node_modules'), { recursive: true })
  const delivered = dirname(dirname(built.main()))
  for (const name of ['package.json', 'dist']) cpSync(join(delivered, name), join(app, name), { recursive: true })
  for (const name of ['drizzle', 'docs/idp']) cpSync(join(ROOT, name), join(app, name), { recursive: true })
  cpSync(join(ROOT, 'deploy'), join(root, 'srv/clone/deploy'), { recursive: true })
  rmSync(join(root, 'usr/bin/node'), { force: true })
  writeFileSync(join(root, 'usr/bin/node'), '')

  const binds = [
    `${process.execPath}:/usr/bin/node`,
    `${join(ROOT, 'node_modules')}:${app.slice(root.length)}/node_modules`,
  ]
  const machine = runCommand('systemd', nspawn ?? '', [
    ...[
      '--boot',
      '--quiet',
      '--register=no',
      '--keep-unit',
      '--private-network',
      '--console=pipe',
      '--machine=rollcall-test',
    ],
    ...['--resolv-conf=off', '--timezone=off', `--directory=${root}`, ...binds.map((bind) => `--bind-ro=${bind}`)],
  ])
  /** The process that is the first one inside. */
  const first = (): string => {
    const { pid } = machine.process
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      const [child] = readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean)
      if (child !== undefined) return child
    }
    throw new Error(`systemd has not started: ${machine.stdout()}${machine.stderr()}`)
  }
  const run = (script: string): string => {
    const inside = ['-t', first(), '-m', '-p', '-i', '-u', '-n', '-C', '--', 'env', '-i', `PATH=${process.env.PATH}`]
    const args = [...inside, 'bash', '--norc', '-euc', `cd /srv/clone\n${script}`]
    const { status, stdout, stderr } = spawnSync('nsenter', args, { encoding: 'utf8' })
    if (status !== 0) throw new Error(`${script}\n${stdout}${stderr}`)
    return stdout
  }
  const halt = async () => {
    machine.process.kill('SIGKILL')
    await machine.ended()
    spawnSync('umount', ['--lazy', root])
    spawnSync('umount', ['--lazy', folder])
    rmSync(folder, { recursive: true, force: true })
  }
  return { run, halt }
}
