import type { Context } from 'hono'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import type { ControlPlane } from '../../src/context/control-plane.ts'
import type { AdminEnv } from '../../src/http/control/env.ts'
import { EventReaders } from '../../src/http/control/event-readers.ts'
import { nothingUnderWay } from '../../src/http/in-flight.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function opened() {
  const config = loadConfig({ KEY_MAX_STREAMS: '10000', TENANT_MAX_STREAMS: '10000' })
  const underWay = nothingUnderWay(config)
  const revoked = new Set<string>()
  const asked: string[] = []
  const authenticate = async (header: string) => {
    asked.push(header)
    if (header === 'broken') throw new Error('the database is gone')
    return revoked.has(header) ? { challenge: {} } : { principal: {} }
  }
  const readers = new EventReaders({ authenticate } as unknown as ControlPlane, config)
  const enter = (key: string, client = new AbortController()) =>
    readers.enter(
      {
        var: {
          underWay,
          passage: undefined,
          principal: { keyId: key, scope: { kind: 'tenant' } },
          database: { for: () => ({}) },
        },
        set: () => {},
        req: {
          raw: { signal: client.signal },
          param: () => ({}),
          header: (name: string) => (name === 'authorization' ? key : undefined),
        },
      } as unknown as Context<AdminEnv>,
      'tenant',
    )
  return { underWay, revoked, asked, enter }
}

test('SEC-13 a thousand readers of a key are looked at once a second, together, and end together', async () => {
  const { underWay, revoked, asked, enter } = opened()
  const [many, other] = [Array.from({ length: 1_000 }, () => enter('many')), enter('other')]
  await vi.advanceTimersByTimeAsync(3_000)
  expect(asked.sort()).toEqual(['many', 'many', 'many', 'other', 'other', 'other'])
  revoked.add('many')
  await vi.advanceTimersByTimeAsync(1_000)
  expect(many.every(({ signal }) => signal.aborted)).toBe(true)
  expect(other.signal.aborted).toBe(false)
  for (const reader of [...many, other]) reader.end()
  await vi.advanceTimersByTimeAsync(1_000)
  expect([underWay.streams.count, underWay.streams.parties, vi.getTimerCount()]).toEqual([0, 0, 0])
})

test('a reader ends with its client, and where nobody can tell whether it may read', async () => {
  const { underWay, enter } = opened()
  const client = new AbortController()
  const [gone, broken] = [enter('one', client), enter('broken')]
  client.abort()
  expect([gone.signal.aborted, underWay.streams.count]).toEqual([true, 1])
  await vi.advanceTimersByTimeAsync(1_000)
  expect(broken.signal.aborted).toBe(true)
  expect(enter('one', client).signal.aborted).toBe(true)
})
