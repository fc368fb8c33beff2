import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createApiKey, revokeApiKey } from '../../src/administration/keys/api-keys.ts'
import { parseApiKey } from '../../src/auth/api-key.ts'
import { CONFIGURED_ADMIN } from '../../src/auth/principal.ts'
import type { Database } from '../../src/db/database.ts'
import type { EnvironmentId, ProjectId } from '../../src/place-ids.ts'
import { eventLogOf } from '../../src/repositories/log/event-log.ts'
import { ENTERPRISE_USER_SCHEMA, GROUP_SCHEMA, LIST_RESPONSE, USER_SCHEMA } from '../../src/scim/urn.ts'
import { administrationOn } from '../support/administration.ts'
import type { Answer, Scim, TestTenant } from '../support/gateway.ts'
import {
  bulkBody,
  groupBody,
  type Instance,
  idIn,
  type Json,
  json,
  listed,
  listedIds,
  openInstance,
  patchBody,
  searchBody,
  userBody,
} from '../support/instances.ts'
import { placeId } from '../support/place-ids.ts'
import { expectError, openTenant } from '../support/tenant.ts'

let database: Database
let instance: Instance
let tenant: TestTenant
let scim: Scim
const ids: string[] = []

// Titles and names in an order of their own, some missing, some alike.
const people = [
  { userName: 'alpha', title: 'Zeta', name: { familyName: 'émile' }, nickName: 'x', active: true },
  {
    userName: 'Bravo',
    title: 'zeta',
    name: { familyName: 'Zoe' },
    emails: [{ value: 'b@x.test' }, { value: 'a@x.test', primary: true }],
  },
  {
    userName: 'charlie',
    name: { familyName: 'eve' },
    emails: [{ value: 'C@x.test' }, { value: 'z@x.test' }],
    active: false,
  },
  { userName: 'Delta', title: 'Alpha', nickName: 'X' },
  { userName: 'echo', title: '😀', emails: [{ value: 'aa@x.test' }], active: null },
  { userName: 'Foxtrot', title: '\uffee', [ENTERPRISE_USER_SCHEMA]: { employeeNumber: '9', department: 'Tours' } },
  { userName: 'golf', title: 'alpha', [ENTERPRISE_USER_SCHEMA]: { employeeNumber: '10' } },
]

beforeAll(async () => {
  ;({ database, instance, tenant, scim } = await openTenant())
  for (const { userName, ...rest } of people) ids.push(idIn(await scim('POST', '/Users', userBody(userName, rest))))
  await scim('POST', '/Groups', groupBody('Kilo', ids.slice(0, 2)))
  await scim('POST', '/Groups', groupBody('lima'))
})
afterAll(() => instance.close())

const get = (parameters: Record<string, string | number>, path = '/Users', by = scim) =>
  by(
    'GET',
    `${path}?${new URLSearchParams(Object.entries(parameters).map(([k, v]): [string, string] => [k, String(v)]))}`,
  )
const namesIn = (answer: Answer) => listed(answer).map((one) => one.userName ?? one.displayName)
const total = (answer: Answer) => json(answer).totalResults
const cursorIn = (answer: Answer) => json(answer).nextCursor as string

