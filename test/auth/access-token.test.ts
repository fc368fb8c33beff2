import { createHash, createHmac } from 'node:crypto'
import { exportSPKI, generateKeyPair, importJWK, SignJWT } from 'jose'
import { beforeEach, expect, test } from 'vitest'
import { AccessTokens, isJwt } from '../../src/auth/access-token.ts'
import { mintApiKey } from '../../src/auth/api-key.ts'
import type { Scope } from '../../src/auth/principal.ts'
import { Keyring } from '../../src/signing/keyring.ts'
import { secretBox } from '../../src/signing/secret-box.ts'
import { placeId } from '../support/place-ids.ts'
import { signingKeysInMemory } from '../support/signing-keys.ts'

const ISSUER = 'https://scim.example.com'
const PLACE = { projectId: 'p', environmentId: 'e', tenantId: 't' }
const SCOPE: Scope = {
  kind: 'tenant',
  projectId: placeId(PLACE.projectId),
  environmentId: placeId(PLACE.environmentId),
  tenantId: placeId(PLACE.tenantId),
}
const SAID = { keyId: 'abcdefghijkl', credential: 3, permissions: ['scim:read'] } as const
const CONTENT = { ...SAID, scope: SCOPE }
/** What of it can be read again. */
const READ = { ...SAID, place: PLACE }

let now: number
let store: ReturnType<typeof signingKeysInMemory>
let keyring: Keyring
let tokens: AccessTokens
beforeEach(() => {
  now = 1_700_000_000_000
  store = signingKeysInMemory()
  keyring = new Keyring(
    store,
    secretBox(async () => 'a secret of the instance'),
    () => now,
  )
  tokens = new AccessTokens(keyring, () => now)
})

const verify = (token: string, issuer = ISSUER) =>
  tokens.verify(token, createHash('sha256').update(token).digest('base64url'), issuer)
const part = (value: object | string) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

/** What we sign, with something else in it. */
async function signed(
  payload: Readonly<Record<string, unknown>>,
  header: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const { kid, key } = await keyring.signing()
  return new SignJWT({ ...good(), ...payload })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid, ...header })
    .sign(key)
}
const good = () => ({
  ...{ iss: ISSUER, aud: ISSUER, sub: CONTENT.keyId, client_id: CONTENT.keyId, jti: 'j', credential: 3 },
  ...{ scope: 'scim:read', place: PLACE },
  ...{ iat: now / 1000, exp: now / 1000 + 3_600 },
})

test('SEC-08 a token says what it was issued for', async () => {
  const { token, expiresInSeconds } = await tokens.issue(CONTENT, ISSUER)
  expect(expiresInSeconds).toBe(3_600)
  expect(await verify(token)).toEqual({ ...READ, expiresAt: now + 3_600_000 })
  expect(isJwt(token)).toBe(true)
  expect(isJwt(mintApiKey().key)).toBe(false)
  expect(await verify(await signed({}))).toMatchObject(READ)
})

test('SEC-03 a token is good until it expires and not a moment longer, remembered or not', async () => {
  const { token } = await tokens.issue(CONTENT, ISSUER)
  now += 3_599_999
  expect(await verify(token)).toMatchObject(READ)
  now += 1
  expect(await verify(token)).toBe('token expired')
  tokens = new AccessTokens(keyring, () => now)
  expect(await verify(token)).toBe('token expired')
})

test('SEC-03 alg none is no signature, however it is spelled', async () => {
  const { kid } = await keyring.signing()
  for (const alg of ['none', 'None', 'NONE', 'nOnE', '']) {
    const unsigned = `${part({ alg, typ: 'at+jwt', kid })}.${part(good())}`
    expect(await verify(`${unsigned}.`)).toBe('no token of ours')
    expect(await verify(`${unsigned}.${part('signature')}`)).toBe('no token of ours')
  }
})

test('SEC-03 a public key is no secret: HS256 with it, in any form, is refused', async () => {
  const { kid } = await keyring.signing()
  const [jwk] = (await keyring.jwks()).keys
  const publicKey = await importJWK(jwk ?? {}, 'ES256', { extractable: true })
  if (publicKey instanceof Uint8Array) throw new Error('no pair of keys')
  const pem = await exportSPKI(publicKey)
  for (const secret of [pem, pem.trim(), JSON.stringify(jwk), jwk?.x ?? '']) {
    for (const alg of ['HS256', 'ES256']) {
      const text = `${part({ alg, typ: 'at+jwt', kid })}.${part(good())}`
      const mac = createHmac('sha256', secret).update(text).digest('base64url')
      expect(await verify(`${text}.${mac}`)).toBe('no token of ours')
    }
  }
})

