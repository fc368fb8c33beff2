import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { migrationsFolder } from '../../src/db/migrations.ts'
import { openFreshDatabase } from '../support/engines.ts'

let database: Database
beforeAll(async () => {
  database = await openFreshDatabase()
})
afterAll(() => database.close())

/** The statements of the migrations from the first to the one with this in its name, and of that one. */
function migrations(name: string): { readonly before: string[]; readonly itself: string[] } {
  const files = readdirSync(migrationsFolder)
    .filter((file) => file.endsWith('.sql'))
    .sort()
  const at = files.findIndex((file) => file.endsWith(`_${name}.sql`))
  const statements = (file: string) =>
    readFileSync(join(migrationsFolder, file), 'utf8').split('--> statement-breakpoint')
  return { before: files.slice(0, at).flatMap(statements), itself: statements(files[at] ?? '') }
}

const [ONE, OTHER] = ['11111111-1111-7111-8111-111111111111', '22222222-2222-7222-8222-222222222222']
const PERSON = '33333333-3333-7333-8333-333333333333'

test('a store of 0.1.0 keeps positions, what waits, what is held, and its counts', async () => {
  const { before, itself } = migrations('event_positions')
  const found = await database.transaction(async (tx) => {
    const run = <Row>(statement: string, values: string[] = []) => tx.run<Row>(statement, values, { prepare: false })
    await run('drop schema public cascade')
    await run('create schema public')
    for (const statement of before) await run(statement)
    // By `seq`: numbered, numbered first though written later, held, and waiting; and two of another tenant.
    const event = (tenant: string, position: number | null, held: boolean) =>
      run(
        `insert into events (tenant_id, position, type, resource_type, resource_id, version, request_id, actor, occurred_at, changes, held)
         values ('${tenant}', ${position}, 'user.updated', 'User', '${PERSON}', 1, 'r', 'a', now(), '{}', ${held})`,
      )
    await event(ONE, 2, false)
    await event(ONE, 1, false)
    await event(ONE, null, true)
    await event(ONE, null, false)
    await event(OTHER, 1, false)
    await event(OTHER, null, false)
    await run(
      `insert into resource_counts (tenant_id, resource_type, delta, active_delta) values
         ('${ONE}', 'User', 5, 4), ('${ONE}', 'User', -2, -1), ('${ONE}', 'Group', 7, 0), ('${OTHER}', 'User', 1, 1)`,
    )
    for (const statement of itself) await run(statement)
    const rows = (statement: string) => run<object>(statement)
    return {
      events: await rows('select tenant_id::text as tenant, seq::int from events order by seq'),
      positions: await rows(
        'select tenant_id::text as tenant, position::int, seq::int from event_positions order by 1, 2',
      ),
      waiting: await rows(
        'select tenant_id::text as tenant, seq::int, total_delta as delta from waiting_events order by 1, 2',
      ),
      held: await rows('select tenant_id::text as tenant, seq::int, resource_id::text as person from held_events'),
      counts: await rows(
        'select tenant_id::text as tenant, resource_type as type, total, active from resource_counts order by 1, 2',
      ),
    }
  })
  expect(found).toEqual({
    events: [1, 2, 3, 4].map((seq) => ({ tenant: ONE, seq })).concat([5, 6].map((seq) => ({ tenant: OTHER, seq }))),
    positions: [
      { tenant: ONE, position: 1, seq: 2 },
      { tenant: ONE, position: 2, seq: 1 },
      { tenant: OTHER, position: 1, seq: 5 },
    ],
    waiting: [
      { tenant: ONE, seq: 4, delta: 0 },
      { tenant: OTHER, seq: 6, delta: 0 },
    ],
    held: [{ tenant: ONE, seq: 3, person: PERSON }],
    counts: [
      { tenant: ONE, type: 'Group', total: 7, active: 0 },
      { tenant: ONE, type: 'User', total: 3, active: 3 },
      { tenant: OTHER, type: 'User', total: 1, active: 1 },
    ],
  })
})

test('a store from before has the age of each log, and what an older version adds to it is noticed', async () => {
  const { before, itself } = migrations('retention_by_due')
  const [place, other] = ['44444444-4444-7444-8444-444444444444', '55555555-5555-7555-8555-555555555555']
  const found = await database.transaction(async (tx) => {
    const run = <Row>(statement: string) => tx.run<Row>(statement, [], { prepare: false })
    await run('drop schema public cascade')
    await run('create schema public')
    for (const statement of before) await run(statement)
    await run(`insert into projects (id, key, key_folded, name) values ('${place}', 'p', 'p', '')`)
    await run(
      `insert into environments (id, project_id, key, key_folded, name) values ('${place}', '${place}', 'e', 'e', '')`,
    )
    for (const id of [ONE, OTHER, other])
      await run(
        `insert into tenants (id, environment_id, key, key_folded, name) values ('${id}', '${place}', '${id}', '${id}', '')`,
      )
    const event = (tenant: string, at: string) =>
      run(
        `insert into events (tenant_id, type, resource_type, resource_id, version, request_id, actor, occurred_at, changes)
         values ('${tenant}', 'user.updated', 'User', '${PERSON}', 1, 'r', 'a', '${at}', '{}')`,
      )
    await event(ONE, '2026-01-02T00:00:00Z')
    await event(ONE, '2026-01-03T00:00:00Z')
    await run(`insert into event_logs (tenant_id, head, trimmed) values ('${ONE}', 3, 1), ('${OTHER}', 5, 5)`)
    for (const statement of itself) await run(statement)
    await event(OTHER, '2026-02-01T00:00:00Z')
    await run(`update event_logs set head = 6 where tenant_id = '${OTHER}'`)
    await event(other, '2026-03-01T00:00:00Z')
    await run(`insert into event_logs (tenant_id, head) values ('${other}', 1)`)
    return run<object>(
      `select tenant_id::text as tenant, environment_id::text as place,
         to_char(oldest_at at time zone 'UTC', 'YYYY-MM-DD') as oldest from event_logs order by 1`,
    )
  })
  expect(found).toEqual([
    { tenant: ONE, place, oldest: '2026-01-02' },
    { tenant: OTHER, place, oldest: '2026-02-01' },
    { tenant: other, place, oldest: '2026-03-01' },
  ])
})
