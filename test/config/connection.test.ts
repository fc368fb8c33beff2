import { expect, test } from 'vitest'
import { type Connection, connectionOf, describeUrl, leftOutOf } from '../../src/config/connection.ts'
import { ConnectionMistake } from '../../src/config/connection-string.ts'
import { loadConfig } from '../../src/config.ts'

/** What hosts print, word for word but for names, and what matters of it. */
const PRINTED: Readonly<Record<string, readonly [url: string, means: Partial<Connection> | object]>> = {
  Neon: [
    'postgresql://neondb_owner:npg_x@ep-cool-darkness-a1-pooler.us-east-2.aws.neon.tech/neondb?sslmode=require&channel_binding=require',
    {
      ...{ user: 'neondb_owner', password: 'npg_x', database: 'neondb', pooled: false },
      hosts: [{ host: 'ep-cool-darkness-a1-pooler.us-east-2.aws.neon.tech', port: undefined }],
      tls: { mode: 'verify-full', verifies: 'who signed it, and the host' },
    },
  ],
  'Neon by its endpoint': [
    'postgres://u:p@ep-a.neon.tech/neondb?options=endpoint%3Dep-a&sslmode=require&connect_timeout=15',
    { settings: { application_name: 'rollcall', options: 'endpoint=ep-a' }, connectTimeoutMs: 15_000 },
  ],
  'Supabase with its pooler': [
    'postgresql://postgres.abcdefghij:pw@aws-0-eu-central-1.pooler.supabase.com:6543/postgres?pgbouncer=true&connection_limit=1',
    {
      ...{ user: 'postgres.abcdefghij', pooled: true, limit: 1 },
      hosts: [{ host: 'aws-0-eu-central-1.pooler.supabase.com', port: 6543 }],
      tls: { mode: 'prefer', verifies: 'nothing' },
    },
  ],
  'Supabase at Vercel': [
    'postgres://postgres.abc:pw@aws-0.pooler.supabase.com:6543/postgres?sslmode=require&supa=base-pooler.x',
    { tls: { mode: 'require', verifies: 'nothing' } },
  ],
  Prisma: [
    'postgresql://janedoe:pw@db.example:5432/mydb?schema=public&connection_limit=5&pool_timeout=2&sslaccept=strict&socket_timeout=3',
    { limit: 5, tls: { mode: 'verify-full' } },
  ],
  'Prisma with any certificate': [
    'postgresql://j:pw@db.example/mydb?schema=public&sslmode=require&sslaccept=accept_invalid_certs&sslrootcert=/ca.pem',
    { tls: { mode: 'require', verifies: 'nothing' } },
  ],
  Heroku: [
    'postgres://user3123:passkja83kd8@ec2-117-21-174-214.compute-1.amazonaws.com:6212/db982398',
    { database: 'db982398', tls: { mode: 'prefer' }, target: 'any' },
  ],
  'Heroku for Node': ['postgres://u:p@h.example:5432/d?sslmode=no-verify', { tls: { mode: 'require' } }],
  'Railway and Fly': ['postgres://postgres:pw@app-db.internal:5432', { database: undefined, tls: { mode: 'prefer' } }],
  Azure: [
    'postgres://myadmin@mydemoserver:pw@mydemoserver.postgres.database.azure.com:5432/postgres?sslmode=require',
    { user: 'myadmin@mydemoserver', password: 'pw', tls: { mode: 'require' } },
  ],
  'Azure, encoded': [
    'postgres://myadmin%40mydemoserver:p%40w%2F@mydemoserver.postgres.database.azure.com/postgres?sslmode=require',
    { user: 'myadmin@mydemoserver', password: 'p@w/' },
  ],
  'Amazon RDS': [
    'postgres://u:p@x.rds.amazonaws.com/d?sslmode=verify-full&sslrootcert=/certs/global-bundle.pem',
    { tls: { mode: 'verify-full', verifies: 'who signed it, and the host', roots: '/certs/global-bundle.pem' } },
  ],
  'Google Cloud SQL': [
    'postgresql://user:pass@/db?host=/cloudsql/project:region:instance',
    {
      ...{ user: 'user', password: 'pass', database: 'db' },
      hosts: [{ host: '/cloudsql/project:region:instance', port: undefined }],
    },
  ],
  PlanetScale: [
    'postgresql://u:p@eu.pg.psdb.cloud:5432/postgres?sslmode=verify-full&sslrootcert=system&sslnegotiation=direct',
    { tls: { mode: 'verify-full', roots: undefined, direct: true } },
  ],
  'a JDBC user': ['postgres://u:p@h.example/d?ssl=true&currentSchema=public', { tls: { mode: 'require' } }],
}

