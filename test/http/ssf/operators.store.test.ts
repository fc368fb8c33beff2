import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { endExpired } from '../../../src/administration/receivers/expired-receivers.ts'
import { loadConfig } from '../../../src/config.ts'
import type { Database } from '../../../src/db/database.ts'
import { listen } from '../../../src/listen.ts'
import { openFreshDatabase } from '../../support/engines.ts'
import type { TestTenant } from '../../support/gateway.ts'
import { idIn, openInstance, patchBody, userBody } from '../../support/instances.ts'
import { idOf } from '../../support/oauth.ts'
import { placeOf } from '../../support/readers.ts'
import { METHOD, openReceiver, SESSION_REVOKED, STREAM_UPDATED, type Stream } from '../../support/ssf-receiver.ts'
import { openStreams, type Streams } from '../../support/streams.ts'

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
/** Settles once all events of a tenant have their positions, and are queued for what is enabled by then. */
const numbered = ({ id }: { readonly id: string }) =>
  until(() => database.run('select 1 from waiting_events where tenant_id = $1::uuid', [id])).toEqual([])
const events_requested = [SESSION_REVOKED]
const permissions = ['ssf.read', 'ssf.manage']
const newKey = async (place: string, given: readonly string[] = permissions) =>
  String((await streams.admin('POST', `${place}/api-keys`, { name: 'receiver', permissions: given })).body.key)
