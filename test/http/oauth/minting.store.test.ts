import { exportJWK, generateKeyPair } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Gateway, openGateway } from '../../support/gateway.ts'
import { idOf, tokenFor } from '../../support/oauth.ts'

interface Key {
  readonly id: string
  readonly key: string
  readonly expiresAt: string
  readonly warnings: string[]
  readonly tokensMayMintAdminKeys: boolean
}

const DAY_MS = 86_400_000
const ADMIN = ['scim:read', 'scim:write', 'directory:read', 'admin'] as const
let gateway: Gateway
let place: string
const ends = new Date(Date.now() + 30 * DAY_MS)
let owner: string
let token: string
beforeAll(async () => {
  gateway = await openGateway()
  place = `${gateway.origin}/api/v1/projects/${gateway.project}/environments/${gateway.environment}`
})
afterAll(() => gateway.close())
beforeEach(async () => {
  owner = await gateway.mintKey({ permissions: ADMIN, expiresAt: ends })
  token = await tokenFor(gateway, owner)
})

const send = async (bearer: string, method: string, path: string, body?: object) => {
  const headers = { Authorization: `Bearer ${bearer}`, 'Content-Type': 'application/json' }
  const answer = await fetch(place + path, { method, headers, ...(body && { body: JSON.stringify(body) }) })
  const text = await answer.text()
  return { status: answer.status, body: JSON.parse(text || '{}') as Key & { readonly detail: string } }
}
const mint = (bearer: string, permissions: readonly string[], more: object = {}) =>
  send(bearer, 'POST', '/api-keys', { name: 'made', permissions, ...more })
const publicJwk = async () => exportJWK((await generateKeyPair('ES256')).publicKey)

describe('SEC-07 SEC-13 an access token', () => {
  test.each<[string, (id: string) => Promise<[string, string, object]>]>([
    ['makes', async () => ['POST', '/api-keys', { name: 'made', permissions: ['scim:read', 'admin'] }]],
    ['rotates', async (id) => ['POST', `/api-keys/${id}/rotation`, {}]],
    ['adds a public key to', async (id) => ['POST', `/api-keys/${id}/public-keys`, { jwk: await publicJwk() }]],
    ['lets the tokens of others make', async (id) => ['PATCH', `/api-keys/${id}`, { tokensMayMintAdminKeys: true }]],
  ])('%s no key with "admin", unless its key says that it may', async (_, request) => {
    const { id } = (await mint(owner, ['admin'])).body
    const [method, path, body] = await request(id)
    const refused = await send(token, method, path, body)
    expect(refused.status).toBe(403)
    expect(refused.body.detail).toContain('tokensMayMintAdminKeys')
    const allowed = await send(owner, 'PATCH', `/api-keys/${idOf(owner)}`, { tokensMayMintAdminKeys: true })
    expect(allowed).toMatchObject({ status: 200, body: { tokensMayMintAdminKeys: true } })
    expect((await send(token, method, path, body)).status).toBeLessThan(300)
    await send(owner, 'PATCH', `/api-keys/${idOf(owner)}`, { tokensMayMintAdminKeys: false })
    expect((await send(token, method, path, body)).status).toBe(403)
  })

  test('does so neither with its own key', async () => {
    for (const [method, path, body] of [
      ['POST', `/api-keys/${idOf(owner)}/rotation`, {}],
      ['PATCH', `/api-keys/${idOf(owner)}`, { tokensMayMintAdminKeys: true }],
      ['POST', `/api-keys/${idOf(owner)}/public-keys`, { jwk: await publicJwk() }],
    ] as const)
      expect([path, (await send(token, method, path, body)).status]).toEqual([path, 403])
  })

  test('makes nothing that outlives its key, whatever it makes', async () => {
    await send(owner, 'PATCH', `/api-keys/${idOf(owner)}`, { tokensMayMintAdminKeys: true })
    for (const permissions of [['scim:read'], ['admin']]) {
      const made = await mint(token, permissions)
      expect(made).toMatchObject({ status: 201, body: { expiresAt: ends.toISOString() } })
      expect(made.body.warnings).toContainEqual(expect.stringContaining(`It ends at ${ends.toISOString()}`))
      const later = new Date(ends.getTime() + 1000).toISOString()
      expect((await mint(token, permissions, { expiresAt: later })).status).toBe(403)
    }
    // A key that lives longer is given no second secret, and no public key.
    const { id } = (await mint(gateway.adminKey, ['scim:read'])).body
    expect((await send(token, 'POST', `/api-keys/${id}/public-keys`, { jwk: await publicJwk() })).status).toBe(403)
    const rotated = await send(token, 'POST', `/api-keys/${id}/rotation`, {})
    expect(rotated).toMatchObject({ status: 201, body: { expiresAt: ends.toISOString() } })
  })

  test('lists, revokes and takes back what it may not give', async () => {
    const { id } = (await mint(owner, ['admin'], { tokensMayMintAdminKeys: true })).body
    expect((await send(token, 'GET', `/api-keys/${id}`)).body.tokensMayMintAdminKeys).toBe(true)
    const narrowed = await send(token, 'PATCH', `/api-keys/${id}`, { tokensMayMintAdminKeys: false })
    expect(narrowed).toMatchObject({ status: 200, body: { tokensMayMintAdminKeys: false } })
    expect((await send(token, 'DELETE', `/api-keys/${id}`)).status).toBe(204)
    const revoked = await send(owner, 'PATCH', `/api-keys/${id}`, { tokensMayMintAdminKeys: true })
    expect(revoked.status).toBe(409)
  })
})

test('SEC-13 only a key with "admin" lets its tokens make keys with it, and no client is told so of another place', async () => {
  const narrow = await mint(owner, ['scim:read'], { tokensMayMintAdminKeys: true })
  const mistake = { status: 400, body: { errors: [{ path: 'tokensMayMintAdminKeys' }] } }
  expect(narrow).toMatchObject(mistake)
  const { id } = (await mint(owner, ['scim:read'])).body
  expect(await send(owner, 'PATCH', `/api-keys/${id}`, { tokensMayMintAdminKeys: true })).toMatchObject(mistake)
  // One that can do more, or lives longer, is not widened by one that can do less.
  const weak = await gateway.mintKey({ permissions: ['admin', 'scim:read'], expiresAt: ends })
  for (const more of [{ permissions: ADMIN }, { permissions: ['admin'] }]) {
    const wider = (await mint(gateway.adminKey, more.permissions)).body
    expect((await send(weak, 'PATCH', `/api-keys/${wider.id}`, { tokensMayMintAdminKeys: true })).status).toBe(403)
  }
  const elsewhere = idOf(await gateway.keyOfAnotherProject())
  const [there, nowhere] = [
    await send(owner, 'PATCH', `/api-keys/${elsewhere}`, { tokensMayMintAdminKeys: true }),
    await send(owner, 'PATCH', '/api-keys/000000000000', { tokensMayMintAdminKeys: true }),
  ]
  expect([there.status, there.body.detail.replace(elsewhere, '000000000000')]).toEqual([404, nowhere.body.detail])
})
