import { sql } from 'drizzle-orm'
import { index, jsonb, pgTable, primaryKey, text, uuid } from 'drizzle-orm/pg-core'
import { key, moment, tenantIdColumn, tenantsOwn } from './columns.ts'

/**
 * Erasures of people: the work while it goes on, and then its receipt. Only while the work goes on has a row anything of the person.
 *
 * The control plane alone reads these rows, and they refer to nothing. So the role for tenants has no rights here, and on Citus the
 * coordinator keeps them.
 */
export const erasures = pgTable(
  'erasures',
  {
    tenantId: tenantIdColumn('tenant_id').notNull(),
    /** UUIDv7: the order in which they were asked for. */
    id: uuid().notNull(),
    /** The user's id; null where the person was named otherwise. */
    userId: uuid('user_id'),
    /** By what the person is found, as erasure/person has it; null once nothing is looked for any more. */
    subject: jsonb(),
    /** Where the work is, by its name in erasure/places; and the last row there that was looked at. */
    place: key('place').notNull(),
    after: text(),
    /** How many rows were erased, by table. */
    erased: jsonb().notNull().default({}),
    /** What became of the pages that the rows were on. */
    storage: text({ enum: ['rewritten', 'vacuumed'] }),
    /** Who asked: id of the API key, or of a person. */
    actor: text().notNull(),
    requestId: text('request_id').notNull(),
    /** The number of the case, for people. */
    reference: text(),
    askedAt: moment('asked_at').notNull(),
    /** When an instance may go on. */
    dueAt: moment('due_at').notNull(),
    finishedAt: moment('finished_at'),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.id] }),
    index('erasures_due').on(t.dueAt).where(sql`finished_at is null`),
    tenantsOwn(),
  ],
)
