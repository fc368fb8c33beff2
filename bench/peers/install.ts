import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pinnedPackages } from '../../test/support/pinned-packages.ts'

const HERE = fileURLToPath(new URL('.', import.meta.url))

/**
 * Installs the pinned packages outside the project, in a folder of the system's for temporary files that the next run finds
 * again, without running their install scripts, and puts the programs beside them.
 *
 * @throws where npm fails
 */
export async function installPeers(): Promise<string> {
  const { folder, install } = pinnedPackages('bench-peers', HERE)
  await install()
  cpSync(join(HERE, 'servers'), join(folder, 'servers'), { recursive: true })
  return folder
}

/** The version that is pinned of a package. */
export function versionOf(packageName: string): string {
  const { dependencies } = JSON.parse(readFileSync(join(HERE, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  return dependencies[packageName] ?? '?'
}
