import { createHash } from 'node:crypto'
import { CompactEncrypt, compactDecrypt } from 'jose'
import { expect, test } from 'vitest'
import { cursorSealer } from '../../src/provisioning/cursor.ts'

const SECRET = 'the secret of this instance'
const sealer = cursorSealer(async () => SECRET)
const content = { query: 'q', count: 7, sort: 'Zoë', id: 'x', backward: false, expiresAt: 1_900_000_000_000 }
const key = createHash('sha256').update(`cursor\n${SECRET}`).digest()

test('CU-03 a cursor is a compact JWE, which a library reads and writes alike', async () => {
  const cursor = await sealer.seal(content)
  const { plaintext, protectedHeader } = await compactDecrypt(cursor, key)
  expect(protectedHeader).toStrictEqual({ alg: 'dir', enc: 'A256GCM' })
  expect(JSON.parse(Buffer.from(plaintext).toString())).toStrictEqual(content)

  const theirs = await new CompactEncrypt(plaintext).setProtectedHeader({ alg: 'dir', enc: 'A256GCM' }).encrypt(key)
  expect(await sealer.open(theirs)).toStrictEqual(content)
  expect(await sealer.seal(content)).not.toBe(cursor)
})

test('CU-05 a cursor that is damaged, of another key or of another form does not open', async () => {
  const cursor = await sealer.seal(content)
  expect(await sealer.open(cursor)).toStrictEqual(content)
  const [header = '', , vector = '', hidden = '', tag = ''] = cursor.split('.')
  const last = (text: string) => `${text.slice(0, -2)}${text.at(-2) === 'A' ? 'B' : 'A'}${text.at(-1)}`
  const forged = [
    await cursorSealer(async () => 'another secret').seal(content),
    ...[last(vector), vector.slice(1), ''].map((other) => [header, '', other, hidden, tag].join('.')),
    ...[last(hidden), hidden.slice(4), ''].map((other) => [header, '', vector, other, tag].join('.')),
    ...[last(tag), tag.slice(0, 6), ''].map((other) => [header, '', vector, hidden, other].join('.')),
    [header, 'a', vector, hidden, tag].join('.'),
    [Buffer.from('{"enc":"A256GCM","alg":"dir"}').toString('base64url'), '', vector, hidden, tag].join('.'),
    `${cursor}=`,
    `${cursor}\n`,
    '',
  ]
  for (const one of forged) expect(await sealer.open(one), one).toBeUndefined()
})

test('a secret that could not be read is asked for again', async () => {
  let asked = 0
  const later = cursorSealer(async () => {
    if (asked++ === 0) throw new Error('not now')
    return SECRET
  })
  await expect(later.seal(content)).rejects.toThrow('not now')
  expect(await sealer.open(await later.seal(content))).toStrictEqual(content)
})
