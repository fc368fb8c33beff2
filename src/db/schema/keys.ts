import { sql } from 'drizzle-orm'
import {
  boolean,
  check,
  foreignKey,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  unique,
  uuid,
} from 'drizzle-orm/pg-core'
import { environmentIdColumn, moment, projectIdColumn, tenantIdColumn, tenantsOwn } from './columns.ts'
import { resources } from './directory.ts'
import { environments, projects, tenants } from './places.ts'

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

/** Issuers whose assertions prove that a client may use the API key, in place of a secret of it (workload identity federation). */
export const apiKeyTrusts = pgTable(
  'api_key_trusts',
  {
    keyId: text('key_id')
      .notNull()
      .references(() => apiKeys.id, { onDelete: 'cascade' }),
    id: uuid().notNull(),
    issuer: text().notNull(),
    jwksUri: text('jwks_uri').notNull(),
    subject: text().notNull(),
    audiences: text().array().notNull(),
    algorithms: text().array().notNull(),
    createdAt: moment('created_at').notNull().defaultNow(),
    lastUsedAt: moment('last_used_at'),
    /** User-Agent of the client. */
    lastUsedBy: text('last_used_by'),
  },
  (t) => [primaryKey({ columns: [t.keyId, t.id] })],
)

/** Client assertions that were used, until they expire: none is accepted twice. */
export const usedAssertions = pgTable(
  'used_assertions',
  {
    keyId: text('key_id').notNull(),
    /** Of what it can be told by: its `jti`, or that of an issuer and what the issuer calls it. */
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
