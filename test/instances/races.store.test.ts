import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { withoutDerived } from '../../src/scim/version.ts'
import { openDatabases } from '../support/engines.ts'
import type { Scim, TestTenant } from '../support/gateway.ts'
import {
  addMembers,
  bulkBody,
  etag,
  eventsOf,
  groupBody,
  type Instance,
  idIn,
  inconsistencies,
  json,
  openInstance,
  patchBody,
  removeMember,
  userBody,
  valuesOf,
} from '../support/instances.ts'

// Two instances with connections of their own. The embedded engine has one process, so there both are the same instance,
// and what races are its requests.
let databases: readonly [Database, ...Database[]]
let instances: Instance[]
let tenant: TestTenant
let each: Scim[]

beforeAll(async () => {
  databases = await openDatabases()
  instances = await Promise.all(databases.map((database) => openInstance(database)))
  const [first] = instances
  if (first === undefined) throw new Error('no instance')
  tenant = await first.newTenant()
  each = instances.map((instance) => instance.reach(tenant))
})
afterAll(async () => {
  for (const instance of instances) await instance.close()
  for (const database of databases) await database.close()
})

/** The nth client's instance. */
const via = (n: number): Scim => each[n % each.length] as Scim
const times = <T>(count: number, work: (n: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, n) => work(n)))
const tally = (statuses: readonly number[]) =>
  Object.fromEntries(
    [...new Set(statuses)].sort().map((status) => [status, statuses.filter((s) => s === status).length]),
  )
const whole = async () => expect(await inconsistencies(databases[0], tenant.id)).toEqual([])

test('CR-07 of 64 creates of one userName at once one is 201 and all others are 409, fifty times', async () => {
  for (let round = 0; round < 50; round++) {
    const name = `Racer${round}`
    const answers = await times(64, (n) =>
      via(n)(
        'POST',
        '/Users',
        userBody(n % 2 === 0 ? name : name.toUpperCase(), { emails: [{ value: `r${n}@x.test` }] }),
      ),
    )
    expect(tally(answers.map(({ status }) => status))).toEqual({ 201: 1, 409: 63 })
  }
  expect(json(await via(0)('GET', '/Users?count=0')).totalResults).toBe(50)
  await whole()
})

test('CR-07 of many renames to one name, by PUT and PATCH, one succeeds', async () => {
  const ids = await times(12, async (n) => idIn(await via(n)('POST', '/Users', userBody(`renamed${n}`))))
  const answers = await times(12, (n) =>
    n % 2 === 0
      ? via(n)('PUT', `/Users/${ids[n]}`, userBody('The One'))
      : via(n >> 1)('PATCH', `/Users/${ids[n]}`, patchBody({ op: 'replace', path: 'userName', value: 'the one' })),
  )
  expect(tally(answers.map(({ status }) => status))).toEqual({ 200: 1, 409: 11 })
  await whole()
})

test('G-08 T-08 sixteen clients with forty changes each leave exactly the members that were acknowledged', async () => {
  const group = idIn(await via(0)('POST', '/Groups', groupBody('Contended')))
  const users = await times(48, async (n) => idIn(await via(n)('POST', '/Users', userBody(`contender${n}`))))
  const members = new Set<string>()
  let changes = 0
  await times(16, async (client) => {
    // Each client has three people of its own; no other client moves them, so that what it was told is what must be.
    const own = users.slice(client * 3, client * 3 + 3)
    for (let i = 0; i < 40; i++) {
      const user = own[i % 3] ?? ''
      const joins = !members.has(user)
      const answer = await via(client + i)('PATCH', `/Groups/${group}`, joins ? addMembers(user) : removeMember(user), {
        Prefer: 'return=minimal',
      })
      expect(answer.status).toBeLessThan(300)
      changes++
      if (joins) members.add(user)
      else members.delete(user)
    }
  })
  const shown = json(await via(0)('GET', `/Groups/${group}`))
  expect(valuesOf(shown.members)).toEqual([...members].sort())
  expect(changes).toBe(640)
  expect(withoutDerived((shown.meta as { version: string }).version)).toBe(`W/"${changes + 1}"`)
  const events = await eventsOf(databases[0], tenant.id, group)
  expect(events.map(({ version }) => version).sort((a, b) => a - b)).toEqual(
    Array.from({ length: changes + 1 }, (_, i) => i + 1),
  )
  await whole()
})

