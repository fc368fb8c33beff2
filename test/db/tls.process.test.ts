import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer as createPlainServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer } from 'node:tls'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SSL_MODES, type SslMode } from '../../src/config/connection-tls.ts'
import { connectPostgres } from '../../src/db/connect.ts'
import { CannotOpen } from '../../src/db/errors.ts'
import { lookAtWay } from '../../src/db/pooler.ts'
import { hasOpenssl, makeCertificates } from '../support/certificates.ts'
import { onDatabase, type PostgresServer, startPostgres, unprivileged } from '../support/postgres-server.ts'

/** The database decides how its clients have to come. */
const HBA = `
hostnossl plain      all            all trust
host      plain      all            all reject
hostssl   encrypted  all            all trust
host      encrypted  all            all reject
hostssl   certified  all            all trust clientcert=verify-ca
host      certified  all            all reject
host      secret     all            all scram-sha-256
host      all        all            all trust
local     all        all                trust
`

const skipped = !hasOpenssl()
if (skipped) console.log('skipped: TLS to PostgreSQL, since there is no openssl to make certificates with')

describe.skipIf(skipped)('TLS to PostgreSQL', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-tls-'))
  const file = (name: string) => join(folder, 'certificates', name)
  let secure: PostgresServer
  let bare: PostgresServer
  beforeAll(async () => {
    makeCertificates(join(folder, 'certificates'), ['localhost'])
    writeFileSync(join(folder, 'hba'), HBA)
    chmodSync(folder, 0o755)
    if (unprivileged) chownSync(join(folder, 'hba'), unprivileged.uid, unprivileged.gid)
    const files = ['ssl=on', `ssl_cert_file=${file('server.crt')}`, `ssl_key_file=${file('server.key')}`]
    const more = [
      `ssl_ca_file=${file('ca.crt')}`,
      `hba_file=${join(folder, 'hba')}`,
      `unix_socket_directories=${join(folder, 'certificates')}`,
    ]
    ;[secure, bare] = await Promise.all([startPostgres({ settings: [...files, ...more] }), startPostgres()])
    const admin = postgres(secure.url, { max: 1 })
    for (const name of ['plain', 'encrypted', 'certified', 'secret']) await admin.unsafe(`create database ${name}`)
    await admin.unsafe("create role someone login password 'right'")
    await admin.end()
  })
  afterAll(async () => {
    await Promise.all([secure.stop(), bare.stop()])
    rmSync(folder, { recursive: true, force: true })
  })

  /** A URL of the server, by the name in its certificate unless another one is given. */
  const at = (query: string, { database = 'rollcall', host = 'localhost', server = secure } = {}) => {
    const url = new URL(onDatabase(server.url, database))
    url.hostname = host
    return `${url.href}?${query}`
  }

  /** Whether a connection is encrypted; else the one line that says why there is none. */
  async function outcome(databaseUrl: string): Promise<boolean | string> {
    try {
      const { sslmode } = await lookAtWay({ databaseUrl })
      const client = connectPostgres(databaseUrl, { max: 1, prepare: false, sslmode })
      try {
        const [row] = await client.unsafe<{ ssl: boolean }[]>(
          'select ssl from pg_stat_ssl where pid = pg_backend_pid()',
        )
        return row?.ssl ?? 'nothing'
      } finally {
        await client.end({ timeout: 1 })
      }
    } catch (error) {
      if (!(error instanceof CannotOpen)) throw error
      return error.message
    }
  }

  const trusted = () => `sslrootcert=${file('ca.crt')}`
  const NO_TLS = /the server offers no TLS .*; let the server have TLS .* sslmode=disable/

  test.each<
    [mode: SslMode, secure: boolean, bare: boolean | RegExp, encrypted: boolean | RegExp, plain: boolean | RegExp]
  >([
    ['disable', false, false, /no encryption.*; the server may want TLS: set sslmode=require/, false],
    ['allow', false, false, true, false],
    ['prefer', true, false, true, false],
    ['require', true, NO_TLS, true, /SSL encryption.*; the server may want no TLS: set sslmode=disable/],
    ['verify-ca', true, NO_TLS, true, /SSL encryption.*; the server may want no TLS/],
    ['verify-full', true, NO_TLS, true, /SSL encryption.*; the server may want no TLS/],
  ])(
    'sslmode=%s: a server with TLS, one without, one that insists on it, and one that refuses it',
    async (mode, ...expected) => {
      const query = `sslmode=${mode}${mode.startsWith('verify') ? `&${trusted()}` : ''}`
      const urls = [
        ...[at(query), at(query, { server: bare })],
        ...[at(query, { database: 'encrypted' }), at(query, { database: 'plain' })],
      ]
      for (const [i, url] of urls.entries()) {
        const [found, wanted] = [await outcome(url), expected[i]]
        if (wanted instanceof RegExp) expect([url, found]).toEqual([url, expect.stringMatching(wanted)])
        else expect([url, found]).toEqual([url, wanted])
      }
    },
  )

  test('every mode of libpq is there', () => {
    expect(SSL_MODES).toEqual(['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'])
  })

  test('without sslmode, a server on this machine that insists on TLS has it', async () => {
    expect(await outcome(at(''))).toBe(false)
    expect(await outcome(at('', { database: 'encrypted' }))).toBe(true)
  })

  test.each([
    ['verify-full', 'sslmode=verify-full'],
    ['verify-ca', 'sslmode=verify-ca'],
    ['require', 'sslmode=require'],
  ])('%s refuses a certificate that another authority has signed', async (_, query) => {
    const line = await outcome(at(`${query}&sslrootcert=${file('other-ca.crt')}`))
    expect(line).toMatch(/; nobody who is trusted has signed the certificate of the server: set sslrootcert/)
  })

  test('prefer with another authority goes on without TLS, as in libpq', async () => {
    expect(await outcome(at(`sslmode=prefer&sslrootcert=${file('other-ca.crt')}`))).toBe(false)
  })

  test.each(['sslmode=verify-full', 'sslmode=require&channel_binding=require', 'sslmode=require&sslaccept=strict'])(
    '?%s refuses a certificate of an authority that nobody named',
    async (query) => {
      expect(await outcome(at(query))).toMatch(/set sslrootcert .* sslmode, sslaccept or channel_binding=require$/)
      expect(await outcome(at(`${query}&${trusted()}`))).toBe(true)
    },
  )

  test('the host is compared with the certificate by verify-full alone, also where it is an address', async () => {
    const host = '127.0.0.1'
    const line = await outcome(at(`sslmode=verify-full&${trusted()}`, { host }))
    expect(line).toMatch(/127\.0\.0\.1 .*; write the host in the URL as the certificate has it/)
    expect(await outcome(at(`sslmode=verify-ca&${trusted()}`, { host }))).toBe(true)
  })

  test('a server that wants a certificate gets that of the URL, and refuses one of another authority', async () => {
    const own = (name: string) => `sslmode=require&sslcert=${file(`${name}.crt`)}&sslkey=${file(`${name}.key`)}`
    const certified = (query: string) => outcome(at(query, { database: 'certified' }))
    expect(await certified('sslmode=require')).toMatch(
      /; the server wants a certificate of this gateway: set sslcert and/,
    )
    expect(await certified(own('client'))).toBe(true)
    expect(await certified(own('other-client'))).toMatch(
      /; (if )?the server refuses the certificate of this gateway: set sslcert/,
    )
  })

  test.each(['sslrootcert', 'sslcert'])(
    'a file of %s that is not there is one line, in every mode with TLS',
    async (name) => {
      const query = name === 'sslcert' ? 'sslcert=/none&sslkey=/none' : 'sslrootcert=/none'
      for (const mode of ['prefer', 'require', 'verify-full'])
        expect(await outcome(at(`sslmode=${mode}&${query}`))).toMatch(
          new RegExp(`: ${name} names a file that cannot be read: .*/none`),
        )
    },
  )

  test('sslnegotiation=direct begins with TLS', async () => {
    const direct = createServer(
      { key: readFileSync(file('server.key')), cert: readFileSync(file('server.crt')), ALPNProtocols: ['postgresql'] },
      (near) => {
        const far = connect(Number(new URL(bare.url).port), '127.0.0.1')
        near.pipe(far).pipe(near)
        near.on('error', () => far.destroy())
        far.on('error', () => near.destroy())
      },
    )
    await new Promise<void>((resolve) => direct.listen(0, '127.0.0.1', resolve))
    const { port } = direct.address() as AddressInfo
    const url = `postgres://rollcall@localhost:${port}/rollcall?sslnegotiation=direct&sslmode=verify-full&${trusted()}`
    // The server behind does not see the TLS in front of it.
    expect(await outcome(url)).toBe(false)
    direct.close()
  })

  test('a Unix socket needs no TLS, and has none', async () => {
    const admin = postgres(secure.url, { max: 1 })
    const [row] = await admin`select current_setting('unix_socket_directories') as folder`
    await admin.end()
    const port = new URL(secure.url).port
    expect(await outcome(`postgres://rollcall@/rollcall?host=${row?.folder}&port=${port}&sslmode=require`)).toBe(false)
    expect(await outcome(`postgres://rollcall@/rollcall?host=${row?.folder}&port=1`)).toMatch(
      /; no server has its Unix socket/,
    )
  })

  test.each([
    [
      'the wrong password',
      () => at('', { database: 'secret' }).replace('rollcall@', 'someone:hush@'),
      /28P01\); see the password of someone/,
    ],
    [
      'a user that is not there',
      () => at('').replace('rollcall@', 'nobody_here:hush@'),
      /; see the name nobody_here in the URL$/,
    ],
    ['an unknown host', () => 'postgres://u:hush@db.invalid/d', /; see the name of the host in the URL/],
    [
      'a port where nobody listens',
      () => 'postgres://u:hush@127.0.0.1:1/d',
      /ECONNREFUSED\); see the host and the port/,
    ],
    ['a database that is not there', () => at('', { database: 'nowhere' }), /; make the database, or see its name/],
    [
      'something that is no PostgreSQL',
      async () => `postgres://u:hush@127.0.0.1:${await shop()}/d?sslmode=require`,
      /; see the host and the port/,
    ],
  ])('%s is one line with what to change', async (_, url, words) => {
    const line = await outcome(await url())
    expect(line).toMatch(words)
    expect(line).not.toContain('hush')
  })
})

/** Speaks, but not the protocol of PostgreSQL. */
async function shop(): Promise<number> {
  const server = createPlainServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  server.unref()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}
