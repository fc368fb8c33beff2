import { hostname } from 'node:os'
import type { z } from 'zod'
import { connectionOf } from './config/connection.ts'
import { consoleSignIn } from './config/console-sign-in.ts'
import { type Setting, settingsInForce } from './config/in-force.ts'
import { bytesForRequests } from './config/memory.ts'
import { type TraceSettings, traceSettings } from './config/traces.ts'
import { type Environment, given, type LOG_LEVELS, type TrustProxy, variables } from './config/variables.ts'
import type { ConsoleSignIn } from './tenancy/console-sign-in.ts'

/** Some variables have values that cannot be used. `lines` has one line for each of them: its name and what it takes. */
export class ConfigError extends Error {
  override name = 'ConfigError'
  readonly lines: readonly string[]

  constructor(lines: readonly string[]) {
    super(lines.join('\n'))
    this.lines = lines
  }
}

/** How this instance runs. Sizes in bytes, times as named. */
export interface Config {
  /** Whether this is production (`NODE_ENV`): it has no defaults for what an operator has to decide. */
  readonly production: boolean
  /** Address to listen on. */
  readonly host: string
  /** 0 takes any free port. */
  readonly port: number
  /** Origin that clients use, without a slash at its end; undefined to take it from each request. */
  readonly publicUrl: string | undefined
  /** Further origins that clients use. */
  readonly otherPublicUrls: readonly string[]
  /** The proxies whose word counts for the client's address, X-Forwarded-Proto and X-Forwarded-Host. */
  readonly trustProxy: TrustProxy
  /** From the signal to stop until the gateway takes no more connections; until then load balancers notice `/readyz`. */
  readonly drainDelayMs: number
  /** Folder of the embedded database; unused with `databaseUrl`. */
  readonly dataDir: string
  readonly databaseUrl: string | undefined
  /** The database without a pooler in between, for migrations. */
  readonly directDatabaseUrl: string | undefined
  readonly databasePool: number
  /** Whether statements have names; undefined to find out whether what is between allows it. */
  readonly databasePrepare: boolean | undefined
  /** Role under which each tenant's statements run, with row-level security; undefined for none. */
  readonly databaseTenantRole: string | undefined
  /** Standbys that may answer what reads many rows. */
  readonly databaseReplicaUrls: readonly string[]
  /** The operator's key; undefined to use the one made at the first start. */
  readonly adminKey: string | undefined
  /** Seals paging cursors; undefined to use a key made from `secretsKey`. */
  readonly cursorKey: string | undefined
  /**
   * Seals the secrets of webhooks, the keys that sign access tokens, and sessions of the console. Undefined to use the key file
   * of an embedded database, or on PostgreSQL a secret that is kept in the database.
   */
  readonly secretsKey: string | undefined
  /** Networks that are not public and are allowed all the same, for sending events and for fetching keys of issuers. */
  readonly deliveryNetworks: readonly string[]
  /** Most requests of one instance to one receiving host, all endpoints together: at the same time, and begun in a second. */
  readonly deliveriesPerHost: { readonly atOnce: number; readonly perSecond: number }
  /** Most webhooks and streams of an environment, and of each tenant. */
  readonly endpointsPerPlace: number
  /** What signs the tokens of new streams, unless they say it themselves. */
  readonly streamAlgorithm: 'RS256' | 'ES256'
  /** DNS servers that are asked whether a domain is a tenant's own; none for those of the machine. */
  readonly dnsServers: readonly string[]
  /** By which issuer people sign in to the console; undefined where they have API keys alone. */
  readonly consoleSignIn: ConsoleSignIn | undefined
  /** For how many days entries of the audit trail are kept; undefined to keep all. */
  readonly auditRetentionDays: number | undefined
  /** The feed of an environment that nobody has read for so long is closed. */
  readonly feedIdleDays: number
  readonly logLevel: (typeof LOG_LEVELS)[number]
  /** How log lines and traces name this instance. */
  readonly instance: string
  /** Where traces go; undefined where none are to be made. */
  readonly traces: TraceSettings | undefined
  /** Opens `/metrics` for those who send it; undefined for nobody. */
  readonly metricsKey: string | undefined
  /** A port with `/metrics` alone, without a key; 0 takes any free one, undefined none. */
  readonly metricsPort: number | undefined
  readonly maxBodyBytes: number
  readonly bulkMaxOperations: number
  readonly bulkMaxPayloadBytes: number
  readonly pageSizeDefault: number
  readonly pageSizeMax: number
  readonly cursorTimeoutSeconds: number
  /** True to answer the discovery endpoints without a key (RFC 7644 §4). */
  readonly anonymousDiscovery: boolean
  /** The most that one query may cost; see repositories/query/filter-cost. */
  readonly filterBudget: number
  /** Time limit of a statement that only reads, with its waiting. */
  readonly readTimeoutMs: number
  /** Time limit of all statements of a request together, with their waiting; of a bulk request or an import. */
  readonly requestTimeoutMs: number
  readonly bulkTimeoutMs: number
  /** Most connections of one tenant while others have work; undefined for half of them. */
  readonly tenantConnections: number | undefined
  /** Requests of this instance under way at the same time: in all, of one API key, and of one tenant. */
  readonly maxInFlight: number
  readonly keyMaxInFlight: number
  readonly tenantMaxInFlight: number
  /** The same for event streams, and requests that wait for events. */
  readonly maxStreams: number
  readonly keyMaxStreams: number
  readonly tenantMaxStreams: number
  /** Bytes that bodies and answers under way hold on this instance. */
  readonly maxBytesInFlight: number
  /** A client that takes nothing of its answer for so long loses its connection. */
  readonly sendTimeoutMs: number
  /** Every variable with its value, for operators, without what is secret. */
  readonly settings: readonly Setting[]
}

