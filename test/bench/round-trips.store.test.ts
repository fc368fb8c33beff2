import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RoundTrips } from '../../bench/round-trips.ts'
import type { Database } from '../../src/db/database.ts'
import { openPostgres } from '../../src/db/postgres.ts'
import { type CountingProxy, countingProxy } from '../support/counting-proxy.ts'
import { engineName, freshPostgresUrl } from '../support/engines.ts'
import type { TestTenant } from '../support/gateway.ts'
import {
  addMembers,
  bulkBody,
  type Filled,
  fillDirectly,
  groupBody,
  type Instance,
  idIn,
  openInstance,
  patchBody,
  removeMember,
  userBody,
} from '../support/instances.ts'

/** How often each workload of the benchmark waits for PostgreSQL in one request. */
const ROUND_TRIPS: Readonly<Record<string, number>> = {
  read: 1,
  'look-up-userName': 1,
  'look-up-externalId': 1,
  'look-up-work-email': 1,
  'look-up-email': 1,
  'look-up-title': 1,
  'look-up-department': 1,
  'page-by-index': 1,
  'page-by-cursor': 1,
  group: 1,
  // A statement for each thousand members.
  'group-1500': 2,
  'group-without-members': 1,
  member: 1,
  'member-by-path': 1,
  'member-1000': 4,
  'member-replace': 4,
  deactivate: 1,
  patch: 2,
  put: 2,
  create: 1,
  bulk: 3,
}

const users = (filter: string) => `/Users?filter=${encodeURIComponent(filter)}`

