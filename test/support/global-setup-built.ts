import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { build } from 'esbuild'
import type { TestProject } from 'vitest/node'
import { ensureImage } from '../../src/db/image.ts'
import './provided.ts'

const ROOT = join(import.meta.dirname, '../..')
const PROGRAMS = join(import.meta.dirname, 'programs')

// On the global object: each project has a copy of this module, and the whole run needs one build.
const run = globalThis as { rollcallBuilt?: Promise<string> }

/** Builds the programs that tests start, once in a run: starting the sources would compile them at every start. */
export default async function setup(project: TestProject): Promise<() => void> {
  const folder = await builtFolder()
  project.provide('built', folder)
  return () => rmSync(folder, { recursive: true, force: true })
}

/** The folder of the programs, built once. */
export function builtFolder(): Promise<string> {
  run.rollcallBuilt ??= buildPrograms()
  return run.rollcallBuilt
}

/** Makes a folder like that of the installed package: the gateway and its image in `dist`, the tests' programs in `programs`. */
async function buildPrograms(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-built-'))
  // Not a link: the package is where its package.json is.
  cpSync(join(ROOT, 'package.json'), join(folder, 'package.json'))
  for (const name of ['docs', 'drizzle', 'node_modules']) symlinkSync(join(ROOT, name), join(folder, name))
  execFileSync(process.execPath, ['--import', 'tsx', join(ROOT, 'build.ts'), join(folder, 'dist')])
  await build({
    ...{ entryPoints: readdirSync(PROGRAMS).map((name) => join(PROGRAMS, name)), outdir: join(folder, 'programs') },
    ...{ bundle: true, splitting: true, packages: 'external', platform: 'node', format: 'esm', logLevel: 'warning' },
  })
  const image = await ensureImage()
  cpSync(image, join(folder, 'dist/database-image', basename(image)))
  return folder
}
