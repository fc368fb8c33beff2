import { and, desc, eq, gt, sql } from 'drizzle-orm'
import type { Database } from '../../db/database.ts'
import { eventLogs, eventPositions, events } from '../../db/schema.ts'
import type { LoggedEvent } from '../../events/event.ts'
import type { TenantId } from '../../place-ids.ts'
import { typesSql } from '../sql/append-events.ts'
import { literal, milliseconds } from '../sql/fragments.ts'
import { numberedEvents } from './event-log.ts'

/**
 * Positions that are read for one page of a resource's events. The log has no index by resource, because every write would
 * have to keep it.
 */
const LOOKED_BACK = 10_000

/** Events that are counted for the chart of a tenant's hours. */
const COUNTED = 50_000

/** A page of a log, backwards. */
export interface BackwardPage {
  /** Only events below this position; without it, the page begins with the newest event. */
  readonly before?: number | undefined
  /** Only events that happened at this moment or before, or after it. */
  readonly until?: Date | undefined
  readonly since?: Date | undefined
  /** Only events of this resource, and those that tell of it as a member or as the holder of a role. */
  readonly resourceId?: string | undefined
  /** Only events of this type, or of all types of a noun, such as `user`. */
  readonly type?: string | undefined
  readonly limit: number
}

/** Events, the newest first; `next` is the `before` of the next page, undefined where no older events are kept. */
export interface LatestEvents {
  readonly events: readonly LoggedEvent[]
  readonly next: number | undefined
}

/** Types of events that tell of people by their ids in `changes`, beside the group or the role that they are of. */
const OF_MEMBERS = ['group.member_added', 'group.member_removed', 'role.assigned', 'role.unassigned'] as const

/** A tenant's numbered events backwards. A page of some of the events may be empty and still have a `next`. */
export async function latestEvents(
  db: Database,
  tenantId: TenantId,
  { before: given, until, since, resourceId, type: wanted, limit }: BackwardPage,
): Promise<LatestEvents> {
  const { orm } = db.asTenant(tenantId)
  const ended = until && (await lastPositionUntil(db, tenantId, until)) + 1
  const before = given === undefined ? ended : Math.min(given, ended ?? given)
  const begun = since === undefined ? 0 : await lastPositionUntil(db, tenantId, new Date(since.getTime() - 1))
  const end = sql`${eventLogs.head} + 1`
  const s = orm
    .select({
      before: sql<number>`least(coalesce(${before ?? null}::bigint, ${end}), ${end})`.as('before'),
      trimmed: eventLogs.trimmed,
    })
    .from(eventLogs)
    .where(eq(eventLogs.tenantId, tenantId))
    .as('s')
  const { position, seq } = eventPositions
  const e = orm
    .select()
    .from(events)
    .where(and(eq(events.tenantId, tenantId), eq(events.seq, seq)))
    // So that each event is looked up by its key.
    .offset(literal(0))
    .as('e')
  const { id, type, resourceType, resourceId: of, version, requestId, actor, occurredAt, changes } = e
  const x = orm
    .select({
      ...{ position, id, type, resourceType, resourceId: of, version, requestId, actor, changes },
      occurredAt: milliseconds(occurredAt).as('occurred_at_ms'),
    } satisfies Record<Exclude<keyof LoggedEvent, 'account' | 'maps'>, unknown>)
    .from(eventPositions)
    .crossJoinLateral(e)
    .where(
      and(
        eq(eventPositions.tenantId, tenantId),
        sql`${position} < ${s.before} and ${position} >= ${s.before} - ${literal(LOOKED_BACK)}`,
        begun === 0 ? undefined : gt(position, begun),
        resourceId === undefined
          ? undefined
          : sql`(${of} = ${resourceId} or (${type} in ${sql.raw(typesSql(...OF_MEMBERS))} and position(${resourceId}::text in ${changes}) > 0))`,
        wanted === undefined
          ? undefined
          : wanted.includes('.')
            ? sql`${type} = ${wanted}`
            : sql`split_part(${type}, '.', 1) = ${wanted}`,
      ),
    )
    .orderBy(desc(position))
    .limit(literal(limit))
    .as('x')
  const rows = await orm.select().from(s).leftJoinLateral(x, sql`true`).orderBy(desc(x.position))
  // Numbered events, which the condition on the position lets through alone.
  const found = rows.flatMap((row) => (row.x === null ? [] : [row.x as LoggedEvent]))
  const { before: start, trimmed } = rows[0]?.s ?? { before: 1, trimmed: 0 }
  const next = found.length === limit ? (found.at(-1)?.position ?? start) : start - LOOKED_BACK
  return { events: found, next: next > Math.max(trimmed, begun) + 1 ? next : undefined }
}

/**
 * The position of the last event that happened by a moment, 0 where there is none. It halves the log, since no index has positions
 * by time: twenty look-ups for a million events.
 */
async function lastPositionUntil(db: Database, tenantId: TenantId, moment: Date): Promise<number> {
  const rows = await db.asTenant(tenantId).run<{ position: number }>(
    `with recursive halves(low, high) as (
       select l.trimmed, l.head from event_logs l where l.tenant_id = $1::uuid
       union all
       select case when m.late then h.low else h.middle end, case when m.late then h.middle - 1 else h.high end
       from (select low, high, (low + high + 1) / 2 as middle from halves where low < high) h cross join lateral (
         select coalesce((select e.occurred_at > to_timestamp($2::float8 / 1000) from ${numberedEvents('$1::uuid')}
           where p.tenant_id = $1::uuid and p.position = h.middle), false) as late offset 0
       ) m
     )
     select low::float8 as position from halves where low >= high order by low limit 1`,
    [tenantId, moment.getTime()],
    { prepare: false },
  )
  return rows[0]?.position ?? 0
}

/** How many events there were in each of the last `hours` hours, the oldest first; only the latest 50,000 are counted. */
export async function eventsByHour(db: Database, tenantId: TenantId, hours: number): Promise<number[]> {
  const { orm } = db.asTenant(tenantId)
  const r = orm
    .select({ occurredAt: events.occurredAt })
    .from(events)
    .where(
      and(eq(events.tenantId, tenantId), gt(events.occurredAt, sql`now() - make_interval(hours => ${hours}::int)`)),
    )
    .orderBy(desc(events.occurredAt))
    .limit(literal(COUNTED))
    .as('r')
  const rows = await orm
    .select({
      ago: sql<number>`floor(extract(epoch from now() - ${r.occurredAt}) / 3600)::int`,
      count: sql<number>`count(*)::int`,
    })
    .from(r)
    .groupBy(sql`1`)
  const counts = new Map(rows.map(({ ago, count }) => [Math.max(0, ago), count]))
  return Array.from({ length: hours }, (_, i) => counts.get(hours - 1 - i) ?? 0)
}
