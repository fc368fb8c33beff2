import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  foreignKey,
  index,
  integer,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import { environmentIdColumn, key, moment, tenantIdColumn, tenantsOwn } from './columns.ts'
import { resources } from './directory.ts'
import { tenants } from './places.ts'

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
