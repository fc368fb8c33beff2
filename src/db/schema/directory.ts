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
  unique,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import { environmentIdColumn, key, moment, tenantIdColumn, tenantsOwn, tenantsOwnOrShared } from './columns.ts'
import { environments, tenants } from './places.ts'

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
