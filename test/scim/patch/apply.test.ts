import { describe, expect, test } from 'vitest'
import { MODES } from '../../../src/scim/deviations/mode.ts'
import type { JsonObject, JsonValue } from '../../../src/scim/resource.ts'
import { aUser, BADGE, ENTERPRISE, patched, refusal, USER_SCHEMA, user } from './support.ts'

const work = { value: 'w@example.com', type: 'work' }
const home = { value: 'h@example.com', type: 'home', primary: true }
const emails = (stored: JsonValue[], ...operations: JsonObject[]) =>
  patched(aUser({ emails: stored }), operations).resource.emails

describe('PAT-12 PAT-13 C-10 operations that change nothing', () => {
  const stored = aUser({
    title: 'Guide',
    emails: [work, home],
    name: { givenName: 'A', familyName: 'B' },
    [ENTERPRISE]: { manager: { value: 'm1' } },
  })
  test.each<[string, JsonObject]>([
    ['add of a single value', { op: 'add', path: 'title', value: 'Guide' }],
    ['replace by the same', { op: 'replace', path: 'title', value: 'Guide' }],
    [
      'members of an object in another order',
      { op: 'replace', path: 'name', value: { familyName: 'B', givenName: 'A' } },
    ],
    ['add of a value named by a part of it', { op: 'add', path: 'emails', value: { value: 'H@EXAMPLE.com' } }],
    ['primary false is no primary', { op: 'add', path: 'emails', value: [{ ...work, primary: false }] }],
    ['replace by the same list', { op: 'replace', path: 'emails', value: [work, home] }],
    ['add of an empty list', { op: 'add', path: 'emails', value: [] }],
    ['remove of named values that are not there', { op: 'remove', path: 'emails', value: [{ value: 'x' }] }],
    ['remove of no named value', { op: 'remove', path: 'emails', value: [] }],
    ['remove of what is not there', { op: 'remove', path: 'nickName' }],
    ['remove of a part that is not there', { op: 'remove', path: 'emails[type eq "work"].display' }],
    ['an empty value object', { op: 'replace', value: {} }],
    ['the id it has', { op: 'replace', value: { ID: 'u1' } }],
    ['read-only attributes', { op: 'add', value: { meta: { version: 'x' }, groups: [{ value: 'g' }] } }],
    ['the schemas it has', { op: 'replace', value: { schemas: [USER_SCHEMA, ENTERPRISE] } }],
    ['the manager it has', { op: 'replace', path: `${ENTERPRISE}:manager.value`, value: 'm1' }],
  ])('%s', (_, operation) => {
    const { resource, changed } = patched(stored, [operation])
    expect(changed).toBe(false)
    expect(resource).toBe(stored)
  })
})

test('PAT-04 C-10 operations that undo each other change nothing', () => {
  const operations = [
    { op: 'add', path: 'title', value: 'x' },
    { op: 'remove', path: 'title' },
  ]
  expect(patched(aUser(), operations).changed).toBe(false)
})

describe('PAT-13 U-13 add to a multi-valued attribute', () => {
  test('the same (type, value) pair is completed, not doubled', () => {
    expect(emails([work], { op: 'add', path: 'emails', value: { ...work, display: 'Work' } })).toEqual([
      { ...work, display: 'Work' },
    ])
  })
  test('the same value with another type is another value', () => {
    expect(emails([work], { op: 'add', path: 'emails', value: { ...work, type: 'home' } })).toHaveLength(2)
  })
  test('values without `value` are there already when every part given is', () => {
    const stored = aUser({ addresses: [{ type: 'work', locality: 'Berlin', country: 'DE' }] })
    const add = (value: JsonValue) => patched(stored, [{ op: 'add', path: 'addresses', value }])
    expect(add([{ type: 'work', locality: 'berlin' }]).changed).toBe(false)
    expect(add([{ type: 'work', locality: 'Bonn' }]).resource.addresses).toHaveLength(2)
  })
  test('H-12 it stays bounded over operations', () => {
    const list = (from: number) => Array.from({ length: 600 }, (_, index) => ({ value: `v${from + index}` }))
    const add = (from: number) => ({ op: 'add', path: 'emails', value: list(from) })
    expect(refusal(() => patched(aUser(), [add(0), add(600)]))).toContain('invalidValue')
  })
})

