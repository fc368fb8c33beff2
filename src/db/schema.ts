import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
  customType,
  date,
  foreignKey,
  index,
  integer,
  jsonb,
  pgPolicy,
  pgTable,
  primaryKey,
  smallint,
  text,
  timestamp,
  unique,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import { LEAVER_TYPES } from '../events/types.ts'
import type { EnvironmentId, ProjectId, TenantId } from '../place-ids.ts'

/** `LEAVER_TYPES` as SQL text: the index on leavers serves only statements with the same text. */
export const LEAVER_TYPES_SQL = `(${LEAVER_TYPES.map((type) => `'${type}'`).join(', ')})`

// Key columns hold text that the application has already folded. The "C" collation compares bytes, which is Unicode code
// point order in UTF-8. So one btree index serves equality, ranges and prefixes.
const key = customType<{ data: string }>({ dataType: () => 'text collate "C"' })
const moment = (name: string) => timestamp(name, { withTimezone: true, precision: 3 })
// What is read from these columns names a place, and what is written to them has to.
const projectIdColumn = (name: string) => uuid(name).$type<ProjectId>()
const environmentIdColumn = (name: string) => uuid(name).$type<EnvironmentId>()
const tenantIdColumn = (name: string) => uuid(name).$type<TenantId>()

// Row-level security: a role that does not own the tables sees the rows of the one tenant that its transaction names, and
// writes no others. The owner is not bound. The setting is empty, not null, in a session that once had it.
// Raw, as the text of a policy takes no parameters; it is a constant of ours.
const tenant = sql.raw(`nullif(current_setting('rollcall.tenant', true), '')::uuid`)
const environment = sql`(select t.environment_id from tenants t where t.id = ${tenant})`
const tenantsOwn = () => pgPolicy('tenants_own', { using: sql`tenant_id = ${tenant}` })
/** The same, and what the environment has for all of its tenants. */
const tenantsOwnOrShared = () =>
  pgPolicy('tenants_own', {
    using: sql`tenant_id = ${tenant} or (tenant_id is null and environment_id = ${environment})`,
    withCheck: sql`tenant_id = ${tenant}`,
  })

// All tables in one file: they refer to each other, and migrations are made of it.

// ---- The control plane: who our customers are. Small tables, read through a cache.

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

export const apiKeys = pgTable(
  'api_keys',
  {
    /** The public id part of the key; its secrets are in `api_key_secrets`. */
    id: text().primaryKey(),
    /** Null for a key of the whole instance. */
    projectId: projectIdColumn('project_id').references(() => projects.id),
    environmentId: environmentIdColumn('environment_id'),
    tenantId: tenantIdColumn('tenant_id'),
    /** The user of that tenant for whom the key stands; null for a provisioning client. It goes when the user goes. */
    userId: uuid('user_id'),
    name: text().notNull(),
    permissions: text().array().notNull(),
    /** Whether access tokens of the key may make keys with `admin`. */
    tokensMayMintAdminKeys: boolean('tokens_may_mint_admin_keys').notNull().default(false),
    /** The set-up link by which it was made; null for one that somebody with a key has made. Links go before keys do. */
    setupLinkId: text('setup_link_id'),
    createdAt: moment('created_at').notNull().defaultNow(),
    revokedAt: moment('revoked_at'),
    /** When the log last said that the key expires soon. */
    warnedAt: moment('warned_at'),
  },
  (t) => [
    index('api_keys_scope').on(t.projectId, t.environmentId, t.tenantId),
    index('api_keys_user').on(t.tenantId, t.userId),
    // The ids name one place: references with a null in them are not looked at, so what is wider is not null.
    check(
      'api_keys_place',
      sql`(project_id is not null or environment_id is null) and (environment_id is not null or tenant_id is null)`,
    ),
    foreignKey({
      name: 'api_keys_environment',
      columns: [t.projectId, t.environmentId],
      foreignColumns: [environments.projectId, environments.id],
    }),
    foreignKey({
      name: 'api_keys_tenant',
      columns: [t.environmentId, t.tenantId],
      foreignColumns: [tenants.environmentId, tenants.id],
    }),
    foreignKey({ columns: [t.tenantId, t.userId], foreignColumns: [resources.tenantId, resources.id] }).onDelete(
      'cascade',
    ),
    tenantsOwn(),
  ],
)

