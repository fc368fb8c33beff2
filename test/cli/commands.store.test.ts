import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bootstrap } from '../../src/administration/bootstrap.ts'
import { CliError, EXIT } from '../../src/cli/failure.ts'
import { assignments } from '../../src/cli/values.ts'
import type { Schemas } from '../../src/client/index.ts'
import { loadConfig } from '../../src/config.ts'
import { openDatabase } from '../../src/db/open.ts'
import { rollcall, rollcallJson } from '../support/cli.ts'
import { engineName, ownStore } from '../support/engines.ts'
import { type Gateway, openGateway } from '../support/gateway.ts'

type Env = Record<string, string>

let gateway: Gateway
let store: Awaited<ReturnType<typeof ownStore>>
let overTheNetwork: Env
beforeAll(async () => {
  gateway = await openGateway()
  const names = { ROLLCALL_PROJECT: gateway.project, ROLLCALL_ENVIRONMENT: gateway.environment }
  overTheNetwork = { ...names, ROLLCALL_URL: gateway.origin, ROLLCALL_ADMIN_KEY: gateway.adminKey }
  store = await ownStore()
  const database = await openDatabase(loadConfig(store.env), () => {})
  await bootstrap(database, {})
  await database.close()
})
afterAll(async () => {
  await gateway.close()
  store.remove()
})

