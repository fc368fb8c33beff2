import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '../..')

/** The program as it is delivered, without what runs TypeScript directly and takes memory of its own. */
export interface Built {
  /** `dist/cli/main.js`. */
  readonly cli: string
  remove(): void
}

/** Builds the sources into a folder of their own. */
export function build(): Built {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-built-'))
  for (const name of ['drizzle', 'node_modules', 'package.json']) symlinkSync(join(ROOT, name), join(folder, name))
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc')
  const options = ['--outDir', join(folder, 'dist'), '--incremental', 'false', '--tsBuildInfoFile', 'null']
  execFileSync(process.execPath, [compiler, '-p', join(ROOT, 'tsconfig.build.json'), ...options])
  return { cli: join(folder, 'dist/cli/main.js'), remove: () => rmSync(folder, { recursive: true }) }
}
