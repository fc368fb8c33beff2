import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { removeExpiredUsers } from '../../src/repositories/resources/kept-users.ts'
import { openFreshDatabase } from '../support/engines.ts'
import type { Scim, TestTenant } from '../support/gateway.ts'
import {
  bulkBody,
  eventsOf,
  groupBody,
  type Instance,
  idIn,
  inconsistencies,
  json,
  listedIds,
  openInstance,
  patchBody,
  userBody,
  valuesOf,
} from '../support/instances.ts'

// A database of its own: what has expired is removed for all tenants at once.
let database: Database
let instance: Instance
let tenant: TestTenant
let scim: Scim

beforeAll(async () => {
  database = await openFreshDatabase()
  instance = await openInstance(database)
})
beforeEach(async () => {
  tenant = await instance.newTenant({ settings: { onDelete: 'deactivate', keepDeletedDays: 30 } })
  scim = tenant.scim
})
afterAll(async () => {
  await instance.close()
  await database.close()
})

const post = (name: string, rest: object = {}) => scim('POST', '/Users', userBody(name, rest))
const make = async (name: string, rest: object = {}) => idIn(await post(name, rest))
const remove = async (id: string) => expect((await scim('DELETE', `/Users/${id}`)).status).toBe(204)
const makeDeleted = async (name: string, rest: object = {}) => {
  const id = await make(name, rest)
  await remove(id)
  return id
}
const typesIn = async (id: string) => (await eventsOf(database, tenant.id, id)).map(({ type }) => type)
const keptIds = async () => {
  const rows = await database.run<{ id: string }>('select id::text from kept_users where tenant_id = $1::uuid', [
    tenant.id,
  ])
  return rows.map(({ id }) => id)
}
const expire = (id: string) =>
  // Well past: a machine's clock may go back a little.
  database.run(
    `update kept_users set kept_until = now() - interval '1 minute' where tenant_id = $1::uuid and id = $2::uuid`,
    [tenant.id, id],
  )
const whole = async () => expect(await inconsistencies(database, tenant.id)).toEqual([])

test('DEL-04 a deleted user is gone: not found, in no list, in no group, with no active seat', async () => {
  const id = await make('Ada', { externalId: 'e1', emails: [{ value: 'Ada@x.test' }] })
  const group = idIn(await scim('POST', '/Groups', groupBody('all', [id])))
  await remove(id)
  for (const [method, body] of [
    ['GET', undefined],
    ['PUT', userBody('Ada')],
    ['PATCH', patchBody({ op: 'replace', path: 'active', value: true })],
    ['DELETE', undefined],
  ] as const)
    expect((await scim(method, `/Users/${id}`, body)).status).toBe(404)
  for (const filter of ['', '?filter=externalId%20eq%20%22e1%22', '?filter=emails.value%20eq%20%22ada@x.test%22'])
    expect(json(await scim('GET', `/Users${filter}`)).totalResults).toBe(0)
  expect(json(await scim('GET', `/Groups/${group}`)).members).toEqual([])
  expect(await typesIn(id)).toEqual(['user.created', 'user.deactivated'])
  await whole()
})

test.each<[string, object, string, object]>([
  ['the same userName', {}, 'ADA', {}],
  ['the same userName and externalId', { externalId: 'e1' }, 'ada', { externalId: 'e1' }],
  ['the same externalId, with a new name', { externalId: 'e1' }, 'ada.lovelace', { externalId: 'e1' }],
  ['the same userName, where an externalId is new', {}, 'ada', { externalId: 'e1' }],
  ['the same userName, where the externalId is not said again', { externalId: 'e1' }, 'ada', {}],
])('a POST with %s brings the user back under its id', async (_, before, name, after) => {
  const first = await post('ada', { ...before, title: 'Countess', password: 'once-a-Secret-1' })
  const id = idIn(first)
  await remove(id)
  const back = await post(name, { ...after, nickName: 'back' })
  expect(back.status).toBe(201)
  const { created } = json(first).meta as { created: string }
  expect(json(back)).toMatchObject({ id, userName: name, nickName: 'back', meta: { created, version: 'W/"3"' } })
  expect(json(back).title).toBeUndefined()
  expect(json(await scim('GET', `/Users/${id}`))).toEqual(json(back))
  expect(await typesIn(id)).toEqual(['user.created', 'user.deactivated', 'user.created'])
  expect(await keptIds()).toEqual([])
  await whole()
})

