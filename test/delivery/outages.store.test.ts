import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { RETRIES } from '../../src/delivery/sending/retries.ts'
import { backlogOf } from '../../src/repositories/delivery/backlog.ts'
import { dueDeliveries } from '../../src/repositories/delivery/due-deliveries.ts'
import { endpointFailed, endpointSucceeded, takeProbe } from '../../src/repositories/delivery/endpoint-state.ts'
import { webhookQueueOf } from '../../src/repositories/delivery/webhook-queue.ts'
import { eventLogOf } from '../../src/repositories/log/event-log.ts'
import { adminSender } from '../support/admin-sender.ts'
import { openDatabases, openFreshDatabase } from '../support/engines.ts'
import type { TestTenant } from '../support/gateway.ts'
import { type Instance, idIn, openInstance, patchBody, userBody } from '../support/instances.ts'
import { placeOf } from '../support/readers.ts'
import { type Answering, openReceiver, type Receiver } from '../support/receiver.ts'

// Two instances share the work where the engine allows it, by the schedule that the gateway has.
const ADMIN = 'an-admin-key-for-outages-in-tests'
/** `OUTAGE_SECONDS=600` for a long outage. */
const OUTAGE_S = Number(process.env.OUTAGE_SECONDS ?? 5)
/** All has arrived so long after the return. After 5 s the rest is some two seconds; after ten minutes a minute. */
const BACK_S = OUTAGE_S <= 5 ? 12 : 60
const ENV = { ADMIN_KEY: ADMIN, DELIVERY_NETWORKS: '127.0.0.0/8' }

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
  await receiver.close()
  for (const one of all) await one.close()
  for (const one of all) expect(one.errors).toEqual([])
  for (const one of databases) await one.close()
})

const admin = (method: string, path: string, body?: object) =>
  adminSender(() => here, ADMIN)<Record<string, unknown> & { items: object[] }>(method, path, body)

/** A webhook for users of a tenant, or of its environment. */
async function endpoint(tenant: TestTenant, how: Answering, wide = false) {
  const path = `/outage${++paths}`
  receiver.answer(path, how)
  const place = wide ? placeOf(tenant).replace(/\/tenants\/.*/, '') : placeOf(tenant)
  const made = await admin('POST', `${place}/webhooks`, { url: receiver.origin + path, events: ['user.*'] })
  expect(made.status).toBe(201)
  const id = String(made.body.id)
  return {
    ...{ id, path },
    state: async () => (await admin('GET', `${place}/webhooks/${id}`)).body,
    waiting: async () => (await admin('GET', `${place}/webhooks/${id}/deliveries?state=pending&limit=200`)).body.items,
    taken: () => receiver.taken(path),
    came: () => receiver.messages.filter((message) => message.path === path),
  }
}

