import { expect, inject, test } from 'vitest'
import { EXIT } from '../../src/cli/failure.ts'
import { NOT_KEPT, SHARED, WITHIN_TENANTS } from '../../src/db/distribute.ts'
import { migratePostgres } from '../../src/db/migrate.ts'
import { openPostgres } from '../../src/db/postgres.ts'
import { TENANT_TABLES } from '../../src/db/tenant-tables.ts'
import { rollcall } from '../support/cli.ts'
import { engineName, freshPostgresUrl } from '../support/engines.ts'

/** They are read by the control plane alone, or not joined to what a tenant has. */
const ON_COORDINATOR = [
  'audit_entries',
  'catalogue_work',
  'connections',
  'erasures',
  'feed_stretches',
  'role_rule_work',
]

const onPostgres = engineName() === 'postgres'
const onCitus = onPostgres && inject('postgres').citus

test('distribute says what a database lacks that is on one machine, and changes nothing', async ({ skip }) => {
  if (onCitus) return skip()
  const url = onPostgres ? { DATABASE_URL: await freshPostgresUrl() } : {}
  const { exitCode, out, err } = await rollcall(url, 'distribute')
  expect({ out, failed: exitCode !== EXIT.done }).toEqual({ out: '', failed: true })
  if (!onPostgres) return expect(err).toMatch(/^rollcall: the embedded database is on one machine; set DATABASE_URL/)
  expect(err).toMatch(/^rollcall: the database has no extension Citus: .*CREATE EXTENSION citus.*citus_add_node\n$/)
  const database = await openPostgres({ databaseUrl: url.DATABASE_URL ?? '', databasePool: 1 })
  expect(database.distributed).toBe(false)
  const [kept] = await database.run(
    `select exists (select from pg_constraint where conname = 'api_keys_tenant_id_user_id_resources_tenant_id_id_fk') as reference,
       exists (select from pg_trigger where tgname = 'memberships_refer') as trigger`,
    [],
  )
  await database.close()
  expect(kept).toEqual({ reference: true, trigger: true })
})

test('what Citus would refuse of the tables is known to distribute: it is made anew, or not kept', async ({ skip }) => {
  if (!onPostgres || onCitus) return skip('it reads the tables of a PostgreSQL on one machine')
  const database = await openPostgres({ databaseUrl: await freshPostgresUrl(), databasePool: 1 })
  const among = (names: readonly string[]) => [`{${names.join()}}`]
  const namesOf = async (text: string, tables: readonly string[]) =>
    (await database.run<{ name: string }>(text, among(tables))).map(({ name }) => name)
  // Both sides have to be distributed before one refers to the other; nothing elsewhere can refer to a row of a tenant.
  const references = await namesOf(
    `select conname as name from pg_constraint where contype = 'f' and confrelid::regclass::text = any($1::text[])`,
    TENANT_TABLES,
  )
  const policies = await namesOf(
    `select tablename || '.' || policyname as name from pg_policies where tablename = any($1::text[]) and qual ilike '%select%'`,
    [...SHARED, ...TENANT_TABLES],
  )
  const triggers = await namesOf(
    `select tgname as name from pg_trigger where not tgisinternal and tgrelid::regclass::text = any($1::text[])
       and (tgoldtable is not null or tgnewtable is not null or tgtype & 1 = 1)`,
    [...SHARED, ...TENANT_TABLES],
  )
  await database.close()
  const dropped = NOT_KEPT.flatMap(({ statements }) => statements).join('\n')
  const unknown = references.filter((name) => !Object.hasOwn(WITHIN_TENANTS, name) && !dropped.includes(` ${name}`))
  expect({ references: references.length > 5, unknown }).toEqual({ references: true, unknown: [] })
  const policyOf = (name: string) => name.replace(/(.*)\.(.*)/, 'drop policy if exists $2 on $1')
  expect(policies.filter((name) => !dropped.includes(policyOf(name)))).toEqual([])
  expect(triggers.filter((name) => !dropped.includes(`drop trigger if exists ${name} `))).toEqual([])
})

test('on Citus all tables of a tenant are distributed by it, again changes nothing, and migrations go on', async ({
  skip,
}) => {
  if (!onCitus) return skip('CITUS_URL names no coordinator')
  const databaseUrl = await freshPostgresUrl()
  const { exitCode, out, err } = await rollcall({ DATABASE_URL: databaseUrl }, 'distribute')
  expect({ exitCode, out }).toEqual({ exitCode: EXIT.done, out: 'the tables are distributed by tenant\n' })
  expect(err).not.toMatch(/distributed by tenant_id|a copy on each machine/)
  await migratePostgres({ databaseUrl })
  const database = await openPostgres({ databaseUrl, databasePool: 1 })
  expect(database.distributed).toBe(true)
  const rows = await database.run<{ name: string }>(
    `select c.relname as name from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
     where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace
       and c.oid not in (select logicalrelid from pg_dist_partition where partmethod in ('h', 'n')) order by 1`,
    [],
  )
  await database.close()
  expect(rows.map(({ name }) => name)).toEqual(ON_COORDINATOR)
  const refused = openPostgres({ databaseUrl, databasePool: 1, databaseTenantRole: 'rollcall_tenant' })
  await expect(refused).rejects.toThrow(/DATABASE_TENANT_ROLE cannot be used on a distributed database/)
})
