import type { TenantId } from '../place-ids.ts'
import type { Database } from './database.ts'
import { CannotOpen, codeOf } from './errors.ts'
import { TENANT_TABLES } from './tenant-tables.ts'

// Row-level security has two sides. The migrations make the policies, which bind every user but the tables' owner. This file
// makes the role that they are to bind. Roles belong to the whole server, so the operator names it: installations that
// share a server and a role would see each other's tenants.

/** What a tenant's statements do with each table. To the others, keys and secrets among them, the role has no way at all. */
const PRIVILEGES: Readonly<Record<string, string>> = {
  // To lock a row takes the privilege to update a column of it.
  tenants: 'select, update (seats_ran_out)',
  environments: 'select',
  environment_feeds: 'select',
  schema_definitions: 'select',
  catalogues: 'select',
  webhook_endpoints: 'select, update (failures)',
  ...Object.fromEntries(TENANT_TABLES.map((table) => [table, 'select, insert, update, delete'])),
}

/** Whether a role may do all that, and the session's user may take it. Since PostgreSQL 16, a member may lack the latter. */
const PREPARED = `select pg_has_role(current_user, r.oid, case when current_setting('server_version_num')::int < 160000
      then 'member' else 'set' end) and has_schema_privilege(r.oid, 'public', 'usage') and (
        select bool_and(case when p.of_column is null then has_table_privilege(r.oid, p.of_table, p.privilege)
          else has_column_privilege(r.oid, p.of_table, p.of_column, p.privilege) end)
        from json_to_recordset($2::text::json) as p(of_table text, of_column text, privilege text)) as prepared
  from pg_roles r where r.rolname = $1`

/** The same as rows, one for each privilege. */
const privileges = () =>
  Object.entries(PRIVILEGES).flatMap(([table, list]) =>
    list.split(', ').map((entry) => {
      const [, privilege, column] = /^(\w+)(?: \((\w+)\))?$/.exec(entry) ?? []
      return { of_table: table, of_column: column ?? null, privilege }
    }),
  )

/** Whether `prepareTenantRole` has nothing to do. The tables have to be there. */
export async function isTenantRolePrepared(database: Database, role: string): Promise<boolean> {
  const values = [role, JSON.stringify(privileges())]
  const [row] = await database.run<{ prepared: boolean }>(PREPARED, values, { prepare: false })
  return row?.prepared === true
}

/**
 * Makes the role where there is none, lets the session's user take it, and gives it what it needs. Safe to repeat; the tables
 * have to be there.
 *
 * @throws {CannotOpen} where the session's user lacks the rights for it, with the statements for a user who has them
 */
export async function prepareTenantRole(tx: Database, role: string): Promise<void> {
  const run = (statement: string) => tx.run(statement, [], { prepare: false })
  const [session] = await tx.run<{ user: string; there: boolean }>(
    'select current_user as user, exists (select from pg_roles where rolname = $1) as there',
    [role],
  )
  const make = `create role "${role}" nologin`
  const lend = `grant "${role}" to "${session?.user}"`
  try {
    // Another database of the server may be prepared at this moment.
    if (!session?.there)
      await run(`do $do$ begin ${make}; exception when duplicate_object or unique_violation then null; end $do$`)
    if (!(await mayTake(tx, role))) await run(lend)
  } catch (error) {
    if (codeOf(error) !== '42501') throw error
    throw new CannotOpen(
      `DATABASE_TENANT_ROLE needs the role "${role}", which "${session?.user}" may not make or take; ` +
        `have an administrator run: ${session?.there ? '' : `${make}; `}${lend};`,
      { cause: error },
    )
  }
  await run(`grant usage on schema public to "${role}"`)
  for (const [table, privileges] of Object.entries(PRIVILEGES))
    await run(`grant ${privileges} on ${table} to "${role}"`)
}

/**
 * Whether the session's user may become the role; what is asked in the catalogues differs from version to version. The server tries
 * it: the driver would give the transaction up for a statement that fails.
 */
async function mayTake(tx: Database, role: string): Promise<boolean> {
  const tried = "perform set_config('rollcall.may_take', 'yes', true); exception when insufficient_privilege then null"
  await tx.run(`do $do$ begin set local role "${role}"; set local role none; ${tried}; end $do$`, [], {
    prepare: false,
  })
  const [answer] = await tx.run<{ may: boolean }>(
    `select current_setting('rollcall.may_take', true) is not distinct from 'yes' as may`,
    [],
    { prepare: false },
  )
  return answer?.may === true
}

const NO_TENANT = '00000000-0000-0000-0000-000000000000' as TenantId

/** How many tables have policies that bind the current role, and how many have policies that do not. */
const BOUND = `select count(*) filter (where row_security_active(c.oid))::int as bound,
    count(*) filter (where not row_security_active(c.oid))::int as free
  from pg_class c where c.relrowsecurity and c.relnamespace = to_regnamespace('public')`

/** Makes sure that the policies bind the role for tenants, if there is one, and no other. @throws {CannotOpen} where they do not */
export async function checkPolicies(database: Database, tenantRole: string | undefined): Promise<void> {
  const [gateway] = await database.run<{ bound: number }>(BOUND, [])
  if (gateway === undefined || gateway.bound > 0)
    throw new CannotOpen(
      'the user in DATABASE_URL sees no rows: policies bind every user but the owner of the tables; ' +
        'connect as the owner or as a member of it, or let an administrator give the user BYPASSRLS',
    )
  if (tenantRole === undefined) return
  if (database.distributed)
    throw new CannotOpen(
      'DATABASE_TENANT_ROLE cannot be used on a distributed database: workers do not know whose transaction it is; leave it unset',
    )
  const [tenant] = await database
    .asTenant(NO_TENANT)
    .run<{ free: number }>(BOUND, [])
    .catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error)
      throw new CannotOpen(
        `DATABASE_TENANT_ROLE cannot be used: ${reason}; run \`rollcall migrate\`, and where DIRECT_DATABASE_URL has another ` +
          `user than DATABASE_URL, grant "${tenantRole}" to the latter`,
        { cause: error },
      )
    })
  if (tenant === undefined || tenant.free > 0)
    throw new CannotOpen(
      `DATABASE_TENANT_ROLE names "${tenantRole}", which no policy binds: name a role that is no superuser, has no BYPASSRLS ` +
        'and is no member of the owner of the tables',
    )
}
