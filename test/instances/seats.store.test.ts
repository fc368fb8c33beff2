import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { eventLogOf } from '../../src/repositories/log/event-log.ts'
import { openDatabases } from '../support/engines.ts'
import type { Answer, Scim, TestTenant } from '../support/gateway.ts'
import {
  bulkBody,
  eventsOf,
  groupBody,
  type Instance,
  idIn,
  inconsistencies,
  json,
  openInstance,
  patchBody,
  userBody,
} from '../support/instances.ts'

// Two instances with connections of their own; on the embedded engine, which has one process, two clients of one.
let databases: readonly [Database, ...Database[]]
let instances: Instance[]
let tenant: TestTenant
let scim: Scim

beforeAll(async () => {
  databases = await openDatabases()
  instances = await Promise.all(databases.map((database) => openInstance(database)))
})
beforeEach(async () => {
  tenant = await instance().newTenant({ settings: { maxActiveUsers: 3 } })
  scim = tenant.scim
})
afterAll(async () => {
  for (const each of instances) await each.close()
  for (const database of databases) await database.close()
})

const instance = (n = 0): Instance => instances[n % instances.length] as Instance
const make = async (name: string, rest: object = {}) => idIn(await scim('POST', '/Users', userBody(name, rest)))
const setActive = (id: string, active: boolean) =>
  scim('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'active', value: active }))
const activeUsers = async (): Promise<number> => {
  const [row] = await databases[0].run<{ n: number }>(
    `select count(*)::int as n from resources where tenant_id = $1::uuid and resource_type = 'User' and active is not false`,
    [tenant.id],
  )
  return row?.n ?? -1
}
const versionOf = async (): Promise<number | undefined> => {
  const [row] = await databases[0].run<{ version: number }>(
    'select version::int from tenant_versions where tenant_id = $1::uuid',
    [tenant.id],
  )
  return row?.version
}
const whole = async () => expect(await inconsistencies(databases[0], tenant.id)).toEqual([])
const refused = (answer: Answer) => {
  expect(answer.status).toBe(403)
  expect(json(answer).detail).toContain('may have 3 active users (maxActiveUsers)')
}

test('the user beyond the maximum is refused, and taken once another has made room', async () => {
  const [first, second] = [await make('a'), await make('b', { active: true }), await make('c')]
  refused(await scim('POST', '/Users', userBody('d')))
  await make('inactive', { active: false })
  idIn(await scim('POST', '/Groups', groupBody('A group is no user', [first])))
  expect((await setActive(first, false)).status).toBe(200)
  await make('d')
  refused(await scim('POST', '/Users', userBody('e')))
  expect((await scim('DELETE', `/Users/${second}`)).status).toBe(204)
  await make('e')
  expect(await activeUsers()).toBe(3)
  await whole()
})

test.each<[string, (id: string) => Promise<Answer>]>([
  ['a PATCH of active alone', (id) => setActive(id, true)],
  [
    'a PATCH of more',
    (id) => scim('PATCH', `/Users/${id}`, patchBody({ op: 'replace', value: { active: true, title: 'x' } })),
  ],
  [
    'a PATCH that takes active away',
    (id) => scim('PATCH', `/Users/${id}`, patchBody({ op: 'remove', path: 'active' })),
  ],
  ['a PUT', (id) => scim('PUT', `/Users/${id}`, userBody('sleeper', { active: true }))],
])('%s re-activates no user beyond the maximum', async (_, activate) => {
  const sleeper = await make('sleeper', { active: false })
  const holder = await make('a')
  for (const name of ['b', 'c']) await make(name)
  refused(await activate(sleeper))
  expect(json(await scim('GET', `/Users/${sleeper}`))).toMatchObject({ active: false, meta: { version: 'W/"1"' } })
  await setActive(holder, false)
  expect((await activate(sleeper)).status).toBe(200)
  expect(await activeUsers()).toBe(3)
  await whole()
})

test('who is active already may be changed at will, also where the maximum was lowered below what there is', async () => {
  const full = await instance().newTenant({ settings: { maxActiveUsers: 0 } })
  const early = await make('a')
  for (const name of ['b', 'c']) await make(name)
  for (const answer of [
    await setActive(early, true),
    await scim('PUT', `/Users/${early}`, userBody('renamed', { active: true })),
    await scim('PATCH', `/Users/${early}`, patchBody({ op: 'add', path: 'title', value: 'Chief' })),
  ])
    expect(answer.status).toBe(200)
  expect((await full.scim('POST', '/Users', userBody('nobody'))).status).toBe(403)
  expect((await full.scim('POST', '/Users', userBody('nobody', { active: false }))).status).toBe(201)
})

test('a bulk fills the seats in its order, and what refers to a user without a seat fails with it', async () => {
  await make('a')
  const asleep = await make('sleeper', { active: false })
  const post = (path: string, bulkId: string, data: object) => ({ method: 'POST', path, bulkId, data })
  const answer = await scim(
    'POST',
    '/Bulk',
    bulkBody([
      post('/Users', 'b', userBody('b')),
      post('/Users', 'taken', userBody('A')),
      post('/Users', 'off', userBody('off', { active: false })),
      post('/Users', 'c', userBody('c')),
      post('/Users', 'd', userBody('d')),
      post('/Groups', 'g', groupBody('g', ['bulkId:d'])),
      post('/Groups', 'h', groupBody('h', ['bulkId:c'])),
      {
        method: 'PATCH',
        path: `/Users/${asleep}`,
        data: patchBody({ op: 'replace', path: 'active', value: true }),
      },
      {
        method: 'PATCH',
        path: `/Users/${asleep}`,
        data: patchBody({ op: 'replace', path: 'title', value: 'Still asleep' }),
      },
    ]),
  )
  const results = json(answer).Operations as { status: string; response?: { detail: string } }[]
  expect(results.map(({ status }) => status)).toEqual(['201', '409', '201', '201', '403', '409', '201', '403', '200'])
  expect(results[4]?.response?.detail).toContain('maxActiveUsers')
  expect(await activeUsers()).toBe(3)
  expect(json(await scim('GET', '/Groups?count=0')).totalResults).toBe(1)
  await whole()
})

test('two instances together do not exceed the maximum, however creates, re-activations and bulks meet', async () => {
  const sleepers = await Promise.all(
    Array.from({ length: 8 }, (_, n) => make(`sleeper${n}`, { active: false, emails: [] })),
  )
  const via = (n: number) => instance(n).reach(tenant)
  const operations = (n: number) =>
    [0, 1].map((i) => ({ method: 'POST', path: '/Users', bulkId: `b${i}`, data: userBody(`bulk${n}-${i}`) }))
  const answers = await Promise.all([
    ...Array.from({ length: 8 }, (_, n) => via(n)('POST', '/Users', userBody(`racer${n}`))),
    ...sleepers.map((id, n) =>
      via(n)('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'active', value: true })),
    ),
    ...Array.from({ length: 4 }, (_, n) => via(n)('POST', '/Bulk', bulkBody(operations(n)))),
  ])
  const statuses = answers.flatMap((answer) =>
    'Operations' in json(answer)
      ? (json(answer).Operations as { status: string }[]).map(({ status }) => Number(status))
      : [answer.status],
  )
  expect(statuses.filter((status) => status < 300)).toHaveLength(3)
  expect(statuses.filter((status) => status === 403)).toHaveLength(8 + 8 + 8 - 3)
  expect(await activeUsers()).toBe(3)
  await whole()
})

const ranOut = async () => {
  const log = await eventsOf(databases[0], tenant.id, tenant.id)
  return log.map(({ type, version, changes }) => [type, version, JSON.parse(changes)])
}

test('that seats ran out stands in the log, once until somebody has got one again', async () => {
  const told = (version: number) => ['tenant.seats_exhausted', version, { maxActiveUsers: 3 }]
  const sleeper = await make('sleeper', { active: false })
  const holders = [await make('a'), await make('b'), await make('c')]
  expect(await ranOut()).toEqual([])
  const [first] = holders as [string]
  const before = 1 + Number((await versionOf()) ?? 0)
  await Promise.all(Array.from({ length: 6 }, (_, n) => instance(n).reach(tenant)('POST', '/Users', userBody(`d${n}`))))
  refused(await setActive(sleeper, true))
  expect(await ranOut()).toEqual([told(before)])
  // A seat that is free and taken again begins it anew; a bulk tells as well.
  await setActive(first, false)
  expect(await ranOut()).toHaveLength(1)
  const post = (name: string) => ({ method: 'POST', path: '/Users', bulkId: name, data: userBody(name) })
  const statuses = json(await scim('POST', '/Bulk', bulkBody([post('e'), post('f'), post('g')]))).Operations
  expect((statuses as { status: string }[]).map(({ status }) => status)).toEqual(['201', '403', '403'])
  expect(await ranOut()).toEqual([told(before), told(before + 1)])
  refused(await scim('POST', '/Users', userBody('h')))
  expect(await ranOut()).toHaveLength(2)
  await whole()
})

test('one statement makes a user where there is no maximum, and counts are one row of a type, whatever has changed them', async () => {
  const free = await instance().newTenant()
  const { statements, transactions } = await instance().recorder.during(() =>
    free.scim('POST', '/Users', userBody('unlimited')),
  )
  expect({ statements: statements.length, transactions }).toEqual({ statements: 1, transactions: 0 })
  const id = await make('swing')
  for (let i = 0; i < 60; i++) {
    await setActive(id, false)
    expect((await setActive(id, true)).status).toBe(200)
  }
  await whole()
  while ((await eventLogOf(databases[0], tenant.id).number({ wait: true })) > 0);
  const rows = (table: string) =>
    databases[0].run<object>(`select resource_type as type from ${table} where tenant_id = $1::uuid`, [tenant.id])
  expect(await rows('waiting_events')).toEqual([])
  expect(await rows('resource_counts')).toEqual([{ type: 'User' }])
  await whole()
})