describe.each<[string, () => Env]>([
  ['over the admin API', () => overTheNetwork],
  ['straight on the database', () => store.env],
])('%s', (_, environment) => {
  const key = `acme-${Date.now()}`

  test('a tenant is made, listed, and set', async () => {
    const env = environment()
    const made = await rollcallJson<Schemas['Tenant']>(
      ...[env, 'tenant', 'create', key, '--name', 'Acme', '--set', 'mode=strict', 'rootQueries=false'],
    )
    expect(made).toMatchObject({ key, name: 'Acme', settings: { mode: 'strict', rootQueries: false } })
    expect(made.scimBaseUrl).toMatch(new RegExp(`^http://.*/v2/${key}$`))
    const all = await rollcallJson<Schemas['Tenant'][]>(env, 'tenant', 'list')
    expect(all.map((tenant) => tenant.key)).toEqual(['default', key])
    const set = await rollcallJson<{ etag: string }>(
      env,
      'tenant',
      'settings',
      key,
      'mode=null',
      'uniqueGroupNames=false',
    )
    expect(set).toMatchObject({
      settings: { rootQueries: false, uniqueGroupNames: false },
      effectiveSettings: { mode: 'lenient', uniqueGroupNames: false },
    })
    expect(await rollcallJson(env, 'tenant', 'settings', key)).toEqual(set)
    const again = ['tenant', 'settings', key, 'uniqueGroupNames=false', '--if-match', set.etag]
    expect(await rollcallJson(env, ...again)).toEqual(set)
  })

  test('a tenant is moved to another key, as a preview says before', async () => {
    const env = environment()
    const [from, to] = [`${key}-from`, `${key}-to`]
    await rollcallJson(env, 'tenant', 'create', from)
    const move = [env, 'tenant', 'move', from, '--to-key', to, '--keep-url', '7'] as const
    const preview = await rollcallJson<Schemas['TenantMoved']>(...move, '--preview')
    const moved = await rollcallJson<Schemas['TenantMoved']>(...move)
    expect(moved.tenant).toEqual(preview.tenant)
    expect(moved.tenant.scimBaseUrl).toMatch(new RegExp(`/v2/${to}$`))
    expect(moved.formerBaseUrl?.scimBaseUrl).toMatch(new RegExp(`/v2/${from}$`))
    const { out } = await rollcall(env, 'tenant', 'move', to, '--to-key', from, '--keep-url', '0')
    expect(out).toMatch(/old base URL +leads nowhere/)
    const elsewhere = await rollcall(env, 'tenant', 'move', from, '--to-project', 'nobody', '--to-environment', 'x')
    expect(elsewhere.exitCode).toBe(EXIT.refused)
  })

  test('a set-up link is made, listed without its secret, and revoked', async () => {
    const env = environment()
    const create = ['link', 'create', key, 'IT of Acme', '--identity-provider', 'okta', '--max-visitors', '2'] as const
    const made = await rollcallJson<Schemas['CreatedSetupLink']>(env, ...create)
    expect(made).toMatchObject({ name: 'IT of Acme', identityProvider: 'okta', maxVisitors: 2 })
    expect(made.url).toMatch(/\/setup\/enter\/rsl_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}$/)
    const { out } = await rollcall(env, 'link', 'list', key)
    expect(out).toMatch(new RegExp(`^ID .*\n${made.id} +IT of Acme +okta +0 of 2 +never`))
    expect(out).not.toContain(made.url.slice(-38))
    expect(await rollcallJson(env, 'link', 'revoke', key, made.id)).toEqual({ id: made.id, revoked: true })
    const [revoked] = await rollcallJson<Schemas['SetupLink'][]>(env, 'link', 'list', key)
    expect(revoked?.revokedAt).not.toBeNull()
  })

  test('a key is made, rotated, settled, listed without its secret, and revoked', async () => {
    const env = environment()
    const place = ['--tenant', key]
    const expiresAt = new Date(Date.now() + 86_400_000).toISOString()
    const create = [env, 'key', 'create', 'Okta', ...place, '--permission', 'scim:read', '--expires'] as const
    expect((await rollcall(...create, '2099-01-01T00:00:00Z')).exitCode).toBe(EXIT.refused)
    const made = await rollcallJson<Schemas['CreatedApiKey']>(...create, expiresAt)
    expect(made).toMatchObject({
      name: 'Okta',
      permissions: ['scim:read'],
      scope: { kind: 'tenant' },
      expiresAt,
    })
    const rotated = await rollcallJson<Schemas['CreatedApiKey']>(env, 'key', 'rotate', made.id, '--until-new-is-used')
    expect([rotated.id, rotated.key === made.key]).toEqual([made.id, false])
    expect((await rollcall(env, 'key', 'rotate', made.id)).exitCode).toBe(EXIT.refused)
    const undone = await rollcallJson<Schemas['ApiKey']>(env, 'key', 'rotate', made.id, '--undo')
    expect(undone.secrets.map(({ endsAt }) => endsAt === null)).toEqual([true, false])
    await rollcallJson(env, 'key', 'rotate', made.id, '--keep-old', '60')
    await rollcallJson(env, 'key', 'rotate', made.id, '--end-old')
    const all = await rollcallJson<Schemas['ApiKey'][]>(env, 'key', 'list', ...place)
    expect(all.map(({ id, secrets }) => [id, secrets.filter(({ endsAt }) => endsAt === null).length])).toEqual([
      [made.id, 1],
    ])
    expect(JSON.stringify(all)).not.toContain(rotated.key)
    expect((await rollcall(env, 'key', 'revoke', made.id, ...place, '--scope', 'instance')).exitCode).toBe(EXIT.usage)
    await rollcallJson(env, 'key', 'revoke', made.id, '--scope', 'instance')
    const [revoked] = await rollcallJson<Schemas['ApiKey'][]>(env, 'key', 'list', ...place)
    expect(revoked?.revokedAt).not.toBeNull()
  })

  test('SEC-10 a key is told to trust an issuer, shows so, and stops', async () => {
    const env = environment()
    const place = ['--tenant', key]
    const { id } = await rollcallJson<Schemas['CreatedApiKey']>(env, 'key', 'create', 'Entra', ...place)
    const from = ['--issuer', 'https://idp.example/v2.0', '--jwks', 'https://idp.example/keys', '--subject', 'workload']
    const trust = [env, 'key', 'trust', id, ...place, ...from, '--audience'] as const
    const added = await rollcallJson<Schemas['Trust']>(...trust, 'api://a', 'api://b')
    expect(added).toMatchObject({ subject: 'workload', audiences: ['api://a', 'api://b'], algorithms: ['RS256'] })
    expect((await rollcall(...trust, 'api://b')).exitCode).toBe(EXIT.refused)
    expect((await rollcall(...trust, 'api://c', '--algorithm', 'HS256')).exitCode).toBe(EXIT.usage)
    const [shown] = await rollcallJson<Schemas['ApiKey'][]>(env, 'key', 'list', ...place).then((all) =>
      all.filter((one) => one.id === id),
    )
    expect(shown?.trusts).toEqual([added])
    const ended = await rollcallJson(env, 'key', 'untrust', id, added.id, ...place)
    expect(ended).toEqual({ id: added.id, removed: true })
    expect((await rollcall(env, 'key', 'untrust', id, added.id, ...place)).exitCode).toBe(EXIT.refused)
  })

  test('without --json people get a table', async () => {
    const { out } = await rollcall(environment(), 'tenant', 'list')
    expect(out).toMatch(new RegExp(`^KEY +NAME +PAUSED +BASE URL\ndefault +default +no +http\\S+\n${key} +Acme +no`))
  })

  test.each<[string, string[], number, RegExp]>([
    ['a tenant that is not there', ['tenant', 'settings', 'nobody'], EXIT.refused, /There is no tenant "nobody" here/],
    ['a taken key', ['tenant', 'create', 'default'], EXIT.refused, /is taken/],
    [
      'a change of another state',
      ['tenant', 'settings', 'default', 'mode=strict', '--if-match', '"other"'],
      ...([EXIT.refused, /It was changed since you read it/] as const),
    ],
    ['a wrong setting', ['tenant', 'settings', 'default', 'mode=odd'], EXIT.refused, /settings\.mode Invalid option/],
    ['an unknown setting', ['tenant', 'settings', 'default', 'x=1'], EXIT.refused, /settings\.x is not known here/],
    ['a setting without value', ['tenant', 'settings', 'default', 'mode'], EXIT.usage, /form setting=value/],
    ['a wrong permission', ['key', 'create', 'k', '--permission', 'all'], EXIT.usage, /Allowed choices are scim:read/],
    ['an unknown command', ['tenants'], EXIT.usage, /unknown command 'tenants'/],
    ['a missing argument', ['key', 'revoke'], EXIT.usage, /missing required argument 'id'/],
    ['an empty argument', ['key', 'revoke', ''], EXIT.usage, /is empty/],
    ['an empty option', ['key', 'list', '--tenant', ''], EXIT.usage, /is empty/],
    ['a key of no tenant', ['key', 'create', 'k', '--scope', 'tenant'], EXIT.usage, /takes --tenant too/],
    [
      'a key for more than the tenant that is named',
      ['key', 'create', 'k', '--tenant', 'default', '--scope', 'project'],
      EXIT.usage,
      /--tenant names one tenant, and --scope project more than that/,
    ],
  ])('%s is one line on standard error', async (_, args, exitCode, words) => {
    const ran = await rollcall(environment(), ...args)
    expect(ran).toEqual({
      exitCode,
      out: '',
      err: expect.stringMatching(/^rollcall: [^\n]+(\n\(Did you mean .*\))?\n$/),
    })
    expect(ran.err).toMatch(words)
  })
})

