import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { placesApart } from '../support/admin-sender.ts'
import { openTestDatabase } from '../support/engines.ts'
import type { Answer, TestTenant } from '../support/gateway.ts'
import {
  addMembers,
  bulkBody,
  groupBody,
  type Instance,
  idIn,
  json,
  listedIds,
  openInstance,
  patchBody,
  searchBody,
  tenantTables,
  userBody,
} from '../support/instances.ts'
import { SCIM_ROUTES } from '../support/scim-routes.ts'

interface Filled {
  readonly tenant: TestTenant
  /** Stands in every text of the tenant's resources and nowhere else. */
  readonly mark: string
  readonly userId: string
  readonly groupId: string
}

let database: Database
let instance: Instance
/** Two of one environment, one of another environment of the project, one of another project. */
let all: Filled[]
let mine: Filled
let theirs: Filled

const MISSING = '0198c0de-0000-7000-8000-000000000000'

beforeAll(async () => {
  database = await openTestDatabase()
  instance = await openInstance(database)
  all = []
  for (const [i, at] of (await placesApart(instance)).entries()) {
    // With rules for roles, and without, what changes members goes different ways.
    const roleRules = i % 2 === 0 ? [{ group: { pattern: 'Group*' }, role: 'grouped' }] : []
    const tenant = await instance.newTenant({ place: at, settings: { roleRules } })
    const mark = `mark${i}of${tenant.id.slice(-12)}`
    const rest = { externalId: mark, title: mark, emails: [{ value: `${mark}@x.test` }] }
    const userId = idIn(await tenant.scim('POST', '/Users', userBody(mark, rest)))
    const groupId = idIn(await tenant.scim('POST', '/Groups', groupBody(`Group ${mark}`, [userId])))
    all.push({ tenant, mark, userId, groupId })
  }
  ;[mine, theirs] = all as [Filled, Filled]
})
afterAll(() => instance.close())

type Asked = [method: string, path: string, body: object | undefined]

/** Requests to one route in which `userId` and `groupId` stand wherever an id can stand. */
function requests(route: string, { userId, groupId }: Pick<Filled, 'userId' | 'groupId'>): Asked[] {
  const [method = '', pattern = ''] = route.split(' ')
  const filters = [
    `id eq "${userId}"`,
    `members.value eq "${userId}"`,
    `groups.value eq "${groupId}"`,
    `meta.location co "${userId}"`,
  ]
  const asked = [
    ['Users', userId],
    ['Groups', groupId],
    ['Users', groupId],
  ]
  return asked.flatMap(([endpoint = '', id = '']): Asked[] => {
    const path = pattern
      .replace(':endpoint', endpoint)
      .replace(':id', id)
      .replace(':name', 'User')
      .replace(':urn', 'urn:x')
    const patch =
      endpoint === 'Groups' ? addMembers(userId) : patchBody({ op: 'replace', path: 'title', value: 'taken over' })
    if (method === 'PATCH') return [[method, path, patch]]
    if (method === 'PUT')
      return [[method, path, endpoint === 'Groups' ? groupBody('Taken over', [userId]) : userBody('taken over')]]
    if (path.endsWith('/.search'))
      return filters.map(
        (filter): Asked => [method, path, searchBody(path === '/.search' ? { filter } : { filter: `id eq "${id}"` })],
      )
    if (path === '/Bulk') {
      return [
        [method, path, bulkBody([{ method: 'DELETE', path: `/${endpoint}/${id}` }])],
        [method, path, bulkBody([{ method: 'PATCH', path: `/${endpoint}/${id}`, data: patch }])],
        [method, path, bulkBody([{ method: 'PUT', path: `/Users/${id}`, data: userBody('taken over') }])],
        [
          method,
          path,
          bulkBody([{ method: 'POST', path: '/Groups', bulkId: 'b', data: groupBody('Taken over', [id]) }]),
        ],
      ]
    }
    if (method === 'POST') return [[method, path, groupBody('Taken over', [userId, groupId])]]
    if (method === 'GET' && path === '/')
      return filters.map((filter): Asked => [method, `/?filter=${encodeURIComponent(filter)}`, undefined])
    if (method === 'GET' && path === `/${endpoint}`)
      return [[method, `${path}?filter=${encodeURIComponent(`id eq "${id}"`)}`, undefined]]
    return [[method, path, undefined]]
  })
}

