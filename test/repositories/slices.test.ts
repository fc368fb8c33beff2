import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test, vi } from 'vitest'
import { hitsInSlices } from '../../src/repositories/query/slices.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

test('SEC-15 where slices end is looked up anew after a minute, however often it is asked for meanwhile', async () => {
  const clock = vi.spyOn(performance, 'now')
  let lookedUp = 0
  const slicing = {
    of: 'a tenant User',
    end: async () => {
      lookedUp++
      return undefined
    },
    find: async () => [],
  }
  for (let seconds = 1; seconds < 120; seconds += 20) {
    clock.mockReturnValue(seconds * 1_000)
    await hitsInSlices(10, slicing)
    // The cache looks at the clock anew a millisecond later.
    await sleep(2)
  }
  expect(lookedUp).toBe(2)
})
