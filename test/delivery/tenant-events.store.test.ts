import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { adminSender } from '../support/admin-sender.ts'
import { openFreshDatabase } from '../support/engines.ts'
import { type Instance, openInstance } from '../support/instances.ts'
import { placeOf, reader } from '../support/readers.ts'

const ADMIN = 'an-admin-key-for-the-events-of-tenants'

let database: Database
let instance: Instance
beforeAll(async () => {
  database = await openFreshDatabase()
  instance = await openInstance(database, { ADMIN_KEY: ADMIN })
})
afterAll(async () => {
  await instance.close()
  await database.close()
})

const admin = adminSender(() => instance, ADMIN)

test('what is done to a tenant stands in its log, with what it was and became; what changes nothing does not', async () => {
  const tenant = await instance.newTenant()
  const place = placeOf(tenant)
  await admin('PATCH', place, { name: 'ACME', settings: { mode: 'strict' } })
  await admin('PATCH', place, { paused: true })
  await admin('PATCH', place, { paused: true })
  await admin('PATCH', place, { paused: false, settings: { mode: null, rootQueries: false } })
  const { items } = await reader(instance, tenant).events()
  expect(items.map(({ type, changes }) => [type, changes])).toEqual([
    [
      'tenant.updated',
      {
        changed: [
          { path: 'name', before: tenant.name, after: 'ACME' },
          { path: 'settings.mode', after: 'strict' },
        ],
      },
    ],
    ['tenant.paused', { changed: [{ path: 'paused', before: false, after: true }] }],
    [
      'tenant.updated',
      {
        changed: [
          { path: 'settings.mode', before: 'strict' },
          { path: 'settings.rootQueries', after: false },
        ],
      },
    ],
    ['tenant.resumed', { changed: [{ path: 'paused', before: true, after: false }] }],
  ])
  expect(items.every(({ resource }) => resource.type === 'Tenant' && resource.id === tenant.id)).toBe(true)
  const versions = items.map(({ resource }) => resource.version)
  expect(versions).toEqual([...versions].sort((a, b) => a - b))
  expect(versions[2]).toBe(versions[3])
  expect(items[0]).toMatchObject({ actor: 'admin', requestId: expect.stringMatching(/./) })
})

test('a new tenant begins its log, and what is done to its keys follows, without their secrets', async () => {
  const near = await instance.newTenant()
  const environment = placeOf(near).replace(/\/tenants\/.*/, '')
  const made = await admin('POST', `${environment}/tenants`, { key: 'loud', settings: { mode: 'interop' } })
  const place = `${environment}/tenants/loud`
  const key = await admin('POST', `${environment}/api-keys`, {
    ...{ name: 'reader', tenant: 'loud', permissions: ['directory:read'] },
  })
  const id = String(key.body.id)
  const rotated = await admin('POST', `${environment}/api-keys/${id}/rotation`, {})
  await admin('DELETE', `${environment}/api-keys/${id}/rotation`)
  await admin('POST', `${environment}/api-keys`, { name: 'of the environment' })
  const answer = await admin('GET', `${place}/events`)
  const items = answer.body.items as { type: string; actor: string; changes: Record<string, unknown> }[]
  expect(items.map(({ type }) => type)).toEqual([
    'tenant.created',
    'api_key.created',
    'api_key.rotated',
    'api_key.rotation_undone',
  ])
  expect(items[0]?.changes).toEqual({
    after: { key: 'loud', name: 'loud', paused: false, settings: { mode: 'interop' } },
  })
  expect(items[1]?.changes).toMatchObject({ key: { id, name: 'reader' }, after: { permissions: ['directory:read'] } })
  expect(items[2]?.changes).toMatchObject({ key: { id, name: 'reader' }, changed: expect.any(Array) })
  for (const { body } of [key, rotated]) expect(answer.text).not.toContain(String(body.key).split('_').at(-1))
  // Its neighbour's log has nothing of it, nor of the environment's key.
  expect((await reader(instance, near).events()).items).toEqual([])
  await admin('DELETE', `${environment}/api-keys/${id}`)
  const after = (await admin('GET', `${place}/events?types=api_key.*&after=4`)).body.items
  expect(after).toMatchObject([{ type: 'api_key.revoked', resource: { id: made.body.id } }])
})

test('a change that fails leaves no event', async () => {
  const tenant = await instance.newTenant()
  expect((await admin('PATCH', placeOf(tenant), { settings: { mode: 'loose' } })).status).toBe(400)
  const environment = placeOf(tenant).replace(/\/tenants\/.*/, '')
  expect((await admin('POST', `${environment}/tenants`, { key: tenant.name })).status).toBe(409)
  expect((await reader(instance, tenant).events()).items).toEqual([])
})

test('an unknown tenant that is made on first use begins its log too', async () => {
  const place = await instance.newPlace()
  const near = await instance.newTenant({ place })
  const environment = placeOf(near).replace(/\/tenants\/.*/, '')
  await admin('PATCH', environment, { settings: { createUnknownTenants: true } })
  const key = await admin('POST', `${environment}/api-keys`, { name: 'wide' })
  const response = await instance.send(
    new Request(`${place.base}/v2/first-use/Users`, { headers: { Authorization: `Bearer ${key.body.key}` } }),
  )
  expect(response.status).toBe(200)
  const { body } = await admin('GET', `${environment}/tenants/first-use/events`)
  expect(body.items).toMatchObject([{ type: 'tenant.created', actor: key.body.id }])
})
