import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import type { TestTenant } from '../support/gateway.ts'
import {
  addMembers,
  etag,
  type Filled,
  fillDirectly,
  groupBody,
  type Instance,
  idIn,
  type Json,
  json,
  listed,
  patchBody,
  removeMember,
  searchBody,
  userBody,
  valuesOf,
} from '../support/instances.ts'
import { openTenant } from '../support/tenant.ts'

let database: Database
let instance: Instance
beforeAll(async () => {
  ;({ database, instance } = await openTenant())
})
afterAll(() => instance.close())

/** A tenant whose `groups` groups have `each` members. */
async function filled(groups: number, each: number): Promise<{ tenant: TestTenant } & Filled> {
  const tenant = await instance.newTenant()
  const made = await fillDirectly(database, tenant.id, { users: groups * each, groups })
  // Admits the key, so that what comes after sends its own statements alone.
  await tenant.scim('GET', '/Users?count=1')
  return { tenant, ...made }
}

const some = (from: number, to: number, id: (n: number) => string) =>
  Array.from({ length: to - from + 1 }, (_, i) => id(from + i))

describe('members are read page by page', () => {
  let tenant: TestTenant
  let [userId, groupId] = [(_: number) => '', (_: number) => '']
  /** The ids of the members of group `n`. */
  const membersOf = (n: number) => some(1, 6_750, userId).filter((_, i) => ((i + 1) % 3) + 1 === n)
  beforeAll(async () => {
    ;({ tenant, userId, groupId } = await filled(3, 2_250))
  })

  test('G-08 a group with more members than a statement reads has all of them, in the order of ids', async () => {
    const { result, statements } = await instance.recorder.during(() => tenant.scim('GET', `/Groups/${groupId(1)}`))
    expect(statements).toHaveLength(3)
    const { members, ...others } = json(result)
    expect(valuesOf(members)).toEqual(membersOf(1))
    expect((members as Json[]).at(-1)).toEqual({
      ...{ value: userId(6_750), $ref: `${tenant.base}/Users/${userId(6_750)}` },
      ...{ type: 'User', display: 'Person 6750' },
    })
    const without = await tenant.scim('GET', `/Groups/${groupId(1)}?excludedAttributes=members`)
    expect(others).toEqual(json(without))
    expect(etag(result)).toBe(etag(without))
    expect(result.headers.get('content-type')).toBe('application/scim+json')
  })

  test.each([
    ['a list by index', 'GET', '/Groups?count=10', undefined],
    ['a list by index, sorted', 'GET', '/Groups?sortBy=displayName', undefined],
    ['a list by cursor', 'GET', '/Groups?cursor', undefined],
    ['a search', 'POST', '/Groups/.search', searchBody({ filter: 'displayName sw "Group"' })],
    ['a look-up', 'GET', `/Groups?filter=${encodeURIComponent('displayName eq "Group 2"')}`, undefined],
    ['a query over all types', 'POST', '/.search', searchBody({ filter: 'displayName sw "Group"' })],
  ])('Q-11 in %s groups have all of their members, with few statements', async (_what, method, path, body) => {
    const { result, statements } = await instance.recorder.during(() => tenant.scim(method, path, body))
    const groups = listed(result)
    expect(groups.length).toBeGreaterThan(0)
    for (const { id, members } of groups)
      expect(valuesOf(members)).toEqual(membersOf([1, 2, 3].find((n) => groupId(n) === id) ?? 0))
    // One for the page, and one for each thousand of members.
    expect(statements.length).toBeLessThanOrEqual(1 + Math.ceil((groups.length * 2_250) / 1_000))
  })

  test.each([
    ['attributes=members.value', ['value']],
    ['attributes=members', ['$ref', 'display', 'type', 'value']],
    ['excludedAttributes=members.display', ['$ref', 'type', 'value']],
    ['excludedAttributes=displayName', ['$ref', 'display', 'type', 'value']],
  ])('P-01 %s is the same for all members, of a group and of a list', async (projection, names) => {
    const one = json(await tenant.scim('GET', `/Groups/${groupId(2)}?${projection}`))
    expect(valuesOf(one.members)).toEqual(membersOf(2))
    const shapes = new Set((one.members as Json[]).map((member) => Object.keys(member).sort().join()))
    expect([...shapes]).toEqual([names.join()])
    const list = listed(await tenant.scim('GET', `/Groups?${projection}`))
    expect(list.find(({ id }) => id === groupId(2))).toEqual(one)
  })

  test('V-03 HEAD, 304 and an answer without members read no members beyond the first', async () => {
    const at = `/Groups/${groupId(3)}`
    const version = etag(await tenant.scim('HEAD', at))
    const known = { 'If-None-Match': version }
    for (const ask of [
      () => tenant.scim('HEAD', at),
      () => tenant.scim('GET', `${at}?excludedAttributes=members`, undefined, known),
      () => tenant.scim('GET', `${at}?excludedAttributes=members`),
      () => tenant.scim('GET', '/Groups?excludedAttributes=members'),
    ])
      expect((await instance.recorder.during(ask)).statements).toHaveLength(1)
  })

  test('T-06 a large group is no 304 where its members are shown, since their names may have changed', async () => {
    const at = `/Groups/${groupId(3)}`
    const known = { 'If-None-Match': etag(await tenant.scim('GET', at)) }
    expect((await tenant.scim('GET', at, undefined, known)).status).toBe(200)
    expect((await tenant.scim('GET', `${at}?excludedAttributes=members`, undefined, known)).status).toBe(304)
  })

  test('G-08 a group that a statement reads to its end costs no other', async () => {
    const small = idIn(await tenant.scim('POST', '/Groups', groupBody('Small', some(1, 999, userId))))
    const { result, statements } = await instance.recorder.during(() => tenant.scim('GET', `/Groups/${small}`))
    expect([valuesOf(json(result).members).length, statements.length]).toEqual([999, 1])
    await tenant.scim('PATCH', `/Groups/${small}`, addMembers(userId(1_000)))
    expect(valuesOf(json(await tenant.scim('GET', `/Groups/${small}`)).members)).toEqual(some(1, 1_000, userId))
    await tenant.scim('DELETE', `/Groups/${small}`)
  })

  test('PUT-01 PAT-01 what a write answers has all members too', async () => {
    const at = `/Groups/${groupId(3)}`
    const renamed = await tenant.scim('PATCH', at, patchBody({ op: 'replace', path: 'externalId', value: 'x' }))
    expect(valuesOf(json(renamed).members)).toEqual(membersOf(3))
    const put = await tenant.scim('PUT', at, groupBody('Group 3', membersOf(3)))
    expect(valuesOf(json(put).members)).toEqual(membersOf(3))
  })
})

