import { describe, expect, test } from 'vitest'
import { deviationsOf } from '../../../src/scim/deviations/index.ts'
import type { Mode } from '../../../src/scim/deviations/mode.ts'
import type { JsonValue } from '../../../src/scim/resource.ts'
import type { Attribute } from '../../../src/scim/schema/attribute.ts'
import { bodyRules, checkValue, MAX_VALUES, sameValue } from '../../../src/scim/schema/values.ts'
import { BADGE, group, refusal, user } from '../patch/support.ts'

function attribute(name: string): Attribute {
  const found =
    user.core.get(name) ?? group.core.get(name) ?? user.extensionsByUrn.get(BADGE.toLowerCase())?.attributes.get(name)
  if (found === undefined) throw new Error(`no attribute ${name}`)
  return found
}

const check = (name: string, value: JsonValue, mode: Mode = 'standard') =>
  checkValue(attribute(name), value, name, bodyRules(deviationsOf(mode)))

describe('values that are taken as they are', () => {
  test.each<[string, string, JsonValue]>([
    ['A-08', 'active', false],
    ['A-09', 'badgenumber', 0],
    ['A-09', 'badgenumber', -3],
    ['A-09', 'clearance', 1.5],
    ['A-09', 'clearance', 2],
    ['A-10', 'issuedat', '2024-02-29T23:59:59.123+02:00'],
    ['A-11', 'photohash', 'QUJD'],
    ['A-11', 'photohash', 'QUI='],
    ['A-11', 'photohash', 'QUI'],
    ['A-11', 'photohash', ''],
    ['A-12', 'homepage', 'https://example.com/a?b=c#d'],
    ['A-12', 'homepage', '../Users/7'],
    ['A-12', 'homepage', 'https://example.com/münchen'],
    ['QUIRKS Entra: no trimming', 'displayname', '  Ann  '],
    ['an empty text is a value in a body', 'title', ''],
  ])('%s %s %j', (_, name, value) => expect(check(name, value, 'strict')).toBe(value))
})

describe('values of the wrong type are 400 invalidValue', () => {
  test.each<[string, string, JsonValue]>([
    ['A-08', 'active', 'yes'],
    ['A-08', 'active', 1],
    ['A-08', 'active', { value: false }],
    ['A-09', 'badgenumber', 7.5],
    ['A-09', 'badgenumber', '7'],
    ['A-09', 'badgenumber', 2 ** 53],
    ['A-09', 'clearance', '1.5'],
    ['A-09', 'clearance', Number.POSITIVE_INFINITY],
    ['A-10', 'issuedat', '2024-02-30T00:00:00Z'],
    ['A-10', 'issuedat', '2024-02-03'],
    ['A-10', 'issuedat', 1700000000],
    ['A-11', 'photohash', '***'],
    ['A-11', 'photohash', 'QUI=='],
    ['A-11', 'photohash', 'QUJDR'],
    ['A-12', 'homepage', 'two words'],
    ['E-05', 'username', 42],
    ['E-05', 'username', ['a']],
    ['E-05', 'username', { $ne: null }],
    ['U-01', 'username', ''],
    ['U-01', 'username', '   '],
    ['E-05', 'name', 'Barbara Jensen'],
    ['E-05', 'name', []],
    ['E-05', 'emails', 'h@example.com'],
    ['E-05', 'emails', [null]],
    ['E-05', 'emails', [[{ value: 'x' }]]],
    ['E-05', 'members', ['p1']],
    ['E-05', 'members', [{ value: 7 }]],
    ['E-05', 'members', [{}]],
    ['PAT-11 in a body: lenient only', 'emails', { value: 'x' }],
  ])('%s %s %j', (_, name, value) => expect(refusal(() => check(name, value))).toMatch(/^invalidValue: /))
})

test('E-05 the message says which value is wrong', () => {
  expect(refusal(() => check('emails', [{ value: 'a' }, { value: 1 }]))).toBe(
    'invalidValue: emails[1].value must be a string',
  )
})

