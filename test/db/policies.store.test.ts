import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Bindable, Database } from '../../src/db/database.ts'
import { sqlState } from '../../src/db/errors.ts'
import { openFreshDatabase } from '../support/engines.ts'

// What the database itself says to a role that does not own the tables, and may do everything to them that one can be let do.

const role = `stranger_${randomBytes(4).toString('hex')}`
const place = () => ({ tenant: randomUUID(), environment: randomUUID(), project: randomUUID() })
const [a, b] = [place(), place()]

/** A row of each table for one place. */
const ROWS: Readonly<Record<string, string>> = {
  projects: `(id, key, key_folded, name) values ($project, $project, $project, 'project')`,
  environments: `(id, project_id, key, key_folded, name) values ($environment, $project, 'e', 'e', 'environment')`,
  tenants: `(id, environment_id, key, key_folded, name) values ($tenant, $environment, 't', 't', 'tenant')`,
  api_keys: `(id, project_id, environment_id, tenant_id, name, permissions) values ($tenant, $project, $environment, $tenant, 'key', '{}')`,
  setup_links: `(id, project_id, environment_id, tenant_id, name, hash, made_by, most_visitors, expires_at)
    values ($tenant, $project, $environment, $tenant, 'link', '', 'admin', 1, now())`,
  setup_visits: `(tenant_id, link_id, id, ends_at) values ($tenant, $tenant, $tenant, now())`,
  audit_entries: `(actor, action, tenant_id, target_id, target_name) values ('admin', 'tenant.created', $tenant, '', '')`,
  former_addresses: `(tenant_id, environment_id, key, key_folded, ends_at) values ($tenant, $environment, 'old', 'old', now())`,
  schema_definitions: `(id, environment_id, tenant_id, kind, name, name_folded, definition)
    values ($tenant, $environment, $tenant, 'extension', 'own', 'own', '{}'), ($environment, $environment, null, 'extension', 'shared', 'shared', '{}')`,
  catalogues: `(id, environment_id, tenant_id) values ($tenant, $environment, $tenant), ($environment, $environment, null)`,
  webhook_endpoints: `(id, environment_id, tenant_id, url, description, event_types, secret)
    values ($tenant, $environment, $tenant, 'https://a.test', '', '{}', ''), ($environment, $environment, null, 'https://b.test', '', '{}', '')`,
  resources: `(tenant_id, id, resource_type, document, created_at, modified_at)
    values ($tenant, $tenant, 'User', '{}', now(), now()), ($tenant, $environment, 'Group', '{}', now(), now())`,
  search_documents: `(tenant_id, resource_type, resource_id, search) values ($tenant, 'User', $tenant, '{}')`,
  resource_keys: `(tenant_id, resource_type, attribute, key, resource_id) values ($tenant, 'User', 'badge', 'x', $tenant)`,
  memberships: `(tenant_id, group_id, member_id) values ($tenant, $environment, $tenant)`,
  deferred_members: `(tenant_id, group_id, value) values ($tenant, $environment, 'somebody')`,
  roles: `(tenant_id, id, key) values ($tenant, $tenant, 'role')`,
  role_bindings: `(tenant_id, group_id, role_id, rule) values ($tenant, $environment, $tenant, 'everyGroup')`,
  written_roles: `(tenant_id, user_id, attribute, value, role_id) values ($tenant, $tenant, 'roles', 'role', $tenant)`,
  kept_users: `(tenant_id, id, unique_key, emails, version, created_at, kept_until) values ($tenant, $project, 'x', '{}', 1, now(), now())`,
  resource_counts: `(tenant_id, resource_type, total, active) values ($tenant, 'User', 1, 1)`,
  events: `(tenant_id, type, resource_type, resource_id, version, request_id, actor, occurred_at, changes)
    values ($tenant, 'user.created', 'User', $tenant, 1, 'request', 'actor', now(), '{}')`,
  waiting_events: `(tenant_id, seq, resource_type, total_delta, active_delta) values ($tenant, 1, 'User', 1, 1)`,
  held_events: `(tenant_id, seq, resource_id) values ($tenant, 1, $tenant)`,
  event_positions: `(tenant_id, position, seq) values ($tenant, 1, 1)`,
  tenant_versions: `(tenant_id, version) values ($tenant, 1)`,
  connections: `(tenant_id, environment_id) values ($tenant, $environment)`,
  catalogue_work: `(tenant_id, environment_id, actor, request_id, due_at) values ($tenant, $environment, 'actor', 'request', now())`,
  role_rule_work: `(tenant_id, environment_id, waits, actor, request_id) values ($tenant, $environment, false, 'actor', 'request')`,
  event_logs: `(tenant_id) values ($tenant)`,
  environment_feeds: `(environment_id) values ($environment)`,
  waiting_stretches: `(tenant_id, position, size) values ($tenant, 1, 1)`,
  feed_stretches: `(environment_id, place, tenant_id, position, size) values ($environment, 1, $tenant, 1, 1)`,
  histories: `(tenant_id, environment_id, phase, position, begun_at) values ($tenant, $environment, 'picture', 0, now())`,
  waiting_histories: `(tenant_id, position) values ($tenant, 1)`,
  history_subjects: `(tenant_id, number, kind, ref) values ($tenant, 1, 'User', $tenant)`,
  history_states: `(tenant_id, number, from_position, from_at, name) values ($tenant, 1, 1, now(), 'ada')`,
  history_grants: `(tenant_id, object, subject, from_position, from_at) values ($tenant, 2, 1, 1, now())`,
  webhook_deliveries: `(tenant_id, endpoint_id, position, resource_id) values ($tenant, $tenant, 1, $tenant)`,
  request_log: `(tenant_id, id, operation, status, key_id, terms, entry) values ($tenant, $tenant, 'list', 200, '', '{}', '{}')`,
  accounts: `(tenant_id, account_id, active, posted_at, addresses) values ($tenant, 'a', true, now(), '[]')`,
  account_keys: `(tenant_id, kind, value, account_id, proves) values ($tenant, 'name', 'x', 'a', true)`,
  account_reviews: `(tenant_id, user_id, account_id, state, by, created_at) values ($tenant, $tenant, 'a', 'waiting', 'email', now())`,
  account_runs: `(tenant_id, run, started_at) values ($tenant, 'run', now())`,
  erasures: `(tenant_id, id, place, actor, request_id, asked_at, due_at) values ($tenant, $tenant, 'writers', 'actor', 'request', now(), now())`,
  tenant_domains: `(tenant_id, environment_id, domain, token) values ($tenant, $environment, 'acme.example', 'x')`,
  request_terms: `(tenant_id, term, id) values ($tenant, 'term', $tenant)`,
}