describe('lists', () => {
  test('Q-01 PG-03 a list says what it is, how many there are and which part this is', async () => {
    const answer = await get({ startIndex: 2, count: 3 })
    expect(json(answer)).toMatchObject({ schemas: [LIST_RESPONSE], totalResults: 7, startIndex: 2, itemsPerPage: 3 })
    expect(listedIds(answer)).toEqual(ids.slice(1, 4))
    expect(json(answer)).not.toHaveProperty('nextCursor')
    expect(listed(answer)[0]).toEqual((await scim('GET', `/Users/${ids[1]}`)).body)
  })

  test('Q-02 no match is 200 with an empty list', async () => {
    const answer = await get({ filter: 'userName eq "nobody"' })
    expect(json(answer)).toMatchObject({ totalResults: 0, itemsPerPage: 0, startIndex: 1, Resources: [] })
  })

  test.each([
    ['without a filter', {}, 7],
    ['with a filter', { filter: 'userName pr' }, 7],
    ['with a filter and sorted', { filter: 'active eq true', sortBy: 'title' }, 5],
    ['on a page past the end', { startIndex: 100 }, 7],
  ])('Q-03 totalResults counts all matches %s', async (_, query, expected) => {
    for (const count of [0, 1, 3]) expect(total(await get({ ...query, count }))).toBe(expected)
  })

  describe('Q-03 PG-01 PG-02 totals of keys that several have, on every part of the list', () => {
    let several: TestTenant
    const alike: string[] = []
    beforeAll(async () => {
      several = await instance.newTenant()
      const shared = { displayName: 'Same', externalId: 'same', emails: [{ value: 'same@x.test' }] }
      for (const [userName, rest] of Object.entries({ a: shared, b: shared, other: {}, c: shared }))
        alike.push(idIn(await several.scim('POST', '/Users', userBody(userName, rest))))
      alike.splice(2, 1)
      await several.scim('POST', '/Groups', groupBody('Same'))
    })

    test.each(['displayName', 'externalId', 'emails.value', 'emails'])('%s', async (name) => {
      const filter = `${name} eq "${name.startsWith('emails') ? 'SAME@x.test' : name === 'externalId' ? 'same' : 'SAME'}"`
      for (const count of [0, 1, 2, 3, 4, 100]) {
        for (const startIndex of [-1, 0, 1, 2, 3, 4, 5]) {
          const answer = await get({ filter, count, startIndex }, '/Users', several.scim)
          const skipped = Math.max(startIndex, 1) - 1
          expect({ total: total(answer), ids: listedIds(answer) }).toEqual({
            total: 3,
            ids: alike.slice(skipped, skipped + count),
          })
        }
        const first = await get({ filter, count, cursor: '' }, '/Users', several.scim)
        expect({ total: total(first), ids: listedIds(first) }).toEqual({ total: 3, ids: alike.slice(0, count) })
        const { nextCursor } = json(first)
        expect(nextCursor !== undefined).toBe(count > 0 && count < 3)
        if (nextCursor === undefined) continue
        const next = await get({ filter, count, cursor: String(nextCursor) }, '/Users', several.scim)
        expect({ total: total(next), ids: listedIds(next) }).toEqual({ total: 3, ids: alike.slice(count, 2 * count) })
      }
      const elsewhere = await get({ filter })
      expect(json(elsewhere)).toMatchObject({ totalResults: 0, Resources: [] })
    })

    test('userName, and none', async () => {
      for (const count of [0, 1, 2]) {
        const one = await get({ filter: 'userName eq "A"', count }, '/Users', several.scim)
        expect({ total: total(one), ids: listedIds(one) }).toEqual({
          total: 1,
          ids: alike.slice(0, Math.min(count, 1)),
        })
        expect(total(await get({ filter: 'userName eq "nobody"', count }, '/Users', several.scim))).toBe(0)
      }
    })
  })

  test('Q-24 common and extension attributes can be filtered', async () => {
    const [first = ''] = ids
    const created = (json(await scim('GET', `/Users/${first}`)).meta as Record<string, string>).created
    const filters: [string, number][] = [
      [`id eq "${first}"`, 1],
      [`schemas eq "${ENTERPRISE_USER_SCHEMA}"`, 2],
      [`${ENTERPRISE_USER_SCHEMA}:employeeNumber eq "10"`, 1],
      [`meta.created ge "${created}"`, 7],
      [`meta.lastModified lt "${created}"`, 0],
      ['meta.resourceType eq "User"', 7],
      [`meta.location eq "${tenant.base}/Users/${first}"`, 1],
      [`meta.version eq "W/\\"1\\"" and externalId pr`, 0],
    ]
    for (const [filter, count] of filters) expect([filter, total(await get({ filter }))]).toEqual([filter, count])
  })

  test('Q-22 at the root every type is searched; what a type lacks has no value there', async () => {
    expect(namesIn(await get({ filter: 'members pr' }, '/'))).toEqual(['Kilo'])
    expect(total(await get({}, '/'))).toBe(9)
    expect(total(await get({ filter: 'userName ne "alpha"' }, '/'))).toBe(8)
    expect(namesIn(await get({ filter: 'userName eq "alpha" or displayName eq "LIMA"' }, '/'))).toEqual([
      'alpha',
      'lima',
    ])
    expect(total(await get({ filter: 'nosuch pr' }, '/'))).toBe(0)
    expectError(await get({ filter: 'nosuch pr' }), 400, 'invalidFilter')
    const page = await get({ startIndex: 7, count: 2, sortBy: 'meta.created' }, '/')
    expect(namesIn(page)).toEqual(['golf', 'Kilo'])
    expect(json(page)).toMatchObject({ totalResults: 9, startIndex: 7, itemsPerPage: 2 })
    expect(listed(await get({ filter: 'members pr' }, '/'))[0]?.members).toHaveLength(2)
  })

  test('Q-23 the root query is 403 where the tenant switches it off', async () => {
    const closed = await instance.newTenant({ settings: { rootQueries: false } })
    expectError(await closed.scim('GET', '/'), 403)
    expectError(await closed.scim('POST', '/.search', searchBody()), 403)
    expect((await closed.scim('GET', '/Users')).status).toBe(200)
  })

  test('Q-25 what is never returned cannot be filtered', async () => {
    for (const filter of ['password eq "x"', 'password pr', 'not (password sw "a")']) {
      expectError(await get({ filter }), 400, 'invalidFilter')
    }
  })

  test('Q-26 PG-04 a capped page is no error', async () => {
    const answer = await get({ count: 5_000 })
    expect([answer.status, json(answer).itemsPerPage]).toEqual([200, 7])
  })

  test.each(['userName eq', 'userName eq x', 'title gt true', 'active gt true', 'emails[type eq "work"', ''])(
    'Q-09 the filter %j is 400 invalidFilter by GET and by POST',
    async (filter) => {
      expectError(await get({ filter }), 400, 'invalidFilter')
      expectError(await scim('POST', '/Users/.search', searchBody({ filter })), 400, 'invalidFilter')
    },
  )
})

