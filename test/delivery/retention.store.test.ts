import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { codeOf } from '../../src/db/errors.ts'
import { eventLogOf } from '../../src/repositories/log/event-log.ts'
import { takeUpkeepTurn } from '../../src/repositories/retention/upkeep-turns.ts'
import { byTheClock, lookAt } from '../../src/retention/by-the-clock.ts'
import { deleteOld, trimAll } from '../../src/retention/retention.ts'
import { engineName, onCitus, openFreshDatabase } from '../support/engines.ts'
import { appending, EVENTS_AND_POSITIONS } from '../support/events.ts'
import { type Instance, openInstance, userBody } from '../support/instances.ts'
import { reader } from '../support/readers.ts'
import { recordStatements, withRun } from '../support/statements.ts'

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
     select $1::uuid, 'user.updated', 'User', $4::uuid, n, 'r', 'a', now() - make_interval(days => $3::int), '{"changed":[{"path":"title"}]}'
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
  await database.run("update event_logs set oldest_at = now() - interval '99 days' where tenant_id = $1::uuid", [
    first.id,
  ])
  await trimAll(database)
  expect(await positions(first.id)).toEqual([])
  expect(await events()).toEqual({ items: [], next: 2106, more: false })
  await first.scim('POST', '/Users', userBody('after'))
  expect((await events('?after=2106')).items).toMatchObject([{ position: 2107 }])
})

// On Citus a write of the same tenant waits for such a batch, a thousand events: docs/scale.md.
test.runIf(engineName() === 'postgres' && !onCitus())('writers do not wait for trimming', async () => {
  const tenant = await instance.newTenant()
  await append(tenant.id, 50, 200)
  const log = eventLogOf(database, tenant.id)
  await log.number()
  await database.transaction(async (tx) => {
    const own = tx.asTenant(tenant.id)
    const inside: Database = Object.assign(Object.create(own), {
      asTenant: () => inside,
      transaction: <T>(work: (tx: Database) => Promise<T>) => work(inside),
    })
    expect(await eventLogOf(inside, tenant.id).trim(90)).toBe(50)
    // The deletion is not committed yet.
    expect((await tenant.scim('POST', '/Users', userBody('meanwhile'))).status).toBe(201)
    expect(await log.number()).toBe(0)
  })
  expect(await log.number()).toBe(1)
  expect(await positions(tenant.id)).toEqual([51])
})

test('a pass costs no more with many tenants than with few, where nothing is old', async () => {
  const cost = async () => {
    const recorder = recordStatements(database)
    return (await recorder.during(() => trimAll(recorder.database))).statements.length
  }
  const young = async (count: number) => {
    for (let i = 0; i < count; i++) {
      const { id } = await instance.newTenant()
      await append(id, 1, 1)
      await eventLogOf(database, id).number()
    }
  }
  await young(1)
  await trimAll(database)
  const before = await cost()
  await young(30)
  expect(await cost()).toBe(before)
})

test('each tenant has one batch in its turn, and one that cannot be trimmed holds up no other', async () => {
  const [many, broken, few] = [await instance.newTenant(), await instance.newTenant(), await instance.newTenant()]
  await append(many.id, 2_500, 300)
  await append(broken.id, 5, 200)
  await append(few.id, 5, 100)
  for (const { id } of [many, broken, few]) while ((await eventLogOf(database, id).number()) > 0);
  const order: string[] = []
  const watched = withRun(database, async (inner, text, values, options) => {
    const trims = text.includes('oldest as materialized')
    if (trims) order.push(String(values[0]))
    if (trims && values[0] === broken.id) throw new Error('a fault of one tenant')
    return inner.run(text, values, options)
  })
  await expect(trimAll(watched)).rejects.toThrow('a fault of one tenant')
  expect(order.slice(0, 3)).toEqual([many.id, broken.id, few.id])
  for (const { id } of [many, few]) expect(await positions(id)).toEqual([])
  await trimAll(database)
  expect(await positions(broken.id)).toEqual([])
})

// The columns that are emptied here are older than the first release that could be distributed: there every log has them.
test.skipIf(onCitus())('a log whose events an older version has numbered or deleted is found as well', async () => {
  const { id } = await instance.newTenant()
  await append(id, 5, 200)
  await eventLogOf(database, id).number()
  await database.run('update event_logs set environment_id = null, oldest_at = null where tenant_id = $1::uuid', [id])
  await append(id, 1, 1)
  await eventLogOf(database, id).number()
  await trimAll(database)
  expect(await positions(id)).toEqual([6])
})

