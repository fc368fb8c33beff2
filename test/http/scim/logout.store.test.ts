import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Database } from '../../../src/db/database.ts'
import type { BaseForm } from '../../../src/tenancy/scim-path.ts'
import { onCitus, openDatabases } from '../../support/engines.ts'
import { type Gateway, openGateway, type TestTenant } from '../../support/gateway.ts'
import { type Instance, idIn, openInstance, patchBody, userBody } from '../../support/instances.ts'
import { type LogoutProvider, type Odd, openLogoutProvider, secondsFromNow } from '../../support/logout.ts'
import { reader } from '../../support/readers.ts'

const NETWORKS = { DELIVERY_NETWORKS: '127.0.0.0/8' }
let gateway: Gateway
let provider: LogoutProvider
let stranger: LogoutProvider

beforeAll(async () => {
  gateway = await openGateway(NETWORKS)
  ;[provider, stranger] = await Promise.all([openLogoutProvider(), openLogoutProvider()])
})
afterAll(async () => {
  await gateway.close()
  expect(gateway.errors).toEqual([])
  await Promise.all([provider.close(), stranger.close()])
})

const urlOf = (base: string) => `${base}/.global-token-revocation`
const registered = (more = {}) => ({ settings: { logoutIssuers: [{ ...provider.registered, ...more }] } })
const byEmail = (email: string) => ({ sub_id: { format: 'email', email } })
const opaque = (id: string) => ({ sub_id: { format: 'opaque', id } })

