import { mkdir, readdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { build } from 'esbuild'

// `tsx build.ts [folder]`: the programs as they are delivered. Each is a few files in place of three hundred modules, which would
// take a second to find and load; what is imported when it is needed stays a file of its own.

const folder = resolve(process.argv[2] ?? join(import.meta.dirname, 'dist'))

// The database image is good for as long as the migrations are the same.
await mkdir(folder, { recursive: true })
for (const name of await readdir(folder)) {
  if (name !== 'database-image') await rm(join(folder, name), { recursive: true })
}

await build({
  absWorkingDir: import.meta.dirname,
  entryPoints: ['src/main.ts', 'src/cli/main.ts', 'src/db/make-image.ts'],
  outbase: 'src',
  outdir: folder,
  chunkNames: 'chunks/[name]-[hash]',
  bundle: true,
  splitting: true,
  platform: 'node',
  target: 'node20.19',
  format: 'esm',
  // For packages that are CommonJS, which a module has no `require` for.
  banner: {
    js: "import { createRequire as requireBeside } from 'node:module'; const require = requireBeside(import.meta.url)",
  },
  // PGlite finds its own files beside itself. undici is CommonJS and imported when it is needed: in a file of its own it would have
  // no names to be imported by.
  external: ['@electric-sql/pglite', 'undici'],
  // Without the sources, since all maps are read at the start.
  sourcemap: true,
  sourcesContent: false,
  logLevel: 'warning',
})