describe('PAT-20 remove with a value', () => {
  test('removes the values that are named, by all the parts given', () => {
    const stored = [work, home, { value: 'w@example.com', type: 'other' }]
    const remove = (value: JsonValue) => emails(stored, { op: 'remove', path: 'emails', value })
    expect(remove([{ value: 'W@example.com', type: 'work' }])).toEqual([home, stored[2]])
    expect(remove({ value: 'w@example.com' })).toEqual([home])
    expect(remove([{ type: 'home' }])).toEqual([work, stored[2]])
    expect(remove([{ type: null }])).toEqual(stored)
  })
})

describe('PAT-27 A-13 one primary value', () => {
  test('the new one takes the mark, also by way of a filter', () => {
    const set = { op: 'replace', path: 'emails[type eq "work"].primary', value: true }
    expect(emails([work, home], set)).toEqual([
      { ...work, primary: true },
      { value: home.value, type: 'home' },
    ])
    const swap = { op: 'replace', path: 'emails[type eq "work"]', value: { value: 'n', primary: true } }
    expect(emails([work, home], swap)).toEqual([
      { value: 'n', primary: true },
      { value: home.value, type: 'home' },
    ])
  })
  test('one operation cannot mark two', () => {
    const all = { op: 'replace', path: 'emails.primary', value: true }
    expect(refusal(() => emails([work, home], all))).toContain('invalidValue')
  })
  test('an operation on another part leaves the mark alone', () => {
    expect(emails([work, home], { op: 'replace', path: 'emails.display', value: 'x' })).toEqual([
      { ...work, display: 'x' },
      { ...home, display: 'x' },
    ])
  })
})

describe('PAT-14 PAT-26 a filter that matches nothing', () => {
  test.each<[string, JsonValue, JsonValue[] | 'noTarget']>([
    ['emails[type eq "other" and display eq "X"].value', 'n', [work, { type: 'other', display: 'X', value: 'n' }]],
    ['emails[type eq "other"]', { value: 'n' }, [work, { type: 'other', value: 'n' }]],
    ['emails[type eq "other"].value', null, [work]],
    ['emails[type ne "work"].value', 'n', 'noTarget'],
    ['emails[not (type eq "work")].value', 'n', 'noTarget'],
    ['emails[type eq "a" or type eq "b"].value', 'n', 'noTarget'],
  ])('add %s', (path, value, outcome) => {
    const run = () => emails([work], { op: 'add', path, value })
    if (outcome === 'noTarget') expect(refusal(run)).toContain('noTarget')
    else expect(run()).toEqual(outcome)
  })

  test('a created primary value takes the mark', () => {
    const add = { op: 'add', path: 'emails[type eq "other" and primary eq true].value', value: 'n' }
    expect(emails([home], add)).toEqual([
      { value: home.value, type: 'home' },
      { type: 'other', primary: true, value: 'n' },
    ])
  })

  test('lenient replace with nothing creates nothing', () => {
    for (const value of ['', null]) {
      const operation = { op: 'replace', path: 'emails[type eq "other"].value', value }
      expect(patched(aUser({ emails: [work] }), [operation], 'lenient').changed).toBe(false)
    }
  })
})

describe('PAT-25 PAT-17 values chosen by a filter', () => {
  test('add merges into the match, replace swaps it, remove of the last part drops it', () => {
    const value = { display: 'W' }
    expect(emails([work], { op: 'add', path: 'emails[type eq "work"]', value })).toEqual([{ ...work, display: 'W' }])
    expect(emails([work], { op: 'replace', path: 'emails[type eq "work"]', value })).toEqual([value])
    expect(emails([{ type: 'x' }, work], { op: 'remove', path: 'emails[type eq "x"].type' })).toEqual([work])
    expect(emails([work], { op: 'replace', path: 'emails[type eq "work"]', value: null })).toBeUndefined()
  })
  test('PAT-33 simple values go by the name value', () => {
    const stored = aUser({ [BADGE]: { tags: ['red', 'blue'] } })
    const tags = (operation: JsonObject) => patched(stored, [operation]).resource[BADGE]
    const path = `${BADGE}:tags[value eq "RED"]`
    expect(tags({ op: 'replace', path, value: 'green' })).toEqual({ tags: ['green', 'blue'] })
    expect(tags({ op: 'add', path, value: 'green' })).toEqual({ tags: ['red', 'blue', 'green'] })
    expect(tags({ op: 'remove', path: `${BADGE}:tags`, value: ['BLUE'] })).toEqual({ tags: ['red'] })
  })
})