async function send(base: string, token: string | undefined, body: unknown, more: Record<string, string> = {}) {
  const answer = await fetch(urlOf(base), {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      ...(token !== undefined && { Authorization: `Bearer ${token}` }),
      ...more,
    },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  const text = await answer.text()
  return { status: answer.status, detail: text === '' ? '' : String(JSON.parse(text).detail), headers: answer.headers }
}
/** Asks to end the sessions of somebody, as the provider of the tenant does. */
const logout = async ({ base }: Pick<TestTenant, 'base'>, body: unknown, odd: Odd = {}, from = provider) =>
  send(base, await from.token(urlOf(base), odd), body)
const make = async (tenant: Pick<TestTenant, 'scim'>, name: string, more: object = {}) =>
  idIn(await tenant.scim('POST', '/Users', userBody(name, more)))
const mail = (...values: string[]) => ({ emails: values.map((value, i) => ({ value, primary: i === 0 })) })

interface Revoked {
  readonly resource_id: string
  readonly version: number
  readonly actor: string
  readonly changes: string
}
/** Ends of sessions in the log of a tenant. */
const ended = ({ id }: Pick<TestTenant, 'id'>): Promise<Revoked[]> =>
  gateway.database.run<Revoked>(
    `select resource_id::text, version::int as version, actor, changes from events
     where tenant_id = $1::uuid and type = 'user.sessions_revoked' order by seq`,
    [id],
  )
const whose = async (tenant: Pick<TestTenant, 'id'>) => (await ended(tenant)).map(({ resource_id }) => resource_id)

/** Reads what is at a path of the environment, or changes it. */
const admin = (path: string, body?: object) =>
  fetch(`${gateway.origin}/api/v1/projects/${gateway.project}/environments/${gateway.environment}${path}`, {
    ...{ method: body === undefined ? 'GET' : 'PATCH' },
    headers: { Authorization: `Bearer ${gateway.adminKey}`, 'Content-Type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })

describe.each<BaseForm>(['legacy', 'default', 'tenant'])('logout at the base URL in the form %s', (form) => {
  test('SEC-03 ends the sessions of the user whom the provider names, and says so in the log', async () => {
    const base = gateway.bases[form]
    const { tenant } = gateway
    await gateway.setSettings(tenant, registered().settings)
    const id = await make(tenant, `ada-${form}`, { externalId: `00u-${form}`, ...mail(`ada@${form}.example`) })
    const subjects = [
      byEmail(`ADA@${form}.example`),
      { subject: { format: 'email', email: `ada@${form}.example` } },
      { sub_id: { format: 'iss_sub', iss: provider.url, sub: `00u-${form}` } },
      { sub_id: { format: 'iss_sub', iss: provider.url, sub: id } },
      opaque(id),
      opaque(`00u-${form}`),
    ]
    for (const subject of subjects) expect(await logout({ base }, subject)).toMatchObject({ status: 204, detail: '' })
    const events = (await ended(tenant)).filter(({ resource_id }) => resource_id === id)
    expect(events).toHaveLength(subjects.length)
    expect(events[0]).toMatchObject({ version: 1, actor: 'issuer:okta:application-1' })
    expect(JSON.parse(events[0]?.changes ?? '')).toEqual({
      ...{ issuer: { name: 'okta', url: provider.url }, subjectFormat: 'email' },
    })
    // The user is as before.
    expect((await tenant.scim('GET', `/Users/${id}`)).headers.get('etag')).toBe('W/"1"')
    // A token for one of the addresses is none for another.
    const [other] = Object.values(gateway.bases).filter((each) => each !== base)
    expect(await send(base, await provider.token(urlOf(other ?? '')), opaque(id))).toMatchObject({ status: 401 })
  })
})

describe('a token', () => {
  const NOT_KNOWN = 'The token is not signed by an issuer that this address knows (logoutIssuers of the tenant).'
  let tenant: TestTenant
  let id: string
  beforeAll(async () => {
    tenant = await gateway.newTenant(registered())
    id = await make(tenant, 'ada')
  })

  test.each<[string, Odd, string]>([
    ['of another type', { header: { typ: 'JWT' } }, 'typ'],
    ['without a type', { header: { typ: undefined } }, 'typ'],
    ['for somebody else', { claims: { aud: 'https://scim.example' } }, 'aud'],
    ['for nobody', { claims: { aud: undefined } }, 'aud'],
    ['that has expired', { claims: { exp: secondsFromNow(-31) } }, 'exp'],
    ['without an end', { claims: { exp: undefined } }, 'exp'],
    ['that ends in more than five minutes', { claims: { exp: secondsFromNow(400) } }, 'five minutes'],
    ['that is not yet good', { claims: { nbf: secondsFromNow(60) } }, 'nbf'],
    ['from the future', { claims: { iat: secondsFromNow(120) } }, 'iat'],
    ['without a name', { claims: { jti: undefined } }, 'jti'],
    ['with an empty name', { claims: { jti: '' } }, 'jti'],
    ['with a name that is too long', { claims: { jti: 'x'.repeat(256) } }, 'jti'],
    ['of nobody', { claims: { sub: undefined } }, 'sub'],
    ['of another issuer', { claims: { iss: 'https://evil.example' } }, NOT_KNOWN],
    ['signed by a key that is not published', { forged: true }, NOT_KNOWN],
    ['with an unknown key id', { header: { kid: 'two' } }, NOT_KNOWN],
  ])('%s is refused with 401, and ends nothing', async (_, odd, words) => {
    const answer = await logout(tenant, opaque(id), odd)
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([
      401,
      'Bearer realm="scim", error="invalid_token"',
    ])
    expect(answer.detail).toContain(words)
    expect(await ended(tenant)).toEqual([])
  })

  test('for two addresses at once is refused, though one of them is right', async () => {
    const aud = [urlOf(tenant.base), 'https://scim.example']
    expect(await logout(tenant, opaque(id), { claims: { aud } })).toMatchObject({ status: 401 })
    expect(await logout(tenant, opaque(id), { claims: { aud: aud.slice(0, 1) } })).toMatchObject({ status: 204 })
  })

  test('that is missing, unsigned or a key of ours is refused with 401', async () => {
    const [header, claims] = (await provider.token(urlOf(tenant.base))).split('.')
    const unsigned = `${btoa('{"alg":"none"}')}.${claims}.`
    for (const token of [undefined, unsigned, `${header}.${claims}.`, tenant.key, gateway.adminKey])
      expect(await send(tenant.base, token, opaque(id))).toMatchObject({ status: 401 })
  })

  test('is no key: SCIM and the admin API refuse it', async () => {
    const Authorization = `Bearer ${await provider.token(urlOf(tenant.base))}`
    for (const url of [`${tenant.base}/Users`, `${gateway.origin}/api/v1/projects`])
      expect((await fetch(url, { headers: { Authorization } })).status).toBe(401)
  })

  test('is for the URL without its query, whatever the query says', async () => {
    const token = await provider.token(urlOf(tenant.base))
    const answer = await fetch(`${urlOf(tenant.base)}?since=1`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json', Accept: 'text/plain' },
      body: JSON.stringify(opaque(id)),
    })
    expect(answer.status).toBe(204)
  })

  test('of another application of the issuer is refused with 403, where one is registered', async () => {
    const own = await gateway.newTenant(registered({ subject: 'application-1' }))
    const user = await make(own, 'ada')
    const answer = await logout(own, opaque(user), { claims: { sub: 'application-2' } })
    expect([answer.status, answer.detail]).toEqual([403, expect.stringContaining('subject in logoutIssuers')])
    expect(await ended(own)).toEqual([])
    expect(await logout(own, opaque(user))).toMatchObject({ status: 204 })
  })
})

describe('whom a logout is about', () => {
  let tenant: TestTenant
  beforeAll(async () => {
    tenant = await gateway.newTenant(registered({ subjectIssuer: 'https://login.example' }))
  })

  test.each<[string, unknown]>([
    ['no JSON', '{'],
    ['a list', '[]'],
    ['no subject', {}],
    ['a subject that is a text', { sub_id: 'ada' }],
    ['two subjects', { ...byEmail('a@x.example'), subject: { format: 'email', email: 'b@x.example' } }],
    ['a format that is unknown', { sub_id: { format: 'phone_number', phone_number: '+1206' } }],
    ['no format', { sub_id: { email: 'a@x.example' } }],
    ['an address that is no text', { sub_id: { format: 'email', email: ['a@x.example'] } }],
    ['an empty address', byEmail('')],
    ['half an iss_sub', { sub_id: { format: 'iss_sub', sub: '1' } }],
    ['an id that is too long', opaque('x'.repeat(2_001))],
  ])('a body with %s is refused with 400', async (_, body) => {
    expect(await logout(tenant, body)).toMatchObject({ status: 400 })
  })

  test('a user who is not there is 404', async () => {
    for (const body of [
      byEmail('nobody@x.example'),
      opaque('01a22283-c806-7382-bdbd-12f707b6845b'),
      opaque('nobody'),
      { sub_id: { format: 'iss_sub', iss: 'https://login.example', sub: 'nobody' } },
    ])
      expect(await logout(tenant, body)).toMatchObject({
        ...{ status: 404, detail: 'No user of this tenant is the subject.' },
      })
  })

  test('an iss_sub of another issuer than the registered one names nobody', async () => {
    const id = await make(tenant, 'iss', { externalId: '00u1' })
    const subject = (iss: string) => ({ sub_id: { format: 'iss_sub', iss, sub: '00u1' } })
    expect(await logout(tenant, subject(provider.url))).toMatchObject({ status: 404 })
    expect(await logout(tenant, subject('https://login.example'))).toMatchObject({ status: 204 })
    expect(await whose(tenant)).toEqual([id])
  })

  test('nobody is logged out where several users answer to the subject: 422', async () => {
    const own = await gateway.newTenant(registered())
    const [first, second] = [
      await make(own, 'first', { externalId: 'shared', ...mail('own@x.example', 'Shared@x.example') }),
      await make(own, 'second', { externalId: 'shared', ...mail('shared@X.example') }),
    ]
    await make(own, 'third', { externalId: first })
    for (const body of [byEmail('shared@x.example'), opaque('shared'), opaque(first)]) {
      const answer = await logout(own, body)
      expect([answer.status, answer.detail]).toEqual([422, expect.stringContaining('nobody was logged out')])
    }
    expect(await ended(own)).toEqual([])
    expect(await logout(own, opaque(second))).toMatchObject({ status: 204 })
    expect(await logout(own, byEmail('OWN@x.example'))).toMatchObject({ status: 204 })
    expect(await whose(own)).toEqual([second, first])
  })

  test('a userName is an e-mail address where the user has no other', async () => {
    const own = await gateway.newTenant(registered())
    const bare = await make(own, 'bare@x.example')
    await make(own, 'taken@x.example', mail('else@x.example'))
    expect(await logout(own, byEmail('BARE@x.example'))).toMatchObject({ status: 204 })
    expect(await logout(own, byEmail('taken@x.example'))).toMatchObject({ status: 404 })
    expect(await whose(own)).toEqual([bare])
    await make(own, 'another', mail('bare@x.example'))
    expect(await logout(own, byEmail('bare@x.example'))).toMatchObject({ status: 422 })
  })

  test('a user who is inactive is logged out too; one who was deleted is not there', async () => {
    const own = await gateway.newTenant({ settings: { ...registered().settings, onDelete: 'deactivate' } })
    const id = await make(own, 'gone', { active: false })
    expect(await logout(own, opaque(id))).toMatchObject({ status: 204 })
    expect((await own.scim('DELETE', `/Users/${id}`)).status).toBe(204)
    expect(await logout(own, opaque(id))).toMatchObject({ status: 404 })
    expect(await whose(own)).toEqual([id])
  })
})

describe('TEN-01 tenants', () => {
  test('know nothing of each other: not the users, not the issuers, not the URLs', async () => {
    const [one, two, none, paused] = [
      await gateway.newTenant(registered()),
      await gateway.newTenant({ settings: { logoutIssuers: [stranger.registered] } }),
      await gateway.newTenant(),
      await gateway.newTenant(registered()),
    ]
    await admin(`/tenants/${paused.name}`, { paused: true })
    const [first, second] = [
      await make(one, 'ada', { externalId: 'x1', ...mail('ada@x.example') }),
      await make(two, 'bob', { externalId: 'x2', ...mail('bob@x.example') }),
    ]
    for (const body of [byEmail('bob@x.example'), opaque(second), opaque('x2')])
      expect(await logout(one, body)).toMatchObject({ status: 404 })
    // What cannot be told apart: another tenant, one without issuers, one that is paused, and one that is not there.
    const answers = [
      await logout(two, opaque(second)),
      await logout(paused, opaque('x')),
      await logout(none, opaque(second)),
      await logout({ base: `${one.base}-not-there` }, opaque(first)),
      await logout({ base: `${gateway.bases.default}/Users` }, opaque(first)),
      await logout(one, opaque(first), {}, stranger),
    ]
    expect(new Set(answers.slice(0, 4).map(({ status, detail }) => `${status} ${detail}`)).size).toBe(1)
    expect(answers.map(({ status }) => status)).toEqual(Array(6).fill(401))
    expect([...(await ended(one)), ...(await ended(two))]).toEqual([])
    // A token for the address of one tenant is none for that of another, though both know the issuer.
    await gateway.setSettings(two, registered().settings)
    expect(await send(two.base, await provider.token(urlOf(one.base)), opaque(second))).toMatchObject({ status: 401 })
    expect(await logout(two, opaque(second))).toMatchObject({ status: 204 })
  })

  test('take the issuers of their environment, and of their own in their place', async () => {
    const tenant = await gateway.newTenant()
    const id = await make(tenant, 'ada')
    const { name, issuer, jwksUri } = provider.registered
    expect((await admin('', { settings: { logoutIssuers: [{ name, issuer, jwksUri }] } })).status).toBe(200)
    try {
      expect(await logout(tenant, opaque(id))).toMatchObject({ status: 204 })
      const shown = await (await admin(`/tenants/${tenant.name}`)).json()
      expect(shown).toMatchObject({
        logoutUrl: urlOf(tenant.base),
        effectiveSettings: { logoutIssuers: [{ name, issuer, jwksUri, algorithms: ['RS256'] }] },
      })
      const checked = await (await admin(`/tenants/${tenant.name}/external-issuers`)).json()
      expect(checked).toEqual({
        items: [{ setting: 'logoutIssuers', name, issuer, jwksUri, keys: 1, problem: null }],
      })
      await gateway.setSettings(tenant, { logoutIssuers: [] })
      expect(await logout(tenant, opaque(id))).toMatchObject({ status: 401 })
    } finally {
      await admin('', { settings: { logoutIssuers: null } })
    }
  })
})

describe('limits', () => {
  test('another method, a body that is too large and another type are refused', async () => {
    const tenant = await gateway.newTenant(registered())
    const url = urlOf(tenant.base)
    const headers = async () => ({ Authorization: `Bearer ${await provider.token(url)}` })
    const got = await fetch(url, { headers: await headers() })
    expect([got.status, got.headers.get('allow')]).toEqual([405, 'POST'])
    const large = JSON.stringify({ ...opaque('x'), more: 'x'.repeat(20_000) })
    expect(await logout(tenant, large)).toMatchObject({ status: 413 })
    const form = { ...(await headers()), 'Content-Type': 'application/x-www-form-urlencoded' }
    expect((await fetch(url, { method: 'POST', headers: form, body: 'a=b' })).status).toBe(415)
  })

  test('a tenant takes requests from its addresses alone, and so many in ten seconds', async () => {
    const tenant = await gateway.newTenant(registered())
    await gateway.setSettings(tenant, { allowedAddresses: ['192.0.2.1'] })
    expect(await logout(tenant, opaque('x'))).toMatchObject({ status: 403 })
    const busy = await gateway.newTenant(registered())
    // The clock stands still, so that they come within one window however slow the machine is.
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() })
    onTestFinished(() => void vi.useRealTimers())
    const answers: Awaited<ReturnType<typeof logout>>[] = []
    // A few at a time, as a tenant may not have more under way.
    while (answers.length < 260)
      answers.push(...(await Promise.all(Array.from({ length: 10 }, () => logout(busy, opaque('x'))))))
    const refused = answers.filter(({ status }) => status === 429)
    expect(refused).toHaveLength(10)
    expect(refused[0]?.headers.get('retry-after')).toMatch(/^\d+$/)
    expect(refused[0]?.detail).toContain('250 logouts in 10 s')
    const beside = await gateway.newTenant(registered())
    expect(await logout(beside, opaque('x'))).toMatchObject({ status: 404 })
  })
})

describe('the provisioning log', () => {
  interface Item {
    readonly id: string
    readonly status: number
    readonly operation: string
    readonly explanation: { readonly problem: string; readonly remedy: string } | null
  }
  test('has each logout, and says in plain words why one was refused', async () => {
    const tenant = await gateway.newTenant(registered())
    await make(tenant, 'ada', mail('ada@x.example'))
    const requests = async (query = '') => {
      const answer = await admin(`/tenants/${tenant.name}/requests?operation=logout${query}`)
      return ((await answer.json()) as { items: Item[] }).items
    }
    await logout(tenant, byEmail('ada@x.example'))
    await logout(tenant, byEmail('eve@x.example'))
    await logout(tenant, opaque('x'), { claims: { exp: secondsFromNow(-60) } })
    await logout(tenant, opaque('x'), {}, stranger)
    await expect.poll(async () => (await requests()).map(({ status }) => status)).toEqual([401, 401, 404, 204])
    const [strange, expired, unknown, done] = await requests()
    for (const each of [strange, expired])
      expect(each?.explanation?.problem).toContain('a token that this tenant does not accept')
    expect(done?.explanation).toBeNull()
    expect(unknown?.explanation?.problem).toContain('no user of this tenant')
    expect((await requests('&person=eve%40x.example')).map(({ id }) => id)).toEqual([unknown?.id])
  })
})

describe('on several instances', () => {
  let databases: readonly [Database, ...Database[]]
  let all: Instance[]
  beforeAll(async () => {
    databases = await openDatabases(6)
    const env = { ...NETWORKS, PUBLIC_URL: 'http://scim.test', ADMIN_KEY: 'an-admin-key-for-logouts' }
    all = [await openInstance(databases[0], env), await openInstance(databases.at(-1) as Database, env)]
  })
  afterAll(async () => {
    for (const one of all) await one.close()
    for (const one of databases) await one.close()
  })
  const sendTo = (instance: Instance | undefined, tenant: TestTenant, token: string, body: unknown) =>
    (instance as Instance).send(
      new Request(urlOf(tenant.base), {
        ...{ method: 'POST', headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' } },
        body: JSON.stringify(body),
      }),
    )

  test('SEC-03 a token is good once, wherever and however often it is sent, and whatever came of it', async () => {
    const [here, there] = all
    const tenant = await (here as Instance).newTenant(registered())
    const id = await make(tenant, 'ada')
    const token = await provider.token(urlOf(tenant.base))
    const answers = await Promise.all(
      [here, there, here, there].map((instance) => sendTo(instance, tenant, token, opaque(id))),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 401, 401, 401])
    const missed = await provider.token(urlOf(tenant.base))
    expect((await sendTo(here, tenant, missed, opaque('x'))).status).toBe(404)
    const again = await sendTo(there, tenant, missed, opaque(id))
    expect([again.status, ((await again.json()) as { detail: string }).detail]).toEqual([
      401,
      'The token was used before; its jti is good once.',
    ])
    // The jti of one tenant is that of no other.
    const other = await (here as Instance).newTenant(registered())
    const claims = { jti: 'the same' }
    for (const each of [tenant, other])
      expect((await sendTo(here, each, await provider.token(urlOf(each.base), { claims }), opaque('x'))).status).toBe(
        404,
      )
  })

  test('a logout passes the leaver brake, which holds what else is of the user', async () => {
    const [here] = all
    const leaverBrake = { mode: 'hold', count: 1, windowMinutes: 60, releaseAfterHours: 24 } as const
    const tenant = await (here as Instance).newTenant({ settings: { ...registered().settings, leaverBrake } })
    const ids = [await make(tenant, 'ada'), await make(tenant, 'bob')]
    for (const id of ids)
      await tenant.scim('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'active', value: false }))
    const types = async () =>
      (await reader(here as Instance, tenant).events('?limit=500')).items.map(({ type }) => type)
    await expect.poll(types).toEqual(['user.created', 'user.created', 'brake.engaged'])
    expect((await sendTo(here, tenant, await provider.token(urlOf(tenant.base)), opaque(ids[0] ?? ''))).status).toBe(
      204,
    )
    await expect.poll(types).toEqual(['user.created', 'user.created', 'brake.engaged', 'user.sessions_revoked'])
  })
})

// On Citus no tenant moves to another environment: docs/scale.md.
test.skipIf(onCitus())(
  'TEN-01 a tenant that has moved is logged out at its old URL too, until that one ends; to all others nothing is there',
  async () => {
    const from = `/api/v1/projects/${gateway.project}/environments/${gateway.environment}`
    const asAdmin = (method: string, path: string, body?: object) =>
      fetch(gateway.origin + path, {
        headers: { Authorization: `Bearer ${gateway.adminKey}`, 'Content-Type': 'application/json' },
        ...{ method, ...(body !== undefined && { body: JSON.stringify(body) }) },
      })
    const moving = await gateway.newTenant(registered())
    const id = await make(moving, 'ada')
    const key = moving.base.slice(moving.base.lastIndexOf('/') + 1)
    const there = `there-${key}`
    expect((await asAdmin('POST', `/api/v1/projects/${gateway.project}/environments`, { key: there })).status).toBe(201)
    const nobody = { base: moving.base.replace(key, 'nobody') }
    const unknown = await logout(nobody, opaque(id))
    expect(unknown.status).toBe(401)

    const moved = await asAdmin('POST', `${from}/tenants/${key}/move`, { environment: there })
    expect(moved.status).toBe(200)
    const { tenant } = (await moved.json()) as { tenant: { scimBaseUrl: string } }
    for (const base of [moving.base, moving.base.replace(key, moving.id), tenant.scimBaseUrl])
      expect(await logout({ base }, opaque(id))).toMatchObject({ status: 204, detail: '' })
    expect(await ended(moving)).toHaveLength(3)
    // The token is for the URL that it is sent to, and from the issuer of this tenant.
    for (const [audience, issuer] of [
      [tenant.scimBaseUrl, provider],
      [moving.base, stranger],
    ] as const)
      expect(await send(moving.base, await issuer.token(urlOf(audience)), opaque(id))).toMatchObject({ status: 401 })
    const strange = await logout(moving, opaque(id), {}, stranger)
    expect({ ...strange, headers: null }).toEqual({
      ...(await logout(nobody, opaque(id), {}, stranger)),
      headers: null,
    })

    const paused = `/api/v1/projects/${gateway.project}/environments/${there}`
    expect((await asAdmin('PATCH', paused, { paused: true })).status).toBe(200)
    expect(await logout(moving, opaque(id))).toMatchObject({ status: unknown.status, detail: unknown.detail })
    expect((await asAdmin('PATCH', paused, { paused: false })).status).toBe(200)
    expect((await asAdmin('DELETE', `${paused}/tenants/${key}/former-base-urls`)).status).toBe(204)
    expect(await logout(moving, opaque(id))).toMatchObject({ status: unknown.status, detail: unknown.detail })
    expect(await logout({ base: tenant.scimBaseUrl }, opaque(id))).toMatchObject({ status: 204 })
  },
)
