import { beforeEach, expect, test } from 'vitest'
import { Keyring } from '../../src/signing/keyring.ts'
import { secretBox } from '../../src/signing/secret-box.ts'
import { signingKeysInMemory } from '../support/signing-keys.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR

let now: number
let store: ReturnType<typeof signingKeysInMemory>
beforeEach(() => {
  now = 1_000 * DAY
  store = signingKeysInMemory()
})

const box = (secret = 'a secret of the instance') => secretBox(async () => secret)
const instance = (secret?: string) => new Keyring(store, box(secret), () => now)
const published = async (keyring: Keyring) => (await keyring.jwks()).keys.map(({ kid }) => kid)

test('SEC-08 a keyring of RS256 makes RSA keys of 2048 bits, and publishes nothing but their public halves', async () => {
  const rsa = signingKeysInMemory('RS256')
  const keyring = new Keyring(rsa, box(), () => now)
  const { algorithm, kid } = await keyring.signing()
  expect(algorithm).toBe('RS256')
  const [jwk] = (await keyring.jwks()).keys
  expect(jwk).toEqual({ kty: 'RSA', n: expect.any(String), e: 'AQAB', kid, alg: 'RS256', use: 'sig' })
  expect(Buffer.from(jwk?.n ?? '', 'base64url')).toHaveLength(256)
  expect(rsa.kept[0]?.publicJwk).toEqual(jwk)
  expect(JSON.parse((await box().open(rsa.kept[0]?.sealed ?? '', `signing-key ${kid}`)) ?? '')).toHaveProperty('qi')
  // It is renewed as the others are.
  now += 31 * DAY
  expect((await keyring.jwks()).keys).toHaveLength(2)
})

test('SEC-08 all instances sign with the one key that the first of them has made', async () => {
  const instances = [instance(), instance(), instance()]
  const kids = await Promise.all(instances.map(async (keyring) => (await keyring.signing()).kid))
  expect(new Set(kids).size).toBe(1)
  expect(store.kept).toHaveLength(1)
})

test('SEC-08 a new key is published for a day before it signs, and the old one until its last token has expired', async () => {
  const keyring = instance()
  const { kid: first } = await keyring.signing()
  now += 30 * DAY - 1
  expect((await keyring.signing()).kid).toBe(first)
  expect(await published(keyring)).toEqual([first])

  now += HOUR
  expect((await keyring.signing()).kid).toBe(first)
  const [second] = await published(keyring)
  expect(await published(keyring)).toEqual([second, first])

  now += DAY
  expect((await keyring.signing()).kid).toBe(second)
  expect(await keyring.verifying(first)).toBeDefined()

  now += 2 * HOUR
  expect(await published(keyring)).toEqual([second])
  expect(await keyring.verifying(first)).toBeUndefined()
  expect(keyring.stillHas(first)).toBe(false)
  expect(store.kept).toHaveLength(1)
})

test('SEC-08 after a long rest the old key signs on while the new one is published', async () => {
  const { kid: first } = await instance().signing()
  now += 400 * DAY
  const woken = instance()
  expect((await woken.signing()).kid).toBe(first)
  expect(await published(woken)).toHaveLength(2)
})

test('a key that another instance has made since is found without waiting for the next minute, once in five seconds', async () => {
  const keyring = instance()
  await keyring.signing()
  now += 30 * DAY - 30_000
  await keyring.signing()
  now += 30_000
  await instance().signing()
  const [kid = ''] = await published(instance())
  expect(await keyring.verifying(kid)).toBeDefined()
})

test('a storm of unknown key ids asks the store no more than once in five seconds', async () => {
  const keyring = instance()
  await keyring.signing()
  const before = store.asked
  await Promise.all(Array.from({ length: 500 }, (_, i) => keyring.verifying(`unknown-${i}`)))
  expect(store.asked).toBe(before)
  now += 5_000
  await Promise.all(Array.from({ length: 500 }, (_, i) => keyring.verifying(`unknown-${i}`)))
  expect(store.asked).toBe(before + 1)
})

test('SEC-07 what is stored shows no private key, and opens for its own key id alone', async () => {
  await instance().signing()
  const [kept] = store.kept
  expect(kept?.publicJwk).not.toHaveProperty('d')
  expect(await box().open(kept?.sealed ?? '', `signing-key ${kept?.kid}`)).toContain('"d":')
  expect(await box().open(kept?.sealed ?? '', 'signing-key of another')).toBeUndefined()
  expect(await box('another secret').open(kept?.sealed ?? '', `signing-key ${kept?.kid}`)).toBeUndefined()
})

test('SEC-08 under another SECRETS_KEY a new key signs at once, and what the old one signs is believed no longer', async () => {
  const { kid: first } = await instance('before').signing()
  const after = instance('after')
  expect((await after.signing()).kid).not.toBe(first)
  expect(await after.verifying(first)).toBeUndefined()
  expect(await published(after)).not.toContain(first)
})

test('SEC-08 public keys that somebody has written into the store are not believed', async () => {
  const { keys: before } = await instance().jwks()
  const elsewhere = signingKeysInMemory()
  await new Keyring(elsewhere, box('of another instance'), () => now).signing()
  const [ours, theirs] = [store.kept[0], elsewhere.kept[0]]
  if (ours === undefined || theirs === undefined) throw new Error('there is no key')
  await store.insert({ ...theirs, generation: 2 })
  await store.insert({ ...ours, generation: 3, publicJwk: theirs.publicJwk })
  const { keys } = await instance().jwks()
  expect(keys.map(({ x }) => x)).toEqual([before[0]?.x, before[0]?.x])
  expect(await instance().verifying(theirs.kid)).toBeUndefined()
})
