import { randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createEnvironment } from '../../src/administration/environments.ts'
import { createProject } from '../../src/administration/projects.ts'
import { createTenant } from '../../src/administration/tenants.ts'
import type { Bindable, Database } from '../../src/db/database.ts'
import { sqlState } from '../../src/db/errors.ts'
import { migrationsFolder } from '../../src/db/migrations.ts'
import { administrationOn } from '../support/administration.ts'
import { engineName, openFreshDatabase } from '../support/engines.ts'
import { holdBy, untilWaiting } from '../support/held.ts'

/** Ids of a place, the tenant first. */
type Ids = readonly [tenant: string, environment: string, project: string]

let database: Database
let mine: Ids
/** Another tenant of the same environment, one of another environment, and one of another project. */
let beside: Ids
let foreign: readonly Ids[]

beforeAll(async () => {
  database = await openFreshDatabase()
  const administration = administrationOn(database)
  const project = async () => (await createProject(administration, { key: `p-${randomUUID().slice(0, 8)}` })).id
  const [one, other] = [await project(), await project()]
  const environment = async (projectId: typeof one, key: string) => ({
    projectId,
    environmentId: (await createEnvironment(administration, projectId, { key })).id,
  })
  const places = [await environment(one, 'prod'), await environment(one, 'dev'), await environment(other, 'prod')]
  const [prod] = places
  const tenants: Ids[] = []
  for (const place of [prod, ...places]) {
    if (place === undefined) continue
    const { id } = await createTenant(administration, place, { key: `t-${tenants.length}` })
    tenants.push([id, place.environmentId, place.projectId])
  }
  ;[mine, beside] = tenants as unknown as [Ids, Ids]
  foreign = tenants.slice(2)
})
afterAll(() => database.close())

/** The SQLSTATE with which the store refuses; undefined where it takes it. */
async function refusal(statement: string, values: readonly Bindable[]): Promise<string | undefined> {
  return database.run(statement, [...values], { prepare: false }).then(
    () => undefined,
    (error: unknown) => sqlState(error)?.code ?? String(error),
  )
}

async function endpoint(environment: string, tenant: string | null): Promise<string> {
  const id = randomUUID()
  expect(await insertEndpoint(id, environment, tenant)).toBeUndefined()
  return id
}
const insertEndpoint = (id: string, environment: string, tenant: string | null) =>
  refusal(
    `insert into webhook_endpoints (id, environment_id, tenant_id, url, description, event_types, secret)
     values ($1::uuid, $2::uuid, $3::uuid, '', '', '{}', '')`,
    [id, environment, tenant],
  )
const queue = (...rows: readonly (readonly [endpoint: string, tenant: string])[]) =>
  refusal(
    `insert into webhook_deliveries (tenant_id, endpoint_id, position, resource_id)
     select t, e, row_number() over (), gen_random_uuid() from unnest($1::text::uuid[], $2::text::uuid[]) as x(e, t)`,
    [`{${rows.map(([e]) => e)}}`, `{${rows.map(([, t]) => t)}}`],
  )

const REFERENCE = '23503'
const CHECK = '23514'
const RESTRICT = '23001'

/** Takes back what the migration has brought. */
const UNDO = [
  'alter table setup_links drop constraint setup_links_environment, drop constraint setup_links_place',
  'drop trigger memberships_stay on memberships',
  'drop trigger resources_stay on resources',
  'drop trigger webhook_deliveries_place on webhook_deliveries',
  'drop trigger webhook_deliveries_stay on webhook_deliveries',
  'drop trigger webhook_endpoints_stay on webhook_endpoints',
  'drop trigger tenants_stay on tenants',
  'drop trigger environments_stay on environments',
  'drop function webhook_deliveries_place, stays_where_it_is',
  'alter table api_keys drop constraint api_keys_environment, drop constraint api_keys_tenant, drop constraint api_keys_place',
  'alter table catalogues drop constraint catalogues_place',
  'alter table tenant_domains drop constraint tenant_domains_place',
  'alter table schema_definitions drop constraint schema_definitions_place',
  'alter table webhook_endpoints drop constraint webhook_endpoints_tenant',
  'alter table environments drop constraint environments_place',
  'alter table tenants drop constraint tenants_place',
  `alter table api_keys add constraint api_keys_environment_id_environments_id_fk foreign key (environment_id) references environments,
     add constraint api_keys_tenant_id_tenants_id_fk foreign key (tenant_id) references tenants`,
  'alter table schema_definitions add constraint schema_definitions_tenant_id_tenants_id_fk foreign key (tenant_id) references tenants',
  'alter table webhook_endpoints add constraint webhook_endpoints_tenant_id_tenants_id_fk foreign key (tenant_id) references tenants',
]

