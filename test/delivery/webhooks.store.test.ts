import { setTimeout as pause } from 'node:timers/promises'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { webhookQueueOf } from '../../src/repositories/delivery/webhook-queue.ts'
import { type AdminSender, adminSender } from '../support/admin-sender.ts'
import { openDatabases, openFreshDatabase } from '../support/engines.ts'
import type { TestTenant } from '../support/gateway.ts'
import { type Instance, idIn, openInstance, type Place, patchBody, userBody } from '../support/instances.ts'
import { placeOf, reader } from '../support/readers.ts'
import { openReceiver, type Receiver } from '../support/receiver.ts'

const ADMIN = 'an-admin-key-for-webhooks-in-tests'
const ENV = { ADMIN_KEY: ADMIN, DELIVERY_NETWORKS: '127.0.0.0/8', PUBLIC_URL: 'http://scim.test' }
const RETRIES = {
  ...{ firstMs: 20, growth: 2, longestMs: 100, giveUpAfterMs: 60_000, disableAfterMs: 60_000 },
  restMs: { first: 20, longest: 100 },
}

// Two instances share the work where the engine allows it.
let databases: readonly [Database, ...Database[]]
let here: Instance
let all: Instance[]
let receiver: Receiver
let paths = 0

beforeAll(async () => {
  databases = await openDatabases(6)
  all = await Promise.all(databases.map((database) => openInstance(database, ENV, RETRIES)))
  here = all[0] as Instance
  receiver = await openReceiver()
})
afterAll(async () => {
  for (const one of all) await one.close()
  await receiver.close()
  for (const one of all) expect(one.errors).toEqual([])
  for (const one of databases) await one.close()
})

const admin = (...asked: Parameters<AdminSender>) =>
  adminSender(() => here, ADMIN)<Record<string, unknown> & { items: object[] }>(...asked)

/** An endpoint of a tenant, or of its environment. */
async function endpoint(tenant: TestTenant, { events = [] as string[], wide = false } = {}) {
  const path = `/hook${++paths}`
  const place = wide ? placeOf(tenant).replace(/\/tenants\/.*/, '') : placeOf(tenant)
  const made = await admin('POST', `${place}/webhooks`, { url: `${receiver.origin}${path}`, events })
  expect(made.status).toBe(201)
  const at = `${place}/webhooks/${made.body.id}`
  return {
    path,
    id: String(made.body.id),
    secret: String(made.body.secret),
    admin: (method: string, what = '', body?: object, more?: Record<string, string>) =>
      admin(method, `${at}${what}`, body, more),
    waiting: async (state: 'pending' | 'dead') =>
      (await admin('GET', `${at}/deliveries?state=${state}`)).body.items as {
        position: number
        attempts: number
        lastError: string
      }[],
  }
}