describe('sort', () => {
  const order = async (query: Record<string, string>, path?: string) => namesIn(await get(query, path))

  test('S-01 S-02 S-05 titles by folded code points, missing ones last, ties in the order of creation', async () => {
    const rising = ['Delta', 'golf', 'alpha', 'Bravo', 'Foxtrot', 'echo', 'charlie']
    expect(await order({ sortBy: 'title' })).toEqual(rising)
    expect(await order({ sortBy: 'TITLE', sortOrder: 'Ascending' })).toEqual(rising)
    expect(await order({ sortBy: 'title', sortOrder: 'descending' })).toEqual([...rising].reverse())
  })

  test('S-02 S-06 missing values come first descending, false before true', async () => {
    const active = await order({ sortBy: 'active' })
    expect([active[0], active.at(-1)]).toEqual(['charlie', 'echo'])
    expect((await order({ sortBy: 'active', sortOrder: 'descending' }))[0]).toBe('echo')
  })

  test('S-03 S-04 of several values the primary one counts, else the first', async () => {
    expect((await order({ sortBy: 'emails' })).slice(0, 3)).toEqual(['Bravo', 'echo', 'charlie'])
    expect((await order({ sortBy: 'emails.value' })).slice(0, 3)).toEqual(['Bravo', 'echo', 'charlie'])
  })

  test('S-01 names in standard notation, of parts and extensions', async () => {
    expect((await order({ sortBy: 'name.familyName' })).slice(0, 3)).toEqual(['charlie', 'Bravo', 'alpha'])
    expect((await order({ sortBy: `${ENTERPRISE_USER_SCHEMA}:employeeNumber` })).slice(0, 2)).toEqual([
      'golf',
      'Foxtrot',
    ])
    expect(await order({ sortBy: 'meta.created', sortOrder: 'descending' })).toEqual(
      people.map((p) => p.userName).reverse(),
    )
    expect(await order({ sortBy: 'id' })).toEqual(people.map((p) => p.userName))
  })

  test('S-07 sorting at the root by what one type lacks puts that type last', async () => {
    const names = await order({ sortBy: 'userName', count: '20' }, '/')
    expect(names).toEqual([...people.map((p) => p.userName), 'Kilo', 'lima'])
  })

  test.each([
    [{ sortBy: 'nosuch' }],
    [{ sortBy: 'password' }],
    [{ sortBy: 'name' }],
    [{ sortBy: 'title', sortOrder: 'sideways' }],
    [{ sortBy: '' }],
  ])('S-04 S-07 %j is 400 invalidValue', async (query) => expectError(await get(query), 400, 'invalidValue'))

  test('S-07 sortOrder without sortBy is ignored', async () => {
    expect(await order({ sortOrder: 'descending' })).toEqual(people.map((p) => p.userName))
    expect((await get({ sortOrder: 'sideways' })).status).toBe(200)
  })
})

