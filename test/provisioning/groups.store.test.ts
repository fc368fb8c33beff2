import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { GROUP_SCHEMA } from '../../src/scim/urn.ts'
import { withoutDerived } from '../../src/scim/version.ts'
import type { Answer, Scim, TestTenant } from '../support/gateway.ts'
import {
  addMembers,
  analyze,
  etag,
  eventsOf,
  fillDirectly,
  groupBody,
  type Instance,
  idIn,
  inconsistencies,
  json,
  listedIds,
  patchBody,
  removeMember,
  userBody,
  valuesOf,
} from '../support/instances.ts'
import { genericPlan, nodesOf } from '../support/statements.ts'
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
const newUser = async (rest: object = {}) => idIn(await scim('POST', '/Users', userBody(`member${++names}`, rest)))
const newGroup = async (members: readonly string[] = [], name = `Group ${++names}`) =>
  idIn(await scim('POST', '/Groups', groupBody(name, members)))
const newUsers = (count: number) => Promise.all(Array.from({ length: count }, () => newUser()))
const membersOf = async (id: string) => valuesOf(json(await scim('GET', `/Groups/${id}`)).members)
/** Without what a tag tells of the members' names. */
const storedVersion = (answer: Answer) => withoutDerived(etag(answer))
const versionOf = async (id: string) => etag(await scim('GET', `/Groups/${id}?attributes=id`))
const batchesOf = async (id: string, tenantId = tenant.id) =>
  (await eventsOf(database, tenantId, id)).map(({ type, version, changes }) => ({
    ...{ type, version },
    members: (JSON.parse(changes) as { members?: string[] }).members,
  }))