test.each(['ES384', 'ES512', 'RS256', 'PS256', 'EdDSA'])('SEC-03 another algorithm is refused: %s', async (alg) => {
  const { privateKey } = await generateKeyPair(alg)
  const { kid } = await keyring.signing()
  const token = await new SignJWT(good()).setProtectedHeader({ alg, typ: 'at+jwt', kid }).sign(privateKey)
  expect(await verify(token)).toBe('no token of ours')
})

test('SEC-03 the key of somebody else is refused, under our id and brought along in the header', async () => {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const { kid } = await keyring.signing()
  const jwk = { ...(await crypto.subtle.exportKey('jwk', publicKey)) }
  const more = [{ kid }, { kid: 'unknown' }, {}, { kid, jwk }, { jwk }, { kid: '../../etc/passwd' }]
  for (const header of [...more, { jku: 'https://evil.example/jwks.json' }, { x5u: 'https://evil.example/cert' }]) {
    const token = await new SignJWT(good())
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', ...header })
      .sign(privateKey)
    expect(await verify(token)).toBe('no token of ours')
  }
})

test.each<[string, Record<string, unknown>]>([
  ['another issuer', { iss: 'https://evil.example' }],
  ['an issuer that begins like ours', { iss: `${ISSUER}.evil.example` }],
  ['another audience', { aud: 'https://other.example' }],
  ['no audience', { aud: undefined }],
  ['no issuer', { iss: undefined }],
  ['no end', { exp: undefined }],
  ['a beginning that is to come', { nbf: 1_700_000_060 }],
  ['no id', { jti: undefined }],
  ['another subject', { sub: 'zzzzzzzzzzzz' }],
  ['a client that is no key', { sub: 'admin', client_id: 'admin' }],
  ['no scope', { scope: undefined }],
  ['a scope that is no text', { scope: ['admin'] }],
  ['no place', { place: undefined }],
  ['a credential that is none', { credential: { version: 3 } }],
])('SEC-03 with our signature and %s it is refused', async (_, payload) =>
  expect(await verify(await signed(payload))).toBe('no token of ours'),
)

test('SEC-03 what we sign for another purpose is no access token, nor is what asks for more than we know', async () => {
  for (const typ of ['JWT', 'secevent+jwt', 'logout+jwt', undefined]) {
    expect(await verify(await signed({}, { typ }))).toBe('no token of ours')
  }
  const { kid } = await keyring.signing()
  const { token } = await tokens.issue(CONTENT, ISSUER)
  const [, payload, signature] = token.split('.')
  const critical = part({ alg: 'ES256', typ: 'at+jwt', kid, crit: ['x'], x: 1 })
  expect(await verify(`${critical}.${payload}.${signature}`)).toBe('no token of ours')
})

test('SEC-03 a token that was changed anywhere is refused', async () => {
  const { token } = await tokens.issue(CONTENT, ISSUER)
  await verify(token)
  const [header = '', , signature = ''] = token.split('.')
  expect(await verify(`${header}.${part({ ...good(), scope: 'admin' })}.${signature}`)).toBe('no token of ours')
  expect(await verify(`${header}.${token.split('.')[1]}.`)).toBe('no token of ours')
  expect(await verify(`${header}.${token.split('.')[1]}.${'A'.repeat(86)}`)).toBe('no token of ours')
  expect(await verify(token.replace('.', '..'))).toBe('no token of ours')
  expect(await verify(`${'e'.repeat(5000)}.e30.e30`)).toBe('no token of ours')
})

test('SEC-03 a token is for the address by which it was got, remembered or not', async () => {
  const { token } = await tokens.issue(CONTENT, ISSUER)
  expect(await verify(token, 'https://elsewhere.example')).toBe('no token of ours')
  expect(await verify(token)).toMatchObject(READ)
  expect(await verify(token, 'https://elsewhere.example')).toBe('no token of ours')
})

test('a storm of bad tokens asks the store for keys no more than once in five seconds', async () => {
  await keyring.signing()
  const before = store.asked
  const storm = Array.from({ length: 300 }, (_, i) =>
    verify(`${part({ alg: 'ES256', typ: 'at+jwt', kid: `k${i}` })}.${part(good())}.${'A'.repeat(86)}`),
  )
  expect(new Set(await Promise.all(storm))).toEqual(new Set(['no token of ours']))
  expect(store.asked).toBe(before)
})

test('SEC-03 with the key that signed it, a token ends', async () => {
  const { token } = await tokens.issue(CONTENT, ISSUER)
  await verify(token)
  store.kept.length = 0
  now += 60_000
  await keyring.signing()
  expect(await verify(token)).toBe('no token of ours')
})
