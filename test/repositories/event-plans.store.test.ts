import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import type { EnvironmentId } from '../../src/place-ids.ts'
import { backlogOf, MOST_COUNTED } from '../../src/repositories/delivery/backlog.ts'
import { dueDeliveries } from '../../src/repositories/delivery/due-deliveries.ts'
import { dueOnStream, streamQueueOf } from '../../src/repositories/delivery/stream-queue.ts'
import {
  DEAD_COUNTED,
  deadLetters,
  replayEvents,
  waitingDeliveries,
} from '../../src/repositories/delivery/webhook-backlog.ts'
import { mendQueues, webhookQueueOf } from '../../src/repositories/delivery/webhook-queue.ts'
import { eventLogOf, logsWithOldEvents, unnumberedTenants } from '../../src/repositories/log/event-log.ts'
import { subjectsOf } from '../../src/repositories/log/event-subjects.ts'
import { logHeads } from '../../src/repositories/log/heads.ts'
import { heldEventsOf, holdingTenants } from '../../src/repositories/log/held-events.ts'
import { latestEvents } from '../../src/repositories/log/latest-events.ts'
import { numberMany } from '../../src/repositories/log/numbering.ts'
import { environmentsWithOld } from '../../src/repositories/retention/environments.ts'
import { roleBindingsOf } from '../../src/repositories/roles/role-bindings.ts'
import { dueRoleWork, roleProgressOf, waitingRoleWork } from '../../src/repositories/roles/role-rule-work.ts'
import { openFreshDatabase } from '../support/engines.ts'
import { appending, appendingHeld, appendingNumbered } from '../support/events.ts'
import type { TestTenant } from '../support/gateway.ts'
import { analyze, type Filled, fillDirectly, type Instance, openInstance } from '../support/instances.ts'
import { genericPlan, nodesOf, recordStatements } from '../support/statements.ts'

// What delivery asks for again and again must not grow with what is kept or waits.
const KEPT = 20_000
const WAITING = 10_000
const HELD = 2_000
const RESOURCES = 1_000
const IDLE_TENANTS = 2_000

let database: Database
let instance: Instance
let busy: TestTenant
let holding: TestTenant
let others: TestTenant[]
let people: Filled
let endpoint: string
/** An environment with many tenants, whose logs have nothing old. */
const IDLE = randomUUID() as EnvironmentId

beforeAll(async () => {
  database = await openFreshDatabase()
  instance = await openInstance(database)
  busy = await instance.newTenant()
  holding = await instance.newTenant({
    settings: { leaverBrake: { mode: 'hold', count: 10, windowMinutes: 60, releaseAfterHours: 1 } },
  })
  others = await Promise.all([1, 2, 3].map(() => instance.newTenant()))
  const [made] = await database.run<{ id: string }>(
    `insert into webhook_endpoints (id, environment_id, url, description, event_types, secret)
     select gen_random_uuid(), t.environment_id, 'https://hooks.test/', '', '{}', '' from tenants t where t.id = $1::uuid
     returning id::text`,
    [busy.id],
  )
  endpoint = made?.id ?? ''
  people = await fillDirectly(database, busy.id, { users: RESOURCES, groups: 10 })
  await keep(busy.id, KEPT)
  await queue(busy.id, KEPT, WAITING)
  for (const { id } of others) {
    await keep(id, 2_000)
    await queue(id, 2_000, 1_000)
  }
  await keep(holding.id, 1_000)
  await database.run(
    `insert into environments (id, project_id, key, key_folded, name) select $1::uuid, p.id, 'idle', 'idle', 'idle' from projects p limit 1`,
    [IDLE],
  )
  await database.run(
    `with made as (
       insert into tenants (id, environment_id, key, key_folded, name)
       select gen_random_uuid(), $1::uuid, n::text, n::text, '' from generate_series(1, ${IDLE_TENANTS}) n returning id
     ) insert into event_logs (tenant_id, environment_id, head, oldest_at) select id, $1::uuid, 1, now() - interval '1 day' from made`,
    [IDLE],
  )
  await database.run(
    appendingHeld(`insert into events (tenant_id, type, resource_type, resource_id, version, request_id, actor, occurred_at, changes)
     select $1::uuid, 'user.deactivated', 'User', ${resource('n')}, 2, 'r', 'a', now(), '{}'
     from generate_series(1, $2::int) n`),
    [holding.id, HELD],
  )
  await database.run(
    `update event_logs set hold_id = gen_random_uuid(), held_since = now(), held_until = now() + interval '1 hour'
     where tenant_id = $1::uuid`,
    [holding.id],
  )
  await analyze(database)
  await database.run('analyze webhook_endpoints', [], { prepare: false })
})
afterAll(async () => {
  await instance.close()
  await database.close()
})

