import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { describe, expect, test } from 'vitest'
import { bytesForRequests } from '../src/config/memory.ts'
import { loadServingConfig } from '../src/config/production.ts'
import { ConfigError, DEFAULTS, loadConfig } from '../src/config.ts'

function linesFor(env: Record<string, string>, load = loadConfig): readonly string[] {
  try {
    load(env)
  } catch (error) {
    if (error instanceof ConfigError) return error.lines
    throw error
  }
  return []
}

test('a stop waits for load balancers in production, and where it is told to', () => {
  expect(loadConfig({ NODE_ENV: 'production' }).drainDelayMs).toBe(10_000)
  expect(loadConfig({ NODE_ENV: 'production', DRAIN_DELAY_MS: '0' }).drainDelayMs).toBe(0)
})

test('nothing set gives the embedded database, on this machine alone', () => {
  expect(loadConfig({})).toEqual({
    production: false,
    host: '127.0.0.1',
    port: 8080,
    publicUrl: undefined,
    otherPublicUrls: [],
    trustProxy: { kind: 'none' },
    drainDelayMs: 0,
    dataDir: './data',
    databaseUrl: undefined,
    directDatabaseUrl: undefined,
    databasePool: 10,
    databasePrepare: undefined,
    databaseTenantRole: undefined,
    databaseReplicaUrls: [],
    adminKey: undefined,
    cursorKey: undefined,
    secretsKey: undefined,
    deliveryNetworks: [],
    deliveriesPerHost: { atOnce: 64, perSecond: 1_000 },
    endpointsPerPlace: 20,
    streamAlgorithm: 'RS256',
    dnsServers: [],
    consoleSignIn: undefined,
    auditRetentionDays: undefined,
    feedIdleDays: 90,
    logLevel: 'info',
    instance: hostname(),
    traces: undefined,
    metricsKey: undefined,
    metricsPort: undefined,
    maxBodyBytes: 10_485_760,
    bulkMaxOperations: 1_000,
    bulkMaxPayloadBytes: 1_048_576,
    pageSizeDefault: 100,
    pageSizeMax: 200,
    cursorTimeoutSeconds: 3_600,
    anonymousDiscovery: false,
    filterBudget: 300,
    readTimeoutMs: 5_000,
    requestTimeoutMs: 8_000,
    bulkTimeoutMs: 30_000,
    tenantConnections: undefined,
    maxInFlight: 512,
    keyMaxInFlight: 128,
    tenantMaxInFlight: 64,
    maxStreams: 4_000,
    keyMaxStreams: 2_000,
    tenantMaxStreams: 50,
    maxBytesInFlight: bytesForRequests(),
    sendTimeoutMs: 30_000,
    settings: expect.any(Array),
  })
})

