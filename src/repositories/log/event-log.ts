import type { Database } from '../../db/database.ts'
import type { EventTypes, LoggedEvent } from '../../events/event.ts'
import type { TenantId } from '../../place-ids.ts'
import { Parameters } from '../sql/parameters.ts'
import {
  brakeMode,
  eventsThatPass,
  type HoldRow,
  holdColumns,
  holdIn,
  holdIsOver,
  type LogState,
} from './leaver-brake.ts'

/** Events numbered in one transaction, which takes some ten milliseconds. */
export const NUMBERED_AT_ONCE = 1_000

/** Events deleted in one transaction. */
export const TRIMMED_AT_ONCE = 1_000

/** The next events without a position. Where a tenant has a brake, `eventsThatPass` selects them instead. */
const FRESH = `e.position is null and not e.held order by e.seq limit ${NUMBERED_AT_ONCE}`

/** Positions searched for one page, so that a reader of rare types makes progress at a bounded cost. */
const SCANNED_AT_ONCE = 10_000

/** A page of a log. */
export interface LogPage {
  readonly events: readonly LoggedEvent[]
  /** The position after which the next page begins. */
  readonly next: number
  /** The highest position at the time of reading. */
  readonly head: number
  /** Events up to this position were deleted. */
  readonly trimmed: number
}

/** The columns of `events e` that make a `LoggedEvent`. */
export const eventColumns = `e.position::float8 as position, e.id::text as id, e.type, e.resource_type as "resourceType",
  e.resource_id::text as "resourceId", e.version::float8 as version, e.request_id as "requestId", e.actor,
  (extract(epoch from e.occurred_at) * 1000)::float8 as "occurredAt", e.changes`

/**
 * The log of one tenant, for its readers.
 *
 * Writers append events without a position. After their commit one instance at a time gives positions. It locks the row of
 * `event_logs` before it looks for events, and holds the lock until its own commit. So positions become visible in their
 * order, and a reader that has seen one position has seen all positions below it.
 */
