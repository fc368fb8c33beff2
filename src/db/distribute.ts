import { cannotOpen } from './connect.ts'
import type { Database } from './database.ts'
import { CannotOpen } from './errors.ts'
import { openForLong } from './migrate.ts'
import { TENANT_TABLES } from './tenant-tables.ts'

// Citus keeps the rows of one tenant on one machine, and a copy of what all tenants share on each of them.

/** What the statements of a tenant read beside its own rows: a copy on each machine. The outer places come first. */
export const SHARED = [
  ...['projects', 'environments', 'tenants', 'environment_feeds', 'webhook_endpoints', 'schema_definitions'],
  'catalogues',
]

/** Statements for what Citus refuses, and what guards it from then on. Each may run twice. */
export const NOT_KEPT: readonly { readonly statements: readonly string[]; readonly instead: string }[] = [
  {
    statements: ['alter table api_keys drop constraint if exists api_keys_tenant_id_user_id_resources_tenant_id_id_fk'],
    instead: 'no reference from api_keys to resources: the statement that deletes a user deletes the keys of the user',
  },
  {
    statements: ['environments', 'environment_feeds', 'webhook_endpoints', 'schema_definitions', 'catalogues'].map(
      (table) => `drop policy if exists tenants_own on ${table}`,
    ),
    instead: 'no policies with look-ups: row-level security cannot be used, and DATABASE_TENANT_ROLE is refused',
  },
  {
    statements: [
      'drop trigger if exists memberships_refer on memberships',
      'drop trigger if exists resources_referred on resources',
    ],
    instead: 'no triggers between memberships and resources: references hold members to their tenant',
  },
  {
    statements: ['drop trigger if exists webhook_deliveries_place on webhook_deliveries'],
    instead: 'no trigger on webhook_deliveries: the statements that queue events look at the place of the endpoint',
  },
  {
    statements: ['drop trigger if exists event_logs_age on event_logs'],
    instead: 'no trigger on event_logs: the statements that give positions note the age of the first event',
  },
]

/**
 * References among a tenant's tables, by name. They are dropped before and made again after, since both sides have to be distributed.
 * Those of memberships are new: on one machine triggers do the same at less cost.
 */
export const WITHIN_TENANTS: Readonly<Record<string, readonly [table: string, columns: string, refersTo: string]>> = {
  memberships_group: ['memberships', 'tenant_id, group_id', 'resources (tenant_id, id)'],
  memberships_member_resource: ['memberships', 'tenant_id, member_id', 'resources (tenant_id, id)'],
  deferred_members_tenant_id_group_id_resources_tenant_id_id_fk: [
    'deferred_members',
    'tenant_id, group_id',
    'resources (tenant_id, id) on delete cascade',
  ],
  resource_keys_tenant_id_resource_id_resources_tenant_id_id_fk: [
    'resource_keys',
    'tenant_id, resource_id',
    'resources (tenant_id, id) on delete cascade',
  ],
  role_bindings_tenant_id_group_id_resources_tenant_id_id_fk: [
    'role_bindings',
    'tenant_id, group_id',
    'resources (tenant_id, id) on delete cascade',
  ],
  role_bindings_tenant_id_role_id_roles_tenant_id_id_fk: [
    'role_bindings',
    'tenant_id, role_id',
    'roles (tenant_id, id)',
  ],
  written_roles_tenant_id_role_id_roles_tenant_id_id_fk: [
    'written_roles',
    'tenant_id, role_id',
    'roles (tenant_id, id)',
  ],
  written_roles_tenant_id_user_id_resources_tenant_id_id_fk: [
    'written_roles',
    'tenant_id, user_id',
    'resources (tenant_id, id) on delete cascade',
  ],
}

/** What the extension says of the database. */
interface Standing {
  /** By table: `distributed`, `reference` or `local`. */
  readonly tables: ReadonlyMap<string, string>
}

/**
 * Distributes the tables by tenant, in a database that has the extension Citus. Safe to repeat: it goes on where it was
 * interrupted, and undoes nothing.
 *
 * @param say told of each step, and of what cannot be kept
 * @throws {CannotOpen} where the extension is missing, or a step fails
 */
