import { expect, test } from 'vitest'
import { queryError } from '../../src/repositories/sql-errors.ts'

test('Q-26 a query that is cut off for its length is 400 tooMany; other errors stay what they are', () => {
  const cutOff = Object.assign(new Error('canceling statement due to statement timeout'), { code: '57014' })
  expect(queryError(cutOff)).toMatchObject({ status: 400, scimType: 'tooMany' })
  const other = Object.assign(new Error('disk full'), { code: '53100' })
  expect(queryError(other)).toBe(other)
})
