import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { beforeAll, expect, test, vi } from 'vitest'
import { eventUris, VERIFICATION } from '../../src/events/security-events.ts'
import { type SecurityEvents, tokenReceiver } from '../../src/receiver/index.ts'

const [ISSUER, AUDIENCE] = ['https://scim.example.com/ssf/tenants/t', 'https://receiver.example.com']
const REVOKED = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'

type Key = Awaited<ReturnType<typeof generateKeyPair>>['privateKey']
let [ours, other]: Key[] = []
let keys: { keys: { kty: string }[] }
beforeAll(async () => {
  const [one, two] = [await generateKeyPair('ES256'), await generateKeyPair('ES256')]
  ours = one.privateKey
  other = two.privateKey
  keys = { keys: [{ ...(await exportJWK(one.publicKey)), kty: 'EC' }].map((key) => ({ ...key, kid: 'k1' })) }
})

interface Made {
  readonly claims?: Record<string, unknown>
  readonly key?: Key | undefined
  readonly typ?: string
}

const tokenOf = ({ claims = {}, key = ours, typ = 'secevent+jwt' }: Made = {}) =>
  new SignJWT({
    ...{
      iss: ISSUER,
      aud: AUDIENCE,
      jti: 'j1',
      tenant: 't',
      toe: 1,
      sub_id: { format: 'email', email: 'ada@acme.example' },
    },
    ...{ events: { [REVOKED]: { initiating_entity: 'admin' } }, ...claims },
  })
    .setProtectedHeader({ alg: 'ES256', kid: 'k1', typ })
    .setIssuedAt()
    .sign(key as Key)

const push = (body: string, headers: Record<string, string> = {}) =>
  new Request('http://localhost/events', {
    method: 'POST',
    body,
    headers: { 'Content-Type': 'application/secevent+jwt', ...headers },
  })

test('a token is verified, handled by its event, and taken with 202', async () => {
  const handled: unknown[] = []
  const { fetch } = tokenReceiver({
    ...{ issuer: ISSUER, audience: AUDIENCE, keys },
    on: { [REVOKED]: ({ subject, payload, tenant }) => handled.push([subject, payload.initiating_entity, tenant]) },
  })
  expect((await fetch(push(await tokenOf()))).status).toBe(202)
  expect(handled).toEqual([[{ format: 'email', email: 'ada@acme.example' }, 'admin', 't']])
})

test.each<[string, string, Made]>([
  ['of another issuer', 'invalid_issuer', { claims: { iss: `${ISSUER}2` } }],
  ['for another audience', 'invalid_audience', { claims: { aud: 'https://elsewhere.example' } }],
  ['of another type of JWT', 'invalid_request', { typ: 'JWT' }],
  ['with two events', 'invalid_request', { claims: { events: { a: {}, b: {} } } }],
  ['without a jti', 'invalid_request', { claims: { jti: undefined } }],
])('a token %s is refused with 400 and %s', async (_, err, made) => {
  const on = { '*': () => expect.unreachable() }
  const { fetch } = tokenReceiver({ issuer: ISSUER, audience: AUDIENCE, keys, on })
  const answer = await fetch(push(await tokenOf(made)))
  expect([answer.status, await answer.json()]).toEqual([400, { err, description: expect.any(String) }])
})

test('a token that another key has signed is refused, and so is one without the bearer token of the stream', async () => {
  const options = { ...{ issuer: ISSUER, audience: AUDIENCE, keys }, token: 'a-long-secret', on: {} }
  const { fetch } = tokenReceiver(options)
  const Authorization = 'Bearer a-long-secret'
  expect(await (await fetch(push(await tokenOf({ key: other }), { Authorization }))).json()).toMatchObject({
    err: 'invalid_key',
  })
  for (const wrong of ['', 'Bearer a-long-secre', 'Bearer a-long-secretx'])
    expect((await fetch(push(await tokenOf(), { Authorization: wrong }))).status).toBe(400)
  expect((await fetch(push(await tokenOf(), { Authorization }))).status).toBe(202)
})

test('what was seen is taken and not handled; what a handler cannot do comes again', async () => {
  const told = vi.spyOn(console, 'error').mockImplementation(() => {})
  const on = {
    '*': () => {
      throw new Error('no')
    },
  }
  const about = { issuer: ISSUER, audience: AUDIENCE, keys, on }
  expect((await tokenReceiver(about).fetch(push(await tokenOf()))).status).toBe(500)
  expect((await tokenReceiver({ ...about, seen: () => true }).fetch(push(await tokenOf()))).status).toBe(202)
  told.mockRestore()
})

test('every event that the gateway can send in a token has a type', () => {
  const known: Record<keyof SecurityEvents, true> = {
    'urn:ietf:params:scim:event:prov:create:notice': true,
    'urn:ietf:params:scim:event:prov:create:full': true,
    'urn:ietf:params:scim:event:prov:patch:notice': true,
    'urn:ietf:params:scim:event:prov:patch:full': true,
    'urn:ietf:params:scim:event:prov:delete': true,
    'urn:ietf:params:scim:event:prov:activate': true,
    'urn:ietf:params:scim:event:prov:deactivate': true,
    [REVOKED]: true,
    'https://schemas.openid.net/secevent/risc/event-type/account-disabled': true,
    'https://schemas.openid.net/secevent/risc/event-type/account-enabled': true,
    'https://schemas.openid.net/secevent/ssf/event-type/stream-updated': true,
    'https://schemas.openid.net/secevent/ssf/event-type/verification': true,
  }
  expect(Object.keys(known)).toEqual(
    expect.arrayContaining([...eventUris('notice'), ...eventUris('full'), VERIFICATION]),
  )
})
