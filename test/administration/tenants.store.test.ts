import { randomUUID } from 'node:crypto'
import { eq } from 'drizzle-orm'
import { beforeAll, expect, test } from 'vitest'
import type { Administration } from '../../src/administration/change.ts'
import { createEnvironment, deleteEnvironment, findEnvironment } from '../../src/administration/environments.ts'
import { createProject, deleteProject, findProject } from '../../src/administration/projects.ts'
import { changeTenant, createTenant, deleteTenant, findTenant } from '../../src/administration/tenants.ts'
import type { EnvironmentPlace } from '../../src/auth/principal.ts'
import type { Database } from '../../src/db/database.ts'
import {
  events,
  heldEvents,
  keptUsers,
  memberships,
  resourceKeys,
  resources,
  roleBindings,
  roles,
  searchDocuments,
  tenants,
  waitingEvents,
  writtenRoles,
} from '../../src/db/schema.ts'
import type { EnvironmentId, TenantId } from '../../src/place-ids.ts'
import { projectsIn } from '../../src/repositories/control/projects.ts'
import { tenantsOf } from '../../src/repositories/control/tenants.ts'
import { eventLogOf } from '../../src/repositories/log/event-log.ts'
import { openFeed } from '../../src/repositories/log/feed-places.ts'
import { administrationOn } from '../support/administration.ts'
import { engineName, openFreshDatabase, openTestDatabase } from '../support/engines.ts'
import { holdBy } from '../support/held.ts'
import { bulkBody, groupBody, openInstance, userBody } from '../support/instances.ts'
import { placeId } from '../support/place-ids.ts'
import { recordStatements } from '../support/statements.ts'

let database: Database
let administration: Administration
let place: EnvironmentPlace

beforeAll(async () => {
  database = await openTestDatabase()
  administration = administrationOn(database)
  const { id: projectId } = await createProject(administration, { key: 't-acme' })
  place = { projectId, environmentId: (await createEnvironment(administration, projectId, { key: 'prod' })).id }
})

/** A user in a group, with all the rows that come with them. */
async function fill(tenantId: TenantId, { orm }: Database = database): Promise<void> {
  const [groupId, memberId] = [crypto.randomUUID(), crypto.randomUUID()]
  const now = new Date()
  const times = { createdAt: now, modifiedAt: now }
  await orm.insert(resources).values([
    { tenantId, id: groupId, resourceType: 'Group', document: '{}', ...times },
    { tenantId, id: memberId, resourceType: 'User', document: '{}', ...times },
  ])
  await orm.insert(searchDocuments).values({ tenantId, resourceType: 'User', resourceId: memberId, search: {} })
  const key = { attribute: 'badge', key: memberId }
  await orm.insert(resourceKeys).values({ tenantId, resourceType: 'User', resourceId: memberId, ...key })
  await orm.insert(memberships).values({ tenantId, groupId, memberId })
  const roleId = randomUUID()
  await orm.insert(roles).values({ tenantId, id: roleId, key: roleId })
  await orm.insert(roleBindings).values({ tenantId, groupId, roleId, rule: 'r' })
  await orm.insert(writtenRoles).values({ tenantId, userId: memberId, attribute: 'roles', value: 'r', roleId })
  const deleted = { id: randomUUID(), uniqueKey: 'gone', emails: [], version: 2, createdAt: now, keptUntil: now }
  await orm.insert(keptUsers).values({ tenantId, ...deleted })
  const about = { resourceType: 'User', resourceId: memberId, version: 1, requestId: 'r', actor: 'k', changes: '{}' }
  const event = { tenantId, type: 'user.created', occurredAt: now, ...about }
  const [waiting, held] = await orm.insert(events).values([event, event]).returning({ seq: events.seq })
  if (waiting === undefined || held === undefined) throw new Error('not appended')
  const counts = { resourceType: 'User', totalDelta: 1, activeDelta: 1 }
  await orm.insert(waitingEvents).values({ tenantId, ...waiting, ...counts })
  await orm.insert(heldEvents).values({ tenantId, ...held, resourceId: memberId })
}

/** What `rowsOf` gives where nothing is left. */
const NONE = Array.from({ length: 17 }, () => 0)

async function rowsOf(tenantId: TenantId): Promise<number[]> {
  const tables = [
    'resources',
    'resource_keys',
    'search_documents',
    'memberships',
    'roles',
    'role_bindings',
    'written_roles',
    'resource_counts',
    'kept_users',
    'events',
    'waiting_events',
    'held_events',
    'event_positions',
    'event_logs',
    'waiting_stretches',
    'tenants',
    'api_keys',
  ]
  return Promise.all(
    tables.map(async (table) => {
      const column = table === 'tenants' ? 'id' : 'tenant_id'
      const statement = `select count(*)::int as n from ${table} where ${column} = $1::uuid`
      return (await database.run<{ n: number }>(statement, [tenantId]))[0]?.n ?? -1
    }),
  )
}

