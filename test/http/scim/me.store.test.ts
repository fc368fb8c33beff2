import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { USER_SCHEMA } from '../../../src/scim/urn.ts'
import { type Gateway, openGateway, type TestTenant } from '../../support/gateway.ts'
import { groupBody, idIn } from '../../support/instances.ts'

describe('/Me (RFC 7644 §3.11)', () => {
  let gateway: Gateway
  let tenant: TestTenant
  let user: { id: string; meta: { location: string } }
  let own: Record<string, string>

  beforeAll(async () => {
    gateway = await openGateway()
    tenant = await gateway.newTenant()
    user = (await tenant.scim('POST', '/Users', { schemas: [USER_SCHEMA], userName: 'ann' })).body as typeof user
    own = { authorization: `Bearer ${await gateway.mintKey({ tenant, userId: user.id })}` }
  })
  afterAll(() => gateway.close())

  test('ME-03 a provisioning client finds no user there, whatever the method', async () => {
    for (const method of ['GET', 'PUT', 'PATCH', 'DELETE']) expect((await tenant.scim(method, '/Me')).status).toBe(404)
  })

  test('ME-02 a key that stands for a user is answered directly, with the permanent URL as Location', async () => {
    const { status, body, headers } = await tenant.scim('GET', '/Me', undefined, own)
    expect({ status, body }).toMatchObject({ status: 200, body: { id: user.id, userName: 'ann' } })
    expect(headers.get('location')).toBe(user.meta.location)
    expect((await tenant.scim('GET', '/Me', undefined, own)).headers.get('etag')).toBe('W/"1"')
  })

  test('SEC-13 a key stands for no user of another tenant, and for no group', async () => {
    const other = await gateway.newTenant()
    const foreign = await other.scim('POST', '/Users', { schemas: [USER_SCHEMA], userName: 'ann' })
    const group = await tenant.scim('POST', '/Groups', groupBody('Staff'))
    for (const userId of [idIn(foreign), idIn(group), randomUUID()])
      await expect(gateway.mintKey({ tenant, userId })).rejects.toMatchObject({
        status: 400,
        mistakes: [{ path: 'user', message: 'There is no such user in the tenant.' }],
      })
  })

  test('ME-02 changes through /Me are changes of the user', async () => {
    const operations = {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
      Operations: [{ op: 'replace', path: 'nickName', value: 'Annie' }],
    }
    const answer = await tenant.scim('PATCH', '/Me', operations, own)
    expect(answer.headers.get('location')).toBe(user.meta.location)
    expect((await tenant.scim('GET', `/Users/${user.id}`)).body).toMatchObject({ nickName: 'Annie' })
  })

  test.each(['/Users', '/Groups', '/', '/Bulk'])('ME-03 such a key does not reach %s', async (path) => {
    expect((await tenant.scim('GET', path, undefined, own)).status).toBe(403)
  })

  test('ME-03 nor any user by id, its own included, but discovery', async () => {
    expect((await tenant.scim('GET', `/Users/${user.id}`, undefined, own)).status).toBe(403)
    expect((await tenant.scim('GET', '/ServiceProviderConfig', undefined, own)).status).toBe(200)
  })

  test('ME-01 a method that makes no sense here is 405', async () => {
    const answer = await tenant.scim('POST', '/Me', { schemas: [USER_SCHEMA], userName: 'x' }, own)
    expect({ status: answer.status, allow: answer.headers.get('allow') }).toEqual({
      status: 405,
      allow: 'GET, PUT, PATCH, DELETE',
    })
  })

  test('a key for a user of another tenant, or for none, cannot be made', async () => {
    const other = await gateway.newTenant()
    await expect(gateway.mintKey({ tenant: other, userId: user.id })).rejects.toMatchObject({ status: 400 })
    await expect(gateway.mintKey({ userId: user.id })).rejects.toMatchObject({ status: 400 })
  })

  test('the key goes when the user goes', async () => {
    const { id } = (await tenant.scim('POST', '/Users', { schemas: [USER_SCHEMA], userName: 'leaver' }))
      .body as typeof user
    const key = await gateway.mintKey({ tenant, userId: id })
    await tenant.scim('DELETE', `/Users/${id}`)
    expect((await tenant.scim('GET', '/Me', undefined, { authorization: `Bearer ${key}` })).status).toBe(401)
  })
})
