import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { LogWatch } from '../../src/delivery/log-watch.ts'
import { eventLogOf, unnumberedTenants } from '../../src/repositories/log/event-log.ts'
import type { LeaverBrake } from '../../src/tenancy/settings.ts'
import { adminSender } from '../support/admin-sender.ts'
import { openDatabases } from '../support/engines.ts'
import { EVENTS_AND_POSITIONS } from '../support/events.ts'
import type { TestTenant } from '../support/gateway.ts'
import {
  addMembers,
  bulkBody,
  groupBody,
  type Instance,
  idIn,
  inconsistencies,
  openInstance,
  patchBody,
  removeMember,
  userBody,
} from '../support/instances.ts'
import { earlier } from '../support/moments.ts'
import { placeOf, type ReadEvent, reader } from '../support/readers.ts'

const ADMIN = 'an-admin-key-for-the-leaver-brake'
const HOLD = { mode: 'hold', count: 2, windowMinutes: 60, releaseAfterHours: 24 } as const

// Two instances where the engine allows it.
let databases: readonly [Database, ...Database[]]
let here: Instance
let there: Instance
beforeAll(async () => {
  databases = await openDatabases(8)
  here = await openInstance(databases[0], { ADMIN_KEY: ADMIN })
  there = await openInstance(databases.at(-1) as Database, { ADMIN_KEY: ADMIN })
})
afterAll(async () => {
  await here.close()
  await there.close()
  for (const one of databases) await one.close()
})

const admin = (method: string, path: string, body?: object, key = ADMIN) =>
  adminSender(() => there, key)<Record<string, unknown> & { items: Held[] }>(method, path, body)
interface Held {
  readonly id: string
  readonly type: string
  readonly who: { readonly type: string; readonly id: string; readonly userName: string | null }
  readonly group: { readonly id: string; readonly displayName: string } | null
}
const brakeOf = (tenant: TestTenant) => ({
  show: async () => (await admin('GET', `${placeOf(tenant)}/brake`)).body,
  held: async (query = '') => (await admin('GET', `${placeOf(tenant)}/brake/held${query}`)).body,
  release: (note?: string) => admin('POST', `${placeOf(tenant)}/brake/release`, note === undefined ? {} : { note }),
})

