import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hashApiKey, isApiKeyId, mintApiKey, parseApiKey, sameHash } from '../../src/auth/api-key.ts'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

test('SEC-07 a key has the documented shape, 160 random bits or more, and its id inside', () => {
  const { id, key, hash } = mintApiKey()
  expect(key).toMatch(/^rck_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}$/)
  expect(32 * Math.log2(ALPHABET.length)).toBeGreaterThan(160)
  expect(isApiKeyId(id)).toBe(true)
  expect(parseApiKey(key)).toBe(id)
  expect(hash).toBe(hashApiKey(key))
  expect(key).not.toContain(hash)
})

test('the last six characters are the CRC-32 of what comes before, in base 62', () => {
  const { key } = mintApiKey()
  const value = [...key.slice(-6)].reduce((sum, letter) => sum * 62 + ALPHABET.indexOf(letter), 0)
  expect(value).toBe(crc32(key.slice(0, -6)))
})

test('SEC-07 no two keys are alike', () => {
  const minted = Array.from({ length: 500 }, mintApiKey)
  expect(new Set(minted.map(({ id }) => id)).size).toBe(500)
  expect(new Set(minted.map(({ key }) => key.slice(17, -6))).size).toBe(500)
})

test('a typo anywhere is refused', () => {
  const { key } = mintApiKey()
  fc.assert(
    fc.property(fc.nat(key.length - 1), fc.constantFrom(...ALPHABET), (at, letter) => {
      const typed = key.slice(0, at) + letter + key.slice(at + 1)
      if (typed !== key) expect(parseApiKey(typed)).toBeUndefined()
    }),
  )
})

test.each([
  ['its last letter missing', (key: string) => key.slice(0, -1)],
  ['one letter more', (key: string) => `${key}0`],
  ['a line break after it', (key: string) => `${key}\n`],
  [
    'another letter case',
    (key: string) => key.replace(/[a-z]/gi, (x) => (x < 'a' ? x.toLowerCase() : x.toUpperCase())),
  ],
  ['nothing left', () => ''],
  ['the word undefined', () => 'undefined'],
])('a key with %s is none', (_, spoil) => expect(parseApiKey(spoil(mintApiKey().key))).toBeUndefined())

test('hashes are equal only when all of them is', () => {
  const hash = hashApiKey('a')
  expect(sameHash(hash, hashApiKey('a'))).toBe(true)
  expect(sameHash(hash, hashApiKey('b'))).toBe(false)
  expect(sameHash(hash, hash.slice(0, -1))).toBe(false)
  expect(sameHash(hash, '')).toBe(false)
})
