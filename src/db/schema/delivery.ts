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
  timestamp,
  uuid,
} from 'drizzle-orm/pg-core'
import { environmentIdColumn, moment, tenantIdColumn, tenantsOwn, tenantsOwnOrShared } from './columns.ts'
import { environments, tenants } from './places.ts'

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
    /** Of a stream: what is queued for it waits until it is not paused any more. */
    paused: boolean().notNull().default(false),
    /** Why it is paused or enabled, in the words of its receiver. */
    statusReason: text('status_reason'),
    /** Id of the API key by which the receiver of a stream has made it and manages it; null for one that an operator has made. */
    receiverKey: text('receiver_key'),
    /** When the receiver last asked for a verification event. */
    verifiedAt: moment('verified_at'),
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
    index('webhook_endpoints_receiver').on(t.receiverKey).where(sql`receiver_key is not null`),
    foreignKey({
      name: 'webhook_endpoints_tenant',
      columns: [t.environmentId, t.tenantId],
      foreignColumns: [tenants.environmentId, tenants.id],
    }),
    tenantsOwnOrShared(),
  ],
)

/**
 * What streams are told about themselves and have not accepted yet: verification events, and changes of their status. A stream has a
 * few at the most.
 */
export const streamMessages = pgTable(
  'stream_messages',
  {
    endpointId: uuid('endpoint_id')
      .notNull()
      .references(() => webhookEndpoints.id, { onDelete: 'cascade' }),
    /** UUIDv7: the order of their making. */
    id: uuid().notNull(),
    /** The event's URI, and what it says. */
    uri: text().notNull(),
    payload: jsonb().notNull(),
    createdAt: moment('created_at').notNull().defaultNow(),
    /** Whether the gateway sends it; else the receiver comes for it. */
    pushed: boolean().notNull(),
    attempts: integer().notNull().default(0),
    /** As in `webhook_deliveries`; `infinity` while the stream is paused. */
    dueAt: timestamp('due_at', { withTimezone: true }).notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.endpointId, t.id] }), index('stream_messages_due').on(t.dueAt).where(sql`pushed`)],
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