describe('create, retrieve and replace', () => {
  test('CR-01 C-07 G-03 G-10 a group is answered with its members as we know them', async () => {
    const user = await newUser({ displayName: 'Ann "A" Example' })
    const inner = await newGroup([], 'Inner')
    const body = {
      ...groupBody('Sales'),
      externalId: 'ext',
      members: [{ value: user, display: 'made up', $ref: 'http://elsewhere/x', type: 'User' }, { value: inner }],
    }
    const created = await scim('POST', '/Groups', body)
    expect(created.status).toBe(201)
    const { id, meta, members, ...rest } = json(created)
    const location = `${tenant.base}/Groups/${id}`
    expect(created.headers.get('location')).toBe(location)
    expect(rest).toEqual({ schemas: [GROUP_SCHEMA], displayName: 'Sales', externalId: 'ext' })
    expect(meta).toMatchObject({
      resourceType: 'Group',
      location,
      version: expect.stringMatching(/^W\/"1-[0-9a-z]+"$/),
    })
    const expected = [
      { value: user, $ref: `${tenant.base}/Users/${user}`, type: 'User', display: 'Ann "A" Example' },
      { value: inner, $ref: `${tenant.base}/Groups/${inner}`, type: 'Group', display: 'Inner' },
    ]
    expect(members).toHaveLength(2)
    expect(members).toEqual(expect.arrayContaining(expected))
    expect((await scim('GET', `/Groups/${id}`)).body).toEqual(created.body)
  })

  test('G-01 E-05 displayName is required, members are not', async () => {
    expectError(await scim('POST', '/Groups', { schemas: [GROUP_SCHEMA] }), 400, 'invalidValue')
    const bare = await scim('POST', '/Groups', groupBody('Bare'))
    expect(bare.status).toBe(201)
    expect(json(bare).members).toEqual([])
  })

  test('G-02 E-06 displayName is unique without regard to case on POST, PUT and PATCH, unless the tenant frees it', async () => {
    const first = await newGroup([], 'Unique Name')
    expectError(await scim('POST', '/Groups', groupBody('UNIQUE name')), 409, 'uniqueness')
    const other = await newGroup([], 'Another Name')
    expectError(await scim('PUT', `/Groups/${other}`, groupBody('unique NAME')), 409, 'uniqueness')
    const patch = patchBody({ op: 'replace', path: 'displayName', value: 'unique name' })
    expectError(await scim('PATCH', `/Groups/${other}`, patch), 409, 'uniqueness')
    expect((await scim('PATCH', `/Groups/${first}`, patch)).status).toBeLessThan(300)
    const free = await instance.newTenant({ settings: { uniqueGroupNames: false } })
    for (let i = 0; i < 2; i++) expect((await free.scim('POST', '/Groups', groupBody('Same'))).status).toBe(201)
  })

  test('PUT-02 PUT-08 a PUT replaces the members and writes only who comes and goes', async () => {
    const [a = '', b = '', c = ''] = await newUsers(3)
    const id = await newGroup([a, b], 'Put group')
    const put = await scim('PUT', `/Groups/${id}`, groupBody('Put group', [b, c]))
    expect([put.status, valuesOf(json(put).members)]).toEqual([200, [b, c].sort()])
    expect(storedVersion(put)).toBe('W/"2"')
    expect(etag(put)).toBe((json(put).meta as { version: string }).version)
    expect(await batchesOf(id)).toEqual([
      { type: 'group.created', version: 1, members: undefined },
      { type: 'group.member_added', version: 1, members: expect.arrayContaining([a, b]) },
      { type: 'group.member_added', version: 2, members: [c] },
      { type: 'group.member_removed', version: 2, members: [a] },
    ])
    const bare = await scim('PUT', `/Groups/${id}`, groupBody('Put group'))
    expect(json(bare).members).toEqual([])
    expect(await membersOf(id)).toEqual([])
  })

  test('C-10 a PUT of what is there keeps version and log', async () => {
    const id = await newGroup(await newUsers(2), 'Same again')
    const { body } = await scim('GET', `/Groups/${id}`)
    const { meta: _, ...same } = body as Record<string, unknown>
    expect((await scim('PUT', `/Groups/${id}`, same)).body).toEqual(body)
    expect(await batchesOf(id)).toHaveLength(2)
  })

  test('one PUT or PATCH of name and members together is one version step with its events', async () => {
    const [a = ''] = await newUsers(1)
    const id = await newGroup([], 'Both at once')
    const both = patchBody(
      { op: 'replace', path: 'displayName', value: 'Both' },
      { op: 'add', path: 'members', value: [{ value: a }] },
    )
    expect((await scim('PATCH', `/Groups/${id}`, both)).status).toBeLessThan(300)
    expect(await versionOf(id)).toBe('W/"2"')
    expect((await batchesOf(id)).slice(1).map(({ type, version }) => [type, version])).toEqual([
      ['group.updated', 2],
      ['group.member_added', 2],
    ])
    await scim('PUT', `/Groups/${id}`, groupBody('Both again'))
    expect(await versionOf(id)).toBe('W/"3"')
  })
})

