import { describe, expect, test } from 'vitest'
import { formatFilter } from '../../../src/scim/filter/format.ts'
import { MAX_FILTER_DEPTH, MAX_FILTER_LENGTH, MAX_FILTER_TERMS } from '../../../src/scim/filter/limits.ts'
import { parseAttributePath, parseFilter, parsePatchPath } from '../../../src/scim/filter/parse.ts'
import { ENTERPRISE, lenient, none, only, refusal } from './types.ts'

const repeat = (text: string, times: number) => text.repeat(times)

test('Q-05, Q-06, Q-07 operators in any case, precedence, and not with or without a space', () => {
  expect(parseFilter('NOT(a Pr) aNd b EQ 1 or not (c pr)', none)).toMatchObject({
    kind: 'or',
    terms: [
      {
        kind: 'and',
        terms: [
          { kind: 'not', term: { kind: 'present' } },
          { kind: 'compare', operator: 'eq', value: 1 },
        ],
      },
      { kind: 'not', term: { kind: 'present', attribute: { name: 'c' } } },
    ],
  })
})

test('A-03 the last colon splits URN and name, and dots before it belong to the URN', () => {
  expect(parseFilter(`(${ENTERPRISE}:manager.displayName co "x")`, none)).toEqual({
    kind: 'compare',
    attribute: { schema: ENTERPRISE, name: 'manager', sub: 'displayName', position: 1 },
    operator: 'co',
    value: 'x',
    position: ENTERPRISE.length + 25,
  })
})

test.each([
  ['"a\\"b\\\\c\\/d\\b\\f\\n\\r\\t"', 'a"b\\c/d\b\f\n\r\t'],
  ['"\\u00e9\\uD83D\\uDE00😀"', 'é😀😀'],
  ['"O\'Malley (x) [y] and z"', "O'Malley (x) [y] and z"],
  ['""', ''],
  ['-0.5e-3', -0.0005],
  ['-0', 0],
  ['1E2', 100],
  ['true', true],
  ['false', false],
  ['null', null],
])('Q-08 the JSON literal %s', (literal, value) => {
  expect(parseFilter(`a eq ${literal}`, none)).toMatchObject({ value })
})

