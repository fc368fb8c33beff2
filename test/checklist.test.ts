import { expect, test } from 'vitest'
import { coverage, idsInSource, requirementIds } from './support/checklist.ts'

test('every line of the checklist has a test that names it, or an argument', () => {
  expect(coverage()).toEqual({ idsWithoutTest: [], filesWithoutId: [], arguedNeedlessly: [] })
})

test('the page of requirements has as many lines as it says, each under an id of its own', () => {
  const { ids, stated } = requirementIds()
  expect(new Set(ids).size).toBe(stated)
  expect(ids).toHaveLength(stated)
})

test('an id in a comment of the source can be looked up', () => {
  const { ids } = requirementIds()
  expect(idsInSource().length).toBeGreaterThan(50)
  expect(idsInSource().filter((id) => !ids.includes(id))).toEqual([])
})
