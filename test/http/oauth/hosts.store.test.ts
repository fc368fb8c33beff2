import { randomUUID } from 'node:crypto'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTestDatabase } from '../../support/engines.ts'
import { type Gateway, openGateway } from '../../support/gateway.ts'
import { jsonIn, send, type WireAnswer } from '../../support/http-client.ts'
import { openInstance } from '../../support/instances.ts'
import { basic, idOf, tokenFor } from '../../support/oauth.ts'

const OAUTH_METADATA = '/.well-known/oauth-authorization-server'
/** Where the metadata of the gateway and of its default tenant are, and the path of the issuer that each names. */
const metadataOf = ({ tenant }: Gateway): readonly (readonly [path: string, issuer: string])[] => [
  [OAUTH_METADATA, ''],
  [`/.well-known/ssf-configuration/ssf/tenants/${tenant.id}`, `/ssf/tenants/${tenant.id}`],
]
const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' }
const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const open: Gateway[] = []
const gatewayWith = async (env: Readonly<Record<string, string>> = {}) => {
  const gateway = await openGateway(env)
  open.push(gateway)
  return gateway
}
afterAll(() => Promise.all(open.map((gateway) => gateway.close())))

type Headers = Readonly<Record<string, string>>
const get = (gateway: Gateway, target: string, headers: Headers) =>
  send({ method: 'GET', origin: gateway.origin, target, headers })
const post = (gateway: Gateway, target: string, headers: Headers, body: string) =>
  send({ method: 'POST', origin: gateway.origin, target, headers, body: Buffer.from(body) })
const askToken = (gateway: Gateway, headers: Headers, form: Readonly<Record<string, string>> = {}) =>
  post(
    gateway,
    '/oauth/token',
    { ...FORM, ...headers },
    String(new URLSearchParams({ grant_type: 'client_credentials', ...form })),
  )
const asClient = (gateway: Gateway) => ({ Authorization: basic(idOf(gateway.key), gateway.key) })
const bodyOf = (answer: WireAnswer) => jsonIn(answer.text) as Readonly<Record<string, unknown>>