// The embedded engine is in the process: there is nothing to be counted between it and a driver.
describe.runIf(engineName() === 'postgres')('round trips, counted between the driver and PostgreSQL', () => {
  let proxy: CountingProxy
  let databases: Database[]
  let instance: Instance
  let tenant: TestTenant
  let filled: Filled
  let smallGroup: string
  let turn = 0

  beforeAll(async () => {
    const url = await freshPostgresUrl()
    proxy = await countingProxy(url)
    const open = (databaseUrl: string) => openPostgres({ databaseUrl, databasePool: 1, databasePrepare: true })
    const [database, direct] = await Promise.all([open(proxy.url), open(url)])
    databases = [database, direct]
    // That control data is as it was is asked twice in a second, by whichever request comes then: not counted here.
    instance = await openInstance(database, {}, undefined, direct)
    tenant = await instance.newTenant()
    filled = await fillDirectly(database, tenant.id, { users: 3_000, groups: 2 })
    const members = Array.from({ length: 100 }, (_, i) => filled.userId(i + 1))
    smallGroup = idIn(await tenant.scim('POST', '/Groups', groupBody('small', members)))
  })
  afterAll(async () => {
    await instance.close()
    for (const database of databases) await database.close()
    proxy.stop()
  })

  const get = (path: () => string) => () => tenant.scim('GET', path())
  const group = () => `/Groups/${filled.groupId(1)}`
  const even = () => turn % 2 === 0
  // Of the filled, every second person is in the group; the others come and go.
  const someone = () => filled.userId(2 * (1 + (turn >> 1)))
  const manyIds = Array.from({ length: 1_000 }, (_, i) => 1_001 + i * 2)
  const listed = (from: number) => Array.from({ length: 1_000 }, (_, i) => ({ value: filled.userId(1 + from + i) }))
  const requests: Readonly<Record<string, () => ReturnType<TestTenant['scim']>>> = {
    read: get(() => `/Users/${filled.userId(7)}`),
    'look-up-userName': get(() => users('userName eq "user7"')),
    'look-up-externalId': get(() => users('externalId eq "ext7"')),
    'look-up-work-email': get(() => users('emails[type eq "work" and value eq "user7@work.test"]')),
    'look-up-email': get(() => users('emails.value eq "user7@home.test"')),
    'look-up-title': get(() => users('title eq "Title 7"')),
    'look-up-department': get(() => users('department eq "Department 7"')),
    'page-by-index': get(() => '/Users?startIndex=1&count=100'),
    'page-by-cursor': get(() => '/Users?cursor=&count=100'),
    group: get(() => `/Groups/${smallGroup}`),
    'group-1500': get(group),
    'group-without-members': get(() => `${group()}?excludedAttributes=members`),
    member: () =>
      tenant.scim(
        'PATCH',
        group(),
        even() ? addMembers(someone()) : patchBody({ op: 'remove', path: 'members', value: [{ value: someone() }] }),
      ),
    'member-by-path': () => tenant.scim('PATCH', group(), even() ? addMembers(someone()) : removeMember(someone())),
    'member-1000': () =>
      tenant.scim(
        'PATCH',
        `/Groups/${filled.groupId(1)}`,
        even()
          ? addMembers(...manyIds.map(filled.userId))
          : patchBody({ op: 'remove', path: 'members', value: manyIds.map((n) => ({ value: filled.userId(n) })) }),
      ),
    'member-replace': () =>
      tenant.scim(
        'PATCH',
        `/Groups/${filled.groupId(2)}`,
        patchBody({ op: 'replace', path: 'members', value: listed(turn % 2) }),
      ),
    deactivate: () =>
      tenant.scim('PATCH', `/Users/${filled.userId(9)}`, patchBody({ op: 'replace', path: 'active', value: !even() })),
    patch: () =>
      tenant.scim(
        'PATCH',
        `/Users/${filled.userId(13)}`,
        patchBody({ op: 'replace', path: 'preferredLanguage', value: `en-x-pass${turn}` }),
      ),
    put: () => tenant.scim('PUT', `/Users/${filled.userId(11)}`, userBody('user11', { nickName: `pass ${turn}` })),
    create: () =>
      tenant.scim('POST', '/Users', userBody(`created ${turn}`, { emails: [{ value: `c${turn}@x.test` }] })),
    bulk: () => {
      const made = (i: number) => ({
        method: 'POST',
        path: '/Users',
        bulkId: `b${i}`,
        data: userBody(`bulk ${turn} ${i}`),
      })
      return tenant.scim('POST', '/Bulk', bulkBody(Array.from({ length: 1_000 }, (_, i) => made(i))))
    },
  }

  test('2 for the first request of a tenant to an instance, and of another tenant', async () => {
    const [counted] = databases as [Database]
    const [first, second] = [await instance.newTenant(), await instance.newTenant()]
    const counts: number[][] = []
    // The first instance has the connection prepare the statements.
    for (let run = 0; run < 2; run++) {
      const fresh = await openInstance(counted)
      const cost = async (of: TestTenant) => {
        const before = proxy.roundTrips()
        expect((await fresh.reach(of)('GET', '/Users')).status).toBe(200)
        return proxy.roundTrips() - before
      }
      counts.push([await cost(first), await cost(second)])
      await fresh.close()
    }
    expect(counts[1]).toEqual([2, 2])
  })

  test.each(Object.entries(ROUND_TRIPS))('%s: %i', async (workload, expected) => {
    const counts: number[] = []
    for (turn = 0; turn < 6; turn++) {
      const before = proxy.roundTrips()
      const answer = await requests[workload]?.()
      expect(answer?.status, answer?.text.slice(0, 300)).toBeLessThan(300)
      counts.push(proxy.roundTrips() - before)
    }
    // The first ones prepare the statements.
    expect(counts.slice(2)).toEqual(counts.slice(2).map(() => expected))
  })
})

test('the report of the benchmark says the same', () => {
  const file = fileURLToPath(new URL('../../bench/results/report.json', import.meta.url))
  const { roundTrips } = existsSync(file)
    ? (JSON.parse(readFileSync(file, 'utf8')) as { roundTrips: RoundTrips[] })
    : { roundTrips: [] }
  const { bulk = 3, ...told } = Object.fromEntries(roundTrips.map(({ workload, perRequest }) => [workload, perRequest]))
  const { bulk: alone = 0, ...single } = ROUND_TRIPS
  // Of a workload that is newer than the report it says nothing.
  expect(single).toMatchObject(told)
  expect(Object.keys(told).length > 0).toBe(existsSync(file))
  // A bulk of whole users takes seconds there, in which the gateway asks for itself, too: so often as the machine is slow.
  expect(bulk).toBeGreaterThanOrEqual(alone)
})
