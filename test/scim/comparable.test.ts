import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareText, compareValues, fold, parseDateTime, toComparable } from '../../src/scim/comparable.ts'
import type { JsonValue } from '../../src/scim/resource.ts'
import { attribute } from './filter/types.ts'

describe('fold', () => {
  test.each([
    ['JSmith', 'jsmith'],
    ['MÜLLER', 'müller'],
    ['CAFE\u0301', 'café'],
    ['\u212Bngstro\u0308m \u212A', 'ångström k'],
    ['ΟΔΟΣ', 'οδοσ'],
    ['οδος', 'οδοσ'],
    ['ǅ', 'ǆ'],
    ['\u{10400}', '\u{10428}'],
    ['straße', 'straße'],
  ])('U-02 %j is %j', (text, folded) => expect(fold(text)).toBe(folded))

  test('U-02 idempotent for every character, alone and with marks', () => {
    for (let code = 0; code <= 0x10ffff; code++) {
      if (code >= 0xd800 && code <= 0xdfff) continue
      const once = fold(String.fromCodePoint(code))
      if (fold(once) !== once) expect.fail(`U+${code.toString(16)}`)
    }
    const text = fc.string({
      unit: fc.constantFrom('I', 'İ', 'Σ', 'ς', 'Α', 'é', '\u0301', '\u0307', '\u0345', '\u0328', 'Å', '가', 'ᾼ'),
    })
    fc.assert(fc.property(text, (one) => fold(fold(one)) === fold(one)))
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (one) => fold(fold(one)) === fold(one)))
  })
})

describe('A-10 parseDateTime', () => {
  test.each([
    ['1970-01-01T00:00:00Z', 0],
    ['1970-01-01T00:00:00', 0],
    ['1970-01-01T00:00:00.000001Z', 1],
    ['1970-01-01T00:00:00.0000019Z', 1],
    ['1970-01-01T00:00:00.5Z', 500_000],
    ['1970-01-01T01:00:00+01:00', 0],
    ['1969-12-31T23:30:00-00:30', 0],
    ['1970-01-01T14:00:00+14:00', 0],
    ['1969-12-31T24:00:00Z', 0],
    ['1969-12-31T24:00:00.000Z', 0],
  ])('%s is %d µs', (text, micros) => expect(parseDateTime(text)).toBe(micros))

  test.each([
    '',
    '2024-01-01',
    '2024-02-30T00:00:00Z',
    '2023-02-29T00:00:00Z',
    '1900-02-29T00:00:00Z',
    '2024-04-31T00:00:00Z',
    '2024-13-01T00:00:00Z',
    '2024-00-01T00:00:00Z',
    '2024-01-00T00:00:00Z',
    '0000-01-01T00:00:00Z',
    '2024-01-01T24:00:01Z',
    '2024-01-01T24:00:00.001Z',
    '2024-01-01T25:00:00Z',
    '2024-01-01T00:60:00Z',
    '2024-01-01T00:00:60Z',
    '2024-01-01T00:00Z',
    '2024-01-01T00:00:00.Z',
    '2024-01-01T00:00:00+14:01',
    '2024-01-01T00:00:00+01:60',
    '2024-01-01T00:00:00+0100',
    '2024-01-01T00:00:00z',
    '2024-01-01t00:00:00Z',
    '2024-01-01 00:00:00Z',
    ' 2024-01-01T00:00:00Z',
    '2024-01-01T00:00:00Z\n',
    '+2024-01-01T00:00:00Z',
    '20244-01-01T00:00:00Z',
    '2024-01-01T00:00:00.000000000000000000000000000000x',
    '٢٠٢٤-01-01T00:00:00Z',
  ])('%j is none', (text) => expect(parseDateTime(text)).toBeUndefined())

  test('agrees with Date in every year it knows', () => {
    const instant = fc.date({
      min: new Date('0001-01-02T00:00:00Z'),
      max: new Date('9999-12-30T00:00:00Z'),
      noInvalidDate: true,
    })
    fc.assert(
      fc.property(instant, fc.integer({ min: -14 * 60, max: 14 * 60 }), (date, offset) => {
        const local = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, -1)
        const two = (number: number) => String(number).padStart(2, '0')
        const zone = `${offset < 0 ? '-' : '+'}${two(Math.floor(Math.abs(offset) / 60))}:${two(Math.abs(offset) % 60)}`
        expect(parseDateTime(local + zone)).toBe(date.getTime() * 1000)
      }),
      { numRuns: 1000 },
    )
  })
})

test.each<[string, object, JsonValue, unknown]>([
  ['string', {}, 'AbC', 'abc'],
  ['string', { caseExact: true }, 'AbC', 'AbC'],
  ['string', {}, 1, undefined],
  ['reference', {}, 'https://X', 'https://X'],
  ['binary', {}, 'q83V', 'q83V'],
  ['binary', {}, 5, undefined],
  ['boolean', {}, false, false],
  ['boolean', {}, 'false', undefined],
  ['integer', {}, 42, 42],
  ['integer', {}, '42', undefined],
  ['decimal', {}, 1.5, 1.5],
  ['dateTime', {}, '1970-01-01T00:00:01Z', 1_000_000],
  ['dateTime', {}, '1970-01-01', undefined],
  ['dateTime', {}, 5, undefined],
  ['complex', {}, {}, undefined],
  ['string', {}, null, undefined],
  ['string', {}, ['a'], undefined],
])('Q-12, Q-13 toComparable of a %s %j: %j', (type, more, value, comparable) => {
  const declared = attribute({ name: 'a', type: type as 'string', ...more })
  expect(toComparable(declared, value)).toBe(comparable)
})

test('S-05 compareText is the byte order of UTF-8', () => {
  expect(compareText('\u{ffff}', '\u{1f600}')).toBeLessThan(0)
  const text = fc.string({
    unit: fc.constantFrom('a', 'b', 'é', '\u{d7ff}', '\u{e000}', '\u{ffff}', '\u{10000}', '\u{1f600}', '\u{10ffff}'),
  })
  fc.assert(
    fc.property(text, text, (a, b) => {
      expect(Math.sign(compareText(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)))
    }),
  )
})

test('S-06 compareValues', () => {
  expect(compareValues(false, true)).toBeLessThan(0)
  expect(compareValues(true, true)).toBe(0)
  expect(compareValues(10, 9)).toBeGreaterThan(0)
  expect(compareValues('10', '9')).toBeLessThan(0)
})