export function eventLogOf(database: Database, tenantId: TenantId) {
  const db = database.asTenant(tenantId)
  return {
    /**
     * Gives positions to committed events without one, and queues these events for webhooks. The order is that of writing;
     * within one resource it is that of the versions. Returns the number of events. While another instance numbers, it
     * returns 0 at once, or with `wait` numbers what the other instance has left.
     */
    async number({ wait = false }: { readonly wait?: boolean } = {}): Promise<number> {
      return db.transaction(async (tx) => {
        const log = await takeLog(tx, tenantId, wait)
        if (log === undefined) return 0
        const passing = log.brake === null && log.hold === null ? undefined : await eventsThatPass(tx, tenantId, log)
        if (passing?.length === 0) return 0
        // A separate statement: its snapshot is younger than the lock, so it sees what the last holder has numbered.
        const [done] = await tx.run<{ count: number }>(
          `with fresh as materialized (
             select e.seq, l.head + row_number() over (order by e.seq) as position
             from event_logs l cross join lateral (
               select e.seq from events e where e.tenant_id = $1::uuid
                 and ${passing === undefined ? FRESH : 'e.seq = any($2::text::bigint[])'}
             ) e where l.tenant_id = $1::uuid
           ),
           numbered as (
             update events e set position = f.position, held = false from fresh f where e.tenant_id = $1::uuid and e.seq = f.seq
             returning e.position, e.type, e.resource_id
           ),
           queued as (
             insert into webhook_deliveries (tenant_id, endpoint_id, position, resource_id)
             select $1::uuid, w.id, n.position, n.resource_id from numbered n join (
               -- The lock keeps the endpoint from being deleted before the commit.
               select w.id, w.event_types from tenants t join webhook_endpoints w on w.environment_id = t.environment_id
               where t.id = $1::uuid and w.enabled and (w.tenant_id is null or w.tenant_id = t.id) for key share of w
             ) w on cardinality(w.event_types) = 0 or n.type = any(w.event_types)
               or split_part(n.type, '.', 1) || '.*' = any(w.event_types)
           ),
           counted as (select count(*) as n from numbered),
           moved as (update event_logs l set head = l.head + c.n from counted c where l.tenant_id = $1::uuid)
           select n::int as count from counted`,
          passing === undefined ? [tenantId] : [tenantId, `{${passing.join(',')}}`],
          // Planned each time: a plan that was made for a short log would read all of a long one.
          { prepare: false },
        )
        return done?.count ?? 0
      })
    },

    /**
     * Up to `limit` events after the position `after`. With `types`, `next` may be beyond the last event of the page, and the
     * page may be empty.
     */
    async read(after: number, limit: number, { types, nouns }: EventTypes): Promise<LogPage> {
      const parameters = new Parameters()
      const tenant = parameters.bind(tenantId, 'uuid')
      const from = parameters.bind(after, 'bigint')
      const conditions = [
        ...(types.length > 0 ? [`e.type = any(${parameters.array(types, 'text')})`] : []),
        ...(nouns.length > 0 ? [`split_part(e.type, '.', 1) = any(${parameters.array(nouns, 'text')})`] : []),
      ]
      const rows = await db.run<LoggedEvent & { head: number; trimmed: number; position: number | null }>(
        `select l.head::float8 as head, l.trimmed::float8 as trimmed, x.* from event_logs l left join lateral (
           select ${eventColumns} from events e
           where e.tenant_id = ${tenant} and e.position > ${from} and e.position <= ${from} + ${SCANNED_AT_ONCE}
             ${conditions.length > 0 ? `and (${conditions.join(' or ')})` : ''}
           order by e.position limit ${Math.trunc(limit)}
         ) x on true where l.tenant_id = ${tenant} order by x.position`,
        parameters.values,
      )
      const [first] = rows
      const { head, trimmed } = first ?? { head: 0, trimmed: 0 }
      const events = rows.filter((row) => row.position !== null)
      const looked = Math.max(after, Math.min(head, after + SCANNED_AT_ONCE))
      const next = events.length === limit ? (events.at(-1)?.position ?? looked) : looked
      return { events, next, head, trimmed }
    },

    /**
     * Deletes events that are older than `days`, the oldest first, at most `TRIMMED_AT_ONCE`; returns their number. Writers do
     * not wait: they read neither the deleted events nor the log's row.
     */
    async trim(days: number): Promise<number> {
      return db.transaction(async (tx) => {
        if ((await takeLog(tx, tenantId, false)) === undefined) return 0
        const [done] = await tx.run<{ count: number }>(
          `with oldest as materialized (
             select e.position, e.occurred_at < now() - make_interval(days => $2::int) as expired
             from event_logs l cross join lateral (
               select e.position, e.occurred_at from events e where e.tenant_id = $1::uuid and e.position > l.trimmed
               order by e.position limit ${TRIMMED_AT_ONCE}
             ) e where l.tenant_id = $1::uuid
           ),
           bound as (
             select coalesce(min(position) filter (where not expired) - 1, max(position)) as position from oldest
           ),
           undelivered as (
             delete from webhook_deliveries d using bound b where d.tenant_id = $1::uuid and d.position <= b.position
           ),
           trimmed as (
             delete from events e using bound b where e.tenant_id = $1::uuid and e.position <= b.position returning 1
           ),
           moved as (
             update event_logs l set trimmed = greatest(l.trimmed, b.position) from bound b
             where l.tenant_id = $1::uuid and b.position is not null
           )
           select count(*)::int as count from trimmed`,
          [tenantId, days],
          { prepare: false },
        )
        return done?.count ?? 0
      })
    },

    /** True when events wait for their position; held events do not count until their hold is over. */
    async hasUnnumbered(): Promise<boolean> {
      const rows = await db.run<{ waits: boolean }>(
        `select exists (select 1 from events e where e.tenant_id = $1::uuid and e.position is null and not e.held)
           or exists (select 1 from event_logs l where l.tenant_id = $1::uuid and ${holdIsOver}) as waits`,
        [tenantId],
      )
      return rows[0]?.waits === true
    },
  }
}