const resource = (n: string) => `lpad(to_hex(${n} % ${RESOURCES}), 32, '0')::uuid`

/** Fills a tenant's log with numbered events of many resources. */
async function keep(tenantId: string, count: number): Promise<void> {
  await database.run(
    appendingNumbered(`insert into events (tenant_id, type, resource_type, resource_id, version, request_id, actor, occurred_at, changes)
     select $1::uuid, case when n % 50 = 0 then 'group.created' else 'user.updated' end, 'User', ${resource('n')}, n, 'r',
       'a', now() - interval '1 day', '{}' from generate_series(1, $2::int) n`),
    [tenantId, count],
  )
  await database.run('insert into event_logs (tenant_id, head) values ($1::uuid, $2::int)', [tenantId, count])
}

/** Lets the last events of a log wait for the endpoint: of each resource the first is due, and some were given up. */
async function queue(tenantId: string, head: number, count: number): Promise<void> {
  await database.run(
    `insert into webhook_deliveries (tenant_id, endpoint_id, position, resource_id, due_at, dead, attempts)
     select $1::uuid, $2::uuid, n, ${resource('n')},
       case when n <= $3::int - $4::int + ${RESOURCES} then now() - interval '1 minute' else 'infinity' end, n % 10 = 0, 1
     from generate_series($3::int - $4::int + 1, $3::int) n`,
    [tenantId, endpoint, head, count],
  )
}

/** Fresh events, which have no position yet. */
const append = (tenantId: string, type: string, count: number) =>
  database.run(
    appending(`insert into events (tenant_id, type, resource_type, resource_id, version, request_id, actor, occurred_at, changes)
     select $1::uuid, $2::text, 'User', ${resource('n')}, 100000, 'r', 'a', now(), '{}' from generate_series(1, $3::int) n`),
    [tenantId, type, count],
  )

const LARGE = [
  'events',
  'event_positions',
  'held_events',
  'webhook_deliveries',
  'resources',
  'role_rule_work',
  'role_bindings',
]

/** What the statements of `work` look at that is more than `most` rows, or all of a large table. */
async function excess(most: number, work: (db: Database) => Promise<unknown>): Promise<string[]> {
  const recorder = recordStatements(database)
  const { statements } = await recorder.during(() => work(recorder.database))
  expect(statements.length).toBeGreaterThan(0)
  const found: string[] = []
  for (const statement of statements) {
    if (/^\s*discard/i.test(statement.text)) continue
    for (const node of nodesOf(await genericPlan(database, statement, { analyze: true }))) {
      const on = node['Relation Name'] ?? node['Index Name'] ?? ''
      const rows = ((node['Actual Rows'] ?? 0) + (node['Rows Removed by Filter'] ?? 0)) * (node['Actual Loops'] ?? 1)
      if (rows > most || (node['Node Type'] === 'Seq Scan' && LARGE.includes(on)))
        found.push(`${node['Node Type']} ${on}: ${rows} of ${statement.text.slice(0, 60)}`)
    }
  }
  return found
}

const FEW = 500
const ALL = { types: [], nouns: [] }
const from = KEPT - WAITING

