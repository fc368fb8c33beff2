import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { BULK_RESPONSE, ENTERPRISE_USER_SCHEMA, ERROR } from '../../src/scim/urn.ts'
import { withoutDerived } from '../../src/scim/version.ts'
import { engineName } from '../support/engines.ts'
import type { Answer, Scim, TestTenant } from '../support/gateway.ts'
import {
  addMembers,
  bulkBody,
  etag,
  eventsOf,
  groupBody,
  type Instance,
  idIn,
  inconsistencies,
  type Json,
  json,
  listed,
  openInstance,
  patchBody,
  removeMember,
  userBody,
  valuesOf,
} from '../support/instances.ts'
import { withRun } from '../support/statements.ts'
import { expectError, openTenant } from '../support/tenant.ts'

let database: Database
let instance: Instance
let tenant: TestTenant
let scim: Scim

beforeAll(async () => {
  ;({ database, instance, tenant, scim } = await openTenant())
})
afterAll(() => instance.close())

let names = 0
const newName = (prefix = 'bulk') => `${prefix}${++names}`
type Result = Record<string, unknown> & { status: string; response?: Json }
const post = (bulkId: string, path: string, data: object) => ({ method: 'POST', path, bulkId, data })

function results(answer: Answer): Result[] {
  expect([answer.status, answer.body]).toMatchObject([200, { schemas: [BULK_RESPONSE] }])
  return json(answer).Operations as Result[]
}
const run = async (operations: readonly object[], rest: object = {}, by = scim) =>
  results(await by('POST', '/Bulk', bulkBody(operations, rest)))
const statuses = (list: readonly Result[]) => list.map((result) => result.status)
const idOf = (result: Result | undefined) => String(result?.location).split('/').at(-1) ?? ''
const totalUsers = async (by = scim) => json(await by('GET', '/Users?count=0')).totalResults

function expectFailed(result: Result | undefined, status: number, scimType?: string) {
  expect(result).toMatchObject({ status: String(status), response: { schemas: [ERROR], status: String(status) } })
  expect(result?.response?.scimType).toBe(scimType)
}

