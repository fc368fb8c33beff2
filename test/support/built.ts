import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '../..')

/** The program as it is delivered, without what runs TypeScript directly and takes memory of its own. */
export interface Built {
  /** `dist/main.js`. */
  readonly main: string
  /** `dist/cli/main.js`. */
  readonly cli: string
  remove(): void
}

/** Builds the program into a folder of its own. */
export function build(): Built {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-built-'))
  // Not a link: the package is where its package.json is.
  cpSync(join(ROOT, 'package.json'), join(folder, 'package.json'))
  for (const name of ['drizzle', 'node_modules']) symlinkSync(join(ROOT, name), join(folder, name))
  execFileSync(process.execPath, ['--import', 'tsx', join(ROOT, 'build.ts'), join(folder, 'dist')])
  const [main, cli] = ['main.js', 'cli/main.js'].map((name) => join(folder, 'dist', name)) as [string, string]
  return { main, cli, remove: () => rmSync(folder, { recursive: true }) }
}