describe('PAT-30 C-01 extensions', () => {
  test('the URN alone names the whole extension, as path and as key', () => {
    const stored = aUser({ [ENTERPRISE]: { department: 'S', division: 'W' } })
    const set = { op: 'replace', path: ENTERPRISE, value: { DEPARTMENT: 'T' } }
    expect(patched(stored, [set], 'strict').resource[ENTERPRISE]).toEqual({ department: 'T', division: 'W' })
    const cleared = [
      { op: 'remove', path: ENTERPRISE },
      { op: 'replace', value: { [ENTERPRISE.toUpperCase()]: null } },
    ]
    for (const operation of cleared) {
      const { resource } = patched({ ...stored, schemas: [USER_SCHEMA, ENTERPRISE] }, [operation])
      expect(resource).toEqual(aUser())
    }
  })
  test('A-04 an unqualified name means the only extension that has it', () => {
    const { resource } = patched(aUser(), [{ op: 'add', path: 'badgeNumber', value: 7 }], 'strict')
    expect(resource).toEqual(aUser({ schemas: [USER_SCHEMA, BADGE], [BADGE]: { badgeNumber: 7 } }))
  })
})

describe('what is refused', () => {
  test.each<[string, JsonObject, string]>([
    ['PAT-16 remove without path', { op: 'remove' }, 'noTarget'],
    ['PAT-18 remove of schemas', { op: 'remove', path: 'schemas' }, 'mutability'],
    ['C-02 unknown URN in schemas', { op: 'add', value: { schemas: ['urn:x:y'] } }, 'invalidValue'],
    ['PAT-28 a read-only part', { op: 'add', path: `${ENTERPRISE}:manager.displayName`, value: 'B' }, 'mutability'],
    ['PAT-29 another id', { op: 'add', value: { Id: 'u2' } }, 'mutability'],
    ['PAT-29 another id by its full name', { op: 'add', value: { [`${USER_SCHEMA}:id`]: 'u2' } }, 'mutability'],
    ['PAT-08 brackets on one value', { op: 'remove', path: 'name[givenName eq "A"]' }, 'invalidPath'],
    ['PAT-08 unknown part', { op: 'remove', path: 'name.nosuch' }, 'invalidPath'],
    ['PAT-08 unknown part behind brackets', { op: 'remove', path: 'emails[type eq "work"].nosuch' }, 'invalidPath'],
    ['PAT-08 unknown part between brackets', { op: 'remove', path: 'emails[nosuch eq "x"]' }, 'invalidFilter'],
    ['PAT-32 a value that is no object', { op: 'add', path: 'emails[type eq "work"]', value: 'x' }, 'invalidValue'],
    ['U-01 a blank userName', { op: 'replace', value: { userName: ' ' } }, 'invalidValue'],
    ['PAT-31 a dotted key', { op: 'replace', value: { 'name.givenName': 'A' } }, 'invalidSyntax'],
    ['A-19 an unknown key', { op: 'replace', value: { nosuch: 'A' } }, 'invalidSyntax'],
    ['A-19 an unknown key in an extension', { op: 'add', value: { [ENTERPRISE]: { nosuch: 1 } } }, 'invalidSyntax'],
  ])('%s', (_, operation, scimType) =>
    expect(refusal(() => patched(aUser({ emails: [work] }), [operation]))).toMatch(new RegExp(`^${scimType}: `)),
  )
})

describe('names of Object.prototype are unknown names in every mode', () => {
  test.each(['toString', 'toString.nickName', 'valueOf', 'emails.constructor', 'hasOwnProperty', '__proto__.nickName'])(
    '%s',
    (path) => {
      for (const mode of MODES) {
        const scimType = mode === 'interop' && !path.startsWith('_') ? 'invalidSyntax' : 'invalidPath'
        expect(refusal(() => patched(aUser(), [{ op: 'add', path, value: 'x' }], mode))).toContain(scimType)
      }
    },
  )
  test('as keys of a value they change nothing', () => {
    const value: JsonValue = JSON.parse('{"__proto__":{"nickName":"x"},"constructor.prototype.title":"x","title":"T"}')
    const { resource } = patched(aUser(), [{ op: 'add', value }], 'lenient')
    expect(resource).toEqual(aUser({ title: 'T' }))
    expect({}).not.toHaveProperty('nickName')
  })
})

test('PAT-05 a refusal in the last operation leaves the resource as it was', () => {
  const stored = aUser({ emails: [work, home], [ENTERPRISE]: { department: 'S' } })
  const copy = structuredClone(stored)
  const operations = [
    { op: 'replace', path: 'emails.display', value: 'x' },
    { op: 'remove', path: `${ENTERPRISE}:department` },
    { op: 'replace', path: 'active', value: 'neither' },
  ]
  expect(refusal(() => patched(stored, operations))).toBe('invalidValue: Operations[2]: active must be true or false')
  expect(stored).toEqual(copy)
})