test('who is signed in to the console is listed, and a session is ended', async () => {
  const { origin, adminKey } = gateway
  const signedIn = await fetch(`${origin}/console/sign-in`, {
    ...{ method: 'POST', redirect: 'manual', headers: { Origin: origin } },
    body: new URLSearchParams({ key: adminKey }),
  })
  const headers = { Cookie: signedIn.headers.get('Set-Cookie')?.split(';')[0] ?? '' }
  const status = async () => (await fetch(`${origin}/console`, { headers, redirect: 'manual' })).status
  expect(await status()).toBe(200)
  const [session] = await rollcallJson<Schemas['ConsoleSession'][]>(overTheNetwork, 'session', 'list')
  expect(session).toMatchObject({ apiKey: 'admin', person: null })
  expect((await rollcall(overTheNetwork, 'session', 'list')).out).toMatch(/key admin/)
  await rollcallJson(overTheNetwork, 'session', 'end', session?.id ?? '')
  expect(await status()).toBe(303)
  expect((await rollcall(overTheNetwork, 'session', 'end', session?.id ?? '')).exitCode).toBe(EXIT.refused)
})

test('the trail tells of what the command line did', async () => {
  const { ROLLCALL_PROJECT: p = '', ROLLCALL_ENVIRONMENT: e = '' } = overTheNetwork
  const answer = await fetch(`${gateway.origin}/api/v1/projects/${p}/environments/${e}/audit-log`, {
    headers: { Authorization: `Bearer ${gateway.adminKey}` },
  })
  const { items } = (await answer.json()) as { items: { action: string }[] }
  const told = items.map(({ action }) => action)
  expect(told).toEqual(expect.arrayContaining(['api_key.revoked', 'api_key.trust_added', 'api_key.trust_removed']))
})

test('SEC-07 whether the tokens of a key may make keys with admin is said and changed; a key that ends sooner says so', async () => {
  const env = overTheNetwork
  const soon = new Date(Date.now() + 40 * 86_400_000).toISOString()
  const admin = [env, 'key', 'create', 'ops', '--permission', 'admin', 'scim:read', 'scim:write'] as const
  const ops = await rollcallJson<Schemas['CreatedApiKey']>(
    ...[...admin, '--tokens-may-mint-admin-keys', '--expires', soon],
  )
  expect(ops).toMatchObject({ tokensMayMintAdminKeys: true, warnings: [] })
  const change = ['key', 'change', ops.id, '--tokens-may-mint-admin-keys'] as const
  expect(await rollcallJson(env, ...change, 'no')).toMatchObject({ tokensMayMintAdminKeys: false })
  expect((await rollcall(env, ...change, 'yes')).out).toMatch(/ITS TOKENS|its tokens +may make keys with admin/)
  expect((await rollcall(env, 'key', 'change', ops.id)).exitCode).toBe(EXIT.usage)
  const asOps = { ...env, ROLLCALL_ADMIN_KEY: ops.key }
  const customer = await rollcall(asOps, 'key', 'create', 'customer')
  expect(customer.out).toContain(`ends sooner, at ${soon}; this one goes on`)
  const successor = await rollcall(asOps, 'key', 'create', 'next', '--permission', 'admin')
  expect(successor.out).toContain(`It ends at ${soon}`)
  const later = new Date(Date.now() + 50 * 86_400_000).toISOString()
  const refused = await rollcall(asOps, 'key', 'create', 'long', '--expires', later)
  expect([refused.exitCode, refused.err]).toEqual([EXIT.refused, expect.stringContaining(`must not be after ${soon}`)])
})