describe('index paging', () => {
  test.each([
    ['PG-01 startIndex 0 is 1', { startIndex: 0 }, { startIndex: 1, itemsPerPage: 7 }],
    ['PG-01 startIndex below 1 is 1', { startIndex: -5, count: 2 }, { startIndex: 1, itemsPerPage: 2 }],
    ['PG-01 count 0 is no resources', { count: 0 }, { totalResults: 7, itemsPerPage: 0, Resources: [] }],
    ['PG-01 count below 0 is 0', { count: -1 }, { totalResults: 7, itemsPerPage: 0 }],
    [
      'PG-05 a page past the end is empty',
      { startIndex: 8 },
      { totalResults: 7, startIndex: 8, itemsPerPage: 0, Resources: [] },
    ],
    ['PG-05 a page far past the end is empty', { startIndex: '9'.repeat(30) }, { totalResults: 7, itemsPerPage: 0 }],
  ])('%s', async (_, query, expected) => {
    const answer = await get(query)
    expect([answer.status, answer.body]).toMatchObject([200, expected])
  })

  test.each([{ startIndex: 'one' }, { count: 'ten' }, { count: '1.5' }, { count: '' }, { startIndex: '1e3' }])(
    'PG-06 %j is 400 invalidValue',
    async (query) => expectError(await get(query as Record<string, string>), 400, 'invalidValue'),
  )

  test('PG-02 PG-07 pages in the fixed order give every resource once', async () => {
    const seen: string[] = []
    for (let startIndex = 1; startIndex <= 7; startIndex += 2)
      seen.push(...listedIds(await get({ startIndex, count: 2 })))
    expect(seen).toEqual(ids)
  })

  test('Q-03 PG-04 totals stay right while users come and go, before and after their events have positions', async () => {
    const other = await instance.newTenant()
    const made: string[] = []
    for (let i = 0; i < 130; i++) {
      made.push(idIn(await other.scim('POST', '/Users', userBody(`u${i}`))))
      if (i % 2 === 1) await other.scim('DELETE', `/Users/${made.shift()}`)
      if (i % 40 === 39) expect(total(await get({ count: 1 }, '/Users', other.scim))).toBe(made.length)
    }
    // Creates and queries at the same time, while events get their positions and what they change is counted.
    const create = async (i: number) => made.push(idIn(await other.scim('POST', '/Users', userBody(`v${i}`))))
    let creating = true
    const numbering = (async () => {
      while (creating) await eventLogOf(database, other.id).number()
    })()
    await Promise.all(
      Array.from({ length: 30 }, async (_, i) => {
        const before = made.length
        await create(i)
        expect(total(await get({ count: 1 }, '/Users', other.scim))).toBeGreaterThan(before)
      }),
    )
    creating = false
    await numbering
    for (const path of ['/Users', '/']) expect(total(await get({ count: 1 }, path, other.scim))).toBe(made.length)
    while ((await eventLogOf(database, other.id).number()) > 0);
    for (const path of ['/Users', '/']) expect(total(await get({ count: 1 }, path, other.scim))).toBe(made.length)
    const page = await get({ count: 500 }, '/Users', other.scim)
    expect(json(page)).toMatchObject({ totalResults: made.length, itemsPerPage: made.length })
    await other.scim('POST', '/Bulk', bulkBody(made.map((id) => ({ method: 'DELETE', path: `/Users/${id}` }))))
    expect(json(await get({}, '/Users', other.scim))).toMatchObject({ totalResults: 0, Resources: [] })
  })
})