describe('members', () => {
  test('G-04 a member cannot be changed, only added and removed', async () => {
    const [a = '', b = ''] = await newUsers(2)
    const id = await newGroup([a])
    for (const operation of [
      { op: 'replace', path: `members[value eq "${a}"].value`, value: b },
      { op: 'replace', path: `members[value eq "${a}"]`, value: { value: b } },
      { op: 'add', path: 'members.display', value: 'x' },
    ]) {
      expectError(await scim('PATCH', `/Groups/${id}`, patchBody(operation)), 400, 'mutability')
    }
    expect(await membersOf(id)).toEqual([a])
  })

  test.each([
    ['PATCH', (id: string) => addMembers(id)],
    ['PUT', (id: string) => groupBody('Unknown members', [id])],
    ['POST', (id: string) => groupBody('Unknown members 2', [id])],
  ])('G-05 TEN-07 a member that the tenant does not have is 400 and nothing is done: %s', async (method, body) => {
    const [known = ''] = await newUsers(1)
    const other = await instance.newTenant()
    const foreign = idIn(await other.scim('POST', '/Users', userBody('foreign')))
    const id = await newGroup([known])
    const before = await scim('GET', `/Groups/${id}`)
    const words: string[] = []
    for (const stranger of [uuidv7(), foreign, 'not-an-id']) {
      const answer = await scim(method, method === 'POST' ? '/Groups' : `/Groups/${id}`, body(stranger))
      expectError(answer, 400, 'invalidValue')
      words.push(answer.text.replace(stranger, '…'))
    }
    expect(new Set(words).size).toBe(1)
    expect((await scim('GET', `/Groups/${id}`)).body).toEqual(before.body)
  })

  test('C-10 PAT-12 adding a member who is there and removing one who is not keep version, time and log', async () => {
    const [a = '', b = ''] = await newUsers(2)
    const id = await newGroup([a])
    const before = await scim('GET', `/Groups/${id}`)
    for (const body of [
      addMembers(a),
      removeMember(b),
      patchBody({ op: 'replace', path: 'members', value: [{ value: a }] }),
    ]) {
      const answer = await scim('PATCH', `/Groups/${id}`, body)
      expect([answer.status, storedVersion(answer)]).toEqual([200, 'W/"1"'])
    }
    expect((await scim('GET', `/Groups/${id}`)).body).toEqual(before.body)
    expect(await batchesOf(id)).toHaveLength(2)
  })

  test('PAT-06 a change of members is answered 200 with the group while it is small', async () => {
    const [a = '', b = ''] = await newUsers(2)
    const id = await newGroup()
    const whole = await scim('PATCH', `/Groups/${id}`, addMembers(a))
    expect([whole.status, storedVersion(whole), valuesOf(json(whole).members)]).toEqual([200, 'W/"2"', [a]])
    expect(whole.body).toEqual((await scim('GET', `/Groups/${id}`)).body)
    const least = await scim('PATCH', `/Groups/${id}`, addMembers(b), { Prefer: 'return=minimal' })
    expect([least.status, least.text, etag(least)]).toEqual([204, '', 'W/"3"'])
    expect(least.headers.get('preference-applied')).toBe('return=minimal')
  })

  test('PAT-06 a change of members of a larger group is 204 with the version, and 200 where attributes are named', async () => {
    const [a = '', b = '', ...others] = await newUsers(23)
    const id = await newGroup(others)
    const least = await scim('PATCH', `/Groups/${id}`, addMembers(a))
    expect([least.status, least.text, etag(least)]).toEqual([204, '', 'W/"2"'])
    const shown = await scim('PATCH', `/Groups/${id}?attributes=members`, addMembers(b))
    expect([shown.status, valuesOf(json(shown).members)]).toEqual([200, [a, b, ...others].sort()])
    expect(storedVersion(shown)).toBe('W/"3"')
    expect(json(shown)).not.toHaveProperty('displayName')
  })

  test('C-08 every change of members moves lastModified', async () => {
    const [a = ''] = await newUsers(1)
    const id = await newGroup()
    const seen: string[] = []
    for (const body of [addMembers(a), removeMember(a), addMembers(a)]) {
      await scim('PATCH', `/Groups/${id}`, body)
      seen.push((json(await scim('GET', `/Groups/${id}`)).meta as { lastModified: string }).lastModified)
    }
    expect(seen).toEqual([...new Set(seen)].sort())
  })

  test('G-09 sixty member operations in one PATCH are one version', async () => {
    const users = await newUsers(60)
    const [staying = '', going = ''] = users
    const id = await newGroup([going])
    const operations = users.map((value) =>
      value === going
        ? { op: 'remove', path: `members[value eq "${value}"]` }
        : { op: 'Add', path: 'members', value: [{ value }] },
    )
    const { result, statements } = await instance.recorder.during(() =>
      scim('PATCH', `/Groups/${id}`, patchBody(...operations)),
    )
    expect([result.status, etag(result), statements.length]).toEqual([204, 'W/"2"', 1])
    const members = await membersOf(id)
    expect(members).toHaveLength(59)
    expect(members).toContain(staying)
    expect(members).not.toContain(going)
  })

  test('T-03 T-07 If-Match holds for changes of members too', async () => {
    const [a = ''] = await newUsers(1)
    const id = await newGroup()
    for (const body of [
      addMembers(a),
      patchBody({ op: 'add', value: { displayName: 'No', members: [{ value: a }] } }),
    ]) {
      expectError(await scim('PATCH', `/Groups/${id}`, body, { 'If-Match': 'W/"7"' }), 412)
    }
    expectError(await scim('PUT', `/Groups/${id}`, groupBody('No', [a]), { 'If-Match': 'W/"7"' }), 412)
    expect(await versionOf(id)).toBe('W/"1"')
    expect((await scim('PATCH', `/Groups/${id}`, addMembers(a), { 'If-Match': 'W/"1"' })).status).toBe(200)
    const missing = `/Groups/${uuidv7()}`
    expectError(await scim('PATCH', missing, addMembers(a)), 404)
    expectError(await scim('PATCH', missing, addMembers(a), { 'If-Match': '*' }), 404)
  })

  test('PAT-05 a PATCH whose second half fails leaves name and members as they were', async () => {
    const [a = ''] = await newUsers(1)
    const id = await newGroup([], 'Whole or nothing')
    const before = await scim('GET', `/Groups/${id}`)
    const operations = [
      { op: 'replace', path: 'displayName', value: 'Half' },
      { op: 'add', path: 'members', value: [{ value: a }, { value: uuidv7() }] },
    ]
    expectError(await scim('PATCH', `/Groups/${id}`, patchBody(...operations)), 400, 'invalidValue')
    expect((await scim('GET', `/Groups/${id}`)).body).toEqual(before.body)
    expect(await batchesOf(id)).toHaveLength(1)
  })

  test('PAT-20 members are removed by value path, by list, by other filters and all at once', async () => {
    const [a = '', b = '', c = ''] = await newUsers(3)
    const inner = await newGroup()
    const id = await newGroup([a, b, c, inner])
    const steps: [object, string[]][] = [
      [{ op: 'remove', path: 'members', value: [{ value: a }] }, [b, c, inner]],
      [{ op: 'remove', path: 'members[type eq "group"]' }, [b, c]],
      [{ op: 'remove', path: `members[value eq "${b}" or value eq "${a}"]` }, [c]],
      [{ op: 'remove', path: 'members' }, []],
    ]
    for (const [operation, left] of steps) {
      expect((await scim('PATCH', `/Groups/${id}`, patchBody(operation))).status).toBe(200)
      expect(await membersOf(id)).toEqual(left.sort())
    }
    expect(await versionOf(id)).toBe('W/"5"')
  })
})

