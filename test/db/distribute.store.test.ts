import { expect, inject, test } from 'vitest'
import { EXIT } from '../../src/cli/failure.ts'
import { migratePostgres } from '../../src/db/migrate.ts'
import { openPostgres } from '../../src/db/postgres.ts'
import { rollcall } from '../support/cli.ts'
import { engineName, freshPostgresUrl } from '../support/engines.ts'

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
  // They are read by the control plane alone, at the coordinator.
  expect(rows.map(({ name }) => name)).toEqual(['audit_entries', 'connections', 'role_rule_work'])
  const refused = openPostgres({ databaseUrl, databasePool: 1, databaseTenantRole: 'rollcall_tenant' })
  await expect(refused).rejects.toThrow(/DATABASE_TENANT_ROLE cannot be used on a distributed database/)
})
