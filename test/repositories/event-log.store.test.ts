import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { eventText } from '../../src/events/event.ts'
import type { TenantId } from '../../src/place-ids.ts'
import { eventLogOf, unnumberedTenants } from '../../src/repositories/log/event-log.ts'
import { logHeads } from '../../src/repositories/log/heads.ts'
import { engineName, openDatabases } from '../support/engines.ts'
import { appending, EVENTS_AND_POSITIONS } from '../support/events.ts'
import type { TestTenant } from '../support/gateway.ts'
import { addMembers, groupBody, type Instance, idIn, openInstance, patchBody, userBody } from '../support/instances.ts'
import { placeId } from '../support/place-ids.ts'

// The pools of two instances; the embedded engine has one process.
let databases: readonly [Database, ...Database[]]
let instance: Instance
const ALL = { types: [], nouns: [] }

beforeAll(async () => {
  databases = await openDatabases(12)
  instance = await openInstance(database(0))
})
afterAll(async () => {
  await instance.close()
  for (const one of databases) await one.close()
})

const database = (n: number): Database => databases[n % databases.length] as Database
const append = (db: Database, tenantId: string, resourceId: string, version: number) =>
  db.run(
    appending(`insert into events (tenant_id, type, resource_type, resource_id, version, request_id, actor, occurred_at, changes)
     values ($1::uuid, 'user.updated', 'User', $2::uuid, $3::int, 'r', 'a', now(), '{}')`),
    [tenantId, resourceId, version],
  )
const stored = (tenantId: string) =>
  database(0).run<{ id: string; position: number; seq: number }>(
    `select e.id::text, p.position::float8, e.seq::float8 from ${EVENTS_AND_POSITIONS}
     where e.tenant_id = $1::uuid order by p.position`,
    [tenantId],
  )

/** Reads on from `after` until `done` and all is read; every page is kept. */
async function follow(tenantId: TenantId, n: number, done: () => boolean): Promise<{ id: string; position: number }[]> {
  const log = eventLogOf(database(n), tenantId)
  const seen: { id: string; position: number }[] = []
  for (let after = 0; ; ) {
    const last = done() && !(await log.hasUnnumbered())
    const page = await log.read(after, 7, ALL)
    seen.push(...page.events.map(({ id, position }) => ({ id, position })))
    if (last && page.events.length === 0) return seen
    after = page.next
  }
}

describe('EV-15 a reader that follows positions', () => {
  test('misses none and sees none move, while writers commit in any order and everybody numbers', async () => {
    const { id: tenantId } = await instance.newTenant()
    const [writers, rounds] = engineName() === 'pglite' ? [8, 15] : [16, 40]
    let writing = true
    const write = async (n: number) => {
      for (let round = 0; round < rounds; round++) {
        const resource = randomUUID()
        await database(n).transaction(async (tx) => {
          await append(tx, tenantId, resource, 1)
          // Transactions that are open for different times are what this is about: others overtake them.
          await pause(Math.random() * 8)
          if (round % 3 === 0) await append(tx, tenantId, resource, 2)
        })
      }
    }
    const number = async (n: number) => {
      const log = eventLogOf(database(n), tenantId)
      while (writing || (await log.hasUnnumbered())) {
        await log.number({ wait: n % 2 === 0 })
        await pause(Math.random() * 3)
      }
    }
    const readers = [0, 1].map((n) => follow(tenantId, n, () => !writing))
    const numbering = [0, 1, 2].map(number)
    await Promise.all(Array.from({ length: writers }, (_, n) => write(n)))
    writing = false
    await Promise.all(numbering)
    const all = (await stored(tenantId)).map(({ id, position }) => ({ id, position }))
    expect(all).toHaveLength(writers * (rounds + Math.ceil(rounds / 3)))
    expect(all.map(({ position }) => position)).toEqual(all.map((_, i) => i + 1))
    for (const reader of readers) expect(await reader).toEqual(all)
  })

  // A reader that follows the sequence does miss them, or this could not fail.
  test.runIf(engineName() === 'postgres')(
    'gets what was begun earlier and committed later; by `seq` it is missed',
    async () => {
      const { id: tenantId } = await instance.newTenant()
      const log = eventLogOf(database(0), tenantId)
      const bySeq = (after: number) =>
        database(0).run<{ seq: number }>(
          'select seq::float8 from events where tenant_id = $1::uuid and seq > $2::bigint order by seq',
          [tenantId, after],
        )
      let first: Awaited<ReturnType<typeof bySeq>> = []
      await database(1).transaction(async (slow) => {
        await append(slow, tenantId, randomUUID(), 1)
        await append(database(0), tenantId, randomUUID(), 1)
        expect(await log.number()).toBe(1)
        first = await bySeq(0)
      })
      const page = await log.read(0, 10, ALL)
      expect(page.events).toHaveLength(1)
      expect(await log.number()).toBe(1)
      expect((await log.read(page.next, 10, ALL)).events).toHaveLength(1)
      expect(await bySeq(first.at(-1)?.seq ?? 0)).toHaveLength(0)
      expect(await stored(tenantId)).toHaveLength(2)
    },
  )

  test('sees the versions of a resource in their order', async () => {
    const tenant = await instance.newTenant()
    const group = idIn(await tenant.scim('POST', '/Groups', groupBody('Busy')))
    const users = await Promise.all(
      Array.from({ length: 12 }, async (_, n) => idIn(await tenant.scim('POST', '/Users', userBody(`busy${n}`)))),
    )
    const log = eventLogOf(database(1), tenant.id)
    let writing = true
    const numbering = (async () => {
      while (writing) await log.number()
      await log.number()
    })()
    await Promise.all(
      users.map(async (user, n) => {
        await tenant.scim('PATCH', `/Groups/${group}`, addMembers(user))
        await tenant.scim(
          'PATCH',
          `/Users/${users[n % 3]}`,
          patchBody({ op: 'replace', path: 'title', value: `t${n}` }),
        )
        await tenant.scim('DELETE', `/Users/${user}`)
      }),
    )
    writing = false
    await numbering
    const versions = new Map<string, number>()
    const { events } = await log.read(0, 500, ALL)
    expect(events.length).toBeGreaterThan(48)
    for (const { resourceId, version } of events) {
      expect(version).toBeGreaterThanOrEqual(versions.get(resourceId) ?? 0)
      versions.set(resourceId, version)
    }
  })
})

