import { readdirSync, readFileSync } from 'node:fs'
import { createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { openFreshDatabase } from '../support/engines.ts'
import type { TestTenant } from '../support/gateway.ts'
import { idIn, patchBody, userBody } from '../support/instances.ts'
import { placeOf } from '../support/readers.ts'
import { issuerMetadata } from '../support/set-receiver.ts'
import { openStreams, type Streams, type TestStream } from '../support/streams.ts'

let database: Database
let streams: Streams
beforeAll(async () => {
  database = await openFreshDatabase()
  streams = await openStreams(database)
})
afterAll(async () => {
  await streams.close()
  await database.close()
})

const until = <T>(what: () => T | Promise<T>) => expect.poll(what, { interval: 20 })
const leave = async (tenant: TestTenant, name: string, email: string) => {
  const id = idIn(await tenant.scim('POST', '/Users', userBody(name, { emails: [{ value: email }] })))
  await tenant.scim('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'active', value: false }))
  return id
}
/** A receiver that has been told of `stream`, and of nothing else: it uses issuer and audience. */
const receiverOf = ({ body }: Pick<TestStream, 'body'>) => {
  const keys = createRemoteJWKSet(new URL(String(body.jwksUri)))
  const expected = { issuer: String(body.issuer), audience: String(body.audience), typ: 'secevent+jwt' }
  return async (token: string): Promise<JWTPayload> => (await jwtVerify(token, keys, expected)).payload
}
const tokensOf = async (stream: TestStream, key?: string) => {
  await until(async () => (await stream.poll({ maxEvents: 0 }, key)).body.moreAvailable).toBe(true)
  return Object.values((await stream.poll({ returnImmediately: true }, key)).body.sets as Record<string, string>)
}
const settings = { method: 'poll', audience: 'urn:the-app-of-b', signals: ['caep', 'risc'], subject: 'email' }
const forOneType = { ...settings, events: ['user.deactivated'] }

test('EV-17 SEC-13 a token that a tenant has signed is nothing to the receiver of another, whatever audience and subject it has', async () => {
  const [a, b] = [await streams.here.newTenant(), await streams.here.newTenant()]
  const theirs = await streams.stream(b, forOneType)
  const permissions = ['admin', 'directory:read', 'scim:read', 'scim:write']
  const { key } = (await streams.admin('POST', `${placeOf(a)}/api-keys`, { name: 'admin of a', permissions })).body
  const asAdminOfA = async (url: string, input: object) => {
    const headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' }
    const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(input) })
    expect(answer.ok).toBe(true)
    return (await answer.json()) as Record<string, unknown>
  }
  const body = await asAdminOfA(`${streams.origin}/api/v1${placeOf(a)}/streams`, forOneType)
  // The gateway does not ask whose address it is: people of a have the addresses that a gives them.
  await leave(a, 'victim', 'boss@b.example')
  await until(async () => (await asAdminOfA(String(body.url), { maxEvents: 0 })).moreAvailable).toBe(true)
  const sets = Object.values((await asAdminOfA(String(body.url), { returnImmediately: true })).sets as object)
  await leave(b, 'real', 'boss@b.example')
  const [good] = await tokensOf(theirs)

  const [receiverOfB, receiverOfA] = [receiverOf(theirs), receiverOf({ body })]
  expect((await receiverOfB(good ?? '')).sub_id).toEqual({ format: 'email', email: 'boss@b.example' })
  expect((await receiverOfA(sets[0] ?? '')).sub_id).toEqual({ format: 'email', email: 'boss@b.example' })
  for (const token of sets)
    await expect(receiverOfB(token)).rejects.toMatchObject({ code: 'ERR_JWT_CLAIM_VALIDATION_FAILED', claim: 'iss' })
})

test('SEC-13 an environment signs for all of its tenants, under a name that none of them and no other environment has', async () => {
  const tenant = await streams.here.newTenant()
  const elsewhere = await streams.here.newTenant({ place: await streams.here.newPlace() })
  const [one, wide, other] = [
    await streams.stream(tenant, settings),
    await streams.stream(tenant, settings, true),
    await streams.stream(elsewhere, settings, true),
  ]
  const issuers = [one, wide, other].map(({ body }) => String(body.issuer))
  expect(issuers).toEqual([
    `${streams.origin}/ssf/tenants/${tenant.id}`,
    expect.stringMatching(new RegExp(`^${streams.origin}/ssf/environments/[0-9a-f-]{36}$`)),
    expect.stringMatching(new RegExp(`^${streams.origin}/ssf/environments/[0-9a-f-]{36}$`)),
  ])
  expect(new Set(issuers).size).toBe(3)
  const id = await leave(tenant, 'x', 'x@example.com')
  const { key } = (await streams.admin('POST', '/api-keys', { name: 'k', permissions: ['directory:read'] })).body
  for (const token of await tokensOf(wide, String(key))) {
    expect(await receiverOf(wide)(token)).toMatchObject({ tenant: tenant.id })
    await expect(receiverOf(one)(token)).rejects.toMatchObject({ claim: 'iss' })
    await expect(receiverOf(other)(token)).rejects.toMatchObject({ claim: 'iss' })
  }
  expect(await tokensOf(one)).not.toEqual([])
  expect(id).toMatch(/^[0-9a-f-]{36}$/)
})

