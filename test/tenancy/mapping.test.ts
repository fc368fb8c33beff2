import { describe, expect, test } from 'vitest'
import type { Resource } from '../../src/scim/resource.ts'
import { builtInRegistry } from '../../src/scim/schema/registry.ts'
import type { ResourceType } from '../../src/scim/schema/resource-type.ts'
import { ENTERPRISE_USER_SCHEMA } from '../../src/scim/urn.ts'
import { mappingMistakes, mappingPlan } from '../../src/tenancy/mapping/compile.ts'
import { type Mapping, mapping } from '../../src/tenancy/mapping/form.ts'

const users = builtInRegistry.byName.get('User') as ResourceType
const ADA: Resource = {
  ...{ schemas: [], userName: 'ada', displayName: '', active: true, title: 'Lead - Europe', userType: 'EMPLOYEE' },
  name: { givenName: 'Ada', familyName: 'Byron' },
  emails: [
    { value: 'ada@home.example', type: 'home' },
    { value: 'ada@acme.example', type: 'Work' },
    { value: 'a.byron@acme.example', type: 'work', primary: true },
  ],
  phoneNumbers: [{ type: 'work' }, { value: '+44 1' }],
  [ENTERPRISE_USER_SCHEMA]: { costCenter: 'cc-7', manager: { value: 'boss' } },
}
const IN = ['team-payments', 'Team-Risk', 'team-', 'Everyone']

/** What one expression gives of Ada. */
const given = (expression: unknown, { attributes = ADA, groups = IN as readonly string[] } = {}) => {
  const form = mapping.parse({ it: expression })
  expect(mappingMistakes(form, users)).toEqual([])
  return mappingPlan(form, users).of({ attributes, groups }).it
}
const refused = (form: unknown) =>
  mapping.safeParse(form).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
const mistakes = (path: string) => mappingMistakes({ it: path }, users).map(({ message }) => message)

describe('an expression gives', () => {
  test.each([
    ['userName', 'ada'],
    ['active', true],
    ['name.givenName', 'Ada'],
    ['NAME.FAMILYNAME', 'Byron'],
    ['nickName', null],
    ['displayName', null],
    ['emails', 'a.byron@acme.example'],
    ['emails.value', 'a.byron@acme.example'],
    ['emails[type eq "home"].value', 'ada@home.example'],
    ['emails[type eq "work"]', 'a.byron@acme.example'],
    ['emails[type eq "other"].value', null],
    ['emails[value ew "acme.example" and not (primary eq true)].value', 'ada@acme.example'],
    ['phoneNumbers', '+44 1'],
    [`${ENTERPRISE_USER_SCHEMA}:costCenter`, 'cc-7'],
    [`${ENTERPRISE_USER_SCHEMA}:manager.value`, 'boss'],
    [`${ENTERPRISE_USER_SCHEMA}:manager`, 'boss'],
    [{ all: 'emails[type eq "work"].value' }, ['ada@acme.example', 'a.byron@acme.example']],
    [{ all: 'emails[type eq "other"].value' }, null],
    [{ first: ['nickName', 'displayName', 'userName'] }, 'ada'],
    [{ first: ['nickName', 'displayName'] }, null],
    [{ constant: 'gold' }, 'gold'],
    [{ constant: 7 }, 7],
    [{ constant: false }, false],
    [{ upper: `${ENTERPRISE_USER_SCHEMA}:costCenter` }, 'CC-7'],
    [{ lower: { all: 'emails[type eq "home"].value' } }, ['ada@home.example']],
    [{ choose: 'userType', cases: { Employee: 'staff', Contractor: 'external' } }, 'staff'],
    [{ choose: 'title', cases: { Employee: 'staff' } }, null],
    [{ choose: 'title', cases: { Employee: 'staff' }, otherwise: 'userName' }, 'ada'],
    [{ choose: 'active', cases: { true: 1, false: 0 } }, 1],
    [{ choose: { groups: 'team-*' }, cases: { 'team-risk': 'r', 'TEAM-PAYMENTS': 'p' } }, ['r', 'p']],
    [{ split: 'title', by: '-', part: 0 }, 'Lead'],
    [{ split: 'title', by: '-', part: -1 }, 'Europe'],
    [{ split: 'title', by: '-', part: 2 }, null],
    [{ split: 'title', by: '-' }, ['Lead', 'Europe']],
    [{ split: 'nickName', by: '-', part: 0 }, null],
    [{ join: ['name.givenName', 'nickName', 'name.familyName'], with: ' ' }, 'Ada Byron'],
    [{ join: ['nickName'] }, null],
    [
      { join: [{ all: 'emails[type eq "work"]' }, { constant: 1 }], with: ',' },
      'ada@acme.example,a.byron@acme.example,1',
    ],
    [{ groups: 'team-*' }, ['Team-Risk', 'team-', 'team-payments']],
    [{ groups: 'team-*', keep: 'star' }, ['Risk', 'payments']],
    [{ groups: '*s*' }, ['Team-Risk', 'team-payments']],
    [{ groups: 'everyone' }, ['Everyone']],
    [{ groups: 'nobody*' }, null],
  ])('%j: %j', (expression, value) => {
    expect(given(expression)).toEqual(value)
  })

  test('no value rather than half of one that is too large', () => {
    const long = { ...ADA, title: 'x'.repeat(4_097) }
    expect(given('title', { attributes: long })).toBeNull()
    expect(given({ first: ['title', 'userName'] }, { attributes: long })).toBe('ada')
    const many = Array.from({ length: 1_001 }, (_, n) => `g${n}`)
    expect(given({ groups: '*' }, { groups: many })).toBeNull()
    expect(given({ groups: '*' }, { groups: many.slice(1) })).toHaveLength(1_000)
    const texts = { ...ADA, title: 'x'.repeat(4_096) }
    const form = Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`n${n}`, 'title']))
    const all = Object.values(mappingPlan(mapping.parse(form), users).of({ attributes: texts, groups: [] }))
    expect(all.map((value) => value !== null)).toEqual([...Array.from({ length: 16 }, () => true), false])
  })

  test('each name, whether or not there is a value, and the same for the same user', () => {
    const plan = mappingPlan({ a: 'nickName', b: 'userName' }, users)
    expect(plan.of({ attributes: ADA, groups: [] })).toEqual({ a: null, b: 'ada' })
    expect(plan.of({ attributes: ADA, groups: [] })).toEqual(plan.of({ attributes: ADA, groups: [] }))
  })

  test('an answer at once, whatever the pattern and the name', () => {
    const pattern = `${'a*'.repeat(149)}b`
    expect(given({ groups: pattern }, { groups: ['a'.repeat(100_000)] })).toBeNull()
  })

  test('the text in the place of the star also where lower case is longer', () => {
    expect(given({ groups: 'team-*', keep: 'star' }, { groups: ['TEAM-İSTANBUL'] })).toEqual(['i̇stanbul'])
  })
})