test('all clients add and remove the same people: the log and the group agree', async () => {
  const group = idIn(await via(0)('POST', '/Groups', groupBody('Same people')))
  const users = await times(3, async (n) => idIn(await via(n)('POST', '/Users', userBody(`shared${n}`))))
  await times(12, async (client) => {
    for (let i = 0; i < 10; i++) {
      const user = users[(client + i) % 3] ?? ''
      const answer = await via(client)(
        'PATCH',
        `/Groups/${group}`,
        (client + i) % 2 === 0 ? addMembers(user) : removeMember(user),
      )
      expect(answer.status).toBeLessThan(300)
    }
  })
  const told = new Set<string>()
  const events = await eventsOf(databases[0], tenant.id, group)
  for (const { type, changes } of events.sort((a, b) => a.version - b.version)) {
    for (const member of (JSON.parse(changes) as { members?: string[] }).members ?? []) {
      // Each change is a real one: no user joins twice or leaves twice in a row.
      expect(told.has(member)).toBe(type === 'group.member_removed')
      if (type === 'group.member_added') told.add(member)
      else told.delete(member)
    }
  }
  expect(valuesOf(json(await via(1)('GET', `/Groups/${group}`)).members)).toEqual([...told].sort())
  await whole()
})

test.each<[string, string, (n: number, user: string) => object | undefined]>([
  ['PATCH', 'Users', (n) => patchBody({ op: 'replace', path: 'title', value: `t${n}` })],
  ['PUT', 'Users', (n) => userBody('Conditional', { title: `t${n}` })],
  ['DELETE', 'Users', () => undefined],
  ['PATCH', 'Groups', (_, user) => addMembers(user)],
  ['PUT', 'Groups', (n, user) => groupBody(`Conditional ${n}`, [user])],
  ['DELETE', 'Groups', () => undefined],
])('T-07 of many %s of %s with one If-Match one succeeds and the others are 412', async (method, endpoint, body) => {
  for (let round = 0; round < 5; round++) {
    const users = await times(16, async (n) =>
      idIn(await via(n)('POST', '/Users', userBody(`c${method}${endpoint}${round}-${n}`))),
    )
    const made =
      endpoint === 'Users' ? userBody(`Conditional${method}${round}`) : groupBody(`Conditional ${method} ${round}`)
    const created = await via(0)('POST', `/${endpoint}`, made)
    const path = `/${endpoint}/${idIn(created)}`
    const answers = await times(16, (n) => via(n)(method, path, body(n, users[n] ?? ''), { 'If-Match': etag(created) }))
    const statuses = answers.map(({ status }) => status)
    const won = statuses.filter((status) => status < 300)
    expect(won).toHaveLength(1)
    // A client that comes when it is gone is told so.
    const lost = method === 'DELETE' ? [404, 412] : [412]
    expect(statuses.filter((status) => status >= 300 && !lost.includes(status))).toEqual([])
    if (method !== 'DELETE') expect(withoutDerived(etag(await via(1)('GET', path)))).toBe('W/"2"')
    await via(0)('DELETE', path)
  }
  await whole()
})

