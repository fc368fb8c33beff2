import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { keepTrimmed, trimAll } from '../../src/delivery/retention.ts'
import { eventLogOf } from '../../src/repositories/log/event-log.ts'
import { engineName, openFreshDatabase } from '../support/engines.ts'
import { appending, EVENTS_AND_POSITIONS } from '../support/events.ts'
import { type Instance, openInstance, userBody } from '../support/instances.ts'
import { reader } from '../support/readers.ts'

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

/** Appends `count` events that are `days` old. */
const append = (tenantId: string, count: number, days: number, db: Database = database) =>
  db.run(
    appending(`insert into events (tenant_id, type, resource_type, resource_id, version, request_id, actor, occurred_at, changes)
     select $1::uuid, 'user.updated', 'User', $4::uuid, n, 'r', 'a', now() - make_interval(days => $3::int), '{}'
     from generate_series(1, $2::int) n`),
    [tenantId, count, days, randomUUID()],
  )
const positions = async (tenantId: string) => {
  const rows = await database.run<{ position: number }>(
    `select p.position::int from ${EVENTS_AND_POSITIONS} where e.tenant_id = $1::uuid order by p.position`,
    [tenantId],
  )
  return rows.map(({ position }) => position)
}

test('events go when their environment no longer keeps them; a reader who comes too late is told', async () => {
  const [usual, longer] = [await instance.newPlace(), await instance.newPlace()]
  const settings = JSON.stringify({ eventRetentionDays: 120 })
  await database.run('update environments set settings = $2::text::jsonb where id = $1::uuid', [
    longer.environmentId,
    settings,
  ])
  const tenants = [await instance.newTenant({ place: usual }), await instance.newTenant({ place: longer })]
  for (const { id } of tenants) {
    await append(id, 2, 121)
    await append(id, 2_100, 100)
    await append(id, 3, 89)
    await append(id, 1, 95)
    while ((await eventLogOf(database, id).number()) > 0);
  }
  await trimAll(database)
  const [first, second] = tenants as [(typeof tenants)[0], (typeof tenants)[0]]
  // What is old stays behind what is not: positions go from the front.
  expect(await positions(first.id)).toEqual([2103, 2104, 2105, 2106])
  expect(await positions(second.id)).toHaveLength(2_104)
  const { ask, events } = reader(instance, first)
  expect((await ask('/events?after=2101')).status).toBe(410)
  expect((await events('?after=2102')).items).toHaveLength(4)
  expect((await events()).items.map(({ position }) => position)).toEqual([2103, 2104, 2105, 2106])
  // Positions go on, also when nothing is left.
  await database.run("update events set occurred_at = now() - interval '99 days' where tenant_id = $1::uuid", [
    first.id,
  ])
  await trimAll(database)
  expect(await positions(first.id)).toEqual([])
  expect(await events()).toEqual({ items: [], next: 2106, more: false })
  await first.scim('POST', '/Users', userBody('after'))
  expect((await events('?after=2106')).items).toMatchObject([{ position: 2107 }])
})

test.runIf(engineName() === 'postgres')('writers do not wait for trimming', async () => {
  const tenant = await instance.newTenant()
  await append(tenant.id, 50, 200)
  const log = eventLogOf(database, tenant.id)
  await log.number()
  await database.transaction(async (tx) => {
    const inside: Database = { ...tx.asTenant(tenant.id), transaction: (work) => work(inside) }
    expect(await eventLogOf(inside, tenant.id).trim(90)).toBe(50)
    // The deletion is not committed yet.
    expect((await tenant.scim('POST', '/Users', userBody('meanwhile'))).status).toBe(201)
    expect(await log.number()).toBe(0)
  })
  expect(await log.number()).toBe(1)
  expect(await positions(tenant.id)).toEqual([51])
})

test('it goes on by itself until it is stopped', async () => {
  const tenant = await instance.newTenant()
  await append(tenant.id, 5, 200)
  await eventLogOf(database, tenant.id).number()
  const stop = keepTrimmed(database, () => {}, 5)
  await expect.poll(() => positions(tenant.id)).toEqual([])
  await stop()
})
