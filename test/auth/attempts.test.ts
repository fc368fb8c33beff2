import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { FAILURES, FailedAttempts, Windows } from '../../src/auth/attempts.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] })
})
afterEach(() => vi.useRealTimers())

const KEY = '0123456789ab'
const addressNo = (n: number) => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`

test('SEC-15 a window takes so many, tells when it ends, and begins anew', () => {
  const windows = new Windows(2, 60)
  expect([windows.count('a'), windows.count('a')]).toEqual([undefined, undefined])
  vi.advanceTimersByTime(10_000)
  expect(windows.count('a')).toBe(50)
  expect(windows.count('b')).toBeUndefined()
  vi.advanceTimersByTime(50_000)
  expect(windows.count('a')).toBeUndefined()
})

test('SEC-15 what fails is counted by key and address, by the key from anywhere, and by the address', () => {
  const pair = new FailedAttempts()
  for (let i = 0; i < FAILURES.ofKeyFromAddress; i++) expect(pair.count(KEY, '203.0.113.1')).toBeUndefined()
  expect(pair.count(KEY, '203.0.113.1')).toBe(FAILURES.seconds)
  expect(pair.count(KEY, '203.0.113.2')).toBeUndefined()
  expect(pair.count('another0key1', '203.0.113.1')).toBeUndefined()

  const spread = new FailedAttempts()
  for (let i = 0; i < FAILURES.ofKey; i++) expect(spread.count(KEY, addressNo(i))).toBeUndefined()
  expect(spread.count(KEY, '203.0.113.1')).toBe(FAILURES.seconds)

  const many = new FailedAttempts()
  for (let i = 0; i < FAILURES.fromAddress; i++) {
    expect(many.count(String(i).padStart(12, '0'), '203.0.113.1')).toBeUndefined()
  }
  expect(many.count(KEY, '203.0.113.1')).toBe(FAILURES.seconds)
})

test('SEC-15 what names no key is counted together, as a guess of the key of the configuration', () => {
  const failures = new FailedAttempts()
  for (let i = 0; i < FAILURES.ofKeyFromAddress; i++) {
    expect(failures.count(i % 2 ? undefined : `guess ${i}`, '203.0.113.1')).toBeUndefined()
  }
  expect(failures.count('one more', '203.0.113.1')).toBe(FAILURES.seconds)
})

test('SEC-15 a flood of names takes no more memory than was set aside, and the oldest go', () => {
  const windows = new Windows(1, 60)
  windows.count('first')
  expect(windows.count('first')).toBe(60)
  for (let i = 0; i < 10_000; i++) windows.count(`name ${i}`)
  expect(windows.count('first')).toBeUndefined()
  expect(windows.count('name 9999')).toBe(60)
})
