import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { engineName, openTestDatabase } from '../support/engines.ts'
import type { TestTenant } from '../support/gateway.ts'
import { fillDirectly, type Instance, json, listed, openInstance, searchBody, userBody } from '../support/instances.ts'
import { withRun } from '../support/statements.ts'

// The embedded engine runs one statement at a time. A query that looks through many resources must leave turns to other tenants.

const USERS = 6_000
/** Two terms that look at many values of each resource. */
const DEAR = Array.from({ length: 2 }, (_, i) => `emails co "nobody${i}"`).join(' or ')
const [SLICE, WHOLE, END] = [/^select h\.id::text, h\.sort::text from/, /hits as materialized/, /offset 499 limit 1$/]

let instance: Instance
let [loud, quiet] = [{} as TestTenant, {} as TestTenant]
/** How many rows each slice gave, and how many statements looked through everything. */
let slices: number[] = []
let [whole, looked] = [0, 0]
let afterSlice: (() => Promise<unknown>) | undefined

beforeAll(async () => {
  instance = await openInstance(
    withRun(await openTestDatabase(), async (handle, text, values, options) => {
      const rows = await handle.run(text, values, options)
      if (SLICE.test(text)) {
        slices.push(rows.length)
        await afterSlice?.()
      }
      if (WHOLE.test(text)) whole++
      if (END.test(text)) looked++
      return rows
    }),
  )
  loud = await instance.newTenant()
  quiet = await instance.newTenant()
  await fillDirectly(instance.database, loud.id, { users: USERS, groups: 3 })
  await quiet.scim('POST', '/Users', userBody('quiet'))
})
beforeEach(() => {
  ;[slices, whole, afterSlice] = [[], 0, undefined]
})
afterAll(() => instance.close())

const search = (query: object, path = '/Users/.search') => loud.scim('POST', path, searchBody(query))
const embedded = engineName() === 'pglite'

test('SEC-15 no statement of a dear query looks through many resources on the embedded engine, and others come between', async () => {
  let answered = 0
  afterSlice = async () => {
    const answer = await quiet.scim('GET', '/Users?filter=userName%20eq%20%22quiet%22')
    answered += Number(json(answer).totalResults)
  }
  const answer = await search({ filter: `userName sw "user" or ${DEAR}`, count: 1 })
  expect(json(answer).totalResults).toBe(USERS)
  // Its cost of 202 is of 50,000 resources, and a slice may cost 5.
  expect(slices).toEqual(embedded ? [1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 0] : [])
  expect({ answered, whole }).toEqual({ answered: embedded ? 7 : 0, whole: 1 })
})

test.each([
  ['the first page', { count: 20 }],
  ['an offset', { startIndex: 90, count: 20 }],
  ['beyond the end', { startIndex: 9_000, count: 20 }],
  ['no resources', { count: 0 }],
  ['sorted by a column', { sortBy: 'userName', sortOrder: 'descending', count: 20 }],
  ['sorted by the search document', { sortBy: 'title', startIndex: 3, count: 20 }],
  ['sorted by a moment', { sortBy: 'meta.created', sortOrder: 'descending', count: 20 }],
  ['sorted by what few have', { sortBy: 'nickName', count: 20 }],
])('a query in slices answers as one statement does: %s', async (_what, page) => {
  const cheap = await search({ filter: 'userName ew "7"', ...page })
  const before = slices.length
  const dear = await search({ filter: `userName ew "7" or ${DEAR}`, ...page })
  expect([json(dear).totalResults, json(dear).startIndex]).toEqual([600, json(cheap).startIndex])
  expect(listed(dear)).toEqual(listed(cheap))
  expect(slices.length - before).toBe(embedded ? 7 : 0)
})

test('who is made after a slice was marked is found, and where one ends is looked up once', async () => {
  await search({ filter: DEAR })
  const begun = looked
  const made = await loud.scim('POST', '/Users', { ...userBody('later'), emails: [{ value: 'nobody1@late.test' }] })
  expect(made.status).toBe(201)
  expect(listed(await search({ filter: DEAR })).map(({ userName }) => userName)).toEqual(['later'])
  expect(looked).toBe(begun)
  expect((await loud.scim('DELETE', `/Users/${String(json(made).id)}`)).status).toBe(204)
})

test('the same by cursors, forward and backward, and for several types at the root', async () => {
  const all = listed(await search({ filter: 'userName ew "7"', sortBy: 'title', count: 60 })).map(({ id }) => id)
  const query = { filter: `userName ew "7" or ${DEAR}`, sortBy: 'title', count: 20 }
  const first = await search({ ...query, cursor: '' })
  const second = await search({ ...query, cursor: json(first).nextCursor })
  const back = await search({ ...query, cursor: json(second).previousCursor })
  expect([first, second, back].map((page) => listed(page).map(({ id }) => id))).toEqual([
    all.slice(0, 20),
    all.slice(20, 40),
    all.slice(0, 20),
  ])
  const root = await search({ filter: `displayName sw "group" or ${DEAR}`, count: 9 }, '/.search')
  expect(listed(root).map(({ displayName }) => displayName)).toEqual(['Group 1', 'Group 2', 'Group 3'])
  expect(slices.length > 9).toBe(embedded)
})

test('one statement for a query that an index leads, for groups of users, and for a tenant of few resources', async () => {
  await search({ filter: 'title eq "Title 7" and emails co "user"' })
  await search({ filter: 'groups.display co "Group"' })
  await quiet.scim('POST', '/Users/.search', searchBody({ filter: DEAR }))
  expect(slices).toEqual([])
  expect(whole).toBe(3)
})
