import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createGzip } from 'node:zlib'

/** What the image has beside its base, in MB: as files, and as its layers travel. */
export interface ImageSize {
  readonly filesMb: number
  readonly compressedMb: number
}

const ROOT = join(import.meta.dirname, '..')

/** Measures what the Dockerfile copies into the image: the programs, the migrations, and the packages that npm installs with them. */
export async function measureImage(): Promise<ImageSize> {
  const archive = spawn('tar', ['--create', '--file=-', ...copied()], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise<number | null>((resolve) => archive.once('close', resolve))
  let [files, compressed] = [0, 0]
  archive.stdout.on('data', (chunk: Buffer) => {
    files += chunk.length
  })
  for await (const chunk of archive.stdout.pipe(createGzip())) compressed += (chunk as Buffer).length
  if ((await ended) !== 0) throw new Error('tar failed')
  return { filesMb: files / 1e6, compressedMb: compressed / 1e6 }
}

/** The paths that the image has, from the root of the project. */
export function copied(): string[] {
  const lock: { packages: Record<string, { dev?: true; optional?: true }> } = JSON.parse(
    readFileSync(join(ROOT, 'package-lock.json'), 'utf8'),
  )
  const packages = Object.entries(lock.packages).filter(([path, { dev }]) => path !== '' && !dev)
  // Optional ones may be for other platforms.
  const installed = packages.map(([path]) => path).filter((path) => existsSync(join(ROOT, path)))
  return ['package.json', 'drizzle', 'dist', ...installed]
}
