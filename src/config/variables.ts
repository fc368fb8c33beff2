import { isIP } from 'node:net'
import { z } from 'zod'
import { connectionOf, urlsIn } from './connection.ts'
import { ConnectionMistake } from './connection-string.ts'

// ---- What the variables take

const number = (what: string, min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,12}$/, what)
    .transform(Number)
    .refine((value) => value >= min && value <= max, what)

const integer = (min: number, max: number) => number(`takes a whole number from ${min} to ${max}`, min, max)

const flag = z.enum(['true', 'false'], 'takes true or false').transform((text) => text === 'true')

/** What is secret is never shown; of a URL, or of each URL in a list, what in it is secret. */
type Kind = 'secret' | 'url' | 'urls'
const kinds = z.registry<{ kind: Kind }>()

/** What kind of value a variable takes; undefined for what everybody may read. */
export function kindOf(type: z.ZodType): Kind | undefined {
  const inner = type instanceof z.ZodOptional || type instanceof z.ZodDefault ? type.unwrap() : type
  return kinds.get(inner as z.ZodType)?.kind
}

const secret = (min: number) =>
  z.string().min(min, `takes at least ${min} characters, random ones`).register(kinds, { kind: 'secret' })

const postgresUrl = z
  .string()
  .superRefine((url, issues) => {
    const mistake = mistakeIn(url)
    if (mistake !== undefined) issues.addIssue(mistake)
  })
  .register(kinds, { kind: 'url' })

/** The most replicas of one server. */
const MOST_REPLICAS = 8

const replicaUrls = z
  .string()
  .transform((text, issues) => {
    const urls = [...new Set(urlsIn(text))]
    for (const [i, url] of urls.entries()) {
      const mistake = mistakeIn(url)
      if (mistake !== undefined) issues.addIssue(urls.length === 1 ? mistake : `${mistake} (URL ${i + 1})`)
    }
    if (urls.length > MOST_REPLICAS) issues.addIssue(`takes up to ${MOST_REPLICAS} URLs`)
    return urls
  })
  .register(kinds, { kind: 'urls' })

const httpUrl = z
  .string()
  .refine(
    (text) => /^https?:/i.test(text) && URL.canParse(text),
    'takes a URL such as http://localhost:4318 or https://otlp.example.com',
  )
  .register(kinds, { kind: 'url' })

const otlpProtocol = z.enum(
  ['http/protobuf', 'http/json'],
  'takes http/protobuf or http/json; OTLP over gRPC is not offered',
)

/** `name=value` with commas between, as OpenTelemetry's variables have it. */
const PAIRS = /^\s*[^=,\s]+\s*=[^,]*(,\s*[^=,\s]+\s*=[^,]*)*$/
const AS_PAIRS = 'takes name=value with commas between'

const TRACE_SAMPLERS = [
  ...(['always_on', 'always_off', 'traceidratio'] as const),
  ...(['parentbased_always_on', 'parentbased_always_off', 'parentbased_traceidratio'] as const),
] as const

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

/** The most proxies one behind the other; a larger number is a mistake. */
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

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

// ---- The variables

/** Every variable that Rollcall reads, with what it takes and its default. */
/** IP addresses of DNS servers with commas, each perhaps with a port. */
const dnsServers = z
  .string()
  .regex(
    /^(?:(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:]+\])(?::\d{1,5})?(?:,(?!$)|$))+$/,
    'takes IP addresses of DNS servers with commas, such as 10.0.0.53,[2001:db8::53]:5353',
  )
  .transform((text) => text.split(','))

