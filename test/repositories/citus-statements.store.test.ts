import { randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createEnvironment } from '../../src/administration/environments.ts'
import { createProject } from '../../src/administration/projects.ts'
import { endFormerUrls, moveTenant, previewMove } from '../../src/administration/tenant-moves.ts'
import { createTenant } from '../../src/administration/tenants.ts'
import type { EnvironmentPlace } from '../../src/auth/principal.ts'
import { type Database, READERS } from '../../src/db/database.ts'
import { findUsers } from '../../src/repositories/control/finding/find-users.ts'
import { formerAddressesOf } from '../../src/repositories/control/tenant-moves.ts'
import { settingsOf } from '../../src/repositories/control/tenants.ts'
import { backlogOf } from '../../src/repositories/delivery/backlog.ts'
import { dueDeliveries } from '../../src/repositories/delivery/due-deliveries.ts'
import { endpointFailed, endpointSucceeded, takeProbe } from '../../src/repositories/delivery/endpoint-state.ts'
import { dueOnStream, streamQueueOf } from '../../src/repositories/delivery/stream-queue.ts'
import { deadLetters, replayEvents, waitingDeliveries } from '../../src/repositories/delivery/webhook-backlog.ts'
import { mendQueues, webhookQueueOf } from '../../src/repositories/delivery/webhook-queue.ts'
import { readFeed, tenantsAmong } from '../../src/repositories/log/environment-feed.ts'
import {
  eventLogOf,
  findUnnumbered,
  logsWithOldEvents,
  unnumberedTenants,
} from '../../src/repositories/log/event-log.ts'
import { openFeed, placeStretches, trimFeed } from '../../src/repositories/log/feed-places.ts'
import { feedHeads, logHeads } from '../../src/repositories/log/heads.ts'
import { endHold, eventsThatPass } from '../../src/repositories/log/leaver-brake.ts'
import { numberMany } from '../../src/repositories/log/numbering.ts'
import { eventsOfRequest, openDeliveriesOf } from '../../src/repositories/log/request-events.ts'
import { insertRequests, newestRequests, requestLogOf } from '../../src/repositories/log/request-log.ts'
import { tenantsWithOldRequests, trimRequests } from '../../src/repositories/log/request-log-age.ts'
import { appendSeatsRanOut, appendTenantEvents } from '../../src/repositories/log/tenant-events.ts'
import { removeExpiredUsers } from '../../src/repositories/resources/kept-users.ts'
import { environmentsWithOld } from '../../src/repositories/retention/environments.ts'
import { administrationOn } from '../support/administration.ts'
import { refusedByCitus } from '../support/citus-rules.ts'
import { tenantRole } from '../support/engines.ts'
import { type Gateway, openGateway, type TestTenant } from '../support/gateway.ts'
import { addMembers, bulkBody, groupBody, idIn, patchBody, removeMember, userBody } from '../support/instances.ts'
import { placeId } from '../support/place-ids.ts'
import { type Recorder, recordStatements } from '../support/statements.ts'
import { catalogueAt, play, type Scenario, titleOf } from '../support/traffic.ts'

// What Citus cannot run is found without one: all statements are written as for a distributed database, one machine runs them, and
// rules look at their texts. docs/scale.md says how to run the tests on a Citus.

const folder = join(import.meta.dirname, '../fixtures/idp-traffic')
const scenarios = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.json'))
  .map((file): Scenario => JSON.parse(readFileSync(join(folder, file), 'utf8')))

let recorder: Recorder
let gateway: Gateway
beforeAll(async () => {
  gateway = await openGateway({}, (database) => {
    recorder = recordStatements(database, true)
    return recorder.database
  })
})
afterAll(() => gateway.close())

/** What Citus would refuse of all statements so far, each with the beginning of its text. */
async function refused(): Promise<string[]> {
  const texts = new Set(recorder.statements.map(({ text }) => text))
  expect(texts.size).toBeGreaterThan(0)
  const faults = await Promise.all(
    [...texts].map(async (text) => (await refusedByCitus(text)).map((fault) => `${fault}: ${text.slice(0, 200)}`)),
  )
  return faults.flat()
}