describe('without PUBLIC_URL, on the loopback address', () => {
  let gateway: Gateway
  beforeAll(async () => {
    gateway = await gatewayWith({ TRUST_PROXY: '1' })
  })
  const ours = () => [gateway.origin, gateway.origin.replace('127.0.0.1', 'localhost')].map((url) => new URL(url).host)

  test.each(['evil.example', 'localhost:1', 'localhost'])(
    'SEC-10 an assertion that was made for %s is not taken, though it comes by that host',
    async (host) => {
      const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
      const key = await gateway.mintKey()
      const keys = `/api/v1/projects/${gateway.project}/environments/${gateway.environment}/api-keys/${idOf(key)}/public-keys`
      const admin = { Authorization: `Bearer ${gateway.adminKey}`, 'Content-Type': 'application/json' }
      const registered = await post(gateway, keys, admin, JSON.stringify({ jwk: await exportJWK(publicKey) }))
      expect(registered.status).toBe(201)
      const assert = async (audience: string) => {
        const claims = { iss: idOf(key), sub: idOf(key), aud: audience, jti: randomUUID() }
        const assertion = await new SignJWT({ ...claims, exp: Math.floor(Date.now() / 1000) + 60 })
          .setProtectedHeader({ alg: 'ES256' })
          .sign(privateKey)
        return { client_assertion_type: ASSERTION, client_assertion: assertion }
      }
      const refused = await askToken(gateway, { Host: host }, await assert(`http://${host}/oauth/token`))
      expect([refused.status, bodyOf(refused).error]).toEqual([400, 'invalid_request'])
      const forwarded = await askToken(
        gateway,
        { 'X-Forwarded-Host': host },
        await assert(`http://${host}/oauth/token`),
      )
      expect([forwarded.status, bodyOf(forwarded).error]).toEqual([400, 'invalid_request'])
      const [host1 = ''] = ours()
      expect((await askToken(gateway, { Host: host1 }, await assert(`http://${host1}`))).status).toBe(200)
    },
  )

  test('SEC-08 metadata names the host that is ours, and no cache may keep it', async () => {
    for (const host of ours()) {
      for (const [path, issuer] of metadataOf(gateway)) {
        const answer = await get(gateway, path, { Host: host })
        expect([answer.status, bodyOf(answer).issuer]).toEqual([200, `http://${host}${issuer}`])
        expect(answer.headers).toMatchObject({
          'cache-control': 'no-store',
          vary: 'Host, X-Forwarded-Host, X-Forwarded-Proto',
        })
      }
    }
  })

  test('SEC-08 metadata, tokens, their use and streams are refused for a host that is not ours, with what to do', async () => {
    const { tenant, adminKey } = gateway
    const token = await tokenFor(gateway, tenant.key)
    const json = { Authorization: `Bearer ${adminKey}`, 'Content-Type': 'application/json' }
    const streams = `/api/v1/projects/${gateway.project}/environments/${gateway.environment}/streams`
    const stream = JSON.stringify({ audience: 'urn:receiver', method: 'poll' })
    for (const forged of [{ Host: 'evil.example' }, { 'X-Forwarded-Host': 'evil.example' }]) {
      for (const [path] of metadataOf(gateway)) {
        const answer = await get(gateway, path, forged)
        expect([answer.status, answer.headers['cache-control']], path).toEqual([421, 'no-store'])
        expect(bodyOf(answer).detail).toMatch(/evil\.example.*set PUBLIC_URL/)
      }
      const refused = await askToken(gateway, { ...forged, ...asClient(gateway) })
      expect([refused.status, bodyOf(refused).error]).toEqual([400, 'invalid_request'])
      expect(bodyOf(refused).error_description).toMatch(/^[ !#-[\]-~]*set PUBLIC_URL[ !#-[\]-~]*$/)
      expect((await post(gateway, streams, { ...json, ...forged }, stream)).status).toBe(421)
      const users = new URL(`${tenant.base}/Users`).pathname
      expect((await get(gateway, users, { ...forged, Authorization: `Bearer ${token}` })).status).toBe(421)
      expect((await get(gateway, users, { ...forged, Authorization: `Bearer ${tenant.key}` })).status).toBe(200)
    }
    expect((await post(gateway, streams, json, stream)).status).toBe(201)
  })

  test('SEC-08 the keys are the same by whatever host, and may be kept', async () => {
    const answer = await get(gateway, '/.well-known/jwks.json', { Host: 'evil.example' })
    expect([answer.status, answer.headers['cache-control']]).toEqual([200, 'public, max-age=3600'])
  })
})

test('SEC-08 without PUBLIC_URL, on any other address, no host is ours', async () => {
  const here = await openInstance(await openTestDatabase(), {
    HOST: '0.0.0.0',
    ADMIN_KEY: 'an-admin-key-for-this-test',
  })
  const { key } = await here.newTenant()
  const body = 'grant_type=client_credentials'
  for (const origin of ['http://localhost:8080', 'http://127.0.0.1:8080', 'https://scim.example.com']) {
    const headers = { ...FORM, Authorization: basic(idOf(key), key) }
    const refused = await here.send(new Request(`${origin}/oauth/token`, { method: 'POST', headers, body }))
    expect([refused.status, await refused.json()]).toEqual([
      400,
      { error: 'invalid_request', error_description: expect.stringContaining('set PUBLIC_URL') },
    ])
    expect((await here.send(new Request(origin + OAUTH_METADATA))).status).toBe(421)
  }
  await here.close()
})

test('SEC-08 with one PUBLIC_URL that is the issuer by whatever host, and others may keep it', async () => {
  const gateway = await gatewayWith({ PUBLIC_URL: 'https://scim.example.com', TRUST_PROXY: '1' })
  for (const headers of [{ Host: 'evil.example' }, { 'X-Forwarded-Host': 'evil.example' }]) {
    for (const [path, issuer] of metadataOf(gateway)) {
      const answer = await get(gateway, path, headers)
      expect([answer.status, bodyOf(answer).issuer]).toEqual([200, `https://scim.example.com${issuer}`])
      expect([answer.headers['cache-control'], answer.headers.vary]).toEqual(['public, max-age=3600', undefined])
    }
    expect((await askToken(gateway, { ...headers, ...asClient(gateway) })).status).toBe(200)
  }
})

test('SEC-08 with several, the issuer is the one by which the request came, and a token is good there alone', async () => {
  const gateway = await gatewayWith({ PUBLIC_URL: 'https://a.example,https://b.example', TRUST_PROXY: 'none' })
  const users = new URL(`${gateway.tenant.base}/Users`).pathname
  for (const host of ['a.example', 'b.example']) {
    const answer = await get(gateway, OAUTH_METADATA, { Host: host })
    expect([bodyOf(answer).issuer, answer.headers.vary]).toEqual([`https://${host}`, 'Host'])
    expect(answer.headers['cache-control']).toBe('no-store')
    const given = await askToken(gateway, { Host: host, ...asClient(gateway) })
    const bearer = { Authorization: `Bearer ${bodyOf(given).access_token}` }
    const others = { 'a.example': 'b.example', 'b.example': 'a.example' }
    expect((await get(gateway, users, { Host: host, ...bearer })).status).toBe(200)
    expect((await get(gateway, users, { Host: others[host as keyof typeof others], ...bearer })).status).toBe(401)
    expect((await get(gateway, users, { Host: 'c.example', ...bearer })).status).toBe(421)
  }
  expect((await get(gateway, OAUTH_METADATA, { Host: 'c.example', 'X-Forwarded-Host': 'a.example' })).status).toBe(421)
})
