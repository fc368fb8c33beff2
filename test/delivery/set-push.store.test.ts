import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { webhookQueueOf } from '../../src/repositories/delivery/webhook-queue.ts'
import { openAdminApi } from '../support/admin-api.ts'
import { openFreshDatabase } from '../support/engines.ts'
import type { TestTenant } from '../support/gateway.ts'
import { addMembers, groupBody, idIn, patchBody, removeMember, userBody } from '../support/instances.ts'
import { placeOf } from '../support/readers.ts'
import { openStreams, type Streams } from '../support/streams.ts'

const PROV = 'urn:ietf:params:scim:event:prov:'
const SESSION_REVOKED = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'
const ACCOUNT_DISABLED = 'https://schemas.openid.net/secevent/risc/event-type/account-disabled'

let database: Database
let streams: Streams
beforeAll(async () => {
  database = await openFreshDatabase()
  streams = await openStreams(database)
})
afterAll(async () => {
  await streams.close()
  await database.close()
})

const until = <T>(what: () => T | Promise<T>) => expect.poll(what, { interval: 20 })
const make = async (tenant: TestTenant, name: string, rest: object = {}) =>
  idIn(await tenant.scim('POST', '/Users', userBody(name, rest)))
const set = (tenant: TestTenant, id: string, path: string, value: unknown) =>
  tenant.scim('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path, value }))
const issuerOf = (tenant: TestTenant) => `${streams.origin}/ssf/tenants/${tenant.id}`
const uris = (path: string) => streams.receiver.taken(path).map(({ uri }) => uri.replace(PROV, ''))

describe('Security Event Tokens that are pushed', () => {
  test('EV-01 EV-02 EV-03 EV-12 are signed, say who it is about, and verify by what the issuer publishes', async () => {
    const tenant = await streams.here.newTenant()
    const to = await streams.stream(tenant, { token: 'the-receiver-knows-this' })
    expect(to.body).toMatchObject({ issuer: issuerOf(tenant), jwksUri: `${streams.origin}/.well-known/jwks.json` })
    expect(to.body).toMatchObject({ format: 'notice', hasToken: true, signals: [] })
    const id = await make(tenant, 'ann', { externalId: 'jdoe' })
    await until(() => uris(to.path)).toEqual(['create:notice'])
    const [got] = streams.receiver.taken(to.path)
    expect(got?.headers).toMatchObject({
      'content-type': 'application/secevent+jwt',
      accept: 'application/json',
      authorization: 'Bearer the-receiver-knows-this',
    })
    expect(got?.header).toEqual({ typ: 'secevent+jwt', alg: 'RS256', kid: expect.any(String) })
    expect(got?.claims).toEqual({
      ...{ iss: issuerOf(tenant), aud: `urn:receiver${to.path}`, tenant: tenant.id },
      ...{ iat: expect.any(Number), toe: expect.any(Number), jti: expect.any(String), txn: expect.any(String) },
      sub_id: { format: 'scim', uri: `/Users/${id}`, externalId: 'jdoe', id },
      events: { [`${PROV}create:notice`]: { version: 'W/"1"', attributes: ['userName', 'externalId', 'active'] } },
    })
  })

  test('EV-07 EV-08 EV-09 one change is several tokens, each with one event and a name of its own, and one txn', async () => {
    const tenant = await streams.here.newTenant()
    const to = await streams.stream(tenant, { signals: ['caep', 'risc'] })
    const id = await make(tenant, 'bob')
    const both = [
      { op: 'replace', path: 'title', value: 'x' },
      { op: 'replace', path: 'active', value: false },
    ]
    await tenant.scim('PATCH', `/Users/${id}`, patchBody(...both))
    await set(tenant, id, 'active', true)
    await tenant.scim('DELETE', `/Users/${id}`)
    await until(() => uris(to.path)).toEqual([
      'create:notice',
      ...['patch:notice', SESSION_REVOKED, ACCOUNT_DISABLED, 'patch:notice', 'deactivate'],
      ...['https://schemas.openid.net/secevent/risc/event-type/account-enabled', 'patch:notice', 'activate'],
      ...[SESSION_REVOKED, ACCOUNT_DISABLED, 'delete'],
    ])
    const taken = streams.receiver.taken(to.path)
    expect(new Set(taken.map(({ claims }) => claims.jti)).size).toBe(12)
    const txns = taken.map(({ claims }) => claims.txn)
    expect([1, 6, 9].map((from) => new Set(txns.slice(from, from === 1 ? 6 : from + 3)).size)).toEqual([1, 1, 1])
    expect(new Set(txns).size).toBe(4)
  })

  test('EV-10 EV-11 a receiver of the same domain gets the values, and never a password', async () => {
    const tenant = await streams.here.newTenant()
    const to = await streams.stream(tenant, { format: 'full' })
    const id = await make(tenant, 'cleo', { title: 'a', password: 'Swordfish-1' })
    await tenant.scim(
      'PATCH',
      `/Users/${id}`,
      patchBody(
        { op: 'replace', path: 'title', value: 'b' },
        { op: 'replace', path: 'password', value: 'Swordfish-2' },
      ),
    )
    const group = idIn(await tenant.scim('POST', '/Groups', groupBody('G')))
    await tenant.scim('PATCH', `/Groups/${group}`, addMembers(id))
    await tenant.scim('PATCH', `/Groups/${group}`, removeMember(id))
    await until(() => uris(to.path).length).toBe(6)
    const of = (about: string) => streams.receiver.taken(to.path).filter(({ claims }) => claims.sub_id.id === about)
    expect(of(id).map(({ uri, event }) => [uri.replace(PROV, ''), event])).toEqual([
      ['create:full', { version: 'W/"1"', data: expect.objectContaining({ userName: 'cleo', title: 'a', id }) }],
      [
        'patch:full',
        {
          version: 'W/"2"',
          data: { schemas: expect.any(Array), Operations: [{ op: 'replace', path: 'title', value: 'b' }] },
        },
      ],
      ['patch:notice', { version: 'W/"2"', attributes: ['password'] }],
    ])
    expect(of(group).map(({ event }) => (event.data as { Operations?: unknown }).Operations)).toEqual([
      undefined,
      [{ op: 'add', path: 'members', value: [{ value: id }] }],
      [{ op: 'remove', path: `members[value eq "${id}"]` }],
    ])
    expect(JSON.stringify(streams.receiver.at(to.path))).not.toContain('Swordfish')
  })

  test('EV-13 a refused token is parked with its error, the others go on; it is sent again on request', async () => {
    const tenant = await streams.here.newTenant()
    const to = await streams.stream(tenant, { signals: ['caep'] })
    let refusing = true
    streams.receiver.answer(to.path, ({ uri }) =>
      refusing && uri === `${PROV}patch:notice` ? { err: 'invalid_request', description: 'secret words' } : 202,
    )
    const id = await make(tenant, 'dora')
    await set(tenant, id, 'active', false)
    await tenant.scim('DELETE', `/Users/${id}`)
    await until(() => uris(to.path)).toEqual([
      ...['create:notice', SESSION_REVOKED, 'deactivate', SESSION_REVOKED, 'delete'],
    ])
    await until(() => to.waiting('dead')).toMatchObject([
      { type: 'user.deactivated', attempts: 1, lastStatus: 400, lastError: 'the receiver refuses it: invalid_request' },
    ])
    expect((await to.admin('GET')).body).toMatchObject({ failingSince: null, warnings: [] })
    refusing = false
    const [first] = streams.receiver.at(to.path).filter(({ uri }) => uri === `${PROV}patch:notice`)
    expect((await to.admin('POST', '/replay', { dead: true })).body).toEqual({ queued: 1 })
    await until(() => uris(to.path).at(-1)).toBe('deactivate')
    const again = streams.receiver.taken(to.path).find(({ uri }) => uri === `${PROV}patch:notice`)
    expect(again?.claims.jti).toBe(first?.claims.jti)
    await until(() => to.waiting('dead')).toEqual([])
  })

  test.each(['invalid_key', 'invalid_issuer', 'invalid_audience', 'authentication_failed', 'access_denied'])(
    'EV-13 %s is parked, and says that the stream is in trouble',
    async (err) => {
      const tenant = await streams.here.newTenant()
      const to = await streams.stream(tenant)
      streams.receiver.answer(to.path, () => ({ err, description: '' }))
      await make(tenant, 'eve')
      await until(() => to.waiting('dead')).toMatchObject([{ lastError: `the receiver refuses it: ${err}` }])
      await until(async () => (await to.admin('GET')).body.warnings).toEqual([expect.stringContaining('disabled')])
    },
  )

  test.each([
    ['503', 503],
    ['200, which does not say that it was taken', 200],
    ['a redirect', 302],
    ['400 without an error of the standard', { err: 'whatever', description: '' }],
    ['no answer at all', 'no answer' as const],
  ])('EV-13 EV-09 %s: only what was not taken comes again, under the same name', async (_, answer) => {
    const tenant = await streams.here.newTenant()
    const to = await streams.stream(tenant, { signals: ['caep', 'risc'] })
    const id = await make(tenant, 'fred')
    await until(() => uris(to.path)).toHaveLength(1)
    let failures = 2
    streams.receiver.answer(to.path, ({ uri }) => (uri === ACCOUNT_DISABLED && failures-- > 0 ? answer : 202))
    await set(tenant, id, 'active', false)
    await until(() => uris(to.path)).toEqual([
      ...['create:notice', SESSION_REVOKED, ACCOUNT_DISABLED, 'patch:notice', 'deactivate'],
    ])
    const tries = streams.receiver.at(to.path).filter(({ uri }) => uri === ACCOUNT_DISABLED)
    expect(tries).toHaveLength(3)
    expect(new Set(tries.map(({ claims }) => claims.jti)).size).toBe(1)
    expect(streams.receiver.at(to.path)).toHaveLength(7)
    expect(streams.receiver.got.filter(({ path }) => path === '/elsewhere')).toEqual([])
  })

  test('EV-15 come in the order of each resource, while resources go side by side', async () => {
    const tenant = await streams.here.newTenant()
    const to = await streams.stream(tenant)
    streams.receiver.answer(to.path, async () => {
      // A receiver takes a different time for each token; the test does not wait for it.
      await pause(Math.random() * 10)
      return 202
    })
    await Promise.all(
      Array.from({ length: 6 }, async (_, u) => {
        const id = await make(tenant, `ordered${u}`)
        for (let n = 0; n < 4; n++) await set(tenant, id, 'title', `t${n}`)
      }),
    )
    await until(() => uris(to.path)).toHaveLength(30)
    const versions = new Map<string, unknown[]>()
    for (const { claims, event } of streams.receiver.taken(to.path)) {
      const { id = '' } = claims.sub_id
      versions.set(id, [...(versions.get(id) ?? []), event.version])
    }
    expect([...versions.values()]).toEqual(Array(6).fill([1, 2, 3, 4, 5].map((n) => `W/"${n}"`)))
  })

  test('EV-15 what an instance had claimed when it died comes from another, under the same names', async () => {
    const tenant = await streams.here.newTenant()
    const to = await streams.stream(tenant)
    await to.admin('PATCH', '', { enabled: false })
    const id = await make(tenant, 'gus')
    await until(async () => (await to.admin('POST', '/replay', { since: '2020-01-01T00:00:00Z' })).body).toEqual({
      queued: 1,
    })
    // Another instance takes it, sends it, and is killed before it has settled anything.
    const [claimed] = await webhookQueueOf(database, tenant.id, to.id).claim(1)
    expect(claimed?.event.resourceId).toBe(id)
    await to.admin('PATCH', '', { enabled: true })
    // What is made later comes, one after the other; what was claimed does not.
    const about = () => streams.receiver.at(to.path).map(({ claims }) => claims.sub_id.id)
    const later: string[] = []
    for (const name of ['hilda', 'ida']) {
      later.push(await make(tenant, name))
      await until(about).toEqual(later)
    }
    await database.run('update webhook_deliveries set due_at = now() where endpoint_id = $1::uuid', [to.id])
    await until(about).toContain(id)
    await to.admin('POST', '/replay', { since: '2020-01-01T00:00:00Z' })
    const ofGus = () => streams.receiver.taken(to.path).filter(({ claims }) => claims.sub_id.id === id)
    await until(ofGus).toHaveLength(2)
    expect(new Set(ofGus().map(({ claims }) => claims.jti)).size).toBe(1)
  })

  test('EV-17 signals name the person as the receiver knows it, also once it is gone', async () => {
    const tenant = await streams.here.newTenant()
    const kept = await streams.here.newTenant({ settings: { onDelete: 'deactivate' } })
    const idp = 'https://idp.example.com'
    const subjects = [
      [{ subject: 'email' }, { format: 'email', email: 'hal@example.com' }],
      [
        { subject: 'iss_sub', subjectIssuer: idp },
        { format: 'iss_sub', iss: idp, sub: 'x-hal' },
      ],
      [{ subject: 'iss_sub' }, { format: 'iss_sub', iss: 'its own', sub: 'the SCIM id' }],
    ] as const
    for (const one of [tenant, kept]) {
      const made = await Promise.all(
        subjects.map(([settings]) =>
          streams.stream(one, { ...settings, signals: ['caep', 'risc'], events: ['user.deactivated', 'user.deleted'] }),
        ),
      )
      const emails = [{ value: 'other@example.com' }, { value: 'hal@example.com', primary: true }]
      const id = await make(one, 'hal', { externalId: 'x-hal', emails })
      if (one === tenant) await set(one, id, 'active', false)
      await until(() => uris(made[2]?.path ?? '').length).toBe(one === tenant ? 4 : 0)
      await one.scim('DELETE', `/Users/${id}`)
      for (const [at, [, expected]] of subjects.entries()) {
        const { path = '' } = made[at] ?? {}
        await until(() => uris(path).filter((uri) => uri === SESSION_REVOKED)).toHaveLength(one === tenant ? 2 : 1)
        await until(() => uris(path).filter((uri) => uri === ACCOUNT_DISABLED)).toHaveLength(one === tenant ? 2 : 1)
        const signals = streams.receiver.taken(path).filter(({ uri }) => uri.startsWith('https://'))
        const ours = { iss: issuerOf(one), sub: id }
        const named = { ...expected, ...('sub' in expected && expected.sub.includes(' ') ? ours : {}) }
        for (const { claims } of signals) expect(claims.sub_id).toEqual(named)
        expect(signals[0]?.event).toEqual({
          event_timestamp: expect.any(Number),
          initiating_entity: 'admin',
          reason_admin: { en: 'The user was deactivated.' },
        })
      }
    }
  })

  test('EV-16 are sent to public addresses over https alone, unless the operator allows others', async () => {
    const tenant = await streams.here.newTenant()
    const api = await openAdminApi(database)
    const { addresses } = JSON.parse(
      readFileSync(new URL('../fixtures/hostile/delivery-addresses.json', import.meta.url), 'utf8'),
    ) as { addresses: { url: string }[] }
    expect(addresses).toHaveLength(38)
    for (const { url } of addresses) {
      const input = { method: 'push', audience: 'a', url }
      const refused = await api.send('POST', `${placeOf(tenant)}/streams`, input)
      expect([url, refused.status, refused.body.errors]).toEqual([
        ...[url, 400],
        [{ path: 'url', message: expect.any(String) }],
      ])
    }
    await api.close()
  })

  test('a stream is tried with a verification event, changed and deleted, and the trail tells so; its token is shown never', async () => {
    const tenant = await streams.here.newTenant()
    const to = await streams.stream(tenant, { token: 'abc-first' })
    expect((await to.admin('POST', '/test')).body).toEqual({ delivered: true, status: 202, error: null })
    const [got] = streams.receiver.taken(to.path)
    expect(got?.uri).toBe('https://schemas.openid.net/secevent/ssf/event-type/verification')
    expect(got?.claims.sub_id).toEqual({ format: 'opaque', id: to.id })
    expect((await to.admin('PATCH', '', { audience: 'other', token: null })).body).toMatchObject({
      ...{ audience: 'other', hasToken: false, issuer: issuerOf(tenant), method: 'push' },
    })
    await make(tenant, 'ida')
    await until(() => streams.receiver.taken(to.path).map(({ claims }) => claims.aud)).toEqual([
      ...[`urn:receiver${to.path}`, 'other'],
    ])
    expect(streams.receiver.taken(to.path)[1]?.headers.authorization).toBeUndefined()
    expect((await to.admin('PATCH', '', { method: 'poll' })).status).toBe(400)
    expect((await streams.admin('GET', `${placeOf(tenant)}/webhooks`)).body.items).toEqual([])
    expect((await streams.admin('GET', `${placeOf(tenant)}/streams`)).body.items).toMatchObject([{ id: to.id }])
    expect((await to.admin('DELETE')).status).toBe(204)
    expect((await to.admin('GET')).status).toBe(404)
    const trail = (await streams.admin('GET', `${placeOf(tenant)}/audit-log`)).body.items
    expect(trail.map(({ action }) => action)).toEqual(
      expect.arrayContaining(['stream.created', 'stream.changed', 'stream.tested', 'stream.deleted']),
    )
    expect(JSON.stringify(trail)).not.toContain('abc-first')
  })

  test('D-07 AS-05 discovery shows what can be delivered, and Prefer: respond-async is answered at once', async () => {
    const tenant = await streams.here.newTenant({ place: await streams.here.newPlace() })
    const shown = async () =>
      ((await tenant.scim('GET', '/ServiceProviderConfig')).body as Record<string, unknown>).securityEvents
    expect(await shown()).toBeUndefined()
    await streams.stream(tenant, {}, true)
    const notices = ['create:notice', 'patch:notice', 'delete', 'activate', 'deactivate'].map((name) => PROV + name)
    await until(shown).toEqual({ asyncRequest: 'none', eventUris: notices })
    await streams.stream(tenant, { format: 'full' })
    await until(async () => ((await shown()) as { eventUris: string[] }).eventUris).toEqual([
      ...notices,
      ...['create:full', 'patch:full'].map((name) => PROV + name),
    ])
    const made = await tenant.scim('POST', '/Users', userBody('prefers'), { Prefer: 'respond-async' })
    expect(made.status).toBe(201)
    expect([made.headers.get('Preference-Applied'), made.headers.get('Set-Txn')]).toEqual([null, null])
  })
})
