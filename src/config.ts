import { isIP } from 'node:net'
import { z } from 'zod'

/** The environment holds values that cannot be used; `lines` says which and what they take, one line per variable. */
export class ConfigError extends Error {
  override name = 'ConfigError'
  readonly lines: readonly string[]

  constructor(lines: readonly string[]) {
    super(lines.join('\n'))
    this.lines = lines
  }
}

const number = (what: string, min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,12}$/, what)
    .transform(Number)
    .refine((value) => value >= min && value <= max, what)

const integer = (min: number, max: number) => number(`takes a whole number from ${min} to ${max}`, min, max)

const flag = z.enum(['true', 'false'], 'takes true or false').transform((text) => text === 'true')

const secret = (min: number) => z.string().min(min, `takes at least ${min} characters, random ones`)

const postgresUrl = z
  .string()
  .refine(
    (text) => /^postgres(ql)?:$/.test(protocolOf(text)) && URL.canParse(text),
    'takes a URL such as postgres://user:password@host:5432/database',
  )

const roleName = z
  .string()
  .regex(
    /^(?!pg_|none$|public$)[a-z_][a-z0-9_]{0,62}$/,
    'takes a role of PostgreSQL in small letters, such as rollcall_tenant',
  )

const publicUrls = z
  .string()
  .transform((text) => text.split(',').map((url) => url.trim()))
  .refine(
    (urls) => urls.every(isOrigin),
    'takes the URL that clients use, such as https://scim.example.com, without path or query; more follow with commas',
  )
  .transform((urls) => [...new Set(urls.map((url) => new URL(url).origin))])

const networks = z
  .string()
  .transform((text) => text.split(',').map((network) => network.trim()))
  .refine((list) => list.every(isNetwork), 'takes networks with commas between, such as 10.0.0.0/8,127.0.0.1/32')

/** Proxies that may stand behind each other; more are a mistake. */
const MOST_HOPS = 9
const TRUST =
  "takes none, the header in which the proxy puts the client's address (such as Fly-Client-IP), the number of proxies that " +
  `append to X-Forwarded-For (1 to ${MOST_HOPS}), or their networks with commas (such as 10.0.0.0/8)`

const trustProxy = z.string().transform((text, issues) => {
  const trust = trustIn(text.trim())
  if (typeof trust !== 'string') return trust
  issues.addIssue(trust)
  return z.NEVER
})

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

const variables = z.object({
  NODE_ENV: z.string().optional(),
  HOST: z
    .string()
    .regex(/^[\w.:-]+$/, 'takes an address to listen on, such as 127.0.0.1 or 0.0.0.0')
    .default('127.0.0.1'),
  PORT: integer(0, 65_535).default(8080),
  PUBLIC_URL: publicUrls.optional(),
  TRUST_PROXY: trustProxy.optional(),
  DATA_DIR: z.string().default('./data'),
  DATABASE_URL: postgresUrl.optional(),
  DIRECT_DATABASE_URL: postgresUrl.optional(),
  DATABASE_POOL: integer(1, 500).default(10),
  DATABASE_PREPARE: flag.default(true),
  DATABASE_TENANT_ROLE: roleName.optional(),
  ADMIN_KEY: secret(20).optional(),
  CURSOR_KEY: secret(32).optional(),
  SECRETS_KEY: secret(32).optional(),
  DELIVERY_NETWORKS: networks.optional(),
  DELIVERIES_PER_HOST: integer(1, 1_000).default(64),
  DELIVERIES_PER_HOST_PER_SECOND: integer(1, 100_000).default(1_000),
  ENDPOINTS_PER_PLACE: integer(1, 10_000).default(20),
  LOG_LEVEL: z.enum(LOG_LEVELS, `takes one of ${LOG_LEVELS.join(', ')}`).default('info'),
  MAX_BODY_BYTES: integer(1_024, 104_857_600).default(10_485_760),
  BULK_MAX_OPERATIONS: integer(1, 10_000).default(1_000),
  BULK_MAX_PAYLOAD_BYTES: integer(1_024, 104_857_600).default(1_048_576),
  PAGE_SIZE_DEFAULT: integer(1, 10_000).default(100),
  PAGE_SIZE_MAX: integer(1, 10_000).default(200),
  CURSOR_TIMEOUT_SECONDS: integer(1, 86_400).default(3_600),
  ANONYMOUS_DISCOVERY: flag.default(false),
  FILTER_BUDGET: integer(10, 1_000_000).default(300),
  READ_TIMEOUT_MS: integer(100, 30_000).default(5_000),
  MAX_IN_FLIGHT: integer(1, 100_000).default(512),
  KEY_MAX_IN_FLIGHT: integer(1, 100_000).default(128),
  TENANT_MAX_IN_FLIGHT: integer(1, 100_000).default(64),
  MAX_STREAMS: integer(1, 100_000).default(4_000),
  KEY_MAX_STREAMS: integer(1, 100_000).default(2_000),
  TENANT_MAX_STREAMS: integer(1, 100_000).default(50),
})