/** Locks the log's row until the end of the transaction; inserts it for a tenant's first events. */
async function takeLog(tx: Database, tenantId: TenantId, wait: boolean): Promise<LogState | undefined> {
  const lock = async () => {
    const [row] = await tx.run<HoldRow & Pick<LogState, 'brake'>>(
      `select ${holdColumns}, coalesce(t.settings->'leaverBrake', s.settings->'leaverBrake') as brake
       from event_logs l join tenants t on t.id = l.tenant_id join environments s on s.id = t.environment_id
       where l.tenant_id = $1::uuid for update of l ${wait ? '' : 'skip locked'}`,
      [tenantId],
    )
    return row && { brake: row.brake, hold: holdIn(row) }
  }
  const found = await lock()
  if (found !== undefined) return found
  // Only where there is no row: `on conflict` waits for a transaction that has changed the row.
  const made = await tx.run(
    `insert into event_logs (tenant_id) select t.id from tenants t where t.id = $1::uuid
       and not exists (select 1 from event_logs l where l.tenant_id = $1::uuid)
     on conflict do nothing returning 1`,
    [tenantId],
  )
  return made.length > 0 || wait ? lock() : undefined
}

/** Tenants with events that wait for their position, or whose hold is over; up to `limit`, in any order. */
export async function unnumberedTenants(db: Database, limit: number): Promise<TenantId[]> {
  // One index look-up for each tenant, however many of its events wait.
  const rows = await db.run<{ id: TenantId }>(
    `with recursive waiting(id) as (
       (select e.tenant_id from events e where e.position is null and not e.held order by e.tenant_id limit 1)
       union all
       select (select e.tenant_id from events e
         where e.position is null and not e.held and e.tenant_id > w.id order by e.tenant_id limit 1)
       from waiting w where w.id is not null
     ) select id::text from (
       select id from waiting where id is not null
       union
       select l.tenant_id from event_logs l join tenants t on t.id = l.tenant_id join environments s on s.id = t.environment_id
       where l.hold_id is not null and (${holdIsOver} or ${brakeMode} <> 'hold')
     ) x limit ${Math.trunc(limit)}`,
    [],
  )
  return rows.map(({ id }) => id)
}

/** The highest position of each of these tenants; without an entry for a tenant that has no events. */
export async function logHeads(db: Database, tenantIds: readonly TenantId[]): Promise<Map<TenantId, number>> {
  const parameters = new Parameters()
  const rows = await db.run<{ id: TenantId; head: number }>(
    `select tenant_id::text as id, head::float8 as head from event_logs
     where tenant_id = any(${parameters.array(tenantIds, 'uuid')})`,
    parameters.values,
  )
  return new Map(rows.map(({ id, head }) => [id, head]))
}

/** Up to `limit` logs with events, by tenant, after the log of tenant `after`; with the days for which events are kept. */
export function keptLogs(
  db: Database,
  defaultDays: number,
  after: string | undefined,
  limit: number,
): Promise<{ readonly tenantId: TenantId; readonly days: number }[]> {
  return db.run(
    `select l.tenant_id::text as "tenantId", coalesce((e.settings->>'eventRetentionDays')::int, $1::int) as days
     from event_logs l join tenants t on t.id = l.tenant_id join environments e on e.id = t.environment_id
     where l.tenant_id > $2::uuid and l.head > l.trimmed order by l.tenant_id limit ${Math.trunc(limit)}`,
    [defaultDays, after ?? '00000000-0000-0000-0000-000000000000'],
  )
}
