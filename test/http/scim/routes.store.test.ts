import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTestDatabase } from '../../support/engines.ts'
import type { TestTenant } from '../../support/gateway.ts'
import { type Instance, openInstance } from '../../support/instances.ts'

let instance: Instance
let tenant: TestTenant
beforeAll(async () => {
  instance = await openInstance(await openTestDatabase())
  tenant = await instance.newTenant()
})
afterAll(() => instance.close())

const asked = async (method: string, path: string) => {
  const { status, headers, body } = await tenant.scim(method, path)
  return { status, allow: headers.get('allow'), detail: (body as { detail?: string } | undefined)?.detail }
}

const NOTHING = 'There is nothing at this address; see /ResourceTypes for the endpoints of this tenant.'

describe('H-08 a method that an address does not offer is 405 with Allow', () => {
  test.each([
    ['POST', '/', 'GET'],
    ['DELETE', '/', 'GET'],
    ['GET', '/.search', 'POST'],
    ['PUT', '/.search', 'POST'],
    ['POST', '/ServiceProviderConfig', 'GET'],
    ['POST', '/ResourceTypes', 'GET'],
    ['PUT', '/ResourceTypes/User', 'GET'],
    ['POST', '/ResourceTypes/.search', 'GET'],
    ['PATCH', '/Schemas', 'GET'],
    ['DELETE', '/Schemas/urn:ietf:params:scim:schemas:core:2.0:User', 'GET'],
    ['POST', '/Schemas/.search', 'GET'],
    ['GET', '/Bulk', 'POST'],
    ['DELETE', '/Bulk', 'POST'],
    ['POST', '/Me', 'GET, PUT, PATCH, DELETE'],
    ['PUT', '/Users', 'GET, POST'],
    ['OPTIONS', '/Groups', 'GET, POST'],
    ['GET', '/Users/.search', 'POST'],
    ['DELETE', '/Users/.search', 'POST'],
    ['POST', '/Users/x', 'GET, PUT, PATCH, DELETE'],
    ['PROPFIND', '/Users/x', 'GET, PUT, PATCH, DELETE'],
  ])('%s %s', async (method, path, allow) => {
    const detail = `${method} is not offered here; ${allow} is.`
    expect(await asked(method, path)).toEqual({ status: 405, allow, detail })
  })

  test('a HEAD request counts as GET', async () => {
    const { status, headers, text } = await tenant.scim('HEAD', '/Bulk')
    expect([status, headers.get('allow'), text]).toEqual([405, 'POST', ''])
  })
})

describe('H-08 an address that no route has is 404, whatever the method', () => {
  test.each([
    ['GET', '/Nothing'],
    ['DELETE', '/Nothing'],
    ['POST', '/Nothing/.search'],
    ['GET', '/Nothing/.search'],
    ['POST', '/Nothing/x'],
    ['GET', '/users'],
    ['GET', '/Users/x/y'],
    ['GET', '/Users/x/.search'],
    ['POST', '/Bulk/x'],
    ['POST', '/Bulk/.search'],
    ['GET', '/Bulk/x'],
    ['GET', '/Me/x'],
    ['PUT', '/ServiceProviderConfig/x'],
    ['GET', '/Schemas/x/y'],
    ['GET', '/:endpoint'],
    ['GET', '/__proto__'],
    ['GET', '/constructor/x'],
    ['GET', '/*'],
  ])('%s %s', async (method, path) => {
    expect(await asked(method, path)).toEqual({ status: 404, allow: null, detail: NOTHING })
  })
})

describe('H-09 the path is decoded once', () => {
  test('an encoded letter is the letter', async () => {
    expect((await tenant.scim('GET', '/%55sers')).status).toBe(200)
    expect((await tenant.scim('GET', '/ResourceTypes/%55ser')).body).toMatchObject({ id: 'User' })
    expect((await asked('POST', '/%4De')).allow).toBe('GET, PUT, PATCH, DELETE')
  })

  test('a percent sign that is itself encoded stays one', async () => {
    expect((await asked('GET', '/%2555sers')).detail).toBe(NOTHING)
    expect((await asked('GET', '/ResourceTypes/%2555ser')).detail).toBe('ResourceType "%55ser" was not found.')
    expect((await asked('GET', '/Schemas/urn%253Ax')).detail).toBe('Schema "urn%3Ax" was not found.')
    expect((await asked('GET', '/Schemas/100%25')).detail).toBe('Schema "100%" was not found.')
    expect((await asked('GET', '/Users/%252Fx')).detail).toContain('"%2Fx"')
  })

  test('characters that mean something in a pattern are letters', async () => {
    expect((await asked('GET', '/Schemas/:urn')).detail).toBe('Schema ":urn" was not found.')
    expect((await asked('GET', '/Schemas/a+b')).detail).toBe('Schema "a+b" was not found.')
    expect((await asked('GET', '/Schemas/%C3%A9')).detail).toBe('Schema "é" was not found.')
  })
})

test('S-03 an endpoint of a switched-off resource type is 403 with every method', async () => {
  const { scim } = await instance.newTenant({ settings: { groupSync: false } })
  for (const [method, path] of [
    ['GET', '/Groups'],
    ['PUT', '/Groups'],
    ['POST', '/Groups/x'],
    ['GET', '/Groups/.search'],
  ] as const)
    expect([method, path, (await scim(method, path)).status]).toEqual([method, path, 403])
})

describe('TEN-08 two slashes behind the base URL', () => {
  test('are one for a lenient tenant, and the answer names the base with one', async () => {
    const { status, body } = await tenant.scim('GET', '//ResourceTypes/User')
    expect(status).toBe(200)
    expect(body).toMatchObject({ meta: { location: `${tenant.base}/ResourceTypes/User` } })
  })

  test('are nothing for a strict one, and for one without a key', async () => {
    const strict = await instance.newTenant({ settings: { mode: 'strict' } })
    expect(await strict.scim('GET', '//Users')).toMatchObject({ status: 404 })
    expect((await instance.send(new Request(`${tenant.base}//Users`))).status).toBe(401)
  })
})