describe('Q-09 what is wrong is named with its place', () => {
  test.each([
    ['', 'is not readable at character 1: expected an attribute, "not" or "(", found the end'],
    [
      'userName',
      'is not readable at character 9: expected an operator (eq, ne, co, sw, ew, gt, ge, lt, le or pr), found the end',
    ],
    [
      'userName regex "x"',
      'character 10: expected an operator (eq, ne, co, sw, ew, gt, ge, lt, le or pr), found "regex"',
    ],
    [
      'userName eq',
      'character 12: expected a value (a string in double quotes, a number, true, false or null), found the end',
    ],
    [
      "userName eq 'x'",
      'character 13: expected a value (a string in double quotes, a number, true, false or null), found "\'x\'"',
    ],
    ['a eq "b" "c"', 'character 10: expected "and", "or" or the end, found "c"'],
    ['a pr and', 'character 9: expected an attribute, "not" or "(", found the end'],
    ['and a pr', 'character 1: expected an attribute, "not" or "(", found "and"'],
    ['a pr or or b pr', 'character 9: expected an attribute, "not" or "(", found "or"'],
    ['not title pr', 'character 5: expected "(" after "not", found "title"'],
    ['(a pr', 'character 6: expected "and", "or" or ")", found the end'],
    ['a pr)', 'character 5: expected "and", "or" or the end, found ")"'],
    ['a[b pr', 'character 7: expected "and", "or" or "]", found the end'],
    ['a[b pr and c[d pr]]', 'character 13: expected an operator, because brackets do not stand inside brackets'],
    ['a.b[c pr]', 'character 4: expected an operator, because brackets follow an attribute without ".sub"'],
    ['name..givenName pr', 'character 1: expected an attribute, "not" or "(", found "name..givenName"'],
    ['a eq "b', 'has a string with no closing quote at character 6'],
    ['a eq "b\\x"', 'has a string with an unknown escape at character 8'],
    ['a eq "b\tc"', 'has a string with a raw control character at character 8'],
    ['a eq "b\\u0000"', 'has a string with the character U+0000 at character 8'],
    ['a eq "b\\ud800c"', 'has a string with half of a surrogate pair at character 8'],
    ['a eq "b\\ud800\\u0041"', 'has a string with half of a surrogate pair at character 8'],
    ['a eq 1e400', 'character 6: expected a number that is not so large, found "1e400"'],
    ['a eq 0x1', 'character 6: expected a value'],
    ['a  eq 1', 'character 2: expected exactly one space, found 2'],
    ['a eq "b"and c pr', 'character 9: expected exactly one space, found none'],
    ['(a pr)and (b pr)', 'character 7: expected exactly one space, found none'],
    ['(a pr) and(b pr)', 'character 11: expected exactly one space, found none'],
    ['not  (a pr)', 'character 4: expected exactly one space, found 2'],
    ['( a pr)', 'character 2: expected no space, found 1'],
    ['a[b pr ]', 'character 7: expected no space, found 1'],
    ['a [b pr]', 'character 2: expected no space, found 1'],
    [' a pr', 'character 1: expected no space, found 1'],
    ['a pr ', 'character 5: expected no space, found 1'],
    ['a\teq\t1', 'character 1: expected an attribute'],
  ])('%j', (text, message) => {
    const told = refusal(() => parseFilter(text, none))
    expect(told).toMatch(/^400 invalidFilter: the filter /)
    expect(told).toContain(message)
  })

  test('a long mistake is cut short', () => {
    expect(refusal(() => parseFilter(`a ${repeat('x', 5000)} 1`, none)).length).toBeLessThan(250)
  })
})

describe('Q-28 repeated spaces', () => {
  test.each(['  userName   eq  "x"  ', '( a pr   and  not   ( b pr ) )  or c[ d pr ]'])(
    '%j is read where the deviation holds',
    (text) => {
      const usual = text
        .trim()
        .replaceAll(/ +/g, ' ')
        .replaceAll(/([([]) | ([)\]])/g, '$1$2')
      expect(formatFilter(parseFilter(text, only('repeated-spaces')))).toBe(formatFilter(parseFilter(usual, none)))
      expect(() => parseFilter(text, none)).toThrow('space')
    },
  )
  test.each(['a eq"x"', '(a pr)and (b pr)', '   '])('%j lacks what no deviation supplies', (text) => {
    expect(() => parseFilter(text, lenient)).toThrow('expected')
  })
})

describe('Q-27 a value path that is compared', () => {
  test.each([
    ['emails[type eq "work"].value eq "x"', 'emails[type eq "work" and value eq "x"]'],
    ['emails[a pr and b pr].value PR', 'emails[a pr and b pr and value pr]'],
    ['emails[a pr or b pr].value ne "x" and c pr', 'emails[(a pr or b pr) and value ne "x"] and c pr'],
  ])('%s', (text, reading) => {
    expect(formatFilter(parseFilter(text, only('value-path-comparison')))).toBe(reading)
    expect(refusal(() => parseFilter(text, none))).toContain('expected "and", "or" or the end, found ".')
  })
  test.each(['emails[type pr].', 'emails[type pr].value', 'emails[type pr].a.b eq 1'])('%s stays wrong', (text) => {
    expect(() => parseFilter(text, lenient)).toThrow('expected')
  })
})

