import { expect, test } from 'vitest'
import { FairQueue } from '../../src/request-log/queue.ts'

const fill = (queue: FairQueue<string>, tenant: string, count: number, bytes = 1) =>
  Array.from({ length: count }, (_, n) => queue.add(tenant, `${tenant}${n}`, { bytes, at: n })).filter(Boolean).length

test('one tenant never pushes out another: alone it has all, beside others a quarter', () => {
  const queue = new FairQueue<string>({ entries: 100, bytes: 1_000 })
  expect(fill(queue, 'a', 80)).toBe(80)
  expect(fill(queue, 'b', 80)).toBe(20)
  expect(queue.length).toBe(100)
  expect(queue.take(100, 1_000).length).toBe(100)
  fill(queue, 'a', 1)
  fill(queue, 'b', 1)
  expect(fill(queue, 'a', 80)).toBe(24)
  expect(fill(queue, 'b', 80)).toBe(24)
  expect(fill(queue, 'c', 80)).toBe(25)
})

test('bytes have a bound, in all and for a tenant beside others', () => {
  const queue = new FairQueue<string>({ entries: 1_000, bytes: 1_000 })
  expect(fill(queue, 'a', 1, 100)).toBe(1)
  expect(fill(queue, 'b', 10, 100)).toBe(2)
  expect(fill(queue, 'a', 10, 100)).toBe(1)
  expect(queue.bytes).toBe(400)
  expect(queue.add('c', 'large', { bytes: 1_001, at: 0 })).toBe(false)
})

test('a batch has some of each tenant, and no more than its bounds', () => {
  const queue = new FairQueue<string>({ entries: 1_000, bytes: 100_000 })
  fill(queue, 'loud', 200, 10)
  fill(queue, 'quiet', 1, 10)
  const batch = queue.take(10, 1_000)
  expect(batch).toContain('quiet0')
  expect(batch.length).toBe(10)
  expect(queue.take(1_000, 55).length).toBe(5)
  expect(queue.take(1, 1).length).toBe(1)
  expect(queue.length).toBe(185)
})

test('of one tenant the order stays', () => {
  const queue = new FairQueue<string>({ entries: 100, bytes: 1_000 })
  fill(queue, 'a', 5)
  fill(queue, 'b', 5)
  const all = [...queue.take(3, 100), ...queue.take(3, 100), ...queue.take(100, 100)]
  expect(all.filter((one) => one.startsWith('a'))).toEqual(['a0', 'a1', 'a2', 'a3', 'a4'])
  expect(all.length).toBe(10)
  expect([queue.length, queue.bytes]).toEqual([0, 0])
})

test('what is left out is counted for each tenant, from when until when', () => {
  const queue = new FairQueue<string>({ entries: 2, bytes: 1_000 })
  fill(queue, 'a', 5)
  expect(queue.hasGaps).toBe(true)
  expect(queue.takeGaps(10)).toEqual([['a', { dropped: 3, from: 2, until: 4 }]])
  expect(queue.hasGaps).toBe(false)
})

test('entries of a kind that may fill a part leave the rest to others', () => {
  const queue = new FairQueue<string>({ entries: 100, bytes: 1_000 })
  const add = (tenant: string, count: number, share = 1) =>
    Array.from({ length: count }, (_, n) => queue.add(tenant, `${n}`, { bytes: 1, at: n, share })).filter(Boolean)
  expect(add('a', 100, 1 / 4).length).toBe(25)
  expect(queue.hasRoom('a', 1, 1 / 4)).toBe(false)
  expect(queue.hasRoom('a', 1)).toBe(true)
  expect(add('a', 100).length).toBe(75)
  expect(queue.takeGaps(1)).toEqual([['a', { dropped: 100, from: 25, until: 99 }]])
})
