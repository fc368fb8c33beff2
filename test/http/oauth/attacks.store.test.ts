import { createHmac } from 'node:crypto'
import { exportSPKI, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { instanceSecret } from '../../../src/repositories/control/instance-secrets.ts'
import { signingKeyStore } from '../../../src/repositories/control/signing-keys.ts'
import { secretBox } from '../../../src/signing/secret-box.ts'
import { type Gateway, openGateway, type TestTenant } from '../../support/gateway.ts'
import { idOf, tokenFor } from '../../support/oauth.ts'

let gateway: Gateway
let tenant: TestTenant
let admin: string
let ours: { readonly kid: string; readonly jwk: JWK; readonly publicJwk: JWK }
beforeAll(async () => {
  gateway = await openGateway()
  tenant = await gateway.newTenant()
  admin = await gateway.mintKey({ permissions: ['admin', 'scim:read', 'scim:write'] })
  await tokenFor(gateway, admin)
  const [key] = await signingKeyStore(gateway.database, 'ES256').list()
  if (key === undefined) throw new Error('there is no signing key')
  const box = secretBox(() => instanceSecret(gateway.database, 'secrets'))
  const jwk = JSON.parse((await box.open(key.sealed, `signing-key ${key.kid}`)) ?? '') as JWK
  ours = { kid: key.kid, jwk, publicJwk: key.publicJwk }
})
afterAll(() => gateway.close())

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
const claims = (more: Readonly<Record<string, unknown>> = {}) => {
  const now = Math.floor(Date.now() / 1000)
  return {
    ...{ iss: gateway.origin, aud: gateway.origin, sub: idOf(admin), client_id: idOf(admin), jti: 'j' },
    ...{ credential: 1, scope: 'admin scim:read scim:write', iat: now, exp: now + 600, place: placeOf(admin) },
    ...more,
  }
}
const places = new Map<string, object>()
const placeOf = (key: string) => places.get(key) ?? {}
beforeAll(async () => {
  const payload = (await tokenFor(gateway, admin)).split('.')[1] ?? ''
  places.set(admin, (JSON.parse(Buffer.from(payload, 'base64url').toString()) as { place: object }).place)
})
const header = () => ({ alg: 'ES256', typ: 'at+jwt', kid: ours.kid })
const bySomebodyElse = async (alg: string, more: object = {}) => {
  const { privateKey } = await generateKeyPair(alg)
  return new SignJWT(claims()).setProtectedHeader({ ...header(), alg, ...more }).sign(privateKey)
}
/** With our own signature: what a stolen or mistaken use of it would look like. */
const byUs = async (more: Readonly<Record<string, unknown>> = {}, typ = 'at+jwt') =>
  new SignJWT(claims(more)).setProtectedHeader({ ...header(), typ }).sign(await importJWK(ours.jwk, 'ES256'))
const secondsFromNow = (seconds: number) => Math.floor(Date.now() / 1000) + seconds

const ATTACKS: readonly [name: string, token: () => Promise<string>][] = [
  ['alg none', async () => `${part({ ...header(), alg: 'none' })}.${part(claims())}.`],
  ['no signature', async () => `${part(header())}.${part(claims())}.`],
  ['another algorithm', () => bySomebodyElse('EdDSA')],
  ['another algorithm of another kind', () => bySomebodyElse('RS256')],
  ['the key of somebody else under our id', () => bySomebodyElse('ES256')],
  ['an unknown key id', () => bySomebodyElse('ES256', { kid: 'unknown' })],
  [
    'HS256 with the public key for a secret',
    async () => {
      const key = await importJWK(ours.publicJwk, 'ES256', { extractable: true })
      if (key instanceof Uint8Array) throw new Error('no pair of keys')
      const text = `${part({ ...header(), alg: 'HS256' })}.${part(claims())}`
      return `${text}.${createHmac('sha256', await exportSPKI(key))
        .update(text)
        .digest('base64url')}`
    },
  ],
  ['another audience', () => byUs({ aud: 'https://other.example' })],
  ['another issuer', () => byUs({ iss: 'https://other.example' })],
  ['an end that is past', () => byUs({ exp: secondsFromNow(-1) })],
  ['a beginning that is to come', () => byUs({ nbf: secondsFromNow(60) })],
  ['another purpose', () => byUs({}, 'secevent+jwt')],
  ['a wider place than its key has', () => byUs({ place: {} })],
  ['the place of another tenant', () => byUs({ place: { ...placeOf(admin), tenantId: tenant.id } })],
  ['a secret that its key never had', () => byUs({ credential: 7 })],
  ['a key that is not there', () => byUs({ sub: '000000000000', client_id: '000000000000' })],
]

describe.each([
  ['SCIM', () => `${tenant.base}/Users`],
  ['the admin API', () => `${gateway.origin}/api/v1/projects/${gateway.project}/environments/${gateway.environment}`],
])('SEC-03 on %s, a token', (_, url) => {
  const answerTo = (token: string) => fetch(url(), { headers: { Authorization: `Bearer ${token}` } })

  test('is taken where nothing is wrong with it', async () => {
    expect((await answerTo(await byUs())).status).toBe(200)
  })

  test.each(ATTACKS)('with %s is refused', async (_, token) => {
    const answer = await answerTo(await token())
    expect(answer.status).toBe(401)
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="scim", error="invalid_token"')
  })

  test('cannot widen what its key may do', async () => {
    const narrow = await gateway.mintKey({ permissions: ['scim:write'] })
    const token = await byUs({ sub: idOf(narrow), client_id: idOf(narrow) })
    expect((await answerTo(token)).status).toBe(403)
  })
})

test('SEC-06 a token in the query is not looked at', async () => {
  const token = await tokenFor(gateway, tenant.key)
  expect((await fetch(`${tenant.base}/Users?access_token=${token}`)).status).toBe(401)
})

test('a token is for the address by which it was got', async () => {
  const token = await tokenFor(gateway, tenant.key)
  const elsewhere = tenant.base.replace('127.0.0.1', 'localhost')
  expect((await fetch(`${elsewhere}/Users`, { headers: { Authorization: `Bearer ${token}` } })).status).toBe(401)
})
