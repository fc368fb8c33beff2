import { afterAll, beforeAll, expect, test } from 'vitest'
import { ConnectionNotes } from '../../src/connections/noting.ts'
import { refreshConnections, tellOfDue } from '../../src/connections/watch.ts'
import type { Database } from '../../src/db/database.ts'
import { connectionOf } from '../../src/repositories/control/connections.ts'
import { backlogOf } from '../../src/repositories/delivery/backlog.ts'
import { eventLogOf } from '../../src/repositories/log/event-log.ts'
import { openFreshDatabase } from '../support/engines.ts'
import { type Instance, openInstance, userBody } from '../support/instances.ts'

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE
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

const notes = () =>
  new ConnectionNotes(database, (error) => {
    throw error
  })
type TenantId = Parameters<typeof connectionOf>[1]

/** The events about the connection of a tenant, with what they say. */
async function told(tenantId: TenantId): Promise<(readonly [type: string, changes: Record<string, unknown>])[]> {
  const log = eventLogOf(database, tenantId)
  await log.number({ wait: true })
  const { events } = await log.read(0, 1_000, { types: [], nouns: ['connection'] })
  return events.map(({ type, changes }) => [type, JSON.parse(changes)] as const)
}

/** Requests every 40 minutes for ten days until `until`, as an instance notes and writes them. */
async function everyFortyMinutes(tenantId: TenantId, until: number): Promise<void> {
  const heard = notes()
  for (let at = until - 10 * DAY; at <= until; at += 40 * MINUTE) {
    heard.heard(tenantId, false, 200, 'Azure AD SCIM', at)
    await heard.flush(at)
  }
  heard.stop()
}
/** As though the clock of the database were ahead: what is due by then is due now. */
const letBeDue = (tenantId: TenantId) =>
  database.run(
    `update connections set due_at = now() - interval '1 second' where tenant_id = $1::uuid and due_at is not null`,
    [tenantId],
  )

test('a directory that falls silent is told of once, and its return', async () => {
  const { id } = await instance.newTenant()
  const { silent } = (await backlogOf(database)).troubled
  const last = Date.now() - 30 * MINUTE
  await everyFortyMinutes(id, last)
  expect(await connectionOf(database, id)).toMatchObject({
    state: 'well',
    provider: 'entra',
    dueAt: last + 60 * MINUTE,
  })
  await tellOfDue(database)
  expect(await told(id)).toEqual([])
  for (let i = 0; i < 3; i++) {
    await letBeDue(id)
    await tellOfDue(database, last + 61 * MINUTE)
  }
  expect(await told(id)).toEqual([
    [
      'connection.silent',
      {
        ...{ provider: 'entra', client: 'Azure AD SCIM', since: new Date(last).toISOString() },
        ...{ typicalPauseSeconds: 2_400, longestPauseSeconds: 2_400 },
      },
    ],
  ])
  expect(await connectionOf(database, id)).toMatchObject({ state: 'silent', since: last, dueAt: null })
  // The metrics count it, unless the tenant is paused.
  const counted = async () => (await backlogOf(database)).troubled.silent
  expect(await counted()).toBe(silent + 1)
  const pause = (paused: boolean) =>
    database.run('update tenants set paused = $2::text::boolean where id = $1::uuid', [id, String(paused)])
  await pause(true)
  expect(await counted()).toBe(silent)
  await pause(false)
  const heard = notes()
  heard.heard(id, false, 200, 'Azure AD SCIM', last + 180 * MINUTE)
  await heard.flush()
  heard.stop()
  expect((await told(id))[1]).toMatchObject([
    'connection.recovered',
    { was: 'silent', wasSince: new Date(last).toISOString() },
  ])
  expect(await counted()).toBe(silent)
})

test('a directory that is refused for a quarter of an hour is failing, until a request gets through', async () => {
  const { id } = await instance.newTenant()
  const heard = notes()
  const from = Date.now() - 10 * MINUTE
  for (let i = 0; i < 6; i++) heard.heard(id, true, 403, 'Okta', from + i)
  await heard.flush()
  expect(await connectionOf(database, id)).toMatchObject({ state: 'well', failures: 6, dueAt: from + 15 * MINUTE })
  await letBeDue(id)
  await tellOfDue(database, from + 15 * MINUTE)
  expect(await told(id)).toMatchObject([['connection.failing', { failures: 6, lastStatus: 403, provider: 'okta' }]])
  expect((await backlogOf(database)).troubled.failing).toBe(1)
  heard.heard(id, true, 401, 'Okta', from + 20 * MINUTE)
  await heard.flush(from + 20 * MINUTE)
  expect(await told(id)).toHaveLength(1)
  heard.heard(id, false, 201, 'Okta', from + 21 * MINUTE)
  await heard.flush(from + 21 * MINUTE)
  heard.stop()
  expect((await told(id))[1]).toMatchObject(['connection.recovered', { was: 'failing' }])
})

