import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RoleRule } from '../../src/tenancy/role-rules.ts'
import { openTestDatabase } from '../support/engines.ts'
import {
  addMembers,
  groupBody,
  type Instance,
  idIn,
  inconsistencies,
  openInstance,
  type Place,
  patchBody,
  removeMember,
  userBody,
} from '../support/instances.ts'
import { reader } from '../support/readers.ts'
import { rolesByLog, rolesByRows, setRules } from '../support/roles.ts'

let instance: Instance
let place: Place

beforeAll(async () => {
  instance = await openInstance(await openTestDatabase())
  place = await instance.newPlace()
})
afterAll(() => instance.close())

const NAMES = ['Sales', 'Sales East', 'Ops', 'Everybody']
const RULES: RoleRule[] = [
  { group: { displayName: 'sales' }, role: 'seller' },
  { group: { pattern: 'sales*' }, role: 'seller' },
  { group: { pattern: '*s*' }, role: 'other' },
  { group: { externalId: 'ext-Ops' }, role: 'operator' },
]
const place4 = fc.nat({ max: 3 })
const rules = fc.subarray(RULES, { minLength: 2 })
/** Members are places in the lists of users and of groups. */
const member = fc.record({ kind: fc.constantFrom('user', 'group'), n: place4 })
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('add' as const),
      at: place4,
      members: fc.array(member, { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('remove' as const),
      at: place4,
      members: fc.array(member, { minLength: 1, maxLength: 1 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('replace' as const),
      at: place4,
      name: place4,
      members: fc.array(member, { maxLength: 3 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('rename' as const), at: place4, name: place4 }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('group anew' as const),
      at: place4,
      name: place4,
      members: fc.array(member, { maxLength: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('user anew' as const), at: place4 }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rules' as const), rules }) },
)

test('the events of roles, the query for roles and the rows of memberships say the same, whatever was done', async () => {
  let moved = 0
  await fc.assert(
    fc.asyncProperty(rules, fc.array(step, { minLength: 4, maxLength: 10 }), async (first, steps) => {
      const tenant = await instance.newTenant({ place, settings: { uniqueGroupNames: false, roleRules: first } })
      const { scim } = tenant
      let made = 0
      const newUser = async () => idIn(await scim('POST', '/Users', userBody(`u${made++}`)))
      const newGroup = async (name: string, members: string[] = []) =>
        idIn(await scim('POST', '/Groups', { ...groupBody(name, members), externalId: `ext-${name}` }))
      const users = [await newUser(), await newUser(), await newUser(), await newUser()]
      const groups: string[] = []
      for (const [n, name] of NAMES.entries()) groups.push(await newGroup(name, [users[n] ?? '']))
      const ids = (list: readonly { kind: string; n: number }[], but?: string) =>
        [...new Set(list.map(({ kind, n }) => (kind === 'user' ? users : groups)[n] ?? ''))].filter((id) => id !== but)
      for (const each of steps) {
        const at = 'at' in each ? (groups[each.at] ?? '') : ''
        const name = 'name' in each ? (NAMES[each.name] ?? '') : ''
        if (each.do === 'add') await scim('PATCH', `/Groups/${at}`, addMembers(...ids(each.members)))
        else if (each.do === 'remove') await scim('PATCH', `/Groups/${at}`, removeMember(ids(each.members)[0] ?? ''))
        else if (each.do === 'replace') await scim('PUT', `/Groups/${at}`, groupBody(name, ids(each.members)))
        else if (each.do === 'rename')
          await scim('PATCH', `/Groups/${at}`, patchBody({ op: 'replace', path: 'displayName', value: name }))
        else if (each.do === 'group anew') {
          await scim('DELETE', `/Groups/${at}`)
          groups[each.at] = await newGroup(name, ids(each.members, at))
        } else if (each.do === 'user anew') {
          await scim('DELETE', `/Users/${users[each.at]}`)
          users[each.at] = await newUser()
        } else await setRules(instance.database, place, tenant, each.rules)
      }
      const expected = await rolesByRows(instance.database, tenant.id)
      moved += expected.length
      expect(await rolesByLog(instance.database, tenant.id)).toEqual(expected)
      const { ask } = reader(instance, tenant)
      const shown: string[] = []
      const listed: string[] = []
      for (const id of users) {
        const { items } = (await (await ask(`/users/${id}/roles`)).json()) as { items: { key: string }[] }
        shown.push(...items.map(({ key }) => `${key} ${id}`))
      }
      for (const role of new Set(RULES.flatMap((rule) => ('role' in rule ? [rule.role] : [])))) {
        const { items } = (await (await ask(`/users?role=${role}`)).json()) as { items: { id: string }[] }
        listed.push(...items.map(({ id }) => `${role} ${id}`))
      }
      expect(shown.sort()).toEqual(expected)
      expect(listed.sort()).toEqual(expected)
      expect(await inconsistencies(instance.database, tenant.id)).toEqual([])
    }),
    { numRuns: 12 },
  )
  expect(moved).toBeGreaterThan(10)
  expect(instance.errors).toEqual([])
})