/** The last two secrets of each key; auth/key-secrets tells which of them are good. */
export const apiKeySecrets = pgTable(
  'api_key_secrets',
  {
    keyId: text('key_id')
      .notNull()
      .references(() => apiKeys.id, { onDelete: 'cascade' }),
    version: integer().notNull(),
    /** SHA-256 of the whole key, base64url. The secret has 160 random bits or more, so a slow hash would add nothing. */
    hash: text().notNull(),
    createdAt: moment('created_at').notNull().defaultNow(),
    expiresAt: moment('expires_at'),
    endsAt: moment('ends_at'),
    endsOnUse: boolean('ends_on_use').notNull().default(false),
    lastUsedAt: moment('last_used_at'),
    /** User-Agent of the client. */
    lastUsedBy: text('last_used_by'),
  },
  (t) => [primaryKey({ columns: [t.keyId, t.version] }), index('api_key_secrets_expiry').on(t.expiresAt)],
)

/** Public keys by which clients prove who they are, in place of a secret of the API key (`private_key_jwt`). */
export const apiKeyPublicKeys = pgTable(
  'api_key_public_keys',
  {
    keyId: text('key_id')
      .notNull()
      .references(() => apiKeys.id, { onDelete: 'cascade' }),
    /** By RFC 7638. */
    thumbprint: text().notNull(),
    jwk: jsonb().notNull(),
    createdAt: moment('created_at').notNull().defaultNow(),
    lastUsedAt: moment('last_used_at'),
    /** User-Agent of the client. */
    lastUsedBy: text('last_used_by'),
  },
  (t) => [primaryKey({ columns: [t.keyId, t.thumbprint] })],
)

/** Client assertions that were used, until they expire: none is accepted twice. */
export const usedAssertions = pgTable(
  'used_assertions',
  {
    keyId: text('key_id').notNull(),
    /** Of its `jti`. */
    hash: text().notNull(),
    expiresAt: moment('expires_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.keyId, t.hash] }), index('used_assertions_expiry').on(t.expiresAt)],
)

/**
 * Who is signed in to the console. The cookie has the secret, of which the row has the hash. Ending a session deletes its row. Rows
 * of releases that knew no secret have no hash, and open nothing.
 */
export const consoleSessions = pgTable(
  'console_sessions',
  {
    id: uuid().primaryKey(),
    /** Of the principal: the id of the API key, `admin` for the one that the configuration gives, or `oidc:` and the subject. */
    keyId: text('key_id').notNull(),
    /** The next of its two ends: the absolute one, or the one that use puts off. */
    endsAt: moment('ends_at').notNull(),
    /** SHA-256 of the cookie's secret, base64url. */
    hash: text(),
    /** With which secret of the API key the session began: its version, or of the configuration's key a hash. */
    credential: text(),
    /** What a person's issuer said of the person at the sign-in; null of an API key. */
    issuer: text(),
    name: text(),
    email: text(),
    /** Those values of the claim that the configuration had an entry for. */
    claimed: text().array(),
    /** Sealed by signing/secret-box; for the issuer, when the person signs out. */
    idToken: text('id_token'),
    createdAt: moment('created_at').notNull().defaultNow(),
    seenAt: moment('seen_at').notNull().defaultNow(),
    address: text(),
    /** User-Agent of the browser. */
    client: text(),
  },
  (t) => [index('console_sessions_key').on(t.keyId, t.endsAt), index('console_sessions_end').on(t.endsAt)],
)

/** Links to the set-up portal of one tenant, for the customer's IT admin. */
export const setupLinks = pgTable(
  'setup_links',
  {
    /** The public id part of the link. */
    id: text().primaryKey(),
    projectId: projectIdColumn('project_id').notNull(),
    environmentId: environmentIdColumn('environment_id').notNull(),
    tenantId: tenantIdColumn('tenant_id').notNull(),
    name: text().notNull(),
    /** SHA-256 of the link's secret, base64url. */
    hash: text().notNull(),
    /** Id of the API key that made it, with which it ends; `admin` for the operator, who ends it himself. */
    madeBy: text('made_by').notNull(),
    /** The identity provider that was chosen: the name of its guide. */
    identityProvider: text('identity_provider'),
    /** So many browsers may begin a session with it. */
    mostVisitors: integer('most_visitors').notNull(),
    visitors: integer().notNull().default(0),
    visitedAt: moment('visited_at'),
    createdAt: moment('created_at').notNull().defaultNow(),
    expiresAt: moment('expires_at').notNull(),
    revokedAt: moment('revoked_at'),
  },
  (t) => [
    unique('setup_links_tenant').on(t.tenantId, t.id),
    foreignKey({
      name: 'setup_links_environment',
      columns: [t.projectId, t.environmentId],
      foreignColumns: [environments.projectId, environments.id],
    }),
    foreignKey({
      name: 'setup_links_place',
      columns: [t.environmentId, t.tenantId],
      foreignColumns: [tenants.environmentId, tenants.id],
    }),
    tenantsOwn(),
  ],
)

/** Sessions of set-up links: what the cookie names. Leaving deletes the row. */
export const setupVisits = pgTable(
  'setup_visits',
  {
    tenantId: tenantIdColumn('tenant_id').notNull(),
    linkId: text('link_id').notNull(),
    id: uuid().notNull(),
    endsAt: moment('ends_at').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.linkId, t.id] }),
    foreignKey({
      name: 'setup_visits_of_link',
      columns: [t.tenantId, t.linkId],
      foreignColumns: [setupLinks.tenantId, setupLinks.id],
    }).onDelete('cascade'),
    tenantsOwn(),
  ],
)