/** An answer without what names the one asked about, and the request. */
function likeness(answer: Answer, { userId, groupId }: Pick<Filled, 'userId' | 'groupId'>) {
  const plain = (text: string) => text.replaceAll(userId, '<id>').replaceAll(groupId, '<id>')
  const headers = [...answer.headers]
    .filter(([name]) => name !== 'x-request-id')
    .map(([name, value]) => [name, plain(value)])
  return { status: answer.status, headers, text: plain(answer.text) }
}

test('the routes are those that are known to be there', () => {
  expect(SCIM_ROUTES).toEqual(
    expect.arrayContaining(['GET /:endpoint/:id', 'PATCH /:endpoint/:id', 'POST /Bulk', 'POST /.search', 'GET /']),
  )
})

describe("another tenant's ids", () => {
  test.each(SCIM_ROUTES)(
    'TEN-04 TEN-07 E-07 %s answers for them as for ids that do not exist, to the byte',
    async (route) => {
      const before = await Promise.all([theirs.tenant.scim('GET', '/Users'), theirs.tenant.scim('GET', '/Groups')])
      const nobody = { userId: MISSING, groupId: MISSING.replace(/0$/, '1') }
      for (const other of [theirs, ...all.slice(2)]) {
        const foreign = requests(route, other)
        const missing = requests(route, nobody)
        for (const [i, [method, path, body]] of foreign.entries()) {
          const answer = await mine.tenant.scim(method, path, body)
          const [method2 = '', path2 = '', body2] = missing[i] ?? []
          const expected = await mine.tenant.scim(method2, path2, body2)
          expect(likeness(answer, other)).toEqual(likeness(expected, nobody))
          if (!path.includes(other.userId)) expect(answer.text).not.toContain(other.mark)
        }
      }
      const after = await Promise.all([theirs.tenant.scim('GET', '/Users'), theirs.tenant.scim('GET', '/Groups')])
      expect(after.map(({ body }) => body)).toEqual(before.map(({ body }) => body))
    },
  )

  test('TEN-07 a manager of another tenant is not found: no name, no match', async () => {
    const urn = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'
    const made = await mine.tenant.scim(
      'POST',
      '/Users',
      userBody('managed', { [urn]: { manager: { value: theirs.userId } } }),
    )
    expect(JSON.stringify(json(made)[urn])).not.toContain('displayName')
    const filter = encodeURIComponent(`${urn}:manager.displayName pr`)
    expect(listedIds(await mine.tenant.scim('GET', `/Users?filter=${filter}`))).toEqual([])
    await mine.tenant.scim('DELETE', `/Users/${idIn(made)}`)
  })

  test('the database itself refuses a member and a key of another tenant', async () => {
    const join = `insert into memberships (tenant_id, group_id, member_id) values ($1::uuid, $2::uuid, $3::uuid)`
    await expect(database.run(join, [mine.tenant.id, mine.groupId, theirs.userId])).rejects.toThrow()
    const key = `insert into resource_keys (tenant_id, resource_type, attribute, key, resource_id) values ($1::uuid, 'User', 'a', 'k', $2::uuid)`
    await expect(database.run(key, [mine.tenant.id, theirs.userId])).rejects.toThrow()
  })
})

describe('keys', () => {
  test.each(SCIM_ROUTES)(
    'TEN-02 SEC-13 %s under the base URL of others is 403 for a key of ours, whichever tenant they are',
    async (route) => {
      const answers: ReturnType<typeof likeness>[] = []
      const nowhere = mine.tenant.base.replace(/[^/]+$/, 'nowhere')
      for (const base of [...all.slice(1).map(({ tenant }) => tenant.base), nowhere]) {
        const by = instance.reach({ ...mine.tenant, base })
        for (const [method, path, body] of requests(route, theirs)) {
          const answer = await by(method, path, body)
          expect(answer.status).toBe(403)
          answers.push(likeness(answer, theirs))
        }
      }
      expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1)
    },
  )
})

test('TEN-05 the same userName, externalId and group name are free in every tenant', async () => {
  for (const { tenant } of all) {
    expect((await tenant.scim('POST', '/Users', userBody('Same Name', { externalId: 'same' }))).status).toBe(201)
    expect((await tenant.scim('POST', '/Groups', groupBody('Same Group'))).status).toBe(201)
  }
})

