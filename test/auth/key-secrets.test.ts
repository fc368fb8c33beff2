import { expect, test } from 'vitest'
import { currentSecret, type KeySecret, rotationOf } from '../../src/auth/key-secrets.ts'

const now = new Date(1_000_000)
const [past, future] = [new Date(999_999), new Date(1_000_001)]
const secret = (version: number, endsAt: Date | null = null, endsOnUse = false): KeySecret => ({
  ...{ version, endsAt, endsOnUse, hash: '', createdAt: now, expiresAt: null, lastUsedAt: null, lastUsedBy: null },
})

test.each([
  ['SEC-07 a key that was never rotated', [secret(1)], 1, undefined],
  ['a rotation with a limit', [secret(1, future), secret(2)], 2, [1, 2]],
  ['a rotation that waits for use', [secret(1, null, true), secret(2)], 2, [1, 2]],
  ['a rotation that waits for use, with a limit', [secret(1, future, true), secret(2)], 2, [1, 2]],
  ['one whose old secret has run out', [secret(1, past), secret(2)], 2, undefined],
  ['one whose wait has run out', [secret(1, past, true), secret(2)], 2, undefined],
  ['one that ends this moment', [secret(1, now), secret(2)], 2, undefined],
  ['one that was undone', [secret(1), secret(2, past)], 1, undefined],
  ['the one after one that was undone', [secret(1, future), secret(2, past), secret(3)], 3, [1, 3]],
  ['one whose old secret has expired', [{ ...secret(1, future), expiresAt: past }, secret(2)], 2, undefined],
  ['a key whose every secret has ended', [secret(1, past), secret(2, past)], 2, undefined],
] as const)('%s', (_, secrets, current, rotation) => {
  for (const order of [[...secrets], [...secrets].reverse()]) {
    expect(currentSecret(order).version).toBe(current)
    const found = rotationOf(order, now)
    expect(found && [found.from.version, found.to.version]).toEqual(rotation)
  }
})
