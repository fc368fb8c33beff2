import { randomBytes } from 'node:crypto'
import { sql } from 'drizzle-orm'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { CannotOpen, sqlState } from '../../src/db/errors.ts'
import { migratePostgres } from '../../src/db/migrate.ts'
import { openPostgres } from '../../src/db/postgres.ts'
import type { TenantId } from '../../src/place-ids.ts'
import { labelsOf } from '../../src/repositories/control/summaries.ts'
import { streamQueueOf } from '../../src/repositories/delivery/stream-queue.ts'
import { replayEvents } from '../../src/repositories/delivery/webhook-backlog.ts'
import { webhookQueueOf } from '../../src/repositories/delivery/webhook-queue.ts'
import { eventLogOf } from '../../src/repositories/log/event-log.ts'
import { endpointsOfTypes, subjectsOf } from '../../src/repositories/log/event-subjects.ts'
import { heldEventsOf } from '../../src/repositories/log/held-events.ts'
import { eventsByHour, latestEvents } from '../../src/repositories/log/latest-events.ts'
import { leaversOf } from '../../src/repositories/log/leaver-brake.ts'
import { appendTenantEvents } from '../../src/repositories/log/tenant-events.ts'
import { snapshotOf } from '../../src/repositories/resources/snapshot.ts'
import { roleBindingsOf } from '../../src/repositories/roles/role-bindings.ts'
import { heldBy, logMoves } from '../../src/repositories/roles/role-holders.ts'
import { rolesOf } from '../../src/repositories/roles/roles.ts'
import { engineName, freshPostgresUrl, openTestDatabase, tenantRole } from '../support/engines.ts'
import type { TestTenant } from '../support/gateway.ts'
import { addMembers, groupBody, type Instance, idIn, openInstance, userBody } from '../support/instances.ts'
import { placeId } from '../support/place-ids.ts'

/** Names of roles, and of databases, that may have been made. */
const made: string[] = []
const newRole = () => {
  const name = `rls_${randomBytes(5).toString('hex')}`
  made.push(name)
  return name
}
const who = `select current_user::text as "user", nullif(current_setting('rollcall.tenant', true), '') as tenant`
const REFUSED = '42501'
const anybody = placeId<TenantId>('00000000-0000-7000-8000-000000000001')

test('without the setting a tenant’s view takes no role, in a transaction neither', async () => {
  const database = await openTestDatabase()
  const [own] = await database.run<{ user: string }>(who, [])
  const seen = tenantRole() === undefined ? { ...own, tenant: null } : { user: tenantRole(), tenant: anybody }
  expect(await database.asTenant(anybody).run(who, [])).toEqual([seen])
  await database.asTenant(anybody).transaction(async (tx) => expect(await tx.run(who, [])).toEqual([seen]))
  await database.transaction(async (tx) => expect(await tx.asTenant(anybody).run(who, [])).toEqual([seen]))
})