const DATABASE_POOL = 10

/** Where nobody but this machine reaches the gateway, and every address of the machine. */
const [THIS_MACHINE, ALL_ADDRESSES] = ['127.0.0.1', '::']

/** What is in force for variables that are not set, but for constants. */
function derivedFrom(env: Environment, values: z.infer<typeof variables>) {
  const production = isProduction(env)
  // A host that gives the port sends its requests from other machines, and production has what keeps strangers out.
  const isHosted = production && given(env).PORT !== undefined && values.PORT !== 0
  const limit = values.DATABASE_URL === undefined ? undefined : connectionOf(values.DATABASE_URL).limit
  const isEmbedded = values.DATABASE_URL === undefined
  const keyFile = isEmbedded ? ({ value: '', source: 'file' } as const) : undefined
  const cursors =
    isEmbedded || values.SECRETS_KEY !== undefined ? ({ value: '', source: 'derived' } as const) : undefined
  return {
    HOST: { value: isHosted ? ALL_ADDRESSES : THIS_MACHINE, source: isHosted ? 'derived' : 'default' },
    DRAIN_DELAY_MS: {
      value: production ? DRAIN_DELAY_IN_PRODUCTION_MS : 0,
      source: production ? 'derived' : 'default',
    },
    DATABASE_POOL: { value: limit ?? DATABASE_POOL, source: limit === undefined ? 'default' : 'derived' },
    MAX_BYTES_IN_FLIGHT: { value: bytesForRequests(), source: 'derived' },
    ...(keyFile !== undefined && { SECRETS_KEY: keyFile }),
    ...(cursors !== undefined && { CURSOR_KEY: cursors }),
  } as const
}

/** The variables that `loadConfig` reads, with the default of each as it would be written; undefined where there is none. */
export const DEFAULTS: Readonly<Record<string, string | undefined>> = Object.fromEntries(
  Object.entries(variables.shape).map(([name, type]) => {
    const value = type.safeParse(undefined).data
    return [name, value === undefined ? undefined : String(value)]
  }),
)

/** Load balancers ask every two seconds by default, and believe the third answer. */
const DRAIN_DELAY_IN_PRODUCTION_MS = 10_000

