import { sql } from 'drizzle-orm'
import { bigint, boolean, pgPolicy, pgTable, primaryKey, uuid } from 'drizzle-orm/pg-core'
import { environment, environmentIdColumn, moment, tenantIdColumn, tenantsOwn } from './columns.ts'
import { environments } from './places.ts'

// The feed of an environment: the events of all its tenants in one order. A stretch is a row of neighbouring events of one tenant's
// log. The instance that numbers events leaves each new stretch in `waiting_stretches`; one instance at a time gives these their places
// in the feed. An environment whose feed nobody has asked for has none, and costs nothing.

/** Environments with a feed. Whoever gives places holds the row until its commit, so that one does at a time. */
export const environmentFeeds = pgTable(
  'environment_feeds',
  {
    environmentId: environmentIdColumn('environment_id')
      .primaryKey()
      .references(() => environments.id),
    /** Stands in each cursor, which is good for this feed alone. */
    id: uuid().notNull().defaultRandom(),
    /** The highest place given. Places are dense: each event has one. */
    head: bigint({ mode: 'number' }).notNull().default(0),
    /** Stretches up to this place were deleted for their age. */
    trimmed: bigint({ mode: 'number' }).notNull().default(0),
    /** What was in the logs before the feed was opened is in it. */
    complete: boolean().notNull().default(false),
    /** When it was last read, to within an hour. One that nobody reads is closed. */
    readAt: moment('read_at').notNull().defaultNow(),
    /** It is being closed: no more stretches are left for it, and those that there are go. */
    closing: boolean().notNull().default(false),
  },
  () => [pgPolicy('tenants_own', { using: sql`environment_id = ${environment}` })],
)

/** Stretches without a place. The table is small, like `waiting_events`. */
export const waitingStretches = pgTable(
  'waiting_stretches',
  {
    tenantId: tenantIdColumn('tenant_id').notNull(),
    /** Of the last event. */
    position: bigint({ mode: 'number' }).notNull(),
    size: bigint({ mode: 'number' }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.position] }), tenantsOwn()],
)

/**
 * The feeds, stretch by stretch. Rows of a tenant that is deleted, or that moves away, stay until they are old: readers pass over
 * them. So no index has them by tenant.
 */
export const feedStretches = pgTable(
  'feed_stretches',
  {
    environmentId: environmentIdColumn('environment_id').notNull(),
    /** Of the last event. */
    place: bigint({ mode: 'number' }).notNull(),
    tenantId: tenantIdColumn('tenant_id').notNull(),
    /** In the tenant's log, of the last event. */
    position: bigint({ mode: 'number' }).notNull(),
    size: bigint({ mode: 'number' }).notNull(),
    placedAt: moment('placed_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.environmentId, t.place] }), tenantsOwn()],
)