/** What production does not leave to chance: the variable, and what is to be said where it is not set. */
const CHOSEN_IN_PRODUCTION: readonly (readonly [name: keyof typeof variables.shape, line: string])[] = [
  ['PUBLIC_URL', 'is not set; set it to the URL that clients use, such as https://scim.example.com'],
  ['SECRETS_KEY', 'is not set; make one: openssl rand -base64 32'],
  [
    'TRUST_PROXY',
    'is not set; set it to none, a header such as Fly-Client-IP, the number of proxies in front, or their networks',
  ],
]

/** How this instance runs. Sizes in bytes, times as named. */
export interface Config {
  /** Whether this is production (`NODE_ENV`), which leaves nothing to chance. */
  readonly production: boolean
  /** Address to listen on. */
  readonly host: string
  /** 0 takes any free port. */
  readonly port: number
  /** Origin that clients use, without a slash at its end; undefined to tell it from each request. */
  readonly publicUrl: string | undefined
  /** Further origins by which they come. */
  readonly otherPublicUrls: readonly string[]
  /** Whom to believe about the client's address, and about X-Forwarded-Proto and X-Forwarded-Host. */
  readonly trustProxy: z.infer<typeof trustProxy>
  /** Folder of the embedded database; unused with `databaseUrl`. */
  readonly dataDir: string
  readonly databaseUrl: string | undefined
  /** Past the pooler, for migrations. */
  readonly directDatabaseUrl: string | undefined
  readonly databasePool: number
  /** False behind a pooler in transaction mode. */
  readonly databasePrepare: boolean
  /** Role under which each tenant's statements run, bound by row-level security; undefined for none. */
  readonly databaseTenantRole: string | undefined
  /** The operator's key; undefined to use the one made at the first start. */
  readonly adminKey: string | undefined
  /** Seals paging cursors; undefined to use a key made from `secretsKey`. */
  readonly cursorKey: string | undefined
  /**
   * Seals the secrets of webhooks, the keys that sign access tokens and sessions of the console; undefined to use the key file of
   * an embedded database, or on PostgreSQL a secret kept in the database.
   */
  readonly secretsKey: string | undefined
  /** Networks that are not public, to which events may be sent and from which keys of issuers may come all the same. */
  readonly deliveryNetworks: readonly string[]
  /** What one instance sends to one receiving host, all endpoints together: requests under way, and begun in a second. */
  readonly deliveriesPerHost: { readonly atOnce: number; readonly perSecond: number }
  /** Webhooks and streams that an environment, or a tenant, may have of its own. */
  readonly endpointsPerPlace: number
  readonly logLevel: (typeof LOG_LEVELS)[number]
  readonly maxBodyBytes: number
  readonly bulkMaxOperations: number
  readonly bulkMaxPayloadBytes: number
  readonly pageSizeDefault: number
  readonly pageSizeMax: number
  readonly cursorTimeoutSeconds: number
  /** True to answer the discovery endpoints without a key (RFC 7644 §4). */
  readonly anonymousDiscovery: boolean
  /** What one query may cost; see repositories/query/filter-cost. */
  readonly filterBudget: number
  /** Time for a statement that only reads; on PostgreSQL. */
  readonly readTimeoutMs: number
  /** Requests of this instance under way at the same time: in all, of one API key, and of one tenant. */
  readonly maxInFlight: number
  readonly keyMaxInFlight: number
  readonly tenantMaxInFlight: number
  /** The same for event streams, and requests that wait for events. */
  readonly maxStreams: number
  readonly keyMaxStreams: number
  readonly tenantMaxStreams: number
}