/** Schemas and resource types beside the built-in ones; what each may be is said in scim/schema/definitions. */
export const schemaDefinitions = pgTable(
  'schema_definitions',
  {
    id: uuid().primaryKey(),
    environmentId: environmentIdColumn('environment_id')
      .notNull()
      .references(() => environments.id),
    /** Null for one that all tenants of the environment have. */
    tenantId: tenantIdColumn('tenant_id'),
    kind: text({ enum: ['extension', 'resourceType'] }).notNull(),
    /** URN of the extension's schema, or the resource type's name. */
    name: text().notNull(),
    nameFolded: key('name_folded').notNull(),
    definition: jsonb().notNull(),
    /** Counted up by each change. */
    version: integer().notNull().default(1),
    createdAt: moment('created_at').notNull().defaultNow(),
    updatedAt: moment('updated_at').notNull().defaultNow(),
  },
  (t) => [
    unique('schema_definitions_name').on(t.environmentId, t.tenantId, t.kind, t.nameFolded).nullsNotDistinct(),
    index('schema_definitions_tenant').on(t.tenantId),
    foreignKey({
      name: 'schema_definitions_place',
      columns: [t.environmentId, t.tenantId],
      foreignColumns: [tenants.environmentId, tenants.id],
    }),
    tenantsOwnOrShared(),
  ],
)

/**
 * Where events are sent: an address with its secrets, for all tenants of an environment or for one. Webhooks, and streams of
 * Security Event Tokens.
 */
export const webhookEndpoints = pgTable(
  'webhook_endpoints',
  {
    id: uuid().primaryKey(),
    environmentId: environmentIdColumn('environment_id')
      .notNull()
      .references(() => environments.id),
    /** Null for all tenants of the environment. */
    tenantId: tenantIdColumn('tenant_id'),
    /** Empty where the receiver comes for the events. */
    url: text().notNull(),
    description: text().notNull(),
    /** `user.deleted`, `group.*`; none for all. */
    events: text('event_types').array().notNull(),
    /** Whether each event is sent with its resource as it is then. */
    snapshot: boolean().notNull().default(false),
    /** Sealed by signing/secret-box; empty for a stream whose receiver asks for none. */
    secret: text().notNull(),
    /** Of a stream of Security Event Tokens, its `StreamSettings`; null for a webhook. */
    stream: jsonb(),
    /** Signs beside `secret` until the moment below. */
    previousSecret: text('previous_secret'),
    previousSecretUntil: moment('previous_secret_until'),
    enabled: boolean().notNull().default(true),
    disabledReason: text('disabled_reason'),
    /** Attempts that failed since the last one that succeeded. */
    failures: integer().notNull().default(0),
    failingSince: moment('failing_since'),
    /**
     * Set while the endpoint rests because it accepts nothing. From this moment on one instance may send it one event, to see
     * whether it is back. That instance moves the moment on first, so that no other one does the same.
     */
    resumeAt: moment('resume_at'),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (t) => [
    index('webhook_endpoints_place').on(t.environmentId, t.tenantId),
    foreignKey({
      name: 'webhook_endpoints_tenant',
      columns: [t.environmentId, t.tenantId],
      foreignColumns: [tenants.environmentId, tenants.id],
    }),
    tenantsOwnOrShared(),
  ],
)

/** Secrets of the instance that its processes share, such as the key that seals cursors. Made at the first start. */
export const instanceSecrets = pgTable('instance_secrets', {
  name: text().primaryKey(),
  secret: text().notNull(),
  createdAt: moment('created_at').notNull().defaultNow(),
})

/** Keys that sign access tokens: signing/keyring tells which of them signs, and how long the others are still believed. */
export const signingKeys = pgTable('signing_keys', {
  /** 1 for the first; that it is unique lets one instance alone make the next. */
  generation: integer().primaryKey(),
  kid: text().notNull(),
  publicJwk: jsonb('public_jwk').notNull(),
  /** The private half as a JWK, in a `SecretBox`. */
  sealed: text().notNull(),
  createdAt: moment('created_at').notNull(),
})

/** What requests with an `Idempotency-Key` were answered, for their repeats; kept for 24 hours. Answers with secrets are not. */
export const idempotencyKeys = pgTable(
  'idempotency_keys',
  {
    /** Id of the API key that asked. */
    actor: text().notNull(),
    key: text().notNull(),
    fingerprint: text().notNull(),
    status: integer().notNull(),
    location: text(),
    body: text().notNull(),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.actor, t.key] }), index('idempotency_keys_time').on(t.createdAt)],
)