describe('A-05 A-07 what counts as unassigned', () => {
  test.each<[string, JsonValue]>([
    ['title', null],
    ['emails', null],
    ['emails', []],
    ['emails', [{}]],
    ['emails', [{ value: null, type: null }]],
    ['name', {}],
    ['name', { givenName: null }],
  ])('%s %j', (name, value) => expect(check(name, value)).toBeUndefined())
})

test('A-02 sub-attributes get the spelling of the schema', () => {
  expect(check('name', { GIVENNAME: 'A', familyname: 'B' })).toEqual({ givenName: 'A', familyName: 'B' })
})

test('A-13 two primary values are refused, one false beside one true is kept', () => {
  const two = [
    { value: 'a', primary: true },
    { value: 'b', primary: true },
  ]
  expect(refusal(() => check('emails', two))).toContain('invalidValue')
  const one = [
    { value: 'a', primary: false },
    { value: 'b', primary: true },
  ]
  expect(check('emails', one)).toEqual(one)
})

test('U-13 a (type, value) pair is kept once, with all that its repeats say', () => {
  const repeated = [
    { value: 'A@example.com', type: 'work' },
    { value: 'a@example.com', type: 'WORK', primary: true },
    { value: 'a@example.com', type: 'home' },
    { value: 'a@example.com' },
  ]
  expect(check('emails', repeated)).toEqual([
    { value: 'a@example.com', type: 'WORK', primary: true },
    { value: 'a@example.com', type: 'home' },
    { value: 'a@example.com' },
  ])
  expect(check('tags', ['red', 'blue', 'RED'])).toEqual(['red', 'blue'])
})

test('U-13 addresses have no value to be told apart by, and all stay', () => {
  const two = [
    { type: 'work', country: 'DE' },
    { type: 'work', country: 'DE' },
  ]
  expect(check('addresses', two)).toEqual(two)
})

test('U-13 G-03 a member is named by its value alone, which is case exact', () => {
  const members = [{ value: 'a', type: 'User' }, { value: 'a', type: 'Group' }, { value: 'A' }]
  expect(check('members', members)).toEqual([{ value: 'a', type: 'Group' }, { value: 'A' }])
})

test('A-14 read-only sub-attributes are dropped', () => {
  const manager = user.extensionsByUrn
    .get('urn:ietf:params:scim:schemas:extension:enterprise:2.0:user')
    ?.attributes.get('manager')
  if (manager === undefined) throw new Error('no manager')
  const rules = bodyRules(deviationsOf('strict'))
  expect(checkValue(manager, { value: 'm1', displayName: 'Boss' }, 'manager', rules)).toEqual({ value: 'm1' })
  expect(checkValue(manager, { displayName: 'Boss' }, 'manager', rules)).toBeUndefined()
})

test('H-12 an attribute holds a bounded number of values, members any number (G-08)', () => {
  const list = (length: number) => Array.from({ length }, (_, index) => ({ value: `v${index}` }))
  expect(check('emails', list(MAX_VALUES))).toHaveLength(MAX_VALUES)
  expect(refusal(() => check('emails', list(MAX_VALUES + 1)))).toContain('invalidValue')
  expect(check('members', list(100_000))).toHaveLength(100_000)
})

test('names of Object.prototype are unknown names like any other', () => {
  const hostile: JsonValue = JSON.parse('{"givenName":"A","__proto__":{"familyName":"x"},"constructor":"y"}')
  const checked = check('name', hostile)
  expect(checked).toEqual({ givenName: 'A' })
  expect(Object.getPrototypeOf(checked)).toBe(Object.prototype)
  expect(refusal(() => check('name', hostile, 'strict'))).toContain('invalidSyntax')
})

describe('C-10 sameValue', () => {
  test.each<[JsonValue, JsonValue, boolean]>([
    [{ a: 1, b: { c: [1, 2], d: null } }, { b: { d: null, c: [1, 2] }, a: 1 }, true],
    [[1, 2], [2, 1], false],
    [{ a: 1 }, { a: 1, b: 2 }, false],
    [{ a: 1 }, { b: 1 }, false],
    [[], {}, false],
    [0, false, false],
    [null, {}, false],
  ])('%j and %j: %s', (a, b, same) => expect(sameValue(a, b)).toBe(same))
})
