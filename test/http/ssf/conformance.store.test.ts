import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Database } from '../../../src/db/database.ts'
import { openFreshDatabase } from '../../support/engines.ts'
import type { TestTenant } from '../../support/gateway.ts'
import { idIn, openInstance, patchBody, userBody } from '../../support/instances.ts'
import { placeOf } from '../../support/readers.ts'
import {
  ASKED,
  METHOD,
  openReceiver,
  SESSION_REVOKED,
  type SsfReceiver,
  type Stream,
  VERIFICATION,
  wellFormed,
} from '../../support/ssf-receiver.ts'
import { type Recorder, recordStatements, untilAsked } from '../../support/statements.ts'
import { openStreams, type Streams } from '../../support/streams.ts'

// The checks of OpenID's certification of transmitters, in the profile of CAEP interoperability, as a receiver makes them. They hold
// for push and for poll. The suite itself waits for seconds; these wait until something is there.

let database: Database
let streams: Streams
/** What the gateway asks its database. */
let statements: Recorder
beforeAll(async () => {
  database = await openFreshDatabase()
  statements = recordStatements(database)
  streams = await openStreams(statements.database)
})
afterAll(async () => {
  await streams.close()
  await database.close()
})

const until = <T>(what: () => T | Promise<T>) => expect.poll(what, { interval: 20 })
const UNKNOWN = '01a22284-27ae-76ac-9113-dab72a4cc4c8'
const now = { maxEvents: 10, returnImmediately: true }