/** Whether this is production, which needs more variables; see config/production. */
export const isProduction = (env: Environment): boolean => given(env).NODE_ENV === 'production'

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
  const signingIn = values === undefined ? undefined : consoleSignIn(values)
  if (values !== undefined) {
    if (signingIn !== undefined && 'wrong' in signingIn)
      for (const [name, message] of signingIn.wrong) wrong.set(name, message)
    if (values.PAGE_SIZE_DEFAULT > values.PAGE_SIZE_MAX) {
      wrong.set('PAGE_SIZE_DEFAULT', `takes a number up to PAGE_SIZE_MAX, which is ${values.PAGE_SIZE_MAX}`)
    }
    if (values.DATABASE_TENANT_ROLE !== undefined && values.DATABASE_URL === undefined) {
      wrong.set('DATABASE_TENANT_ROLE', 'takes DATABASE_URL beside it: the embedded database has one user')
    }
    if (values.DATABASE_REPLICA_URLS !== undefined && values.DATABASE_URL === undefined) {
      wrong.set('DATABASE_REPLICA_URLS', 'takes DATABASE_URL beside it: the embedded database has no replicas')
    }
    if (values.METRICS_PORT !== undefined && values.METRICS_PORT !== 0 && values.METRICS_PORT === values.PORT) {
      wrong.set('METRICS_PORT', 'takes another port than PORT')
    }
    if (values.BULK_MAX_PAYLOAD_BYTES > values.MAX_BODY_BYTES) {
      wrong.set('BULK_MAX_PAYLOAD_BYTES', `takes a number up to MAX_BODY_BYTES, which is ${values.MAX_BODY_BYTES}`)
    }
  }
  if (values === undefined || wrong.size > 0) {
    throw new ConfigError([...wrong].map(([name, message]) => `${name} ${message}`))
  }
  const derived = derivedFrom(env, values)
  return {
    production: isProduction(env),
    host: values.HOST ?? derived.HOST.value,
    port: values.PORT,
    publicUrl: values.PUBLIC_URL?.[0],
    otherPublicUrls: values.PUBLIC_URL?.slice(1) ?? [],
    trustProxy: values.TRUST_PROXY ?? { kind: 'none' },
    drainDelayMs: values.DRAIN_DELAY_MS ?? derived.DRAIN_DELAY_MS.value,
    dataDir: values.DATA_DIR,
    databaseUrl: values.DATABASE_URL,
    directDatabaseUrl: values.DIRECT_DATABASE_URL,
    databasePool: values.DATABASE_POOL ?? derived.DATABASE_POOL.value,
    databasePrepare: values.DATABASE_PREPARE,
    databaseTenantRole: values.DATABASE_TENANT_ROLE,
    databaseReplicaUrls: values.DATABASE_REPLICA_URLS ?? [],
    adminKey: values.ADMIN_KEY,
    cursorKey: values.CURSOR_KEY,
    secretsKey: values.SECRETS_KEY,
    deliveryNetworks: values.DELIVERY_NETWORKS ?? [],
    deliveriesPerHost: { atOnce: values.DELIVERIES_PER_HOST, perSecond: values.DELIVERIES_PER_HOST_PER_SECOND },
    endpointsPerPlace: values.ENDPOINTS_PER_PLACE,
    streamAlgorithm: values.STREAM_ALGORITHM,
    dnsServers: values.DNS_SERVERS ?? [],
    consoleSignIn: signingIn !== undefined && 'signIn' in signingIn ? signingIn.signIn : undefined,
    auditRetentionDays: values.AUDIT_RETENTION_DAYS,
    feedIdleDays: values.FEED_IDLE_DAYS,
    logLevel: values.LOG_LEVEL,
    instance: values.INSTANCE_NAME ?? hostname(),
    traces: traceSettings(values),
    metricsKey: values.METRICS_KEY,
    metricsPort: values.METRICS_PORT,
    maxBodyBytes: values.MAX_BODY_BYTES,
    bulkMaxOperations: values.BULK_MAX_OPERATIONS,
    bulkMaxPayloadBytes: values.BULK_MAX_PAYLOAD_BYTES,
    pageSizeDefault: values.PAGE_SIZE_DEFAULT,
    pageSizeMax: values.PAGE_SIZE_MAX,
    cursorTimeoutSeconds: values.CURSOR_TIMEOUT_SECONDS,
    anonymousDiscovery: values.ANONYMOUS_DISCOVERY,
    filterBudget: values.FILTER_BUDGET,
    readTimeoutMs: values.READ_TIMEOUT_MS,
    requestTimeoutMs: values.REQUEST_TIMEOUT_MS,
    bulkTimeoutMs: values.BULK_TIMEOUT_MS,
    tenantConnections: values.TENANT_CONNECTIONS,
    maxInFlight: values.MAX_IN_FLIGHT,
    keyMaxInFlight: values.KEY_MAX_IN_FLIGHT,
    tenantMaxInFlight: values.TENANT_MAX_IN_FLIGHT,
    maxBytesInFlight: values.MAX_BYTES_IN_FLIGHT ?? derived.MAX_BYTES_IN_FLIGHT.value,
    sendTimeoutMs: values.SEND_TIMEOUT_SECONDS * 1_000,
    maxStreams: values.MAX_STREAMS,
    keyMaxStreams: values.KEY_MAX_STREAMS,
    tenantMaxStreams: values.TENANT_MAX_STREAMS,
    settings: settingsInForce(given(env), derived),
  }
}