test('traces are on with an address for them, or with one for all signals, unless they are disabled', () => {
  const all = { OTEL_EXPORTER_OTLP_ENDPOINT: 'https://otlp.example.com/team/' }
  expect(loadConfig(all).traces).toEqual({
    ...{ url: 'https://otlp.example.com/team/v1/traces', protocol: 'http/protobuf', headers: undefined },
    ...{ serviceName: undefined, resourceAttributes: undefined, sampler: 'parentbased_always_on', ratio: 1 },
  })
  const own = { ...all, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://traces:4318/x', OTEL_TRACES_SAMPLER_ARG: '.25' }
  expect(loadConfig(own).traces).toMatchObject({ url: 'http://traces:4318/x', ratio: 0.25 })
  const json = { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf', OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json' }
  expect(loadConfig({ ...all, ...json }).traces?.protocol).toBe('http/json')
  expect(loadConfig({ ...all, OTEL_SDK_DISABLED: 'true' }).traces).toBeUndefined()
  expect(loadConfig({ INSTANCE_NAME: 'gateway-7' }).instance).toBe('gateway-7')
})

test.each([
  ['OTEL_EXPORTER_OTLP_ENDPOINT', 'localhost:4318'],
  ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc'],
  ['OTEL_EXPORTER_OTLP_HEADERS', 'no pair'],
  ['OTEL_RESOURCE_ATTRIBUTES', 'a=b,,'],
  ['OTEL_TRACES_SAMPLER', 'jaeger_remote'],
  ['OTEL_TRACES_SAMPLER_ARG', '1.5'],
  ['INSTANCE_NAME', 'two words'],
])('%s does not take "%s"', (name, value) => {
  expect(linesFor({ [name]: value })).toEqual([expect.stringMatching(new RegExp(`^${name} takes `))])
})

test('an empty variable counts as not set, an unknown one is ignored', () => {
  expect(loadConfig({ PORT: '', DATABASE_URL: ' ', ADMIN_KEY: '', PATH: '/bin', DATA_DIRECTORY: 'x' })).toEqual(
    loadConfig({}),
  )
})

test('a port that a host gives in production is one for other machines, unless HOST says otherwise', () => {
  const hosted = { NODE_ENV: 'production', PORT: '3000' }
  expect(loadConfig(hosted).host).toBe('::')
  expect(loadConfig({ ...hosted, HOST: '127.0.0.1' }).host).toBe('127.0.0.1')
  expect(loadConfig({ ...hosted, PORT: '0' }).host).toBe('127.0.0.1')
  expect(loadConfig({ NODE_ENV: 'production' }).host).toBe('127.0.0.1')
  expect(loadConfig({ PORT: '3000' }).host).toBe('127.0.0.1')
})

test('the public URL loses its slash and keeps its port', () => {
  expect(loadConfig({ PUBLIC_URL: 'https://scim.example.com:8443/' }).publicUrl).toBe('https://scim.example.com:8443')
})

test('several public URLs are the one for all that come by none of them, and the others', () => {
  expect(loadConfig({ PUBLIC_URL: 'https://a.example, https://b.example:8443/,https://a.example' })).toMatchObject({
    publicUrl: 'https://a.example',
    otherPublicUrls: ['https://b.example:8443'],
  })
})

test.each([
  ['none', { kind: 'none' }],
  ['false', { kind: 'none' }],
  ['Fly-Client-IP', { kind: 'header', name: 'fly-client-ip' }],
  ['X-Real-IP', { kind: 'header', name: 'x-real-ip' }],
  ['1', { kind: 'hops', count: 1 }],
  ['2', { kind: 'hops', count: 2 }],
  ['10.0.0.0/8', { kind: 'networks', networks: ['10.0.0.0/8'] }],
  ['10.0.0.0/8, fd00::/8', { kind: 'networks', networks: ['10.0.0.0/8', 'fd00::/8'] }],
])('TRUST_PROXY=%s says whom to believe', (text, trust) =>
  expect(loadConfig({ TRUST_PROXY: text }).trustProxy).toEqual(trust),
)

test('TRUST_PROXY=true, which believed whatever stood last, is refused with what to write in its place', () => {
  expect(linesFor({ TRUST_PROXY: 'true' })).toEqual([expect.stringMatching(/^TRUST_PROXY takes none, .* write 1 /)])
  expect(linesFor({ TRUST_PROXY: 'X-Forwarded-For' })).toEqual([expect.stringMatching(/ number or the networks$/)])
})

const NO_TRUST =
  "TRUST_PROXY takes none, the header in which the proxy puts the client's address (such as Fly-Client-IP), the number of " +
  'proxies that append to X-Forwarded-For (1 to 9), or their networks with commas (such as 10.0.0.0/8)'

test.each([
  [
    'DELIVERY_NETWORKS',
    '10.0.0.0/33',
    'DELIVERY_NETWORKS takes networks with commas between, such as 10.0.0.0/8,127.0.0.1/32',
  ],
  [
    'DELIVERY_NETWORKS',
    '10.0.0.0/8,home',
    'DELIVERY_NETWORKS takes networks with commas between, such as 10.0.0.0/8,127.0.0.1/32',
  ],
  ['PORT', 'eighty', 'PORT takes a whole number from 0 to 65535'],
  ['PORT', '70000', 'PORT takes a whole number from 0 to 65535'],
  ['PORT', '-1', 'PORT takes a whole number from 0 to 65535'],
  ['PORT', '1e3', 'PORT takes a whole number from 0 to 65535'],
  ['HOST', 'http://x', 'HOST takes an address to listen on, such as 127.0.0.1 or 0.0.0.0'],
  ['TRUST_PROXY', 'yes', NO_TRUST],
  ['TRUST_PROXY', '0', NO_TRUST],
  ['TRUST_PROXY', '10', NO_TRUST],
  ['TRUST_PROXY', '10.0.0.1', NO_TRUST],
  ['TRUST_PROXY', 'fe80::%eth0/10', NO_TRUST],
  ['TRUST_PROXY', 'a-b, c-d', NO_TRUST],
  [
    'DATABASE_URL',
    'mysql://localhost/x',
    'DATABASE_URL takes a URL such as postgres://user:password@host:5432/database',
  ],
  [
    'DATABASE_URL',
    'postgres:// :x',
    'DATABASE_URL takes a URL such as postgres://user:password@host:5432/database; write special characters of a ' +
      'password as %XX, such as %2F for a slash',
  ],
  [
    'DATABASE_TENANT_ROLE',
    'Tenants; drop',
    'DATABASE_TENANT_ROLE takes a role of PostgreSQL in small letters, such as rollcall_tenant',
  ],
  [
    'DATABASE_TENANT_ROLE',
    'none',
    'DATABASE_TENANT_ROLE takes a role of PostgreSQL in small letters, such as rollcall_tenant',
  ],
  [
    'DATABASE_TENANT_ROLE',
    'rollcall_tenant',
    'DATABASE_TENANT_ROLE takes DATABASE_URL beside it: the embedded database has one user',
  ],
  [
    'DATABASE_REPLICA_URLS',
    'postgres://a/x',
    'DATABASE_REPLICA_URLS takes DATABASE_URL beside it: the embedded database has no replicas',
  ],
  [
    'DATABASE_REPLICA_URLS',
    'replica-1',
    'DATABASE_REPLICA_URLS takes a URL such as postgres://user:password@host:5432/database',
  ],
  [
    'DATABASE_REPLICA_URLS',
    'postgres://a/x,postgres://b/x?sslcrl=/x',
    'DATABASE_REPLICA_URLS has sslcrl, which this gateway cannot keep: take it out (URL 2)',
  ],
  [
    'DATABASE_REPLICA_URLS',
    Array.from('123456789', (n) => `postgres://r${n}/x`).join(','),
    'DATABASE_REPLICA_URLS takes up to 8 URLs',
  ],
  ['ADMIN_KEY', 'short', 'ADMIN_KEY takes at least 20 characters, random ones'],
  [
    'PUBLIC_URL',
    'ftp://a',
    'PUBLIC_URL takes the URL that clients use, such as https://scim.example.com, without path or query; more follow with commas',
  ],
  [
    'PUBLIC_URL',
    'https://a/scim',
    'PUBLIC_URL takes the URL that clients use, such as https://scim.example.com, without path or query; more follow with commas',
  ],
  [
    'PUBLIC_URL',
    'https://a/?x',
    'PUBLIC_URL takes the URL that clients use, such as https://scim.example.com, without path or query; more follow with commas',
  ],
  [
    'PUBLIC_URL',
    'https://u:p@a',
    'PUBLIC_URL takes the URL that clients use, such as https://scim.example.com, without path or query; more follow with commas',
  ],
  [
    'PUBLIC_URL',
    'https://a.example,',
    'PUBLIC_URL takes the URL that clients use, such as https://scim.example.com, without path or query; more follow with commas',
  ],
  ['LOG_LEVEL', 'loud', 'LOG_LEVEL takes one of trace, debug, info, warn, error, fatal, silent'],
  ['PAGE_SIZE_DEFAULT', '500', 'PAGE_SIZE_DEFAULT takes a number up to PAGE_SIZE_MAX, which is 200'],
  ['MAX_BODY_BYTES', '2048', 'BULK_MAX_PAYLOAD_BYTES takes a number up to MAX_BODY_BYTES, which is 2048'],
])('%s=%s stops the start with one line', (name, value, line) => {
  expect(linesFor({ [name]: value })).toEqual([line])
})

test('every wrong variable has its line, and no line shows a value', () => {
  const lines = linesFor({ ADMIN_KEY: 'hush', DATABASE_URL: 'hush', PORT: 'hush', LOG_LEVEL: 'hush' })
  expect(lines.map((line) => line.split(' ')[0]).sort()).toEqual(['ADMIN_KEY', 'DATABASE_URL', 'LOG_LEVEL', 'PORT'])
  expect(lines.join('\n')).not.toContain('hush')
})

const PRODUCTION = {
  NODE_ENV: 'production',
  PUBLIC_URL: 'https://scim.example.com',
  SECRETS_KEY: 'x'.repeat(32),
  TRUST_PROXY: 'none',
}

test('production starts with what it asks for, and a laptop with nothing', () => {
  expect(linesFor(PRODUCTION, loadServingConfig)).toEqual([])
  expect(linesFor({}, loadServingConfig)).toEqual([])
  expect(linesFor({ NODE_ENV: 'development' }, loadServingConfig)).toEqual([])
})

test.each([
  ['PUBLIC_URL', /^PUBLIC_URL is not set; set it to the URL that clients use, such as https:/],
  ['SECRETS_KEY', /^SECRETS_KEY is not set; make one: openssl rand -base64 32$/],
  ['TRUST_PROXY', /^TRUST_PROXY is not set; set it to none, a header /],
])('production without %s is refused in one line that says how to mend it', (name, line) => {
  expect(linesFor({ ...PRODUCTION, [name]: ' ' }, loadServingConfig)).toEqual([expect.stringMatching(line)])
})

test('replicas are a list of URLs, which may have commas of their own', () => {
  const urls = 'postgres://r1:5432/x?application_name=a,b, postgresql://r2/x'
  const { databaseReplicaUrls } = loadConfig({ DATABASE_URL: 'postgres://p/x', DATABASE_REPLICA_URLS: urls })
  expect(databaseReplicaUrls).toEqual(['postgres://r1:5432/x?application_name=a,b', 'postgresql://r2/x'])
})

test('production that leaves everything to chance has a line for each, and its commands need none of it', () => {
  expect(linesFor({ NODE_ENV: 'production' }, loadServingConfig)).toHaveLength(3)
  expect(linesFor({ NODE_ENV: 'production' })).toEqual([])
})

test('.env.example names every variable with its default, and no other', () => {
  const text = readFileSync(new URL('../.env.example', import.meta.url), 'utf8')
  const listed = [...text.matchAll(/^# ?([A-Z_]+)=(.*)$/gm)].map(([, name, value]) => [name, value])
  expect(listed.map(([name]) => name).sort()).toEqual(Object.keys(DEFAULTS).sort())
  for (const [name = '', value] of listed) {
    if (DEFAULTS[name] !== undefined) expect([name, value]).toEqual([name, DEFAULTS[name]])
  }
})

describe('sign-in to the console by an issuer', () => {
  const access = [{ value: 'operators', permissions: ['admin', 'requests:reveal'], place: 'shop/prod' }]
  const env = {
    ...{ CONSOLE_OIDC_ISSUER: 'https://id.example.com/realms/one', CONSOLE_OIDC_CLIENT_ID: 'rollcall' },
    CONSOLE_OIDC_ACCESS: JSON.stringify(access),
  }

  test('is what the variables say, and its secret is not shown', () => {
    const config = loadConfig({ ...env, CONSOLE_OIDC_CLIENT_SECRET: 'of-the-client' })
    expect(config.consoleSignIn).toEqual({
      ...{ issuer: env.CONSOLE_OIDC_ISSUER, clientId: 'rollcall', clientSecret: 'of-the-client' },
      ...{ scopes: 'openid profile email', claim: 'groups', access },
    })
    expect(JSON.stringify(config.settings)).not.toContain('of-the-client')
  })

  test.each([
    ['CONSOLE_OIDC_ISSUER', { ...env, CONSOLE_OIDC_ISSUER: 'id.example.com' }],
    ['CONSOLE_OIDC_ISSUER', { ...env, CONSOLE_OIDC_ISSUER: 'http://id.example.com' }],
    ['CONSOLE_OIDC_ISSUER', { ...env, CONSOLE_OIDC_ISSUER: 'http://127.0.0.1:4000' }],
    ['CONSOLE_OIDC_ISSUER', { ...env, CONSOLE_OIDC_ISSUER: 'https://id.example.com/?a=b' }],
    ['CONSOLE_OIDC_CLIENT_ID', { ...env, CONSOLE_OIDC_CLIENT_ID: '' }],
    ['CONSOLE_OIDC_ACCESS', { ...env, CONSOLE_OIDC_ACCESS: '' }],
    ['CONSOLE_OIDC_ACCESS', { ...env, CONSOLE_OIDC_ACCESS: 'operators' }],
    ['CONSOLE_OIDC_ACCESS', { ...env, CONSOLE_OIDC_ACCESS: '[]' }],
    ['CONSOLE_OIDC_ACCESS', { ...env, CONSOLE_OIDC_ACCESS: '[{"value":"x","permissions":["directory:read"]}]' }],
    [
      'CONSOLE_OIDC_ACCESS',
      { ...env, CONSOLE_OIDC_ACCESS: '[{"value":"x","permissions":["admin"],"place":"a/b/c/d"}]' },
    ],
    ['CONSOLE_OIDC_ACCESS', { ...env, CONSOLE_OIDC_ACCESS: '[{"value":"x","permissions":["admin"],"scope":"a"}]' }],
    ['CONSOLE_OIDC_SCOPES', { ...env, CONSOLE_OIDC_SCOPES: 'profile email' }],
    ['CONSOLE_OIDC_CLIENT_SECRET', { CONSOLE_OIDC_CLIENT_SECRET: 'of-the-client' }],
  ])('is refused where %s cannot be used: %j', (name, wrong) => {
    expect(linesFor(wrong)).toEqual([expect.stringMatching(new RegExp(`^${name} `))])
  })

  test('takes an issuer without TLS only at an address that the operator allows', () => {
    const local = { ...env, CONSOLE_OIDC_ISSUER: 'http://127.0.0.1:4000', DELIVERY_NETWORKS: '127.0.0.0/8' }
    expect(loadConfig(local).consoleSignIn?.issuer).toBe('http://127.0.0.1:4000')
    expect(loadConfig({ ...env, CONSOLE_OIDC_ISSUER: 'https://sso.corp:8443' }).consoleSignIn).toBeDefined()
  })
})
