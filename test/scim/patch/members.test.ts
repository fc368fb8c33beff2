import { describe, expect, test } from 'vitest'
import { deviationsOf } from '../../../src/scim/deviations/index.ts'
import type { Mode } from '../../../src/scim/deviations/mode.ts'
import { applyMembership, splitMembership } from '../../../src/scim/patch/members.ts'
import { parsePatch } from '../../../src/scim/patch/parse.ts'
import type { JsonObject, JsonValue } from '../../../src/scim/resource.ts'
import { GROUP_SCHEMA, group, message, refusal, user } from './support.ts'

function split(operations: JsonValue[], mode: Mode = 'standard') {
  const deviations = deviationsOf(mode)
  return splitMembership(group, parsePatch(message(...operations), deviations), deviations)
}
const steps = (...operations: JsonValue[]) => split(operations).membership
const change = (add: string[], remove: string[] = [], clear = false) => ({ kind: 'change', clear, add, remove })
const m = (...ids: string[]) => ids.map((value) => ({ value }))

describe('G-08 operations on members become steps', () => {
  test.each<[string, JsonObject, object[]]>([
    ['add a list', { op: 'add', path: 'members', value: m('a', 'b') }, [change(['a', 'b'])]],
    ['PAT-11 add one object', { op: 'add', path: 'members', value: { value: 'a' } }, [change(['a'])]],
    ['add by its full name', { op: 'add', path: `${GROUP_SCHEMA}:MEMBERS`, value: m('a') }, [change(['a'])]],
    ['add an empty list', { op: 'add', path: 'members', value: [] }, []],
    ['add null', { op: 'add', path: 'members', value: null }, []],
    ['PAT-12 the same twice', { op: 'add', path: 'members', value: m('a', 'a') }, [change(['a'])]],
    ['PAT-14 add by a filter', { op: 'add', path: 'members[value eq "a"]', value: { type: 'User' } }, [change(['a'])]],
    ['add without path', { op: 'add', value: { members: m('a') } }, [change(['a'])]],
    ['add without path, any spelling', { op: 'add', value: { [`${GROUP_SCHEMA}:Members`]: m('a') } }, [change(['a'])]],
    [
      'G-10 display, $ref and type are taken',
      { op: 'add', path: 'members', value: [{ value: 'a', display: 'Ann', $ref: null, type: 'User' }] },
      [{ ...change(['a']), displays: new Map([['a', 'Ann']]) }],
    ],
    ['PAT-22 replace', { op: 'replace', path: 'members', value: m('a') }, [change(['a'], [], true)]],
    ['PAT-22 replace with nothing empties', { op: 'replace', path: 'members', value: [] }, [change([], [], true)]],
    ['PAT-22 replace with null empties', { op: 'replace', path: 'members', value: null }, [change([], [], true)]],
    ['Okta: replace without path empties', { op: 'replace', value: { members: [] } }, [change([], [], true)]],
    ['PAT-17 remove without value empties', { op: 'remove', path: 'members' }, [change([], [], true)]],
    ['PAT-20 remove with a list', { op: 'remove', path: 'members', value: m('a', 'b') }, [change([], ['a', 'b'])]],
    ['PAT-20 remove with one object', { op: 'remove', path: 'members', value: { value: 'a' } }, [change([], ['a'])]],
    ['PAT-20 remove with an empty list', { op: 'remove', path: 'members', value: [] }, []],
    ['remove by a filter', { op: 'remove', path: 'members[value eq "a"]' }, [change([], ['a'])]],
    [
      'remove by an or-chain',
      { op: 'remove', path: 'members[value eq "a" or (value eq "b" or value eq "c")]' },
      [change([], ['a', 'b', 'c'])],
    ],
  ])('%s', (_, operation, expected) => {
    expect(split([operation])).toEqual({ operations: [], membership: expected })
  })

  test.each([
    'members[type eq "Group"]',
    'members[not (value eq "a")]',
    'members[value eq "a" and type eq "User"]',
    'members[value sw "a"]',
  ])('%s needs a look at the members', (path) =>
    expect(steps({ op: 'remove', path })).toMatchObject([{ kind: 'removeWhere' }]),
  )
})

describe('G-09 PAT-04 operations in a row come to their net effect', () => {
  const add = (...ids: string[]) => ({ op: 'add', path: 'members', value: m(...ids) })
  const remove = (...ids: string[]) => ({ op: 'remove', path: 'members', value: m(...ids) })
  const clear = { op: 'remove', path: 'members' }
  test.each<[string, JsonValue[], object[]]>([
    ['add, remove', [add('a', 'b'), remove('a')], [change(['b'], ['a'])]],
    ['remove, add', [remove('a'), add('a')], [change(['a'])]],
    ['add, clear, add', [add('a', 'b'), clear, add('b', 'c')], [change(['b', 'c'], [], true)]],
    ['clear, remove', [clear, remove('a')], [change([], [], true)]],
    ['remove, clear', [remove('a'), clear], [change([], [], true)]],
  ])('%s', (_, operations, expected) => expect(steps(...operations)).toEqual(expected))

  test('a filter stands between what is before and after it', () => {
    const filter = { op: 'remove', path: 'members[type eq "Group"]' }
    expect(steps(add('a'), filter, remove('a'), add('b'))).toMatchObject([
      change(['a']),
      { kind: 'removeWhere' },
      change(['b'], ['a']),
    ])
  })
})