/** A tenant with some users, whose log begins after them. */
async function staffed(leaverBrake: LeaverBrake | undefined, users: number) {
  const tenant = await here.newTenant(leaverBrake === undefined ? {} : { settings: { leaverBrake } })
  const ids: string[] = []
  for (let n = 0; n < users; n++) ids.push(idIn(await tenant.scim('POST', '/Users', userBody(`user${n}`))))
  const { next } = await reader(there, tenant).events('?limit=500')
  /** What readers have got since, as `type` and the resource's id. */
  const log = async () => (await reader(there, tenant).events(`?limit=500&after=${next}`)).items
  return { tenant, ids, log, types: async () => (await log()).map(({ type }) => type) }
}
const setActive = (tenant: TestTenant, id: string | undefined, active: boolean) =>
  tenant.scim('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'active', value: active }))
const remove = (tenant: TestTenant, id: string | undefined) => tenant.scim('DELETE', `/Users/${id}`)

/** Puts the clock of a tenant's hold on. */
const later = (tenant: TestTenant, interval: string) =>
  here.database.run(
    `update event_logs set held_until = ${earlier('held_until', interval)} where tenant_id = $1::uuid`,
    [tenant.id],
  )

function isDense(events: readonly ReadEvent[]): void {
  const [first] = events
  expect(events.map(({ position }) => position)).toEqual(events.map((_, i) => (first?.position ?? 0) + i))
}

describe('the leaver brake', () => {
  test('holds who leaves beyond the limit, stored as it is, until somebody lets it go', async () => {
    const { tenant, ids, log, types } = await staffed(HOLD, 6)
    const brake = brakeOf(tenant)
    expect(await brake.show()).toMatchObject({ mode: 'hold', state: 'watching', held: 0, leavers: 0, users: 6 })
    for (const id of ids.slice(0, 2)) expect((await setActive(tenant, id, false)).status).toBe(200)
    expect(await types()).toEqual(['user.deactivated', 'user.deactivated'])
    for (const id of ids.slice(2, 4)) expect((await setActive(tenant, id, false)).status).toBe(200)
    expect((await remove(tenant, ids[4])).status).toBe(204)
    // What is stored is what the identity provider said.
    expect((await tenant.scim('GET', `/Users/${ids[2]}`)).body).toMatchObject({ active: false })
    expect(await types()).toEqual(['user.deactivated', 'user.deactivated', 'brake.engaged'])
    const [, , engaged] = await log()
    expect(engaged).toMatchObject({
      resource: { type: 'Brake', version: 1 },
      changes: { leavers: 5, users: 6, limit: { count: 2 }, windowMinutes: 60, heldUntil: expect.any(String) },
    })
    expect(await brake.show()).toMatchObject({
      ...{ state: 'engaged', held: 3, since: expect.any(String), until: engaged?.changes.heldUntil },
    })

    const listed = await brake.held()
    expect(listed.items.map(({ type, who }) => [type, who.userName, who.id])).toEqual([
      ['user.deactivated', 'user2', ids[2]],
      ['user.deactivated', 'user3', ids[3]],
      ['user.deleted', 'user4', ids[4]],
    ])
    const first = await brake.held('?limit=2')
    const rest = await brake.held(`?limit=2&after=${first.next}`)
    expect([...first.items, ...rest.items]).toEqual(listed.items)
    expect(rest.next).toBeNull()

    // Others flow, and who comes back waits behind what is held.
    const joiner = idIn(await tenant.scim('POST', '/Users', userBody('joiner')))
    await setActive(tenant, ids[2], true)
    expect((await log()).slice(3).map(({ type, resource }) => [type, resource.id])).toEqual([['user.created', joiner]])

    expect(await brake.release('the merger')).toMatchObject({ status: 200, body: { released: 4 } })
    const all = await log()
    isDense(all)
    const after = (await log()).slice(4)
    expect(
      after.filter(({ resource }) => resource.type === 'User').map(({ type, resource }) => [type, resource.id]),
    ).toEqual([
      ['user.deactivated', ids[2]],
      ['user.deactivated', ids[3]],
      ['user.deleted', ids[4]],
      ['user.activated', ids[2]],
    ])
    const released = all.find(({ type }) => type === 'brake.released')
    expect(released).toMatchObject({
      resource: { id: engaged?.resource.id, version: 2 },
      changes: { reason: 'approved', note: 'the merger', events: 4 },
    })
    expect(await brake.show()).toMatchObject({ state: 'watching', held: 0, since: null, leavers: 0 })
    expect((await brake.release()).status).toBe(409)
    const trail = (await admin('GET', `${placeOf(tenant)}/audit-log?limit=1`)).body.items
    expect(trail).toMatchObject([{ action: 'brake.released', actor: 'admin', after: { note: 'the merger' } }])
    expect(await inconsistencies(here.database, tenant.id)).toEqual([])
  })

  test('counts anew after it was let go, and engages again', async () => {
    const { tenant, ids, types } = await staffed({ ...HOLD, count: 1 }, 5)
    const brake = brakeOf(tenant)
    for (const id of ids.slice(0, 2)) await setActive(tenant, id, false)
    expect(await types()).toEqual(['brake.engaged'])
    expect((await brake.release()).status).toBe(200)
    expect(await types()).toEqual(['brake.engaged', 'user.deactivated', 'user.deactivated', 'brake.released'])
    await setActive(tenant, ids[2], false)
    expect((await types()).at(-1)).toBe('user.deactivated')
    await setActive(tenant, ids[3], false)
    expect((await types()).slice(4)).toEqual(['user.deactivated', 'brake.engaged'])
  })

  test('holds nothing twice: what it lets go passes, though too many leave again before that', async () => {
    const { tenant, ids, types } = await staffed({ ...HOLD, count: 1 }, 5)
    for (const id of ids.slice(0, 2)) await setActive(tenant, id, false)
    expect(await types()).toEqual(['brake.engaged'])
    expect((await brakeOf(tenant).release()).status).toBe(200)
    for (const id of ids.slice(2, 4)) await setActive(tenant, id, false)
    expect(await types()).toEqual([
      ...['brake.engaged', 'user.deactivated', 'user.deactivated', 'brake.released', 'brake.engaged'],
    ])
    expect((await brakeOf(tenant).show()).held).toBe(2)
  })

  test('sees membership removals, each person once, and the members of a group that is deleted', async () => {
    const { tenant, ids, types } = await staffed({ ...HOLD, count: 3 }, 6)
    const [first, second] = [
      idIn(await tenant.scim('POST', '/Groups', groupBody('first', ids))),
      idIn(await tenant.scim('POST', '/Groups', groupBody('second', ids))),
    ]
    await types()
    // Two people, from two groups, and one of them deleted.
    for (const group of [first, second])
      for (const id of ids.slice(0, 2)) await tenant.scim('PATCH', `/Groups/${group}`, removeMember(String(id)))
    await remove(tenant, ids[0])
    expect((await brakeOf(tenant).show()).leavers).toBe(2)
    expect(await types()).not.toContain('brake.engaged')
    const before = (await types()).length
    await tenant.scim('DELETE', `/Groups/${second}`)
    await tenant.scim('PATCH', `/Groups/${first}`, addMembers(String(ids[1])))
    await tenant.scim('PATCH', `/Groups/${first}`, removeMember(String(ids[2])))
    await tenant.scim('PATCH', `/Groups/${first}`, patchBody({ op: 'replace', path: 'displayName', value: 'other' }))
    expect((await types()).slice(before)).toEqual(['group.member_added', 'brake.engaged'])
    expect((await brakeOf(tenant).held()).items).toMatchObject([
      { type: 'group.deleted', who: { type: 'Group', id: second, displayName: 'second' }, group: null },
      { type: 'group.member_removed', who: { userName: 'user2' }, group: { id: first, displayName: 'other' } },
      { type: 'group.updated', who: { type: 'Group', id: first } },
    ])
    await brakeOf(tenant).release()
    expect((await types()).slice(before + 2)).toEqual([
      ...['group.deleted', 'group.member_removed', 'group.updated', 'brake.released'],
    ])
  })

  test('holds with a membership the role that goes with it', async () => {
    const { tenant, ids, types } = await staffed(HOLD, 4)
    await admin('PATCH', placeOf(tenant), {
      settings: { roleRules: [{ group: { displayName: 'sellers' }, role: 'seller' }] },
    })
    const group = idIn(await tenant.scim('POST', '/Groups', groupBody('sellers', ids)))
    const before = (await types()).length
    expect(await types()).toContain('role.assigned')
    await tenant.scim('PATCH', `/Groups/${group}`, patchBody({ op: 'remove', path: 'members' }))
    expect((await types()).slice(before)).toEqual(['brake.engaged'])
    const { items } = await brakeOf(tenant).held()
    expect(items.filter(({ type }) => type === 'role.unassigned')).toMatchObject(
      [...ids].sort().map((id) => ({ role: 'seller', group: null, who: { id, userName: expect.any(String) } })),
    )
    await brakeOf(tenant).release()
    expect((await types()).slice(before + 1)).toEqual(['group.member_removed', 'role.unassigned', 'brake.released'])
  })

  test('a bulk that empties a group beyond the limit lets no leaver through', async () => {
    const { tenant, ids, types } = await staffed(HOLD, 5)
    const path = (id: string) => `/Users/${id}`
    await tenant.scim('POST', '/Bulk', bulkBody(ids.map((id) => ({ method: 'DELETE', path: path(id) }))))
    expect(await types()).toEqual(['brake.engaged'])
    expect((await brakeOf(tenant).held()).items.map(({ who }) => who.userName).sort()).toEqual([
      ...['user0', 'user1', 'user2', 'user3', 'user4'],
    ])
  })

  test('counts a percentage of the active users, those who left among them', async () => {
    const { tenant, ids, types } = await staffed(
      { mode: 'hold', percent: 25, windowMinutes: 60, releaseAfterHours: 1 },
      8,
    )
    for (const id of ids.slice(0, 2)) await setActive(tenant, id, false)
    expect(await types()).toEqual(['user.deactivated', 'user.deactivated'])
    await setActive(tenant, ids[2], false)
    expect((await types()).slice(2)).toEqual(['brake.engaged'])
  })

  test('forgets who left before the window', async () => {
    const { tenant, ids, types } = await staffed(HOLD, 5)
    for (const id of ids.slice(0, 2)) await setActive(tenant, id, false)
    await here.database.run(
      `update events set occurred_at = ${earlier('occurred_at', '61 minutes')} where tenant_id = $1::uuid`,
      [tenant.id],
    )
    for (const id of ids.slice(2, 4)) await setActive(tenant, id, false)
    expect(await types()).toHaveLength(4)
    await setActive(tenant, ids[4], false)
    expect((await types()).slice(4)).toEqual(['brake.engaged'])
  })

  test('only warns in the mode "warn", once for so many', async () => {
    const { tenant, ids, log, types } = await staffed({ ...HOLD, mode: 'warn' }, 8)
    for (const id of ids.slice(0, 5)) {
      await setActive(tenant, id, false)
      await types()
    }
    expect(await types()).toEqual([
      ...['user.deactivated', 'user.deactivated', 'user.deactivated', 'brake.warned'],
      ...['user.deactivated', 'user.deactivated'],
    ])
    expect((await log())[3]).toMatchObject({
      resource: { type: 'Brake', version: 1 },
      changes: { leavers: 3, users: 8 },
    })
    expect(await brakeOf(tenant).show()).toMatchObject({ state: 'watching', held: 0 })
  })

  test('lets go by itself when the time is over, and a running instance sees to it', async () => {
    const { tenant, ids, types } = await staffed(HOLD, 4)
    for (const id of ids) await setActive(tenant, id, false)
    expect(await types()).toEqual(['brake.engaged'])
    await later(tenant, '23 hours')
    expect(await unnumberedTenants(here.database, undefined, 1_000)).not.toContain(tenant.id)
    expect(await types()).toEqual(['brake.engaged'])
    await later(tenant, '1 hour')
    const watch = new LogWatch(here.database, () => {})
    watch.start()
    await expect.poll(() => unnumberedTenants(here.database, undefined, 1_000)).not.toContain(tenant.id)
    await watch.stop()
    expect(await types()).toEqual(['brake.engaged', ...ids.map(() => 'user.deactivated'), 'brake.released'])
    expect((await brakeOf(tenant).show()).state).toBe('watching')
  })

  test.each(['off', 'warn'] as const)(
    'lets go when it is set to "%s", by the tenant or its environment',
    async (mode) => {
      const place = await here.newPlace()
      const tenant = await here.newTenant({ place })
      const environment = placeOf(tenant).replace(/\/tenants\/.*/, '')
      await admin('PATCH', environment, { settings: { leaverBrake: HOLD } })
      const ids = []
      for (let n = 0; n < 4; n++) ids.push(idIn(await tenant.scim('POST', '/Users', userBody(`user${n}`))))
      for (const id of ids) await setActive(tenant, id, false)
      const types = async () => (await reader(there, tenant).events('?after=4')).items.map(({ type }) => type)
      expect(await types()).toEqual(['brake.engaged'])
      await admin('PATCH', mode === 'off' ? placeOf(tenant) : environment, {
        settings: { leaverBrake: { ...HOLD, mode } },
      })
      expect(await unnumberedTenants(here.database, undefined, 1_000)).toContain(tenant.id)
      while ((await unnumberedTenants(here.database, undefined, 1_000)).includes(tenant.id))
        await eventLogOf(here.database, tenant.id).number()
      expect((await types()).filter((type) => !type.startsWith('tenant.'))).toEqual([
        ...['brake.engaged', 'user.deactivated', 'user.deactivated', 'user.deactivated', 'user.deactivated'],
        'brake.released',
      ])
    },
  )

  test('TEN-05 one tenant has nothing to do with another, and names take directory:read', async () => {
    const [one, other] = [await staffed(HOLD, 4), await staffed(HOLD, 4)]
    for (const id of one.ids) await setActive(one.tenant, id, false)
    await setActive(other.tenant, other.ids[0], false)
    expect(await one.types()).toEqual(['brake.engaged'])
    expect(await other.types()).toEqual(['user.deactivated'])
    expect((await brakeOf(other.tenant).held()).items).toEqual([])
    expect((await brakeOf(other.tenant).release()).status).toBe(409)
    expect((await brakeOf(one.tenant).show()).held).toBe(4)
    const key = async (tenant: TestTenant, permissions: string[]) => {
      const made = await admin('POST', `${placeOf(tenant)}/api-keys`, { name: 'approver', permissions })
      return String(made.body.key)
    }
    const held = `${placeOf(one.tenant)}/brake/held`
    expect((await admin('GET', held, undefined, await key(one.tenant, ['admin']))).status).toBe(403)
    expect((await admin('GET', held, undefined, await key(one.tenant, ['directory:read']))).status).toBe(403)
    expect((await admin('GET', held, undefined, await key(one.tenant, ['admin', 'directory:read']))).status).toBe(200)
    expect((await admin('GET', held, undefined, await key(other.tenant, ['admin', 'directory:read']))).status).toBe(403)
  })

  test.each([
    [{ mode: 'hold' }, 'settings.leaverBrake'],
    [{ mode: 'hold', count: 0 }, 'settings.leaverBrake.count'],
    [{ mode: 'hold', percent: 101 }, 'settings.leaverBrake.percent'],
    [{ mode: 'stop', count: 1 }, 'settings.leaverBrake.mode'],
    [{ mode: 'hold', count: 1, releaseAfterHours: 169 }, 'settings.leaverBrake.releaseAfterHours'],
  ])('refuses the setting %j', async (leaverBrake, path) => {
    const tenant = await here.newTenant()
    const { status, body } = await admin('PATCH', placeOf(tenant), { settings: { leaverBrake } })
    expect(status).toBe(400)
    expect(body.errors).toMatchObject([{ path }])
  })

  test('costs tenants without one no statement more, and others no more than they have leavers', async () => {
    const number = async (tenant: TestTenant) =>
      here.recorder.during(() => eventLogOf(here.recorder.database, tenant.id).number())
    const make = (tenant: TestTenant, name: string) => tenant.scim('POST', '/Users', userBody(name))
    const [plain, braked] = [(await staffed(undefined, 1)).tenant, (await staffed(HOLD, 1)).tenant]
    for (const tenant of [plain, braked]) await make(tenant, 'counted')
    expect((await number(plain)).statements).toHaveLength(2)
    expect((await number(braked)).statements).toHaveLength(3)
  })
})

// Everything at once: whatever is written, numbered, let go and read, each event comes once, in the order of its resource.
test('EV-15 no event is lost, doubled or out of its order, whenever the brake holds and lets go', async () => {
  const { tenant, ids } = await staffed({ ...HOLD, count: 1 }, 12)
  const group = idIn(await tenant.scim('POST', '/Groups', groupBody('everybody', ids)))
  const pick = <T>(from: readonly T[]): T => from[Math.floor(Math.random() * from.length)] as T
  let writing = true
  const write = async (n: number, round: number) => {
    const scim = (n % 2 === 0 ? here : there).reach(tenant)
    const active = (id: string, value: boolean) =>
      scim('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'active', value }))
    for (let i = 0; i < 4; i++) {
      const id = pick(ids)
      const kind = Math.random()
      if (kind < 0.3) await active(id, false)
      else if (kind < 0.5) await active(id, true)
      else if (kind < 0.65) await scim('PATCH', `/Groups/${group}`, removeMember(id))
      else if (kind < 0.8) await scim('PATCH', `/Groups/${group}`, addMembers(id))
      else await scim('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'title', value: `t${round}.${i}` }))
    }
    // Enough to be too many, whatever chance has brought.
    if (n > 1) return
    await active(ids[n] as string, true)
    await active(ids[n] as string, false)
  }
  const number = async (n: number) => {
    const log = eventLogOf((n === 0 ? here : there).database, tenant.id)
    while (writing) {
      await log.number({ wait: n === 1 })
      await pause(1)
    }
  }
  const followed: ReadEvent[] = []
  const read = async (by: Instance) => {
    const page = await reader(by, tenant).events(`?limit=50&after=${followed.at(-1)?.position ?? 0}`)
    followed.push(...page.items)
    return page.more || page.items.length > 0
  }
  const others = [
    number(0),
    number(1),
    (async () => {
      while (writing) {
        await read(there)
        // The embedded engine answers without a turn of the event loop, and then no timer here would ever fire.
        await pause(1)
      }
    })(),
  ]
  for (let round = 0; round < 5; round++) {
    await Promise.all([0, 1, 2, 3].map((n) => write(n, round)))
    await expect.poll(async () => (await brakeOf(tenant).show()).state, { interval: 5 }).toBe('engaged')
    // Let go in the midst of it, the one way or the other.
    if (round % 2 === 0) await brakeOf(tenant).release()
    else await later(tenant, '25 hours')
  }
  writing = false
  await Promise.all(others)
  await brakeOf(tenant).release()
  while (await read(here));
  const stored = await here.database.run<{ id: string; position: number | null }>(
    `select e.id::text, p.position::float8 as position from ${EVENTS_AND_POSITIONS}
     where e.tenant_id = $1::uuid order by p.position`,
    [tenant.id],
  )
  expect(followed.map(({ id, position }) => ({ id, position }))).toEqual(stored)
  isDense(followed)
  expect(followed.filter(({ type }) => type === 'brake.engaged').length).toBeGreaterThan(1)
  const versions = new Map<string, number>()
  for (const { resource } of followed) {
    expect(resource.version).toBeGreaterThanOrEqual(versions.get(resource.id) ?? 0)
    versions.set(resource.id, resource.version)
  }
  const count = (type: string) => followed.filter((event) => event.type === type).length
  expect(count('brake.engaged')).toBe(count('brake.released'))
})
