import { sql } from 'drizzle-orm'
import { bigint, boolean, check, index, integer, jsonb, pgTable, primaryKey, text, uuid } from 'drizzle-orm/pg-core'
import { environmentIdColumn, moment, projectIdColumn, tenantIdColumn, tenantsOwn } from './columns.ts'

/** Secrets of the instance that its processes share, such as the key that seals cursors. Made at the first start. */
export const instanceSecrets = pgTable('instance_secrets', {
  name: text().primaryKey(),
  secret: text().notNull(),
  createdAt: moment('created_at').notNull().defaultNow(),
})

/** Keys that sign access tokens and Security Event Tokens by ES256: signing/keyring tells which of them signs, and how long the others are still believed. */
export const signingKeys = pgTable('signing_keys', signingKeyColumns())

/** The same of the RSA keys, which sign Security Event Tokens alone. */
export const rsaSigningKeys = pgTable('rsa_signing_keys', signingKeyColumns())

function signingKeyColumns() {
  return {
    /** 1 for the first; that it is unique lets one instance alone make the next. */
    generation: integer().primaryKey(),
    kid: text().notNull(),
    publicJwk: jsonb('public_jwk').notNull(),
    /** The private half as a JWK, in a `SecretBox`. */
    sealed: text().notNull(),
    createdAt: moment('created_at').notNull(),
  }
}

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