test('TEN-04 TEN-08 interleaved requests of four tenants: nothing of one is in an answer to another', async () => {
  const asks = (filled: Filled): (() => Promise<Answer>)[] => {
    const { tenant, userId, groupId, mark } = filled
    let n = 0
    const title = () => patchBody({ op: 'replace', path: 'nickName', value: `${mark} ${++n}` })
    const name = () => `${mark} made ${++n}`
    return [
      () => tenant.scim('GET', `/Users/${userId}`),
      () => tenant.scim('GET', '/Users?count=50&sortBy=userName'),
      () => tenant.scim('GET', '/Groups'),
      () => tenant.scim('GET', '/'),
      () => tenant.scim('GET', `/Users?cursor=&count=1&filter=${encodeURIComponent('userName co "mark"')}`),
      () => tenant.scim('POST', '/Users/.search', searchBody({ filter: 'title pr' })),
      () => tenant.scim('PATCH', `/Users/${userId}`, title()),
      () => tenant.scim('PATCH', `/Groups/${groupId}`, addMembers(userId)),
      () => tenant.scim('PUT', `/Groups/${groupId}`, groupBody(`Group ${mark}`, [userId])),
      () => tenant.scim('POST', '/Users', userBody(name())),
      () => tenant.scim('POST', '/Users', userBody(mark)),
      () =>
        tenant.scim(
          'POST',
          '/Bulk',
          bulkBody([{ method: 'POST', path: '/Users', bulkId: 'b', data: userBody(name()) }]),
        ),
      () => tenant.scim('GET', '/ResourceTypes'),
      () => tenant.scim('GET', '/Nothing'),
    ]
  }
  const work = all.flatMap((filled) =>
    asks(filled).flatMap((ask) => Array.from({ length: 6 }, () => ({ filled, ask }))),
  )
  // Neighbours in time are of different tenants.
  const shuffled = work.map((one, i) => ({ one, place: (i * 89) % work.length })).sort((a, b) => a.place - b.place)
  const answers = await Promise.all(shuffled.map(async ({ one }) => ({ filled: one.filled, answer: await one.ask() })))
  for (const { filled, answer } of answers) {
    const seen = `${answer.text} ${[...answer.headers].join(' ')}`
    expect(answer.status).not.toBe(500)
    for (const other of all) {
      if (other === filled) continue
      for (const trace of [other.mark, other.userId, other.groupId, other.tenant.id, other.tenant.base])
        expect(seen).not.toContain(trace)
    }
  }
  for (const { tenant, mark } of all) {
    const names = (
      json(await tenant.scim('GET', '/Users?count=200&attributes=userName')).Resources as { userName: string }[]
    ).map(({ userName }) => userName)
    expect(names.filter((name) => name.startsWith('mark') && !name.startsWith(mark))).toEqual([])
  }
})

test('Q-29 every resource has its search document, and no search document is without its resource', async () => {
  const lone = await database.run(
    `select id::text, r.version is not null as there from (
       select resource_type, id, version from resources where tenant_id = any($1::text::uuid[])) r
     full join (
       select resource_type, resource_id as id, search from search_documents where tenant_id = any($1::text::uuid[])) s
       using (resource_type, id)
     where r.version is null or s.search is null`,
    [`{${all.map(({ tenant }) => tenant.id).join(',')}}`],
  )
  expect(lone).toEqual([])
})

test('TEN-01 every statement on a table of tenants carries one tenant as its first parameter, and no other anywhere', async () => {
  const tables = await tenantTables(database)
  expect(tables).toEqual(
    expect.arrayContaining([
      'events',
      'memberships',
      'resource_counts',
      'resources',
      'role_bindings',
      'search_documents',
    ]),
  )
  const named = new RegExp(`\\b(?:${tables.join('|')})\\b`)
  const tenantIds = new Set(all.map(({ tenant }) => tenant.id))
  const onTables = instance.recorder.statements.filter(({ text }) => named.test(text))
  expect(onTables.length).toBeGreaterThan(500)
  for (const { text, values } of onTables) {
    const [own] = values
    expect(tenantIds).toContain(own)
    expect(text).toMatch(/tenant_id = \$1/)
    const others = [...tenantIds].filter((id) => id !== own)
    const carried = `${text} ${values.join(' ')}`
    expect(others.filter((id) => carried.includes(id))).toEqual([])
  }
})
