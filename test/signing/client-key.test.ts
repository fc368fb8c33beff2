import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { expect, test } from 'vitest'
import { readClientKey } from '../../src/signing/client-key.ts'

const publicJwk = async (alg: string, modulusLength?: number): Promise<JWK> => {
  const options = { extractable: true, ...(modulusLength && { modulusLength }) }
  return exportJWK((await generateKeyPair(alg, options)).publicKey)
}

test.each(['ES256', 'ES384', 'EdDSA', 'RS256'])(
  'SEC-10 a public key of %s is taken, without what is not known',
  async (alg) => {
    const jwk = { ...(await publicJwk(alg)), kid: 'mine' }
    expect(await readClientKey({ ...jwk, use: 'sig', key_ops: ['verify'], x5c: ['…'] })).toEqual({
      thumbprint: expect.stringMatching(/^[\w-]{43}$/),
      algorithm: alg,
      jwk,
    })
  },
)

test('SEC-10 an RSA key signs by PS256 where it says so', async () => {
  const jwk = { ...(await publicJwk('PS256')), alg: 'PS256' }
  expect(await readClientKey(jwk)).toMatchObject({ algorithm: 'PS256' })
})

test.each<[string, () => Promise<object>, RegExp]>([
  [
    'a private key',
    async () => exportJWK((await generateKeyPair('ES256', { extractable: true })).privateKey),
    /not public/,
  ],
  ['a shared secret', async () => ({ kty: 'oct', k: 'c2VjcmV0' }), /not public/],
  ['a shared secret without it', async () => ({ kty: 'oct' }), /must be/],
  ['a key for encryption', async () => ({ ...(await publicJwk('ES256')), use: 'enc' }), /signatures/],
  ['a key for agreement', async () => ({ kty: 'OKP', crv: 'X25519', x: 'AAAA' }), /must be/],
  ['a curve that is no curve', async () => ({ kty: 'EC', crv: 'toString', x: 'A', y: 'A' }), /must be/],
  [
    'a point that is not on the curve',
    async () => ({ ...(await publicJwk('ES256')), x: 'A'.repeat(43) }),
    /no public key/,
  ],
  ['half a key', async () => ({ kty: 'EC', crv: 'P-256', x: 'AAAA' }), /no public key/],
  ['an RSA key that says it is symmetric', async () => ({ ...(await publicJwk('RS256')), alg: 'HS256' }), /HS256/],
  ['a curve with the algorithm of another', async () => ({ ...(await publicJwk('ES256')), alg: 'ES384' }), /ES384/],
  ['members that are no text', async () => ({ ...(await publicJwk('ES256')), kid: 7 }), /no text/],
  ['a small RSA key', async () => ({ kty: 'RSA', e: 'AQAB', n: Buffer.alloc(128, 255).toString('base64url') }), /bits/],
  ['nothing', async () => ({}), /must be/],
])('SEC-10 %s is refused in words', async (_, given, message) =>
  expect(await readClientKey((await given()) as Record<string, unknown>)).toMatch(message),
)