describe('results', () => {
  test('B-01 B-04 B-05 B-13 each operation is answered with method, status, place, version and bulkId', async () => {
    const [user, other] = [
      idIn(await scim('POST', '/Users', userBody(newName()))),
      idIn(await scim('POST', '/Users', userBody(newName()))),
    ]
    const list = await run([
      post('b1', '/Users', userBody(newName())),
      { method: 'PUT', path: `/Users/${user}`, data: userBody(newName(), { title: 'T' }) },
      {
        method: 'PATCH',
        path: `/Users/${user}`,
        bulkId: 'p',
        data: patchBody({ op: 'add', path: 'nickName', value: 'n' }),
      },
      { method: 'DELETE', path: `/Users/${other}` },
    ])
    const location = (id: string) => `${tenant.base}/Users/${id}`
    expect(list).toEqual([
      { method: 'POST', bulkId: 'b1', status: '201', version: 'W/"1"', location: location(idOf(list[0])) },
      { method: 'PUT', status: '200', version: 'W/"2"', location: location(user) },
      { method: 'PATCH', bulkId: 'p', status: '200', version: 'W/"3"', location: location(user) },
      { method: 'DELETE', status: '204', location: location(other) },
    ])
    expect(json(await scim('GET', `/Users/${user}`))).toMatchObject({ title: 'T', nickName: 'n' })
    expect((await scim('GET', `/Users/${other}`)).status).toBe(404)
  })

  test('B-06 B-10 a failed operation carries its error and the others go on', async () => {
    const taken = newName()
    await scim('POST', '/Users', userBody(taken))
    const unknown = '0198c0de-0000-7000-8000-000000000000'
    const list = await run([
      post('a', '/Users', userBody(taken.toUpperCase())),
      post('b', '/Users', { ...userBody(newName()), emails: 'x' }),
      { method: 'DELETE', path: `/Users/${unknown}` },
      { method: 'PUT', path: `/Users/${unknown}`, data: userBody(newName()) },
      post('c', '/Users', userBody(newName())),
      post('d', '/Nothing', userBody(newName())),
    ])
    expectFailed(list[0], 409, 'uniqueness')
    expectFailed(list[1], 400, 'invalidValue')
    expectFailed(list[2], 404)
    expectFailed(list[3], 404)
    expect(list[4]).toMatchObject({ status: '201' })
    expectFailed(list[5], 404)
    expect(list[0]).not.toHaveProperty('location')
    expect(list[2]).toMatchObject({ location: `${tenant.base}/Users/${unknown}` })
  })

  test('B-14 version acts like If-Match', async () => {
    const id = idIn(await scim('POST', '/Users', userBody(newName())))
    const data = patchBody({ op: 'add', path: 'title', value: 'x' })
    const list = await run([
      { method: 'PATCH', path: `/Users/${id}`, version: 'W/"7"', data },
      { method: 'PATCH', path: `/Users/${id}`, version: 'W/"1"', data },
      { method: 'DELETE', path: `/Users/${id}`, version: 'W/"1"' },
      { method: 'DELETE', path: `/Users/${id}`, version: '"2"' },
    ])
    expect(statuses(list)).toEqual(['412', '200', '412', '204'])
  })

  test('B-02 B-03 B-16 what cannot stand in a bulk fails alone', async () => {
    const list = await run([
      { method: 'GET', path: '/Users' },
      post('x', '/Bulk', {}),
      post('y', '/Me', {}),
      post('z', '/Users/.search', {}),
      { method: 'POST', path: '/Users', data: userBody(newName()) },
      post('same', '/Users', userBody(newName())),
      post('same', '/Users', userBody(newName())),
      { method: 'PUT', path: '/Users/x' },
    ])
    expect(statuses(list)).toEqual(['400', '400', '400', '400', '400', '201', '400', '400'])
    for (const [i, result] of list.entries()) if (i !== 5) expect(result.response).toMatchObject({ schemas: [ERROR] })
    for (const result of list.slice(0, 4)) expectFailed(result, 400, 'invalidValue')
  })

  test.each([
    ['no operations', bulkBody([]), 400, 'invalidSyntax'],
    ['no schemas', { Operations: [{}] }, 400, 'invalidSyntax'],
    ['a wrong failOnErrors', bulkBody([{}], { failOnErrors: 'x' }), 400, 'invalidValue'],
    ['malformed JSON', '{', 400, 'invalidSyntax'],
  ])('B-16 %s refuses the request', async (_, body, status, scimType) => {
    expectError(await scim('POST', '/Bulk', body), status, scimType)
  })

  test('B-12 too many operations or bytes are 413, name the limit and do nothing', async () => {
    const before = await totalUsers()
    const many = Array.from({ length: 1_001 }, (_, i) => post(`b${i}`, '/Users', userBody(newName())))
    const tooMany = await scim('POST', '/Bulk', bulkBody(many))
    expectError(tooMany, 413)
    expect(tooMany.text).toContain('maxOperations (1000)')
    const large = await scim(
      'POST',
      '/Bulk',
      bulkBody([post('b', '/Users', userBody(newName(), { title: 'x'.repeat(1_100_000) }))]),
    )
    expectError(large, 413)
    expect(large.text).toContain('maxPayloadSize (1048576)')
    expect(await totalUsers()).toBe(before)
  })
})