describe('cursor paging', () => {
  let many: TestTenant
  const made: string[] = []
  beforeAll(async () => {
    many = await instance.newTenant()
    const operations = Array.from({ length: 23 }, (_, i) => ({
      ...{ method: 'POST', path: '/Users', bulkId: `b${i}` },
      data: userBody(`user${i}`, i % 3 === 0 ? {} : { title: `Title ${i % 5}` }),
    }))
    await many.scim('POST', '/Bulk', bulkBody(operations))
    made.push(...listedIds(await get({}, '/Users', many.scim)))
  })

  /** Walks forward to the end, then back to the beginning; every page as ids. */
  async function walk(query: Record<string, string | number>, by = many.scim) {
    const pages: string[][] = []
    let answer = await get({ ...query, cursor: '' }, '/Users', by)
    expect(json(answer)).not.toHaveProperty('previousCursor')
    for (;;) {
      pages.push(listedIds(answer))
      if (cursorIn(answer) === undefined) break
      answer = await get({ ...query, cursor: cursorIn(answer) }, '/Users', by)
    }
    const back: string[][] = []
    for (let previous = json(answer).previousCursor; previous !== undefined; ) {
      const before = await get({ ...query, cursor: String(previous) }, '/Users', by)
      back.unshift(listedIds(before))
      previous = json(before).previousCursor
    }
    return { pages, back }
  }

  test.each([
    [{ count: 5 }],
    [{ count: 23 }],
    [{ count: 1 }],
    [{ count: 5, sortBy: 'title' }],
    [{ count: 4, sortBy: 'title', sortOrder: 'descending' }],
    [{ count: 3, filter: 'title pr', sortBy: 'userName' }],
    [{ count: 4, filter: 'not (title eq "title 1")' }],
    [{ count: 6, sortBy: 'meta.created', sortOrder: 'descending' }],
  ])('CU-02 CU-12 %j pages forward and back over every resource once, in order', async (query) => {
    const whole = listedIds(await get({ ...query, count: 200 }, '/Users', many.scim))
    const { pages, back } = await walk(query)
    expect(pages.flat()).toEqual(whole)
    expect(pages.every((page, i) => page.length === query.count || i === pages.length - 1)).toBe(true)
    expect(back).toEqual(pages.slice(0, -1))
  })

  test('CU-01 CU-03 CU-08 CU-10 an empty cursor starts, what comes is opaque and has no startIndex', async () => {
    for (const start of ['cursor', 'cursor=']) {
      const answer = await many.scim('GET', `/Users?${start}&count=10`)
      expect(json(answer)).toMatchObject({ totalResults: 23, itemsPerPage: 10 })
      expect(json(answer)).not.toHaveProperty('startIndex')
      expect(cursorIn(answer)).toMatch(/^[A-Za-z0-9._~-]+$/)
      const readable = Buffer.from(cursorIn(answer), 'base64url').toString('latin1')
      expect(readable).not.toContain(made[9] ?? '')
      expect(readable).not.toContain(many.id)
    }
    expect(json(await get({}, '/Users', many.scim))).toMatchObject({ startIndex: 1 })
  })

  test('CU-11 a count above the limit is capped, without one the page size stays', async () => {
    expect(json(await get({ cursor: '', count: 5_000 }, '/Users', many.scim)).itemsPerPage).toBe(23)
    const first = await get({ cursor: '', count: 7 }, '/Users', many.scim)
    expect(json(await get({ cursor: cursorIn(first) }, '/Users', many.scim)).itemsPerPage).toBe(7)
  })

  test('CU-09 cursor with startIndex is 400 invalidValue', async () => {
    expectError(await get({ cursor: '', startIndex: 1 }, '/Users', many.scim), 400, 'invalidValue')
  })

  const query = { count: 5, filter: 'meta.created pr', sortBy: 'meta.created' }
  const cursorOf = async (by = many.scim) => cursorIn(await get({ ...query, cursor: '' }, '/Users', by))

  test.each<[string, Record<string, string | number>, string]>([
    ['another filter', { filter: 'userName sw "user"' }, 'invalidCursor'],
    ['another sort', { sortBy: 'userName' }, 'invalidCursor'],
    ['another order', { sortOrder: 'descending' }, 'invalidCursor'],
    ['other attributes', { attributes: 'userName' }, 'invalidCursor'],
    ['another count', { count: 6 }, 'invalidCount'],
  ])('CU-04 a cursor with %s is 400', async (_, change, scimType) => {
    const cursor = await cursorOf()
    expectError(await get({ ...query, ...change, cursor }, '/Users', many.scim), 400, scimType)
    expect((await get({ ...query, cursor }, '/Users', many.scim)).status).toBe(200)
  })

  test('CU-05 forged, damaged and foreign cursors are refused in the same words', async () => {
    const cursor = await cursorOf()
    const foreign = await instance.newTenant()
    for (let i = 0; i < 7; i++) await foreign.scim('POST', '/Users', userBody(`f${i}`))
    const parts = cursor.split('.')
    const flip = (text: string) => (text.startsWith('A') ? `B${text.slice(1)}` : `A${text.slice(1)}`)
    const forged = [
      ...['x', 'a.b.c.d.e', 'null', '%00', cursor.slice(0, -1), `${cursor}a`, cursor.toUpperCase(), '.'.repeat(4)],
      [...parts.slice(0, 3), flip(parts[3] ?? ''), parts[4]].join('.'),
      [flip(parts[0] ?? ''), ...parts.slice(1)].join('.'),
      await cursorOf(foreign.scim),
    ]
    const answers = [
      ...(await Promise.all(forged.map((one) => get({ ...query, cursor: one }, '/Users', many.scim)))),
      await get({ ...query, cursor }, '/Groups', many.scim),
      await get({ ...query, cursor }, '/', many.scim),
      await get({ ...query, cursor }, '/Users', foreign.scim),
    ]
    for (const answer of answers) expectError(answer, 400, 'invalidCursor')
    expect(new Set(answers.map((answer) => answer.text)).size).toBe(1)
  })

  test('CU-06 a cursor past its time is 400 expiredCursor', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    const brief = await openInstance(database, { CURSOR_TIMEOUT_SECONDS: '1' })
    const by = brief.reach(many)
    const cursor = await cursorOf(by)
    expect((await get({ ...query, cursor }, '/Users', by)).status).toBe(200)
    vi.setSystemTime(Date.now() + 1_001)
    expectError(await get({ ...query, cursor }, '/Users', by), 400, 'expiredCursor')
    await brief.close()
  })

  test('CU-05 instances on one database read the cursors of each other', async () => {
    const other = await openInstance(database)
    expect((await get({ ...query, cursor: await cursorOf() }, '/Users', other.reach(many))).status).toBe(200)
    await other.close()
  })

  test('CU-07 a cursor with a revoked key is 401', async () => {
    const administration = administrationOn(database)
    const found = await database.run<{ p: string; e: string }>(
      'select e.project_id::text as p, e.id::text as e from tenants t join environments e on e.id = t.environment_id where t.id = $1::uuid',
      [many.id],
    )
    const [place] = found
    const scope = {
      kind: 'tenant',
      projectId: placeId<ProjectId>(place?.p ?? ''),
      environmentId: placeId<EnvironmentId>(place?.e ?? ''),
      tenantId: many.id,
    } as const
    const { key } = await createApiKey(administration, scope, { name: 'brief' }, CONFIGURED_ADMIN)
    const other = await openInstance(database)
    const by = other.reach({ ...many, key })
    const cursor = await cursorOf(by)
    await revokeApiKey(administration, { kind: 'instance' }, parseApiKey(key) ?? '', new Date())
    await other.close()
    const fresh = await openInstance(database)
    expectError(await get({ ...query, cursor }, '/Users', fresh.reach({ ...many, key })), 401)
    await fresh.close()
  })

  test('CU-12 under inserts, changes and deletes no resource that was there throughout is repeated or skipped', async () => {
    const action = fc.constantFrom('insert', 'delete', 'rename', 'none')
    const sorts = fc.constantFrom(
      {},
      { sortBy: 'userName' },
      { sortBy: 'title', sortOrder: 'descending' },
      { sortBy: 'id' },
    )
    let run = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(action, { minLength: 4, maxLength: 8 }),
        sorts,
        fc.integer({ min: 1, max: 4 }),
        async (actions, sort, count) => {
          const { scim: by } = await instance.newTenant()
          const stay = new Set<string>()
          const leave: string[] = []
          run++
          for (let i = 0; i < 10; i++) {
            const id = idIn(await by('POST', '/Users', userBody(`m${i}`, { title: `t${i % 3}` })))
            if (i % 3 === 0) leave.push(id)
            else stay.add(id)
          }
          const seen: string[] = []
          let answer = await get({ ...sort, count, cursor: '' }, '/Users', by)
          for (let step = 0; ; step++) {
            seen.push(...listedIds(answer))
            if (cursorIn(answer) === undefined) break
            const todo = actions[step % actions.length]
            if (todo === 'insert')
              await by('POST', '/Users', userBody(`${'aznm'[step % 4]}-new${step}`, { title: `t${step % 3}` }))
            if (todo === 'delete') await by('DELETE', `/Users/${leave.pop()}`)
            if (todo === 'rename') {
              const patch = patchBody({ op: 'replace', path: 'nickName', value: `n${step}` })
              await by('PATCH', `/Users/${[...stay][step % stay.size]}`, patch)
            }
            answer = await get({ ...sort, count, cursor: cursorIn(answer) }, '/Users', by)
          }
          expect(new Set(seen).size).toBe(seen.length)
          expect([...stay].filter((id) => !seen.includes(id))).toEqual([])
        },
      ),
      { numRuns: 12 },
    )
    expect(run).toBeGreaterThan(10)
  })
})

