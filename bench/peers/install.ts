import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const HERE = fileURLToPath(new URL('.', import.meta.url))
const LOCK = join(HERE, 'package-lock.json')

/**
 * Installs the pinned packages outside the project, in a folder of the system's for temporary files that the next run finds
 * again, without running their install scripts, and puts the programs beside them.
 *
 * @throws where npm fails
 */
export async function installPeers(): Promise<string> {
  const lock = readFileSync(LOCK)
  const folder = join(tmpdir(), `rollcall-bench-peers-${createHash('sha256').update(lock).digest('hex').slice(0, 12)}`)
  mkdirSync(folder, { recursive: true })
  for (const name of ['package.json', 'package-lock.json', 'servers']) {
    cpSync(join(HERE, name), join(folder, name), { recursive: true })
  }
  // npm writes this file when everything is in place.
  if (!existsSync(join(folder, 'node_modules/.package-lock.json'))) {
    await promisify(execFile)('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: folder })
  }
  return folder
}

/** The version that is pinned of a package. */
export function versionOf(packageName: string): string {
  const { dependencies } = JSON.parse(readFileSync(join(HERE, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  return dependencies[packageName] ?? '?'
}