let db: Database
/** Tables in which a column says whose a row is. */
let tables: readonly string[]
/** Of each a column that says nothing of the place, which may be changed. */
let columns: ReadonlyMap<string, string>

beforeAll(async () => {
  db = await openFreshDatabase()
  for (const ids of [a, b])
    for (const [table, row] of Object.entries(ROWS))
      await db.run(
        `insert into ${table} ${row.replaceAll(/\$(\w+)/g, (_, id: keyof typeof ids) => `'${ids[id]}'`)}`,
        [],
      )
  await db.run(`create role ${role} nologin`, [])
  await db.run(`grant all on all tables in schema public to ${role}`, [])
  const found = await db.run<{ name: string; column: string }>(
    `select c.relname as name, (
       select f.attname from pg_attribute f where f.attrelid = c.oid and f.attnum > 0 and f.attidentity = '' and not f.attisdropped
         and f.attname not like '%\\_id' order by f.attnum desc limit 1
     ) as column
     from pg_class c join pg_attribute k on k.attrelid = c.oid and k.attname = 'tenant_id'
     where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace order by 1`,
    [],
  )
  tables = found.map(({ name }) => name)
  columns = new Map(found.map(({ name, column }) => [name, `"${column}"`]))
})
afterAll(async () => {
  await db.run(`drop owned by ${role}`, [])
  await db.run(`drop role ${role}`, [])
  await db.close()
})

/** One statement of the stranger, whose tenant is `tenant`; undone. `'not set'` leaves the setting alone. */
async function asStranger<Row>(
  tenant: string,
  statement: string,
  values: readonly Bindable[] = [],
): Promise<readonly Row[] | string> {
  const undo = new Error('undo')
  let answer: readonly Row[] = []
  try {
    await db.transaction(async (tx) => {
      if (tenant !== 'not set') await tx.run(`select set_config('rollcall.tenant', $1::text, true)`, [tenant])
      await tx.run(`set local role ${role}`, [], { prepare: false })
      answer = await tx.run<Row>(statement, values, { prepare: false })
      throw undo
    })
  } catch (error) {
    if (error !== undo) return sqlState(error)?.code ?? String(error)
  }
  return answer
}

const REFUSED = '42501'
const PLACE_STAYS = '23001'

