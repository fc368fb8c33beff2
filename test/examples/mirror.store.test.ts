import { createServer, type Server } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { keepTuples } from '../../examples/openfga/consumer.ts'
import { keepAssignments } from '../../examples/permit/consumer.ts'
import type { Database } from '../../src/db/database.ts'
import { openFreshDatabase } from '../support/engines.ts'
import {
  addMembers,
  groupBody,
  type Instance,
  idIn,
  openInstance,
  removeMember,
  userBody,
} from '../support/instances.ts'
import { type ApplicationDatabase, applicationOf, mirrorOnce, openApplicationDatabase } from '../support/mirrors.ts'

let database: Database
let instance: Instance
beforeAll(async () => {
  database = await openFreshDatabase()
  instance = await openInstance(database)
})
afterAll(async () => {
  await instance.close()
  await database.close()
})

interface Asked {
  readonly method: string
  readonly path: string
  readonly body: never
}

/** A server in the place of the real one, which refuses its first request. */
async function standIn(answer: (asked: Asked) => number) {
  const asked: Asked[] = []
  let refused = 0
  const server: Server = createServer(async (incoming, outgoing) => {
    let text = ''
    for await (const chunk of incoming) text += chunk
    if (refused++ === 0) return void outgoing.writeHead(500).end('not yet')
    const one = {
      method: incoming.method ?? '',
      path: incoming.url ?? '',
      body: (text === '' ? null : JSON.parse(text)) as never,
    }
    asked.push(one)
    outgoing.writeHead(answer(one), { 'Content-Type': 'application/json' }).end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address() as { readonly port: number }
  return {
    asked,
    apiUrl: `http://127.0.0.1:${address.port}`,
    close: () => new Promise((resolve) => server.close(resolve)),
  }
}

/** Runs a consumer until the outbox is empty. */
async function drained({ sql }: ApplicationDatabase, consume: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const stopped = new AbortController()
  const consuming = consume(stopped.signal)
  await expect.poll(async () => (await sql`select 1 from rollcall.outbox limit 1`).length).toBe(0)
  stopped.abort()
  await consuming
}

/** A directory that has changed beside a mirror with an outbox. */
async function world() {
  const application = await openApplicationDatabase()
  const place = await instance.newPlace()
  const tenant = await instance.newTenant({
    place,
    settings: { roleRules: [{ group: { displayName: 'Sales' }, role: 'seller' }] },
  })
  const { gateway } = await applicationOf(database, instance, place)
  const mirror = () => mirrorOnce({ gateway, database: application.url, outbox: true })
  const name = { givenName: 'Ada', familyName: 'Byron' }
  const emails = [{ value: 'ada@a.example', primary: true }]
  const ada = idIn(await tenant.scim('POST', '/Users', userBody('ada', { name, emails })))
  const bob = idIn(await tenant.scim('POST', '/Users', userBody('bob')))
  const sales = idIn(await tenant.scim('POST', '/Groups', groupBody('Sales', [ada])))
  return { application, tenant, mirror, ada, bob, sales }
}

test('examples/openfga keeps the tuples of groups and roles', async () => {
  const { application, tenant, mirror, ada, bob, sales } = await world()
  const tuples = new Set<string>()
  type Keys = { readonly tuple_keys: readonly object[] }
  const fga = await standIn(({ body }) => {
    const { writes, deletes } = body as { readonly writes?: Keys; readonly deletes?: Keys }
    for (const tuple of deletes?.tuple_keys ?? []) tuples.delete(JSON.stringify(tuple))
    for (const tuple of writes?.tuple_keys ?? []) tuples.add(JSON.stringify(tuple))
    return 200
  })
  const keep = (signal: AbortSignal) => keepTuples(application.url, { apiUrl: fga.apiUrl, storeId: 'store' }, signal)
  const members = (...ids: string[]) =>
    ids.flatMap((id) =>
      [`group:${tenant.id}/${sales}`, `role:${tenant.id}/seller`].map((object) =>
        JSON.stringify({ user: `user:${tenant.id}/${id}`, relation: 'member', object }),
      ),
    )
  await mirror()
  await drained(application, keep)
  expect([...tuples].sort()).toEqual(members(ada).sort())
  await tenant.scim('PATCH', `/Groups/${sales}`, addMembers(bob))
  await tenant.scim('PATCH', `/Groups/${sales}`, removeMember(ada))
  await mirror()
  await drained(application, keep)
  expect([...tuples].sort()).toEqual(members(bob).sort())
  await tenant.scim('DELETE', `/Groups/${sales}`)
  await mirror()
  await drained(application, keep)
  expect([...tuples]).toEqual([])
  await fga.close()
  await application.close()
})

test('examples/permit keeps tenants, users and role assignments', async () => {
  const { application, tenant, mirror, ada, sales } = await world()
  // Deleting what is gone is a 404 there, and making what is there a 409.
  const permit = await standIn(({ method, path }) =>
    method === 'DELETE' && path.endsWith('role_assignments') ? 404 : 200,
  )
  const { apiUrl } = permit
  const keep = (signal: AbortSignal) =>
    keepAssignments(application.url, { apiUrl, project: 'shop', environment: 'prod', token: 't' }, signal)
  const base = '/v2/facts/shop/prod'
  await mirror()
  await drained(application, keep)
  const assignment = { user: ada, role: 'seller', tenant: tenant.id }
  expect(permit.asked).toEqual(
    expect.arrayContaining([
      { method: 'POST', path: `${base}/tenants`, body: { key: tenant.id, name: tenant.name } },
      {
        ...{ method: 'PUT', path: `${base}/users/${ada}` },
        body: { key: ada, email: 'ada@a.example', first_name: 'Ada', last_name: 'Byron' },
      },
      { method: 'POST', path: `${base}/role_assignments`, body: assignment },
    ]),
  )
  permit.asked.length = 0
  await tenant.scim('PATCH', `/Groups/${sales}`, removeMember(ada))
  await tenant.scim('DELETE', `/Users/${ada}`)
  await mirror()
  await drained(application, keep)
  expect(permit.asked).toEqual([
    { method: 'DELETE', path: `${base}/role_assignments`, body: assignment },
    { method: 'DELETE', path: `${base}/users/${ada}`, body: null },
  ])
  await permit.close()
  await application.close()
})
