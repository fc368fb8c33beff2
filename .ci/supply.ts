import { execFileSync, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'

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

const OMIT = ['--omit', 'dev']

/** Writes the bill of materials of what is delivered, checks its licences, and asks the registry for known vulnerabilities. */
function main(target: string): void {
  const text = execFileSync('npm', ['sbom', '--sbom-format', 'cyclonedx', ...OMIT], { encoding: 'utf8' })
  writeFileSync(target, text)
  const sbom: Sbom = JSON.parse(text)
  const packages = sbom.components?.length ?? 0
  console.log(`supply: ${packages} packages are delivered; they are listed in ${target}`)

  const refused = refusedLicences(sbom)
  for (const line of refused) console.error(`supply: a licence that nobody has allowed: ${line}`)
  if (refused.length === 0) console.log('supply: every licence is among the allowed ones')

  const { stdout, stderr } = spawnSync('npm', ['audit', ...OMIT, '--json'], { encoding: 'utf8' })
  const scan = readScan(stdout || stderr)
  if (scan.kind === 'unanswered') console.log(`supply: not scanned, as the registry does not answer: ${scan.why}`)
  else console.log(`supply: known vulnerabilities: ${JSON.stringify(scan.counts)}`)
  if (scan.kind === 'found') console.error('supply: npm audit names a vulnerability of level high or critical')
  if (refused.length > 0 || packages === 0 || scan.kind === 'found') process.exitCode = 1
}

if (process.argv[1] === import.meta.filename) main('sbom.cdx.json')
