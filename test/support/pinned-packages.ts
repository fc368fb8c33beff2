import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** Packages that a folder with `package.json` and `package-lock.json` pins, and that are installed outside the project. */
export interface PinnedPackages {
  /** Below the system's folder for temporary files; another lock has another folder. */
  readonly folder: string
  /** Whether all of them are in place. */
  isInstalled(): boolean
  /**
   * Installs them, unless they are in place, without running their install scripts.
   *
   * @throws where npm fails
   */
  install(): Promise<void>
}

/** @param name goes into the name of the folder */
export function pinnedPackages(name: string, pinnedBy: string): PinnedPackages {
  const lock = readFileSync(join(pinnedBy, 'package-lock.json'))
  const folder = join(tmpdir(), `rollcall-${name}-${createHash('sha256').update(lock).digest('hex').slice(0, 12)}`)
  // npm writes this file when everything is in place.
  const isInstalled = () => existsSync(join(folder, 'node_modules/.package-lock.json'))
  return {
    ...{ folder, isInstalled },
    install: async () => {
      mkdirSync(folder, { recursive: true })
      for (const file of ['package.json', 'package-lock.json']) cpSync(join(pinnedBy, file), join(folder, file))
      if (isInstalled()) return
      await promisify(execFile)('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: folder })
    },
  }
}