test('EV-17 a stream names its people under no issuer of this gateway but its own', async () => {
  const [tenant, other] = [await streams.here.newTenant(), await streams.here.newTenant()]
  const stream = await streams.stream(tenant, { ...settings, subject: 'iss_sub' })
  for (const subjectIssuer of [
    ...[streams.origin, `${streams.origin}/`, `${streams.origin}/ssf/tenants/${other.id}`, String(stream.body.issuer)],
    ...[`${streams.origin}/x/../ssf/environments/y`.replace('http:', 'HTTP:')],
  ]) {
    const mistake = { status: 400, body: { errors: [{ path: 'subjectIssuer', message: expect.any(String) }] } }
    expect(await stream.admin('PATCH', '', { subjectIssuer })).toMatchObject(mistake)
    const input = { ...settings, subjectIssuer }
    expect(await streams.admin('POST', `${placeOf(tenant)}/streams`, input)).toMatchObject(mistake)
  }
  expect((await stream.admin('PATCH', '', { subjectIssuer: `${streams.origin}/realms/other` })).status).toBe(200)
})

test('a stream that was made before its place had a name is signed by that name, and never by the old one', async () => {
  const tenant = await streams.here.newTenant()
  const stream = await streams.stream(tenant, settings)
  // As it was stored: with the one issuer that all streams had.
  await database.run(
    `update webhook_endpoints set stream = (stream - 'origin') || jsonb_build_object('issuer', $2::text) where id = $1::uuid`,
    [stream.id, streams.origin],
  )
  const folder = new URL('../../drizzle/', import.meta.url)
  const [migration = ''] = readdirSync(folder).filter((name) => name.endsWith('_stream-origins.sql'))
  await database.run(readFileSync(new URL(migration, folder), 'utf8'), [])
  expect((await stream.admin('GET')).body).toEqual(stream.body)
  await leave(tenant, 'late', 'late@example.com')
  for (const token of await tokensOf(stream))
    expect((await receiverOf(stream)(token)).iss).toBe(`${streams.origin}/ssf/tenants/${tenant.id}`)
})

test('each issuer says of itself what is true (SSF 1.0 §7), and no other address is one', async () => {
  const tenant = await streams.here.newTenant()
  const [one, wide] = [await streams.stream(tenant), await streams.stream(tenant, {}, true)]
  for (const { body } of [one, wide]) {
    expect(await issuerMetadata(String(body.issuer))).toEqual({
      spec_version: '1_0',
      issuer: body.issuer,
      jwks_uri: `${streams.origin}/.well-known/jwks.json`,
      delivery_methods_supported: ['urn:ietf:rfc:8935', 'urn:ietf:rfc:8936'],
      configuration_endpoint: `${body.issuer}/streams`,
      status_endpoint: `${body.issuer}/status`,
      verification_endpoint: `${body.issuer}/verification`,
      authorization_schemes: [{ spec_urn: 'urn:ietf:rfc:6749' }],
      default_subjects: 'ALL',
    })
  }
  const ask = async (path: string) => {
    const answer = await fetch(`${streams.origin}/.well-known/ssf-configuration${path}`)
    return [answer.status, ((await answer.json()) as { detail: string }).detail]
  }
  const ids = { unknown: '01890a5d-ac96-774b-bcce-b302099a8057', environment: String(wide.body.issuer).slice(-36) }
  const refused = [404, expect.stringContaining('There is no such issuer')]
  for (const path of [
    ...[`/ssf/tenants/${ids.unknown}`, `/ssf/environments/${ids.unknown}`, `/ssf/tenants/${tenant.name}`],
    ...[`/ssf/tenants/${ids.environment}`, `/ssf/environments/${tenant.id}`, `/ssf/tenants/${tenant.id}/`],
    ...[`/ssf/tenants/${tenant.id.toUpperCase()}`, `/ssf/tenants/${tenant.id}%00`, '/ssf/tenants/', '/ssf', '/x'],
  ])
    expect([path, ...(await ask(path))]).toEqual([path, ...refused])
  expect(await ask('')).toEqual([404, expect.stringContaining('The gateway as a whole issues no')])
})