/** A receiver of a tenant of its own. */
async function receiver(settings: { readonly permissions?: readonly string[] } = {}) {
  const tenant = await streams.here.newTenant()
  const { permissions = ['ssf.read', 'ssf.manage'] } = settings
  const made = await streams.admin('POST', `${placeOf(tenant)}/api-keys`, { name: 'receiver', permissions })
  expect(made.status).toBe(201)
  const issuer = `${streams.origin}/ssf/tenants/${tenant.id}`
  return { tenant, issuer, by: await openReceiver(issuer, String(made.body.key)) }
}
let paths = 0
/** What a stream is made from. */
const wish = (method: keyof typeof METHOD, more: object = {}) => {
  const path = `/ssf${++paths}`
  const push = { endpoint_url: streams.receiver.origin + path, authorization_header: `Basic for-${paths}` }
  const delivery = { method: METHOD[method], ...(method === 'push' ? { ...push, ...more } : more) }
  return { path, header: `Basic for-${paths}`, body: { description: 'conformance', events_requested: ASKED, delivery } }
}
const created = async (by: SsfReceiver, body: object): Promise<Stream> => {
  const made = await by.create(body)
  expect(made.status).toBe(201)
  return made.body as Stream
}
const leave = async (tenant: TestTenant, name: string) => {
  const id = idIn(await tenant.scim('POST', '/Users', userBody(name, { emails: [{ value: `${name}@acme.example` }] })))
  await tenant.scim('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'active', value: false }))
}
/** As if the time between two verifications was over. */
const later = ({ stream_id }: Stream) =>
  database.run(`update webhook_endpoints set verified_at = now() - interval '1 minute' where id = $1::uuid`, [
    stream_id,
  ])
/** Has the gateway tell a state, and gives it. */
const asked = async (by: SsfReceiver, stream: Stream, state: string) => {
  expect((await by.verify({ stream_id: stream.stream_id, state })).status).toBe(204)
  return { uri: VERIFICATION, event: { state } }
}

describe('metadata', () => {
  test('EV-14 an issuer names its endpoints, its keys and OAuth, and nothing that is empty', async () => {
    const { by, issuer } = await receiver()
    expect(by.metadata).toEqual({
      spec_version: '1_0',
      issuer,
      jwks_uri: `${streams.origin}/.well-known/jwks.json`,
      delivery_methods_supported: Object.values(METHOD),
      configuration_endpoint: `${issuer}/streams`,
      status_endpoint: `${issuer}/status`,
      verification_endpoint: `${issuer}/verification`,
      authorization_schemes: [{ spec_urn: 'urn:ietf:rfc:6749' }],
      default_subjects: 'ALL',
    })
    const { keys } = (await (await fetch(by.metadata.jwks_uri)).json()) as { keys: Record<string, string>[] }
    expect(keys.map(({ alg }) => alg).sort()).toEqual(['ES256', 'RS256'])
    const rsa = keys.find(({ kty }) => kty === 'RSA')
    expect(Buffer.from(rsa?.n ?? '', 'base64url').length * 8).toBeGreaterThanOrEqual(2_048)
    // Of the private half there is nothing.
    expect(Object.keys(rsa ?? {}).sort()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use'])
  })

  test('EV-14 behind PUBLIC_URL every address is https', async () => {
    const { tenant } = await receiver()
    const here = await openInstance(database, { PUBLIC_URL: 'https://scim.example.com' })
    onTestFinished(() => here.close())
    const path = `/ssf/tenants/${tenant.id}`
    const asked = new Request(`http://scim.example.com/.well-known/ssf-configuration${path}`)
    const metadata = (await (await here.send(asked)).json()) as Record<string, unknown>
    expect(metadata.issuer).toBe(`https://scim.example.com${path}`)
    for (const name of ['jwks_uri', 'configuration_endpoint', 'status_endpoint', 'verification_endpoint'])
      expect(String(metadata[name])).toMatch(/^https:\/\/scim\.example\.com\//)
  })
})

describe.each(['push', 'poll'] as const)('a stream by %s', (method) => {
  test('EV-14 is made, read, changed, replaced and deleted by its receiver', async () => {
    const { by, issuer } = await receiver()
    expect((await by.list()).body).toEqual([])
    const { body } = wish(method)
    const made = await by.create(body)
    expect(made.status).toBe(201)
    expect(made.headers.get('cache-control')).toBe('no-store')
    const stream = made.body as Stream
    const { authorization_header: _, ...delivery } = body.delivery as Record<string, string>
    expect(stream).toEqual({
      stream_id: expect.any(String),
      iss: issuer,
      aud: expect.any(String),
      delivery:
        method === 'push'
          ? delivery
          : { method: METHOD.poll, endpoint_url: `${issuer}/streams/${stream.stream_id}/poll` },
      events_supported: expect.arrayContaining([SESSION_REVOKED, 'urn:ietf:params:scim:event:prov:delete']),
      events_requested: ASKED,
      events_delivered: [SESSION_REVOKED],
      min_verification_interval: expect.any(Number),
      description: 'conformance',
    })
    expect((await by.get(stream.stream_id)).body).toEqual(stream)
    expect((await by.list()).body).toEqual([stream])

    const { stream_id } = stream
    const patched = await by.patch({ ...stream, events_requested: [], description: 'x'.repeat(300) })
    expect(patched).toMatchObject({
      status: 200,
      body: { ...stream, events_requested: [], events_delivered: [], description: 'x'.repeat(200) },
    })
    // What is not named stays; what nobody knows is asked for in vain.
    const more = { stream_id, events_requested: [...ASKED, 'urn:ietf:params:scim:event:prov:delete', 'urn:made:up'] }
    expect((await by.patch(more)).body).toMatchObject({
      delivery: stream.delivery,
      description: 'x'.repeat(200),
      events_delivered: [SESSION_REVOKED, 'urn:ietf:params:scim:event:prov:delete'],
    })
    const { description: _d, ...whole } = body
    const put = await by.put({ stream_id, ...whole })
    expect(put.status).toBe(200)
    expect(put.body).toEqual({ ...stream, description: undefined })
    for (const other of [
      { iss: 'https://other.example.com' },
      { aud: 'me' },
      { events_delivered: [] },
      { events_supported: ASKED },
    ])
      for (const change of [by.patch, by.put])
        expect((await change({ stream_id, ...whole, ...other })).status, JSON.stringify(other)).toBe(400)
    expect((await by.get(stream_id)).body).toEqual(put.body)

    const gone = await by.remove(stream_id)
    expect([gone.status, gone.headers.get('cache-control')]).toEqual([204, 'no-store'])
    expect((await by.get(stream_id)).status).toBe(404)
    expect((await by.list()).body).toEqual([])
  })

  test('EV-14 a second one is a conflict, and broken input is refused', async () => {
    const { by } = await receiver()
    await created(by, wish(method).body)
    expect((await by.create(wish(method).body)).status).toBe(409)
    const { by: other } = await receiver()
    for (const body of [';{ broken', '[]', '{"delivery":{"method":"urn:other"}}', '{"events_requested":"x"}'])
      expect((await other.create(body)).status, body).toBe(400)
    expect((await other.list()).body).toEqual([])
    const { stream_id } = await created(other, wish(method).body)
    for (const send of [other.patch, other.put, other.setStatus, other.verify])
      for (const body of [';{ broken', '{"stream_id": ', '{}', `{"stream_id":["${stream_id}"]}`])
        expect((await send(body)).status, body).toBe(400)
    expect((await other.setStatus({ stream_id, status: 'asleep' })).status).toBe(400)
    expect((await other.remove('')).status).toBe(404)
    expect((await other.ask('DELETE', other.metadata.configuration_endpoint)).status).toBe(400)
  })

  test('SEC-13 SEC-14 no token, a bad one and one in the query open nothing; one that reads changes nothing', async () => {
    const { by } = await receiver()
    const stream = await created(by, wish(method).body)
    const { stream_id } = stream
    const all: [string, (by: string | null) => Promise<{ status: number; headers: Headers }>][] = [
      ['create', (token) => by.create(wish(method).body, token)],
      ['read', (token) => by.get(stream_id, token)],
      ['list', (token) => by.list(token)],
      ['patch', (token) => by.patch({ stream_id }, token)],
      ['put', (token) => by.put({ stream_id, ...wish(method).body }, token)],
      ['status', (token) => by.status(stream_id, token)],
      ['set status', (token) => by.setStatus({ stream_id, status: 'disabled' }, token)],
      ['verify', (token) => by.verify({ stream_id }, token)],
      ['delete', (token) => by.remove(stream_id, token)],
    ]
    const reads = new Set(['read', 'list', 'status'])
    const readOnly = await by.tokenOf('ssf.read')
    for (const [name, send] of all) {
      const without = await send(null)
      expect([name, without.status]).toEqual([name, 401])
      expect(without.headers.get('www-authenticate')).toMatch(/^Bearer(?!.*error)/)
      const bad = await send('invalid:4ad1f3')
      expect([name, bad.status]).toEqual([name, 401])
      expect(bad.headers.get('www-authenticate')).toMatch(/^Bearer .*error="invalid_token"/)
      const read = await send(readOnly)
      expect([name, read.status]).toEqual([name, reads.has(name) ? 200 : 403])
      if (!reads.has(name)) expect(read.headers.get('www-authenticate')).toMatch(/error="insufficient_scope"/)
    }
    const query = `${by.metadata.configuration_endpoint}?access_token=${by.token}`
    expect((await by.ask('GET', query, undefined, null)).status).toBe(401)
    expect((await by.get(stream_id)).body).toEqual(stream)
  })

  test('TEN-04 an unknown stream, and one of another key, are both unknown to every endpoint', async () => {
    const [{ by, tenant }, { by: other }] = [await receiver(), await receiver()]
    const theirs = await created(other, wish(method).body)
    const ofOperator = await streams.stream(tenant, { method: 'poll' })
    for (const stream_id of [UNKNOWN, theirs.stream_id, ofOperator.id, 'no id at all'])
      for (const send of [
        () => by.get(stream_id),
        () => by.patch({ stream_id, description: 'mine' }),
        () => by.put({ stream_id, ...wish(method).body }),
        () => by.remove(stream_id),
        () => by.status(stream_id),
        () => by.setStatus({ stream_id, status: 'disabled' }),
        () => by.verify({ stream_id, state: 'x' }),
        () => by.ask('POST', `${by.metadata.issuer}/streams/${stream_id}/poll`, now),
      ])
        expect((await send()).status, `${stream_id} ${send}`).toBe(404)
    expect((await other.get(theirs.stream_id)).body).toEqual(theirs)
    // Nor does the issuer of another tenant let it in, whatever there is.
    for (const endpoint of [other.metadata.configuration_endpoint, `${streams.origin}/ssf/tenants/${UNKNOWN}/streams`])
      expect((await by.ask('GET', endpoint)).status).toBe(403)
  })

  test('EV-14 its status is enabled, paused or disabled, with the reason that was given', async () => {
    const { by } = await receiver()
    const { stream_id } = await created(by, wish(method).body)
    expect((await by.status(stream_id)).body).toEqual({ stream_id, status: 'enabled' })
    for (const status of ['paused', 'enabled', 'disabled', 'paused', 'disabled', 'enabled'] as const) {
      const set = { stream_id, status, reason: `because of ${status}` }
      expect(await by.setStatus(set)).toMatchObject({ status: 200, body: set })
      expect((await by.status(stream_id)).body).toEqual(set)
    }
    await by.setStatus({ stream_id, status: 'paused' })
    expect((await by.status(stream_id)).body).toEqual({ stream_id, status: 'paused' })
  })
})

describe('verification', () => {
  test('EV-14 by push echoes the state, with the header of the receiver, and is about the stream', async () => {
    const { by } = await receiver()
    const { path, body, header } = wish('push')
    const stream = await created(by, body)
    const told = await asked(by, stream, 'one')
    await until(() => streams.receiver.taken(path)).toMatchObject([told])
    const [got] = streams.receiver.taken(path)
    if (got === undefined) throw new Error('nothing came')
    wellFormed({ header: got.header, claims: got.claims }, stream)
    expect(got.headers.authorization).toBe(header)
    expect(got.claims.sub_id).toEqual({ format: 'opaque', id: stream.stream_id })
    // Without a state there is none in the event.
    await later(stream)
    expect((await by.verify({ stream_id: stream.stream_id })).status).toBe(204)
    await until(() => streams.receiver.taken(path).map(({ event }) => event)).toEqual([{ state: 'one' }, {}])
  })

  test('EV-14 a push without a header has none', async () => {
    const { by } = await receiver()
    const { path, body } = wish('push')
    const { authorization_header: _, ...delivery } = body.delivery as Record<string, string>
    const stream = await created(by, { ...body, delivery })
    const told = await asked(by, stream, 'none')
    await until(() => streams.receiver.taken(path)).toMatchObject([told])
    expect(streams.receiver.taken(path)[0]?.headers).not.toHaveProperty('authorization')
  })

  test('EV-09 a push that is not taken comes again under the same name, and one that is refused does not', async () => {
    const { by } = await receiver()
    const { path, body } = wish('push')
    const stream = await created(by, body)
    let answers = 0
    streams.receiver.answer(path, () => (++answers === 1 ? 503 : 202))
    const told = await asked(by, stream, 'again')
    await until(() => streams.receiver.taken(path)).toMatchObject([told])
    const [first, second] = streams.receiver.at(path)
    expect(first?.claims.jti).toBe(second?.claims.jti)
    streams.receiver.answer(path, () => ({ err: 'invalid_request', description: 'no' }))
    await later(stream)
    await asked(by, stream, 'refused')
    await until(() => streams.receiver.at(path)).toHaveLength(3)
    await until(() =>
      database.run('select 1 from stream_messages where endpoint_id = $1::uuid', [stream.stream_id]),
    ).toEqual([])
  })

  test('EV-14 by poll is handed out, acknowledged alone, and acknowledged with the next one', async () => {
    const { by } = await receiver()
    const stream = await created(by, wish('poll').body)
    const first = await asked(by, stream, 'one')
    const one = await by.poll(stream)
    expect(one.tokens).toMatchObject([first])
    expect(one.tokens[0]?.claims.sub_id).toEqual({ format: 'opaque', id: stream.stream_id })
    // It is not shown a second time at once, and under the same name later.
    expect((await by.poll(stream)).jtis).toEqual([])
    await database.run('update stream_messages set due_at = now() where endpoint_id = $1::uuid', [stream.stream_id])
    expect((await by.poll(stream)).jtis).toEqual(one.jtis)
    await later(stream)
    const second = await asked(by, stream, 'two')
    const two = await by.poll(stream, { ...now, ack: one.jtis })
    expect(two.tokens).toMatchObject([second])
    expect(await by.poll(stream, { ...now, maxEvents: 0, ack: two.jtis })).toMatchObject({ jtis: [], more: false })
    expect(
      await database.run('select 1 from stream_messages where endpoint_id = $1::uuid', [stream.stream_id]),
    ).toEqual([])
    await later(stream)
    await asked(by, stream, 'three')
    const three = await by.poll(stream)
    const setErrs = Object.fromEntries(three.jtis.map((jti) => [jti, { err: 'invalid_state', description: 'no' }]))
    expect((await by.poll(stream, { ...now, maxEvents: 0, setErrs })).jtis).toEqual([])
    expect((await by.poll(stream)).jtis).toEqual([])
  })

  test('EV-14 ends a long poll', async () => {
    const { by } = await receiver()
    const stream = await created(by, wish('poll').body)
    // The gateway looks for something for a receiver that waits.
    const waits = untilAsked(statements, 'from waiting x left join lateral', stream.stream_id)
    const waiting = by.poll(stream, { maxEvents: 10, returnImmediately: false })
    await waits
    const told = await asked(by, stream, 'long')
    expect((await waiting).tokens).toMatchObject([told])
  })

  test('EV-14 is asked for no more often than the stream says, and a stream keeps ten', async () => {
    const { by } = await receiver()
    const stream = await created(by, wish('poll').body)
    await asked(by, stream, 'x0')
    const again = await by.verify({ stream_id: stream.stream_id, state: 'soon' })
    expect(again.status).toBe(429)
    expect(Number(again.headers.get('retry-after'))).toBe(stream.min_verification_interval)
    for (let i = 1; i <= 12; i++) {
      await later(stream)
      await asked(by, stream, `x${i}`)
    }
    const { tokens } = await by.poll(stream, { maxEvents: 50, returnImmediately: true })
    expect(tokens.map(({ event }) => event.state)).toEqual(Array.from({ length: 10 }, (_, i) => `x${i + 3}`))
  })

  test('SEC-13 the poll of a stream takes a token, and names how', async () => {
    const { by } = await receiver()
    const stream = await created(by, wish('poll').body)
    const { endpoint_url } = stream.delivery
    for (const [token, challenge] of [
      [null, /^Bearer(?!.*error)/],
      ['invalid:1', /error="invalid_token"/],
    ] as const) {
      const answer = await by.ask('POST', endpoint_url, now, token)
      expect(answer.status).toBe(401)
      expect(answer.headers.get('www-authenticate')).toMatch(challenge)
    }
    const pushed = await created((await receiver()).by, wish('push').body)
    expect(pushed.delivery.endpoint_url).toMatch(/ssf\d+$/)
  })
})

describe('events', () => {
  test('EV-14 by push: session-revoked with a reason, and nothing that was not asked for', async () => {
    const { by, tenant } = await receiver()
    const { path, body } = wish('push')
    const stream = await created(by, body)
    await leave(tenant, 'ann')
    await until(() => streams.receiver.taken(path)).toHaveLength(1)
    await leave(tenant, 'bob')
    await until(() => streams.receiver.taken(path)).toHaveLength(2)
    for (const [i, got] of streams.receiver.taken(path).entries()) {
      wellFormed({ header: got.header, claims: got.claims }, stream)
      expect(got.uri).toBe(SESSION_REVOKED)
      expect(got.claims.sub_id).toEqual({ format: 'email', email: `${['ann', 'bob'][i]}@acme.example` })
      expect(got.event).toEqual({
        event_timestamp: expect.any(Number),
        initiating_entity: 'admin',
        reason_admin: { en: expect.stringMatching(/\w+/) },
      })
    }
  })

  test('EV-14 by poll: the same', async () => {
    const { by, tenant } = await receiver()
    const stream = await created(by, wish('poll').body)
    await leave(tenant, 'cy')
    const { tokens, jtis } = await by.poll(stream, { maxEvents: 10, returnImmediately: false })
    expect(tokens).toMatchObject([{ uri: SESSION_REVOKED, event: { reason_admin: { en: expect.any(String) } } }])
    expect(await by.poll(stream, { ...now, ack: jtis })).toMatchObject({ jtis: [], more: false })
  })

  test('EV-14 SEC-09 a push goes to no address that is not public', async () => {
    const { by } = await receiver()
    for (const endpoint_url of ['http://169.254.169.254/', 'https://10.0.0.1/x', 'ftp://example.com/', 'nonsense'])
      expect((await by.create({ delivery: { method: METHOD.push, endpoint_url } })).status, endpoint_url).toBe(400)
    for (const authorization_header of ['two\nlines', '', ' '])
      expect((await by.create(wish('push', { authorization_header }).body)).status).toBe(400)
    expect((await by.list()).body).toEqual([])
  })
})

describe.each(['push', 'poll'] as const)('status of a stream by %s', (method) => {
  /** A stream, and what has come on it so far. */
  const open = async () => {
    const { by, tenant } = await receiver()
    const { path, body } = wish(method)
    const stream = await created(by, body)
    const came: (readonly [string, unknown])[] = []
    const seen = async () => {
      if (method === 'push')
        return streams.receiver.taken(path).map(({ uri, event, claims }) => said(uri, event, claims.sub_id))
      const { tokens, jtis } = await by.poll(stream)
      if (jtis.length > 0) await by.poll(stream, { maxEvents: 0, returnImmediately: true, ack: jtis })
      came.push(...tokens.map(({ uri, event, claims }) => said(uri, event, claims.sub_id ?? {})))
      return came
    }
    return { by, tenant, stream, seen }
  }
  const said = (uri: string, event: Record<string, unknown>, about: Record<string, string>) =>
    [uri, uri === VERIFICATION ? event.state : about.email] as const
  /** Once everything that was written has its position, it is queued where it will ever be. */
  const queued = (tenant: TestTenant) =>
    until(() => database.run('select 1 from waiting_events where tenant_id = $1::uuid', [tenant.id])).toEqual([])

  test('EV-14 paused, it is told nothing, and gets what happened once it goes on, on another instance too', async () => {
    const { by, tenant, stream, seen } = await open()
    const { stream_id } = stream
    await by.setStatus({ stream_id, status: 'paused', reason: 'maintenance' })
    const witness = await streams.stream(tenant, { signals: ['caep'], events: ['user.deactivated'] })
    await asked(by, stream, 'held')
    await leave(tenant, 'dee')
    await queued(tenant)
    // What went on to another stream would have come on this one too.
    await until(() => streams.receiver.taken(witness.path).map(({ uri }) => uri)).toContain(SESSION_REVOKED)
    expect(await seen()).toEqual([])
    if (method === 'poll') {
      const answer = await by.poll(stream)
      expect(answer).toMatchObject({ jtis: [], more: false })
    }
    // A restart knows no more than the store does.
    const other = await openInstance(database, { DELIVERY_NETWORKS: '127.0.0.0/8' })
    onTestFinished(() => other.close())
    expect((await by.status(stream_id)).body).toEqual({ stream_id, status: 'paused', reason: 'maintenance' })
    expect(await seen()).toEqual([])
    await by.setStatus({ stream_id, status: 'enabled' })
    await until(async () => [...(await seen())].sort()).toEqual(
      [
        [SESSION_REVOKED, 'dee@acme.example'],
        [VERIFICATION, 'held'],
      ].sort(),
    )
  })

  test('EV-14 disabled, it is told nothing, keeps nothing, and gets what happens once it is enabled', async () => {
    const { by, tenant, stream, seen } = await open()
    const { stream_id } = stream
    await by.setStatus({ stream_id, status: 'paused' })
    await leave(tenant, 'before')
    await queued(tenant)
    await by.setStatus({ stream_id, status: 'disabled' })
    await asked(by, stream, 'dropped')
    await leave(tenant, 'meanwhile')
    await queued(tenant)
    expect(await seen()).toEqual([])
    expect(await database.run('select 1 from webhook_deliveries where endpoint_id = $1::uuid', [stream_id])).toEqual([])
    await by.setStatus({ stream_id, status: 'enabled' })
    await leave(tenant, 'after')
    await later(stream)
    await asked(by, stream, 'told')
    await until(async () => [...(await seen())].sort()).toEqual(
      [
        [SESSION_REVOKED, 'after@acme.example'],
        [VERIFICATION, 'told'],
      ].sort(),
    )
  })
})
