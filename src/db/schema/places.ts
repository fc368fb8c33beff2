import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  date,
  index,
  integer,
  jsonb,
  pgPolicy,
  pgTable,
  primaryKey,
  smallint,
  text,
  unique,
  uniqueIndex,
} from 'drizzle-orm/pg-core'
import {
  environment,
  environmentIdColumn,
  key,
  moment,
  projectIdColumn,
  tenant,
  tenantIdColumn,
  tenantsOwn,
} from './columns.ts'

export const projects = pgTable(
  'projects',
  {
    id: projectIdColumn('id').primaryKey(),
    key: text().notNull(),
    /** `key` in lower case: keys are unique without regard to case. */
    keyFolded: key('key_folded').notNull(),
    name: text().notNull(),
    paused: boolean().notNull().default(false),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (t) => [uniqueIndex('projects_key').on(t.keyFolded)],
)

export const environments = pgTable(
  'environments',
  {
    id: environmentIdColumn('id').primaryKey(),
    projectId: projectIdColumn('project_id')
      .notNull()
      .references(() => projects.id),
    key: text().notNull(),
    keyFolded: key('key_folded').notNull(),
    name: text().notNull(),
    /** Defaults for the tenants of this environment; validated by tenancy/settings. */
    settings: jsonb().notNull().default({}),
    paused: boolean().notNull().default(false),
    /** Groups of its tenants may still give roles by rules of the environment that have ended. */
    endsRoles: boolean('ends_roles').notNull().default(false),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (t) => [
    uniqueIndex('environments_key').on(t.projectId, t.keyFolded),
    unique('environments_place').on(t.projectId, t.id),
    index('environments_ends_roles').on(t.id).where(sql`ends_roles`),
    pgPolicy('tenants_own', { using: sql`id = ${environment}` }),
  ],
)

export const tenants = pgTable(
  'tenants',
  {
    id: tenantIdColumn('id').primaryKey(),
    environmentId: environmentIdColumn('environment_id')
      .notNull()
      .references(() => environments.id),
    key: text().notNull(),
    keyFolded: key('key_folded').notNull(),
    name: text().notNull(),
    /** What this tenant has different from its environment. */
    settings: jsonb().notNull().default({}),
    paused: boolean().notNull().default(false),
    /** Its groups may still give roles by rules that have ended. */
    endsRoles: boolean('ends_roles').notNull().default(false),
    /** The log has told that no seat is left, and no user has got one since. */
    seatsRanOut: boolean('seats_ran_out').notNull().default(false),
    /** It is being deleted: no resource is created any more. */
    deleting: boolean().notNull().default(false),
    /** Since when the application's accounts are known here; null where it has never posted any. */
    accountsSince: moment('accounts_since'),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (t) => [
    uniqueIndex('tenants_key').on(t.environmentId, t.keyFolded),
    unique('tenants_place').on(t.environmentId, t.id),
    index('tenants_seats').on(t.environmentId, t.id).where(sql`seats_ran_out`),
    // For lists in the order of names.
    index('tenants_name').on(t.environmentId, sql`(lower("name") collate "C")`, t.id),
    pgPolicy('tenants_own', { using: sql`id = ${tenant}` }),
  ],
)

/**
 * Where tenants were before they moved. Until its end, such a base URL leads to the tenant, and no other tenant gets the name.
 *
 * The control plane alone reads these rows. So the role for tenants has no rights here, and on Citus the coordinator keeps them: the
 * unique index is about all tenants.
 */
export const formerAddresses = pgTable(
  'former_addresses',
  {
    tenantId: tenantIdColumn('tenant_id')
      .notNull()
      .references(() => tenants.id),
    environmentId: environmentIdColumn('environment_id')
      .notNull()
      .references(() => environments.id),
    key: text().notNull(),
    keyFolded: key('key_folded').notNull(),
    endsAt: moment('ends_at').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.environmentId, t.keyFolded] }),
    uniqueIndex('former_addresses_key').on(t.environmentId, t.keyFolded),
    tenantsOwn(),
  ],
)

/**
 * How each tenant's identity provider is heard of: one row for each tenant. Each instance writes behind its requests what it has
 * heard. The row refers to nothing, so that nothing of it waits for a change of the tenant.
 */
export const connections = pgTable(
  'connections',
  {
    tenantId: tenantIdColumn('tenant_id').primaryKey(),
    environmentId: environmentIdColumn('environment_id').notNull(),
    /** `User-Agent` of the last request, and the identity provider that it names, by explanations/clients. */
    client: text(),
    provider: text(),
    /** Null where there was none yet; the other is 1970 then, so that lists have an order. */
    firstRequestAt: moment('first_request_at'),
    lastRequestAt: moment('last_request_at').notNull().default(sql`'epoch'`),
    /** The day of the last request in UTC, how many there were on it, and how many of them were refused. */
    day: date().notNull().default('1970-01-01'),
    requests: integer().notNull().default(0),
    failures: integer().notNull().default(0),
    /** Users as they were counted when the row was last written, for the order of lists. */
    users: integer().notNull().default(0),
    /** Since when all requests have been refused, how many, and the status of the last one; null while one gets through. */
    failingSince: moment('failing_since'),
    failedInARow: integer('failed_in_a_row').notNull().default(0),
    lastFailure: smallint('last_failure'),
    /** How long the pauses between its requests usually are: connections/rhythm. */
    rhythm: jsonb(),
    /** What was told of it last, and since when it is so. */
    state: text({ enum: ['well', 'silent', 'failing'] })
      .notNull()
      .default('well'),
    since: moment('since'),
    /** When something is to be told unless a request comes before; null where nothing is. */
    dueAt: moment('due_at'),
  },
  (t) => [
    index('connections_last_request').on(t.environmentId, t.lastRequestAt, t.tenantId),
    index('connections_failures').on(t.environmentId, t.day, t.failures, t.tenantId),
    index('connections_users').on(t.environmentId, t.users, t.tenantId),
    index('connections_trouble').on(t.environmentId, t.tenantId).where(sql`state <> 'well'`),
    index('connections_due').on(t.dueAt).where(sql`due_at is not null`),
    tenantsOwn(),
  ],
)

/**
 * The version of the last event about each tenant itself. It is a row of its own that refers to nothing: revoking a key of the
 * tenant counts the version up, and must not wait for another change that holds the tenant's row.
 */
export const tenantVersions = pgTable(
  'tenant_versions',
  {
    tenantId: tenantIdColumn('tenant_id').primaryKey(),
    version: bigint({ mode: 'number' }).notNull(),
  },
  () => [tenantsOwn()],
)
