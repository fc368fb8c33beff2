import { expect, test } from 'vitest'
import type { Setting } from '../../src/config/in-force.ts'
import { kindOf, variables } from '../../src/config/variables.ts'
import { DEFAULTS, loadConfig } from '../../src/config.ts'

const NAMES = Object.keys(DEFAULTS)
const settingOf = (env: Record<string, string>, name: string): Setting | undefined =>
  loadConfig(env).settings.find((setting) => setting.name === name)

/** Their names sound like secrets, and everybody may read them. */
const PUBLIC = ['PUBLIC_URL', 'KEY_MAX_IN_FLIGHT', 'KEY_MAX_STREAMS']

test('every variable is there once, with where its value comes from', () => {
  const { settings } = loadConfig({})
  expect(settings.map(({ name }) => name)).toEqual(NAMES)
  for (const { name, value, source } of settings)
    if (DEFAULTS[name] !== undefined) expect([name, value, source]).toEqual([name, DEFAULTS[name], 'default'])
})

test.each<[env: Record<string, string>, setting: Setting]>([
  [{}, { name: 'PORT', value: '8080', source: 'default' }],
  [{ PORT: '9000' }, { name: 'PORT', value: '9000', source: 'environment' }],
  [{}, { name: 'HOST', value: '127.0.0.1', source: 'default' }],
  [
    { NODE_ENV: 'production', PORT: '9000' },
    { name: 'HOST', value: '::', source: 'derived' },
  ],
  [{}, { name: 'PUBLIC_URL', value: null, source: 'default' }],
  [{}, { name: 'DRAIN_DELAY_MS', value: '0', source: 'default' }],
  [{ NODE_ENV: 'production' }, { name: 'DRAIN_DELAY_MS', value: '10000', source: 'derived' }],
  [{}, { name: 'DATABASE_POOL', value: '10', source: 'default' }],
  [{ DATABASE_URL: 'postgres://h/d?connection_limit=3' }, { name: 'DATABASE_POOL', value: '3', source: 'derived' }],
  [{}, { name: 'SECRETS_KEY', value: '***', source: 'file' }],
  [{ DATABASE_URL: 'postgres://h/d' }, { name: 'SECRETS_KEY', value: null, source: 'default' }],
  [{ SECRETS_KEY: 'x'.repeat(32) }, { name: 'SECRETS_KEY', value: '***', source: 'environment' }],
  [{ SECRETS_KEY: 'x'.repeat(32) }, { name: 'CURSOR_KEY', value: '***', source: 'derived' }],
  [{ DATABASE_URL: 'postgres://h/d' }, { name: 'CURSOR_KEY', value: null, source: 'default' }],
  [{ ADMIN_KEY: ' ' }, { name: 'ADMIN_KEY', value: null, source: 'default' }],
])('with %j', (env, setting) => expect(settingOf(env, setting.name)).toEqual(setting))

test('of a URL, what may be secret is hidden and the rest is shown', () => {
  const url =
    'postgres://me%40server:p%40ss@db.example:5433,[::1]/d?sslmode=verify-full&sslrootcert=/ca&sslpassword=s&user=u&options=o&own=w'
  expect(settingOf({ DATABASE_URL: url }, 'DATABASE_URL')?.value).toBe(
    'postgres://me%40server:***@db.example:5433,[::1]/d?sslmode=verify-full&sslrootcert=/ca&sslpassword=***&user=***&options=***&own=***',
  )
  expect(
    settingOf({ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://me:hush@otlp.example/x?key=hush' }, 'OTEL_EXPORTER_OTLP_ENDPOINT')
      ?.value,
  ).toBe('https://me:***@otlp.example/x?key=***')
  expect(settingOf({ DATABASE_URL: 'postgres://%2Ftmp/d' }, 'DATABASE_URL')?.value).toBe('postgres://%2Ftmp/d')
})

test('of a list of URLs, what may be secret is hidden in each', () => {
  const urls = 'postgres://u:p@r1,r2:5433/d, postgres://u:p%2Cq@r3/d?sslmode=require&own=w'
  const env = { DATABASE_URL: 'postgres://p/d', DATABASE_REPLICA_URLS: urls }
  expect(settingOf(env, 'DATABASE_REPLICA_URLS')?.value).toBe(
    'postgres://u:***@r1,r2:5433/d,postgres://u:***@r3/d?sslmode=require&own=***',
  )
})

test('a secret is in none of them, and what sounds like a secret is one', () => {
  const sounds = NAMES.filter((name) => /KEY|SECRET|PASSWORD|TOKEN|HEADERS|CREDENTIAL|_URL/.test(name))
  const secret = sounds.filter((name) => !PUBLIC.includes(name))
  const types: Readonly<Record<string, Parameters<typeof kindOf>[0]>> = variables.shape
  expect(secret.filter((name) => kindOf(types[name] as Parameters<typeof kindOf>[0]) === undefined)).toEqual([])
  const hush = 'hush-hush-hush-hush-hush-hush-hush'
  const planted = (name: string) => {
    if (/_URLS?$/.test(name)) return `postgres://u:${hush}@h/d?sslpassword=${hush}&x=${hush}`
    return name.endsWith('HEADERS') ? `authorization=${hush}` : hush
  }
  // A client's secret takes its issuer beside it.
  const beside = {
    ...{ CONSOLE_OIDC_ISSUER: 'https://id.example.com', CONSOLE_OIDC_CLIENT_ID: 'rollcall' },
    CONSOLE_OIDC_ACCESS: '[{"value": "x", "permissions": ["admin"]}]',
  }
  const { settings } = loadConfig({ ...beside, ...Object.fromEntries(secret.map((name) => [name, planted(name)])) })
  const given = settings.filter(({ source }) => source === 'environment').map(({ name }) => name)
  expect(given.filter((name) => !(name in beside))).toEqual(secret)
  expect(JSON.stringify(settings)).not.toContain(hush)
})