test('DEL-03 with another externalId it is somebody else who has got the name', async () => {
  const id = await makeDeleted('john', { externalId: 'e1' })
  const other = await make('john', { externalId: 'e2' })
  expect(other).not.toBe(id)
  expect(await keptIds()).toEqual([id])
  expect(await make('john.1', { externalId: 'e1' })).toBe(id)
  await whole()
})

test('another tenant and one that removes know nothing of a kept user', async () => {
  const id = await makeDeleted('ada', { externalId: 'e1' })
  const other = await instance.newTenant({ settings: { onDelete: 'deactivate' } })
  expect(idIn(await other.scim('POST', '/Users', userBody('ada', { externalId: 'e1' })))).not.toBe(id)
  const removing = await instance.newTenant()
  const gone = idIn(await removing.scim('POST', '/Users', userBody('ada')))
  await removing.scim('DELETE', `/Users/${gone}`)
  expect(idIn(await removing.scim('POST', '/Users', userBody('ada')))).not.toBe(gone)
})

test('groups go at once', async () => {
  const id = idIn(await scim('POST', '/Groups', groupBody('all')))
  await scim('DELETE', `/Groups/${id}`)
  expect(idIn(await scim('POST', '/Groups', groupBody('all')))).not.toBe(id)
  expect(await typesIn(id)).toEqual(['group.created', 'group.deleted'])
})

test('of many who bring one user back at once, one does', async () => {
  const id = await makeDeleted('ada', { externalId: 'e1' })
  const answers = await Promise.all(Array.from({ length: 8 }, () => post('ada', { externalId: 'e1' })))
  expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array.from({ length: 7 }, () => 409)])
  expect(listedIds(await scim('GET', '/Users'))).toEqual([id])
  await whole()
})

test('a name that is taken meanwhile is refused, and the user kept', async () => {
  const id = await makeDeleted('ada', { externalId: 'e1' })
  await make('ada', { externalId: 'e2' })
  expect((await post('ada', { externalId: 'e1' })).status).toBe(409)
  expect(await keptIds()).toEqual([id])
})

test('in a bulk users go and come back, and what refers to them does so by the old id', async () => {
  const [ada, bob] = [await make('ada'), await makeDeleted('bob', { externalId: 'e1' })]
  const taken = await makeDeleted('cy', { externalId: 'e3' })
  await make('cy', { externalId: 'e4' })
  const create = (bulkId: string, path: string, data: object) => ({ method: 'POST', path, bulkId, data })
  const answer = await scim(
    'POST',
    '/Bulk',
    bulkBody([
      { method: 'DELETE', path: `/Users/${ada}` },
      create('g', '/Groups', groupBody('all', ['bulkId:b', 'bulkId:n'])),
      create('b', '/Users', userBody('bob', { externalId: 'e1' })),
      create('n', '/Users', userBody('new')),
      create('c', '/Users', userBody('cy', { externalId: 'e3' })),
    ]),
  )
  const results = json(answer).Operations as { status: string; location?: string }[]
  expect(results.map(({ status }) => status)).toEqual(['204', '201', '201', '201', '409'])
  expect(results[2]?.location).toMatch(new RegExp(`/Users/${bob}$`))
  const group = results[1]?.location?.slice(tenant.base.length) ?? ''
  expect(valuesOf(json(await scim('GET', group)).members)).toContain(bob)
  expect((await keptIds()).sort()).toEqual([ada, taken].sort())
  await whole()
})

test('after their days they are removed for good, in batches, with an event, and come back as somebody new', async () => {
  const [expired, younger] = [await makeDeleted('ada'), await makeDeleted('bob')]
  await expire(expired)
  expect(await make('ada')).not.toBe(expired)
  await database.run(
    `insert into kept_users (tenant_id, id, unique_key, emails, version, created_at, kept_until)
     select $1::uuid, gen_random_uuid(), 'u' || n, '{}', 2, now(), now() - interval '1 day' from generate_series(1, 1500) n`,
    [tenant.id],
  )
  expect(await removeExpiredUsers(database)).toBe(true)
  expect(await removeExpiredUsers(database)).toBe(false)
  expect(await keptIds()).toEqual([younger])
  expect(await typesIn(expired)).toEqual(['user.created', 'user.deactivated', 'user.deleted'])
})

test('one who comes back needs a seat like any other', async () => {
  tenant = await instance.newTenant({ settings: { onDelete: 'deactivate', maxActiveUsers: 1 } })
  scim = tenant.scim
  const id = await makeDeleted('ada')
  const bob = await make('bob')
  expect((await post('ada')).status).toBe(403)
  expect(await keptIds()).toEqual([id])
  await remove(bob)
  expect(await make('ada')).toBe(id)
  await whole()
})
