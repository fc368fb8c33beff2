import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { careOf } from '../../src/cli/doctor/care.ts'
import { loadConfig } from '../../src/config.ts'
import { openFaultyIssuer, signInBy } from '../support/issuers.ts'

let dataDir: string
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'rollcall-care-'))
})
afterEach(() => rmSync(dataDir, { recursive: true, force: true }))

const look = async (env: Record<string, string>) => {
  const all = { DATA_DIR: dataDir, ...env }
  return careOf(loadConfig(all), all)
}
const states = async (env: Record<string, string>) => (await look(env)).map(({ check, state }) => `${check}: ${state}`)

test('a laptop with nothing set is well, and is told what production would ask for', async () => {
  expect(await states({})).toEqual(['production: skipped', 'address: ok', 'cookies: ok', 'files: ok'])
  const [production] = await look({})
  expect(production?.found).toMatch(/PUBLIC_URL, SECRETS_KEY, TRUST_PROXY must be set/)
})

test('production that its start would refuse has a line for each, with what to do', async () => {
  const findings = (await look({ NODE_ENV: 'production' })).filter(({ check }) => check === 'production')
  expect(findings.map(({ state, found }) => `${state} ${found}`)).toEqual([
    'wrong PUBLIC_URL is not set: the start is refused',
    'wrong SECRETS_KEY is not set: the start is refused',
    'wrong TRUST_PROXY is not set: the start is refused',
  ])
  expect(findings[1]?.fix).toBe('make one: openssl rand -base64 32')
})

test.each<[what: string, env: Record<string, string>, wrong: string[]]>([
  ['an open address without a word of the proxy', { HOST: '0.0.0.0', PUBLIC_URL: 'https://a.example' }, ['address']],
  ['a public address without TLS', { PUBLIC_URL: 'http://a.example' }, ['cookies']],
  ['an open address without a word of how clients come', { HOST: '::' }, ['address', 'cookies']],
  ['a loopback address by name', { HOST: 'localhost', PUBLIC_URL: 'http://[::1]:8080' }, []],
])('%s', async (_what, env, wrong) => {
  const findings = await look(env)
  expect(findings.filter(({ state }) => state === 'wrong').map(({ check }) => check)).toEqual(wrong)
})

test('an issuer by which people sign in is asked who it is, and what its client has to have is said', async () => {
  const issuer = await openFaultyIssuer()
  const env = signInBy(issuer.url)
  const found = async (more: Record<string, string>) =>
    (await look({ ...env, ...more })).filter(({ check }) => check === 'sign-in')
  const here = { PUBLIC_URL: 'https://scim.example.com' }
  expect(await found(here)).toEqual([
    {
      ...{ check: 'sign-in', state: 'ok' },
      found: `${new URL(issuer.url).host} answers; the client there is to have the redirect URI https://scim.example.com/console/sign-in/oidc/return`,
    },
  ])
  expect((await found({}))[0]).toMatchObject({ state: 'wrong', found: 'PUBLIC_URL is not set' })
  await issuer.close()
  expect(await found(here)).toEqual([
    expect.objectContaining({ state: 'wrong', found: expect.stringContaining('ECONNREFUSED') }),
  ])
})

test('files that others may read, and keys of a first start that lie about, are named', async () => {
  mkdirSync(join(dataDir, 'database'), { mode: 0o700 })
  for (const name of ['secrets.key', 'database/PG_VERSION']) {
    writeFileSync(join(dataDir, name), 'x')
    chmodSync(join(dataDir, name), 0o644)
  }
  writeFileSync(join(dataDir, 'rollcall-first-keys'), `{\n  "store": ${JSON.stringify(dataDir)}\n}`)
  const wrong = (await look({})).filter(({ state }) => state === 'wrong')
  expect(wrong.map(({ check, found }) => [check, found])).toEqual([
    ['first keys', `the keys of the first start lie in ${dataDir}/rollcall-first-keys`],
    ['files', `others may read ${dataDir}/secrets.key, ${dataDir}/database/PG_VERSION`],
  ])
})