// Under the role for tenants a deletion could not delete API keys. A distributed database is refused with it.
describe.skipIf(tenantRole() !== undefined)('Citus refuses no statement', () => {
  test.each(scenarios.map((scenario) => [titleOf(scenario), scenario] as const))('of %s', async (_, scenario) => {
    expect(await play(scenario, gateway.bases.tenant, gateway.key, catalogueAt(gateway))).toEqual([])
    expect(await refused()).toEqual([])
  })

  test('of a tenant whose groups give roles', async () => {
    await directory(
      await gateway.newTenant({ settings: { roleRules: [{ group: { pattern: 'Sales*' }, role: 'seller' }] } }),
    )
    expect(await refused()).toEqual([])
  })

  test('of a tenant that keeps deleted users', async () => {
    const tenant = await gateway.newTenant({ settings: { onDelete: 'deactivate' } })
    await directory(tenant)
    expect((await tenant.scim('POST', '/Users', userBody('ada'))).status).toBe(201)
    expect(await refused()).toEqual([])
  })

  test('of the log, of deliveries and of what is done behind the requests', async () => {
    const tenant = await gateway.newTenant()
    await directory(tenant)
    await behind(recorder.database, tenant)
    expect(await refused()).toEqual([])
  })

  test('of a tenant that gets another key; another environment is refused', async () => {
    const administration = administrationOn(recorder.database)
    const project = await createProject(administration, { key: 'moves' })
    const places = []
    for (const key of ['here', 'there']) {
      const { id } = await createEnvironment(administration, project.id, { key })
      places.push({ projectId: project.id, environmentId: id })
    }
    const [here, there] = places as [EnvironmentPlace, EnvironmentPlace]
    const { id } = await createTenant(administration, here, { key: 'acme' })
    const keeps = { key: 'acme-2', keepFormerUrlDays: 30 }
    await previewMove(administration, here, id, { to: here, ...keeps })
    const { tenant } = await moveTenant(administration, here, id, { to: here, ...keeps })
    expect(tenant).toMatchObject({ id, key: 'acme-2' })
    expect(await formerAddressesOf(recorder.database, id).list()).toMatchObject([{ tenant: 'acme' }])
    await expect(moveTenant(administration, here, id, { to: there, ...keeps })).rejects.toThrow(/distributed \(Citus\)/)
    await endFormerUrls(administration, here, id)
    expect(await refused()).toEqual([])
  })
})

/** One of each change of a directory. */
async function directory(tenant: TestTenant): Promise<void> {
  const people = [
    idIn(await tenant.scim('POST', '/Users', userBody('ada'))),
    idIn(await tenant.scim('POST', '/Users', userBody('bob'))),
  ]
  const [ada = '', bob = ''] = people
  const sales = idIn(await tenant.scim('POST', '/Groups', groupBody('Sales')))
  const all = idIn(await tenant.scim('POST', '/Groups', groupBody('Sales, all', people)))
  await tenant.scim('PATCH', `/Groups/${sales}`, addMembers(ada))
  await tenant.scim('PATCH', `/Groups/${sales}`, addMembers(bob, all))
  await tenant.scim('PATCH', `/Groups/${sales}`, removeMember(ada))
  await tenant.scim('PATCH', `/Groups/${all}`, patchBody({ op: 'replace', path: 'members', value: [{ value: bob }] }))
  await tenant.scim('PATCH', `/Users/${ada}`, patchBody({ op: 'replace', path: 'active', value: false }))
  await tenant.scim('PATCH', `/Users/${ada}`, patchBody({ op: 'replace', path: 'title', value: 'Dr' }))
  await tenant.scim('GET', `/Users/${bob}`)
  await tenant.scim('GET', '/Users?filter=title eq "Dr"&count=5')
  await tenant.scim('GET', '/Users?sortBy=displayName&startIndex=2&count=5')
  await tenant.scim(
    'POST',
    '/Bulk',
    bulkBody([sales, all].map((group) => ({ method: 'PATCH', path: `/Groups/${group}`, data: removeMember(bob) }))),
  )
  for (const path of [`/Users/${ada}`, `/Groups/${all}`, `/Groups/${sales}`]) await tenant.scim('DELETE', path)
}