const makeUser = async (tenant: TestTenant, name: string) => idIn(await tenant.scim('POST', '/Users', userBody(name)))
const retitle = (tenant: TestTenant, id: string, title: string) =>
  tenant.scim('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'title', value: title }))
const leave = (tenant: TestTenant, id: string) =>
  tenant.scim('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'active', value: false }))

/** Each resource's versions as the receiver took them. */
function versions(taken: readonly { readonly resource: string; readonly version: number }[]): Map<string, number[]> {
  const found = new Map<string, number[]>()
  for (const { resource, version } of taken) found.set(resource, [...(found.get(resource) ?? []), version])
  return found
}
const inOrder = (taken: Parameters<typeof versions>[0]) =>
  expect([...versions(taken).values()].filter((list) => list.some((one, i) => one < (list[i - 1] ?? 0)))).toEqual([])
const until = <T>(what: () => T | Promise<T>, seconds = 60) =>
  expect.poll(what, { timeout: seconds * 1_000, interval: 20 })

describe('EV-13 EV-15 a receiver that does badly', () => {
  test('and refuses three in ten, leaves one in fifty unanswered and takes the rest has all of 310 events within a minute', async () => {
    const tenant = await here.newTenant()
    let n = 0
    let ended = false
    const hook = await endpoint(tenant, async () => {
      const one = ++n
      // The gateway gives up waiting before this ends.
      if (one % 50 === 7) while (!ended) await pause(50)
      return [0, 3, 6].includes(one % 10) ? 503 : 200
    })
    await Promise.all(
      Array.from({ length: 62 }, async (_, user) => {
        const id = await makeUser(tenant, `shaky${user}`)
        for (let title = 0; title < 4; title++) await retitle(tenant, id, `t${title}`)
      }),
    )
    await until(() => new Set(hook.taken().map(({ position }) => position)).size, 60).toBe(310)
    inOrder(hook.taken())
    ended = true
  })

  test(
    `and was down for ${OUTAGE_S} s has everything soon after its return; meanwhile it was asked one at a time`,
    async () => {
      const tenant = await here.newTenant()
      let down = true
      let [open, most] = [0, 0]
      let watching = false
      const hook = await endpoint(tenant, async () => {
        if (!down) return 200
        open++
        if (watching) most = Math.max(most, open)
        // Long enough that a second request would meet the first.
        await pause(100)
        open--
        return 503
      })
      for (let user = 0; user < 40; user++) await makeUser(tenant, `down${user}`)
      await until(async () => (await hook.state()).restingUntil).not.toBeNull()
      // What was claimed before the rest may still be on its way; the first try comes after it.
      const begun = hook.came().length
      await until(() => hook.came().length).toBeGreaterThan(begun)
      await until(() => open).toBe(0)
      watching = true
      const before = hook.came().length
      await pause(OUTAGE_S * 1_000)
      expect(hook.came().length - before).toBeGreaterThanOrEqual(1)
      expect(hook.came().length - before).toBeLessThanOrEqual(OUTAGE_S + 1)
      expect(most).toBe(1)
      expect(await hook.state()).toMatchObject({ failingSince: expect.any(String), restingUntil: expect.any(String) })
      down = false
      await until(() => hook.taken().length, BACK_S).toBe(40)
      await until(async () => await hook.state()).toMatchObject({ failingSince: null, restingUntil: null })
    },
    (OUTAGE_S + BACK_S + 90) * 1_000,
  )

  test('and takes 3 s for each keeps getting them, and does not rest', async () => {
    const tenant = await here.newTenant()
    const hook = await endpoint(tenant, () => pause(3_000).then(() => 200))
    for (let user = 0; user < 24; user++) await makeUser(tenant, `slow${user}`)
    const rests = new Set<unknown>()
    await until(async () => {
      rests.add((await hook.state()).restingUntil)
      return hook.taken().length
    }).toBe(24)
    expect([...rests]).toEqual([null])
    expect(hook.came()).toHaveLength(24)
  })

  test('and always refuses one event gets all others, and does not rest', async () => {
    const tenant = await here.newTenant()
    const hook = await endpoint(tenant, ({ position }) => (position === 1 ? 500 : 200))
    const id = await makeUser(tenant, 'refused')
    await retitle(tenant, id, 'behind')
    await until(() => hook.came().length).toBeGreaterThan(3)
    for (let user = 0; user < 5; user++) {
      await makeUser(tenant, `beside${user}`)
      await until(() => hook.taken().length).toBe(user + 1)
      expect(await hook.state()).toMatchObject({ restingUntil: null })
    }
    expect(hook.taken().map(({ resource }) => resource)).not.toContain(id)
  })

  test('a receiver that asks for time gets it', async () => {
    const tenant = await here.newTenant()
    const hook = await endpoint(tenant, () => 200)
    const failed = {
      ...{ restMs: RETRIES.restMs, disableAfterMs: RETRIES.disableAfterMs, reason: '' },
      retryAfterMs: 90_000,
    }
    await endpointFailed(here.database, hook.id, { verdict: 'down', ...failed })
    const rests = Date.parse(String((await hook.state()).restingUntil)) - Date.now()
    expect(rests).toBeGreaterThan(60_000)
    expect(rests).toBeLessThan(120_000)
  })
})

describe('EV-13 a rest', () => {
  const failed = { restMs: RETRIES.restMs, retryAfterMs: 0, disableAfterMs: RETRIES.disableAfterMs, reason: 'x' }
  const moment = async () => {
    const [row] = await here.database.run<{ now: string }>('select now()::text as now', [])
    return row?.now ?? ''
  }
  /** How many seconds after a moment the rest of an endpoint ends. */
  const restOf = async (id: string, from: string) => {
    const [row] = await here.database.run<{ s: number }>(
      'select extract(epoch from resume_at - $2::timestamptz)::float8 as s from webhook_endpoints where id = $1::uuid',
      [id, from],
    )
    return row?.s ?? 0
  }
  const failingFor = (id: string, seconds: number) =>
    here.database.run(
      "update webhook_endpoints set failing_since = now() - $2::int * interval '1 second' where id = $1::uuid",
      [id, seconds],
    )

  test('is short after a short outage, and never longer than a minute', async () => {
    const hook = await endpoint(await here.newTenant(), () => 200)
    for (const [seconds, least, most] of [
      [0, 0.99, 1],
      [5, 1.24, 1.5],
      [600, 14.9, 15],
      [3_600, 14.9, 15],
      [200_000, 59.9, 60],
    ] as const) {
      await failingFor(hook.id, seconds)
      const before = await moment()
      await endpointFailed(here.database, hook.id, { verdict: 'still down', ...failed })
      expect(await restOf(hook.id, before)).toBeGreaterThan(least)
      // Moments are stored in whole milliseconds.
      expect(await restOf(hook.id, await moment())).toBeLessThanOrEqual(most + 0.001)
    }
    await endpointSucceeded(here.database, hook.id)
    expect(await hook.state()).toMatchObject({ failingSince: null, restingUntil: null })
  })

  test('ends for one event of one instance, and what failed before it began does not end or move it', async () => {
    const hook = await endpoint(await here.newTenant(), () => 200)
    const resting = async () => (await hook.state()).restingUntil
    await endpointFailed(here.database, hook.id, { verdict: 'one of many', ...failed })
    expect(await resting()).toBeNull()
    await endpointFailed(here.database, hook.id, { verdict: 'down', ...failed })
    expect(await takeProbe(here.database, hook.id)).toBe(false)
    await here.database.run('update webhook_endpoints set resume_at = now() where id = $1::uuid', [hook.id])
    const took = await Promise.all(
      Array.from({ length: 8 }, (_, n) => takeProbe(databases[n % databases.length] ?? here.database, hook.id)),
    )
    expect(took.filter(Boolean)).toHaveLength(1)
    const until = await resting()
    for (const verdict of ['one of many', 'down'] as const)
      await endpointFailed(here.database, hook.id, { verdict, ...failed })
    expect(await resting()).toBe(until)
  })
})

describe('EV-15 who leaves is shut out first', () => {
  const held = async (wide = false) => {
    const place = await here.newPlace()
    const tenant = await here.newTenant({ place })
    const hook = await endpoint(tenant, () => pause(20).then(() => 200), wide)
    await rest(hook.id)
    return { place, tenant, hook, queue: webhookQueueOf(here.database, tenant.id, hook.id) }
  }
  const rest = (id: string) =>
    here.database.run("update webhook_endpoints set resume_at = now() + interval '1 hour' where id = $1::uuid", [id])
  const wakes = (id: string) =>
    here.database.run('update webhook_endpoints set resume_at = null where id = $1::uuid', [id])

  test('before what others wait for, behind what is before it of the same user, however long that waits already', async () => {
    const { tenant, hook, queue } = await held()
    const ids: string[] = []
    for (let user = 0; user < 70; user++) ids.push(await makeUser(tenant, `stays${user}`))
    const leaver = ids[69] ?? ''
    await until(() => hook.waiting()).toHaveLength(70)
    await leave(tenant, leaver)
    const gone = await makeUser(tenant, 'goes')
    await tenant.scim('DELETE', `/Users/${gone}`)
    await until(() => hook.waiting()).toHaveLength(73)
    const next = async () => {
      const [claimed] = await queue.claim(1)
      if (claimed === undefined) throw new Error('nothing was claimed')
      await queue.delivered([{ position: claimed.event.position, attempts: claimed.attempts }])
      return `${claimed.event.type} ${[leaver, gone].indexOf(claimed.event.resourceId)}`
    }
    const order = [await next(), await next(), await next(), await next(), await next()]
    expect(order.slice(0, 4).sort()).toEqual([
      'user.created 0',
      'user.created 1',
      'user.deactivated 0',
      'user.deleted 1',
    ])
    expect(order.indexOf('user.created 0')).toBeLessThan(order.indexOf('user.deactivated 0'))
    expect(order.indexOf('user.created 1')).toBeLessThan(order.indexOf('user.deleted 1'))
    expect(order[4]).toBe('user.created -1')
    await wakes(hook.id)
    await until(() => hook.taken().length).toBe(68)
    inOrder(hook.taken())
  })

  test('also of another tenant, where one webhook is for all of an environment', async () => {
    const { place, tenant, hook } = await held(true)
    const others = await Promise.all(Array.from({ length: 3 }, () => here.newTenant({ place })))
    for (const other of others) for (let user = 0; user < 15; user++) await makeUser(other, `stays${user}`)
    const id = await makeUser(tenant, 'goes')
    await until(() => hook.waiting().then((list) => list.length)).toBe(46)
    await leave(tenant, id)
    await until(() =>
      hook.waiting().then((list) => list.some((one) => (one as { type: string }).type === 'user.deactivated')),
    ).toBe(true)
    await wakes(hook.id)
    const { endpoints } = await dueDeliveries(here.database)
    expect(endpoints.find((one) => one.id === hook.id)?.urgent ?? [tenant.id]).toEqual([tenant.id])
    await until(() => hook.taken().length).toBe(47)
    inOrder(hook.taken())
  })

  test('and when the events of a time are sent again', async () => {
    const { tenant, hook, queue } = await held()
    const ids = [await makeUser(tenant, 'a'), await makeUser(tenant, 'b'), await makeUser(tenant, 'c')]
    await until(() => hook.waiting()).toHaveLength(3)
    await queue.delivered(
      (await queue.claim(10)).map(({ event, attempts }) => ({ position: event.position, attempts })),
    )
    await leave(tenant, ids[2] ?? '')
    await until(() => hook.waiting()).toHaveLength(1)
    await queue.delivered(
      (await queue.claim(10)).map(({ event, attempts }) => ({ position: event.position, attempts })),
    )
    const place = `${placeOf(tenant)}/webhooks/${hook.id}/replay`
    expect((await admin('POST', place, { since: '2020-01-01T00:00:00Z' })).body).toEqual({ queued: 4 })
    const [first] = await queue.claim(1)
    expect(first?.event.resourceId).toBe(ids[2])
  })
})

test('EV-13 whether events wait that nobody sends can be asked; what fails, is slow or is under way does not count', async () => {
  // No instance sends here, so that the test can take the part of one.
  const database = await openFreshDatabase()
  const idle = await openInstance(database, ENV)
  const tenant = await idle.newTenant()
  const place = `${placeOf(tenant)}/webhooks`
  const made = await adminSender(() => idle, ADMIN)<{ id: string }>('POST', place, {
    ...{ url: 'https://hooks.example.com/', events: ['user.*'] },
  })
  const { id } = made.body
  expect(await backlogOf(database)).toMatchObject({ lateMs: null, deliveries: { due: 0 }, receivers: [] })
  for (const name of ['a', 'b']) idIn(await tenant.scim('POST', '/Users', userBody(name)))
  await eventLogOf(database, tenant.id).number({ wait: true })
  await database.run("update webhook_deliveries set due_at = now() - interval '1 minute'", [])
  const before = await backlogOf(database)
  expect(before).toMatchObject({
    deliveries: { due: 2, later: 0 },
    receivers: [{ kind: 'webhook', state: 'well', count: 1 }],
  })
  expect(before.lateMs).toBeGreaterThanOrEqual(60_000)
  const queue = webhookQueueOf(database, tenant.id, id)
  const [claimed] = await queue.claim(1)
  expect(await backlogOf(database)).toMatchObject({ lateMs: null, deliveries: { due: 1, later: 1 } })
  await queue.delivered([{ position: claimed?.event.position ?? 0, attempts: 1 }])
  const after = await backlogOf(database)
  expect(after.deliveries).toMatchObject({ due: 1, later: 0 })
  expect(after.lateMs).toBeGreaterThanOrEqual(60_000)
  await endpointFailed(database, id, {
    ...{ verdict: 'one of many', restMs: RETRIES.restMs, retryAfterMs: 0, disableAfterMs: 1_000_000, reason: '' },
  })
  expect(await backlogOf(database)).toMatchObject({
    lateMs: null,
    receivers: [{ kind: 'webhook', state: 'failing', count: 1 }],
  })
  await idle.close()
  await database.close()
})
