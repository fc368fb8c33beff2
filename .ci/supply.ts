import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bundle } from '../build.ts'

/** As much of a CycloneDX document as is read here. */
export interface Sbom {
  readonly components?: readonly Component[]
}
interface Component {
  readonly name: string
  readonly version: string
  readonly licenses?: readonly {
    readonly license?: { readonly id?: string; readonly name?: string }
    readonly expression?: string
  }[]
}

/** Licences under which a package may be part of what is delivered: each lets it be used and passed on without conditions on our own code. */
const ALLOWED: ReadonlySet<string> = new Set([
  ...['MIT', 'MIT-0', 'ISC', '0BSD', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0', 'BlueOak-1.0.0'],
  ...['PostgreSQL', 'Unlicense', 'CC0-1.0', 'Python-2.0', 'Zlib'],
])

/** The packages whose licence is not among the allowed ones, or that name none; each in a line. */
export function refusedLicences({ components = [] }: Sbom): string[] {
  return components.flatMap(({ name, version, licenses = [] }) => {
    const named = licenses.map(({ license, expression }) => expression ?? license?.id ?? license?.name ?? '')
    if (named.length > 0 && named.every(isAllowed)) return []
    return [`${name}@${version}: ${named.filter(Boolean).join(', ') || 'no licence named'}`]
  })
}

/** Of `A OR B` one has to be allowed, of `A AND B` both; anything else that is no plain name is not. */
function isAllowed(expression: string): boolean {
  const text = expression.trim().replace(/^\(([^()]*)\)$/, '$1')
  if (text.includes(' OR ')) return text.split(' OR ').some(isAllowed)
  if (text.includes(' AND ')) return text.split(' AND ').every(isAllowed)
  return ALLOWED.has(text)
}

/** What `npm audit --json` came to. */
export type Scan =
  | { readonly kind: 'clean' | 'found'; readonly counts: Readonly<Record<string, number>> }
  | { readonly kind: 'unanswered'; readonly why: string }

/** Reads what `npm audit --json` printed; a registry without that service is told from one that found nothing. */
export function readScan(output: string): Scan {
  let report: { metadata?: { vulnerabilities?: Record<string, number> }; message?: string }
  try {
    report = JSON.parse(output)
  } catch {
    return { kind: 'unanswered', why: output.trim().split('\n', 1)[0] || 'npm audit printed nothing' }
  }
  const counts = report.metadata?.vulnerabilities
  if (counts === undefined) return { kind: 'unanswered', why: report.message ?? 'npm audit gave no counts' }
  const grave = (counts.high ?? 0) + (counts.critical ?? 0)
  return { kind: grave > 0 ? 'found' : 'clean', counts }
}

/** The names of the packages that a bundle has files of. */
export const packagesOf = (files: readonly string[]): ReadonlySet<string> =>
  new Set(files.flatMap((file) => /^(?:.*\/)?node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? []))

/** As much of package.json, and of the project's own entry in package-lock.json, as is changed here. */
interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

/**
 * The manifest of what is delivered. npm installs the bundled packages in the project alone, but their code is in the programs:
 * here they are dependencies. What only builds and tests Rollcall is left out.
 */
export function deliveredManifest<T extends Manifest>(manifest: T, bundled: ReadonlySet<string>): T {
  const named = Object.entries(manifest.devDependencies ?? {})
  const inside = named.filter(([name]) => bundled.has(name))
  return { ...manifest, dependencies: { ...manifest.dependencies, ...Object.fromEntries(inside) }, devDependencies: {} }
}

const read = (name: string) => JSON.parse(readFileSync(name, 'utf8'))

/** Runs `work` in a folder with the manifest and the lock of what is delivered. */
async function withDelivered(bundled: ReadonlySet<string>, work: (folder: string) => void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-supply-'))
  try {
    const lock = read('package-lock.json')
    lock.packages[''] = deliveredManifest(lock.packages[''], bundled)
    writeFileSync(join(folder, 'package-lock.json'), JSON.stringify(lock))
    writeFileSync(join(folder, 'package.json'), JSON.stringify(deliveredManifest(read('package.json'), bundled)))
    // npm works out anew which packages of the lock are delivered, in the very versions of the lock.
    execFileSync('npm', ['install', '--package-lock-only', '--ignore-scripts', '--no-audit', '--no-fund'], {
      cwd: folder,
    })
    work(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const OF_THE_LOCK = ['--package-lock-only', '--omit', 'dev']

/**
 * Writes the bill of materials of what is delivered, checks its licences, and asks the registry for known vulnerabilities.
 * Delivered are the packages that npm installs with Rollcall, and those that the build bundles into its programs.
 */
async function main(target: string): Promise<void> {
  const bundled = packagesOf(Object.keys((await bundle(undefined)).inputs))
  await withDelivered(bundled, (folder) => check(target, folder, bundled))
}

function check(target: string, folder: string, bundled: ReadonlySet<string>): void {
  const npm = { cwd: folder, encoding: 'utf8' } as const
  const text = execFileSync('npm', ['sbom', '--sbom-format', 'cyclonedx', ...OF_THE_LOCK], npm)
  writeFileSync(target, text)
  const sbom: Sbom = JSON.parse(text)
  const listed = new Set(sbom.components?.map(({ name }) => name))
  const unlisted = [...bundled].filter((name) => !listed.has(name))
  for (const each of unlisted) console.error(`supply: bundled, and not in the bill of materials: ${each}`)
  const packages = sbom.components?.length ?? 0
  console.log(`supply: ${packages} packages are delivered; they are listed in ${target}`)

  const refused = refusedLicences(sbom)
  for (const line of refused) console.error(`supply: a licence that nobody has allowed: ${line}`)
  if (refused.length === 0) console.log('supply: every licence is among the allowed ones')

  const { stdout, stderr } = spawnSync('npm', ['audit', ...OF_THE_LOCK, '--json'], npm)
  const scan = readScan(stdout || stderr)
  if (scan.kind === 'unanswered') console.log(`supply: not scanned, as the registry does not answer: ${scan.why}`)
  else console.log(`supply: known vulnerabilities: ${JSON.stringify(scan.counts)}`)
  if (scan.kind === 'found') console.error('supply: npm audit names a vulnerability of level high or critical')
  if (unlisted.length > 0 || refused.length > 0 || packages === 0 || scan.kind === 'found') process.exitCode = 1
}

if (process.argv[1] === import.meta.filename) await main('sbom.cdx.json')