/** A receiver with its stream, and what an operator asks of that. */
async function managed(delivery: object = { method: METHOD.poll }) {
  const tenant = await streams.here.newTenant()
  const place = placeOf(tenant)
  const key = await newKey(place)
  const by = await openReceiver(`${streams.origin}/ssf/tenants/${tenant.id}`, key)
  const made = await by.create({ delivery, events_requested })
  expect(made.status).toBe(201)
  const stream = made.body as Stream
  const admin = (method: string, what = '', body?: object) =>
    streams.admin(method, `${place}/streams/${stream.stream_id}${what}`, body)
  return { tenant, place, key, by, stream, admin }
}
const leave = async (tenant: TestTenant, name: string) => {
  const id = idIn(await tenant.scim('POST', '/Users', userBody(name, { emails: [{ value: `${name}@acme.example` }] })))
  await tenant.scim('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'active', value: false }))
}

test('EV-14 an operator sees the stream of a receiver, and the receiver is told of a new status before it holds', async () => {
  const { by, stream, admin, key, place, tenant } = await managed()
  expect((await admin('GET')).body).toMatchObject({
    ...{ receiver: idOf(key), requested: events_requested, algorithm: 'RS256', subject: 'email', audience: idOf(key) },
    ...{
      url: stream.delivery.endpoint_url,
      paused: false,
      events: ['user.activated', 'user.deactivated', 'user.deleted', 'user.sessions_revoked'],
    },
  })
  expect((await streams.admin('GET', `${place}/streams`)).body.items).toHaveLength(1)
  const changes = [
    [{ paused: true }, { status: 'paused', reason: 'Paused by an operator.' }],
    [{ paused: false }, { status: 'enabled' }],
    [{ enabled: false }, { status: 'disabled', reason: 'Disabled by an operator.' }],
    [{ enabled: true }, { status: 'enabled' }],
  ] as const
  for (const [change, event] of changes) {
    expect((await admin('PATCH', '', change)).status).toBe(200)
    expect((await by.status(stream.stream_id)).body).toEqual({ stream_id: stream.stream_id, ...event })
    const { tokens, jtis } = await by.poll(stream)
    expect(tokens).toMatchObject([
      { uri: STREAM_UPDATED, event, claims: { sub_id: { format: 'opaque', id: stream.stream_id } } },
    ])
    await by.poll(stream, { maxEvents: 0, ack: jtis })
  }
  // What changes no status, and what the receiver asks for itself, is not told.
  await admin('PATCH', '', { description: 'x' })
  await by.setStatus({ stream_id: stream.stream_id, status: 'paused' })
  await by.setStatus({ stream_id: stream.stream_id, status: 'enabled' })
  expect((await by.poll(stream)).tokens).toEqual([])
  // The receiver alone polls it.
  const url = `${streams.origin}/api/v1${place}/streams/${stream.stream_id}/poll`
  expect((await by.ask('POST', url, { returnImmediately: true }, tenant.key)).status).toBe(409)
  expect((await by.ask('POST', url, { returnImmediately: true }, await newKey(place, ['directory:read']))).status).toBe(
    409,
  )
})

test('SEC-13 the stream of a receiver ends with its key, and so does what waits for it', async () => {
  const { by, stream, admin, key, place, tenant } = await managed()
  expect((await by.verify({ stream_id: stream.stream_id, state: 'x' })).status).toBe(204)
  expect((await streams.admin('DELETE', `${place}/api-keys/${idOf(key)}`)).status).toBe(204)
  expect((await admin('GET')).body).toMatchObject({
    ...{ enabled: false, disabledReason: 'The API key of its receiver was revoked.' },
  })
  expect((await by.ask('POST', stream.delivery.endpoint_url, { returnImmediately: true })).status).toBe(401)
  await leave(tenant, 'ann')
  await numbered(tenant)
  for (const table of ['webhook_deliveries', 'stream_messages'])
    expect(await database.run(`select 1 from ${table} where endpoint_id = $1::uuid`, [stream.stream_id])).toEqual([])
})

describe('EV-14 a receiver to which tokens are pushed is told that its stream is disabled (SSF 1.0 §8.1.2)', () => {
  const pushed = async (path: string) => ({
    ...(await managed({ method: METHOD.push, endpoint_url: streams.receiver.origin + path })),
    told: () => streams.receiver.taken(path).map(({ uri, event, claims }) => [uri, event, claims.sub_id]),
  })
  const disabled = (stream: Stream, reason: unknown) => [
    [STREAM_UPDATED, { status: 'disabled', reason }, { format: 'opaque', id: stream.stream_id }],
  ]

  test('where nothing was taken for too long, or it answered 410', async () => {
    const { stream, tenant, admin, told } = await pushed('/gone')
    let answers = 410
    streams.receiver.answer('/gone', () => answers)
    await leave(tenant, 'fay')
    await until(async () => (await admin('GET')).body).toMatchObject({
      ...{ enabled: false, disabledReason: 'The receiver answered 410.' },
    })
    answers = 202
    await until(told).toEqual(disabled(stream, 'The receiver answered 410.'))
  })

  test('where its key is revoked, also where that leaves no other endpoint', async () => {
    const { stream, place, key, told } = await pushed('/revoked')
    expect((await streams.admin('DELETE', `${place}/api-keys/${idOf(key)}`)).status).toBe(204)
    await until(told).toEqual(disabled(stream, 'The API key of its receiver was revoked.'))
  })

  test('where its key has expired; with a new secret it enables the stream again', async () => {
    const { by: first, stream, place, key, admin, tenant, told } = await pushed('/expired')
    const other = await pushed('/good')
    await first.setStatus({ stream_id: stream.stream_id, status: 'paused' })
    await database.run("update api_key_secrets set expires_at = now() - interval '1 second' where key_id = $1::text", [
      idOf(key),
    ])
    const ended: unknown[] = []
    await endExpired(database, (...end) => ended.push(end))
    const reason = 'The API key of its receiver has expired.'
    expect(ended).toEqual([[stream.stream_id, reason]])
    await endExpired(database, (...end) => ended.push(end))
    expect(ended).toHaveLength(1)
    expect((await admin('GET')).body).toMatchObject({ enabled: false, paused: false, disabledReason: reason })
    await until(told).toEqual(disabled(stream, reason))
    await leave(tenant, 'gus')
    await numbered(tenant)

    const rotated = await streams.admin('POST', `${place}/api-keys/${idOf(key)}/rotation`, {
      expiresAt: new Date(Date.now() + 86_400_000).toISOString(),
    })
    const by = await openReceiver(`${streams.origin}/ssf/tenants/${tenant.id}`, String(rotated.body.key))
    const { stream_id } = stream
    expect((await by.status(stream_id)).body).toEqual({ stream_id, status: 'disabled', reason })
    expect((await by.setStatus({ stream_id, status: 'enabled' })).status).toBe(200)
    await leave(tenant, 'hal')
    await until(() => told().map(([uri]) => uri)).toEqual([STREAM_UPDATED, SESSION_REVOKED])
    expect((await other.by.status(other.stream.stream_id)).body).toMatchObject({ status: 'enabled' })
  })
})

test('EV-14 a receiver changes from poll to push and back, and takes along what waits', async () => {
  const { by, stream, tenant } = await managed()
  const { stream_id } = stream
  await leave(tenant, 'bob')
  await until(() =>
    database
      .run('select 1 from webhook_deliveries where endpoint_id = $1::uuid', [stream_id])
      .then((rows) => rows.length),
  ).toBe(1)
  const path = '/moved'
  const endpoint_url = streams.receiver.origin + path
  const push = { method: METHOD.push, endpoint_url, authorization_header: 'Bearer of-the-receiver' }
  const authorizations = () => streams.receiver.at(path).map(({ headers }) => headers.authorization)
  const changed = await by.patch({ stream_id, delivery: push })
  expect(changed.body.delivery).toEqual({ method: METHOD.push, endpoint_url })
  await until(authorizations).toEqual(['Bearer of-the-receiver'])
  // The same address without the header keeps it, another one and a whole new stream do not.
  await by.patch({ stream_id, delivery: { method: METHOD.push, endpoint_url } })
  await leave(tenant, 'cy')
  await until(authorizations).toEqual(['Bearer of-the-receiver', 'Bearer of-the-receiver'])
  await by.put({ stream_id, events_requested, delivery: { method: METHOD.push, endpoint_url } })
  await leave(tenant, 'dee')
  await until(() => authorizations().at(2)).toBe(undefined)
  await until(authorizations).toHaveLength(3)
  const back = await by.put({ stream_id, events_requested })
  expect(back.body.delivery).toEqual(stream.delivery)
  await leave(tenant, 'eve')
  expect((await by.poll(stream, { maxEvents: 5, returnImmediately: false })).tokens).toMatchObject([
    { uri: SESSION_REVOKED },
  ])
  // A poll has the address that the gateway gives it.
  const elsewhere = { method: METHOD.poll, endpoint_url: 'https://example.com/poll' }
  expect((await by.patch({ stream_id, delivery: elsewhere })).status).toBe(400)
})

test('SEC-07 the header of a receiver is sealed, and neither shown nor written into the audit log', async () => {
  const delivery = {
    ...{ method: METHOD.push, endpoint_url: `${streams.receiver.origin}/sealed` },
    authorization_header: 'Bearer hush-hush-hush',
  }
  const { by, stream, admin, place } = await managed(delivery)
  const shown = [await by.get(stream.stream_id), await by.list(), await admin('GET')]
  const trail = await streams.admin('GET', `${place}/audit-log`)
  expect(JSON.stringify(trail.body)).toContain('stream.created')
  const stored = await database.run('select * from webhook_endpoints where id = $1::uuid', [stream.stream_id])
  expect(JSON.stringify([...shown, trail, stored])).not.toContain('hush')
  expect((await admin('GET')).body).toMatchObject({ hasToken: true })
})

test('EV-14 a receiver of an environment hears of all its tenants; keys around and below are none of its issuer', async () => {
  const place = await streams.here.newPlace()
  const [one, two] = [await streams.here.newTenant({ place }), await streams.here.newTenant({ place })]
  const environment = placeOf(one).replace(/\/tenants\/.*/, '')
  const { id } = (await streams.admin('GET', environment)).body
  const issuer = `${streams.origin}/ssf/environments/${id}`
  const by = await openReceiver(issuer, await newKey(environment))
  const stream = (await by.create({ events_requested })).body as Stream
  for (const tenant of [one, two]) await leave(tenant, 'ann')
  const of: unknown[] = []
  await until(async () => {
    const { tokens, jtis } = await by.poll(stream)
    if (jtis.length > 0) await by.poll(stream, { maxEvents: 0, ack: jtis })
    of.push(...tokens.map(({ claims }) => claims.tenant))
    return [...of].sort()
  }).toEqual([one.id, two.id].sort())
  const tenants = `${streams.origin}/ssf/tenants/${one.id}`
  for (const [key, at] of [
    [await newKey(environment), tenants],
    [await newKey(placeOf(one)), issuer],
    [await newKey(''), issuer],
    [await newKey(''), tenants],
  ] as const) {
    const other = await openReceiver(at, key)
    expect((await other.list()).status).toBe(403)
    expect((await other.create({ events_requested })).status).toBe(403)
  }
})

test('EV-12 an operator chooses ES256 for one stream, or for all new ones; what was made before says nothing and has it', async () => {
  const tenant = await streams.here.newTenant()
  const stream = await streams.stream(tenant, {
    method: 'poll',
    algorithm: 'ES256',
    signals: ['caep'],
    events: ['user.deactivated'],
  })
  expect(stream.body).toMatchObject({ algorithm: 'ES256' })
  const tokens = async () => {
    await until(async () => (await stream.poll({ maxEvents: 0 })).body.moreAvailable).toBe(true)
    const { sets } = (await stream.poll()).body as unknown as { sets: Record<string, string> }
    await stream.poll({ maxEvents: 0, ack: Object.keys(sets) })
    return new Set(
      Object.values(sets).map((text) => JSON.parse(Buffer.from(text.split('.')[0] ?? '', 'base64url').toString()).alg),
    )
  }
  await leave(tenant, 'ann')
  expect(await tokens()).toEqual(new Set(['ES256']))
  await stream.admin('PATCH', '', { algorithm: 'RS256' })
  await leave(tenant, 'bob')
  expect(await tokens()).toEqual(new Set(['RS256']))
  // As releases have stored it that knew nothing else.
  await database.run(`update webhook_endpoints set stream = stream - 'algorithm' where id = $1::uuid`, [stream.id])
  expect((await stream.admin('GET')).body).toMatchObject({ algorithm: 'ES256' })
  await leave(tenant, 'cy')
  expect(await tokens()).toEqual(new Set(['ES256']))

  const env = { ADMIN_KEY: 'an-admin-key-for-streams-in-tests', STREAM_ALGORITHM: 'ES256' }
  const here = await openInstance(database, env)
  onTestFinished(() => here.close())
  const server = await listen(here.send, loadConfig({ PORT: '0' }))
  onTestFinished(() => server.stop(1_000))
  const made = await fetch(`http://127.0.0.1:${server.port}/api/v1${placeOf(tenant)}/streams`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${env.ADMIN_KEY}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ method: 'poll', audience: 'urn:x' }),
  })
  expect(await made.json()).toMatchObject({ algorithm: 'ES256' })
})

test('SEC-13 who may have people sent may make a key for receivers, and nobody else', async () => {
  const place = placeOf(await streams.here.newTenant())
  const make = async (given: readonly string[]) => {
    const key = await newKey(place, given)
    const answer = await fetch(`${streams.origin}/api/v1${place}/api-keys`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ name: 'x', permissions }),
    })
    return answer.status
  }
  expect(await make(['admin'])).toBe(403)
  expect(await make(['admin', 'directory:read'])).toBe(201)
  expect(await make(['admin', 'ssf.read'])).toBe(403)
  expect(await make(['admin', 'ssf.read', 'ssf.manage'])).toBe(201)
})
