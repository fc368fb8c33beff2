import { describe, expect, test } from 'vitest'
import { believesForwarded, clientAddress, countedAs, type ProxyTrust } from '../../src/network/proxies.ts'

const PEER = '10.0.0.1'
const from = (trust: ProxyTrust, headers: Readonly<Record<string, string>>, peer: string | undefined = PEER) =>
  clientAddress(trust, peer, (name) => headers[name])
const forwardedFor = (trust: ProxyTrust, value: string, peer?: string) =>
  from(trust, { 'x-forwarded-for': value }, peer)
const none: ProxyTrust = { kind: 'none' }
const named: ProxyTrust = { kind: 'header', name: 'fly-client-ip' }
const hops = (count: number): ProxyTrust => ({ kind: 'hops', count })
const networks: ProxyTrust = { kind: 'networks', networks: ['10.0.0.0/8', 'fd00::/8'] }
const SPELLINGS: readonly (readonly [string, string | undefined])[] = [
  ['203.0.113.9', '203.0.113.9'],
  [' 203.0.113.9 ', '203.0.113.9'],
  ['203.0.113.9:4711', '203.0.113.9'],
  ['2001:DB8:0::9', '2001:db8::9'],
  ['[2001:db8::9]', '2001:db8::9'],
  ['[2001:db8::9]:4711', '2001:db8::9'],
  ['::ffff:203.0.113.9', '203.0.113.9'],
  ['[::ffff:cb00:7109]:1', '203.0.113.9'],
  ['fe80::1%eth0', 'fe80::1'],
  ['[203.0.113.9]', undefined],
  ['[2001:db8::9', undefined],
  ['203.0.113.9:port', undefined],
  ['203.0.113', undefined],
  ['0x7f.0.0.1', undefined],
  ['010.0.0.1', undefined],
  ['3405803785', undefined],
  ['unknown', undefined],
  ['_hidden', undefined],
  ['', undefined],
  ['<script>', undefined],
]

test('no header is believed unless the operator named the proxy: the address of the connection counts', () => {
  expect(forwardedFor(none, '203.0.113.9')).toEqual({ address: PEER })
  expect(forwardedFor(none, '203.0.113.9', '::ffff:10.0.0.1')).toEqual({ address: PEER })
  expect(clientAddress(none, undefined, () => '203.0.113.9').address).toBeUndefined()
})

describe.each([
  ['of a header with a name', (value: string) => from(named, { 'fly-client-ip': value })],
  ['of X-Forwarded-For, by the number of hops', (value: string) => forwardedFor(hops(1), `198.51.100.1, ${value}`)],
  ['of X-Forwarded-For, by networks', (value: string) => forwardedFor(networks, `198.51.100.1, ${value}`)],
])('a value %s', (_, read) => {
  test.each(SPELLINGS)('%j is the address %j', (value, address) => expect(read(value).address).toBe(address))

  test('that is none is told in words', () =>
    expect(read('unknown')).toMatchObject({ why: expect.stringMatching(/TRUST_PROXY/) }))
})

test('a header with a name has one address, and no other header or connection is asked in its place', () => {
  const others = { 'x-forwarded-for': '203.0.113.9', 'x-real-ip': '203.0.113.9' }
  expect(from(named, others)).toEqual({ address: undefined, why: 'the proxy sent no fly-client-ip (TRUST_PROXY)' })
  expect(from(named, { 'fly-client-ip': '203.0.113.9, 203.0.113.10' }).address).toBeUndefined()
})

test.each([
  [1, '1.1.1.1, 2.2.2.2, 3.3.3.3', '3.3.3.3'],
  [2, '1.1.1.1, 2.2.2.2, 3.3.3.3', '2.2.2.2'],
  [3, '1.1.1.1, 2.2.2.2,3.3.3.3', '1.1.1.1'],
  [4, '1.1.1.1, 2.2.2.2, 3.3.3.3', undefined],
  [2, 'junk, 2.2.2.2, 3.3.3.3', '2.2.2.2'],
  [2, '1.1.1.1, junk, 3.3.3.3', undefined],
  [2, '1.1.1.1, , 3.3.3.3', undefined],
  [1, '1.1.1.1,', undefined],
])('%i hops back in %j is %j', (count, value, address) =>
  expect(forwardedFor(hops(count), value).address).toBe(address),
)

test.each([
  ['1.1.1.1', '1.1.1.1'],
  ['1.1.1.1, 10.9.9.9', '1.1.1.1'],
  ['1.1.1.1, 2.2.2.2, 10.9.9.9, [fd00::1]:80', '2.2.2.2'],
  ['junk, 2.2.2.2, 10.9.9.9', '2.2.2.2'],
  ['1.1.1.1, junk, 10.9.9.9', undefined],
  ['10.1.1.1, 10.2.2.2', '10.1.1.1'],
  ['1.1.1.1, ::ffff:10.0.0.3', '1.1.1.1'],
])('past the proxies of our networks, %j comes from %j', (value, address) =>
  expect(forwardedFor(networks, value).address).toBe(address),
)

test('who is in none of the networks is a client, and says nothing of itself', () => {
  expect(forwardedFor(networks, '1.1.1.1', '198.51.100.7')).toEqual({ address: '198.51.100.7' })
  expect(forwardedFor(networks, '1.1.1.1', '::ffff:10.0.0.9')).toEqual({ address: '1.1.1.1' })
  expect(from(networks, {})).toMatchObject({
    address: undefined,
    why: expect.stringMatching(/sent no x-forwarded-for/),
  })
  expect(believesForwarded(networks, '198.51.100.7')).toBe(false)
  expect(believesForwarded(networks, '::ffff:10.0.0.9')).toBe(true)
  expect([none, named, hops(1)].map((trust) => believesForwarded(trust, PEER))).toEqual([false, true, true])
})

test('an IPv6 client is counted by its network, which is its own', () => {
  expect(countedAs('2001:db8:1:2:3::4')).toBe(countedAs('2001:db8:1:2::9'))
  expect(countedAs('2001:db8:1:2::')).not.toBe(countedAs('2001:db8:1:3::'))
  expect(countedAs('203.0.113.9')).toBe('203.0.113.9')
})