test.each(Object.entries(PRINTED))('a URL as of %s is understood whole', (_, [url, means]) => {
  const connection = connectionOf(url)
  expect(connection).toMatchObject(means)
  expect(connection.leftOut).toEqual([])
  expect(loadConfig({ DATABASE_URL: url }).databaseUrl).toBe(url)
})

test.each([
  ['postgres://a.example,b.example:6000/d', ['a.example', 'b.example:6000'], 'read-write'],
  ['postgres://a.example,b.example/d?target_session_attrs=any', ['a.example', 'b.example'], 'any'],
  ['postgres:///d?host=a.example,b.example&port=6000,6001', ['a.example:6000', 'b.example:6001'], 'read-write'],
  ['postgres:///d?host=a.example,b.example&port=6000', ['a.example:6000', 'b.example:6000'], 'read-write'],
  ['postgres://[2001:db8::1]:6000/d', ['[2001:db8::1]:6000'], 'any'],
  ['postgres://%2Fvar%2Frun%2Fpostgresql/d', ['/var/run/postgresql'], 'any'],
  ['postgres://u:p@/d', [], 'any'],
])('hosts: %s', (url, hosts, target) => {
  const connection = connectionOf(url)
  expect(connection.target).toBe(target)
  expect(describeUrl(url)).toBe(`${hosts.join(',')}/d`)
})

test.each([
  ['', 'prefer', 'nothing'],
  ['sslmode=disable', 'disable', 'nothing'],
  ['sslmode=allow', 'allow', 'nothing'],
  ['sslmode=prefer', 'prefer', 'nothing'],
  ['sslmode=require', 'require', 'nothing'],
  ['sslmode=require&sslrootcert=/ca', 'require', 'who signed it'],
  ['sslmode=verify-ca&sslrootcert=/ca', 'verify-ca', 'who signed it'],
  ['sslmode=verify-ca', 'verify-full', 'who signed it, and the host'],
  ['sslmode=verify-full', 'verify-full', 'who signed it, and the host'],
  ['sslrootcert=system', 'verify-full', 'who signed it, and the host'],
  ['sslmode=require&sslrootcert=system', 'verify-full', 'who signed it, and the host'],
  ['channel_binding=require', 'verify-full', 'who signed it, and the host'],
  ['sslmode=disable&channel_binding=require', 'verify-full', 'who signed it, and the host'],
  ['sslmode=require&channel_binding=prefer', 'require', 'nothing'],
  ['sslmode=verify-full&sslaccept=accept_invalid_certs', 'verify-full', 'who signed it, and the host'],
  ['sslnegotiation=direct', 'require', 'nothing'],
])('TLS: ?%s', (query, mode, verifies) =>
  expect(connectionOf(`postgres://db.example/d?${query}`).tls).toMatchObject({ mode, verifies }),
)

test.each(['localhost', '127.0.0.1', '[::1]', '%2Ftmp'])(
  'on this machine (%s) TLS is taken where the server insists on it, or the URL',
  (host) => {
    expect(connectionOf(`postgres://${host}/d`).tls.mode).toBe('allow')
    expect(connectionOf(`postgres://${host}/d?sslmode=verify-full`).tls.mode).toBe('verify-full')
    expect(connectionOf(`postgres://${host},db.example/d`).tls.mode).toBe('prefer')
  },
)