test('TEN-04 every table whose rows are a tenant’s has a policy and is bound by it', async () => {
  const bound = await db.run<{ name: string }>(
    `select c.relname as name from pg_class c where c.relrowsecurity and c.relnamespace = 'public'::regnamespace
       and exists (select from pg_policy p where p.polrelid = c.oid) order by 1`,
    [],
  )
  expect(tables.length).toBeGreaterThan(10)
  expect(bound.map(({ name }) => name)).toEqual([...tables, 'environment_feeds', 'environments', 'tenants'].sort())
})

test('TEN-04 this test has a row of each of them', async () => {
  expect(Object.keys(ROWS)).toEqual(expect.arrayContaining([...tables]))
})

describe('TEN-04 a role that does not own the tables', () => {
  test('sees the rows of the tenant that it names, and no others', async () => {
    for (const table of tables) {
      const whose = `select distinct tenant_id::text as tenant from ${table} where tenant_id is not null`
      expect([table, await asStranger(a.tenant, whose)]).toEqual([table, [{ tenant: a.tenant }]])
      expect([table, await asStranger(b.tenant, whose)]).toEqual([table, [{ tenant: b.tenant }]])
    }
    expect(await asStranger(a.tenant, 'select id::text from tenants')).toEqual([{ id: a.tenant }])
    expect(await asStranger(a.tenant, 'select id::text from environments')).toEqual([{ id: a.environment }])
  })

  test('sees of what an environment has for all of its tenants that of its own, and does not change it', async () => {
    for (const [table, column] of [
      ['webhook_endpoints', 'created_at'],
      ['schema_definitions', 'created_at'],
      ['catalogues', 'updated_at'],
    ]) {
      const shared = `select id::text from ${table} where tenant_id is null`
      expect(await asStranger(a.tenant, shared)).toEqual([{ id: a.environment }])
      const rename = `update ${table} set ${column} = now() where tenant_id is null returning 1`
      expect(await asStranger(a.tenant, rename)).toBe(REFUSED)
      const others = `update ${table} set ${column} = now() where id = $1::uuid returning 1`
      expect(await asStranger(a.tenant, others, [b.environment])).toEqual([])
    }
  })

  test.each(['not set', '', randomUUID()])('sees and changes nothing where its tenant is %j', async (tenant) => {
    for (const table of [...tables, 'tenants', 'environments']) {
      expect([table, await asStranger(tenant, `select 1 from ${table}`)]).toEqual([table, []])
      if (table === 'audit_entries') continue
      expect([table, await asStranger(tenant, `delete from ${table} returning 1`)]).toEqual([table, []])
    }
  })

  test('changes, locks and deletes nothing of another tenant', async () => {
    for (const table of tables) {
      // The trail refuses changes and deletions of every row before anybody is asked whose it is.
      if (table === 'audit_entries') continue
      const others = 'where tenant_id = $1::uuid'
      for (const statement of [
        `update ${table} set ${columns.get(table)} = ${columns.get(table)} ${others} returning 1`,
        `delete from ${table} ${others} returning 1`,
        `select 1 from ${table} ${others} for update`,
      ])
        expect([statement, await asStranger(a.tenant, statement, [b.tenant])]).toEqual([statement, []])
    }
  })

  test('puts no row into another tenant, and gives none of its own away', async () => {
    for (const table of tables) {
      const [row] = await db.run<{ json: string }>(
        `select row_to_json(t)::text as json from ${table} t where tenant_id = $1::uuid limit 1`,
        [b.tenant],
        { prepare: false },
      )
      const insert = `insert into ${table} overriding system value
        select * from json_populate_record(null::${table}, $1::text::json) returning 1`
      expect([table, await asStranger(a.tenant, insert, [row?.json ?? ''])]).toEqual([table, REFUSED])
      if (table === 'audit_entries') continue
      // Where places stay as they are, a trigger may come before the policy.
      const give = `update ${table} set tenant_id = $1::uuid where tenant_id = $2::uuid returning 1`
      expect([REFUSED, PLACE_STAYS]).toContain(await asStranger(a.tenant, give, [b.tenant, a.tenant]))
    }
  })
})

test('the owner of the tables is not bound, whatever tenant the session names', async () => {
  const seen = await db.transaction(async (tx) => {
    await tx.run(`select set_config('rollcall.tenant', $1::text, true)`, [a.tenant])
    return tx.run<{ n: number }>('select count(distinct tenant_id)::int as n from resources', [])
  })
  expect(seen).toEqual([{ n: 2 }])
})

test('a tenant that was named is forgotten with its transaction', async () => {
  const setting = `select nullif(current_setting('rollcall.tenant', true), '') as tenant`
  await db.transaction((tx) => tx.run(`select set_config('rollcall.tenant', $1::text, true)`, [a.tenant]))
  expect(await db.run(setting, [])).toEqual([{ tenant: null }])
})
