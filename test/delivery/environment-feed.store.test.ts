import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createApiKey } from '../../src/administration/keys/api-keys.ts'
import { moveTenant } from '../../src/administration/tenant-moves.ts'
import { deleteTenant } from '../../src/administration/tenants.ts'
import { CONFIGURED_ADMIN, type Permission } from '../../src/auth/principal.ts'
import type { Database } from '../../src/db/database.ts'
import { environmentFeed, parseFeedCursor } from '../../src/delivery/environment-feed.ts'
import { LogWatch } from '../../src/delivery/log-watch.ts'
import { readLog } from '../../src/delivery/read-log.ts'
import type { EnvironmentId, TenantId } from '../../src/place-ids.ts'
import { eventLogOf } from '../../src/repositories/log/event-log.ts'
import { closeFeed, idleFeeds } from '../../src/repositories/log/feed-closing.ts'
import { openFeed, trimFeed } from '../../src/repositories/log/feed-places.ts'
import { takeLogs } from '../../src/repositories/log/locked-logs.ts'
import { numberEvents } from '../../src/repositories/log/numbering.ts'
import { deleteOld, trimAll } from '../../src/retention/retention.ts'
import { administrationOn } from '../support/administration.ts'
import { engineName, onCitus, openDatabases, openFreshDatabase } from '../support/engines.ts'
import { appending } from '../support/events.ts'
import type { TestTenant } from '../support/gateway.ts'
import { holdOpen, untilWaiting } from '../support/held.ts'
import {
  addMembers,
  groupBody,
  type Instance,
  idIn,
  ORIGIN,
  openInstance,
  type Place,
  userBody,
} from '../support/instances.ts'
import { recordStatements, withRun } from '../support/statements.ts'

// Two instances where the engine allows it.
let databases: readonly [Database, ...Database[]]
let database: Database
let here: Instance
let there: Instance
beforeAll(async () => {
  databases = await openDatabases(8)
  database = databases[0]
  here = await openInstance(databases[0])
  there = await openInstance(databases.at(-1) as Database)
})
afterAll(async () => {
  await here.close()
  await there.close()
  for (const one of databases) await one.close()
})

interface FeedEvent {
  readonly id: string
  readonly tenant: string
  readonly position: number
  readonly type: string
  readonly resource: { readonly id: string }
  readonly snapshot?: unknown
}
interface Page<Item = FeedEvent> {
  readonly items: readonly Item[]
  readonly next: string
  readonly more: boolean
}

/** The application of an environment, with a key of its own. */
async function application(place: Place, at = there, permissions: readonly Permission[] = ['directory:read']) {
  const { base, ...ids } = place
  const scope = { kind: 'environment', ...ids } as const
  const { key } = await createApiKey(administrationOn(database), scope, { name: 'app', permissions }, CONFIGURED_ADMIN)
  const [project, environment] = base.split('/').slice(-2)
  const url = `${ORIGIN}/api/v1/projects/${project}/environments/${environment}`
  const ask = (path: string, init: RequestInit = {}) =>
    at.send(new Request(url + path, { ...init, headers: { Authorization: `Bearer ${key}`, ...init.headers } }))
  const read = async <P>(path: string): Promise<P> => {
    const response = await ask(path)
    const text = await response.text()
    if (response.status !== 200) throw new Error(`${response.status}: ${text}`)
    return JSON.parse(text) as P
  }
  return {
    ...{ ask, url, key },
    events: (query = '') => read<Page>(`/events${query}`),
    changes: (query = '') =>
      read<Page<{ tenant: string; type: string; id: string; deleted: boolean }>>(`/changes${query}`),
    /** All that comes after a cursor, page by page; and where that ends. */
    async rest(query = '', after?: string): Promise<{ events: FeedEvent[]; next: string }> {
      const events: FeedEvent[] = []
      for (let next = after; ; ) {
        const page: Page = await this.events(`?${query}${next === undefined ? '' : `&after=${next}`}`)
        events.push(...page.items)
        next = page.next
        if (!page.more) return { events, next }
      }
    },
  }
}

