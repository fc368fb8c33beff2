import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { built } from './built.ts'
import { type Child, runNode } from './children.ts'
import { ROOT } from './documents.ts'
import { examplePackages } from './example-packages.ts'

/** The examples in a project that has their packages and Rollcall's own, as it is delivered. */
export interface AssembledExamples {
  readonly folder: string
  /** What the compiler says of the applications with Auth.js and better-auth; empty where nothing is wrong. */
  typeFaults(): string
  /** Builds the application in Next.js, which checks its types; throws with what it says. */
  buildNext(): void
  startNext(port: number, env: Readonly<Record<string, string>>): Child
  remove(): void
}

const NEXT = { NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: 'production' } as const

/** Copies them below the installed packages, where Node and Next.js find these. */
export function assembleExamples(): AssembledExamples {
  const folder = mkdtempSync(join(examplePackages.folder, 'run-'))
  const from = join(ROOT, 'test/example-packages')
  cpSync(join(ROOT, 'examples'), join(folder, 'examples'), {
    recursive: true,
    filter: (path) => !path.endsWith('/.next'),
  })
  for (const name of ['applications', 'tsconfig.json', 'package.json'])
    cpSync(join(from, name), join(folder, name), { recursive: true })
  const rollcall = join(folder, 'node_modules/rollcall')
  mkdirSync(rollcall, { recursive: true })
  cpSync(join(ROOT, 'package.json'), join(rollcall, 'package.json'))
  for (const library of ['client', 'receiver'])
    cpSync(join(built.main(), '..', library), join(rollcall, 'dist', library), { recursive: true })
  const declarations = ['-p', join(ROOT, 'tsconfig.build.json'), '--outDir', join(rollcall, 'dist')]
  execFileSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), ...declarations], { cwd: ROOT })

  const program = (name: string) => join(examplePackages.folder, 'node_modules', name)
  const nextjs = join(folder, 'examples/nextjs')
  /** Output of a program of the packages, also where it fails. */
  const said = (args: readonly string[], cwd: string): { readonly failed: boolean; readonly text: string } => {
    try {
      const text = execFileSync(process.execPath, args, { cwd, encoding: 'utf8', env: { ...process.env, ...NEXT } })
      return { failed: false, text }
    } catch (error) {
      const { stdout, stderr } = error as { readonly stdout: string; readonly stderr: string }
      return { failed: true, text: stdout + stderr }
    }
  }
  return {
    folder,
    typeFaults: () => said([program('typescript/bin/tsc'), '-p', folder], folder).text,
    buildNext: () => {
      const { failed, text } = said([program('next/dist/bin/next'), 'build'], nextjs)
      if (failed) throw new Error(`next build: ${text}`)
    },
    startNext: (port, env) => {
      const args = [program('next/dist/bin/next'), 'start', nextjs, '-p', String(port), '-H', '127.0.0.1']
      return runNode('next', args, { ...NEXT, ...env })
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