test('TEN-11 deleting a tenant deletes everything of it and nothing of another', async () => {
  const [gone, kept] = await Promise.all(['gone', 'kept'].map((key) => createTenant(administration, place, { key })))
  if (gone === undefined || kept === undefined) throw new Error('not made')
  await openFeed(database, place.environmentId)
  for (const { id } of [gone, kept]) {
    await fill(id)
    // The event that the tenant was made, and the first that waits.
    expect(await eventLogOf(database, id).number()).toBe(2)
    await fill(id)
  }
  await deleteTenant(administration, place, gone.id)
  expect(await rowsOf(gone.id)).toEqual(NONE)
  expect(await rowsOf(kept.id)).toEqual([4, 2, 2, 2, 2, 2, 2, 1, 2, 5, 1, 2, 2, 1, 1, 1, 0])
})

test('TEN-11 writers at work leave nothing behind', async () => {
  const { id } = await createTenant(administration, place, { key: 'busy' })
  const write = async () => {
    for (let i = 0; i < 20; i++) await database.transaction((tx) => fill(id, tx))
  }
  // Settled from the start: writers are refused while the deletion is still under way.
  const number = async () => {
    for (let i = 0; i < 20; i++) await eventLogOf(database, id).number({ wait: i % 2 === 0 })
  }
  const writers = Promise.allSettled([...Array.from({ length: 4 }, write), number()])
  await fill(id)
  await deleteTenant(administration, place, id)
  await writers
  expect(await rowsOf(id)).toEqual(NONE)
})

/** What writes a row for a tenant without a lock on the tenant's row. */
const WRITES = {
  resources: `insert into resources (tenant_id, id, resource_type, document, created_at, modified_at)
    values ($1::uuid, gen_random_uuid(), 'User', '{}', now(), now())`,
  request_log: `insert into request_log (tenant_id, id, operation, status, key_id, terms, entry)
    values ($1::uuid, gen_random_uuid(), 'list', 200, '', '{}', '{}')`,
  request_terms: `insert into request_terms (tenant_id, term, id) values ($1::uuid, 'ada', gen_random_uuid())`,
}

test.runIf(engineName() === 'postgres').each(Object.entries(WRITES))(
  'TEN-11 a write to %s that is under way leaves nothing behind',
  async (table, write) => {
    const own = await openFreshDatabase()
    try {
      const { database: noted, statements } = recordStatements(own)
      const asked = administrationOn(noted)
      const { id: projectId } = await createProject(asked, { key: 'under-way' })
      const { id: environmentId } = await createEnvironment(asked, projectId, { key: 'prod' })
      const { id } = await createTenant(asked, { projectId, environmentId }, { key: 'busy' })
      const left = () =>
        own.run<{ n: number }>(`select count(*)::int as n from ${table} where tenant_id = $1::uuid`, [id])

      const held = await holdBy(own, write, [id])
      let over = false
      const deletion = deleteTenant(asked, { projectId, environmentId }, id).finally(() => {
        over = true
      })
      const looks = () => statements.filter(({ text }) => text.includes('pg_locks')).length
      await expect.poll(() => over || looks() > 1).toBe(true)
      await held.release()
      await deletion
      expect(await left()).toEqual([{ n: 0 }])
    } finally {
      await own.close()
    }
  },
)

test('TEN-11 a create that begins when the deletion has begun is refused', async () => {
  const instance = await openInstance(database)
  const { id, scim } = await instance.newTenant()
  const place = await environmentOf(id)
  const names = async () => (await scim('GET', '/Users')).body
  expect((await scim('POST', '/Users', userBody('before'))).status).toBe(201)
  const before = await names()
  await tenantsOf(database, place).takesResources(id, false)
  const bulk = bulkBody([{ method: 'POST', path: '/Users', bulkId: 'a', data: userBody('many') }])
  const answers = [await scim('POST', '/Users', userBody('one')), await scim('POST', '/Groups', groupBody('one'))]
  const refusal = { status: '403', detail: 'The tenant is being deleted: nothing is made in it any more.' }
  for (const { status, body } of answers) expect([status, body]).toEqual([403, expect.objectContaining(refusal)])
  expect((await scim('POST', '/Bulk', bulk)).body).toMatchObject({ Operations: [{ status: '403', response: refusal }] })
  expect(await names()).toEqual(before)

  await tenantsOf(database, place).takesResources(id, true)
  expect((await scim('POST', '/Users', userBody('one'))).status).toBe(201)
  expect(instance.errors).toEqual([])
  await instance.close()
})

