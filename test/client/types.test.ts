import { expect, test } from 'vitest'
import { currentFirstLine, firstLineOfClient } from '../support/client-types.ts'

test('the client is typed by the admin API as it is; else: npm run client:generate', () => {
  expect(firstLineOfClient()).toBe(currentFirstLine())
})