describe('EV-15 delivery looks at little, however much is kept and waits', () => {
  test.each<[string, number, (db: Database) => Promise<unknown>]>([
    ['endpoints with something due', FEW, (db) => dueDeliveries(db)],
    ['what the metrics tell of the backlog', MOST_COUNTED, (db) => backlogOf(db)],
    // 2,000 that wait, and what was given up among them.
    ['a repair of a stretch of the queues', 2_500, (db) => mendQueues(db)],
    ['tenants with something due on a stream', FEW, (db) => dueOnStream(db, endpoint)],
    // 200 that are due are looked at for the first of each resource.
    ['a claim', FEW, (db) => webhookQueueOf(db, busy.id, endpoint).claim(16)],
    [
      'deliveries that succeeded',
      FEW,
      (db) =>
        webhookQueueOf(db, busy.id, endpoint).delivered(
          [1, 2, 3, 4].map((n) => ({ position: from + n, attempts: 1 })).concat({ position: from + 5, attempts: 2 }),
        ),
    ],
    [
      'one that failed, and one that is given up',
      FEW,
      async (db) => {
        const failed = { attempts: 1, retryAfterMs: 1_000, status: 500, error: 'x' }
        await webhookQueueOf(db, busy.id, endpoint).failed({ ...failed, position: from + 701, giveUp: false })
        await webhookQueueOf(db, busy.id, endpoint).failed({ ...failed, position: from + 702, giveUp: true })
      },
    ],
    [
      'acknowledgements of a stream',
      FEW,
      async (db) => {
        const queue = streamQueueOf(db, busy.id, endpoint)
        await queue.handedOut([1, 2, 3].map((n) => from + 800 + n))
        await queue.settledInPart(from + 801, 1, null)
        await queue.putBack([from + 802, from + 803])
      },
    ],
    ['who an event is about', FEW, (db) => subjectsOf(db, busy.id, [people.userId(7)])],
    ['what waits', FEW, (db) => waitingDeliveries(db, endpoint, false, undefined, 100)],
    [
      'what waits, further on',
      FEW,
      (db) => waitingDeliveries(db, endpoint, false, { tenant: busy.id, position: from + WAITING / 2 }, 100),
    ],
    ['what was given up', FEW, (db) => waitingDeliveries(db, endpoint, true, undefined, 100)],
    ['a claim of what tells of leavers', FEW, (db) => webhookQueueOf(db, busy.id, endpoint).claim(16, 'urgent')],
    ['how many were given up', DEAD_COUNTED, (db) => deadLetters(db, [endpoint])],
    [
      'a replay by position',
      FEW,
      (db) =>
        replayEvents(
          db,
          { tenantId: busy.id, endpointId: endpoint },
          { kind: 'positions', positions: [5, 6, 7] },
          0,
          1_000,
        ),
    ],
  ])('%s', async (_, most, work) => {
    expect(await excess(most, work)).toEqual([])
  })
})

