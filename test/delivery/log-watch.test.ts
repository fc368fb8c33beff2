import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { LogWatch } from '../../src/delivery/log-watch.ts'
import type { TenantId } from '../../src/place-ids.ts'
import type { NumberedMany } from '../../src/repositories/log/numbering.ts'

const TENANT = '0198c0de-0000-7000-8000-000000000000' as TenantId
/** A waiting reader has an event so soon after its commit. */
const SOON_MS = 100

let head: number
let unnumbered: TenantId[]
/** A log of one tenant that answers at once. */
const database = {
  run: async (statement: string) => {
    if (!statement.includes('waiting')) return [{ id: TENANT, head }]
    return [...unnumbered.map((id) => ({ what: 'tenant', id, head: null })), { what: 'log', id: TENANT, head }]
  },
  asTenant: () => database,
  transaction: async () => {
    const numbered = unnumbered.length
    unnumbered = []
    head += numbered
    return { numbered, braked: [], more: false, fed: false } satisfies NumberedMany
  },
} as unknown as Database

beforeEach(() => {
  head = 1
  unnumbered = []
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => vi.useRealTimers())

test('EV-15 a reader that waits has an event within a tenth of a second, whenever it is committed', async () => {
  for (const passed of [0, 1, 49, 50, 51, 999, 5_000]) {
    const watch = new LogWatch(database, () => {})
    const woken = vi.fn()
    void watch.wait(TENANT, head, 60_000).then(woken)
    await vi.advanceTimersByTimeAsync(passed)
    expect(woken).not.toHaveBeenCalled()
    unnumbered = [TENANT]
    await vi.advanceTimersByTimeAsync(SOON_MS)
    expect(woken).toHaveBeenCalledExactlyOnceWith(true)
    await watch.stop()
  }
})

test('EV-18 what sends events is told of them within a tenth of a second while it has endpoints', async () => {
  const watch = new LogWatch(database, () => {})
  const numbered = vi.fn()
  watch.start({ lively: () => true, numbered })
  await vi.advanceTimersByTimeAsync(5_000)
  for (let told = 1; told < 5; told++) {
    unnumbered = [TENANT]
    await vi.advanceTimersByTimeAsync(SOON_MS)
    expect(numbered).toHaveBeenCalledTimes(told)
  }
  await watch.stop()
})
