import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ScimError } from '../../src/scim/errors.ts'
import { parseJson } from '../../src/scim/json.ts'
import { refusal } from './filter/types.ts'

test.each([
  '{"userName":"Müller","a":[1,-0.5e3,true,false,null,{}],"b":{"c":[]}}',
  ' \t\r\n{ "a" : [ 1 , 2 ] }\n',
  '"text"',
  'null',
  '9007199254740991',
  '-9007199254740991',
  '"\\ud83d\\ude00 😀 \\u00e9 \\" \\\\ \\/ \\b\\f\\n\\r\\t \u2028 \u007f"',
  '{"a":{"x":1},"b":{"x":1},"c":[{"x":1},{"x":1}],"x":1}',
  '{"":1,"é":2,"a":3,"á":4}',
])('E-04 %j is read', (text) => expect(parseJson(text)).toEqual(JSON.parse(text)))

test('a byte order mark is dropped', () => expect(parseJson('\ufeff{"a":1}')).toEqual({ a: 1 }))

test('__proto__ and constructor are members like others', () => {
  const value = parseJson('{"__proto__":{"polluted":1},"constructor":2}')
  expect(Object.entries(value as object)).toEqual([
    ['__proto__', { polluted: 1 }],
    ['constructor', 2],
  ])
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
})

describe('E-04 what is not JSON is refused in our own words', () => {
  test.each([
    ['', 'the body is empty; expected JSON'],
    [' \n\t ', 'the body is empty; expected JSON'],
    ['{"a":1', 'unexpected end at line 1 column 7'],
    ['{"a":"b', 'a string with no closing quote at line 1 column 6'],
    ['{"a":"b\\', 'a string with an unknown escape at line 1 column 8'],
    ['{\n  "a": 1,\n}', 'unexpected "}" at line 3 column 1'],
    ['[1,]', 'unexpected "]" at line 1 column 4'],
    ['[,1]', 'unexpected "," at line 1 column 2'],
    ['{,}', 'unexpected "," at line 1 column 2'],
    ["{'a':1}", 'unexpected "\'" at line 1 column 2'],
    ['{a:1}', 'unexpected "a" at line 1 column 2'],
    ['{"a" /* */:1}', 'unexpected "/" at line 1 column 6'],
    ['{"a":1}{"b":2}', 'unexpected "{" at line 1 column 8'],
    ['{"a":NaN}', 'unexpected "N" at line 1 column 6'],
    ['[1}', 'unexpected "}" at line 1 column 3'],
    ['{"a":1]', 'unexpected "]" at line 1 column 7'],
    [']', 'unexpected "]" at line 1 column 1'],
    ['1,2', 'unexpected "," at line 1 column 2'],
    ['{"a","b"}', 'unexpected "," at line 1 column 5'],
    ['{"a":1:2}', 'unexpected ":" at line 1 column 7'],
    ['{"a":"b" "c"}', 'unexpected "\\"" at line 1 column 10'],
    ['{"a":}', 'unexpected "}" at line 1 column 6'],
    ['[042]', 'unexpected "4" at line 1 column 3'],
    ['[1.]', 'unexpected "." at line 1 column 3'],
    ['[+1]', 'unexpected "+" at line 1 column 2'],
    ['[-]', 'unexpected "-" at line 1 column 2'],
    ['[trueish]', 'unexpected "i" at line 1 column 6'],
    ['[TRUE]', 'unexpected "T" at line 1 column 2'],
    ['["a\tb"]', 'a string with a raw control character at line 1 column 4'],
    ['["\\x41"]', 'a string with an unknown escape at line 1 column 3'],
    ['["\\u00g0"]', 'a string with an unknown escape at line 1 column 3'],
    ['\u00a0{}', 'unexpected "\u00a0" at line 1 column 1'],
    ['[\u0000]', 'unexpected "\\u0000" at line 1 column 2'],
    ['[\u{1f600}]', 'unexpected "\u{1f600}" at line 1 column 2'],
  ])('%j', (text, message) => {
    const told = refusal(() => parseJson(text))
    expect(told).toMatch(/^400 invalidSyntax: the body is /)
    expect(told).toContain(message)
  })
})

describe('H-11 a repeated member is refused', () => {
  test.each([
    [
      '{"userName":"a","userName":"b"}',
      'the member "userName" is repeated in one object (names ignore case) at line 1 column 17',
    ],
    [
      '{"userName":"a",\n"USERNAME":"b"}',
      'the member "USERNAME" is repeated in one object (names ignore case) at line 2 column 1',
    ],
    ['{"a":[{"é":1,"x":{"b":{}},"É":2}]}', 'the member "É"'],
    ['{"ab":1,"a\\u0042":2}', 'the member "aB"'],
    ['{"__proto__":1,"__PROTO__":2}', 'the member "__PROTO__"'],
    [`{"${'x'.repeat(9999)}":1,"${'x'.repeat(9999)}":2}`, `the member "${'x'.repeat(60)}…"`],
  ])('%j', (text, message) => expect(refusal(() => parseJson(text))).toContain(`400 invalidSyntax: ${message}`))
})