export async function distributeTables(databaseUrl: string, say: (line: string) => void): Promise<void> {
  let doing = 'used'
  let database: Database | undefined
  try {
    database = await openForLong(databaseUrl)

    const { tables } = await standingOf(database)
    doing = 'distributed'
    for (const { statements, instead } of NOT_KEPT) {
      for (const statement of statements) await step(database, statement)
      say(instead)
    }
    const missing = (names: readonly string[], kind: string) => names.filter((name) => tables.get(name) !== kind)
    for (const name of missing(SHARED, 'reference')) {
      doing = `distributed (${name})`
      await step(database, `select create_reference_table('${name}')`)
      say(`${name}: a copy on each machine`)
    }
    const rest = missing(TENANT_TABLES, 'distributed')
    if (rest.length > 0)
      for (const [name, [table]] of Object.entries(WITHIN_TENANTS))
        await step(database, `alter table ${table} drop constraint if exists ${name}`)
    for (const name of rest) {
      doing = `distributed (${name})`
      const beside = name === 'resources' ? 'none' : 'resources'
      await step(database, `select create_distributed_table('${name}', 'tenant_id', colocate_with := '${beside}')`)
      say(`${name}: distributed by tenant_id`)
    }
    for (const [name, [table, columns, refersTo]] of Object.entries(WITHIN_TENANTS)) {
      doing = `distributed (${name})`
      if (await hasConstraint(database, name)) continue
      await step(
        database,
        `alter table ${table} add constraint ${name} foreign key (${columns}) references ${refersTo}`,
      )
      say(`${table}: a reference by ${columns} to ${refersTo}`)
    }
  } catch (error) {
    throw error instanceof CannotOpen ? error : cannotOpen(databaseUrl, error, doing)
  } finally {
    await database?.close()
  }
}

/** Triggers that look at nothing but the row that changes are safe on each machine. The extension wants to be told. */
const step = (database: Database, statement: string): Promise<void> =>
  database.transaction(async (tx) => {
    await tx.run('set local citus.enable_unsafe_triggers = on', [], { prepare: false })
    await tx.run("set local citus.multi_shard_modify_mode = 'sequential'", [], { prepare: false })
    await tx.run(statement, [], { prepare: false })
  })

async function standingOf(database: Database): Promise<Standing> {
  const [found] = await database.run<{ version: string | null; migrated: boolean }>(
    `select (select extversion from pg_extension where extname = 'citus') as version,
       to_regclass('public.schema_compatibility') is not null as migrated`,
    [],
    { prepare: false },
  )
  if (!found?.version)
    throw new CannotOpen(
      'the database has no extension Citus: load it (shared_preload_libraries), run CREATE EXTENSION citus on each machine, ' +
        'and tell the coordinator of the workers by citus_add_node',
    )
  if (!found.migrated) throw new CannotOpen('the database has no tables of this release: run `rollcall migrate` first')
  const [nodes] = await database.run<{ workers: number; coordinator: boolean }>(
    `select count(*) filter (where shouldhaveshards)::int as workers, coalesce(bool_or(groupid = 0), false) as coordinator
     from pg_dist_node where isactive`,
    [],
    { prepare: false },
  )
  if (!nodes?.coordinator || nodes.workers === 0)
    throw new CannotOpen(
      'Citus does not know its machines: run citus_set_coordinator_host, and citus_add_node for each worker, in this database',
    )
  const rows = await database.run<{ name: string; kind: string }>(
    'select table_name::text as name, citus_table_type as kind from citus_tables',
    [],
    { prepare: false },
  )
  return { tables: new Map(rows.map(({ name, kind }) => [name, kind])) }
}

async function hasConstraint(database: Database, name: string): Promise<boolean> {
  const [row] = await database.run<{ there: boolean }>(
    'select exists (select from pg_constraint where conname = $1::text) as there',
    [name],
    { prepare: false },
  )
  return row?.there === true
}