describe('references', () => {
  const memberships = async (id: string) => valuesOf(json(await scim('GET', `/Groups/${id}`)).members)

  test('B-07 B-09 forward references work, in members, managers and paths', async () => {
    const list = await run([
      post('g', '/Groups', groupBody(newName('Forward'), ['bulkId:u'])),
      { method: 'PATCH', path: '/Users/bulkId:u', data: patchBody({ op: 'add', path: 'title', value: 'by path' }) },
      post('u', '/Users', userBody(newName(), { [ENTERPRISE_USER_SCHEMA]: { manager: { value: 'bulkId:m' } } })),
      post('m', '/Users', userBody(newName(), { displayName: 'The manager' })),
    ])
    expect(statuses(list)).toEqual(['201', '200', '201', '201'])
    const [g, u, m] = [list[0], list[2], list[3]].map(idOf)
    expect(await memberships(g ?? '')).toEqual([u])
    const user = json(await scim('GET', `/Users/${u}`))
    expect(user).toMatchObject({
      title: 'by path',
      groups: [{ value: g, type: 'direct' }],
      [ENTERPRISE_USER_SCHEMA]: { manager: { value: m, displayName: 'The manager' } },
    })
    expect(JSON.stringify(user)).not.toContain('bulkId')
  })

  test('B-09 two groups that contain each other are both made, and one that contains itself', async () => {
    const list = await run([
      post('a', '/Groups', groupBody(newName('Circle'), ['bulkId:b'])),
      post('b', '/Groups', groupBody(newName('Circle'), ['bulkId:a'])),
      post('c', '/Groups', groupBody(newName('Circle'), ['bulkId:c'])),
    ])
    expect(statuses(list)).toEqual(['201', '201', '201'])
    const [a = '', b = '', c = ''] = list.map(idOf)
    expect(await Promise.all([a, b, c].map(memberships))).toEqual([[b], [a], [c]])
    for (const id of [a, b, c]) {
      const events = await eventsOf(database, tenant.id, id)
      expect(events.map(({ type, version }) => [type, version])).toEqual([
        ['group.created', 1],
        ['group.member_added', 1],
      ])
      expect(withoutDerived(etag(await scim('GET', `/Groups/${id}`)))).toBe('W/"1"')
    }
  })

  test('B-08 a reference to what failed is 409, to what is not there 400', async () => {
    const taken = newName()
    await scim('POST', '/Users', userBody(taken))
    const list = await run([
      post('bad', '/Users', userBody(taken)),
      post('g', '/Groups', groupBody(newName('Refers'), ['bulkId:bad'])),
      post('h', '/Groups', groupBody(newName('Refers'), ['bulkId:g'])),
      post('i', '/Groups', groupBody(newName('Refers'), ['bulkId:nowhere'])),
      { method: 'DELETE', path: '/Users/bulkId:bad' },
    ])
    expect(statuses(list)).toEqual(['409', '409', '409', '400', '409'])
    expectFailed(list[3], 400, 'invalidValue')
    expect(list[1]?.response?.scimType).toBeUndefined()
  })

  test('B-11 failOnErrors ends the request after so many errors', async () => {
    const taken = newName()
    await scim('POST', '/Users', userBody(taken))
    const bad = (id: string) => post(id, '/Users', userBody(taken))
    const good = (id: string) => post(id, '/Users', userBody(newName()))
    const before = (await totalUsers()) as number
    expect(statuses(await run([bad('1'), good('2')], { failOnErrors: 1 }))).toEqual(['409'])
    expect(statuses(await run([good('1'), bad('2'), good('3'), bad('4'), good('5')], { failOnErrors: 2 }))).toEqual([
      '201',
      '409',
      '201',
      '409',
    ])
    expect(await totalUsers()).toBe(before + 2)
  })

  test('U-02 of two creates with one name in a bulk the first wins', async () => {
    const name = newName('Twice')
    const list = await run([
      post('a', '/Users', userBody(name)),
      post('b', '/Users', userBody(name.toUpperCase())),
      post('c', '/Users', userBody(newName())),
    ])
    expect(statuses(list)).toEqual(['201', '409', '201'])
    expect(json(await scim('GET', `/Users/${idOf(list[0])}`)).userName).toBe(name)
  })

  test('B-08 U-02 a name is free again where the first who wanted it fails', async () => {
    const gone = idIn(await scim('POST', '/Users', userBody(newName())))
    const [name, other] = [newName('Free'), newName('Other')]
    await scim('POST', '/Groups', groupBody(other))
    const list = await run([
      { method: 'DELETE', path: `/Users/${gone}` },
      post('a', '/Groups', groupBody(name, [gone])),
      post('b', '/Groups', groupBody(name)),
      post('c', '/Groups', groupBody(newName(), ['bulkId:b'])),
      post('d', '/Groups', groupBody(name)),
      post('e', '/Groups', groupBody(other)),
    ])
    expect(statuses(list)).toEqual(['204', '400', '201', '201', '409', '409'])
    expect(valuesOf(json(await scim('GET', `/Groups/${idOf(list[3])}`)).members)).toEqual([idOf(list[2])])
  })

  test('U-02 a name is taken until the operation that gives it up', async () => {
    const [kept, given] = [newName('Kept'), newName('Given')]
    const ids: string[] = []
    for (const name of [kept, given]) ids.push(idIn(await scim('POST', '/Users', userBody(name))))
    const rename = (id: string | undefined, value: string) => {
      const data = patchBody({ op: 'replace', path: 'userName', value })
      return { method: 'PATCH', path: `/Users/${id}`, data }
    }
    const [first, second] = ids
    const next = newName('Next')
    expect(statuses(await run([rename(first, given), rename(second, next)]))).toEqual(['409', '200'])
    expect(statuses(await run([rename(second, newName('Left')), rename(first, next)]))).toEqual(['200', '200'])
  })

  test('B-08 U-02 two groups of one name, each a member of the other, are refused together', async () => {
    const name = newName('Ring')
    const list = await run([
      post('a', '/Groups', groupBody(name, ['bulkId:b'])),
      post('b', '/Groups', groupBody(name, ['bulkId:a'])),
    ])
    expect(statuses(list)).toEqual(['409', '409'])
  })
})

