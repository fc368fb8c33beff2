import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { cpus, totalmem, type } from 'node:os'

/** What a reader has to know of a run in order to do it again. */
export interface Origin {
  /** ISO 8601. */
  readonly date: string
  readonly command: string
  readonly machine: string
  /** Of everything that takes part, by name. */
  readonly versions: Readonly<Record<string, string>>
}

const PACKAGES = ['hono', '@hono/node-server', 'postgres', 'undici']

/** Where and with what this process runs; `postgres` describes the server. */
export function originOf(postgres: string): Origin {
  // Where files lie on a machine is nobody's business.
  const args = process.argv.slice(2).map((arg) => arg.replace(/^\/.*\/(?=[^/]+\/[^/]+$)/, '…/'))
  const own = packageJson(new URL('../package.json', import.meta.url))
  const commit = git('rev-parse', '--short', 'HEAD')
  const changed = git('status', '--porcelain') === '' ? '' : ' and changes'
  const packages = PACKAGES.map((name) => [
    name,
    packageJson(new URL(`../node_modules/${name}/package.json`, import.meta.url)).version,
  ])
  return {
    date: new Date().toISOString(),
    command: ['npm run bench', ...(args.length === 0 ? [] : ['--', ...args])].join(' '),
    machine: `${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${system()}`,
    versions: {
      Rollcall: commit === undefined ? own.version : `${own.version} (${commit}${changed})`,
      Node: process.versions.node,
      PostgreSQL: postgres.replace(/^PostgreSQL /, '').replace(/ \(\/.*\)$/, ''),
      ...Object.fromEntries(packages),
    },
  }
}

/** Its name for people, where it has one. */
function system(): string {
  const file = '/etc/os-release'
  const name = existsSync(file) ? /^PRETTY_NAME="(.*)"$/m.exec(readFileSync(file, 'utf8'))?.[1] : undefined
  return name ?? type()
}

const packageJson = (url: URL) => JSON.parse(readFileSync(url, 'utf8')) as { version: string }

/** Undefined outside a clone. */
function git(...args: readonly string[]): string | undefined {
  try {
    return execFileSync('git', args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      cwd: import.meta.dirname,
    }).trim()
  } catch {
    return undefined
  }
}
