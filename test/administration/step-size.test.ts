import { expect, test } from 'vitest'
import { StepSize } from '../../src/administration/step-size.ts'

test('a step grows by a little while steps are quick, up to the largest, and is halved after a slow one, down to twenty', () => {
  const step = new StepSize(180)
  const after = (ms: number) => {
    step.took(ms)
    return step.size
  }
  expect(step.size).toBe(100)
  expect([10, 10, 10].map(after)).toEqual([150, 180, 180])
  expect([51, 400, 51].map(after)).toEqual([90, 45, 22])
  expect([50, 60, 60, 60, 60, 60, 60, 60].map(after)).toEqual([72, 36, 20, 20, 20, 20, 20, 20])
  expect(after(1)).toBe(70)
})

test('others have as long a pause as the step took', () => {
  const step = new StepSize(500)
  expect(step.restMs).toBe(0)
  step.took(730)
  expect(step.restMs).toBe(730)
})