test('T-08 no PATCH of one user is lost, however many come at once', async () => {
  const id = idIn(await via(0)('POST', '/Users', userBody('Popular')))
  const answers = await times(32, (n) =>
    via(n)(
      'PATCH',
      `/Users/${id}`,
      patchBody({ op: 'add', path: 'emails', value: [{ value: `mail${n}@x.test`, type: 'work' }] }),
    ),
  )
  expect(tally(answers.map(({ status }) => status))).toEqual({ 200: 32 })
  const shown = json(await via(1)('GET', `/Users/${id}`))
  expect(valuesOf(shown.emails)).toEqual(Array.from({ length: 32 }, (_, n) => `mail${n}@x.test`).sort())
  expect(withoutDerived((shown.meta as { version: string }).version)).toBe('W/"33"')
  expect(new Set(answers.map(etag)).size).toBe(32)
  await whole()
})

test('G-07 a user who is deleted while groups take it in is in none, and no group answers 500', async () => {
  for (let round = 0; round < 10; round++) {
    const user = idIn(await via(round)('POST', '/Users', userBody(`leaver${round}`)))
    const groups = await times(4, async (n) =>
      idIn(await via(n)('POST', '/Groups', groupBody(`Leaving ${round} ${n}`, n === 0 ? [user] : []))),
    )
    const [gone, ...answers] = await Promise.all([
      via(0)('DELETE', `/Users/${user}`),
      ...groups.map((group, n) => via(n + 1)('PATCH', `/Groups/${group}`, addMembers(user))),
    ])
    expect(gone.status).toBe(204)
    for (const { status } of answers) expect([200, 204, 400]).toContain(status)
    for (const group of groups) expect(json(await via(0)('GET', `/Groups/${group}`)).members).toEqual([])
  }
  await whole()
})

test('G-07 a group that is deleted while it takes members in leaves none, and nobody is answered 500', async () => {
  for (let round = 0; round < 10; round++) {
    const group = idIn(await via(round)('POST', '/Groups', groupBody(`Going ${round}`)))
    const users = await times(6, async (n) => idIn(await via(n)('POST', '/Users', userBody(`stays${round}-${n}`))))
    const [gone, ...answers] = await Promise.all([
      via(0)('DELETE', `/Groups/${group}`),
      ...users.map((user, n) => via(n + 1)('PATCH', `/Groups/${group}`, addMembers(user))),
    ])
    expect(gone.status).toBe(204)
    for (const { status } of answers) expect([200, 204, 400, 404]).toContain(status)
    for (const user of users) expect(json(await via(1)('GET', `/Users/${user}`))).not.toHaveProperty('groups')
  }
  await whole()
})

test('many who are deleted together while groups take many in, in other orders, are in none', async () => {
  for (let round = 0; round < 5; round++) {
    const users = await times(40, async (n) => idIn(await via(n)('POST', '/Users', userBody(`crowd${round}-${n}`))))
    const groups = await times(4, async (n) => idIn(await via(n)('POST', '/Groups', groupBody(`Crowd ${round} ${n}`))))
    const deletes = users.slice(0, 20).map((id) => ({ method: 'DELETE', path: `/Users/${id}` }))
    const [gone, ...answers] = await Promise.all([
      via(0)('POST', '/Bulk', bulkBody(deletes)),
      ...groups.map((group, n) =>
        via(n + 1)('PATCH', `/Groups/${group}`, addMembers(...(n % 2 === 0 ? users : [...users].reverse()))),
      ),
    ])
    const operations = json(gone).Operations as { status: string }[]
    expect(tally(operations.map(({ status }) => Number(status)))).toEqual({ 204: 20 })
    for (const { status } of answers) expect([200, 204, 400]).toContain(status)
  }
  await whole()
})

test('two groups that take each other in, again and again from both sides, never deadlock for good', async () => {
  const [a, b] = await times(2, async (n) => idIn(await via(n)('POST', '/Groups', groupBody(`Mutual ${n}`))))
  await times(16, async (n) => {
    const [group, member] = n % 2 === 0 ? [a, b] : [b, a]
    for (let i = 0; i < 5; i++) {
      for (const body of [addMembers(member ?? ''), removeMember(member ?? '')]) {
        expect((await via(n)('PATCH', `/Groups/${group}`, body)).status).toBeLessThan(300)
      }
    }
  })
  await whole()
})