/**
 * What was done to the control plane, appended by the last statement of the transaction that did it and never changed. That
 * statement holds the row of `control_revision`, so `seq` is the order of the commits. It refers to nothing, since it tells of
 * what is gone, too.
 */
export const auditEntries = pgTable(
  'audit_entries',
  {
    seq: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    at: moment('at').notNull().defaultNow(),
    /** Id of the API key that asked, `admin` for the configured one, `rollcall` for the gateway itself, `oidc:` and the subject of a person. */
    actor: text().notNull(),
    /** Name and address of a person who signed in with an issuer, as that said then. An API key has a name of its own. */
    actorName: text('actor_name'),
    /** `tenant.created`, `api_key.rotated`, … */
    action: text().notNull(),
    /** Where it was done: as much of the place as there is. */
    projectId: projectIdColumn('project_id'),
    environmentId: environmentIdColumn('environment_id'),
    tenantId: tenantIdColumn('tenant_id'),
    targetId: text('target_id').notNull(),
    targetName: text('target_name').notNull(),
    /** What it was and what it became, or of a change the members that differ; null where there was or is nothing. */
    before: jsonb(),
    after: jsonb(),
    address: text(),
    requestId: text('request_id'),
  },
  (t) => [
    index('audit_entries_project').on(t.projectId, t.seq),
    index('audit_entries_environment').on(t.environmentId, t.seq),
    index('audit_entries_tenant').on(t.tenantId, t.seq),
    tenantsOwn(),
  ],
)

/** One row, counted up by the last statement of every control-plane change, so that the audit trail has the order of the commits. */
export const controlRevision = pgTable('control_revision', {
  id: integer().primaryKey().default(1),
  revision: bigint({ mode: 'number' }).notNull().default(0),
})

/** Work that one instance at a time does, once in an hour of the clock. */
export const upkeepTurns = pgTable('upkeep_turns', {
  name: text().primaryKey(),
  /** The instance that does it or did it last, and until when no other may. */
  holder: uuid().notNull(),
  heldUntil: moment('held_until').notNull(),
  /** When it was last done. */
  doneAt: moment('done_at'),
})

// ---- Tenant tables: `tenant_id` leads every key, unique index and reference, so that the database itself refuses a member
// of another tenant, and so that Citus can distribute them by tenant.

/**
 * Users, groups and resources of registered types: one row each, laid out for one round trip per request. The columns that
 * most changes change stand together, before the wide ones: PostgreSQL logs what lies between the first and the last byte that
 * differ.
 *
 * No row refers to its tenant: each create would lock the tenant's row. The statement that creates resources looks
 * at the tenant, and a tenant's deletion waits for the creates that have not seen that it began.
 */