describe('delete', () => {
  test('G-07 a deleted user leaves all groups, each with one version step and one event', async () => {
    const [gone = '', stays = ''] = await newUsers(2)
    const groups = [await newGroup([gone, stays]), await newGroup([gone])]
    const untouched = await newGroup([stays])
    const { result, statements } = await instance.recorder.during(() => scim('DELETE', `/Users/${gone}`))
    expect([result.status, statements.length]).toEqual([204, 1])
    expect(await Promise.all(groups.map(membersOf))).toEqual([[stays], []])
    expect(await Promise.all([...groups, untouched].map(versionOf))).toEqual(['W/"2"', 'W/"2"', 'W/"1"'])
    for (const id of groups) {
      expect((await batchesOf(id)).at(-1)).toEqual({ type: 'group.member_removed', version: 2, members: [gone] })
    }
  })

  test('G-06 G-07 a deleted group leaves groups and its members leave it, in cycles too', async () => {
    const user = await newUser()
    const inner = await newGroup([user])
    const outer = await newGroup([inner])
    await scim('PATCH', `/Groups/${inner}`, addMembers(outer, inner))
    expect((await scim('DELETE', `/Groups/${inner}`)).status).toBe(204)
    expect(await membersOf(outer)).toEqual([])
    expect(await versionOf(outer)).toBe('W/"2"')
    expect(json(await scim('GET', `/Users/${user}`))).not.toHaveProperty('groups')
    expect((await scim('DELETE', `/Groups/${outer}`)).status).toBe(204)
  })
})