describe.runIf(engineName() === 'postgres')('row-level security on PostgreSQL', () => {
  const role = newRole()
  let databaseUrl: string
  let admin: postgres.Sql
  let database: Database
  let instance: Instance
  let [one, other]: TestTenant[] = []

  const settings = (more: object = {}) => ({ databaseUrl, databasePool: 1, databasePrepare: true, ...more })
  const as = (user: string) => databaseUrl.replace(/\/\/[^@/]*@/, `//${user}:secret@`)

  beforeAll(async () => {
    databaseUrl = await freshPostgresUrl()
    admin = postgres(databaseUrl, { max: 1, onnotice: () => {} })
    await migratePostgres({ databaseUrl, databaseTenantRole: role })
    // One connection: what a statement leaves behind, the next one finds.
    database = await openPostgres(settings({ databaseTenantRole: role }))
    instance = await openInstance(database)
    one = await instance.newTenant()
    other = await instance.newTenant()
    for (const { scim } of [one, other]) await scim('POST', '/Users', userBody('somebody'))
  })
  afterAll(async () => {
    await instance.close()
    await database.close()
    for (const name of made) await admin.unsafe(`drop database if exists ${name} with (force)`)
    for (const name of made) {
      const [role] = await admin`select from pg_roles where rolname = ${name}`
      if (role !== undefined) await admin.unsafe(`drop owned by ${name}; drop role ${name}`)
    }
    await admin.end()
  })

  const users = (tenant: TestTenant | undefined) =>
    [`select count(*)::int as n from resources where tenant_id = '${tenant?.id}'`, [] as string[]] as const
  const idOf = (tenant: TestTenant | undefined) => tenant?.id ?? anybody

  describe('TEN-04 a tenant’s view', () => {
    test('has that tenant’s rows, and no one else’s', async () => {
      const view = database.asTenant(idOf(one))
      expect(await view.run(...users(one))).toEqual([{ n: 1 }])
      expect(await view.run(...users(other))).toEqual([{ n: 0 }])
      expect(await view.orm.execute(sql`select count(*)::int as n from tenants`)).toEqual([{ n: 1 }])
      await view.transaction(async (tx) => expect(await tx.run(...users(other))).toEqual([{ n: 0 }]))
      await expect(
        view.run(
          'insert into resource_counts (tenant_id, resource_type, total, active) values ($1::uuid, $2::text, 1, 1)',
          [idOf(other), 'User'],
        ),
      ).rejects.toSatisfy((error) => sqlState(error)?.code === REFUSED)
      expect(await database.run(...users(other))).toEqual([{ n: 1 }])
    })

    test('leaves nothing behind on the connection, whatever became of its statement', async () => {
      const plain = await database.run(who, [])
      expect(await database.asTenant(idOf(one)).run(who, [])).toEqual([{ user: role, tenant: one?.id }])
      expect(await database.run(who, [])).toEqual(plain)
      await expect(database.asTenant(idOf(one)).run('select 1 / 0', [])).rejects.toThrow('division by zero')
      expect(await database.run(who, [])).toEqual(plain)
      await database.asTenant(idOf(one)).run('select 1', [], { replan: true })
      expect(await database.run(who, [])).toEqual(plain)
    })

    test('in somebody else’s transaction is of its own statements alone', async () => {
      await database.transaction(async (tx) => {
        const plain = await tx.run(who, [])
        expect(await tx.asTenant(idOf(one)).run(who, [])).toEqual([{ user: role, tenant: one?.id }])
        // Asked at once, each is answered as who it is.
        const asked = [tx.asTenant(idOf(one)), tx, tx.asTenant(idOf(other)), tx].map((handle) => handle.run(who, []))
        expect(await Promise.all(asked)).toEqual([
          ...[[{ user: role, tenant: one?.id }], plain],
          ...[[{ user: role, tenant: other?.id }], plain],
        ])
      })
      const failing = database.transaction((tx) => tx.asTenant(idOf(one)).run('select 1 / 0', []))
      await expect(failing).rejects.toThrow('division by zero')
    })

    test('is no other tenant’s view', async () => {
      const view = database.asTenant(idOf(one))
      expect(view.asTenant(idOf(one))).toBe(view)
      expect(() => view.asTenant(idOf(other))).toThrow('a statement of one tenant was to be run as another')
      await view.transaction(async (tx) => {
        expect(tx.asTenant(idOf(one))).toBe(tx)
        expect(() => tx.asTenant(idOf(other))).toThrow('a statement of one tenant was to be run as another')
      })
    })
  })

  test('TEN-04 the role has no way to keys, secrets, the trail and the control plane', async () => {
    const rows = await admin<{ table: string; may: string }[]>`
      select c.relname as table, string_agg(p.privilege, ' ' order by p.privilege) as may
      from pg_class c cross join (values ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE'), ('TRUNCATE')) p(privilege)
      where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace and has_table_privilege(${role}, c.oid, p.privilege)
      group by 1 order by 1`
    const all = 'DELETE INSERT SELECT UPDATE'
    expect(Object.fromEntries(rows.map(({ table, may }) => [table, may]))).toEqual({
      ...{
        environments: 'SELECT',
        schema_definitions: 'SELECT',
        catalogues: 'SELECT',
        environment_feeds: 'SELECT',
        tenants: 'SELECT',
        webhook_endpoints: 'SELECT',
      },
      ...{
        resources: all,
        resource_keys: all,
        search_documents: all,
        memberships: all,
        deferred_members: all,
        resource_counts: all,
      },
      ...{
        roles: all,
        role_bindings: all,
        written_roles: all,
        kept_users: all,
        events: all,
        event_logs: all,
        webhook_deliveries: all,
      },
      ...{ tenant_versions: all, waiting_events: all, held_events: all, event_positions: all },
      ...{ request_log: all, request_terms: all, waiting_stretches: all },
      ...{ histories: all, waiting_histories: all, history_subjects: all, history_states: all, history_grants: all },
      ...{ accounts: all, account_keys: all, account_reviews: all, account_runs: all },
    })
  })

  describe('TEN-04 a user without any right to the tenants’ own tables', () => {
    let bare: Database
    let through: Instance
    beforeAll(async () => {
      const user = newRole()
      await admin.unsafe(`create role ${user} login bypassrls noinherit password 'secret' in role ${role}`)
      await admin.unsafe(`grant select, insert, update, delete on all tables in schema public to ${user}`)
      await admin.unsafe(
        `revoke all on resources, resource_keys, search_documents, memberships, deferred_members, roles, role_bindings, kept_users,
         resource_counts, events, waiting_events, held_events, event_positions, event_logs, tenant_versions, webhook_deliveries, request_log, request_terms from ${user}`,
      )
      bare = await openPostgres(settings({ databaseUrl: as(user), databaseTenantRole: role }))
      through = await openInstance(bare, {}, undefined, database)
    })
    afterAll(async () => {
      await through.close()
      await bare.close()
    })

    test('is refused by itself', async () => {
      await expect(bare.run(...users(one))).rejects.toSatisfy((error) => sqlState(error)?.code === REFUSED)
    })

    test('serves SCIM, as each tenant', async () => {
      const scim = through.reach(one as TestTenant)
      const created = await scim('POST', '/Users', userBody('ann'))
      expect(created.status).toBe(201)
      const group = await scim('POST', '/Groups', groupBody('Staff', [idIn(created)]))
      expect((await scim('PATCH', `/Groups/${idIn(group)}`, addMembers(idIn(created)))).status).toBeLessThan(300)
      const search = `/Users?filter=${encodeURIComponent('userName eq "ann"')}`
      expect((await scim('GET', search)).body).toMatchObject({ totalResults: 1 })
      expect((await scim('GET', `/Groups/${idIn(group)}`)).body).toMatchObject({ members: [{ value: idIn(created) }] })
      expect((await scim('DELETE', `/Users/${idIn(created)}`)).status).toBe(204)
    })

    test('numbers, reads, holds, queues and shows what is one tenant’s, as that tenant', async () => {
      const id = idOf(one)
      const log = eventLogOf(bare, id)
      expect(await log.number()).toBeGreaterThan(0)
      expect(await log.hasUnnumbered()).toBe(false)
      const [event] = (await log.read(0, 1, { types: [], nouns: [] })).events
      expect(event?.type).toBe('user.created')
      expect((await latestEvents(bare, id, { limit: 1 })).events).toHaveLength(1)
      expect(Math.max(...(await eventsByHour(bare, id, 1)))).toBeGreaterThan(0)
      expect(await log.trim(1)).toBe(0)
      const [person] = await snapshotOf(bare, id).resources(undefined)
      const ids = [person?.id ?? '']
      expect([...(await labelsOf(bare, id, ids)).keys()]).toEqual(ids)
      expect([...(await subjectsOf(bare, id, ids)).keys()]).toEqual(ids)
      expect(await endpointsOfTypes(bare, id, ['Robot'])).toEqual(new Map())
      expect(await leaversOf(bare, id, { windowMinutes: 60 })).toMatchObject({ leavers: 1 })
      expect(await heldEventsOf(bare, id).list(undefined, 10)).toEqual([])
      expect(await rolesOf(bare, { tenantId: id }).list({ after: undefined, limit: 10 })).toEqual([])
      expect(await heldBy(bare, id, { below: ids }, [])).toMatchObject({ users: ids })
      expect(await webhookQueueOf(bare, id, anybody).claim(1)).toEqual([])
      expect(await streamQueueOf(bare, id, anybody).handedOut([1])).toEqual([])
      const replay = { tenantId: id, endpointId: anybody }
      expect(await replayEvents(bare, replay, { kind: 'positions', positions: [1] }, 0, 1)).toMatchObject({ queued: 0 })
      await bare.transaction(async (tx) => {
        await appendTenantEvents(tx, id, { actor: 'actor', requestId: null }, [{ type: 'tenant.paused', changes: {} }])
        const scope = { tenantId: id, requestId: 'request', actor: 'actor' }
        const bindings = roleBindingsOf(tx, id)
        const roles = await bindings.roleIds(['staff'])
        await logMoves(tx, scope, [{ role: roles.get('staff') ?? '', type: 'role.assigned', users: ids }])
      })
      expect(await log.number()).toBe(2)
    })
  })

  describe('the role', () => {
    const opening = (more: object) =>
      openPostgres(settings(more)).then(
        (opened) => opened.close(),
        (error: unknown) => {
          expect(error).toBeInstanceOf(CannotOpen)
          return (error as Error).message
        },
      )
    /** A user who owns the database and its tables, and what it may beside that. */
    const owner = async (rights: string) => {
      const name = newRole()
      await admin.unsafe(`create role ${name} login ${rights} password 'secret'`)
      await admin.unsafe(`create database ${name} owner ${name}`)
      return { name, url: as(name).replace(/\/[^/]*$/, `/${name}`) }
    }

    test('is made by a role that may make roles, once', async () => {
      const { url } = await owner('createrole')
      const wanted = newRole()
      for (let n = 0; n < 2; n++) await migratePostgres({ databaseUrl: url, databaseTenantRole: wanted })
      const opened = await openPostgres(settings({ databaseUrl: url, databaseTenantRole: wanted }))
      expect(await opened.asTenant(anybody).run(who, [])).toEqual([{ user: wanted, tenant: anybody }])
      await opened.close()
    })

    test('is asked of an administrator by a role that may not, with the statements', async () => {
      const { url, name } = await owner('')
      const wanted = newRole()
      const migrate = () => migratePostgres({ databaseUrl: url, databaseTenantRole: wanted })
      const statements = `create role "${wanted}" nologin; grant "${wanted}" to "${name}";`
      await expect(migrate()).rejects.toThrow(`have an administrator run: ${statements}`)
      await admin.unsafe(`create role "${wanted}" nologin`)
      await expect(migrate()).rejects.toThrow(`have an administrator run: grant "${wanted}" to "${name}";`)
      await admin.unsafe(`grant "${wanted}" to "${name}"`)
      await migrate()
      expect(await opening({ databaseUrl: url, databaseTenantRole: wanted })).toBeUndefined()
    })

    test('stops the start where it is missing, or where no policy binds it', async () => {
      expect(await opening({ databaseTenantRole: 'nobody_at_all' })).toContain('rollcall migrate')
      const free = newRole()
      await admin.unsafe(`create role ${free} nologin bypassrls`)
      expect(await opening({ databaseTenantRole: free })).toContain(`names "${free}", which no policy binds`)
      const { url, name } = await owner('')
      await migratePostgres({ databaseUrl: url })
      expect(await opening({ databaseUrl: url, databaseTenantRole: name })).toContain('which no policy binds')
    })

    test('is not what the gateway itself may be: a user who would see no rows is told so', async () => {
      const user = newRole()
      await admin.unsafe(`create role ${user} login password 'secret'`)
      await admin.unsafe(`grant all on all tables in schema public to ${user}`)
      expect(await opening({ databaseUrl: as(user) })).toContain('the user in DATABASE_URL sees no rows')
      await admin.unsafe(`alter role ${user} bypassrls`)
      expect(await opening({ databaseUrl: as(user) })).toBeUndefined()
    })
  })
})