export const resources = pgTable(
  'resources',
  {
    tenantId: tenantIdColumn('tenant_id').notNull(),
    id: uuid().notNull(),
    createdAt: moment('created_at').notNull(),
    version: bigint({ mode: 'number' }).notNull().default(1),
    modifiedAt: moment('modified_at').notNull(),
    /** A user's `active`. A column, so that the leaver's PATCH need not read the document. */
    active: boolean(),
    /** The manager's id where `manager.value` is one of ours or looks like it; read for `manager.displayName`. */
    managerId: uuid('manager_id'),
    resourceType: text('resource_type').notNull(),
    externalId: key('external_id'),
    /** Folded userName; folded displayName of a group where names are unique; else null. */
    uniqueKey: key('unique_key'),
    /** Folded displayName. */
    displayKey: key('display_key'),
    /** What a reference to this resource shows as its `display`. */
    label: text(),
    passwordHash: text('password_hash'),
    /** JSON object as text, sent through as it is: all attributes but id, meta, active, password, groups and members. */
    document: text().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.id] }),
    uniqueIndex('resources_unique_key').on(t.tenantId, t.resourceType, t.uniqueKey),
    // Ids are UUIDv7: this order is the order of creation, in which lists are paged.
    index('resources_type').on(t.tenantId, t.resourceType, t.id),
    index('resources_external_id').on(t.tenantId, t.externalId),
    index('resources_display_key').on(t.tenantId, t.resourceType, t.displayKey),
    tenantsOwn(),
  ],
)

/**
 * What filters and sorting see of each resource, in a table of its own: a change of what is not searched leaves the row and its
 * index entries alone. The statement that writes a resource writes the row. It refers to nothing, as a look at the resource
 * would cost each of them more.
 */
export const searchDocuments = pgTable(
  'search_documents',
  {
    tenantId: tenantIdColumn('tenant_id').notNull(),
    resourceType: text('resource_type').notNull(),
    resourceId: uuid('resource_id').notNull(),
    /** `{"<tenant id>": {…}}`: the values in comparable form; the tenant leads inside the GIN index too. */
    search: jsonb().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.resourceType, t.resourceId] }),
    // Entries wait in a list, which look-ups read too, and are put in place many at once: delivery/search-index-upkeep.
    index('search_documents_search')
      .using('gin', t.search.op('jsonb_path_ops'))
      .with({ fastupdate: true, gin_pending_list_limit: 512 }),
    tenantsOwn(),
  ],
)

/** Values of unique attributes of registered schemas; the primary key decides who has one. */
export const resourceKeys = pgTable(
  'resource_keys',
  {
    tenantId: tenantIdColumn('tenant_id').notNull(),
    resourceType: text('resource_type').notNull(),
    /** Attribute path in standard notation. */
    attribute: text().notNull(),
    key: key('key').notNull(),
    resourceId: uuid('resource_id').notNull(),
  },
  (t) => [
    primaryKey({ name: 'resource_keys_pk', columns: [t.tenantId, t.resourceType, t.attribute, t.key] }),
    index('resource_keys_resource').on(t.tenantId, t.resourceId),
    foreignKey({ columns: [t.tenantId, t.resourceId], foreignColumns: [resources.tenantId, resources.id] }).onDelete(
      'cascade',
    ),
    tenantsOwn(),
  ],
)

/**
 * Who is in which group. The second index reads a user's groups.
 *
 * Triggers refuse a group or member that is no resource of the tenant, once for each statement. References would lock the
 * member's row for each member, and write its page to the log.
 */
export const memberships = pgTable(
  'memberships',
  {
    tenantId: tenantIdColumn('tenant_id').notNull(),
    groupId: uuid('group_id').notNull(),
    memberId: uuid('member_id').notNull(),
    /** The `display` that the client sent; shown where the member has no displayName. And the same folded. */
    display: text(),
    displayKey: key('display_key'),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.groupId, t.memberId] }),
    index('memberships_member').on(t.tenantId, t.memberId, t.groupId),
    tenantsOwn(),
  ],
)

/**
 * Members that are no resource of the tenant (yet). Only a tenant that defers the check of references keeps them, as sent.
 */
export const deferredMembers = pgTable(
  'deferred_members',
  {
    tenantId: tenantIdColumn('tenant_id').notNull(),
    groupId: uuid('group_id').notNull(),
    value: key('value').notNull(),
    display: text(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.groupId, t.value] }),
    foreignKey({ columns: [t.tenantId, t.groupId], foreignColumns: [resources.tenantId, resources.id] }).onDelete(
      'cascade',
    ),
    tenantsOwn(),
  ],
)

