import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Gateway, openGateway, type TestTenant } from '../../support/gateway.ts'
import { basic, idOf } from '../../support/oauth.ts'

let gateway: Gateway
let tenant: TestTenant
beforeAll(async () => {
  gateway = await openGateway()
  tenant = await gateway.newTenant({ settings: { basicAuthentication: true } })
})
afterAll(() => gateway.close())

const answerTo = (authorization: string, { base }: TestTenant = tenant) =>
  fetch(`${base}/Users`, { headers: { Authorization: authorization } })

test.each([
  ['the key', (key: string) => basic(idOf(key), key)],
  ['what follows its last underscore', (key: string) => basic(idOf(key), key.split('_')[2] ?? '')],
  ['the key, under another spelling of the scheme', (key: string) => basic(idOf(key), key).replace('Basic', 'BASIC ')],
])('SEC-02 a tenant that allows HTTP Basic takes the id of a key and for a password %s', async (_, authorization) => {
  expect((await answerTo(authorization(tenant.key))).status).toBe(200)
  expect((await answerTo(authorization(tenant.key))).status).toBe(200)
})

test('SEC-02 by default HTTP Basic is not taken, not even with a good key, and it is as if nothing was sent', async () => {
  const other = await gateway.newTenant()
  const answer = await answerTo(basic(idOf(other.key), other.key), other)
  expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="scim"'])
  const wide = await answerTo(basic(idOf(gateway.key), gateway.key), other)
  expect(wide.status).toBe(401)
  expect((await answerTo(basic(idOf(gateway.key), gateway.key))).status).toBe(200)
})

test('SEC-03 a switch takes effect at once, and so does a revocation', async () => {
  const own = await gateway.newTenant({ settings: { basicAuthentication: true } })
  const authorization = basic(idOf(own.key), own.key)
  expect((await answerTo(authorization, own)).status).toBe(200)
  await gateway.setSettings(own, { basicAuthentication: false })
  expect((await answerTo(authorization, own)).status).toBe(401)
  await gateway.setSettings(own, { basicAuthentication: null })
  expect((await answerTo(authorization, own)).status).toBe(401)
  await gateway.setSettings(own, { basicAuthentication: true })
  expect((await answerTo(authorization, own)).status).toBe(200)
  await gateway.revoke(own.key)
  expect((await answerTo(authorization, own)).status).toBe(401)
})

test('SEC-03 what is no key, or belongs to another id, is refused', async () => {
  const other = await gateway.newTenant()
  const flipped = tenant.key.slice(0, -1) + (tenant.key.endsWith('x') ? 'y' : 'x')
  const wrong = [
    'Basic',
    'Basic ???',
    basic('', ''),
    basic(idOf(tenant.key), ''),
    basic(idOf(tenant.key), flipped),
    basic(idOf(tenant.key), other.key),
    basic('admin', gateway.adminKey),
    basic(gateway.adminKey, gateway.adminKey),
    basic('', tenant.key),
    `Basic ${Buffer.from(tenant.key).toString('base64')}`,
  ]
  for (const authorization of wrong) expect((await answerTo(authorization)).status, authorization).toBe(401)
  expect((await answerTo(basic(idOf(other.key), other.key))).status).toBe(403)
})

test('SEC-13 the admin API takes no HTTP Basic', async () => {
  const admin = await gateway.mintKey({ permissions: ['admin'] })
  const url = `${gateway.origin}/api/v1/projects/${gateway.project}/environments/${gateway.environment}`
  expect((await fetch(url, { headers: { Authorization: basic(idOf(admin), admin) } })).status).toBe(401)
})

test('D-05 discovery says which schemes a tenant takes', async () => {
  const schemes = async ({ scim }: TestTenant) => {
    const { body } = await scim('GET', '/ServiceProviderConfig')
    return (body as { authenticationSchemes: { type: string }[] }).authenticationSchemes.map(({ type }) => type)
  }
  expect(await schemes(tenant)).toEqual(['oauthbearertoken', 'httpbasic'])
  expect(await schemes(await gateway.newTenant())).toEqual(['oauthbearertoken'])
})
