import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import postgres from 'postgres'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createEnvironment } from '../../src/administration/environments.ts'
import { createApiKey, revokeApiKey } from '../../src/administration/keys/api-keys.ts'
import { rotateApiKey } from '../../src/administration/keys/key-rotation.ts'
import { createProject } from '../../src/administration/projects.ts'
import { createWebhook } from '../../src/administration/webhooks.ts'
import { CONFIGURED_ADMIN } from '../../src/auth/principal.ts'
import type { Finding } from '../../src/cli/doctor/finding.ts'
import { EXIT } from '../../src/cli/failure.ts'
import { loadConfig } from '../../src/config.ts'
import { openDatabase } from '../../src/db/open.ts'
import { sealUnder } from '../../src/repositories/control/instance-secrets.ts'
import { secretBox } from '../../src/signing/secret-box.ts'
import { administrationOn } from '../support/administration.ts'
import { rollcall } from '../support/cli.ts'
import { engineName, ownStore } from '../support/engines.ts'
import { type Gateway, openGateway } from '../support/gateway.ts'

let gateway: Gateway
let store: Awaited<ReturnType<typeof ownStore>>
beforeAll(async () => {
  gateway = await openGateway()
  store = await ownStore()
})
afterAll(async () => {
  await gateway.close()
  store.remove()
})

/** The findings by check, and how the command ended. */
async function examine(env: Record<string, string>) {
  const { exitCode, out, err } = await rollcall({ PORT: '1', ...env }, 'doctor', '--json')
  const findings: Finding[] = JSON.parse(out)
  for (const { state, fix } of findings)
    expect(fix === undefined, 'what is wrong, and only that, can be mended').toBe(state !== 'wrong')
  return { exitCode, err, states: findings.map(({ check, state }) => `${check}: ${state}`), findings }
}
const SECRETS_KEY = 'a-key-of-more-than-thirty-two-letters'
const configured = ['config: ok', 'production: skipped', 'address: ok', 'cookies: ok']
const healthy = [
  ...['database: ok', 'migrations: ok', ...(engineName() === 'postgres' ? ['sessions: ok'] : [])],
  ...['clock: ok', 'secrets key: ok'],
  ...['key age: ok', 'old secrets: ok', 'unused keys: ok', 'webhooks: ok', 'webhook keys: ok'],
]
const found = (findings: readonly Finding[], check: string) => findings.find((finding) => finding.check === check)

test('a store, and no gateway that is said to be running', async () => {
  const opened = await openDatabase(loadConfig(store.env), () => {})
  await opened.close()
  const { exitCode, states, err } = await examine({ ...store.env, SECRETS_KEY })
  expect({ exitCode, states, err }).toEqual({
    exitCode: EXIT.done,
    states: [...configured, ...(engineName() === 'pglite' ? ['files: ok'] : []), ...healthy, 'reachability: skipped'],
    err: '',
  })
})

test('a running gateway and its key', async () => {
  const env = { ...store.env, SECRETS_KEY, ROLLCALL_URL: gateway.origin }
  const good = await examine({ ...env, ROLLCALL_ADMIN_KEY: gateway.adminKey })
  expect([good.exitCode, good.states.slice(-2)]).toEqual([EXIT.done, ['reachability: ok', 'admin key: ok']])
  const environments = await gateway.mintKey({ permissions: ['admin'] })
  expect((await examine({ ...env, ROLLCALL_ADMIN_KEY: environments })).exitCode).toBe(EXIT.done)
  const narrow = await examine({ ...env, ROLLCALL_ADMIN_KEY: gateway.key })
  expect([narrow.exitCode, found(narrow.findings, 'admin key')?.found]).toEqual([
    EXIT.unwell,
    'The API key lacks the permission "admin".',
  ])
  expect((await examine(env)).states.at(-1)).toBe('admin key: skipped')
})

test('keys and webhooks that somebody should see to are named, and so is a key that does not open the secrets', async () => {
  const own = await ownStore()
  const database = await openDatabase(loadConfig(own.env), () => {})
  const administration = administrationOn(database)
  const keyOf = async (name: string) =>
    (await createApiKey(administration, { kind: 'instance' }, { name }, CONFIGURED_ADMIN)).id
  const [soon, rotated, unused, gone] = [
    await keyOf('soon'),
    await keyOf('rotated'),
    await keyOf('unused'),
    await keyOf('gone'),
  ]
  await rotateApiKey(
    administration,
    { kind: 'instance' },
    rotated,
    { untilNewIsUsed: true },
    CONFIGURED_ADMIN,
    new Date(),
  )
  const days = (text: string, id: string) => database.run(text, [id])
  await days(`update api_key_secrets set expires_at = now() + interval '9 days' where key_id = $1::text`, soon)
  await days(`update api_key_secrets set created_at = created_at - interval '8 days' where key_id = $1::text`, rotated)
  await days(`update api_keys set created_at = created_at - interval '91 days' where id = $1::text`, unused)

  const project = await createProject(administration, { key: 'p' })
  const environment = await createEnvironment(administration, project.id, { key: 'e' })
  const place = { kind: 'environment', projectId: project.id, environmentId: environment.id } as const
  const box = secretBox(async () => SECRETS_KEY)
  const hook = { url: 'https://hooks.example.com/', description: '', events: ['*'], snapshot: false }
  const byGone = { ...administration, author: { ...administration.author, actor: gone } }
  const made = await createWebhook(byGone, { box, networks: [], endpointsPerPlace: 20 }, place, hook)
  await revokeApiKey(administration, { kind: 'instance' }, gone, new Date())
  await days('update webhook_endpoints set enabled = false where id = $1::uuid', made.id)
  await sealUnder(database, SECRETS_KEY)
  await database.close()

  const { exitCode, findings } = await examine({
    ...own.env,
    SECRETS_KEY: 'another-key-of-more-than-thirty-two-letters',
  })
  expect(exitCode).toBe(EXIT.unwell)
  const wrong = findings.filter(({ state }) => state === 'wrong')
  expect(wrong.map(({ check, found }) => [check, found.match(/[\w-]+$/)?.[0]])).toEqual([
    ['secrets key', 'SECRETS_KEY'],
    ['key age', soon],
    ['old secrets', rotated],
    ['unused keys', unused],
    ['webhooks', made.id],
    ['webhook keys', made.id],
  ])
  own.remove()
})