/** Roles that groups give, or gave once: who has one is found by memberships and `role_bindings`, and stands nowhere. */
export const roles = pgTable(
  'roles',
  {
    tenantId: tenantIdColumn('tenant_id')
      .notNull()
      .references(() => tenants.id),
    id: uuid().notNull(),
    key: key('key').notNull(),
    /** Counted up with every change of who has it, for the order of its events. */
    version: bigint({ mode: 'number' }).notNull().default(0),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.id] }), uniqueIndex('roles_key').on(t.tenantId, t.key), tenantsOwn()],
)

/** Which group gives which role, from when a rule first matched it until the group or the rule goes. */
export const roleBindings = pgTable(
  'role_bindings',
  {
    tenantId: tenantIdColumn('tenant_id').notNull(),
    groupId: uuid('group_id').notNull(),
    roleId: uuid('role_id').notNull(),
    /** The rule, as tenancy/role-rules names it. */
    rule: text().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.groupId, t.roleId, t.rule] }),
    index('role_bindings_role').on(t.tenantId, t.roleId, t.groupId),
    // Names that fall together are refused before; should they not be, nothing is merged.
    uniqueIndex('role_bindings_every_group').on(t.tenantId, t.roleId).where(sql`rule = 'everyGroup'`),
    foreignKey({ columns: [t.tenantId, t.groupId], foreignColumns: [resources.tenantId, resources.id] }).onDelete(
      'cascade',
    ),
    foreignKey({ columns: [t.tenantId, t.roleId], foreignColumns: [roles.tenantId, roles.id] }),
    tenantsOwn(),
  ],
)

/**
 * How far the groups of a tenant are in step with rules that were changed: one row for each tenant whose rules ever were. It
 * refers to nothing, so that a change of an environment's rules waits for none of its tenants.
 */
export const roleRuleWork = pgTable(
  'role_rule_work',
  {
    tenantId: tenantIdColumn('tenant_id').primaryKey(),
    environmentId: environmentIdColumn('environment_id').notNull(),
    /** Counted up by each change of the rules, which begins the work anew. */
    generation: integer().notNull().default(1),
    /** There were no rules before: the work waits for the writers who may not have seen any. */
    waits: boolean().notNull(),
    /** All groups give what the rules say; what they give by other rules is being ended. */
    ending: boolean().notNull().default(false),
    /** The last group that was looked at, in this half of the work. */
    after: uuid(),
    /** Groups that there are, counted at the beginning, and how many of them were looked at. */
    groups: integer(),
    groupsDone: integer('groups_done').notNull().default(0),
    /** Who has changed the rules, for the events. */
    actor: text().notNull(),
    requestId: text('request_id').notNull(),
    startedAt: moment('started_at').notNull().defaultNow(),
    /** When an instance may go on: at once, and a while after a failure. */
    dueAt: moment('due_at').notNull().defaultNow(),
    /** One binding at a time: more took too long. */
    small: boolean().notNull().default(false),
    /** Why a group does not give what the rules say; null where all do. */
    problem: text(),
    finishedAt: moment('finished_at'),
  },
  (t) => [
    index('role_rule_work_due').on(t.dueAt).where(sql`finished_at is null`),
    index('role_rule_work_environment').on(t.environmentId, t.finishedAt),
    tenantsOwn(),
  ],
)

/**
 * Deleted users of a tenant that keeps them for a while. A row has only what recognises a user who comes back, and what goes on
 * then. No query shows these users.
 */
export const keptUsers = pgTable(
  'kept_users',
  {
    tenantId: tenantIdColumn('tenant_id')
      .notNull()
      .references(() => tenants.id),
    id: uuid().notNull(),
    uniqueKey: key('unique_key').notNull(),
    externalId: key('external_id'),
    /** E-mail values, folded; the primary one first. */
    emails: text().array().notNull(),
    version: bigint({ mode: 'number' }).notNull(),
    createdAt: moment('created_at').notNull(),
    keptUntil: moment('kept_until').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.id] }),
    index('kept_users_unique_key').on(t.tenantId, t.uniqueKey),
    index('kept_users_external_id').on(t.tenantId, t.externalId),
    index('kept_users_end').on(t.keptUntil),
    tenantsOwn(),
  ],
)

/**
 * How many resources of a type there are, and how many of the users are active. The instance that numbers events adds what
 * these have changed, so the number as it is now is this row together with `waiting_events`.
 */
export const resourceCounts = pgTable(
  'resource_counts',
  {
    tenantId: tenantIdColumn('tenant_id').notNull(),
    resourceType: text('resource_type').notNull(),
    total: integer().notNull(),
    active: integer().notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.resourceType] }), tenantsOwn()],
)