test('G-05 members that are no resources come behind the others, page by page', async () => {
  const tenant = await instance.newTenant({ settings: { mode: 'lenient', deferReferenceChecks: true } })
  const user = idIn(await tenant.scim('POST', '/Users', userBody('known')))
  const values = some(1, 2_100, (n) => `from "elsewhere" ${String(n).padStart(4, '0')}`)
  const id = idIn(await tenant.scim('POST', '/Groups', groupBody('Deferred', [...values, user])))
  expect(valuesOf(json(await tenant.scim('GET', `/Groups/${id}`)).members)).toEqual([user, ...values])
  expect(valuesOf(listed(await tenant.scim('GET', '/Groups'))[0]?.members)).toEqual([user, ...values])
})

describe('a group that changes while its members are sent', () => {
  /** Reads the beginning of an answer, lets `change` happen, and reads on. */
  async function around(tenant: TestTenant, path: string, change: () => Promise<unknown>): Promise<string> {
    const headers = { Authorization: `Bearer ${tenant.key}` }
    const answer = await instance.send(new Request(tenant.base + path, { headers }))
    const reader = answer.body?.getReader()
    const [decoder, texts] = [new TextDecoder(), [] as string[]]
    for (let changed = false; ; ) {
      const { value, done } = (await reader?.read()) ?? { done: true }
      if (done) return texts.join('')
      texts.push(decoder.decode(value, { stream: true }))
      if (!changed) await change()
      changed = true
    }
  }

  test('V-01 is answered as it was when the answer began: who joined is not in it, who left is', async () => {
    const { tenant, userId, groupId } = await filled(1, 3_500)
    const at = `/Groups/${groupId(1)}`
    const others = await Promise.all(
      ['a', 'b'].map(async (name) => idIn(await tenant.scim('POST', '/Users', userBody(name)))),
    )
    const before = await tenant.scim('GET', at)
    const text = await around(tenant, at, async () => {
      await tenant.scim('PATCH', at, addMembers(...others))
      // Among those sent already, and among those that are not.
      for (const n of [10, 2_000, 3_400]) await tenant.scim('PATCH', at, removeMember(userId(n)))
      await tenant.scim('PATCH', at, addMembers(userId(3_400)))
      await tenant.scim('DELETE', `/Users/${userId(3_000)}`)
      await tenant.scim('PATCH', at, patchBody({ op: 'replace', path: 'externalId', value: 'x' }))
    })
    const { members, ...rest } = JSON.parse(text) as Json
    const { members: membersBefore, ...restBefore } = json(before)
    expect(rest).toEqual(restBefore)
    expect(valuesOf(members).sort()).toEqual(valuesOf(membersBefore).sort())
    const gone = (members as Json[]).filter((member) => Object.keys(member).length === 1)
    expect(gone).toEqual([{ value: userId(3_000) }])
    const after = valuesOf(json(await tenant.scim('GET', at)).members)
    expect(after.sort()).toEqual(
      [...some(1, 3_500, userId).filter((_, i) => ![9, 1_999, 2_999].includes(i)), ...others].sort(),
    )
  })

  test('V-01 each group of a list is as it was when the answer began', async () => {
    const { tenant, userId, groupId } = await filled(3, 1_500)
    const before = listed(await tenant.scim('GET', '/Groups'))
    const text = await around(tenant, '/Groups', async () => {
      for (const n of [1, 2, 3]) {
        await tenant.scim('PATCH', `/Groups/${groupId(n)}`, removeMember(userId(4_500 + ((n + 1) % 3) - 2)))
        await tenant.scim('PATCH', `/Groups/${groupId(n)}`, addMembers(userId(4_499 - n)))
      }
    })
    const groups = (JSON.parse(text) as { Resources: Json[] }).Resources
    const sorted = (list: readonly Json[]) => list.map(({ members, ...group }) => [group, valuesOf(members).sort()])
    expect(sorted(groups)).toEqual(sorted(before))
  })

  test.each([
    ['is deleted', (tenant: TestTenant, { groupId }: Filled) => tenant.scim('DELETE', `/Groups/${groupId(1)}`)],
    [
      'loses more members than the log is read for',
      (tenant: TestTenant, { groupId }: Filled) =>
        tenant.scim('PATCH', `/Groups/${groupId(1)}`, patchBody({ op: 'remove', path: 'members' })),
    ],
    [
      'changes in a way of which the log tells nothing',
      (_: TestTenant, { groupId }: Filled) =>
        database.run('update resources set version = version + 1 where id = $1::uuid', [groupId(1)]),
    ],
  ])('an answer of which the group %s meanwhile breaks off, and says so in the log', async (_what, change) => {
    const { tenant, ...made } = await filled(1, 6_500)
    const errors = instance.errors.length
    await expect(around(tenant, `/Groups/${made.groupId(1)}`, () => change(tenant, made))).rejects.toThrow(
      'changed too much',
    )
    expect(instance.errors.slice(errors)).toEqual([expect.stringContaining('changed too much')])
  })
})