/** The variables that `loadConfig` reads, with the default of each as it would be written; undefined where there is none. */
export const DEFAULTS: Readonly<Record<string, string | undefined>> = Object.fromEntries(
  Object.entries(variables.shape).map(([name, type]) => {
    const value = type.safeParse(undefined).data
    return [name, value === undefined ? undefined : String(value)]
  }),
)

type Environment = Readonly<Record<string, string | undefined>>

/** Whether this is production, which refuses to start carelessly. */
export const isProduction = (env: Environment): boolean => given(env).NODE_ENV === 'production'

/** One line for each variable that production needs and that is not set. */
export function leftToChance(env: Environment): string[] {
  const set = given(env)
  return CHOSEN_IN_PRODUCTION.flatMap(([name, line]) => (set[name] === undefined ? [`${name} ${line}`] : []))
}

/**
 * The configuration of a gateway that is to serve: as `loadConfig`, and in production nothing is left to chance.
 *
 * @throws {ConfigError} naming every variable that is wrong, or that is missing in production
 */
export function loadServingConfig(env: Environment): Config {
  const config = loadConfig(env)
  const missing = isProduction(env) ? leftToChance(env) : []
  if (missing.length > 0) throw new ConfigError(missing)
  return config
}

/** What is set; an empty variable is not. */
const given = (env: Environment) =>
  Object.fromEntries(
    Object.keys(variables.shape).map((name) => [name, env[name]?.trim() === '' ? undefined : env[name]]),
  )

/**
 * Reads the configuration from environment variables; an empty one counts as not set, unknown ones are ignored.
 *
 * @throws {ConfigError} naming every variable that is wrong, without its value
 */
