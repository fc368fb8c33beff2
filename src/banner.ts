import { describeUrl } from './config/connection.ts'

/** What the banner tells once the gateway accepts requests. */
export interface BannerFacts {
  /** The origin at which clients reach the gateway. */
  readonly origin: string
  /** Keys in URLs of what the first start creates. */
  readonly project: string
  readonly environment: string
  readonly tenant: string
  /** New keys, where the banner shows them. Undefined where they exist already, or where the configuration gives one. */
  readonly apiKey: string | undefined
  readonly adminKey: string | undefined
  /** When the new keys expire. Undefined where there are none. */
  readonly keysExpireAt: Date | undefined
  /** The file with the keys of the first start. Undefined where it is deleted, or where the banner shows the keys. */
  readonly keysFile: string | undefined
  readonly adminKeyConfigured: boolean
  readonly databaseUrl: string | undefined
  readonly dataDir: string
}

const SHOWN_BEFORE = 'shown once, at the first start'
const IN_THE_FILE = 'in the keys file: read it, then delete it'

/**
 * The banner for people: lines of `label  value`, then a command that creates a user. `colour` is for terminals.
 */
export function banner(facts: BannerFacts, { colour }: { readonly colour: boolean }): string {
  const bases = baseUrls(facts)
  const elsewhere = facts.keysFile === undefined ? SHOWN_BEFORE : IN_THE_FILE
  const rows: readonly (readonly [label: string, value: string])[] = [
    ...bases.map((url) => ['SCIM base URL', url] as const),
    ['API key', facts.apiKey ?? elsewhere],
    ['Admin key', facts.adminKey ?? (facts.adminKeyConfigured ? 'the one in ADMIN_KEY' : elsewhere)],
    ...(facts.keysFile === undefined ? [] : [['Keys file', facts.keysFile] as const]),
    ...expiryRows(facts),
    ['Console', `${facts.origin}/console, by the admin key`],
    ...storeRows(facts),
  ]
  const width = Math.max(...rows.map(([label]) => label.length))
  const paint = (code: number, text: string) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text)
  const lines = rows.map(([label, value]) => `${paint(2, label.padEnd(width))}  ${value}`)
  return [
    '',
    paint(1, 'Rollcall is running'),
    '',
    ...lines,
    '',
    'Create a user:',
    '',
    ...command(bases[0], facts.apiKey),
    '',
    '',
  ].join('\n')
}

/** The banner for programs, one JSON document. A key that is not new, or that stands in `keysFile`, is null. */
export function bannerJson(facts: BannerFacts): string {
  const { origin, apiKey = null, adminKey = null, keysExpireAt = null, keysFile = null, databaseUrl, dataDir } = facts
  const store = databaseUrl === undefined ? dataDir : describeUrl(databaseUrl)
  const told = { origin, scimBaseUrls: baseUrls(facts), apiKey, adminKey, keysExpireAt, keysFile, store }
  return `${JSON.stringify(told, null, 2)}\n`
}

function baseUrls({ origin, project, environment, tenant }: BannerFacts): readonly [string, string, string] {
  const base = `${origin}/scim/v2/${project}/${environment}`
  return [base, `${base}/v2`, `${base}/v2/${tenant}`]
}

function expiryRows({ keysExpireAt }: BannerFacts): readonly (readonly [string, string])[] {
  if (keysExpireAt === undefined) return []
  return [['Good until', `${keysExpireAt.toISOString().slice(0, 10)}; rotate them before (rollcall key rotate)`]]
}

function storeRows({ databaseUrl, dataDir }: BannerFacts): readonly (readonly [string, string])[] {
  if (databaseUrl !== undefined) return [['Store', `PostgreSQL, ${describeUrl(databaseUrl)}`]]
  return [
    ['Store', `embedded, ${dataDir}`],
    [
      'Durability',
      'every change is on this disk before it is answered; one process, no replica: back it up (rollcall backup)',
    ],
  ]
}

function command(base: string, apiKey: string | undefined): readonly string[] {
  const user = { schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'], userName: 'ada@example.com', active: true }
  return [
    `curl ${base}/Users \\`,
    `  -H "Authorization: Bearer ${apiKey ?? '$ROLLCALL_KEY'}" \\`,
    "  -H 'Content-Type: application/scim+json' \\",
    `  -d '${JSON.stringify(user)}'`,
  ]
}