const makeUser = async (tenant: TestTenant, name: string, rest: object = {}) =>
  idIn(await tenant.scim('POST', '/Users', userBody(name, rest)))

const append = (tenantId: TenantId, count: number, db: Database = database, days = 0) =>
  db.run(
    appending(`insert into events (tenant_id, type, resource_type, resource_id, version, request_id, actor, occurred_at, changes)
     select $1::uuid, 'user.updated', 'User', $2::uuid, n, 'r', 'a', now() - make_interval(days => $4::int), '{}'
     from generate_series(1, $3::int) n`),
    [tenantId, randomUUID(), count, days],
  )

const positionsByTenant = (events: readonly { tenant: string; position: number }[]) => {
  const positions = new Map<string, number[]>()
  for (const { tenant, position } of events) positions.set(tenant, [...(positions.get(tenant) ?? []), position])
  return positions
}
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1)

describe('the feed of an environment', () => {
  test('shows at once what was answered before, of all tenants, and of new ones from then on', async () => {
    const place = await here.newPlace()
    const [one, two] = [await here.newTenant({ place }), await here.newTenant({ place })]
    const ada = await makeUser(one, 'ada')
    const bob = await makeUser(two, 'bob')
    const app = await application(place)
    const tenants = `tenants=${one.id},${two.id}`
    const first = await app.rest(`limit=1&${tenants}`)
    expect(first.events.map(({ tenant, position, resource }) => [tenant, position, resource.id]).sort()).toEqual(
      [
        [one.id, 1, ada],
        [two.id, 1, bob],
      ].sort(),
    )
    expect(await app.events(`?after=${first.next}`)).toEqual({ items: [], next: first.next, more: false })
    const late = await here.newTenant({ place })
    await makeUser(late, 'cy')
    await makeUser(one, 'dee')
    const { events, next } = await app.rest('', first.next)
    expect(positionsByTenant(events)).toEqual(
      new Map([
        [late.id, [1]],
        [one.id, [2]],
      ]),
    )
    // The same cursor gives the same again, and nothing has moved.
    expect((await app.rest('limit=1', first.next)).events).toEqual(events)
    expect((await app.rest('', next)).events).toEqual([])
  })

  test('comes by type and by tenant, with a resource as it is now', async () => {
    const place = await here.newPlace()
    const [one, two] = [await here.newTenant({ place }), await here.newTenant({ place })]
    const app = await application(place)
    const { next } = await app.events()
    const ada = await makeUser(one, 'ada')
    idIn(await one.scim('POST', '/Groups', groupBody('Sales', [ada])))
    await makeUser(two, 'bob')
    const types = async (query: string) => (await app.rest(query, next)).events.map(({ type }) => type)
    expect(await types('types=group.*')).toEqual(['group.created', 'group.member_added'])
    expect(await types(`tenants=${two.id}`)).toEqual(['user.created'])
    expect(await types(`tenants=${one.name},${two.id}&types=user.created`)).toHaveLength(2)
    const { events } = await app.rest('types=user.*&snapshot=true', next)
    expect(events.map(({ snapshot }) => snapshot)).toMatchObject([
      { version: 1, attributes: { userName: 'ada' } },
      { version: 1, attributes: { userName: 'bob' } },
    ])
    expect((await app.ask('/events?tenants=nobody')).status).toBe(404)
    expect((await app.ask(`/events?tenants=${upTo(21).join(',')}`)).status).toBe(400)
    expect((await app.ask('/events?after=7')).status).toBe(400)
  })

  test('wakes a reader that waits, and a stream, whichever instance wrote', async () => {
    const place = await here.newPlace()
    const tenant = await here.newTenant({ place })
    const app = await application(place)
    const { next } = await app.events()
    const waiting = app.events(`?after=${next}&wait=30`)
    await makeUser(tenant, 'ada')
    const page = await waiting
    expect(page.items).toMatchObject([{ tenant: tenant.id, type: 'user.created' }])
    const stream = await app.ask('/events/stream', { headers: { 'Last-Event-ID': page.next } })
    const chunks = (stream.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader()
    await makeUser(tenant, 'bob')
    let text = ''
    while (!text.includes('data: ')) text += (await chunks.read()).value
    const [, id = '', data = ''] = /id: (\S+)\ndata: (.*)\n\n/.exec(text) ?? []
    expect(JSON.parse(data)).toMatchObject({ tenant: tenant.id, position: 2, type: 'user.created' })
    await chunks.cancel()
    expect(await app.events(`?after=${id}`)).toMatchObject({ items: [], more: false })
  })

  test('is for keys of the environment that may read people, and for no others', async () => {
    const [place, other] = [await here.newPlace(), await here.newPlace()]
    const tenant = await here.newTenant({ place })
    const app = await application(place)
    const stranger = await application(other)
    const admin = await application(place, there, ['admin'])
    for (const path of ['/events', '/events/stream', '/changes', '/snapshot', '/users?userName=ada']) {
      const by = async (key: string) => {
        const init = { headers: { Authorization: `Bearer ${key}` } }
        return (await there.send(new Request(app.url + path, init))).status
      }
      expect([path, await by(tenant.key)]).toEqual([path, 403])
      expect([path, (await admin.ask(path)).status]).toEqual([path, 403])
      expect([path, await by(stranger.key)]).toEqual([path, 403])
    }
    // A cursor is good for its own feed alone.
    const { next } = await app.events()
    expect((await stranger.ask(`/events?after=${next}`)).status).toBe(410)
  })

  // On Citus no tenant moves to another environment: docs/scale.md.
  test.skipIf(onCitus())(
    'leaves out tenants that have gone or moved away, and has one that came from then on',
    async () => {
      const from = await here.newPlace()
      const to = await here.newEnvironment(from)
      const [moving, going] = [await here.newTenant({ place: from }), await here.newTenant({ place: from })]
      const [old, now] = [await application(from), await application(to)]
      const begin = { old: (await old.rest()).next, now: (await now.rest()).next }
      for (const tenant of [moving, going]) await makeUser(tenant, 'before')
      const key = moving.name
      expect((await old.rest('', begin.old)).events).toHaveLength(2)
      await moveTenant(administrationOn(database), from, moving.id, { to, key, keepFormerUrlDays: 0 })
      await deleteTenant(administrationOn(database), from, going.id)
      await append(moving.id, 2)
      expect((await old.rest('', begin.old)).events).toEqual([])
      const { events } = await now.rest('', begin.now)
      // Its application reads the snapshot of a tenant that begins behind its first event.
      expect(events.map(({ tenant, position, type }) => [tenant, position, type])).toEqual([
        [moving.id, 2, 'tenant.updated'],
        [moving.id, 3, 'user.updated'],
        [moving.id, 4, 'user.updated'],
      ])
      expect(await database.run('select 1 from waiting_stretches', [])).toEqual([])
    },
  )

  test('has events that the leaver brake held when they are released, and is not stopped by a pause', async () => {
    const place = await here.newPlace()
    const brake = { mode: 'hold', count: 1, windowMinutes: 60, releaseAfterHours: 1 } as const
    const tenant = await here.newTenant({ place, settings: { leaverBrake: brake } })
    const app = await application(place)
    const ids = [await makeUser(tenant, 'ada'), await makeUser(tenant, 'bob'), await makeUser(tenant, 'cy')]
    const { next } = await app.rest()
    for (const id of ids) await tenant.scim('DELETE', `/Users/${id}`)
    const held = await app.rest('', next)
    expect(held.events.map(({ type }) => type)).toEqual(['brake.engaged'])
    await database.run('update event_logs set held_until = now() where tenant_id = $1::uuid', [tenant.id])
    const released = await app.rest('', held.next)
    expect(released.events.map(({ type, position }) => [type, position])).toEqual([
      ...[5, 6, 7].map((position) => ['user.deleted', position]),
      ['brake.released', 8],
    ])
  })
})

describe('a reader of the feed that comes too late', () => {
  test('is told, where anything that it has not seen is kept no longer', async () => {
    const place = await here.newPlace()
    const [one, two] = [await here.newTenant({ place }), await here.newTenant({ place })]
    const app = await application(place)
    const tenants = `tenants=${one.id},${two.id}`
    const begin = (await app.rest()).next
    await append(one.id, 2, database, 100)
    const early = (await app.rest('', begin)).next
    await append(two.id, 2, database, 100)
    const late = (await app.rest('', begin)).next
    await append(one.id, 2)
    await app.rest('', begin)
    await trimAll(database)
    for (const cursor of [begin, early]) expect((await app.ask(`/events?after=${cursor}`)).status).toBe(410)
    expect((await app.ask(`/changes?after=${begin}`)).status).toBe(410)
    expect((await app.ask(`/events/stream?after=${begin}`)).status).toBe(410)
    expect((await app.rest('', late)).events).toMatchObject([{ position: 3 }, { position: 4 }])
    // Who begins, begins with what is kept, page by page.
    expect(positionsByTenant((await app.rest(`limit=1&${tenants}`)).events)).toEqual(new Map([[one.id, [3, 4]]]))
    // Stretches go too; and what is left is still told apart.
    await database.run(
      `update feed_stretches set placed_at = now() - interval '100 days' where environment_id = $1::uuid`,
      [place.environmentId],
    )
    await append(one.id, 1)
    const { next } = await app.rest('', late)
    expect(await trimFeed(database, place.environmentId, 90)).toBe(false)
    for (const cursor of [begin, early, late]) expect((await app.ask(`/events?after=${cursor}`)).status).toBe(410)
    expect((await app.rest(tenants)).events).toMatchObject([{ tenant: one.id, position: 5 }])
    expect((await app.rest('', next)).events).toEqual([])
  })

  test('is told, where the store was put back to an earlier state', async () => {
    const place = await here.newPlace()
    const tenant = await here.newTenant({ place })
    const app = await application(place)
    await append(tenant.id, 3)
    const { next } = await app.rest()
    await database.run('update environment_feeds set head = head - 1 where environment_id = $1::uuid', [
      place.environmentId,
    ])
    const gone = await app.ask(`/events?after=${next}`)
    expect([gone.status, await gone.text()]).toEqual([410, expect.stringContaining('earlier state')])
  })
})

test('a copy of all tenants by snapshot and changes is what they have', async () => {
  const place = await here.newPlace()
  const tenants = [await here.newTenant({ place }), await here.newTenant({ place })]
  const app = await application(place)
  const kept: string[] = []
  for (const [n, tenant] of tenants.entries()) {
    for (const name of ['ada', 'bob', 'cy'])
      kept.push(await makeUser(tenant, `${name}${n}`, { password: 'Correct-Horse-1' }))
    idIn(await tenant.scim('POST', '/Groups', groupBody('Sales', kept.slice(-2))))
  }
  const text = await (await app.ask('/snapshot')).text()
  expect(text).not.toContain('password')
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(lines[0]).toMatchObject({ kind: 'start', environment: place.environmentId, cursor: expect.any(String) })
  expect(lines.at(-1)).toMatchObject({ kind: 'end', environment: place.environmentId, cursor: lines[0].cursor })
  const copy = new Map<string, string>()
  let tenant = ''
  for (const line of lines) {
    if (line.kind === 'tenant') tenant = line.tenant
    if (line.kind === 'resource') copy.set(line.resource.id, tenant)
  }
  expect(lines.filter(({ kind }) => kind === 'members')).toHaveLength(2)
  const [one, two] = tenants as [TestTenant, TestTenant]
  await one.scim('DELETE', `/Users/${kept[0]}`)
  const late = await here.newTenant({ place })
  await makeUser(late, 'dee')
  await two.scim('PATCH', `/Users/${kept[5]}`, addMembers()) // refused, and changes nothing
  let next = lines[0].cursor
  for (let more = true; more; ) {
    const page = await app.changes(`?after=${next}&limit=2`)
    for (const { tenant, id, deleted } of page.items) deleted ? copy.delete(id) : copy.set(id, tenant)
    ;({ next, more } = page)
  }
  const stored = await database.run<{ id: string; tenant: string }>(
    `select r.id::text as id, r.tenant_id::text as tenant from resources r join tenants t on t.id = r.tenant_id
     where t.environment_id = $1::uuid`,
    [place.environmentId],
  )
  expect(copy).toEqual(new Map(stored.map(({ id, tenant }) => [id, tenant])))
  // Of one tenant, such as one that has moved here.
  const some = (await (await app.ask(`/snapshot?tenants=${late.id}`)).text()).trimEnd().split('\n')
  expect(some.map((line) => JSON.parse(line).kind)).toEqual(['start', 'tenant', 'resource', 'end'])
})

describe('nothing is missed and nothing comes twice', () => {
  /** A reader who keeps nothing but its cursor. */
  const follower = (db: Database, environmentId: EnvironmentId) => {
    const watch = new LogWatch(db, () => {})
    const seen: { tenant: string; position: number }[] = []
    let cursor: string | undefined
    return {
      seen,
      stop: () => watch.stop(),
      /** Reads a page of some size; gives whether there is more. */
      async step(limit: number): Promise<boolean> {
        const from = cursor === undefined ? undefined : parseFeedCursor(cursor)
        const feed = environmentFeed(db, watch, environmentId, from)
        const types = { types: [], nouns: [] }
        const answer = await readLog(feed, { after: from?.place, limit, types, waitMs: 0 })
        if (answer.outcome !== 'page') throw new Error(answer.outcome)
        seen.push(...answer.page.events.map(({ tenantId, position }) => ({ tenant: tenantId, position })))
        cursor = String(feed.cursorAt(answer.page.next))
        return answer.page.next < answer.page.head
      },
    }
  }

  test('while instances number, roll back and are killed, and tenants come', async () => {
    const place = await here.newPlace()
    const tenants = [await here.newTenant({ place }), await here.newTenant({ place })]
    await append((tenants[0] as TestTenant).id, 7)
    const numbering = databases.map((one) => new LogWatch(one, () => {}))
    for (const watch of numbering) watch.start()
    const reader = follower(databases.at(-1) as Database, place.environmentId)
    let over = false
    const pick = <T>(list: readonly T[]) => list[Math.floor(Math.random() * list.length)] as T
    const write = async () => {
      for (let n = 0; n < 60; n++) {
        if (n % 20 === 19) tenants.push(await here.newTenant({ place }))
        // Its connection may be the one that is killed.
        await append(pick(tenants).id, pick([1, 1, 2, 30]), pick(databases)).catch(() => {})
      }
    }
    const numberAndRollBack = async () => {
      while (!over)
        await pick(databases)
          .transaction(async (tx) => {
            const { id } = pick(tenants)
            const logs = await takeLogs(tx, [id], true)
            if (logs.length > 0) await numberEvents(tx, [id], pick([1, 3, 1_000]))
            if (Math.random() < 0.5) throw new Error('rolled back')
          })
          .catch(() => {})
    }
    const kill = async () => {
      while (!over) {
        await database
          .run(
            `select pg_terminate_backend(a.pid) from pg_stat_activity a
             where a.datname = current_database() and a.pid <> pg_backend_pid() and a.state <> 'idle'
               and a.query ~ 'stretches' order by random() limit 1`,
            [],
          )
          .catch(() => {})
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    const read = async () => {
      while (!over) await reader.step(pick([1, 2, 10, 500])).catch(() => {})
    }
    const chaos = [read(), numberAndRollBack(), ...(engineName() === 'postgres' ? [kill()] : [])]
    await Promise.all([write(), write(), write()]).finally(() => {
      over = true
    })
    await Promise.all(chaos)
    // Connections that were killed are noticed by who uses them next.
    while (await reader.step(100).catch(() => true));
    const written = await database.run<{ id: string; count: number }>(
      `select e.tenant_id::text as id, count(*)::int as count from events e join tenants t on t.id = e.tenant_id
       where t.environment_id = $1::uuid group by 1`,
      [place.environmentId],
    )
    const expected = written.map(({ id, count }): [string, number[]] => [id, upTo(count)])
    expect(expected.length).toBeGreaterThan(3)
    expect(positionsByTenant(reader.seen)).toEqual(new Map(expected))
    await reader.stop()
    for (const watch of numbering) await watch.stop()
  })

  test('of what was there before the feed, however many open it while others number', async () => {
    for (let round = 0; round < 5; round++) {
      const place = await here.newPlace()
      const tenants: TestTenant[] = []
      for (let n = 0; n < 6; n++) tenants.push(await here.newTenant({ place }))
      for (const { id } of tenants.slice(0, 4)) {
        await append(id, 3)
        if (round % 2 === 0) await eventLogOf(database, id).number()
      }
      const open = async (db: Database) => openFeed(db, place.environmentId)
      const number = async (db: Database) => {
        for (const { id } of tenants) {
          await append(id, 2, db)
          await eventLogOf(db, id).number({ wait: true })
        }
      }
      const all = databases.flatMap((db) => [open(db), number(db)])
      await Promise.all(all)
      const reader = follower(database, place.environmentId)
      while (await reader.step(7));
      const found = positionsByTenant(reader.seen)
      for (const [n, { id }] of tenants.entries())
        expect(found.get(id)).toEqual(upTo((n < 4 ? 3 : 0) + 2 * databases.length))
      await reader.stop()
    }
  })

  // The embedded engine does one transaction at a time.
  // On Citus logs are opened one by one, and who waits does so on a worker, where this test does not look.
  test.runIf(engineName() === 'postgres' && !onCitus())(
    'who opens it holds no log that another waits for',
    async () => {
      const place = await here.newPlace()
      const tenants = [await here.newTenant({ place }), await here.newTenant({ place })].map(({ id }) => id).sort()
      const [first, last] = tenants as [TenantId, TenantId]
      let numbering: Promise<unknown> = Promise.resolve()
      const opener = withRun(database, async (handle, ...statement) => {
        if (!statement[0].startsWith('insert into event_logs')) return handle.run(...statement)
        // Just before the missing logs are made, another instance makes the last one, and takes it.
        await append(last, 1)
        await eventLogOf(database, last).number({ wait: true })
        const other = await holdOpen(database, (tx) => {
          const taken = takeLogs(tx, [last], false)
          numbering = taken.then(() => untilWaiting(database)).then(() => takeLogs(tx, [first], false))
          return taken
        })
        numbering = numbering.finally(() => other.release())
        return handle.run(...statement)
      })
      await Promise.all([openFeed(opener, place.environmentId), untilWaiting(database).then(() => numbering)])
      const reader = follower(database, place.environmentId)
      while (await reader.step(7));
      expect(positionsByTenant(reader.seen).get(last)).toEqual([1])
      await reader.stop()
    },
  )
})

// On Citus 2,000 tenants are placed one by one, which takes minutes.
test.skipIf(onCitus())(
  'an idle feed of 2,000 tenants costs no statement beyond the look of the instance, and none of a tenant',
  async () => {
    const own = await openFreshDatabase()
    const instance = await openInstance(own)
    const place = await instance.newPlace()
    const mark = randomBytes(4).toString('hex')
    await own.run(
      `insert into tenants (id, environment_id, key, key_folded, name)
     select gen_random_uuid(), $1::uuid, $2::text || n, $2::text || n, '' from generate_series(1, 2000) n`,
      [place.environmentId, mark],
    )
    const [tenant] = await own.run<{ id: TenantId }>('select id::text as id from tenants where key = $1::text', [
      `${mark}7`,
    ])
    if (tenant === undefined) throw new Error('not made')
    const recorder = recordStatements(own)
    const watch = new LogWatch(recorder.database, () => {})
    const types = { types: [], nouns: [] }
    const feed = environmentFeed(recorder.database, watch, place.environmentId)
    const first = await readLog(feed, { after: undefined, limit: 10, types, waitMs: 0 })
    if (first.outcome !== 'page') throw new Error(first.outcome)
    const { next } = first.page
    const before = recorder.statements.length
    const gone = new AbortController()
    const from = parseFeedCursor(String(feed.cursorAt(next)))
    const waits = environmentFeed(recorder.database, watch, place.environmentId, from)
    const answer = readLog(waits, { after: next, limit: 10, types, waitMs: 60_000, signal: gone.signal })
    await expect.poll(() => recorder.statements.length - before, { timeout: 10_000 }).toBeGreaterThan(20)
    const idle = recorder.statements.slice(before)
    // What the reader asked when it came, then the looks of the instance, which are the same for 2,000 tenants as for one.
    const kinds = new Map<string, number>()
    for (const { options } of idle) kinds.set(options.name ?? '', (kinds.get(options.name ?? '') ?? 0) + 1)
    expect([...kinds.keys()].sort()).toEqual(['events-unnumbered', 'feed-read'])
    expect(kinds.get('feed-read')).toBe(1)
    expect(idle.some(({ values }) => values.some((value) => String(value).includes(tenant.id)))).toBe(false)
    await append(tenant.id, 1, own)
    expect(await answer).toMatchObject({ page: { events: [{ tenantId: tenant.id, position: 1 }] } })
    await watch.stop()
    await instance.close()
    await own.close()
  },
)

describe('a feed that nobody reads', () => {
  const feedOf = async ({ environmentId }: Place) =>
    (
      await database.run<{ id: string; closing: boolean; read: string }>(
        'select id::text, closing, read_at::text as read from environment_feeds where environment_id = $1::uuid',
        [environmentId],
      )
    )[0]
  const stretchesOf = async ({ environmentId }: Place) =>
    (
      await database.run<{ count: number }>(
        `select (select count(*) from feed_stretches s where s.environment_id = $1::uuid)::int
           + (select count(*) from waiting_stretches w join tenants t on t.id = w.tenant_id where t.environment_id = $1::uuid)::int
           as count`,
        [environmentId],
      )
    )[0]?.count
  const unread = ({ environmentId }: Place, days: number) =>
    database.run(
      'update environment_feeds set read_at = now() - make_interval(days => $2::int) where environment_id = $1::uuid',
      [environmentId, days],
    )
  const retain = (feedIdleDays: number) => deleteOld(database, { feedIdleDays }, new AbortController().signal)

  test('is closed after a while, and costs nothing any more; the next reader opens it with all that is kept', async () => {
    const place = await here.newPlace()
    const [one, two] = [await here.newTenant({ place }), await here.newTenant({ place })]
    const app = await application(place)
    await append(one.id, 3)
    const { next } = await app.rest()
    await append(two.id as TenantId, 2)
    const before = await app.rest()
    await unread(place, 89)
    await retain(90)
    expect(await feedOf(place)).toMatchObject({ closing: false })
    await unread(place, 91)
    await retain(90)
    expect([await feedOf(place), await stretchesOf(place)]).toEqual([undefined, 0])
    await append(one.id, 4)
    await eventLogOf(database, one.id).number({ wait: true })
    expect(await stretchesOf(place)).toBe(0)

    // A cursor from before is none of the feed that is opened again.
    expect((await app.ask(`/events?after=${next}`)).status).toBe(410)
    const { events } = await app.rest()
    expect(positionsByTenant(events).get(one.id)).toEqual(
      upTo(positionsByTenant(before.events).get(one.id)?.length ?? 0).concat(
        upTo(4).map((n) => n + (positionsByTenant(before.events).get(one.id)?.length ?? 0)),
      ),
    )
    expect(positionsByTenant(events).get(two.id)).toEqual(positionsByTenant(before.events).get(two.id))
    expect(new Set(events.map(({ id }) => id)).size).toBe(events.length)
  })

  test('is read by who waits, to within an hour, and stays open then', async () => {
    const place = await here.newPlace()
    const app = await application(place)
    const { next } = await app.rest()
    const read = (await feedOf(place))?.read
    await app.events(`?after=${next}`)
    expect((await feedOf(place))?.read).toBe(read)
    await unread(place, 91)
    await app.events(`?after=${next}`)
    await retain(90)
    expect(await feedOf(place)).toMatchObject({ closing: false })
  })

  test('is closed whole where that was broken off, by the next look or the next reader, while others write', async () => {
    const place = await here.newPlace()
    const tenants = [await here.newTenant({ place }), await here.newTenant({ place }), await here.newTenant({ place })]
    const app = await application(place)
    for (const { id } of tenants) await append(id as TenantId, 5)
    await app.rest()
    for (const end of ['look', 'reader'] as const) {
      await unread(place, 91)
      const stopped = new AbortController()
      await closeFeed(database, place.environmentId, 90, async () => stopped.abort(), stopped.signal)
      expect(await feedOf(place)).toMatchObject({ closing: true })
      expect(await idleFeeds(database, 90)).toContain(place.environmentId)
      for (const { id } of tenants) await append(id as TenantId, 2)
      const writing = tenants.map(({ id }) => append(id as TenantId, 3))
      if (end === 'look') {
        await Promise.all([retain(90), retain(90), ...writing])
        expect([await feedOf(place), await stretchesOf(place)]).toEqual([undefined, 0])
      }
      const [first, second] = await Promise.all([app.rest(), app.rest(), ...writing])
      expect(first?.events.length).toBeGreaterThan(0)
      const { events } = await app.rest()
      for (const { id } of tenants) {
        const positions = positionsByTenant(events).get(id)
        expect(positions).toEqual(upTo(positions?.length ?? 0))
      }
      expect(second?.events.length).toBeGreaterThan(0)
      const counted = await database.run<{ count: number }>(
        'select count(*)::int as count from events e join tenants t on t.id = e.tenant_id where t.environment_id = $1::uuid',
        [place.environmentId],
      )
      expect(events).toHaveLength(counted[0]?.count ?? -1)
    }
  })

  // On Citus no tenant moves to another environment: docs/scale.md.
  test.skipIf(onCitus())('gives nothing back to a tenant that has moved away', async () => {
    const from = await here.newPlace()
    const to = await here.newEnvironment(from)
    const tenant = await here.newTenant({ place: from })
    const app = await application(from)
    await append(tenant.id, 5)
    await app.rest()
    const key = tenant.name
    await moveTenant(administrationOn(database), from, tenant.id, { to, key, keepFormerUrlDays: 0 })
    const fed = async () =>
      (
        await database.run<{ fed: number }>('select fed::int from event_logs where tenant_id = $1::uuid', [tenant.id])
      )[0]?.fed
    const before = await fed()
    expect(before).toBeGreaterThan(0)
    await unread(from, 91)
    await retain(90)
    expect([await feedOf(from), await stretchesOf(from), await fed()]).toEqual([undefined, 0, before])
  })
})
