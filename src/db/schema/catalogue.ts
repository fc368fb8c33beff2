import { foreignKey, index, integer, jsonb, pgTable, primaryKey, text, unique, uuid } from 'drizzle-orm/pg-core'
import { environmentIdColumn, key, moment, tenantIdColumn, tenantsOwn, tenantsOwnOrShared } from './columns.ts'
import { resources } from './directory.ts'
import { environments, tenants } from './places.ts'
import { roles } from './roles.ts'

/**
 * What the application publishes of roles and entitlements, one row for each place that has published any. The row stays when the
 * catalogue is withdrawn, with nothing in it: users may still have what it offered.
 */
export const catalogues = pgTable(
  'catalogues',
  {
    id: uuid().primaryKey(),
    environmentId: environmentIdColumn('environment_id')
      .notNull()
      .references(() => environments.id),
    /** Null for the one that all tenants of the environment have. */
    tenantId: tenantIdColumn('tenant_id'),
    /** Kinds in force, as tenancy/catalogue has them: few, so that each request can have them at hand. */
    kinds: jsonb().notNull().default([]),
    /** All entries, up to the most that a place may have: only what asks for them reads them. */
    entries: jsonb().notNull().default([]),
    /** Counted up by each change. */
    version: integer().notNull().default(1),
    updatedAt: moment('updated_at').notNull().defaultNow(),
  },
  (t) => [
    unique('catalogues_of_place').on(t.environmentId, t.tenantId).nullsNotDistinct(),
    index('catalogues_tenant').on(t.tenantId),
    foreignKey({
      name: 'catalogues_place',
      columns: [t.environmentId, t.tenantId],
      foreignColumns: [tenants.environmentId, tenants.id],
    }),
    tenantsOwnOrShared(),
  ],
)

/** The roles that users have because the identity provider wrote them: a value of `roles` or `entitlements` that the catalogue offers. */
export const writtenRoles = pgTable(
  'written_roles',
  {
    tenantId: tenantIdColumn('tenant_id').notNull(),
    userId: uuid('user_id').notNull(),
    attribute: text({ enum: ['roles', 'entitlements'] }).notNull(),
    /** The value, folded: letter case does not count. */
    value: key('value').notNull(),
    roleId: uuid('role_id').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.userId, t.attribute, t.value] }),
    index('written_roles_role').on(t.tenantId, t.roleId, t.userId),
    foreignKey({ columns: [t.tenantId, t.userId], foreignColumns: [resources.tenantId, resources.id] }).onDelete(
      'cascade',
    ),
    foreignKey({ columns: [t.tenantId, t.roleId], foreignColumns: [roles.tenantId, roles.id] }),
    tenantsOwn(),
  ],
)

/**
 * Tenants in which users may have a value that a catalogue offers only now. Behind the requests, their users get the roles. The row
 * refers to nothing, so that a change of an environment's catalogue waits for none of its tenants.
 */
export const catalogueWork = pgTable(
  'catalogue_work',
  {
    tenantId: tenantIdColumn('tenant_id').primaryKey(),
    environmentId: environmentIdColumn('environment_id').notNull(),
    /** Counted up by each change that begins the work anew. */
    generation: integer().notNull().default(1),
    /** The last user who was looked at. */
    after: uuid(),
    /** Who has published the catalogue, for the events. */
    actor: text().notNull(),
    requestId: text('request_id').notNull(),
    /** Not before all instances know the catalogue, and a while after a failure. */
    dueAt: moment('due_at').notNull(),
  },
  (t) => [index('catalogue_work_due').on(t.dueAt), tenantsOwn()],
)