/** One of each step that no request waits for. */
async function behind(db: Database, { id }: TestTenant): Promise<void> {
  const doer = { actor: 'a', requestId: 'r' }
  const endpoint = randomUUID()
  await appendTenantEvents(db, id, doer, [{ type: 'tenant.paused', changes: { changed: [] } }])
  await appendSeatsRanOut(db, id, doer, 10)
  await unnumberedTenants(db, undefined, 100)
  await numberMany(db, [id, placeId(randomUUID())])
  const log = eventLogOf(db, id)
  await log.number({ wait: true })
  const page = await log.read(0, 100, { types: ['user.deleted'], nouns: ['group'] })
  expect(page.head).toBeGreaterThan(5)
  await log.trim(30)
  await log.hasUnnumbered()
  await logHeads(db, [id])
  await feed(db, id)
  await environmentsWithOld(db, 'events', 30, undefined, 10)
  await environmentsWithOld(db, 'spans', 400, undefined, 10)
  await logsWithOldEvents(db, placeId(randomUUID()), 30, 10)
  await db.transaction(async (tx) => {
    const brake = { mode: 'hold', count: 1, windowMinutes: 60, releaseAfterHours: 1 }
    await eventsThatPass(tx, id, { brake, hold: null })
    await tx.run('update event_logs l set hold_id = $2::uuid where l.tenant_id = $1::uuid', [id, randomUUID()])
    await endHold(tx, id, { reason: 'approved' })
  })
  await dueDeliveries(db)
  await backlogOf(db)
  await mendQueues(db)
  const queue = webhookQueueOf(db, id, endpoint)
  await queue.claim(16)
  await queue.delivered([{ position: 1, attempts: 1 }])
  await queue.failed({ position: 1, attempts: 1, retryAfterMs: 1, giveUp: true, status: 500, error: '' })
  await takeProbe(db, endpoint)
  const rest = { retryAfterMs: 0, restMs: { first: 1, longest: 1 }, disableAfterMs: 1, reason: '' }
  await endpointFailed(db, endpoint, { verdict: 'down', ...rest })
  await endpointSucceeded(db, endpoint)
  await dueOnStream(db, endpoint)
  const stream = streamQueueOf(db, id, endpoint)
  await stream.handedOut([1])
  await stream.settledInPart(1, 1, null)
  await stream.putBack([1])
  await replayEvents(db, { tenantId: id, endpointId: endpoint }, { kind: 'dead' }, 0, 10)
  await waitingDeliveries(db, endpoint, false, undefined, 10)
  await deadLetters(db, [endpoint])
  await removeExpiredUsers(db)
  await requests(db, id)
}

/** One of each statement of the feed of an environment. */
async function feed(db: Database, tenantId: TestTenant['id']): Promise<void> {
  const place = await settingsOf(db, tenantId)
  if (place === undefined) throw new Error('no such tenant')
  const { environmentId } = place
  await openFeed(db, environmentId)
  await appendTenantEvents(db, tenantId, { actor: 'a', requestId: 'r' }, [
    { type: 'tenant.paused', changes: { changed: [] } },
  ])
  await eventLogOf(db, tenantId).number({ wait: true })
  expect((await findUnnumbered(db, undefined, 100)).unplaced).toBe(true)
  await placeStretches(db)
  const types = { types: ['tenant.paused'], nouns: ['user'] }
  const found = await readFeed(db, environmentId, 0, 100, { types, tenants: [tenantId], forgiven: 0 })
  expect(found?.events.at(-1)).toMatchObject({ tenantId, type: 'tenant.paused' })
  await feedHeads(db, [environmentId])
  await tenantsAmong(db, environmentId, [tenantId])
  await trimFeed(db, environmentId, 30)
  const wanted = { userName: 'bob', externalId: 'x', email: 'bob@acme.example' }
  await findUsers(db, environmentId, wanted, undefined, 10, READERS)
  await findUsers(db, environmentId, { email: wanted.email }, undefined, 10, READERS)
}

/** One of each statement of the provisioning log. */
async function requests(db: Database, tenantId: TestTenant['id']): Promise<void> {
  const row = { tenantId, operation: 'list', status: 200, keyId: '', terms: ['a'], entry: '{}', bodies: null }
  // Later than all that the gateway itself writes behind the requests.
  await insertRequests(db, [{ ...row, id: `f${randomUUID().slice(1)}` }])
  const log = requestLogOf(db, tenantId)
  const page = {
    before: 'ffffffff-ffff-ffff-ffff-ffffffffffff',
    from: 'f0000000-0000-0000-0000-000000000000',
    limit: 2,
  }
  expect((await log.list({ terms: [] }, page)).requests.length).toBe(1)
  expect((await log.list({ terms: ['a'], keyId: '' }, page)).requests.length).toBe(1)
  expect((await log.list({ terms: [], status: [200, 299] }, page)).requests.length).toBe(1)
  await log.one(randomUUID())
  await newestRequests(db, [tenantId])
  await eventsOfRequest(db, tenantId, { inEvents: 'r', from: 0, until: 1 })
  await openDeliveriesOf(db, { tenantId, environmentId: placeId(randomUUID()) }, [1])
  await tenantsWithOldRequests(db, { defaultDays: 14, boundOf: () => page.before, after: undefined, limit: 10 })
  await trimRequests(db, tenantId, page.before)
}