test('PostgreSQL without a key of its own is a finding, with what makes one', async ({ skip }) => {
  if (engineName() !== 'postgres') return skip()
  const { exitCode, findings } = await examine(store.env)
  expect([exitCode, found(findings, 'secrets key')?.fix]).toEqual([
    EXIT.unwell,
    expect.stringContaining('openssl rand -base64 32'),
  ])
})

test('wrong variables are a finding each', async () => {
  const { exitCode, err, findings } = await examine({ PORT: 'x', ADMIN_KEY: 'x' })
  expect([exitCode, err]).toEqual([EXIT.unwell, 'rollcall: 2 things to fix\n'])
  expect(findings.filter(({ check }) => check === 'config').map((finding) => finding.found.split(' ')[0])).toEqual([
    'PORT',
    'ADMIN_KEY',
  ])
})

test('a gateway that should answer and does not', async () => {
  for (const name of ['ROLLCALL_URL', 'PUBLIC_URL']) {
    const { exitCode, findings } = await examine({ ...store.env, [name]: 'http://127.0.0.1:1' })
    expect([exitCode, found(findings, 'reachability')?.found]).toEqual([
      EXIT.unwell,
      expect.stringContaining('no gateway answers at http://127.0.0.1:1'),
    ])
  }
})

test.each([
  ['something else at the URL', 404, 404, /\/livez answers 404/],
  ['a gateway without its database', 200, 503, /has no database/],
])('%s', async (_, live, ready, words) => {
  const server = createServer((request, answer) => {
    answer.writeHead(request.url === '/livez' ? live : ready).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const { findings } = await examine({ ...store.env, ROLLCALL_URL: `http://127.0.0.1:${port}` })
  expect(found(findings, 'reachability')).toMatchObject({ state: 'wrong', found: expect.stringMatching(words) })
  server.close()
})

test('a database that does not answer, without its password in the answer', async () => {
  const { exitCode, findings } = await examine({ DATABASE_URL: 'postgres://someone:hush@127.0.0.1:1/there?odd=hush' })
  const told = 'DATABASE_URL has parameters that the gateway leaves out: odd'
  expect(findings).toContainEqual({ check: 'config', state: 'skipped', found: told })
  expect([exitCode, found(findings, 'database')]).toEqual([EXIT.unwell, expect.objectContaining({ state: 'wrong' })])
  expect(JSON.stringify(findings)).not.toContain('hush')
})

test('an embedded database that another process has, or that is not there yet', async ({ skip }) => {
  if (engineName() !== 'pglite') return skip()
  const opened = await openDatabase(loadConfig(store.env), () => {})
  const held = await examine(store.env)
  expect([held.exitCode, found(held.findings, 'database')?.found]).toEqual([
    EXIT.unwell,
    expect.stringContaining('in use by another process'),
  ])
  const running = await examine({ ...store.env, ROLLCALL_URL: gateway.origin })
  expect([running.exitCode, found(running.findings, 'database')?.state]).toEqual([EXIT.done, 'ok'])
  await opened.close()
  const none = await examine({ DATA_DIR: `${store.env.DATA_DIR}/none` })
  expect([none.exitCode, found(none.findings, 'database')?.state]).toEqual([EXIT.done, 'skipped'])
  const never = await examine({ DATA_DIR: `${import.meta.filename}/none` })
  expect([never.exitCode, found(never.findings, 'database')]).toEqual([
    EXIT.unwell,
    expect.objectContaining({ state: 'wrong', fix: expect.stringContaining('DATA_DIR') }),
  ])
})

test('tables that are behind, or ahead of this version', async ({ skip }) => {
  if (engineName() !== 'postgres') return skip()
  const sql = postgres(store.env.DATABASE_URL ?? '', { max: 1 })
  try {
    await sql`update drizzle.__drizzle_migrations set created_at = created_at + 1`
    const ahead = await examine(store.env)
    expect(found(ahead.findings, 'migrations')?.found).toContain('newer version')
    await sql`delete from drizzle.__drizzle_migrations`
    const behind = await examine(store.env)
    expect([behind.exitCode, found(behind.findings, 'migrations')?.fix]).toEqual([
      EXIT.unwell,
      expect.stringContaining('rollcall migrate'),
    ])
  } finally {
    await sql.end()
  }
})

test('people read a line for each, with what to do', async () => {
  const { out, err } = await rollcall({ PORT: 'x' }, 'doctor')
  expect(out).toMatch(/^✗ config {8}PORT takes .*\n {16}→ change the variable/)
  expect(err).toBe('rollcall: one thing to fix\n')
})