describe('large groups', () => {
  let large: TestTenant
  beforeAll(async () => {
    large = await instance.newTenant()
  })
  const newLarge = async (name: string) => idIn(await large.scim('POST', '/Groups', groupBody(name)))

  test('a change of 5,000 members is one version and events of at most 1,000 members', async () => {
    const id = await newLarge('Five thousand')
    const { userId } = await fillDirectly(database, large.id, { users: 5_000, groups: 0 })
    const ids = Array.from({ length: 5_000 }, (_, i) => userId(i + 1))
    const added = await large.scim('PATCH', `/Groups/${id}`, addMembers(...ids))
    expect([added.status, etag(added)]).toEqual([204, 'W/"2"'])
    const removed = await large.scim('PATCH', `/Groups/${id}`, patchBody({ op: 'remove', path: 'members' }))
    expect(etag(removed)).toBe('W/"3"')
    const batches = (await batchesOf(id, large.id)).slice(1)
    const kinds = [
      ['group.member_added', 2],
      ['group.member_removed', 3],
    ] as const
    for (const [type, version] of kinds) {
      const ofKind = batches.filter((batch) => batch.type === type)
      expect(ofKind.map((batch) => [batch.version, batch.members?.length])).toEqual(Array(5).fill([version, 1_000]))
      expect(ofKind.flatMap((batch) => batch.members ?? []).sort()).toEqual([...ids].sort())
    }
    expect(batches).toHaveLength(10)
  })

  test('G-08 in a group of 100,000, one member is added and removed without a look at the others', async () => {
    const tenantOfIts = await instance.newTenant()
    const { groupId } = await fillDirectly(database, tenantOfIts.id, {
      ...{ users: 100_000, groups: 1, searchable: false },
    })
    await analyze(database)
    const [scim, id] = [tenantOfIts.scim, groupId(1)]
    const user = idIn(await scim('POST', '/Users', userBody('the one')))
    for (const body of [addMembers(user), removeMember(user)]) {
      const { result, statements, transactions } = await instance.recorder.during(() =>
        scim('PATCH', `/Groups/${id}`, body),
      )
      expect([result.status, statements.length, transactions]).toEqual([204, 1, 0])
      const [statement] = statements
      if (statement === undefined) throw new Error('no statement')
      // It is run once more, undone, and each step of it counted.
      const plan = await genericPlan(database, statement, { analyze: true })
      const read = nodesOf(plan).map((node) => ({
        node: node['Node Type'],
        on: node['Relation Name'] ?? node['Index Name'] ?? '',
        rows: (node['Actual Rows'] ?? 0) * (node['Actual Loops'] ?? 1) + (node['Rows Removed by Filter'] ?? 0),
      }))
      // Up to 21 members are counted, to know whether the group is small enough to be shown.
      expect(read.filter(({ rows }) => rows > 21)).toEqual([])
    }
    const { result, statements } = await instance.recorder.during(() =>
      scim('GET', `/Groups/${id}?excludedAttributes=members`),
    )
    expect(json(result)).not.toHaveProperty('members')
    expect(statements).toHaveLength(1)
    expect(statements[0]?.text).not.toContain('memberships')

    const whole = json(await scim('GET', `/Groups/${id}`))
    expect(whole.members).toHaveLength(100_000)
    const found = await scim('GET', `/Groups?filter=${encodeURIComponent(`members.value eq "${user}"`)}&attributes=id`)
    expect(listedIds(found)).toEqual([])
  })
})

test('after all of this counts are right and events tell every version', async () => {
  expect(await inconsistencies(database, tenant.id)).toEqual([])
})
