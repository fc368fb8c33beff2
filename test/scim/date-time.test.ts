import fc from 'fast-check'
import { expect, test } from 'vitest'
import { dateTime } from '../../src/scim/date-time.ts'

test('A-10 a moment is written as toISOString writes it, whatever was written before', () => {
  const moment = fc.integer({ min: Date.parse('1900-01-01T00:00:00Z'), max: Date.parse('9999-12-31T23:59:59.999Z') })
  fc.assert(fc.property(moment, (ms) => dateTime(ms) === new Date(ms).toISOString()))
  // Days that meet, on both sides of 1970.
  for (const ms of [0, -1, 86_399_999, 86_400_000, -86_400_000, -86_400_001])
    expect(dateTime(ms)).toBe(new Date(ms).toISOString())
})
