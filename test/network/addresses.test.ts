import { expect, test } from 'vitest'
import { isAddressRange, isWithin } from '../../src/network/addresses.ts'

test.each([
  ['203.0.113.9', true],
  ['203.0.113.0/24', true],
  ['0.0.0.0/0', true],
  ['10.0.0.0/32', true],
  ['2001:db8::1', true],
  ['2001:db8::/32', true],
  ['::/0', true],
  ['203.0.113.0/33', false],
  ['2001:db8::/129', false],
  ['203.0.113.0/', false],
  ['203.0.113.0/024', false],
  ['203.0.113.0/-1', false],
  ['203.0.113.0/8/8', false],
  ['203.0.113', false],
  ['203.0.113.256', false],
  ['fe80::1%eth0', false],
  ['example.com', false],
  [' 203.0.113.9', false],
  ['', false],
])('%j is a range: %s', (text, is) => expect(isAddressRange(text)).toBe(is))

test.each<[string[], string | undefined, boolean]>([
  [['203.0.113.9'], '203.0.113.9', true],
  [['203.0.113.9'], '203.0.113.8', false],
  [['203.0.113.0/24'], '203.0.113.255', true],
  [['203.0.113.77/24'], '203.0.113.255', true],
  [['203.0.113.0/24'], '203.0.114.0', false],
  [['198.51.100.0/24', '2001:db8::/32'], '2001:DB8:ffff::1', true],
  [['198.51.100.0/24', '2001:db8::/32'], '2001:db9::1', false],
  [['2001:db8::1'], '2001:db8:0:0:0:0:0:1', true],
  [['0.0.0.0/0'], '2001:db8::1', false],
  [['0.0.0.0/0', '::/0'], undefined, false],
  [['0.0.0.0/0', '::/0'], 'unknown', false],
])('%j has %s: %s', (ranges, address, is) => {
  expect(isWithin(ranges, address)).toBe(is)
  expect(isWithin(ranges, address)).toBe(is)
})