describe('EV-15 so do the readers of the log, and who numbers it', () => {
  test.each<[string, number, (db: Database) => Promise<unknown>]>([
    ['a page', FEW, (db) => eventLogOf(db, busy.id).read(KEPT / 2, 100, ALL)],
    ['the first page', FEW, (db) => eventLogOf(db, busy.id).read(0, 100, ALL)],
    // A page of 10,000 positions at most.
    ['a page of rare types', 10_000, (db) => eventLogOf(db, busy.id).read(0, 100, { types: ['x.y'], nouns: ['z'] })],
    ['the latest', FEW, (db) => latestEvents(db, busy.id, { limit: 100 })],
    [
      'the latest of one resource',
      10_000,
      (db) => latestEvents(db, busy.id, { limit: 100, resourceId: '00000000-0000-0000-0000-000000000001' }),
    ],
    ['whether there are new ones', FEW, (db) => eventLogOf(db, busy.id).hasUnnumbered()],
    ['tenants that have new ones', FEW, (db) => unnumberedTenants(db, undefined, 500)],
    ['how far logs go', FEW, (db) => logHeads(db, [busy.id, holding.id])],
    ['environments with old events', FEW, (db) => environmentsWithOld(db, 'events', 90, undefined, 100)],
    ['logs with old events', FEW, (db) => logsWithOldEvents(db, IDLE, 90, 200)],
    ['a trim that finds nothing old', 1_000, (db) => eventLogOf(db, busy.id).trim(90)],
  ])('%s', async (_, most, work) => {
    expect(await excess(most, work)).toEqual([])
  })

  test('numbering and queueing', async () => {
    await append(busy.id, 'user.updated', 20)
    expect(await excess(FEW, (db) => eventLogOf(db, busy.id).number())).toEqual([])
  })

  test('numbering and queueing for many tenants', async () => {
    for (const { id } of [busy, ...others]) await append(id, 'user.updated', 5)
    const tenants = [busy, ...others].map(({ id }) => id)
    expect(await excess(FEW, (db) => numberMany(db, tenants))).toEqual([])
  })
})

describe('so does the work that follows role rules, however many tenants are done with it', () => {
  const DONE = 5_000
  beforeAll(async () => {
    await database.run(
      `insert into role_rule_work (tenant_id, environment_id, waits, actor, request_id, finished_at)
       select gen_random_uuid(), gen_random_uuid(), false, 'a', 'r', now() from generate_series(1, ${DONE})`,
      [],
    )
    await database.run(
      `insert into role_rule_work (tenant_id, environment_id, waits, actor, request_id)
       select t.id, t.environment_id, t.id <> $1::uuid, 'a', 'r' from tenants t where t.id in ($1::uuid, $2::uuid)`,
      [busy.id, holding.id],
    )
    await database.run(
      `with role as (insert into roles (tenant_id, id, key) values ($1::uuid, gen_random_uuid(), 'r') returning id)
       insert into role_bindings (tenant_id, group_id, role_id, rule)
       select $1::uuid, g.id, role.id, 'rule ' || n from role cross join resources g cross join generate_series(1, 1000) n
       where g.tenant_id = $1::uuid and g.resource_type = 'Group'`,
      [busy.id],
    )
    await analyze(database)
    for (const table of ['role_rule_work', 'role_bindings'])
      await database.run(`analyze ${table}`, [], { prepare: false })
  })

  test.each<[string, (db: Database) => Promise<unknown>]>([
    ['what there is to do', (db) => dueRoleWork(db)],
    ['what waits', (db) => waitingRoleWork(db, undefined)],
    ['how far a tenant is', (db) => roleProgressOf(db, busy.id)],
    ['bindings that end', (db) => roleBindingsOf(db, busy.id).beside(['rule 1'], null, 100)],
    ['a page of groups', (db) => roleBindingsOf(db, busy.id).groups(null, 1)],
  ])('%s', async (_, work) => {
    // A group has a thousand bindings here.
    expect(await excess(1_000, work)).toEqual([])
  })
})

describe('EV-15 and the leaver brake, whatever it holds', () => {
  test('numbering beside a hold', async () => {
    await append(holding.id, 'user.updated', 20)
    expect(await excess(FEW, (db) => eventLogOf(db, holding.id).number())).toEqual([])
  })

  test.each<[string, (db: Database) => Promise<unknown>]>([
    ['the list', (db) => heldEventsOf(db, holding.id).list(undefined, 100)],
    ['the hold', (db) => heldEventsOf(db, holding.id).hold()],
    ['tenants that hold', (db) => holdingTenants(db, [], undefined, 100)],
  ])('%s', async (_, work) => {
    expect(await excess(FEW, work)).toEqual([])
  })

  test('letting go, a thousand at a time', async () => {
    await database.run(`update event_logs set released_at = now() where tenant_id = $1::uuid`, [holding.id])
    expect(await excess(1_000, (db) => eventLogOf(db, holding.id).number())).toEqual([])
  })
})
