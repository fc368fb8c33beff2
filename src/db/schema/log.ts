import { sql } from 'drizzle-orm'
import { bigint, index, pgTable, primaryKey, smallint, text, uuid } from 'drizzle-orm/pg-core'
import { LEAVER_TYPES } from '../../events/types.ts'
import { environmentIdColumn, key, moment, tenantIdColumn, tenantsOwn } from './columns.ts'
import { tenants } from './places.ts'

/** `LEAVER_TYPES` as SQL text: the index on leavers serves only statements with the same text. */
export const LEAVER_TYPES_SQL = `(${LEAVER_TYPES.map((type) => `'${type}'`).join(', ')})`

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
    /** Up to here, the feed of the environment has the log or is about to have it; where there is a feed. */
    fed: bigint({ mode: 'number' }).notNull().default(0),
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