test('what is not about members is left, in order and without them', () => {
  const { operations, membership } = split([
    { op: 'replace', path: 'displayName', value: 'A' },
    { op: 'replace', value: { id: 'g1', displayName: 'B', members: m('a') } },
    { op: 'add', path: 'members', value: m('b') },
    { op: 'add', path: 'externalId', value: 'x' },
  ])
  expect(operations.map(({ index, value }) => [index, value])).toEqual([
    [0, 'A'],
    [1, { id: 'g1', displayName: 'B' }],
    [3, 'x'],
  ])
  expect(membership).toEqual([change(['a', 'b'], [], true)])
})

test('a type without members is left alone', () => {
  const deviations = deviationsOf('standard')
  const operations = parsePatch(message({ op: 'add', path: 'members', value: m('a') }), deviations)
  expect(splitMembership(user, operations, deviations)).toEqual({ operations, membership: [] })
})

describe('what is refused, before anything is read', () => {
  test.each<[string, JsonObject, string]>([
    ['G-04 a part of a member', { op: 'replace', path: 'members[value eq "a"].value', value: 'b' }, 'mutability'],
    ['G-04 a part is removed', { op: 'remove', path: 'members[value eq "a"].display' }, 'mutability'],
    ['G-04 a part of all', { op: 'add', path: 'members.value', value: 'b' }, 'mutability'],
    ['G-04 a part of all is removed', { op: 'remove', path: 'members.value' }, 'mutability'],
    ['G-04 a member swapped', { op: 'replace', path: 'members[value eq "a"]', value: { value: 'b' } }, 'mutability'],
    ['G-04 added under another id', { op: 'add', path: 'members[value eq "a"]', value: { value: 'b' } }, 'mutability'],
    ['PAT-14 added by no id', { op: 'add', path: 'members[type eq "User"]', value: { display: 'x' } }, 'noTarget'],
    ['G-03 a bare string', { op: 'add', path: 'members', value: ['a'] }, 'invalidValue'],
    ['G-03 a number', { op: 'add', path: 'members', value: [{ value: 7 }] }, 'invalidValue'],
    ['G-03 no value', { op: 'add', path: 'members', value: [{}] }, 'invalidValue'],
    ['G-03 an empty value', { op: 'add', path: 'members', value: [{ value: '' }] }, 'invalidValue'],
    ['G-03 remove of no member', { op: 'remove', path: 'members', value: [{ type: 'User' }] }, 'invalidValue'],
    ['G-03 null among members', { op: 'add', path: 'members', value: [null] }, 'invalidValue'],
    ['A-19 an unknown part', { op: 'add', path: 'members', value: [{ value: 'a', role: 'x' }] }, 'invalidSyntax'],
    ['A-19 an unknown part in the path', { op: 'remove', path: 'members[value eq "a"].role' }, 'invalidPath'],
    ['PAT-08 an unknown part in the filter', { op: 'remove', path: 'members[role eq "a"]' }, 'invalidFilter'],
  ])('%s', (_, operation, scimType) =>
    expect(refusal(() => split([operation]))).toMatch(new RegExp(`^${scimType}: Operations\\[0\\]: `)),
  )

  test('lenient tenants ignore unknown parts, and empty texts name no member', () => {
    const add = (value: JsonObject) => () =>
      split([{ op: 'add', path: 'members', value: [value] }], 'lenient').membership
    expect(add({ value: 'a', displayName: 'Ann' })()).toEqual([change(['a'])])
    expect(refusal(add({ value: '', display: 'Ann' }))).toContain('invalidValue')
  })

  test('IOP-03 interop: by value list only', () => {
    expect(refusal(() => split([{ op: 'remove', path: 'members[value eq "a"]' }], 'interop'))).toContain('invalidPath')
    expect(split([{ op: 'remove', path: 'members', value: m('a') }], 'interop').membership).toEqual([change([], ['a'])])
  })
})

test('G-08 a hundred thousand values and a thousand operations take linear time', () => {
  const ids = Array.from({ length: 100_000 }, (_, index) => `member-${index}`)
  const [step] = steps({ op: 'add', path: 'members', value: m(...ids) })
  expect(step).toEqual(change(ids))
  const many = ids.slice(0, 1_000).map((id) => ({ op: 'remove', path: `members[value eq "${id}"]` }))
  expect(steps(...many)).toEqual([change([], ids.slice(0, 1_000))])
})

test('applyMembership follows the steps in order', () => {
  const current = new Map([
    ['u1', { type: 'User' }],
    ['g2', { type: 'Group' }],
  ])
  const known = new Map([['g3', { type: 'Group' }]])
  const after = (...operations: JsonValue[]) => [...applyMembership(steps(...operations), current, known).keys()]
  const groups = { op: 'remove', path: 'members[type eq "group"]' }
  const add = { op: 'add', path: 'members', value: m('g3', 'u4') }
  expect(after(groups, add)).toEqual(['u1', 'g3', 'u4'])
  expect(after(add, groups)).toEqual(['u1', 'u4'])
  expect(after({ op: 'replace', path: 'members', value: m('u1') })).toEqual(['u1'])
  expect([...current.keys()]).toEqual(['u1', 'g2'])
})
