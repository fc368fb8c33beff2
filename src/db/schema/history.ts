import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import { environmentIdColumn, moment, tenantIdColumn, tenantsOwn } from './columns.ts'

// The history of a tenant: who was there, active, in which groups and with which roles, from when until when and by which requests. It
// is written behind the log and outlives events. A row is a span of time. Rows name people, groups and roles by numbers of the tenant,
// and `history_subjects` alone knows whose number it is: a person is erased there and in `history_states.name`.

/** How far a tenant's history is. Whoever writes it holds the row until its commit, so that one does at a time. */
export const histories = pgTable(
  'histories',
  {
    tenantId: tenantIdColumn('tenant_id').primaryKey(),
    /** Of the tenant, for what is old. */
    environmentId: environmentIdColumn('environment_id').notNull(),
    /**
     * `ending`: closes what is open since before a gap; `picture`: takes what is there now; `catching`: takes what happened meanwhile;
     * `following`: follows the log.
     */
    phase: text({ enum: ['ending', 'picture', 'catching', 'following'] }).notNull(),
    /** Events up to this position are in the history, or were before it began. */
    position: bigint({ mode: 'number' }).notNull(),
    /** The highest number given. */
    numbers: integer().notNull().default(0),
    /** Where the starting picture is: its part, and the last row that was taken. */
    part: text(),
    after: text(),
    /** When the starting picture began. */
    begunAt: moment('begun_at').notNull(),
    /** Where the log ended when the picture was done. The history tells of all times from when it is there. */
    target: bigint({ mode: 'number' }),
    startedAt: moment('started_at'),
    /** Since when it is switched off; it still answers for the time before. */
    endedAt: moment('ended_at'),
    /** Times of which it does not tell since it was switched off: `[{"from":…,"until":…}]`, in milliseconds since 1970. */
    gaps: jsonb().notNull().default([]),
    /** When the first span ended that is still there, so that old ones are found without a look into each history. */
    oldestEnd: moment('oldest_end'),
    /** Not before, after a failure. */
    dueAt: moment('due_at').notNull().defaultNow(),
  },
  (t) => [
    index('histories_beginning').on(t.tenantId).where(sql`phase <> 'following' and ended_at is null`),
    index('histories_oldest').on(t.environmentId, t.oldestEnd, t.tenantId).where(sql`oldest_end is not null`),
    tenantsOwn(),
  ],
)

/** Environments in which the setting was changed: their tenants follow, some at a time. */
export const historySwitches = pgTable('history_switches', {
  environmentId: environmentIdColumn('environment_id').primaryKey(),
  /** The last tenant that was looked at. */
  after: uuid(),
})

/** Logs that have grown and that a history follows. The table is small, like `waiting_events`. */
export const waitingHistories = pgTable(
  'waiting_histories',
  {
    tenantId: tenantIdColumn('tenant_id').notNull(),
    /** Of the last new event. */
    position: bigint({ mode: 'number' }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.position] }), tenantsOwn()],
)

/** Whose number it is. Numbers are given once; that of an erased person stays, without the id. */
export const historySubjects = pgTable(
  'history_subjects',
  {
    tenantId: tenantIdColumn('tenant_id').notNull(),
    number: integer().notNull(),
    /** Null until an event says it. */
    kind: text({ enum: ['User', 'Group', 'Agent', 'Role'] }),
    /** Id of the resource or role; null once the person was erased. */
    ref: uuid(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.number] }),
    uniqueIndex('history_subjects_ref').on(t.tenantId, t.ref),
    tenantsOwn(),
  ],
)

/** From when until when, and by which requests: positions, times, ids of requests and of API keys. */
const span = {
  /** Of the event; of a span that was open when the history began, where the picture of it did. */
  fromPosition: bigint('from_position', { mode: 'number' }).notNull(),
  /** Null while it lasts. */
  toPosition: bigint('to_position', { mode: 'number' }),
  fromAt: moment('from_at').notNull(),
  toAt: moment('to_at'),
}
const requests = {
  /** Null where it began before the history. */
  fromRequest: text('from_request'),
  fromActor: text('from_actor'),
  toRequest: text('to_request'),
  toActor: text('to_actor'),
}

/** Spans in which a person, group or agent was there under one name, active or not; a role has one span. */
export const historyStates = pgTable(
  'history_states',
  {
    tenantId: tenantIdColumn('tenant_id').notNull(),
    ...span,
    number: integer().notNull(),
    /** Null for groups and roles. */
    active: boolean(),
    ...requests,
    /** userName, displayName of a group, key of a role; empty once the person was erased. */
    name: text().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.number, t.fromPosition] }),
    index('history_states_end').on(t.tenantId, t.toAt).where(sql`to_at is not null`),
    tenantsOwn(),
  ],
)

/** Spans in which somebody had something: a member its group, a user a role. */
export const historyGrants = pgTable(
  'history_grants',
  {
    tenantId: tenantIdColumn('tenant_id').notNull(),
    ...span,
    /** Number of the group or role. */
    object: integer().notNull(),
    /** Number of who has it. */
    subject: integer().notNull(),
    ...requests,
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.object, t.subject, t.fromPosition] }),
    index('history_grants_subject').on(t.tenantId, t.subject, t.object, t.fromPosition),
    index('history_grants_end').on(t.tenantId, t.toAt).where(sql`to_at is not null`),
    tenantsOwn(),
  ],
)

/** Public keys that have signed an export of a history: they stay published for as long as somebody may verify one. */
export const historyKeys = pgTable('history_keys', {
  /** The thumbprint of the key (RFC 7638), so that no other key can stand under it. */
  kid: text().primaryKey(),
  publicJwk: jsonb('public_jwk').notNull(),
  signedAt: moment('signed_at').notNull().defaultNow(),
})