describe('POST .search and projection', () => {
  const queries: Record<string, unknown>[] = [
    {},
    { filter: 'title pr', sortBy: 'title', sortOrder: 'descending', startIndex: 2, count: 2 },
    { attributes: ['userName', 'name.familyName'] },
    { excludedAttributes: ['emails', 'meta'], count: 3 },
    { cursor: '', count: 20 },
  ]
  test.each(queries.map((q) => [q]))('Z-01 Z-02 Z-03 %j by POST is what it is by GET', async (query) => {
    for (const path of ['/Users', '/Groups', '']) {
      if (path !== '/Users' && 'sortBy' in query) continue
      const posted = await scim('POST', `${path}/.search`, searchBody(query))
      const gotten = await get(query as Record<string, string>, path || '/')
      expect(posted.status).toBe(200)
      expect(posted.body).toEqual(gotten.body)
    }
  })

  test.each([
    ['no schemas', { filter: 'title pr' }, 'invalidSyntax'],
    ['wrong schemas', { schemas: [USER_SCHEMA] }, 'invalidSyntax'],
    ['no object', [], 'invalidSyntax'],
    ['a count of text', searchBody({ count: 'ten' }), 'invalidValue'],
    ['attributes that are a number', searchBody({ attributes: 1 }), 'invalidValue'],
    ['a filter that is a number', searchBody({ filter: 1 }), 'invalidValue'],
  ])('Z-04 %s is 400', async (_, body, scimType) => {
    expectError(await scim('POST', '/Users/.search', body), 400, scimType)
    expectError(await scim('POST', '/.search', body), 400, scimType)
  })

  test('J-01 J-02 J-04 J-07 projection works on lists, resources and the answers to writes', async () => {
    const [id = ''] = ids
    const only = { schemas: [USER_SCHEMA], id, userName: 'alpha' }
    const shown = (await Promise.all([
      get({ attributes: 'userName', filter: `id eq "${id}"` }).then((answer) => listed(answer)[0]),
      scim('GET', `/Users/${id}?attributes=userName`).then(json),
      scim('PATCH', `/Users/${id}?attributes=userName`, patchBody({ op: 'add', path: 'nickName', value: 'x' })).then(
        json,
      ),
    ])) as Json[]
    for (const one of shown) expect(one).toEqual(only)
    const made = await scim(
      'POST',
      '/Users?excludedAttributes=emails,id,meta',
      userBody('projected', { emails: [{ value: 'a@b' }] }),
    )
    expect(Object.keys(json(made)).sort()).toEqual(['active', 'id', 'schemas', 'userName'])
    const put = await scim(
      'PUT',
      `/Users/${idIn(made)}?attributes=name.givenName`,
      userBody('projected', { name: { givenName: 'G', familyName: 'F' } }),
    )
    expect(json(put)).toEqual({ schemas: [USER_SCHEMA], id: idIn(made), name: { givenName: 'G' } })
    await scim('DELETE', `/Users/${idIn(made)}`)
    const groups = await get({ attributes: 'displayName' }, '/Groups')
    expect(listed(groups).map((group) => Object.keys(group).sort())).toEqual(
      Array(2).fill(['displayName', 'id', 'schemas']),
    )
    expect(listed(groups)[0]?.schemas).toEqual([GROUP_SCHEMA])
  })

  test('J-03 attributes with excludedAttributes is 400 invalidValue', async () => {
    expectError(await get({ attributes: 'userName', excludedAttributes: 'emails' }), 400, 'invalidValue')
  })

  test('J-07 members and groups that the client does not ask for are not read', async () => {
    for (const path of ['/Groups?excludedAttributes=members', '/Users?excludedAttributes=groups', '/?attributes=id']) {
      const { result, statements } = await instance.recorder.during(() => scim('GET', path))
      expect(result.status).toBe(200)
      expect(statements.map(({ text }) => /memberships/.test(text))).toEqual([false])
    }
  })
})