test('nothing is told of a tenant that is paused', async () => {
  const { id } = await instance.newTenant()
  await everyFortyMinutes(id, Date.now() - 30 * MINUTE)
  await database.run('update tenants set paused = true where id = $1::uuid', [id])
  await letBeDue(id)
  await tellOfDue(database, Date.now() + DAY)
  expect(await told(id)).toEqual([])
})

test('instances side by side tell of each silence once, and add up what each has heard', async () => {
  const tenants = await Promise.all(Array.from({ length: 5 }, () => instance.newTenant()))
  // Requests are counted by the day: at noon all of them are of one, whenever this runs.
  const noon = Math.floor(Date.now() / DAY) * DAY - DAY / 2
  for (const { id } of tenants) {
    await everyFortyMinutes(id, noon - 30 * MINUTE)
    await letBeDue(id)
  }
  await Promise.all(Array.from({ length: 4 }, () => tellOfDue(database, Date.now() + DAY)))
  for (const { id } of tenants) expect((await told(id)).map(([type]) => type)).toEqual(['connection.silent'])
  const before = new Map<string, number>()
  for (const { id } of tenants) before.set(id, (await connectionOf(database, id))?.requests ?? 0)
  const both = [notes(), notes()]
  for (const heard of both)
    for (const { id } of tenants) for (let i = 0; i < 10; i++) heard.heard(id, i % 2 === 0, 400, 'Okta', noon + i)
  await Promise.all(both.map((heard) => heard.flush(noon)))
  for (const { id } of tenants) {
    expect(await connectionOf(database, id)).toMatchObject({
      requests: (before.get(id) ?? 0) + 20,
      failures: 10,
    })
    expect(await told(id)).toHaveLength(2)
  }
})

test('what cannot be written is written the next time', async () => {
  const { id } = await instance.newTenant()
  let broken = true
  const transaction: Database['transaction'] = (work) =>
    broken ? Promise.reject(new Error('the database is away')) : database.transaction(work)
  const away = Object.assign(Object.create(database) as Database, { transaction })
  const heard = new ConnectionNotes(away, () => {})
  heard.heard(id, true, 400, 'Okta')
  await expect(heard.flush()).rejects.toThrow('away')
  heard.heard(id, true, 400, 'Okta')
  broken = false
  await heard.flush()
  heard.stop()
  expect(await connectionOf(database, id)).toMatchObject({ requests: 2, failures: 2, failedInARow: 2 })
})

test('a tenant that is deleted is forgotten, and what was noted of it is dropped', async () => {
  const { id } = await instance.newTenant()
  const heard = notes()
  heard.heard(id, false, 200, 'Okta')
  await database.run('delete from connections where tenant_id = $1::uuid', [id])
  await heard.flush()
  // The tenant is there, so the row is made anew, as for one that an older release has made.
  expect(await connectionOf(database, id)).toMatchObject({ requests: 1 })
  heard.heard('00000000-0000-4000-8000-000000000001' as TenantId, false, 200, 'Okta')
  await heard.flush()
  heard.stop()
  expect(await connectionOf(database, '00000000-0000-4000-8000-000000000001' as TenantId)).toBeUndefined()
})

test('rows of tenants that an older release made, and numbers of users, are brought up to date', async () => {
  const { id, scim } = await instance.newTenant()
  await scim('POST', '/Users', userBody('ada'))
  await eventLogOf(database, id).number({ wait: true })
  await database.run('delete from connections where tenant_id = $1::uuid', [id])
  await refreshConnections(database, new AbortController().signal)
  expect(await database.run('select users from connections where tenant_id = $1::uuid', [id])).toEqual([{ users: 1 }])
})

test('TEN-04 a key of another tenant leaves no trace of its requests', async () => {
  const [mine, other] = [await instance.newTenant(), await instance.newTenant()]
  await instance.connections.flush()
  const before = await connectionOf(database, other.id)
  for (const method of ['GET', 'POST', 'DELETE'])
    expect((await instance.reach({ base: other.base, key: mine.key })(method, '/Users')).status).toBeGreaterThanOrEqual(
      403,
    )
  expect((await instance.reach({ base: other.base, key: 'rck_000000000000_wrong' })('GET', '/Users')).status).toBe(401)
  await instance.connections.flush()
  expect(await connectionOf(database, other.id)).toEqual(before)
  expect(before?.firstRequestAt).toBeNull()
})