/** The statements of the migrations with this in their names. */
const migration = (name: string): string[] =>
  readdirSync(migrationsFolder)
    .filter((file) => file.endsWith(`_${name}.sql`))
    .flatMap((file) => readFileSync(join(migrationsFolder, file), 'utf8').split('--> statement-breakpoint'))

describe('TEN-04 TEN-07 the database itself refuses what crosses places', () => {
  test('a delivery is of a tenant that its endpoint is for, also among many that are right', async () => {
    const [wide, narrow] = [await endpoint(mine[1], null), await endpoint(mine[1], mine[0])]
    for (const [tenant] of [...foreign, [randomUUID()] as const]) {
      for (const one of [wide, narrow]) expect(await queue([one, tenant])).toBe(REFERENCE)
      expect(await queue([wide, mine[0]], [narrow, mine[0]], [wide, tenant])).toBe(REFERENCE)
    }
    expect(await queue([narrow, beside[0]])).toBe(REFERENCE)
    expect(await queue([wide, mine[0]], [narrow, mine[0]], [wide, beside[0]])).toBeUndefined()
  })

  test('the three ids of a set-up link name one place, and its sessions are of its own tenant', async () => {
    const link = (id: string, [tenant, environment, project]: Ids) =>
      refusal(
        `insert into setup_links (id, project_id, environment_id, tenant_id, name, hash, made_by, most_visitors, expires_at)
         values ($1::text, $2::uuid, $3::uuid, $4::uuid, 'link', '', 'admin', 1, now())`,
        [id, project, environment, tenant],
      )
    const visit = (id: string, [tenant]: Ids) =>
      refusal(
        'insert into setup_visits (tenant_id, link_id, id, ends_at) values ($1::uuid, $2::text, gen_random_uuid(), now())',
        [tenant, id],
      )
    expect(await link('mine', mine)).toBeUndefined()
    expect(await visit('mine', mine)).toBeUndefined()
    for (const other of foreign) {
      expect(await visit('mine', other)).toBe(REFERENCE)
      expect(await link('strange', [other[0], mine[1], mine[2]])).toBe(REFERENCE)
      if (other[2] !== mine[2]) expect(await link('strange', [mine[0], mine[1], other[2]])).toBe(REFERENCE)
    }
    expect(await visit('mine', beside)).toBe(REFERENCE)
  })

  test('a store from before is brought here with its data, but for deliveries that crossed places', async () => {
    const id = await endpoint(mine[1], null)
    const queued = () =>
      database.run<{ tenant: string }>(
        'select tenant_id::text as tenant from webhook_deliveries where endpoint_id = $1::uuid order by position',
        [id],
      )
    // The last two of the later one use a function of the earlier one, which is made anew.
    const statements = [...migration('places'), ...migration('places_stay'), ...migration('walls_of_tenants').slice(-2)]
    expect(statements.length).toBeGreaterThan(10)
    await database.transaction(async (tx) => {
      for (const statement of UNDO) await tx.run(statement, [], { prepare: false })
      await tx.run(
        `insert into webhook_deliveries (tenant_id, endpoint_id, position, resource_id)
         select t, $2::uuid, row_number() over (), gen_random_uuid() from unnest($1::text::uuid[]) as x(t)`,
        [`{${[mine, ...foreign, beside].map(([tenant]) => tenant)}}`, id],
        { prepare: false },
      )
      for (const statement of statements) await tx.run(statement, [], { prepare: false })
    })
    expect(await queued()).toEqual([{ tenant: mine[0] }, { tenant: beside[0] }])
    expect(await queue([id, foreign[0]?.[0] ?? ''])).toBe(REFERENCE)
  })

  test('nothing goes to another place later', async () => {
    const [tenant, environment] = mine
    const id = await endpoint(environment, tenant)
    await queue([id, tenant])
    const [[strange, elsewhere, project]] = foreign.slice(-1) as [Ids]
    for (const [table, column, value, where] of [
      ['webhook_deliveries', 'tenant_id', strange, ['endpoint_id', id]],
      ['webhook_deliveries', 'endpoint_id', id, ['endpoint_id', id]],
      ['webhook_endpoints', 'tenant_id', null, ['id', id]],
      ['webhook_endpoints', 'environment_id', elsewhere, ['id', id]],
      ['tenants', 'environment_id', elsewhere, ['id', tenant]],
      ['environments', 'project_id', project, ['id', environment]],
    ] as const) {
      const statement = `update ${table} set ${column} = $1::uuid where ${where[0]} = $2::uuid`
      expect(await refusal(statement, [value, where[1]]), statement).toBe(RESTRICT)
    }
    expect(await refusal('update tenants set name = name where id = $1::uuid', [tenant])).toBeUndefined()
  })

  test('an endpoint, and a schema, of one tenant is in the environment of the tenant', async () => {
    const define = (environment: string, tenant: string) =>
      refusal(
        `insert into schema_definitions (id, environment_id, tenant_id, kind, name, name_folded, definition)
         values ($1::uuid, $2::uuid, $3::uuid, 'extension', 'urn:x', 'urn:x', '{}')`,
        [randomUUID(), environment, tenant],
      )
    for (const [tenant] of foreign) {
      expect(await insertEndpoint(randomUUID(), mine[1], tenant)).toBe(REFERENCE)
      expect(await define(mine[1], tenant)).toBe(REFERENCE)
    }
    expect(await define(mine[1], mine[0])).toBeUndefined()
    await database.run('delete from schema_definitions where tenant_id = $1::uuid', [mine[0]])
  })

  test('the three ids of an API key name one place', async () => {
    const key = (tenant: string | null, environment: string | null, project: string | null) =>
      refusal(
        `insert into api_keys (id, project_id, environment_id, tenant_id, name, permissions)
         values ($1::text, $2::uuid, $3::uuid, $4::uuid, 'k', '{}')`,
        [randomUUID().slice(0, 12), project, environment, tenant],
      )
    const [tenant, environment, project] = mine
    for (const [strangeTenant, strangeEnvironment, strangeProject] of foreign) {
      expect(await key(strangeTenant, environment, project)).toBe(REFERENCE)
      expect(await key(null, strangeEnvironment, randomUUID())).toBe(REFERENCE)
      if (strangeProject === project) continue
      expect(await key(null, strangeEnvironment, project)).toBe(REFERENCE)
      expect(await key(tenant, environment, strangeProject)).toBe(REFERENCE)
    }
    expect([await key(tenant, null, project), await key(null, environment, null)]).toEqual([CHECK, CHECK])
    const wider = [await key(null, environment, project), await key(null, null, project), await key(null, null, null)]
    expect([await key(tenant, environment, project), ...wider]).toEqual([undefined, undefined, undefined, undefined])
  })

  describe('a group and its members are of one tenant', () => {
    const made = async (tenant: string, type: string, count = 1): Promise<string[]> => {
      const rows = await database.run<{ id: string }>(
        `insert into resources (tenant_id, id, resource_type, document, created_at, modified_at)
         select $1::uuid, gen_random_uuid(), $2::text, '{}', now(), now() from generate_series(1, $3::int) returning id::text`,
        [tenant, type, count],
      )
      return rows.map(({ id }) => id)
    }
    const join = (tenant: string, group: string, members: readonly string[]) =>
      refusal(
        `insert into memberships (tenant_id, group_id, member_id) select $1::uuid, $2::uuid, unnest($3::text::uuid[])`,
        [tenant, group, `{${members}}`],
      )
    const remove = (id: string) => refusal('delete from resources where id = $1::uuid', [id])

    test('also among many, whichever of the two is strange', async () => {
      const [tenant] = mine
      const [[group], users] = [await made(tenant, 'Group'), await made(tenant, 'User', 300)]
      if (group === undefined) throw new Error('no group')
      for (const [other] of [beside, ...foreign]) {
        const [[strangeGroup], [stranger]] = [await made(other, 'Group'), await made(other, 'User')]
        expect(await join(tenant, group, [stranger ?? ''])).toBe(REFERENCE)
        expect(await join(tenant, group, [...users, stranger ?? ''])).toBe(REFERENCE)
        expect(await join(tenant, strangeGroup ?? '', users)).toBe(REFERENCE)
        expect(await join(other, strangeGroup ?? '', users)).toBe(REFERENCE)
        expect(await join(other, group, [stranger ?? ''])).toBe(REFERENCE)
      }
      expect(await join(tenant, group, [randomUUID()])).toBe(REFERENCE)
      expect(await join(tenant, randomUUID(), users)).toBe(REFERENCE)
      expect(await join(tenant, group, users)).toBeUndefined()
    })

    test('neither goes while the other refers to it, and no membership goes to another', async () => {
      const [tenant] = mine
      const [[group], [user, other]] = [await made(tenant, 'Group'), await made(tenant, 'User', 2)]
      if (group === undefined || user === undefined || other === undefined) throw new Error('nothing made')
      expect(await join(tenant, group, [user])).toBeUndefined()
      expect([await remove(group), await remove(user), await remove(other)]).toEqual([REFERENCE, REFERENCE, undefined])
      for (const column of ['tenant_id', 'group_id', 'member_id'])
        expect(
          await refusal(`update memberships set ${column} = $1::uuid where member_id = $2::uuid`, [randomUUID(), user]),
        ).toBe(RESTRICT)
      for (const column of ['tenant_id', 'id'])
        expect(
          await refusal(`update resources set ${column} = $1::uuid where id = $2::uuid`, [randomUUID(), user]),
        ).toBe(RESTRICT)
      await database.run('delete from memberships where member_id = $1::uuid', [user])
      expect([await remove(group), await remove(user)]).toEqual([undefined, undefined])
    })

    test.runIf(engineName() === 'postgres')(
      'of two that add and delete a member at once, the second waits and is refused',
      async () => {
        const [tenant] = mine
        const [group] = await made(tenant, 'Group')
        if (group === undefined) throw new Error('no group')
        const add = 'insert into memberships (tenant_id, group_id, member_id) values ($1::uuid, $2::uuid, $3::uuid)'
        for (const first of ['adds', 'deletes'] as const) {
          const [user] = await made(tenant, 'User')
          if (user === undefined) throw new Error('no user')
          const held =
            first === 'adds'
              ? await holdBy(database, add, [tenant, group, user])
              : await holdBy(database, 'delete from resources where id = $1::uuid', [user])
          const second = first === 'adds' ? remove(user) : join(tenant, group, [user])
          await untilWaiting(database)
          await held.release()
          expect(await second, first).toBe(REFERENCE)
        }
      },
    )
  })

  test('a group gives a role of its own tenant', async () => {
    const group = randomUUID()
    const role = randomUUID()
    await database.run(
      `insert into resources (tenant_id, id, resource_type, document, created_at, modified_at)
       values ($1::uuid, $2::uuid, 'Group', '{}', now(), now())`,
      [mine[0], group],
    )
    await database.run("insert into roles (tenant_id, id, key) values ($1::uuid, $2::uuid, 'r')", [beside[0], role])
    const bind = (tenant: string) =>
      refusal(
        "insert into role_bindings (tenant_id, group_id, role_id, rule) values ($1::uuid, $2::uuid, $3::uuid, 'r')",
        [tenant, group, role],
      )
    for (const [tenant] of [mine, beside, ...foreign]) expect(await bind(tenant)).toBe(REFERENCE)
  })
})
