import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { openFreshDatabase } from '../support/engines.ts'
import type { TestTenant } from '../support/gateway.ts'
import { idIn, patchBody, userBody } from '../support/instances.ts'
import { placeOf } from '../support/readers.ts'
import { setVerifier } from '../support/set-receiver.ts'
import { type Recorder, recordStatements, untilAsked } from '../support/statements.ts'
import { openStreams, type Streams, type TestStream } from '../support/streams.ts'

const PROV = 'urn:ietf:params:scim:event:prov:'
const SESSION_REVOKED = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'

let database: Database
let streams: Streams
/** What the gateway asks its database. */
let asked: Recorder
let verify: ReturnType<typeof setVerifier>
beforeAll(async () => {
  database = await openFreshDatabase()
  asked = recordStatements(database)
  streams = await openStreams(asked.database)
  verify = setVerifier(streams.origin)
})
afterAll(async () => {
  await streams.close()
  await database.close()
})

const until = <T>(what: () => T | Promise<T>) => expect.poll(what, { interval: 20 })
const make = async (tenant: TestTenant, name: string) => idIn(await tenant.scim('POST', '/Users', userBody(name)))
const deactivate = (tenant: TestTenant, id: string) =>
  tenant.scim('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'active', value: false }))

/** What a receiver gets for `body`, verified, in the order of the answer. */
async function ask(stream: TestStream, body: object = { returnImmediately: true }, key?: string) {
  const answer = await stream.poll(body, key)
  expect(answer.status).toBe(200)
  const sets = answer.body.sets as Record<string, string>
  const read = await Promise.all(
    Object.entries(sets).map(async ([jti, text]) => {
      const set = await verify(text, String(stream.body.audience))
      expect(set.claims.jti).toBe(jti)
      return { ...set, jti, uri: set.uri.replace(PROV, '') }
    }),
  )
  return { read, uris: read.map(({ uri }) => uri), jtis: read.map(({ jti }) => jti), more: answer.body.moreAvailable }
}
/** Waits until something is due, without taking it. */
const due = (stream: TestStream) =>
  until(async () => (await stream.poll({ maxEvents: 0 })).body.moreAvailable).toBe(true)
/** Waits for the events of a user who was made and deactivated: an instance may number the first one before the second. */
const bothDue = (stream: TestStream) => until(async () => (await stream.waiting('pending')).length).toBe(2)
const nothing = { uris: [], more: false }
const now = { returnImmediately: true }

describe('EV-14 Security Event Tokens that are polled', () => {
  test('verify, are taken off by their acknowledgement, and come in the order of their resource', async () => {
    const tenant = await streams.here.newTenant()
    const stream = await streams.stream(tenant, { method: 'poll', signals: ['caep'] })
    expect(await ask(stream)).toMatchObject(nothing)
    const id = await make(tenant, 'ann')
    await deactivate(tenant, id)
    await bothDue(stream)
    const first = await ask(stream)
    expect(first).toMatchObject({ uris: ['create:notice'], more: false })
    expect(first.read[0]?.claims.sub_id).toEqual({ format: 'scim', uri: `/Users/${id}`, id })
    // The next one of the resource is not shown before.
    expect(await ask(stream)).toMatchObject(nothing)
    const second = await ask(stream, { ...now, ack: first.jtis })
    expect(second.uris).toEqual([SESSION_REVOKED, 'patch:notice', 'deactivate'])
    expect(await ask(stream, { ...now, ack: second.jtis })).toMatchObject(nothing)
    expect(await stream.waiting('pending')).toEqual([])
    // What is settled already is passed over, and so is nonsense.
    expect(await ask(stream, { ...now, ack: [...second.jtis, 'nonsense'], more: 'unknown' })).toMatchObject(nothing)
  })

  test('EV-09 what is not acknowledged comes again under the same name', async () => {
    const tenant = await streams.here.newTenant()
    const stream = await streams.stream(tenant, { method: 'poll', signals: ['caep'] })
    await deactivate(tenant, await make(tenant, 'bob'))
    // Both events have their positions by then.
    await until(() => stream.waiting('pending')).toHaveLength(2)
    await ask(stream, { ...now, ack: (await ask(stream)).jtis }).then(async (first) => {
      expect(first.uris).toHaveLength(3)
      await database.run('update webhook_deliveries set due_at = now() where endpoint_id = $1::uuid', [stream.id])
      expect((await ask(stream)).jtis).toEqual(first.jtis)
      // In part: the rest comes at once.
      const rest = await ask(stream, { ...now, ack: [first.jtis[1]] })
      expect(rest.jtis).toEqual([first.jtis[0], first.jtis[2]])
      expect(await ask(stream, { ...now, ack: rest.jtis })).toMatchObject(nothing)
    })
    expect(await stream.waiting('pending')).toEqual([])
  })

  test('maxEvents is held, moreAvailable tells of the rest, and 0 acknowledges alone', async () => {
    const tenant = await streams.here.newTenant()
    const stream = await streams.stream(tenant, {
      method: 'poll',
      signals: ['caep', 'risc'],
      events: ['user.deactivated'],
    })
    const ids = [await make(tenant, 'c1'), await make(tenant, 'c2'), await make(tenant, 'c3')]
    for (const id of ids) await deactivate(tenant, id)
    await until(() => stream.waiting('pending')).toHaveLength(3)
    const seen: string[] = []
    let ack: string[] = []
    for (let polls = 0; polls < 12 && seen.length < 12; polls++) {
      const got = await ask(stream, { ...now, maxEvents: 5, ack })
      expect(got.jtis.length).toBeLessThanOrEqual(5)
      if (polls === 0) expect(got).toMatchObject({ more: true, jtis: { length: 5 } })
      seen.push(...got.jtis)
      ack = got.jtis
    }
    expect(new Set(seen).size).toBe(12)
    expect(seen).toHaveLength(12)
    expect(await ask(stream, { maxEvents: 0, ack })).toMatchObject(nothing)
    expect(await stream.waiting('pending')).toEqual([])
  })

  test('EV-13 what the receiver refuses is parked with its error, and the rest is taken', async () => {
    const tenant = await streams.here.newTenant()
    const stream = await streams.stream(tenant, { method: 'poll', signals: ['caep'] })
    const id = await make(tenant, 'dora')
    await deactivate(tenant, id)
    await bothDue(stream)
    const first = await ask(stream)
    const refusal = { err: 'invalid_audience', description: 'not for me' }
    const second = await ask(stream, { ...now, setErrs: { [first.jtis[0] ?? '']: refusal } })
    expect(await stream.waiting('dead')).toMatchObject([
      { type: 'user.created', lastError: 'the receiver refuses it: invalid_audience' },
    ])
    // One of three, and the other two later.
    const third = await ask(stream, { ...now, setErrs: { [second.jtis[0] ?? '']: { err: 'made_up' } } })
    expect(third.jtis).toEqual(second.jtis.slice(1))
    expect(await ask(stream, { ...now, ack: third.jtis })).toMatchObject(nothing)
    expect(await stream.waiting('dead')).toMatchObject([
      { type: 'user.created' },
      { type: 'user.deactivated', lastError: 'the receiver refuses it' },
    ])
    expect((await stream.admin('POST', '/replay', { dead: true })).body).toEqual({ queued: 2 })
    expect((await ask(stream)).jtis).toEqual(first.jtis)
  })

  test('a receiver that waits is told as soon as there is something, and in the end that there is nothing', async () => {
    const tenant = await streams.here.newTenant()
    const silent = await streams.here.newTenant()
    const [stream, other] = [
      await streams.stream(tenant, { method: 'poll' }),
      await streams.stream(silent, { method: 'poll' }),
    ]
    /** Settles once the gateway looks for something for a receiver that waits. */
    const waits = ({ id }: TestStream) => untilAsked(asked, 'from waiting x left join lateral', id)
    // It waits as long and began before: what is told before it gives up was not told because its time was over.
    const gone = new AbortController()
    const first = waits(other)
    const left = fetch(String(other.body.url), {
      method: 'POST',
      headers: { Authorization: `Bearer ${silent.key}`, 'Content-Type': 'application/json' },
      body: '{}',
      signal: gone.signal,
    })
    await first
    const second = waits(stream)
    const waiting = ask(stream, {})
    await second
    await make(tenant, 'eve')
    expect((await waiting).uris).toEqual(['create:notice'])
    gone.abort()
    await expect(left).rejects.toThrow()
  })

  test('EV-15 what the leaver brake holds is handed out and pushed when it is let go, paused or not', async () => {
    const leaverBrake = { mode: 'hold', count: 1, windowMinutes: 60, releaseAfterHours: 1 } as const
    const tenant = await streams.here.newTenant({ settings: { leaverBrake } })
    const settings = { signals: ['caep'], events: ['user.deactivated', 'user.deleted'] }
    const polled = await streams.stream(tenant, { ...settings, method: 'poll' })
    const pushed = await streams.stream(tenant, settings)
    const taken = () => streams.receiver.taken(pushed.path).map(({ uri }) => uri.replace(PROV, ''))
    const shut = [SESSION_REVOKED, 'patch:notice', 'deactivate']
    const [first, second] = [await make(tenant, 'f1'), await make(tenant, 'f2')]
    await deactivate(tenant, first)
    await due(polled)
    const before = await ask(polled)
    expect(before.uris).toEqual(shut)
    await until(taken).toEqual(shut)
    await deactivate(tenant, second)
    await tenant.scim('DELETE', `/Users/${second}`)
    const place = placeOf(tenant)
    await until(async () => (await streams.admin('GET', `${place}/brake`)).body).toMatchObject({ held: 2 })
    expect(await ask(polled, { ...now, ack: before.jtis })).toMatchObject(nothing)
    expect(taken()).toEqual(shut)
    await streams.admin('PATCH', place, { paused: true })
    expect((await streams.admin('POST', `${place}/brake/release`, {})).status).toBe(200)
    await due(polled)
    const off = await ask(polled)
    expect(off.uris).toEqual(shut)
    await until(async () => (await ask(polled, { ...now, ack: off.jtis })).uris).toEqual([SESSION_REVOKED, 'delete'])
    await until(taken).toEqual([...shut, ...shut, SESSION_REVOKED, 'delete'])
  })

  test('TEN-04 one stream for all tenants says whose each token is; the keys of one tenant open it to no receiver', async () => {
    const place = await streams.here.newPlace()
    const [one, two] = [await streams.here.newTenant({ place }), await streams.here.newTenant({ place })]
    const wide = await streams.stream(one, { method: 'poll' }, true)
    const [mine, theirs] = [
      await streams.stream(one, { method: 'poll' }),
      await streams.stream(two, { method: 'poll' }),
    ]
    const ids = [await make(one, 'x'), await make(two, 'y')]
    for (const stream of [mine, theirs]) await due(stream)
    for (const key of [two.key, one.key]) expect((await wide.poll(now, key)).status).toBe(403)
    expect((await mine.poll(now, two.key)).status).toBe(403)
    expect((await mine.poll(now, 'rck_nobody_knows')).status).toBe(401)

    const { key } = (
      await streams.admin('POST', `${String(wide.body.url).replace(/^.*\/api\/v1|\/streams.*$/g, '')}/api-keys`, {
        ...{ name: 'receiver', permissions: ['directory:read'] },
      })
    ).body
    // The tenants' own making may be numbered only when the stream is there; it has no token, and goes when it is looked at.
    const ofUsers = async () => (await wide.waiting('pending')).filter(({ type }) => type.startsWith('user.'))
    await until(ofUsers).toHaveLength(2)
    const all = await ask(wide, now, String(key))
    expect(all.read.map(({ claims }) => [claims.tenant, claims.sub_id.id]).sort()).toEqual(
      [
        [one.id, ids[0]],
        [two.id, ids[1]],
      ].sort(),
    )
    // Names of other streams settle nothing here.
    const got = await ask(mine)
    await ask(theirs, { ...now, ack: [...got.jtis, ...all.jtis] }, two.key)
    expect(await mine.waiting('pending')).toHaveLength(1)
    expect(await ofUsers()).toHaveLength(2)
    expect(new Set([...all.jtis, ...got.jtis]).size).toBe(3)
  })

  test('it takes the permission "directory:read"; a stream that is pushed, or disabled, is not polled', async () => {
    const tenant = await streams.here.newTenant()
    const stream = await streams.stream(tenant, { method: 'poll' })
    const { key } = (
      await streams.admin('POST', `${String(stream.body.url).replace(/^.*\/api\/v1|\/streams.*$/g, '')}/api-keys`, {
        ...{ name: 'provisioning', permissions: ['scim:read', 'scim:write'] },
      })
    ).body
    expect((await stream.poll(now, String(key))).status).toBe(403)
    await stream.admin('PATCH', '', { enabled: false })
    expect((await stream.poll()).status).toBe(409)
    expect((await stream.admin('POST', '/test')).status).toBe(409)
    for (const more of [{ url: 'https://example.com/' }, { token: 'abc' }])
      expect((await stream.admin('PATCH', '', more)).status).toBe(400)
    for (const body of [{ ack: 'x' }, { maxEvents: -1 }, { setErrs: { x: {} } }])
      expect((await stream.poll(body)).status).toBe(400)
  })
})