const makeUser = async (tenant: TestTenant, name: string) => idIn(await tenant.scim('POST', '/Users', userBody(name)))
const retitle = (tenant: TestTenant, id: string, title: string) =>
  tenant.scim('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'title', value: title }))
const setActive = (tenant: TestTenant, id: string, active: boolean) =>
  tenant.scim('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'active', value: active }))
const types = (path: string) => receiver.taken(path).map(({ type }) => type)
const positions = (path: string) => receiver.taken(path).map(({ position }) => position)
const until = <T>(what: () => T | Promise<T>) => expect.poll(what, { interval: 10 })

describe('EV-18 webhooks', () => {
  test('are signed as Standard Webhooks says, and hold the event; two secrets sign while one is replaced', async () => {
    const tenant = await here.newTenant()
    const hook = await endpoint(tenant)
    const id = await makeUser(tenant, 'signed')
    await until(() => positions(hook.path)).toEqual([1])
    const [message] = receiver.taken(hook.path)
    if (message === undefined) throw new Error('nothing came')
    const { text, headers } = message
    const payload = new Webhook(hook.secret).verify(text, headers as Record<string, string>)
    const [event] = (await reader(here, tenant).events()).items
    expect(payload).toEqual({ type: 'user.created', timestamp: expect.any(String), data: event })
    expect(headers['webhook-id']).toBe(event?.id)
    expect(() =>
      new Webhook(hook.secret).verify(text.replace('signed', 'sighed'), headers as Record<string, string>),
    ).toThrow()

    const rotated = await hook.admin('POST', '/rotate-secret', { keepHours: 1 })
    await retitle(tenant, id, 'again')
    await until(() => positions(hook.path)).toEqual([1, 2])
    const both = receiver.taken(hook.path)[1]
    for (const secret of [hook.secret, String(rotated.body.secret)])
      new Webhook(secret).verify(both?.text ?? '', both?.headers as Record<string, string>)
    await hook.admin('POST', '/rotate-secret', { keepHours: 0 })
    await retitle(tenant, id, 'last')
    await until(() => positions(hook.path)).toEqual([1, 2, 3])
    const last = receiver.taken(hook.path)[2]
    expect(() => new Webhook(hook.secret).verify(last?.text ?? '', last?.headers as Record<string, string>)).toThrow()
  })

  test('EV-15 keep the order of each resource, while resources go side by side, each event once', async () => {
    const tenant = await here.newTenant()
    const hook = await endpoint(tenant)
    receiver.answer(hook.path, async () => {
      // A receiver takes a different time for each message; the test does not wait for it.
      await pause(Math.random() * 12)
      return 200
    })
    await Promise.all(
      Array.from({ length: 8 }, async (_, u) => {
        const id = await makeUser(tenant, `ordered${u}`)
        for (let n = 0; n < 6; n++) await retitle(tenant, id, `t${n}`)
      }),
    )
    await until(() => positions(hook.path).length).toBe(56)
    await until(() => hook.waiting('pending')).toEqual([])
    expect(receiver.messages.filter(({ path }) => path === hook.path)).toHaveLength(56)
    const versions = new Map<string, number[]>()
    for (const { resource, version } of receiver.taken(hook.path))
      versions.set(resource, [...(versions.get(resource) ?? []), version])
    expect([...versions.values()]).toEqual(Array(8).fill([1, 2, 3, 4, 5, 6, 7]))
    expect(receiver.mostOpen(hook.path)).toBeGreaterThan(2)
  })

  test('EV-15 EV-13 what fails is tried again with growing delay; only its resource waits for it', async () => {
    const tenant = await here.newTenant()
    const hook = await endpoint(tenant)
    let failures = 2
    receiver.answer(hook.path, ({ position }) => (position === 1 && failures-- > 0 ? 503 : 200))
    const first = await makeUser(tenant, 'failing')
    await retitle(tenant, first, 'b')
    const other = await makeUser(tenant, 'healthy')
    await until(() => positions(hook.path)).toHaveLength(3)
    const taken = receiver.taken(hook.path)
    expect(taken.filter(({ resource }) => resource === first).map(({ version }) => version)).toEqual([1, 2])
    expect(taken.map(({ resource }) => resource)).toContain(other)
    expect(receiver.messages.filter(({ path, position }) => path === hook.path && position === 1)).toHaveLength(3)
    await until(async () => (await hook.admin('GET')).body.failingSince).toBeNull()
  })

  test('one that does not answer does not delay another', async () => {
    const tenant = await here.newTenant()
    const [slow, dead, quick] = [await endpoint(tenant), await endpoint(tenant), await endpoint(tenant)]
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    receiver.answer(slow.path, async () => {
      await held
      return 200
    })
    receiver.answer(dead.path, () => 500)
    for (let n = 0; n < 40; n++) await makeUser(tenant, `crowd${n}`)
    await until(() => positions(quick.path)).toHaveLength(40)
    expect(positions(slow.path)).toHaveLength(0)
    release()
    await until(() => positions(slow.path)).toHaveLength(40)
    await dead.admin('DELETE')
  })

  test('EV-13 what is given up is shown, and sent when it is replayed: dead ones, by position, by time', async () => {
    const tenant = await here.newTenant()
    const hook = await endpoint(tenant)
    let status = 500
    receiver.answer(hook.path, ({ position }) => (position === 1 ? status : 200))
    const id = await makeUser(tenant, 'doomed')
    await retitle(tenant, id, 'b')
    await until(() => hook.waiting('pending')).toMatchObject([{ attempts: expect.toSatisfy((n: number) => n > 0) }, {}])
    await here.database.run(
      "update webhook_deliveries set first_tried_at = now() - interval '1 hour' where endpoint_id = $1::uuid and attempts > 0",
      [hook.id],
    )
    await until(() => hook.waiting('dead')).toMatchObject([
      { position: 1, type: 'user.created', state: 'dead', lastStatus: 500, lastError: 'the receiver answered 500' },
    ])
    // Then what stands behind it goes its way.
    await until(() => positions(hook.path)).toEqual([2])
    expect((await hook.admin('POST', '/replay', { dead: true })).body).toEqual({ queued: 1 })
    // It has its whole time again: what fails now is not given up for what was before.
    await until(() => hook.waiting('pending')).toMatchObject([{ position: 1, lastStatus: 500 }])
    expect(await hook.waiting('dead')).toEqual([])
    status = 200
    await until(() => positions(hook.path)).toEqual([2, 1])
    await until(() => hook.waiting('dead')).toEqual([])
    expect((await hook.admin('POST', '/replay', { tenantId: tenant.id, positions: [2, 99] })).body).toEqual({
      queued: 1,
    })
    await until(() => positions(hook.path)).toEqual([2, 1, 2])
    expect((await hook.admin('POST', '/replay', { since: '2020-01-01T00:00:00Z' })).body).toEqual({ queued: 2 })
    await until(() => positions(hook.path)).toEqual([2, 1, 2, 1, 2])
    const [, second] = (await reader(here, tenant).events()).items
    const byId = { tenantId: tenant.id, events: [second?.id, '00000000-0000-4000-8000-000000000000'] }
    expect((await hook.admin('POST', '/replay', byId)).body).toEqual({ queued: 1 })
    await until(() => positions(hook.path)).toEqual([2, 1, 2, 1, 2, 2])
    const elsewhere = await here.newTenant()
    expect(await hook.admin('POST', '/replay', { ...byId, tenantId: elsewhere.id })).toMatchObject({ status: 400 })
    const past = { since: '2020-01-01T00:00:00Z', until: '2020-01-02T00:00:00Z' }
    expect((await hook.admin('POST', '/replay', past)).body).toEqual({ queued: 0 })
    // Positions are of a tenant: without one they say nothing.
    for (const wrong of [{}, { positions: [2] }])
      expect(await hook.admin('POST', '/replay', wrong)).toMatchObject({
        ...{ status: 400, body: { errors: [{ message: expect.stringContaining('`tenantId` with `positions`') }] } },
      })
    const [a, b] = receiver.taken(hook.path).filter(({ position }) => position === 2)
    expect(a?.headers['webhook-id']).toBe(b?.headers['webhook-id'])
  })

  test('come with the resource as it is then, where that is asked for', async () => {
    const tenant = await here.newTenant()
    const hook = await endpoint(tenant)
    expect((await hook.admin('PATCH', '', { snapshot: true })).body).toMatchObject({ snapshot: true })
    // The first event is refused until it comes with the later state.
    receiver.answer(hook.path, ({ position, text }) => (position === 1 && !text.includes('"Dr"') ? 500 : 200))
    const id = await makeUser(tenant, 'shown')
    await until(() => receiver.messages.filter(({ path }) => path === hook.path)).not.toHaveLength(0)
    await retitle(tenant, id, 'Dr')
    await until(() => positions(hook.path)).toEqual([1, 2])
    const [first] = receiver.taken(hook.path)
    const { snapshot, changes } = JSON.parse(first?.text ?? '').data
    expect(changes.after).not.toHaveProperty('title')
    expect(snapshot).toMatchObject({ version: 2, attributes: { userName: 'shown', title: 'Dr' } })
    new Webhook(hook.secret).verify(first?.text ?? '', first?.headers as Record<string, string>)
  })

  test('410 disables an endpoint, and so does taking nothing for too long, with a warning before', async () => {
    const tenant = await here.newTenant()
    const [gone, failing] = [await endpoint(tenant), await endpoint(tenant)]
    receiver.answer(gone.path, () => 410)
    receiver.answer(failing.path, () => 302)
    const id = await makeUser(tenant, 'nobody')
    await until(async () => (await gone.admin('GET')).body).toMatchObject({
      enabled: false,
      disabledReason: 'The receiver answered 410.',
    })
    await until(async () => (await failing.admin('GET')).body).toMatchObject({
      enabled: true,
      warnings: [expect.stringContaining('will be disabled')],
    })
    expect(receiver.messages.filter(({ path }) => path === '/elsewhere')).toEqual([])
    await here.database.run(
      "update webhook_endpoints set failing_since = now() - interval '2 hours', resume_at = null where id = $1::uuid",
      [failing.id],
    )
    await retitle(tenant, id, 'more')
    await until(async () => (await failing.admin('GET')).body).toMatchObject({
      enabled: false,
      disabledReason: expect.stringContaining('redirects are not followed'),
      warnings: [],
    })
    receiver.answer(failing.path, () => 200)
    const enabled = await failing.admin('PATCH', '', { enabled: true })
    expect(enabled.body).toMatchObject({ enabled: true, disabledReason: null, failingSince: null })
    await failing.admin('POST', '/replay', { since: '2020-01-01T00:00:00Z' })
    await until(() => positions(failing.path)).toEqual(expect.arrayContaining([1, 2]))
  })

  test('get what they asked for, of their tenant or of all tenants of the environment', async () => {
    const place: Place = await here.newPlace()
    const [one, two] = [await here.newTenant({ place }), await here.newTenant({ place })]
    const [wide, narrow] = [await endpoint(one, { wide: true, events: ['*'] }), await endpoint(one)]
    const only = await endpoint(one, { wide: true, events: ['user.deactivated', 'group.*'] })
    const listed = await admin('GET', `${placeOf(one).replace(/\/tenants\/.*/, '')}/webhooks`)
    expect(listed.body.items).toMatchObject([{ tenantId: null }, { tenantId: one.id }, { tenantId: null }])
    expect((await admin('GET', `${placeOf(two)}/webhooks`)).body.items).toEqual([])
    const ids = [await makeUser(one, 'x'), await makeUser(two, 'y')]
    await two.scim('PATCH', `/Users/${ids[1]}`, patchBody({ op: 'replace', path: 'active', value: false }))
    await two.scim('POST', '/Groups', { schemas: ['urn:ietf:params:scim:schemas:core:2.0:Group'], displayName: 'G' })
    // A tenant's own making may be numbered only when the webhook is there.
    const got = (path: string) =>
      receiver
        .taken(path)
        .filter(({ type }) => type !== 'tenant.created')
        .map(({ type, resource }) => `${type} ${ids.indexOf(resource)}`)
        .sort()
    await until(() => got(wide.path)).toEqual([
      'group.created -1',
      'user.created 0',
      'user.created 1',
      'user.deactivated 1',
    ])
    await until(() => got(only.path)).toEqual(['group.created -1', 'user.deactivated 1'])
    expect(got(narrow.path)).toEqual(['user.created 0'])
    expect((await narrow.admin('DELETE')).status).toBe(204)
    expect((await narrow.admin('GET')).status).toBe(404)
  })

  test('a tenant that is paused gets what happened before, and that it is paused', async () => {
    const tenant = await here.newTenant()
    const hook = await endpoint(tenant)
    let status = 503
    receiver.answer(hook.path, () => status)
    const id = await makeUser(tenant, 'leaver')
    await setActive(tenant, id, false)
    expect((await admin('PATCH', placeOf(tenant), { paused: true })).status).toBe(200)
    expect((await tenant.scim('GET', `/Users/${id}`)).status).toBe(403)
    await until(() => hook.waiting('pending')).toHaveLength(3)
    status = 200
    await until(() => types(hook.path)).toHaveLength(3)
    expect(types(hook.path).filter((type) => type !== 'tenant.paused')).toEqual(['user.created', 'user.deactivated'])
  })

  test('EV-15 what the leaver brake holds comes when it is let go, in its order, and by no replay before', async () => {
    const leaverBrake = { mode: 'hold', count: 1, windowMinutes: 60, releaseAfterHours: 1 } as const
    const tenant = await here.newTenant({ settings: { leaverBrake } })
    const hook = await endpoint(tenant, { events: ['user.deactivated', 'user.activated', 'user.deleted', 'brake.*'] })
    const ids = [await makeUser(tenant, 'a'), await makeUser(tenant, 'b'), await makeUser(tenant, 'c')]
    const [first = '', second = '', third = ''] = ids
    const got = () => receiver.taken(hook.path).map(({ type, resource }) => [type, ids.indexOf(resource)])
    await setActive(tenant, first, false)
    await until(got).toEqual([['user.deactivated', 0]])
    await setActive(tenant, second, false)
    await setActive(tenant, second, true)
    await tenant.scim('DELETE', `/Users/${third}`)
    await until(got).toEqual([
      ['user.deactivated', 0],
      ['brake.engaged', -1],
    ])
    expect((await hook.admin('POST', '/replay', { since: '2020-01-01T00:00:00Z' })).body).toEqual({ queued: 2 })
    await until(got).toHaveLength(4)
    await until(() => hook.waiting('pending')).toEqual([])
    expect((await admin('POST', `${placeOf(tenant)}/brake/release`)).status).toBe(200)
    await until(got).toHaveLength(8)
    const since = got().slice(4)
    expect(since.filter(([, who]) => who === 1)).toEqual([
      ['user.deactivated', 1],
      ['user.activated', 1],
    ])
    expect(since).toEqual(
      expect.arrayContaining([
        ['user.deleted', 2],
        ['brake.released', -1],
      ]),
    )
  })

  test('a test message says what came of it', async () => {
    const hook = await endpoint(await here.newTenant())
    expect((await hook.admin('POST', '/test')).body).toEqual({ delivered: true, status: 200, error: null })
    const [message] = receiver.taken(hook.path)
    expect(
      new Webhook(hook.secret).verify(message?.text ?? '', message?.headers as Record<string, string>),
    ).toMatchObject({
      type: 'webhook.test',
    })
    receiver.answer(hook.path, () => 404)
    expect((await hook.admin('POST', '/test')).body).toEqual({
      ...{ delivered: false, status: 404, error: 'the receiver answered 404' },
    })
  })

  test('a test makes nothing that an Idempotency-Key could keep from being made twice', async () => {
    const hook = await endpoint(await here.newTenant())
    for (let sent = 1; sent <= 2; sent++) {
      await hook.admin('POST', '/test', undefined, { 'Idempotency-Key': 'one' })
      expect(receiver.taken(hook.path)).toHaveLength(sent)
    }
  })

  test('SEC-14 a secret is shown once, and stored sealed', async () => {
    const hook = await endpoint(await here.newTenant())
    expect(hook.secret).toMatch(/^whsec_[\w+/=]{40,}$/)
    expect(JSON.stringify((await hook.admin('GET')).body)).not.toContain('ecret":"')
    const [row] = await here.database.run<{ text: string }>(
      'select w::text as text from webhook_endpoints w where id = $1::uuid',
      [hook.id],
    )
    expect(row?.text).not.toContain(hook.secret.slice(6))
  })
})

describe('EV-16 what one receiver can be made to take', () => {
  test('a place has so many endpoints and no more, webhooks and streams together, however they are asked for', async () => {
    const tenant = await here.newTenant()
    const other = await here.newTenant()
    const [place, environment] = [placeOf(tenant), placeOf(tenant).replace(/\/tenants\/.*/, '')]
    const url = `${receiver.origin}/full`
    const before = (await admin('GET', `${environment}/webhooks?limit=200`)).body.items.length
    const made = await Promise.all(Array.from({ length: 26 }, () => admin('POST', `${place}/webhooks`, { url })))
    const refused = made.filter(({ status }) => status !== 201)
    expect(made.length - refused.length).toBe(20)
    expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([409]))
    expect(refused[0]?.body.detail).toBe(
      'This tenant has 20 webhooks and streams of its own, as many as the gateway allows (ENDPOINTS_PER_PLACE). Delete one that is not needed any more.',
    )
    const stream = { method: 'poll', audience: 'https://receiver.example', format: 'notice' }
    expect((await admin('POST', `${place}/streams`, stream)).status).toBe(409)
    // Other places have room of their own, and one that is gone makes room.
    expect((await admin('POST', `${placeOf(other)}/webhooks`, { url })).status).toBe(201)
    const last = made.find(({ status }) => status === 201)
    expect((await admin('DELETE', `${place}/webhooks/${last?.body.id}`)).status).toBe(204)
    expect((await admin('POST', `${place}/streams`, stream)).status).toBe(201)
    const after = (await admin('GET', `${environment}/webhooks?limit=200`)).body.items.length
    expect(after - before).toBe(20)
  })

  test('a host gets no more requests at once than it may, however many endpoints name it', async () => {
    // A database of its own: no other instance sends.
    const database = await openFreshDatabase()
    const small = await openInstance(database, { ...ENV, DELIVERIES_PER_HOST: '3' }, RETRIES)
    const many = await openReceiver()
    const tenant = await small.newTenant()
    const paths = Array.from({ length: 12 }, (_, hook) => `/many${hook}`)
    for (const path of paths) {
      // The receiver takes its time, so that requests could be open together; the test does not wait for it.
      many.answer(path, () => pause(10).then(() => 200))
      const made = await adminSender(() => small, ADMIN)('POST', `${placeOf(tenant)}/webhooks`, {
        url: many.origin + path,
      })
      expect(made.status).toBe(201)
    }
    for (let user = 0; user < 3; user++) await tenant.scim('POST', '/Users', userBody(`host-${user}`))
    await expect.poll(() => paths.map((path) => many.taken(path).length)).toEqual(paths.map(() => 3))
    expect(many.mostOpen()).toBeLessThanOrEqual(3)
    await small.close()
    await many.close()
    await database.close()
  })
})

describe('the queue', () => {
  const held = async () => {
    // An instance that sends nothing, so that the test can take the part of one.
    const tenant = await here.newTenant()
    const hook = await endpoint(tenant)
    await here.database.run("update webhook_endpoints set resume_at = now() + interval '1 hour' where id = $1::uuid", [
      hook.id,
    ])
    return { tenant, hook, queue: webhookQueueOf(here.database, tenant.id, hook.id) }
  }
  const resume = (id: string) =>
    here.database.run('update webhook_endpoints set resume_at = null where id = $1::uuid', [id])

  test('what an instance has claimed and not settled is sent by another, in order', async () => {
    const { tenant, hook, queue } = await held()
    const id = await makeUser(tenant, 'orphan')
    await retitle(tenant, id, 'b')
    await until(() => hook.waiting('pending')).toHaveLength(2)
    expect((await queue.claim(10)).map(({ event }) => event.position)).toEqual([1])
    // The second one waits for the first, whichever instance asks.
    expect(await queue.claim(10)).toEqual([])
    await resume(hook.id)
    // What is made later comes, one after the other; what was claimed does not.
    for (const position of [3, 4]) {
      await makeUser(tenant, `later${position}`)
      await until(() => positions(hook.path).at(-1)).toBe(position)
    }
    expect(positions(hook.path)).toEqual([3, 4])
    await here.database.run(
      'update webhook_deliveries set due_at = now() where endpoint_id = $1::uuid and position = 1',
      [hook.id],
    )
    await until(() => positions(hook.path)).toEqual([3, 4, 1, 2])
  })

  test('claims at the same time never overlap, and a late settlement settles nothing', async () => {
    const { tenant, hook, queue } = await held()
    for (let n = 0; n < 30; n++) await makeUser(tenant, `claimed${n}`)
    await until(() => hook.waiting('pending')).toHaveLength(30)
    const claims = await Promise.all(
      Array.from({ length: 6 }, (_, n) =>
        webhookQueueOf(databases[n % databases.length] as Database, tenant.id, hook.id).claim(4),
      ),
    )
    const claimed = claims.flat().map(({ event }) => event.position)
    expect(new Set(claimed).size).toBe(claimed.length)
    expect(claimed.length).toBeGreaterThanOrEqual(4)
    const [mine] = claimed
    await here.database.run(
      'update webhook_deliveries set attempts = attempts + 1 where endpoint_id = $1::uuid and position = $2::int',
      [hook.id, mine ?? 0],
    )
    await queue.delivered([{ position: mine ?? 0, attempts: 1 }])
    expect(await hook.waiting('pending')).toHaveLength(30)
    await queue.delivered([{ position: mine ?? 0, attempts: 2 }])
    expect(await hook.waiting('pending')).toHaveLength(29)
    await hook.admin('DELETE')
    const left = await here.database.run('select 1 from webhook_deliveries where endpoint_id = $1::uuid', [hook.id])
    expect(left).toEqual([])
  })

  test('an event is delivered without another one behind it', async () => {
    const tenant = await here.newTenant()
    const hook = await endpoint(tenant)
    for (let n = 1; n <= 9; n++) {
      await makeUser(tenant, `alone${n}`)
      await until(() => positions(hook.path)).toHaveLength(n)
    }
  })
})
