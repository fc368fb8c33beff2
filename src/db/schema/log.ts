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
  smallint,
  text,
  timestamp,
  uuid,
} from 'drizzle-orm/pg-core'
import { LEAVER_TYPES } from '../../events/types.ts'
import { environmentIdColumn, key, moment, tenantIdColumn, tenantsOwn, tenantsOwnOrShared } from './columns.ts'
import { environments, tenants } from './places.ts'

/** `LEAVER_TYPES` as SQL text: the index on leavers serves only statements with the same text. */
export const LEAVER_TYPES_SQL = `(${LEAVER_TYPES.map((type) => `'${type}'`).join(', ')})`

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