test('a tenant that is changed while its deletion waits is not deleted, and an environment that is not deleted goes on', async () => {
  const { id: environmentId } = await createEnvironment(administration, place.projectId, { key: 'goes-on' })
  const within = { projectId: place.projectId, environmentId }
  const { id } = await createTenant(administration, within, { key: 'changed' })
  await tenantsOf(database, environmentId).takesResources(id, false)
  await changeTenant(administration, within, id, { name: 'Other' })
  expect(await tenantsOf(database, environmentId).isBeingDeleted(id)).toBe(false)

  const standing = (await findTenant(database, environmentId, 'default'))?.id ?? placeId<TenantId>('')
  await deleteTenant(administration, within, id)
  await fill(standing)
  await expect(deleteEnvironment(administration, place.projectId, environmentId)).rejects.toMatchObject({ status: 409 })
  expect(await tenantsOf(database, environmentId).isBeingDeleted(standing)).toBe(false)
})

async function environmentOf(id: TenantId): Promise<EnvironmentId> {
  const rows = await database.orm
    .select({ environmentId: tenants.environmentId })
    .from(tenants)
    .where(eq(tenants.id, id))
  return rows[0]?.environmentId ?? placeId<EnvironmentId>('')
}

test('the tenant default is there from the start and cannot be deleted', async () => {
  const tenant = await findTenant(database, place.environmentId, 'DEFAULT')
  await expect(deleteTenant(administration, place, tenant?.id ?? placeId<TenantId>(''))).rejects.toMatchObject({
    status: 409,
  })
  expect(await findTenant(database, place.environmentId, 'default')).toEqual(tenant)
})

test("a tenant is not reached through another environment's id", async () => {
  const other = await createEnvironment(administration, place.projectId, { key: 'other' })
  const tenant = await createTenant(administration, place, { key: 'elsewhere' })
  await expect(deleteTenant(administration, { ...place, environmentId: other.id }, tenant.id)).rejects.toMatchObject({
    status: 404,
  })
  expect(await findTenant(database, other.id, tenant.id)).toBeUndefined()
})

test('keys are unique in their parent without regard to case, and keep their spelling', async () => {
  const made = await createTenant(administration, place, { key: 'Mixed.Case' })
  expect(made).toMatchObject({ key: 'Mixed.Case', name: 'Mixed.Case', paused: false, settings: {} })
  await expect(createTenant(administration, place, { key: 'mixed.case' })).rejects.toMatchObject({ status: 409 })
  expect(await findTenant(database, place.environmentId, 'MIXED.CASE')).toEqual(made)
})

test('the same key at once is made once', async () => {
  const results = await Promise.allSettled(
    ['x', 'X', 'x'].map((key) => createTenant(administration, place, { key: `race-${key}` })),
  )
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
})

test('an environment is deleted only when empty, a project only without environments', async () => {
  const project = await createProject(administration, { key: 't-full' })
  const environment = await createEnvironment(administration, project.id, { key: 'prod' })
  const within = { projectId: project.id, environmentId: environment.id }
  const tenant = await createTenant(administration, within, { key: 'globex' })
  await expect(deleteProject(administration, project.id)).rejects.toMatchObject({ status: 409 })
  await expect(deleteEnvironment(administration, project.id, environment.id)).rejects.toMatchObject({ status: 409 })
  await deleteTenant(administration, within, tenant.id)

  const defaultTenant = (await findTenant(database, environment.id, 'default'))?.id ?? placeId('')
  await fill(defaultTenant)
  await expect(deleteEnvironment(administration, project.id, environment.id)).rejects.toMatchObject({ status: 409 })
  for (const table of [
    'memberships',
    'role_bindings',
    'written_roles',
    'roles',
    'resource_keys',
    'search_documents',
    'resources',
  ])
    await database.run(`delete from ${table} where tenant_id = $1::uuid`, [defaultTenant])

  await deleteEnvironment(administration, project.id, environment.id)
  expect(await findEnvironment(database, project.id, 'prod')).toBeUndefined()
  expect(await rowsOf(defaultTenant)).toEqual(NONE)
  await deleteProject(administration, project.id)
  expect(await findProject(database, 't-full')).toBeUndefined()
})

test('lists are in the order of creation and go on after an id', async () => {
  const environment = await createEnvironment(administration, place.projectId, { key: 'listed' })
  const within = { projectId: place.projectId, environmentId: environment.id }
  for (const key of ['c', 'a', 'b']) await createTenant(administration, within, { key })
  const first = await tenantsOf(database, environment.id).list({ after: undefined, limit: 2 })
  const second = await tenantsOf(database, environment.id).list({ after: first[1]?.id, limit: 5 })
  expect([...first, ...second].map(({ key }) => key)).toEqual(['default', 'c', 'a', 'b'])
  expect(await projectsIn(database).list({ after: undefined, limit: 1 })).toHaveLength(1)
})

test('a reserved key is refused with the path of the member', async () => {
  await expect(createProject(administration, { key: 'Users' })).rejects.toMatchObject({
    status: 400,
    mistakes: [{ path: 'key' }],
  })
})