describe('H-12 filters are bounded', () => {
  const nested = (open: string, times: number) => `${repeat(open, times)}a pr${repeat(')', times)}`
  const chain = (terms: number) => Array.from({ length: terms }, () => 'a pr').join(' or ')

  test('depth', () => {
    expect(() => parseFilter(nested('(', MAX_FILTER_DEPTH), none)).not.toThrow()
    expect(() => parseFilter(nested('not (', MAX_FILTER_DEPTH), none)).not.toThrow()
    expect(() => parseFilter(nested('(', MAX_FILTER_DEPTH + 1), none)).toThrow('deeper than 32 levels at character 33')
    expect(() => parseFilter(nested('not(', MAX_FILTER_DEPTH + 1), none)).toThrow('deeper than 32 levels')
    expect(() => parseFilter(nested('(', 4000), none)).toThrow('deeper than 32 levels')
    expect(() => parseFilter(`${repeat('(', MAX_FILTER_DEPTH)}a[b pr]`, none)).toThrow('deeper than 32 levels')
  })
  test('depth counts what is open, not what was', () => {
    expect(() => parseFilter(Array.from({ length: 50 }, () => '(a pr)').join(' and '), none)).not.toThrow()
  })
  test('terms', () => {
    expect(parseFilter(chain(MAX_FILTER_TERMS), none)).toMatchObject({
      kind: 'or',
      terms: { length: MAX_FILTER_TERMS },
    })
    expect(() => parseFilter(chain(MAX_FILTER_TERMS + 1), none)).toThrow('the filter has more than 128 terms')
    const inBrackets = `a[${Array.from({ length: MAX_FILTER_TERMS + 1 }, () => 'b pr').join(' and ')}]`
    expect(() => parseFilter(inBrackets, none)).toThrow('more than 128 terms')
    const compared = Array.from({ length: MAX_FILTER_TERMS / 2 + 1 }, () => 'a[b pr].c pr').join(' and ')
    expect(() => parseFilter(compared, lenient)).toThrow('more than 128 terms')
  })
  test('length', () => {
    const ofLength = (length: number) => `a eq "${repeat('x', length - 7)}"`
    expect(() => parseFilter(ofLength(MAX_FILTER_LENGTH), none)).not.toThrow()
    expect(refusal(() => parseFilter(ofLength(MAX_FILTER_LENGTH + 1), none))).toBe(
      '400 invalidFilter: the filter is longer than 8192 characters',
    )
    expect(refusal(() => parsePatchPath(repeat('a', 8193), none))).toMatch(/^400 invalidPath: .* longer than 8192/)
  })
})

