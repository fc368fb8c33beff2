import { describe, expect, test } from 'vitest'
import { fold } from '../../src/scim/comparable.ts'
import { type RoleRule, roleKeyOf, roleRule, rolesByRules, ruleNames } from '../../src/tenancy/role-rules.ts'

const roles = (rules: RoleRule[], displayName: string | null, externalId: string | null = null) =>
  rolesByRules(rules)({ displayKey: displayName === null ? null : fold(displayName), externalId }).map(
    ({ role }) => role,
  )
const pattern = (text: string): RoleRule => ({ group: { pattern: text }, role: 'r' })

describe('a pattern', () => {
  test.each([
    ['App-*-Admins', 'app-shop-admins', true],
    ['App-*-Admins', 'app--admins', true],
    ['App-*-Admins', 'app-admins', false],
    ['App-*-Admins', 'app-shop-admins-2', false],
    ['*', '', true],
    ['*', 'anything', true],
    ['a*a', 'a', false],
    ['a*a', 'aa', true],
    ['*ab*ab', 'ab', false],
    ['*ab*ab', 'xabyab', true],
    ['a*b*c', 'a-c-b', false],
    ['Straße*', 'STRASSE', false],
    ['ÄB*', 'äbc', true],
    // What means something in other languages of patterns means itself.
    ['a.c', 'abc', false],
    ['a?(b)+[c]*', 'a?(b)+[c]', true],
  ])('%s and "%s": %s', (text, name, fits) => expect(roles([pattern(text)], name)).toEqual(fits ? ['r'] : []))

  test('takes no time that grows beyond pattern and name', () => {
    // By backtracking it would not come to an end.
    expect(roles([pattern(`${'*a'.repeat(149)}b`)], 'a'.repeat(2_000))).toEqual([])
  })
})

test('a group may have several roles, and one that is called nothing has those of its externalId', () => {
  const rules: RoleRule[] = [
    { group: { displayName: 'SALES' }, role: 'one' },
    { group: { externalId: 'X' }, role: 'two' },
    pattern('s*'),
    { everyGroup: true },
  ]
  expect(roles(rules, 'Sales', 'X')).toEqual(['one', 'two', 'r', 'sales'])
  expect(roles(rules, null, 'X')).toEqual(['two'])
  expect(roles(rules, 'sales', 'x')).toEqual(['one', 'r', 'sales'])
})

test.each([
  ['Sales EU', 'sales-eu'],
  ['  sales__EU!! ', 'sales-eu'],
  ['ＳＡＬＥＳ', 'sales'],
  ['Ünï', 'ünï'],
  ['営業 部', '営業-部'],
  ['***', ''],
  ['a'.repeat(300), 'a'.repeat(200)],
  [`${'a'.repeat(199)} b`, 'a'.repeat(199)],
])('the name "%s" makes the key "%s"', (name, key) => {
  expect(roleKeyOf(name)).toBe(key)
  expect(roleKeyOf(key)).toBe(key)
})

test('a rule is the same for as long as it says the same', () => {
  const name = (rule: RoleRule) => ruleNames([rule])[0]
  expect(name({ group: { displayName: 'Sales' }, role: 'r' })).toBe(
    name({ group: { displayName: 'SALES' }, role: 'r' }),
  )
  const others: RoleRule[] = [
    { group: { displayName: 'Sales' }, role: 'r' },
    { group: { displayName: 'Sales' }, role: 'q' },
    { group: { externalId: 'Sales' }, role: 'r' },
    { group: { externalId: 'SALES' }, role: 'r' },
    { group: { pattern: 'Sales' }, role: 'r' },
    { everyGroup: true },
  ]
  expect(new Set(others.map(name)).size).toBe(others.length)
})

test.each<[string, unknown]>([
  ['two ways to name a group', { group: { displayName: 'a', externalId: 'b' }, role: 'r' }],
  ['none', { group: {}, role: 'r' }],
  ['no role', { group: { displayName: 'a' } }],
  ['a role with spaces', { group: { displayName: 'a' }, role: 'r s' }],
  ['an empty pattern', { group: { pattern: '' }, role: 'r' }],
  ['a control character', { group: { displayName: 'a\u0000' }, role: 'r' }],
  ['half a character', { group: { displayName: '\ud800' }, role: 'r' }],
  ['everyGroup and a role', { everyGroup: true, role: 'r' }],
  ['not every group', { everyGroup: false }],
])('%s is no rule, and it is said why', (_, rule) => {
  const { success, error } = roleRule.safeParse(rule)
  expect(success).toBe(false)
  expect(error?.issues.map(({ message }) => message)).not.toContain('Invalid input')
})