describe('cost', () => {
  test('a thousand creates take a handful of statements, and each is counted and logged once', async () => {
    const other = await instance.newTenant()
    const operations = Array.from({ length: 1_000 }, (_, i) =>
      post(`b${i}`, '/Users', userBody(`user${i}`, { emails: [{ value: `user${i}@x.test` }] })),
    )
    const { result, statements } = await instance.recorder.during(() =>
      other.scim('POST', '/Bulk', bulkBody(operations)),
    )
    expect(new Set(statuses(results(result)))).toEqual(new Set(['201']))
    // All tenants wait for a statement of the embedded engine, so there one creates no more than 250.
    const [least, most] = engineName() === 'pglite' ? [4, 6] : [1, 3]
    expect(statements.length).toBeGreaterThanOrEqual(least)
    expect(statements.length).toBeLessThanOrEqual(most)
    expect(await totalUsers(other.scim)).toBe(1_000)
    expect(await eventsOf(database, other.id)).toHaveLength(1_000)
    expect(await inconsistencies(database, other.id)).toEqual([])

    const ids = results(result).map(idOf)
    const active = patchBody({ op: 'replace', path: 'active', value: false })
    const costs: [string, object[], number][] = [
      ['patches', ids.map((id) => ({ method: 'PATCH', path: `/Users/${id}`, data: active })), 3],
      ['deletes', ids.map((id) => ({ method: 'DELETE', path: `/Users/${id}` })), 2],
    ]
    for (const [what, list, most] of costs) {
      const { result, statements } = await instance.recorder.during(() => other.scim('POST', '/Bulk', bulkBody(list)))
      expect(new Set(statuses(results(result))).size).toBe(1)
      expect({ what, few: statements.length <= most, statements: statements.length }).toMatchObject({ what, few: true })
    }
    expect(await totalUsers(other.scim)).toBe(0)
  })

  test('B-15 a database that fails half-way leaves each operation whole or absent, and is told where it failed', async () => {
    const done = new Set<number>()
    for (let failing = 0; failing < 8; failing++) {
      const other = await instance.newTenant()
      let left = failing
      const breaking = withRun(database, (handle, ...statement) => {
        if (left-- === 0)
          return Promise.reject(Object.assign(new Error('the connection is lost'), { code: 'CONNECTION_CLOSED' }))
        return handle.run(...statement)
      })
      const broken = await openInstance(breaking)
      left = Number.POSITIVE_INFINITY
      const by = broken.reach(other)
      await by('GET', '/Users?count=1')
      left = failing
      const answer = await by(
        'POST',
        '/Bulk',
        bulkBody([
          post('g', '/Groups', groupBody('Crash', ['bulkId:u', 'bulkId:v'])),
          post('u', '/Users', userBody(newName(), { emails: [{ value: 'u@x.test' }] })),
          post('v', '/Users', userBody(newName(), { emails: [{ value: 'v@x.test' }] })),
          { method: 'PATCH', path: '/Groups/bulkId:g', data: removeMember('bulkId:v') },
          {
            method: 'PATCH',
            path: '/Users/bulkId:u',
            data: patchBody({ op: 'replace', path: 'emails', value: [{ value: 'w@x.test' }] }),
          },
          { method: 'DELETE', path: '/Users/bulkId:v' },
        ]),
      )
      // What is done is told as done; nothing at all is done where the whole is refused.
      if (answer.status === 200) {
        const list = results(answer)
        const stored = list.filter(({ status }) => status.startsWith('2'))
        for (const failed of list.filter((result) => !stored.includes(result))) expectFailed(failed, 503)
        expect(list).toHaveLength(6)
        expect(stored).not.toEqual([])
        done.add(stored.length)
        const groups = listed(await other.scim('GET', '/Groups')).map(({ id }) => id)
        expect(groups).toEqual([idOf(list[0])])
      } else {
        expectError(answer, 503)
        expect(await totalUsers(other.scim)).toBe(0)
      }
      expect(await inconsistencies(database, other.id)).toEqual([])
      for (const group of listed(await other.scim('GET', '/Groups'))) {
        const users = listed(await other.scim('GET', '/Users')).map((user) => user.id)
        expect(valuesOf(group.members).every((member) => users.includes(member))).toBe(true)
        expect(valuesOf(group.members).length).toBeGreaterThan(0)
      }
      left = Number.POSITIVE_INFINITY
      await broken.close()
    }
    // Some broke off in the middle, and some came to their end.
    expect([...done].some((count) => count < 6)).toBe(true)
    expect(done).toContain(6)
  })
})