/**
 * What happened to a tenant's resources, appended by the statement that makes the change and never changed after.
 *
 * `seq` is drawn before the commit, so readers must not page by it. They follow the tenant's own dense numbers, which are in
 * `event_positions`.
 */
export const events = pgTable(
  'events',
  {
    tenantId: tenantIdColumn('tenant_id').notNull(),
    seq: bigint({ mode: 'number' }).notNull().generatedAlwaysAsIdentity(),
    id: uuid().notNull().default(sql`gen_random_uuid()`),
    /** `user.created`, `group.member_added`, … */
    type: text().notNull(),
    resourceType: text('resource_type').notNull(),
    resourceId: uuid('resource_id').notNull(),
    version: bigint({ mode: 'number' }).notNull(),
    requestId: text('request_id').notNull(),
    /** Id of the API key that asked. */
    actor: text().notNull(),
    occurredAt: moment('occurred_at').notNull(),
    /** JSON text. What changed: attribute paths with before and after, or member ids in a bounded batch; never a secret. */
    changes: text().notNull(),
    /** By how many the change raises the number of resources of the type, and the number of active users. */
    totalDelta: smallint('total_delta').notNull().default(0),
    activeDelta: smallint('active_delta').notNull().default(0),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.seq] }),
    index('events_time').on(t.tenantId, t.occurredAt),
    // Raw, since the condition of an index has no parameters. The text is made of constants, the types of events.
    index('events_leavers')
      .on(t.tenantId, t.occurredAt)
      .where(sql.raw(`type in ${LEAVER_TYPES_SQL}`)),
    tenantsOwn(),
  ],
)

/**
 * Events that have no position yet, each with what `resource_counts` does not have yet. The statement that appends an event
 * appends its row here, and the instance that gives the position deletes it. The table is small, and never searched but in the
 * order of its key.
 */
export const waitingEvents = pgTable(
  'waiting_events',
  {
    tenantId: tenantIdColumn('tenant_id').notNull(),
    seq: bigint({ mode: 'number' }).notNull(),
    resourceType: text('resource_type').notNull(),
    totalDelta: smallint('total_delta').notNull(),
    activeDelta: smallint('active_delta').notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.seq] }), tenantsOwn()],
)

/** Events that the leaver brake holds back, which may take days. `resource_counts` has counted what they change. */
export const heldEvents = pgTable(
  'held_events',
  {
    tenantId: tenantIdColumn('tenant_id').notNull(),
    seq: bigint({ mode: 'number' }).notNull(),
    resourceId: uuid('resource_id').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.seq] }),
    index('held_events_resource').on(t.tenantId, t.resourceId, t.seq),
    tenantsOwn(),
  ],
)

/**
 * The tenant's own dense numbers of its events. One instance at a time gives them, after the events' commit: a reader that has
 * seen one has seen all below it. They are no column of `events`, whose wide rows each of them would write again.
 */
export const eventPositions = pgTable(
  'event_positions',
  {
    tenantId: tenantIdColumn('tenant_id').notNull(),
    position: bigint({ mode: 'number' }).notNull(),
    seq: bigint({ mode: 'number' }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.position] }), tenantsOwn()],
)

/**
 * How far a tenant's log goes. The instance that numbers events holds the row until its commit, so that one does at a time.
 * Writers of events never touch it. The first numbered event makes it.
 */
export const eventLogs = pgTable(
  'event_logs',
  {
    tenantId: tenantIdColumn('tenant_id')
      .primaryKey()
      .references(() => tenants.id),
    /** Of the tenant; a trigger sets it. */
    environmentId: environmentIdColumn('environment_id'),
    /** The highest position given. */
    head: bigint({ mode: 'number' }).notNull().default(0),
    /** Events up to this position have been deleted for their age. */
    trimmed: bigint({ mode: 'number' }).notNull().default(0),
    /** Of the leaver brake's hold, while it holds events; and when it is over by itself. */
    holdId: uuid('hold_id'),
    heldSince: moment('held_since'),
    heldUntil: moment('held_until'),
    /** The hold is over, and its events are getting their positions. */
    releasedAt: moment('released_at'),
    /** Leavers before this have been told of or let go, and do not count any more. */
    leaversFrom: moment('leavers_from'),
    /**
     * When the first event happened that is still there, so that retention finds old ones without a look into each log. A trigger
     * sets it when there is one again, and each deletion of old events moves it on.
     */
    oldestAt: moment('oldest_at'),
  },
  (t) => [
    index('event_logs_held').on(t.tenantId).where(sql`hold_id is not null`),
    index('event_logs_oldest').on(t.environmentId, t.oldestAt, t.tenantId).where(sql`oldest_at is not null`),
    tenantsOwn(),
  ],
)