// Each is a statement of an earlier release, or a part of one, and what a Citus 13.2 answered to it.
const REFUSED: Readonly<Record<string, readonly [fault: RegExp, text: string]>> = {
  'a sum of a moment and an interval in an update': [
    /STABLE functions/,
    `update resources r set modified_at = greatest(now(), r.modified_at + interval '1 millisecond') where r.tenant_id = $1::uuid`,
  ],
  'a place in a table': [
    /ctid/,
    `delete from memberships m where m.tenant_id = $1::uuid and m.ctid = any(array(select n.ctid from memberships n
       where n.tenant_id = $1::uuid and n.member_id = $2::uuid))`,
  ],
  'a tenant that no plan sees': [
    /several machines/,
    `delete from search_documents s where (s.tenant_id = $1::uuid) is true and s.resource_id = $2::uuid`,
  ],
  'locks of several tenants': [
    /lock on rows of several machines/,
    `select l.* from unnest($1::text::uuid[]) x(id) cross join lateral (
       select l.* from event_logs l where l.tenant_id = x.id for update of l) l`,
  ],
  'a walk over all tenants': [
    /recursive CTEs/,
    `with recursive waiting(id) as (
       (select w.tenant_id from waiting_events w where w.tenant_id > $1::uuid order by w.tenant_id limit 1)
       union all
       select (select w.tenant_id from waiting_events w where w.tenant_id > x.id order by w.tenant_id limit 1) from waiting x
     ) select id from waiting`,
  ],
  'a recursive search in a statement that writes': [
    /recursive search/,
    `with logged as (insert into events (tenant_id, type) values ($1::uuid, 'user.created') returning seq)
     select (with recursive up(id) as (
       select m.group_id from memberships m where m.tenant_id = $1::uuid
       union select m.group_id from up join memberships m on m.tenant_id = $1::uuid and m.member_id = up.id
     ) select count(*) from up) from logged`,
  ],
  'a look-up of one row whose tenant is that of another': [
    /lateral/,
    `select e.* from event_positions p cross join lateral (
       select e.* from events e where e.tenant_id = p.tenant_id and e.seq = p.seq limit 1) e where p.tenant_id = $1::uuid`,
  ],
  'an element of an array in an update': [
    /ends the coordinator/,
    `update accounts a set linked_by = (array['externalId', 'userName'])[$2::int] where a.tenant_id = $1::uuid`,
  ],
  'a look, as a value, at rows whose tenant only a shared table tells': [
    /complex joins/,
    `select l.head, exists (select 1 from histories y where y.tenant_id = t.id and y.ended_at is null) as has_history
     from event_logs l join tenants t on t.id = l.tenant_id where l.tenant_id = $1::uuid`,
  ],
  'a look, as a value, at rows whose tenant a look-up gives': [
    /complex joins/,
    `select p.position, (select a.account_id from accounts a where a.tenant_id = e.tenant_id and a.user_id = e.resource_id)
     from event_positions p cross join lateral (select e.* from events e where e.tenant_id = $1::uuid and e.seq = p.seq offset 0) e
     where p.tenant_id = $1::uuid`,
  ],
  'a function that reads rows, beside a look at rows': [
    /query on a shard/,
    `with followed as materialized (
       select case when exists (select 1 from resources o where o.tenant_id = $1::uuid and o.id = $2::uuid) then null
         else roles_by_membership($1::uuid, $2::uuid, null) end as roles
     ) select roles from followed`,
  ],
  'the moment in a case': [
    /CASE or COALESCE/,
    `update webhook_deliveries d set first_tried_at = coalesce(d.first_tried_at, now()) where d.tenant_id = $1::uuid`,
  ],
  'a moment as a number in what an update returns': [
    /RETURNING/,
    `update event_logs l set held_until = now() where l.tenant_id = $1::uuid returning extract(epoch from l.held_until)`,
  ],
  'the moment where a row is there already': [
    /DO UPDATE SET/,
    `insert into webhook_deliveries as d (tenant_id, position) values ($1::uuid, $2::bigint)
     on conflict (tenant_id, position) do update set due_at = now()`,
  ],
}

test.each(Object.entries(REFUSED))('the rules find %s', async (_, [fault, text]) => {
  expect((await refusedByCitus(text)).join()).toMatch(fault)
})