export function loadConfig(env: Environment): Config {
  const parsed = variables.safeParse(given(env))
  const wrong = new Map<string, string>()
  for (const issue of parsed.error?.issues ?? []) {
    const name = String(issue.path[0])
    if (!wrong.has(name)) wrong.set(name, issue.message)
  }
  const values = parsed.data
  if (values !== undefined) {
    if (values.PAGE_SIZE_DEFAULT > values.PAGE_SIZE_MAX) {
      wrong.set('PAGE_SIZE_DEFAULT', `takes a number up to PAGE_SIZE_MAX, which is ${values.PAGE_SIZE_MAX}`)
    }
    if (values.DATABASE_TENANT_ROLE !== undefined && values.DATABASE_URL === undefined) {
      wrong.set('DATABASE_TENANT_ROLE', 'takes DATABASE_URL beside it: the embedded database has one user')
    }
    if (values.BULK_MAX_PAYLOAD_BYTES > values.MAX_BODY_BYTES) {
      wrong.set('BULK_MAX_PAYLOAD_BYTES', `takes a number up to MAX_BODY_BYTES, which is ${values.MAX_BODY_BYTES}`)
    }
  }
  if (values === undefined || wrong.size > 0) {
    throw new ConfigError([...wrong].map(([name, message]) => `${name} ${message}`))
  }
  return {
    production: isProduction(env),
    host: values.HOST,
    port: values.PORT,
    publicUrl: values.PUBLIC_URL?.[0],
    otherPublicUrls: values.PUBLIC_URL?.slice(1) ?? [],
    trustProxy: values.TRUST_PROXY ?? { kind: 'none' },
    dataDir: values.DATA_DIR,
    databaseUrl: values.DATABASE_URL,
    directDatabaseUrl: values.DIRECT_DATABASE_URL,
    databasePool: values.DATABASE_POOL,
    databasePrepare: values.DATABASE_PREPARE,
    databaseTenantRole: values.DATABASE_TENANT_ROLE,
    adminKey: values.ADMIN_KEY,
    cursorKey: values.CURSOR_KEY,
    secretsKey: values.SECRETS_KEY,
    deliveryNetworks: values.DELIVERY_NETWORKS ?? [],
    deliveriesPerHost: { atOnce: values.DELIVERIES_PER_HOST, perSecond: values.DELIVERIES_PER_HOST_PER_SECOND },
    endpointsPerPlace: values.ENDPOINTS_PER_PLACE,
    logLevel: values.LOG_LEVEL,
    maxBodyBytes: values.MAX_BODY_BYTES,
    bulkMaxOperations: values.BULK_MAX_OPERATIONS,
    bulkMaxPayloadBytes: values.BULK_MAX_PAYLOAD_BYTES,
    pageSizeDefault: values.PAGE_SIZE_DEFAULT,
    pageSizeMax: values.PAGE_SIZE_MAX,
    cursorTimeoutSeconds: values.CURSOR_TIMEOUT_SECONDS,
    anonymousDiscovery: values.ANONYMOUS_DISCOVERY,
    filterBudget: values.FILTER_BUDGET,
    readTimeoutMs: values.READ_TIMEOUT_MS,
    maxInFlight: values.MAX_IN_FLIGHT,
    keyMaxInFlight: values.KEY_MAX_IN_FLIGHT,
    tenantMaxInFlight: values.TENANT_MAX_IN_FLIGHT,
    maxStreams: values.MAX_STREAMS,
    keyMaxStreams: values.KEY_MAX_STREAMS,
    tenantMaxStreams: values.TENANT_MAX_STREAMS,
  }
}

/** Whom a value of TRUST_PROXY names; or what is wrong with it. */
function trustIn(text: string) {
  if (text === 'none' || text === 'false') return { kind: 'none' } as const
  if (text === 'true') return `${TRUST}; write 1 where it was true behind one proxy`
  if (/^\d+$/.test(text)) {
    const count = Number(text)
    return count >= 1 && count <= MOST_HOPS ? ({ kind: 'hops', count } as const) : TRUST
  }
  const networks = text.split(',').map((network) => network.trim())
  if (networks.every(isNetwork)) return { kind: 'networks', networks } as const
  const name = text.toLowerCase()
  if (name === 'x-forwarded-for') return `${TRUST}; for X-Forwarded-For write the number or the networks`
  // All names in use have a hyphen, and words that mean something else have none.
  return /^[a-z0-9]+(?:-[a-z0-9]+)+$/.test(name) ? ({ kind: 'header', name } as const) : TRUST
}

function isNetwork(text: string): boolean {
  const [address = '', prefix = ''] = text.split('/')
  const bits = { 4: 32, 6: 128 }[isIP(address)]
  return bits !== undefined && !address.includes('%') && /^\d{1,3}$/.test(prefix) && Number(prefix) <= bits
}

function protocolOf(text: string): string {
  return text.slice(0, text.indexOf(':') + 1).toLowerCase()
}

function isOrigin(text: string): boolean {
  if (!URL.canParse(text)) return false
  const url = new URL(text)
  const plain =
    url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '' && url.password === ''
  return plain && (url.protocol === 'https:' || url.protocol === 'http:') && !/[?#]$/.test(text)
}