describe('PAT-07 PATCH paths', () => {
  test.each([
    ['nickName', { attribute: { schema: undefined, name: 'nickName', sub: undefined, position: 0 } }],
    ['name.givenName', { attribute: { name: 'name', sub: 'givenName' }, filter: undefined, sub: undefined }],
    [`${ENTERPRISE}:manager.value`, { attribute: { schema: ENTERPRISE, name: 'manager', sub: 'value' } }],
    [ENTERPRISE, { attribute: { schema: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0', name: 'User' } }],
    ['members[$ref pr]', { attribute: { name: 'members' }, filter: { kind: 'present' }, sub: undefined }],
    ['members.$ref', { attribute: { name: 'members', sub: '$ref' } }],
    [
      'emails[not (type eq "work") or value sw "x"].display',
      { attribute: { name: 'emails', sub: undefined }, filter: { kind: 'or' }, sub: 'display' },
    ],
  ])('%s', (text, path) => expect(parsePatchPath(text, none)).toMatchObject(path))

  test.each([
    ['', 'character 1: expected an attribute path, found the end'],
    [' ', 'character 1: expected no space'],
    ['name..givenName', 'character 1: expected an attribute path, found "name..givenName"'],
    ['name.givenName.first', 'character 1: expected an attribute path'],
    ['/emails/0/value', 'character 1: expected an attribute path, found "/emails/0/value"'],
    ['__proto__.nickName', 'character 1: expected an attribute path'],
    ['emails[0].value', 'has an array index at character 8; choose values by a filter: [value eq "…"]'],
    ['emails[type pr]value', 'character 16: expected ".", a sub-attribute, or the end, found "value"'],
    ['emails[type pr]. ', 'character 16: expected "." and the name of a sub-attribute'],
    ['emails[type pr].a.b', 'character 16: expected "." and the name of a sub-attribute, found ".a.b"'],
    ['emails[type pr].value "x', 'has a string with no closing quote at character 23'],
    ['emails[type pr] .value', 'character 16: expected no space'],
    ['emails[type pr].value eq "x"', 'character 23: expected ".", a sub-attribute, or the end, found "eq"'],
    ['emails.value[type pr]', 'character 13: expected the end, because brackets follow an attribute without ".sub"'],
    ['name givenName', 'character 6: expected "[" or the end, found "givenName"'],
  ])('PAT-08 %j is an invalid path', (text, message) => {
    const told = refusal(() => parsePatchPath(text, none))
    expect(told).toMatch(/^400 invalidPath: the path /)
    expect(told).toContain(message)
  })

  test.each([
    ['emails[type eq', 'character 15: expected a value'],
    ['emails[]', 'character 8: expected an attribute, "not" or "("'],
    ['emails[type regex "w"].value', 'character 13: expected an operator'],
    ['emails[type eq work]', 'character 16: expected a value'],
    ['emails[type eq "work].value', 'has a string with no closing quote at character 16'],
    ["emails[type eq 'work'].value", 'character 16: expected a value'],
    ['emails[a[b pr]]', 'character 9: expected an operator'],
    [`emails[${repeat('(', 40)}`, 'nests deeper than 32 levels at character 39'],
  ])('PAT-08 %j is an invalid filter', (text, message) => {
    const told = refusal(() => parsePatchPath(text, none))
    expect(told).toMatch(/^400 invalidFilter: the filter in the path /)
    expect(told).toContain(message)
  })

  test("single quotes are read in PATCH paths where the deviation holds, and never in queries (GitHub's payload)", () => {
    const path = parsePatchPath("emails[type eq 'work' and value sw 'O\\u0027'].value", only('single-quoted-strings'))
    expect(path.filter && formatFilter(path.filter)).toBe(`type eq "work" and value sw "O'"`)
    expect(() => parsePatchPath("emails[type eq 'wo\"rk'].value", lenient)).toThrow(
      'double quotes inside single quotes',
    )
    expect(() => parsePatchPath("emails[type eq 'work].value", lenient)).toThrow('no closing quote at character 16')
    expect(() => parseFilter("emails[type eq 'work']", lenient)).toThrow('expected a value')
  })
})

describe('parseAttributePath', () => {
  test.each([
    ['userName', { schema: undefined, name: 'userName', sub: undefined, position: 0 }],
    ['emails.$ref', { schema: undefined, name: 'emails', sub: '$ref', position: 0 }],
    ['a-b_c$1', { schema: undefined, name: 'a-b_c$1', sub: undefined, position: 0 }],
    [`${ENTERPRISE}:manager.value`, { schema: ENTERPRISE, name: 'manager', sub: 'value', position: 0 }],
  ])('%s', (text, path) => expect(parseAttributePath(text)).toEqual(path))

  test.each([
    '',
    '.',
    'a.',
    '.a',
    'a.b.c',
    'a..b',
    '1a',
    '_a',
    '$a',
    '__proto__',
    'é',
    'a b',
    ' a',
    'a\n',
    ':a',
    'urn:x:',
    'u rn:a',
    'a[b pr]',
    '/emails/0',
    'userName" desc, (select 1) --',
  ])('%j is none', (text) => expect(parseAttributePath(text)).toBeUndefined())

  test('linear in a text of any length', () => {
    expect(parseAttributePath(repeat('a.', 1_000_000))).toBeUndefined()
    expect(parseAttributePath(repeat(':', 1_000_000))).toBeUndefined()
  })
})