describe('a mapping is refused', () => {
  test.each<[unknown, string]>([
    [
      { it: { lower: { lower: { lower: { lower: { lower: 'userName' } } } } } },
      'it: must not have more than 5 expressions within each other',
    ],
    [
      { it: {} },
      'it: must be the path of an attribute, or an object with one of all, first, constant, lower, upper, choose, split, join, groups',
    ],
    [{ it: { lower: 'title', upper: 'title' } }, '; it has both lower and upper'],
    [{ it: { first: ['title', { nope: 1 }] } }, 'it.first.1: must be the path of an attribute'],
    [{ it: { split: 'title', by: '-', part: 1.5 } }, 'it.part: '],
    [{ it: { groups: 'a*b*', keep: 'star' } }, 'it.groups: must have one "*"'],
    [{ it: { constant: null } }, 'it.constant: must be a text, a number, true or false'],
    [{ it: { constant: 'x', more: 1 } }, 'it: '],
    [{ '1st': 'title' }, '1st: is no name'],
    [{ 'a.b': 'title' }, 'a.b: is no name'],
    [Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`n${n}`, 'title'])), ': must have 50 names at the most'],
    [
      Object.fromEntries(
        Array.from({ length: 11 }, (_, n) => [`n${n}`, { join: Array.from({ length: 20 }, () => 'title') }]),
      ),
      ': must have 200 expressions at the most',
    ],
  ])('%#: %s', (form, message) => {
    expect(refused(form)?.join('\n')).toContain(message)
  })

  test('for its depth, before anything else of it is read', () => {
    let deep: unknown = 'userName'
    for (let n = 0; n < 50_000; n++) deep = { lower: deep }
    expect(refused({ it: deep })).toEqual([': is nested too deep'])
  })

  test.each([
    ['nope', 'is no attribute of a user'],
    ['emails.nope', 'is no attribute of a user'],
    ['emails[nope eq "x"].value', 'has no attribute "nope"'],
    ['emails[type eq', 'is not readable at character 15'],
    ['emails[0].value', 'array index'],
    ['title[value eq "x"]', 'has brackets, but title has a single value'],
    ['name', 'has parts; name one of them: formatted, familyName'],
    ['costCenter', `is written with its schema: ${ENTERPRISE_USER_SCHEMA}:costCenter`],
    ['groups', '{"groups": "a pattern"}'],
    ['password', 'is a secret'],
    ['id', 'is computed by the gateway'],
    ['meta.created', 'is computed by the gateway'],
    ['schemas', 'is computed by the gateway'],
    [`${ENTERPRISE_USER_SCHEMA}:manager.displayName`, 'is computed by the gateway'],
  ])('for the path %s', (path, message) => {
    expect(mistakes(path).join('\n')).toContain(message)
  })
})

test('a path that leads to nothing any more gives no value, and the others do', () => {
  const form: Mapping = { gone: 'urn:example:gone:cost', all: { all: 'urn:example:gone:cost' }, here: 'userName' }
  expect(mappingPlan(form, users).of({ attributes: ADA, groups: [] })).toEqual({ gone: null, all: null, here: 'ada' })
})

test('a plan says whether it looks at groups, and which of their names count', () => {
  const plan = mappingPlan(mapping.parse({ a: { join: [{ groups: 'team-*' }] }, b: 'title' }), users)
  expect([plan.usesGroups, plan.namesGroup('TEAM-x'), plan.namesGroup('other')]).toEqual([true, true, false])
  expect(mappingPlan({ b: 'title' }, users).usesGroups).toBe(false)
})
