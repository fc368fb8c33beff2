import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestDatabase } from '../support/engines.ts'
import type { TestTenant } from '../support/gateway.ts'
import { bulkBody, fillDirectly, type Instance, openInstance, userBody } from '../support/instances.ts'
import { withRun } from '../support/statements.ts'

/** Statements that are under way, and the most there were at once, of those that `heavy` matches. */
let [heavy, underWay, most, asked] = [/^$/, 0, 0, 0]
/** What each of them waits for before it runs. */
let arrived: (() => Promise<void>) | undefined
let instance: Instance
let [one, other] = [{} as TestTenant, {} as TestTenant]
let group = ''
beforeAll(async () => {
  instance = await openInstance(
    withRun(await openTestDatabase(), async (handle, text, values, options) => {
      if (!heavy.test(text)) return handle.run(text, values, options)
      asked++
      most = Math.max(most, ++underWay)
      await arrived?.()
      return handle.run(text, values, options).finally(() => underWay--)
    }),
  )
  one = await instance.newTenant()
  other = await instance.newTenant()
  group = (await fillDirectly(instance.database, one.id, { users: 2_500, groups: 1 })).groupId(1)
})
afterAll(() => instance.close())

const [SCAN, PAGE, CREATES] = [/hits as materialized/, /^with asked as materialized/, /insert into resources/]
let names = 0
const creates = (many: number) =>
  bulkBody(
    Array.from({ length: many }, (_, i) => {
      return { method: 'POST', path: '/Users', bulkId: `${i}`, data: userBody(`heavy-${names++}`) }
    }),
  )
const scan = (tenant: TestTenant) => tenant.scim('GET', '/Users?filter=emails%20co%20%22zz%22')

test.each([
  ['queries that look through many resources', SCAN, 1, () => scan(one)],
  ['pages of a large group', PAGE, 2, () => one.scim('GET', `/Groups/${group}`)],
  ['bulk requests of many operations', CREATES, 1, () => one.scim('POST', '/Bulk', creates(100))],
])('SEC-15 one tenant has one at a time: %s', async (_what, statements, each, ask) => {
  ;[heavy, most, asked] = [statements, 0, 0]
  const answers = await Promise.all([ask(), ask(), ask(), ask()])
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200])
  expect({ most, asked }).toEqual({ most: 1, asked: 4 * each })
})

test('SEC-15 tenants do not wait for each other', async () => {
  ;[heavy, asked] = [SCAN, 0]
  let begin = () => {}
  const both = new Promise<void>((resolve) => {
    begin = resolve
  })
  // The first one goes on when the second has come.
  arrived = () => {
    if (asked === 2) begin()
    return both
  }
  const answers = await Promise.all([scan(one), scan(other)])
  expect(answers.map(({ status }) => status)).toEqual([200, 200])
})
