import { sql } from 'drizzle-orm'
import { customType, pgPolicy, timestamp, uuid } from 'drizzle-orm/pg-core'
import type { EnvironmentId, ProjectId, TenantId } from '../../place-ids.ts'

// Key columns hold text that the application has already folded. The "C" collation compares bytes, which is Unicode code
// point order in UTF-8. So one btree index serves equality, ranges and prefixes.
export const key = customType<{ data: string }>({ dataType: () => 'text collate "C"' })
export const moment = (name: string) => timestamp(name, { withTimezone: true, precision: 3 })
// What is read from these columns names a place, and what is written to them has to.
export const projectIdColumn = (name: string) => uuid(name).$type<ProjectId>()
export const environmentIdColumn = (name: string) => uuid(name).$type<EnvironmentId>()
export const tenantIdColumn = (name: string) => uuid(name).$type<TenantId>()

// Row-level security: a role that does not own the tables sees the rows of the one tenant that its transaction names, and
// writes no others. The owner is not bound. The setting is empty, not null, in a session that once had it.
// Raw, as the text of a policy takes no parameters; it is a constant of ours.
export const tenant = sql.raw(`nullif(current_setting('rollcall.tenant', true), '')::uuid`)
export const environment = sql`(select t.environment_id from tenants t where t.id = ${tenant})`
export const tenantsOwn = () => pgPolicy('tenants_own', { using: sql`tenant_id = ${tenant}` })
/** The same, and what the environment has for all of its tenants. */
export const tenantsOwnOrShared = () =>
  pgPolicy('tenants_own', {
    using: sql`tenant_id = ${tenant} or (tenant_id is null and environment_id = ${environment})`,
    withCheck: sql`tenant_id = ${tenant}`,
  })