describe('the log', () => {
  const fill = async (tenant: TestTenant, count: number) => {
    for (let n = 0; n < count; n++) await append(database(0), tenant.id, randomUUID(), 1)
  }

  test('of one tenant counts for itself, and names who waits', async () => {
    const [one, other] = [await instance.newTenant(), await instance.newTenant()]
    await fill(one, 3)
    await fill(other, 2)
    expect(await unnumberedTenants(database(0), undefined, 1_000)).toEqual(expect.arrayContaining([one.id, other.id]))
    expect(await eventLogOf(database(0), one.id).number()).toBe(3)
    expect(await unnumberedTenants(database(0), undefined, 1_000)).not.toContain(one.id)
    expect(await eventLogOf(database(0), other.id).number()).toBe(2)
    expect((await stored(one.id)).map(({ position }) => position)).toEqual([1, 2, 3])
    expect((await stored(other.id)).map(({ position }) => position)).toEqual([1, 2])
    expect(await logHeads(database(0), [one.id, other.id, placeId(randomUUID())])).toEqual(
      new Map([
        [one.id, 3],
        [other.id, 2],
      ]),
    )
  })

  test('shows each event whole, and finds types', async () => {
    const tenant = await instance.newTenant()
    const id = idIn(await tenant.scim('POST', '/Users', userBody('whole', { title: 'Dr' })))
    await tenant.scim('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'active', value: false }))
    const group = idIn(await tenant.scim('POST', '/Groups', groupBody('Whole', [id])))
    const log = eventLogOf(database(0), tenant.id)
    await log.number()
    const all = await log.read(0, 10, ALL)
    expect(all).toMatchObject({ next: 4, head: 4, trimmed: 0 })
    const shown = all.events.map((event) => JSON.parse(eventText(event, tenant.id)) as Record<string, unknown>)
    expect(shown[1]).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      position: 2,
      type: 'user.deactivated',
      tenant: tenant.id,
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      resource: { type: 'User', id, version: 2 },
      requestId: expect.any(String),
      actor: expect.any(String),
      changes: { changed: [{ path: 'active', before: true, after: false }] },
    })
    expect(shown[3]).toMatchObject({ type: 'group.member_added', changes: { members: [id] }, resource: { id: group } })
    const only = async (types: string[], nouns: string[], after = 0) => {
      const page = await log.read(after, 10, { types, nouns })
      return [page.events.map(({ position }) => position), page.next]
    }
    expect(await only(['user.deactivated'], [])).toEqual([[2], 4])
    expect(await only([], ['group'])).toEqual([[3, 4], 4])
    expect(await only(['user.created'], ['group'], 1)).toEqual([[3, 4], 4])
    expect(await only(['no.such'], [])).toEqual([[], 4])
    expect((await log.read(0, 2, ALL)).next).toBe(2)
  })

  test('of a tenant that is not there is empty, and is not made', async () => {
    const log = eventLogOf(database(0), placeId(randomUUID()))
    expect(await log.number({ wait: true })).toBe(0)
    expect(await log.read(0, 10, ALL)).toEqual({ events: [], next: 0, head: 0, trimmed: 0 })
  })
})
