import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import type { Metafile, Plugin } from 'esbuild'

// tsx build.ts               builds all of dist: programs, typed client, database image
// tsx build.ts --if-changed  the same, unless dist was built from these very inputs
// tsx build.ts FOLDER        builds the programs alone, into FOLDER

const ROOT = import.meta.dirname
const DIST = join(ROOT, 'dist')
/** Holds the hash of the inputs that dist was built from. The build writes it last. */
const STAMP = join(DIST, '.inputs')
const INPUTS = [
  'src',
  'drizzle',
  'package.json',
  'package-lock.json',
  'build.ts',
  'tsconfig.json',
  'tsconfig.build.json',
]

/** zod has its messages in fifty languages. They were a third of what a start loads, and nobody is shown another one than English. */
const inEnglishAlone: Plugin = {
  name: 'in English alone',
  setup: ({ onResolve }) => {
    onResolve({ filter: /\/locales\/index\.js$/ }, ({ importer, path, resolveDir }) =>
      importer.includes('/node_modules/zod/') ? { path: join(resolveDir, path, '../en.js') } : undefined,
    )
  },
}

/**
 * Bundles each program into a few files, because Node needs a second to find and load three hundred modules. Modules that a
 * program imports on demand stay files of their own.
 *
 * @param folder undefined writes nothing, and only tells what would be bundled
 */
export async function bundle(folder: string | undefined): Promise<Metafile> {
  // Loaded here, since most starts find nothing to build.
  const { build } = await import('esbuild')
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: ['main', 'compile', 'cli/main', 'kit/gateway-thread', 'db/pglite-thread', 'db/make-image'].map(
      (name) => `src/${name}.ts`,
    ),
    outbase: 'src',
    outdir: folder ?? DIST,
    write: folder !== undefined,
    metafile: true,
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    platform: 'node',
    target: 'node20.19',
    format: 'esm',
    // CommonJS packages call `require`, which ES modules lack.
    banner: {
      js: "import { createRequire as requireBeside } from 'node:module'; const require = requireBeside(import.meta.url)",
    },
    plugins: [inEnglishAlone],
    // PGlite reads files beside its own. undici is CommonJS and imported on demand: as a chunk it would have no named exports.
    external: ['@electric-sql/pglite', 'undici'],
    // A third less to read and to compile. Names stay, for those who read a stack.
    ...{ minifyWhitespace: true, minifySyntax: true, lineLimit: 120 },
    // Node reads all maps at the start, so they hold no sources.
    sourcemap: true,
    sourcesContent: false,
    logLevel: 'warning',
  })
  return metafile
}

/** What the package exports, beside the programs. */
const LIBRARIES = ['client', 'mirror', 'receiver', 'testing']

/**
 * Bundles what the package exports, each into one file for `import` and one for `require`. They run in other people's programs: a
 * receiver also where there is no Node.
 */
async function bundleLibraries(folder: string): Promise<void> {
  const { build } = await import('esbuild')
  for (const [format, ending, banner, address] of [
    ['esm', '.js', '', 'import.meta.url'],
    ['cjs', '.cjs', "const fileUrl = require('node:url').pathToFileURL(__filename).href", 'fileUrl'],
  ] as const) {
    for (const library of LIBRARIES) {
      const isNodes = library === 'testing' || library === 'mirror'
      await build({
        absWorkingDir: ROOT,
        entryPoints: [`src/${library}/index.ts`],
        outfile: join(folder, library, `index${ending}`),
        ...{ bundle: true, format, target: 'node20.19', logLevel: 'warning' },
        platform: isNodes ? 'node' : 'neutral',
        mainFields: ['module', 'main'],
        // For `require` it is bundled: its default export would be another thing there.
        external: format === 'esm' ? ['openapi-fetch'] : [],
        ...(isNodes && format === 'cjs' ? { banner: { js: banner }, define: { 'import.meta.url': address } } : {}),
      })
    }
  }
}

/** Builds the programs into `folder`, and keeps a database image there: it is valid until the migrations change. */
async function buildPrograms(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (const name of await readdir(folder)) {
    if (name !== 'database-image') await rm(join(folder, name), { recursive: true })
  }
  await bundle(folder)
  await bundleLibraries(folder)
}

async function buildAll(inputs: string): Promise<void> {
  const steps: readonly (readonly [what: string, work: () => Promise<void>])[] = [
    ['programs', () => buildPrograms(DIST)],
    ['typed client', () => run(join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json')],
    ['database image', () => run(join(DIST, 'db/make-image.js'))],
    ['compiled code', () => run(join(DIST, 'compile.js'))],
  ]
  for (const [i, [what, work]] of steps.entries()) {
    say(`building ${i + 1}/${steps.length}: ${what}`)
    await work()
  }
  await writeFile(STAMP, inputs)
}

function run(program: string, ...args: string[]): Promise<void> {
  const child = spawn(process.execPath, [program, ...args], { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] })
  return new Promise((done, fail) => {
    child.once('error', fail)
    child.once('exit', (code) => {
      if (code === 0) done()
      else fail(new Error(`${relative(ROOT, program)} ended with code ${code}`))
    })
  })
}

/** A hash of everything that decides what the build makes. */
async function hashOfInputs(): Promise<string> {
  const hash = createHash('sha256').update(process.version)
  for (const path of (await Promise.all(INPUTS.map(filesIn))).flat()) {
    hash
      .update(`${path}\0`)
      .update(await readFile(join(ROOT, path)))
      .update('\0')
  }
  return hash.digest('hex')
}

/** The files at or below `path`, in a fixed order. */
async function filesIn(path: string): Promise<string[]> {
  const entries = await readdir(join(ROOT, path), { recursive: true, withFileTypes: true }).catch(() => undefined)
  if (entries === undefined) return [path]
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .sort()
}

// Standard output belongs to the program that starts afterwards.
const say = (line: string) => process.stderr.write(`${line}\n`)

async function main(argument: string | undefined): Promise<void> {
  if (argument !== undefined && argument !== '--if-changed') return buildPrograms(resolve(argument))
  const inputs = await hashOfInputs()
  if (argument === undefined) return buildAll(inputs)
  if ((await readFile(STAMP, 'utf8').catch(() => '')) === inputs) say('nothing to build: dist is up to date')
  else await buildAll(inputs)
  say('starting')
}

if (process.argv[1] === import.meta.filename) await main(process.argv[2])
