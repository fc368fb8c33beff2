import { expect, test } from 'vitest'
import { coverage } from './support/checklist.ts'

test('every line of the checklist has a test that names it, or an argument', () => {
  expect(coverage()).toEqual({ idsWithoutTest: [], filesWithoutId: [], arguedNeedlessly: [] })
})