describe('H-12 nesting is bounded before anything recurses', () => {
  test('by default at 32', () => {
    expect(() => parseJson('['.repeat(32) + ']'.repeat(32))).not.toThrow()
    expect(refusal(() => parseJson('['.repeat(33) + ']'.repeat(33)))).toBe(
      '400 invalidSyntax: the body nests deeper than 32 levels at line 1 column 33',
    )
  })
  test('as told', () => {
    expect(() => parseJson('{"a":[]}', { maxDepth: 2 })).not.toThrow()
    expect(() => parseJson('{"a":[{}]}', { maxDepth: 2 })).toThrow('deeper than 2 levels')
  })
  test('siblings do not add up', () => expect(() => parseJson(`[${'[],'.repeat(100)}[]]`)).not.toThrow())
  test.each(['[', '{"name":'])('a hundred thousand %s', (open) => {
    expect(() => parseJson(open.repeat(100_000))).toThrow('deeper than 32 levels')
  })
})

describe('what cannot be stored as it was sent is refused', () => {
  test.each([
    ['{"a":"x\\u0000y"}', 'a string in the body has the character U+0000 at line 1 column 8'],
    ['{"a":"x\u0000y"}', 'a string in the body has the character U+0000 at line 1 column 8'],
    ['{"x\\u0000":1}', 'the character U+0000 at line 1 column 4'],
    ['{"a":"x\\ud800y"}', 'half of a surrogate pair at line 1 column 8'],
    ['{"a":"\\udc00"}', 'half of a surrogate pair'],
    ['{"a":"\\ud800\\ud800"}', 'half of a surrogate pair'],
    ['{"a":"\\ud800\\n"}', 'half of a surrogate pair'],
    ['{"a":"\ud800"}', 'half of a surrogate pair'],
    ['{"a":"\udc00"}', 'half of a surrogate pair'],
    ['{"\\uDBFF":1}', 'half of a surrogate pair'],
    ['{"a":1e400}', 'the number 1e400 at line 1 column 6 is too large to be kept exactly'],
    ['[-1E999]', 'the number -1E999'],
    ['[9007199254740992]', 'the number 9007199254740992'],
    ['[-9007199254740993]', 'too large to be kept exactly'],
    ['[1e20]', 'too large to be kept exactly'],
    [`[${'9'.repeat(100_000)}]`, `the number ${'9'.repeat(60)}… at`],
  ])('%j', (text, message) => {
    const told = refusal(() => parseJson(text))
    expect(told).toMatch(/^400 invalidValue: /)
    expect(told).toContain(message)
  })
})

test('agrees with JSON.parse on every text, apart from what is refused on purpose', () => {
  const edited = fc
    .tuple(
      fc.json({ maxDepth: 4 }),
      fc.nat(),
      fc.nat(3),
      fc.constantFrom('', '{', '}', '[', ']', ',', ':', '"', '\\', '0', '-', 'e', '.', ' ', '\n', 'null', '\u0001'),
    )
    .map(
      ([text, at, cut, put]) =>
        text.slice(0, at % (text.length + 1)) + put + text.slice((at % (text.length + 1)) + cut),
    )
  const soup = fc.array(
    fc.constantFrom('{', '}', '[', ']', ',', ':', '"a"', '"b"', '1', '-', '.5', 'e1', 'true', ' ', '"'),
    { maxLength: 12 },
  )
  const anyText = fc.oneof(
    fc.json(),
    edited,
    soup.map((pieces) => pieces.join('')),
    fc.string(),
  )
  const onPurpose = /is repeated|U\+0000|half of a surrogate pair|too large/
  fc.assert(
    fc.property(anyText, (text) => {
      let expected: unknown
      let isJson = true
      try {
        expected = JSON.parse(text)
      } catch {
        isJson = false
      }
      try {
        expect(parseJson(text)).toEqual(expected)
        expect(isJson).toBe(true)
      } catch (error) {
        if (!(error instanceof ScimError)) throw error
        if (isJson) expect(error.message).toMatch(onPurpose)
      }
    }),
    { numRuns: 5000 },
  )
})

test('SEC-16 linear in the size of the body', () => {
  const members = Array.from({ length: 200_000 }, (_, i) => `"u${i}":"v"`).join()
  // Time of this process alone: the machine may be busy with others.
  const started = process.cpuUsage()
  expect(Object.keys(parseJson(`{${members}}`) as object)).toHaveLength(200_000)
  expect(() => parseJson(`"${'\\\\'.repeat(1_000_000)}`)).toThrow('no closing quote')
  expect(() => parseJson(`${'\n'.repeat(1_000_000)}x`)).toThrow('line 1000001 column 1')
  const { user, system } = process.cpuUsage(started)
  expect((user + system) / 1_000).toBeLessThan(3000)
})