describe('order', () => {
  // Six users and three groups by number; "new" ones are named by the operation that makes them.
  type Step =
    | { kind: 'create'; name: number }
    | { kind: 'createGroup'; name: number; member: number }
    | { kind: 'put' | 'rename' | 'title' | 'delete'; target: number; name: number }
    | {
        kind: 'add' | 'remove' | 'members' | 'renameGroup' | 'deleteGroup'
        group: number
        member: number
        name: number
      }
  const small = (max: number) => fc.integer({ min: 0, max })
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ kind: fc.constant('create' as const), name: small(7) }),
    fc.record({ kind: fc.constant('createGroup' as const), name: small(4), member: small(5) }),
    fc.record({
      kind: fc.constantFrom('put' as const, 'rename' as const, 'title' as const, 'delete' as const),
      target: small(5),
      name: small(7),
    }),
    fc.record({
      kind: fc.constantFrom(
        'add' as const,
        'remove' as const,
        'members' as const,
        'renameGroup' as const,
        'deleteGroup' as const,
      ),
      ...{ group: small(2), member: small(5), name: small(4) },
    }),
  )

  async function twin() {
    const made = await instance.newTenant()
    const users: string[] = []
    const groups: string[] = []
    for (let i = 0; i < 6; i++) users.push(idIn(await made.scim('POST', '/Users', userBody(`name${i}`))))
    for (let i = 0; i < 3; i++) {
      groups.push(
        idIn(await made.scim('POST', '/Groups', groupBody(`group${i}`, [users[i] ?? '', users[i + 1] ?? '']))),
      )
    }
    return { tenant: made, users, groups }
  }

  const operationsFor = (
    steps: readonly Step[],
    { users, groups }: Awaited<ReturnType<typeof twin>>,
  ): Record<string, unknown>[] => steps.map((s, i) => operationFor(s, i, users, groups))

  function operationFor(
    s: Step,
    i: number,
    users: readonly string[],
    groups: readonly string[],
  ): Record<string, unknown> {
    switch (s.kind) {
      case 'create':
        return post(`s${i}`, '/Users', userBody(`name${s.name}`, { emails: [{ value: `e${s.name}@x.test` }] }))
      case 'createGroup':
        return post(`s${i}`, '/Groups', groupBody(`group${s.name}`, [users[s.member] ?? '']))
      case 'put':
        return {
          method: 'PUT',
          path: `/Users/${users[s.target]}`,
          data: userBody(`name${s.name}`, { title: `put${i}` }),
        }
      case 'rename':
        return {
          method: 'PATCH',
          path: `/Users/${users[s.target]}`,
          data: patchBody({ op: 'replace', path: 'userName', value: `name${s.name}` }),
        }
      case 'title':
        return {
          method: 'PATCH',
          path: `/Users/${users[s.target]}`,
          data: patchBody({ op: 'add', path: 'title', value: `t${s.name}` }),
        }
      case 'delete':
        return { method: 'DELETE', path: `/Users/${users[s.target]}` }
      case 'add':
        return { method: 'PATCH', path: `/Groups/${groups[s.group]}`, data: addMembers(users[s.member] ?? '') }
      case 'remove':
        return { method: 'PATCH', path: `/Groups/${groups[s.group]}`, data: removeMember(users[s.member] ?? '') }
      case 'members':
        return {
          method: 'PUT',
          path: `/Groups/${groups[s.group]}`,
          data: groupBody(`group${s.name}`, [users[s.member] ?? '']),
        }
      case 'renameGroup':
        return {
          method: 'PATCH',
          path: `/Groups/${groups[s.group]}`,
          data: patchBody({ op: 'replace', path: 'displayName', value: `group${s.name}` }),
        }
      case 'deleteGroup':
        return { method: 'DELETE', path: `/Groups/${groups[s.group]}` }
    }
  }

  /** Everything in a tenant, with names for ids and without times; created resources stand by their operation. */
  async function picture(made: TestTenant, known: ReadonlyMap<string, string>) {
    const named = (value: unknown) =>
      JSON.stringify(value).replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, (id) => known.get(id) ?? id)
    const lists = await Promise.all(
      ['/Users?count=200', '/Groups?count=200'].map(async (path) => listed(await made.scim('GET', path))),
    )
    const shown = lists.flat().map((resource) => {
      const { members, groups, meta, ...rest } = resource as Record<string, unknown> & { meta: Json }
      const sorted = (list: unknown) =>
        valuesOf(list)
          .map((id) => known.get(id) ?? id)
          .sort()
      // Members who are deleted together give their groups one new version between them.
      const version = 'userName' in rest ? withoutDerived(String(meta.version)) : undefined
      return named({ ...rest, version, members: sorted(members), groups: sorted(groups) })
    })
    return shown.sort()
  }

  const ofUser = (path: unknown): boolean => String(path).includes('/Users')

  test('B-09 B-15 a bulk of mixed operations comes to what the same operations one by one come to', async () => {
    let operationsRun = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 14 }), async (steps) => {
        const [inBulk, single] = [await twin(), await twin()]
        const naming = (made: typeof inBulk) =>
          new Map(
            [...made.users.entries(), ...made.groups.entries()].map(([i, id]) => [
              id,
              `${made.users.includes(id) ? 'u' : 'g'}${i}`,
            ]),
          )
        const [inBulkNames, singleNames] = [naming(inBulk), naming(single)]
        const list = await run(operationsFor(steps, inBulk), {}, inBulk.tenant.scim)
        const alone: { status: string; version: string | undefined }[] = []
        for (const [i, operation] of operationsFor(steps, single).entries()) {
          const answer = await single.tenant.scim(String(operation.method), String(operation.path), operation.data)
          alone.push({
            status: String(answer.status).replace(/^20[04]$/, 'ok'),
            version: ofUser(operation.path) ? withoutDerived(answer.headers.get('etag') ?? '') || undefined : undefined,
          })
          if (answer.status === 201) singleNames.set(idIn(answer), `s${i}`)
        }
        for (const [i, result] of list.entries()) if (result.status === '201') inBulkNames.set(idOf(result), `s${i}`)
        operationsRun += steps.length
        const together = list.map(({ status, version, location, method }, i) => ({
          status: status.replace(/^20[04]$/, 'ok'),
          version:
            ofUser(location ?? operationsFor(steps, inBulk)[i]?.path) && method !== 'DELETE' ? version : undefined,
        }))
        expect(together).toEqual(alone)
        expect(await picture(inBulk.tenant, inBulkNames)).toEqual(await picture(single.tenant, singleNames))
        expect(await inconsistencies(database, inBulk.tenant.id)).toEqual([])
      }),
      { numRuns: 40 },
    )
    expect(operationsRun).toBeGreaterThan(150)
  })
})

test('after all of this counts are right and events tell every version', async () => {
  expect(await inconsistencies(database, tenant.id)).toEqual([])
})