/**
 * Events that an endpoint has not accepted yet. A row is made with the event's position and goes when it is delivered. Dead ones
 * stay until a replay, or until the event's time is over. A trigger refuses those of a tenant that the endpoint is not
 * for, once for each statement: references to both places would be looked up for each row.
 */
export const webhookDeliveries = pgTable(
  'webhook_deliveries',
  {
    tenantId: tenantIdColumn('tenant_id').notNull(),
    endpointId: uuid('endpoint_id')
      .notNull()
      .references(() => webhookEndpoints.id, { onDelete: 'cascade' }),
    position: bigint({ mode: 'number' }).notNull(),
    resourceId: uuid('resource_id').notNull(),
    attempts: integer().notNull().default(0),
    /**
     * When it may be claimed. A claim moves it on, so that another instance takes over from one that died; `infinity` while
     * an earlier event of the resource has to go first.
     */
    dueAt: timestamp('due_at', { withTimezone: true }).notNull().defaultNow(),
    firstTriedAt: moment('first_tried_at'),
    /** Given up. */
    dead: boolean().notNull().default(false),
    /** This event, or a later one of its resource that waits too, tells that a user has left: it goes before others. */
    urgent: boolean().notNull().default(false),
    /** Of a stream: which of the event's tokens were accepted, one bit each. */
    taken: integer().notNull().default(0),
    lastStatus: integer('last_status'),
    lastError: text('last_error'),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.endpointId, t.position] }),
    index('webhook_deliveries_due').on(t.endpointId, t.tenantId, t.dueAt).where(sql`not dead`),
    index('webhook_deliveries_urgent').on(t.endpointId, t.tenantId, t.dueAt).where(sql`not dead and urgent`),
    index('webhook_deliveries_dead').on(t.endpointId, t.tenantId, t.position).where(sql`dead`),
    index('webhook_deliveries_resource').on(t.tenantId, t.endpointId, t.resourceId, t.position).where(sql`not dead`),
    tenantsOwn(),
  ],
)

/**
 * The provisioning log: each SCIM request of a tenant. A row is written once, behind the request, and deleted for its age. Ids are
 * UUIDv7 of the request's time: the primary key has the order of time. The second index has, for each kind of request, that order too.
 */
export const requestLog = pgTable(
  'request_log',
  {
    tenantId: tenantIdColumn('tenant_id').notNull(),
    /** The request's id, where the gateway gave it. */
    id: uuid().notNull(),
    /** `create`, `list`, …; `gap` for requests that were left out. */
    operation: key('operation').notNull(),
    status: smallint().notNull(),
    /** Id of the API key; empty where it is not known. */
    keyId: key('key_id').notNull(),
    /** What `request_terms` has of it. */
    terms: text().array().notNull(),
    /** JSON text: all that lists show. */
    entry: text().notNull(),
    /** JSON text: the bodies, cut, without secrets; null where there are none. */
    bodies: text(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.id] }),
    index('request_log_kind').on(t.tenantId, t.operation, t.status, t.keyId, t.id),
    tenantsOwn(),
  ],
)

/** By which requests are found: hashes of userNames, addresses and ids that they name. */
export const requestTerms = pgTable(
  'request_terms',
  {
    tenantId: tenantIdColumn('tenant_id').notNull(),
    term: key('term').notNull(),
    id: uuid().notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.term, t.id] }), tenantsOwn()],
)

/**
 * Which builds may serve the database: one row, which migrations write. A migration that takes away what older builds read names
 * itself here, and a build that does not know the migration refuses to serve.
 */
export const schemaCompatibility = pgTable(
  'schema_compatibility',
  {
    only: boolean().primaryKey().default(true),
    /** The name of the migration that a build has to know. */
    needsMigration: text('needs_migration').notNull(),
    /** The first release that knows it, for people. */
    needsRelease: text('needs_release').notNull(),
  },
  (t) => [check('schema_compatibility_one_row', sql`${t.only}`)],
)
