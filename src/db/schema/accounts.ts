import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  foreignKey,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import { environmentIdColumn, key, moment, tenantIdColumn, tenantsOwn } from './columns.ts'
import { tenants } from './places.ts'

/**
 * What the application has: its accounts by its own ids, as it last posted them, and which user of the directory each belongs to.
 *
 * A link outlives its user, so that an account whose user has gone is found. No row refers to `resources`: the deletion of a user
 * would look at each.
 */
export const accounts = pgTable(
  'accounts',
  {
    tenantId: tenantIdColumn('tenant_id').notNull(),
    /** The application's own id. */
    accountId: key('account_id').notNull(),
    /** By which events name the account. */
    id: uuid().notNull().default(sql`gen_random_uuid()`),
    /** Counted up by each event about the account. */
    version: bigint({ mode: 'number' }).notNull().default(0),
    userId: uuid('user_id'),
    linkedAt: moment('linked_at'),
    /** By what the user is the same person, or whose decision it was. */
    linkedBy: text('linked_by', { enum: ['externalId', 'userName', 'email', 'review'] }),
    active: boolean().notNull(),
    /** The application has posted it last at this moment. A run ends accounts that were not posted since it began. */
    postedAt: moment('posted_at').notNull(),
    /** It is the same person's as this account, by a decision; then it takes no user. */
    mergedInto: key('merged_into'),
    externalId: key('external_id'),
    userName: text('user_name'),
    displayName: text('display_name'),
    /** `[{"value": "…", "verified": true}]`, the primary one first. */
    addresses: jsonb().notNull(),
    /** Keys of roles; null where the application does not say. */
    roles: text().array(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.accountId] }),
    uniqueIndex('accounts_user').on(t.tenantId, t.userId),
    tenantsOwn(),
  ],
)

/** By what an account is found: its externalId, and the names and addresses that it goes by, in the form in which they are compared. */
export const accountKeys = pgTable(
  'account_keys',
  {
    tenantId: tenantIdColumn('tenant_id').notNull(),
    kind: text({ enum: ['id', 'name'] }).notNull(),
    value: key('value').notNull(),
    accountId: key('account_id').notNull(),
    /** False for an address that the application has not verified. */
    proves: boolean().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.kind, t.value, t.accountId] }),
    index('account_keys_account').on(t.tenantId, t.accountId),
    tenantsOwn(),
  ],
)

/** Users and accounts that may be the same person, and those of whom somebody has decided that they are not. */
export const accountReviews = pgTable(
  'account_reviews',
  {
    tenantId: tenantIdColumn('tenant_id').notNull(),
    userId: uuid('user_id').notNull(),
    accountId: key('account_id').notNull(),
    state: text({ enum: ['waiting', 'separate'] }).notNull(),
    /** What the two have in common. */
    by: text({ enum: ['externalId', 'userName', 'email'] }).notNull(),
    createdAt: moment('created_at').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.userId, t.accountId] }),
    index('account_reviews_account').on(t.tenantId, t.accountId),
    index('account_reviews_waiting').on(t.tenantId, t.userId, t.accountId).where(sql`state = 'waiting'`),
    tenantsOwn(),
  ],
)

/** Runs in which the application posts all of its accounts. */
export const accountRuns = pgTable(
  'account_runs',
  {
    tenantId: tenantIdColumn('tenant_id').notNull(),
    /** The application's own name for it. */
    run: key('run').notNull(),
    startedAt: moment('started_at').notNull(),
    /** How many accounts were posted in it; one that is posted twice counts twice. */
    posted: integer().notNull().default(0),
    /** Accounts that it has ended, as they were not named. */
    gone: integer().notNull().default(0),
    finishedAt: moment('finished_at'),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.run] }), tenantsOwn()],
)

/**
 * Domains of e-mail addresses that a tenant says are its own. A verified one is of one tenant of the environment alone.
 *
 * The control plane alone reads these rows. So the role for tenants has no rights here, and on Citus the coordinator keeps them: the
 * unique index is about all tenants.
 */
export const tenantDomains = pgTable(
  'tenant_domains',
  {
    tenantId: tenantIdColumn('tenant_id').notNull(),
    environmentId: environmentIdColumn('environment_id').notNull(),
    /** In lower case, as DNS has it. */
    domain: key('domain').notNull(),
    /** What the TXT record has to say. */
    token: text().notNull(),
    /** How it was verified; null where it is not. */
    verifiedBy: text('verified_by', { enum: ['dns', 'operator'] }),
    verifiedAt: moment('verified_at'),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.domain] }),
    uniqueIndex('tenant_domains_verified').on(t.environmentId, t.domain).where(sql`verified_at is not null`),
    foreignKey({
      name: 'tenant_domains_place',
      columns: [t.environmentId, t.tenantId],
      foreignColumns: [tenants.environmentId, tenants.id],
    }),
    tenantsOwn(),
  ],
)