test.each<[string, Env, number, RegExp]>([
  ['a gateway that is not there', { ROLLCALL_URL: 'http://127.0.0.1:1' }, EXIT.unreachable, /127\.0\.0\.1:1 cannot be/],
  ['a URL that is none', { ROLLCALL_URL: 'scim.example.com' }, EXIT.usage, /ROLLCALL_URL/],
  ['a wrong configuration', { PORT: 'x', ADMIN_KEY: 'x' }, EXIT.usage, /^rollcall: PORT takes .*\nrollcall: ADMIN_KEY/],
  [
    'a database that is not there',
    { DATABASE_URL: 'postgres://u:hush@127.0.0.1:1/x' },
    EXIT.unreachable,
    /^rollcall: PostgreSQL at 127\.0\.0\.1:1\/x cannot be used: (?!.*hush)/,
  ],
])('%s ends with its code and a line', async (_, env, exitCode, words) => {
  const ran = await rollcall({ ROLLCALL_ADMIN_KEY: 'a key with some length', ...env }, 'tenant', 'list')
  expect(ran).toEqual({ exitCode, out: '', err: expect.stringMatching(words) })
})

test('a page for browsers at the URL is no gateway', async () => {
  const site = createServer((_, answer) => answer.setHeader('content-type', 'text/html; charset=utf-8').end('<html>'))
  await new Promise<void>((listening) => site.listen(0, '127.0.0.1', listening))
  const { port } = site.address() as AddressInfo
  const env = { ROLLCALL_URL: `http://127.0.0.1:${port}`, ROLLCALL_ADMIN_KEY: 'a key with some length' }
  const ran = await rollcall(env, 'tenant', 'list')
  expect(ran).toMatchObject({ exitCode: EXIT.unreachable, err: expect.stringContaining('is no gateway') })
  site.close()
})

test('a key is needed for a gateway, and one that it knows', async () => {
  const missing = await rollcall({ ROLLCALL_URL: gateway.origin }, 'tenant', 'list')
  expect(missing).toMatchObject({ exitCode: EXIT.usage, err: expect.stringContaining('ROLLCALL_ADMIN_KEY') })
  const wrong = await rollcall({ ROLLCALL_URL: gateway.origin }, 'tenant', 'list', '--admin-key', 'wrong')
  expect(wrong).toMatchObject({ exitCode: EXIT.refused, out: '' })
})

test('migrate brings PostgreSQL up to date, and says why not the embedded database', async () => {
  const ran = await rollcall(store.env, 'migrate', '--json')
  if (engineName() === 'postgres')
    expect(ran).toEqual({ exitCode: EXIT.done, out: '{\n  "migrated": true\n}\n', err: '' })
  else expect(ran).toMatchObject({ exitCode: EXIT.usage, err: expect.stringContaining('when Rollcall starts') })
})

test('--version tells which it is', async () => {
  expect(await rollcall({}, '--version')).toEqual({
    ...{ exitCode: EXIT.done, err: '' },
    out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
  })
})

test('--help tells the exit codes, of the program and with every option of a command', async () => {
  expect((await rollcall({}, '--help')).out).toMatch(/Exit codes:\n {2}0 {2}done\n/)
  const { exitCode, out } = await rollcall({}, 'key', 'rotate', '--help')
  expect([exitCode, out]).toEqual([EXIT.done, expect.stringMatching(/--keep-old[\s\S]*--json/)])
})

test.each([
  ['a=true', { a: true }],
  ['a=25', { a: 25 }],
  ['a=null', { a: null }],
  ['a=strict', { a: 'strict' }],
  ['a=b=c', { a: 'b=c' }],
  ['a=', { a: '' }],
])('%s is read', (text, value) => expect(assignments([text])).toEqual(value))

test('what has no value is no setting', () => expect(() => assignments(['=x'])).toThrow(CliError))