describe('by the clock', () => {
  const HOUR = 3_600_000
  test('soon after a start, and then in the first minutes of each hour, not all instances at once', () => {
    expect(lookAt.afterStart(0)).toBe(5_000)
    expect(lookAt.afterStart(0.999)).toBeLessThan(60_000)
    const halfPast = 1_000 * HOUR + HOUR / 2
    expect(lookAt.nextHour(halfPast, 0)).toBe(HOUR / 2 + 60_000)
    expect(lookAt.nextHour(halfPast, 0.999)).toBeLessThan(HOUR / 2 + 600_000)
  })

  const soon = { afterStart: () => 5, nextHour: () => 5, whileHeld: () => 5 }
  const nextHour = (name: string) =>
    database.run("update upkeep_turns set done_at = done_at - interval '1 hour' where name = $1::text", [name])

  test('of all instances one does the work, once in an hour, and again in the next', async () => {
    const name = randomUUID()
    let [done, atOnce, most] = [0, 0, 0]
    const work = async () => {
      most = Math.max(most, ++atOnce)
      await database.run('select 1', [])
      atOnce--
      done++
    }
    const stops = [1, 2, 3].map(() => byTheClock(database, name, { work, failed: () => {}, when: soon }))
    await expect.poll(() => done).toBe(1)
    const look = await takeUpkeepTurn(database, name)
    expect(look).toBe('done')
    expect(done).toBe(1)
    await nextHour(name)
    await expect.poll(() => done).toBe(2)
    for (const stop of stops) await stop()
    expect(most).toBe(1)
  })

  test('what failed, was stopped or died is taken up by another', async () => {
    const name = randomUUID()
    const failures: unknown[] = []
    let broken = true
    let done = 0
    const work = async () => {
      if (broken) throw new Error('no luck')
      done++
    }
    const stop = byTheClock(database, name, { work, failed: (error) => failures.push(error), when: soon })
    await expect.poll(() => failures.length).toBeGreaterThan(0)
    broken = false
    await expect.poll(() => done).toBe(1)
    await stop()

    const other = randomUUID()
    const dead = await takeUpkeepTurn(database, other)
    expect(await takeUpkeepTurn(database, other)).toBe('held')
    await database.run("update upkeep_turns set held_until = now() - interval '1 second' where name = $1::text", [
      other,
    ])
    const heir = await takeUpkeepTurn(database, other)
    if (typeof heir === 'string' || typeof dead === 'string') throw new Error('nobody has the turn')
    // Who was only slow learns that its turn is over, and cannot end that of the other.
    expect(await dead.goesOn()).toBe(false)
    await dead.end(true)
    expect(await heir.goesOn()).toBe(true)
    await heir.end(true)
    expect(await takeUpkeepTurn(database, other)).toBe('done')
  })

  test('what is stopped in the middle is not taken for done', async () => {
    const name = randomUUID()
    let begun = false
    const work = (stopped: AbortSignal) =>
      new Promise<void>((resolve) => {
        begun = true
        stopped.addEventListener('abort', () => resolve())
      })
    const stop = byTheClock(database, name, { work, failed: () => {}, when: soon })
    await expect.poll(() => begun).toBe(true)
    await stop()
    expect(typeof (await takeUpkeepTurn(database, name))).toBe('object')
  })
})

describe('SEC-14 the audit trail', () => {
  const actions = async () => {
    const rows = await database.run<{ action: string }>('select action from audit_entries order by seq', [])
    return rows.map(({ action }) => action)
  }
  const signal = new AbortController().signal
  const age = (days: number) =>
    database.run(
      `insert into audit_entries (at, actor, action, target_id, target_name) overriding system value
       values (now() - make_interval(days => $1::int), 'admin', 'project.created', 'x', 'x')`,
      [days],
    )

  test('is kept for ever, unless the operator says for how long; that something was deleted stands in it', async () => {
    await database.run('alter table audit_entries disable trigger user', [])
    await database.run('delete from audit_entries', [])
    await database.run('alter table audit_entries enable trigger user', [])
    for (const days of [500, 400, 399, 10]) await age(days)
    await deleteOld(database, { feedIdleDays: 90 }, signal)
    expect(await actions()).toHaveLength(4)
    await deleteOld(database, { auditDays: 400, feedIdleDays: 90 }, signal)
    expect(await actions()).toEqual(['project.created', 'project.created', 'audit_log.trimmed'])
    const [note] = await database.run<object>(
      'select actor, target_name as name, before, after from audit_entries order by seq desc limit 1',
      [],
    )
    expect(note).toMatchObject({
      actor: 'rollcall',
      before: { entries: 2, until: expect.stringMatching(/Z$/) },
      after: { entries: 0, keptDays: 400 },
    })
    // Nothing is old any more, so nothing is noted.
    await deleteOld(database, { auditDays: 400, feedIdleDays: 90 }, signal)
    expect(await actions()).toHaveLength(3)
  })

  test('loses nothing younger than 30 days, whatever the transaction says', async () => {
    await age(29)
    const before = await actions()
    const refused = await database
      .transaction(async (tx) => {
        await tx.run("select set_config('rollcall.audit_kept_days', '1', true)", [])
        await tx.run("delete from audit_entries where at < now() - interval '20 days'", [])
      })
      .catch(codeOf)
    expect(refused).toBe('23001')
    expect(await actions()).toEqual(before)
  })
})
