import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bootstrap } from '../../../src/administration/bootstrap.ts'
import { adminClient, type Schemas } from '../../../src/client/index.ts'
import { DEFAULTS, loadConfig } from '../../../src/config.ts'
import { openDatabase } from '../../../src/db/open.ts'
import { rollcall, rollcallJson } from '../../support/cli.ts'
import { engineName, ownStore, tenantRole } from '../../support/engines.ts'
import { type Gateway, openGateway } from '../../support/gateway.ts'

const HUSH = 'hush-hush-hush-hush-hush-hush-hush'
const URL_WITH_SECRETS = `postgres://u:${HUSH}@db.example/d?sslpassword=${HUSH}&shoe_size=${HUSH}`
const SECRETS = {
  ...{ SECRETS_KEY: HUSH, CURSOR_KEY: HUSH, METRICS_KEY: HUSH },
  ...{ DATABASE_URL: URL_WITH_SECRETS, DIRECT_DATABASE_URL: URL_WITH_SECRETS },
  DATABASE_REPLICA_URLS: `${URL_WITH_SECRETS},${URL_WITH_SECRETS.replace('db.example', 'replica.example')}`,
}

let gateway: Gateway
beforeAll(async () => {
  gateway = await openGateway(SECRETS)
})
afterAll(() => gateway.close())

const ask = (key: string) =>
  fetch(`${gateway.origin}/api/v1/configuration`, { headers: { authorization: `Bearer ${key}` } })

const { entries } = JSON.parse(readFileSync(new URL('../../../drizzle/meta/_journal.json', import.meta.url), 'utf8'))
const newest = entries.at(-1).tag

test('a key of the instance reads every setting, and what the database was found to be', async () => {
  const { data } = await adminClient({ origin: gateway.origin, key: gateway.adminKey }).GET('/configuration')
  expect(data?.settings.map(({ name }) => name)).toEqual(Object.keys(DEFAULTS))
  expect(data?.settings).toContainEqual({ name: 'PORT', value: '0', source: 'environment' })
  const isPostgres = engineName() === 'postgres'
  expect(data?.database).toEqual({
    ...{ engine: engineName(), version: expect.stringMatching(/^\d+\.\d+/), migration: newest },
    ...{ missingMigrations: 0, isNewer: false, connections: expect.any(Number), lackingSessionSettings: [] },
    preparedStatements: isPostgres,
    pooler: isPostgres ? expect.toBeOneOf([null, false]) : false,
    sslmode: isPostgres ? 'allow' : null,
    tenantRole: tenantRole() ?? null,
  })
})

test('SEC-13 no secret is in it, over HTTP or at the command line', async () => {
  const text = await (await ask(gateway.adminKey)).text()
  const env = { ROLLCALL_URL: gateway.origin, ROLLCALL_ADMIN_KEY: gateway.adminKey }
  const [sheet, json] = [await rollcall(env, 'config'), await rollcall(env, 'config', '--json')]
  for (const shown of [text, sheet.out, json.out]) {
    for (const host of ['db.example', 'replica.example'])
      expect(shown).toContain(`postgres://u:***@${host}/d?sslpassword=***&shoe_size=***`)
    expect(shown).not.toContain(HUSH)
    expect(shown).not.toContain(gateway.adminKey)
  }
})

test('a key for less than the instance, or without admin, is refused', async () => {
  expect((await ask(await gateway.mintKey({ permissions: ['admin'] }))).status).toBe(403)
  expect((await ask(await gateway.mintKey())).status).toBe(403)
  expect((await ask('none')).status).toBe(401)
})

test('people read a line for each setting, also straight from the database', async () => {
  const store = await ownStore()
  const database = await openDatabase(loadConfig(store.env), () => {})
  await bootstrap(database, {})
  await database.close()
  const shown = await rollcallJson<Schemas['Configuration']>(store.env, 'config')
  expect(shown.settings.find(({ name }) => name === 'DATA_DIR')).toEqual({
    ...{ name: 'DATA_DIR', value: store.env.DATA_DIR, source: 'environment' },
  })
  const { out } = await rollcall(store.env, 'config')
  expect(out).toMatch(/^SETTING +VALUE +FROM\n/)
  expect(out).toMatch(/^PORT +8080 +default$/m)
  expect(out).toMatch(/^PUBLIC_URL +- +default$/m)
  expect(out).toMatch(new RegExp(`^migration +${newest}$`, 'm'))
  store.remove()
})
