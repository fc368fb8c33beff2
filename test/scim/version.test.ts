import { expect, test } from 'vitest'
import {
  formatVersion,
  matches,
  matchesAnswer,
  parseIfMatch,
  parseIfNoneMatch,
  withoutDerived,
} from '../../src/scim/version.ts'

test('C-09 T-02 a version is a weak entity-tag', () => {
  expect(formatVersion(12)).toBe('W/"12"')
})

test('T-06 a tag of an answer that shows more than its resource names both, and a write asks about the version alone', () => {
  const tag = formatVersion(12, 46_655)
  expect(tag).toBe('W/"12-zzz"')
  const [unchanged, ifMatch] = [parseIfNoneMatch(tag), parseIfMatch(tag)]
  if (!unchanged || !ifMatch) throw new Error('a tag of ours is one')
  expect([46_655, 46_654, undefined].map((derived) => matchesAnswer(unchanged, 12, derived))).toEqual([
    true,
    false,
    false,
  ])
  expect([11, 12].map((version) => matches(ifMatch, version))).toEqual([false, true])
  expect([tag, '12-zzz', 'W/"12"', 'x-1'].map(withoutDerived)).toEqual(['W/"12"', '12', 'W/"12"', 'x-1'])
})

test.each([
  ['T-04 the weak tag', 'W/"12"', true],
  ['T-04 the strong tag', '"12"', true],
  ['T-03 a stale tag', 'W/"11"', false],
  ['T-05 any version', '*', true],
  ['T-05 any version, with spaces', ' * ', true],
  ['T-05 a list', '"1", W/"12"', true],
  ['T-05 a list without spaces', '"1","12","3"', true],
  ['T-05 a list without it', '"1", W/"2"', false],
  ['T-05 a list with empty elements', ', ,"12" ,', true],
  ['T-03 beyond any integer', 'W/"99999999999999999999999999"', false],
  ['T-03 the same number written otherwise', '"012"', false],
  ['T-03 the same number with a fraction', '"12.0"', false],
  ['T-03 a foreign tag', '"3694e05e9dff591"', false],
  ['T-03 an empty tag', '""', false],
  ['T-03 a comma inside the quotes', '"1,12"', false],
  ['T-03 bytes beyond ASCII', '"\xfc"', false],
])('%s against version 12: %s → %s', (_, header, expected) => {
  for (const parse of [parseIfMatch, parseIfNoneMatch]) {
    const precondition = parse(header)
    expect(precondition && matches(precondition, 12)).toBe(expected)
  }
})

test('T-08 without the header there is no precondition', () => {
  expect(parseIfMatch(undefined)).toBeUndefined()
  expect(parseIfNoneMatch(undefined)).toBeUndefined()
})

test.each([
  '',
  ' ',
  'not-a-tag',
  '12',
  '"12',
  '12"',
  'w/"12"',
  'W/ "12"',
  'W/12',
  '"1" "2"',
  '*, "1"',
  '"1", *',
  ',',
  '"a b"',
  '"1"\n',
])('T-05 %j is refused', (header) => {
  expect(() => parseIfMatch(header)).toThrow(
    expect.objectContaining({ status: 400, scimType: 'invalidSyntax', message: expect.stringMatching(/^If-Match/) }),
  )
  expect(() => parseIfNoneMatch(header)).toThrow(/^If-None-Match/)
})

test('SEC-16 a header of a megabyte takes no time', () => {
  // Time of this process alone: the machine may be busy with others.
  const before = process.cpuUsage()
  expect(() => parseIfMatch(`${' '.repeat(1_000_000)}x`)).toThrow()
  expect(() => parseIfMatch(`${'"1" '.repeat(250_000)}`)).toThrow()
  expect(matches(parseIfMatch('"1",'.repeat(250_000)) ?? { kind: 'any' }, 2)).toBe(false)
  const { user, system } = process.cpuUsage(before)
  expect((user + system) / 1_000).toBeLessThan(2000)
})