test('a client certificate, the limits of a connection, and who it says it is', () => {
  const query =
    'sslcert=/c&sslkey=/k&sslpassword=s&keepalives_idle=30&application_name=ours&ssl_min_protocol_version=TLSv1.3'
  expect(connectionOf(`postgres://db.example/d?${query}&load_balance_hosts=random`)).toMatchObject({
    tls: { own: { cert: '/c', key: '/k', passphrase: 's' }, minVersion: 'TLSv1.3' },
    ...{ keepAliveMs: 30_000, settings: { application_name: 'ours' }, shuffled: true, connectTimeoutMs: 5_000 },
  })
  expect(connectionOf('postgres://db.example/d?keepalives=0').keepAliveMs).toBe(0)
})

test('what it does not know is named without its value, and left out', () => {
  const url = 'postgres://u:hush@db.example/d?sslmode=require&shoe_size=hush&client_encoding=LATIN1&statement_timeout=1'
  expect(leftOutOf({ DATABASE_URL: url, DIRECT_DATABASE_URL: undefined })).toEqual([
    'DATABASE_URL has parameters that the gateway leaves out: shoe_size, statement_timeout, client_encoding',
  ])
  expect(leftOutOf({ DATABASE_REPLICA_URLS: [url, 'postgres://r/d?shoe_size=hush&hat=hush'] })).toEqual([
    'DATABASE_REPLICA_URLS has parameters that the gateway leaves out: shoe_size, statement_timeout, client_encoding, hat',
  ])
  expect(connectionOf(url).settings).toEqual({ application_name: 'rollcall' })
})

test.each([
  ['postgres://u:pa/ss@h/d', /special characters/],
  ['postgres://u:12?hush@h/d', /special characters/],
  ['postgres://u:hush@h:99999/d', /special characters/],
  ['postgres://u:%hush@h/d', /special characters/],
  ['mysql://u:hush@h/d', /^takes a URL such as/],
  ['postgres://u:hush@h/d?sslmode=hush', /^takes one of disable, .* as sslmode$/],
  ['postgres://u:hush@h/d?connect_timeout=hush', /^takes a whole number as connect_timeout$/],
  ['postgres://u:hush@h/d?target_session_attrs=hush', /^takes one of any, .* as target_session_attrs$/],
  ['postgres://u:hush@h/d?sslcert=/hush', /sslkey is missing/],
  ['postgres://u:hush@h/d?sslkey=/hush', /sslcert is missing/],
  ['postgres://u:hush@h/d?require_auth=hush', /^has require_auth, which this gateway cannot keep/],
  ['postgres://u:hush@h/d?sslcrl=/hush', /^has sslcrl, which/],
  ['postgres://u:hush@h/d?gssencmode=require', /^has gssencmode=require, which/],
  ['postgres://u:hush@h/d?schema=hush', /^takes schema=public alone/],
  ['postgres://u:hush@h/d?sslmode=prefer&sslnegotiation=direct', /^takes sslmode=require or a stricter one/],
  ['postgres://u:hush@h,i/d?port=1,2,3', /as many ports as hosts/],
])('%s is refused with what to change, without what may be secret', (url, words) => {
  let mistake: unknown
  try {
    connectionOf(url)
  } catch (error) {
    mistake = error
  }
  expect(mistake).toBeInstanceOf(ConnectionMistake)
  expect((mistake as Error).message).toMatch(words)
  expect((mistake as Error).message).not.toContain('hush')
})

test('the pool is as large as DATABASE_POOL says, else as the URL allows, else 10', () => {
  const url = 'postgres://db.example/d'
  expect(loadConfig({ DATABASE_URL: `${url}?connection_limit=3` }).databasePool).toBe(3)
  expect(loadConfig({ DATABASE_URL: `${url}?connection_limit=3`, DATABASE_POOL: '20' }).databasePool).toBe(20)
  expect(loadConfig({ DATABASE_URL: url }).databasePool).toBe(10)
})