export const variables = z.object({
  NODE_ENV: z.string().optional(),
  HOST: z
    .string()
    .regex(/^[\w.:-]+$/, 'takes an address to listen on, such as 127.0.0.1 or 0.0.0.0')
    .optional(),
  PORT: integer(0, 65_535).default(8080),
  PUBLIC_URL: publicUrls.optional(),
  TRUST_PROXY: trustProxy.optional(),
  DRAIN_DELAY_MS: integer(0, 20_000).optional(),
  DATA_DIR: z.string().default('./data'),
  DATABASE_URL: postgresUrl.optional(),
  DIRECT_DATABASE_URL: postgresUrl.optional(),
  DATABASE_POOL: integer(1, 500).optional(),
  DATABASE_PREPARE: flag.optional(),
  DATABASE_TENANT_ROLE: roleName.optional(),
  DATABASE_REPLICA_URLS: replicaUrls.optional(),
  ADMIN_KEY: secret(20).optional(),
  CURSOR_KEY: secret(32).optional(),
  SECRETS_KEY: secret(32).optional(),
  DELIVERY_NETWORKS: networks.optional(),
  DELIVERIES_PER_HOST: integer(1, 1_000).default(64),
  DELIVERIES_PER_HOST_PER_SECOND: integer(1, 100_000).default(1_000),
  ENDPOINTS_PER_PLACE: integer(1, 10_000).default(20),
  STREAM_ALGORITHM: z.enum(['RS256', 'ES256']).default('RS256'),
  DNS_SERVERS: dnsServers.optional(),
  CONSOLE_OIDC_ISSUER: z
    .string()
    .regex(/^https?:\/\/[^\s?#]+$/, "takes the issuer's URL, such as https://id.example.com, without a query")
    .refine((text) => URL.canParse(text), 'takes a URL')
    .optional(),
  CONSOLE_OIDC_CLIENT_ID: z.string().max(500).optional(),
  CONSOLE_OIDC_CLIENT_SECRET: z.string().register(kinds, { kind: 'secret' }).optional(),
  CONSOLE_OIDC_SCOPES: z
    .string()
    .regex(/^(?:\S+ )*openid(?: \S+)*$/, 'takes scopes with spaces between, openid among them')
    .default('openid profile email'),
  CONSOLE_OIDC_CLAIM: z
    .string()
    .regex(/^\S{1,200}$/, 'takes the name of a claim, such as groups')
    .default('groups'),
  CONSOLE_OIDC_ACCESS: z.string().optional(),
  // The database refuses to delete younger entries.
  AUDIT_RETENTION_DAYS: integer(30, 36_500).optional(),
  FEED_IDLE_DAYS: integer(1, 3_650).default(90),
  LOG_LEVEL: z.enum(LOG_LEVELS, `takes one of ${LOG_LEVELS.join(', ')}`).default('info'),
  INSTANCE_NAME: z
    .string()
    .regex(/^[\w.:-]{1,128}$/, 'takes up to 128 letters, digits and _ . : -')
    .optional(),
  METRICS_KEY: secret(20).optional(),
  METRICS_PORT: integer(0, 65_535).optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: httpUrl.optional(),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: httpUrl.optional(),
  OTEL_EXPORTER_OTLP_PROTOCOL: otlpProtocol.default('http/protobuf'),
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: otlpProtocol.optional(),
  OTEL_EXPORTER_OTLP_HEADERS: z.string().regex(PAIRS, AS_PAIRS).register(kinds, { kind: 'secret' }).optional(),
  OTEL_SERVICE_NAME: z.string().optional(),
  OTEL_RESOURCE_ATTRIBUTES: z.string().regex(PAIRS, AS_PAIRS).optional(),
  OTEL_TRACES_SAMPLER: z
    .enum(TRACE_SAMPLERS, `takes one of ${TRACE_SAMPLERS.join(', ')}`)
    .default('parentbased_always_on'),
  OTEL_TRACES_SAMPLER_ARG: z
    .string()
    .regex(/^(?:0?\.\d{1,12}|0|1(?:\.0{1,12})?)$/, 'takes a number from 0 to 1')
    .transform(Number)
    .default(1),
  OTEL_SDK_DISABLED: flag.default(false),
  MAX_BODY_BYTES: integer(1_024, 104_857_600).default(10_485_760),
  BULK_MAX_OPERATIONS: integer(1, 10_000).default(1_000),
  BULK_MAX_PAYLOAD_BYTES: integer(1_024, 104_857_600).default(1_048_576),
  PAGE_SIZE_DEFAULT: integer(1, 10_000).default(100),
  PAGE_SIZE_MAX: integer(1, 10_000).default(200),
  CURSOR_TIMEOUT_SECONDS: integer(1, 86_400).default(3_600),
  ANONYMOUS_DISCOVERY: flag.default(false),
  FILTER_BUDGET: integer(10, 1_000_000).default(300),
  READ_TIMEOUT_MS: integer(100, 30_000).default(5_000),
  REQUEST_TIMEOUT_MS: integer(100, 60_000).default(8_000),
  BULK_TIMEOUT_MS: integer(1_000, 300_000).default(30_000),
  TENANT_CONNECTIONS: integer(1, 500).optional(),
  MAX_IN_FLIGHT: integer(1, 100_000).default(512),
  KEY_MAX_IN_FLIGHT: integer(1, 100_000).default(128),
  TENANT_MAX_IN_FLIGHT: integer(1, 100_000).default(64),
  MAX_BYTES_IN_FLIGHT: integer(16_777_216, 999_999_999_999).optional(),
  SEND_TIMEOUT_SECONDS: integer(1, 3_600).default(30),
  MAX_STREAMS: integer(1, 100_000).default(4_000),
  KEY_MAX_STREAMS: integer(1, 100_000).default(2_000),
  TENANT_MAX_STREAMS: integer(1, 100_000).default(50),
})

/** What `TRUST_PROXY` was set to. */
export type TrustProxy = z.infer<typeof trustProxy>

/** The variables as they were read. */
export type Values = z.infer<typeof variables>

/** Variables as the process has them. */
export type Environment = Readonly<Record<string, string | undefined>>

/** The variables that are set. An empty variable counts as not set, and unknown ones are left out. */
export const given = (env: Environment) =>
  Object.fromEntries(
    Object.keys(variables.shape).map((name) => [name, env[name]?.trim() === '' ? undefined : env[name]]),
  )

/** What is wrong with a URL of PostgreSQL, without what may be secret; undefined where nothing is. */
function mistakeIn(url: string): string | undefined {
  try {
    connectionOf(url)
    return undefined
  } catch (error) {
    if (!(error instanceof ConnectionMistake)) throw error
    return error.message
  }
}

/** Which proxies a value of TRUST_PROXY names; a text where something is wrong with the value. */
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

function isOrigin(text: string): boolean {
  if (!URL.canParse(text)) return false
  const url = new URL(text)
  const plain =
    url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '' && url.password === ''
  return plain && (url.protocol === 'https:' || url.protocol === 'http:') && !/[?#]$/.test(text)
}