test('A-15 immutable: what counts is where the operations lead', () => {
  const serial = `${BADGE}:serial`
  const stored = aUser({ [BADGE]: { serial: 'S-1', badgeNumber: 1 } })
  const again = [
    { op: 'remove', path: serial },
    { op: 'add', path: serial, value: 'S-1' },
  ]
  expect(patched(stored, again).changed).toBe(false)
  expect(refusal(() => patched(stored, [{ op: 'remove', path: BADGE }]))).toContain('mutability')
})

test('the address of the old manager goes with it', () => {
  const stored = aUser({ [ENTERPRISE]: { manager: { value: 'm1', $ref: '../Users/m1' } } })
  const manager = (operation: JsonObject) => patched(stored, [operation]).resource[ENTERPRISE]
  const path = `${ENTERPRISE}:manager`
  expect(manager({ op: 'replace', path: `${path}.value`, value: 'm2' })).toEqual({ manager: { value: 'm2' } })
  expect(manager({ op: 'replace', path, value: { value: 'm2' } })).toEqual({ manager: { value: 'm2' } })
  expect(manager({ op: 'replace', path, value: { $ref: '../Users/m2', value: 'm2' } })).toEqual({
    manager: { value: 'm2', $ref: '../Users/m2' },
  })
})

test('U-04 a password that is set is in the result, and counts as a change', () => {
  const { resource, changed } = patched(aUser(), [{ op: 'replace', value: { password: 's3cret' } }])
  expect([resource.password, changed]).toEqual(['s3cret', true])
})

describe('interop', () => {
  const run = (operation: JsonObject) =>
    patched(aUser({ emails: [work, { ...work, value: 'x' }] }), [operation], 'interop')
  test('IOP-03 brackets need a sub-attribute and one match', () => {
    expect(refusal(() => run({ op: 'remove', path: 'emails[type eq "work"]' }))).toContain('invalidPath')
    const several = { op: 'replace', path: 'emails[type eq "work"].display', value: 'x' }
    expect(refusal(() => run(several))).toContain('invalidFilter')
    const one = { op: 'replace', path: 'emails[value eq "x"].display', value: 'X' }
    expect(run(one).resource.emails).toEqual([work, { ...work, value: 'x', display: 'X' }])
  })
  test('IOP-04 replace swaps a complex attribute whole, add merges', () => {
    const name = (op: string) =>
      patched(
        aUser({ name: { givenName: 'A', familyName: 'B' } }),
        [{ op, path: 'name', value: { givenName: 'C' } }],
        'interop',
      ).resource.name
    expect(name('replace')).toEqual({ givenName: 'C' })
    expect(name('add')).toEqual({ givenName: 'C', familyName: 'B' })
  })
  test('IOP-05 unknown attributes are invalidSyntax', () => {
    expect(refusal(() => run({ op: 'add', path: 'nosuch', value: 'x' }))).toContain('invalidSyntax')
  })
})

describe('7644 §7.7 one message costs a bounded amount of work', () => {
  const many = Array.from({ length: 1_000 }, (_, index) => ({ formatted: `street ${index}` }))
  const stored = aUser({ addresses: many })
  test('a thousand filters over a thousand values', () => {
    const path = `addresses[${Array.from({ length: 100 }, (_, index) => `formatted eq "x${index}"`).join(' or ')}]`
    const operations = Array.from({ length: 1_000 }, () => ({ op: 'remove', path }))
    expect(refusal(() => patched(stored, operations))).toContain('tooMany')
  })
  test('long lists compared value by value', () => {
    const operations = Array.from({ length: 20 }, () => ({ op: 'add', path: 'addresses', value: many }))
    expect(refusal(() => patched(stored, operations))).toContain('tooMany')
  })
  test('a thousand operations on an ordinary user pass', () => {
    const operations = Array.from({ length: 1_000 }, (_, index) => ({
      op: 'replace',
      path: 'emails[type eq "work"].value',
      value: `${index}@example.com`,
    }))
    expect(patched(aUser({ emails: [work, home] }), operations).resource.emails).toEqual([
      { ...work, value: '999@example.com' },
      home,
    ])
  })
})

test('a stored resource that lacks what its schema came to require can still be deactivated', () => {
  const { userName: _, ...nameless } = aUser({ active: true })
  expect(patched(nameless, [{ op: 'replace', path: 'active', value: false }]).resource.active).toBe(false)
  expect(user.core.get('username')?.required).toBe(true)
})
