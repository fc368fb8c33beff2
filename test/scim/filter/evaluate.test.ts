import { describe, expect, test } from 'vitest'
import { bindFilter, resolveAttribute, resolvePatchFilter } from '../../../src/scim/filter/bind.ts'
import { evaluate, evaluateElement } from '../../../src/scim/filter/evaluate.ts'
import { parseAttributePath, parseFilter } from '../../../src/scim/filter/parse.ts'
import type { JsonObject, JsonValue } from '../../../src/scim/resource.ts'
import { searchDocument, searchElement } from '../../../src/scim/search-document.ts'
import { BADGE, none, user } from './types.ts'

const matches = (text: string, resource: JsonObject) =>
  evaluate(bindFilter(parseFilter(text, none), user), searchDocument(user, resource))

describe('Q-19 ne', () => {
  const emails = (...values: JsonValue[]) => ({ emails: values })
  test.each<[string, JsonObject, boolean]>([
    ['title ne "a"', {}, true],
    ['title ne "a"', { title: 'b' }, true],
    ['title ne "a"', { title: 'A' }, false],
    ['name.givenName ne "a"', {}, true],
    ['name.givenName ne "a"', { name: { familyName: 'a' } }, true],
    ['name.givenName ne "a"', { name: { givenName: 'a' } }, false],
    ['emails.type ne "work"', {}, true],
    ['emails.type ne "work"', emails({ type: 'work' }), false],
    ['emails.type ne "work"', emails({ type: 'work' }, { type: 'home' }), true],
    ['emails.type ne "work"', emails({ type: 'work' }, { value: 'x' }), true],
    ['emails[type ne "work"]', {}, false],
    ['emails[type ne "work"]', emails({ type: 'work' }), false],
    ['emails[type ne "work"]', emails({ type: 'work' }, { value: 'x' }), true],
    ['tags ne "red"', { [BADGE]: { tags: ['Red'] } }, false],
    ['tags ne "red"', { [BADGE]: { tags: ['Red', 'blue'] } }, true],
    ['tags ne "red"', {}, true],
    ['not (emails.type eq "work")', emails({ type: 'work' }, { type: 'home' }), false],
  ])('%s on %j is %s', (text, resource, answer) => expect(matches(text, resource)).toBe(answer))
})

describe('Q-14, Q-15, Q-18 one value, any value, no value', () => {
  const two = {
    emails: [
      { type: 'work', value: 'a@x' },
      { type: 'home', value: 'b@x', primary: false },
    ],
  }
  test.each<[string, JsonObject, boolean]>([
    ['emails.type eq "work" and emails.value eq "b@x"', two, true],
    ['emails[type eq "work" and value eq "b@x"]', two, false],
    ['emails[type eq "home" and value eq "b@x"]', two, true],
    ['emails.primary pr', two, true],
    ['emails.display pr', two, false],
    ['emails.display pr', { emails: [{ value: 'a', display: '' }] }, false],
    ['emails pr', { emails: [{ value: '' }] }, false],
    ['name pr', { name: { givenName: null } }, false],
    ['badgeNumber pr', { [BADGE]: { badgeNumber: 0 } }, true],
    ['title eq "a" or active eq false', { active: false }, true],
    ['title eq "a"', {}, false],
    ['badgeNumber lt 8', {}, false],
  ])('%s on %j is %s', (text, resource, answer) => expect(matches(text, resource)).toBe(answer))
})

describe('Q-12, S-05 strings compare by code point, case folded unless case exact', () => {
  test.each<[string, string, string, boolean]>([
    ['title', 'gt "\u{ffff}"', '\u{1f600}', true],
    ['title', 'lt "\u{1f600}"', '\u{ffff}', true],
    ['title', 'ge "ab"', 'AB', true],
    ['title', 'gt "ab"', 'abc', true],
    ['title', 'le "ab"', 'a', true],
    ['title', 'lt "b"', 'Z', false],
    ['externalId', 'lt "b"', 'Z', true],
    ['title', 'co "É"', 'cafe\u0301s', true],
    ['title', 'sw "ΟΔΟΣ"', 'οδοσημα', true],
    ['title', 'co ""', 'x', true],
    ['title', 'ew "%"', 'x', false],
    ['title', 'sw "_"', 'x', false],
  ])('%s %s for %j is %s', (name, rest, value, answer) => {
    expect(matches(`${name} ${rest}`, { [name]: value })).toBe(answer)
  })
})

test('names inherited from Object.prototype are no values', () => {
  expect(evaluate(bindFilter(parseFilter('title pr', none), user), Object.create({ title: 'inherited' }))).toBe(false)
})

test('evaluateElement chooses values for PATCH', () => {
  const choose = (attribute: string, text: string, element: JsonValue) => {
    const ref = resolveAttribute(user, parseAttributePath(attribute) ?? fail())
    if (ref === undefined) return fail()
    const comparable = searchElement(ref.attribute, element) ?? {}
    return evaluateElement(resolvePatchFilter(parseFilter(text, none), ref, none), comparable)
  }
  const work = { type: 'Work', value: 'A@x' }
  expect(choose('emails', 'type eq "work" and value sw "a@"', work)).toBe(true)
  expect(choose('emails', 'type eq "home"', work)).toBe(false)
  expect(choose('emails', 'primary ne true and not (display pr)', work)).toBe(true)
  expect(choose('emails', 'value pr', { value: '' })).toBe(false)
  expect(choose('emails', 'type ne "work"', {})).toBe(true)
  expect(choose('tags', 'value eq "RED"', 'Red')).toBe(true)
  expect(choose('tags', 'value ne "RED"', 'Red')).toBe(false)
})

function fail(): never {
  throw new Error('not an attribute')
}
