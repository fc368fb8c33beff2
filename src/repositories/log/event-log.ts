import type { Database } from '../../db/database.ts'
import type { EventTypes, LoggedEvent } from '../../events/event.ts'
import type { EnvironmentId, TenantId } from '../../place-ids.ts'
import { accountOfSubject } from '../sql/adoption-parts.ts'
import { FIRST_ID } from '../sql/ids.ts'
import { Parameters } from '../sql/parameters.ts'
import { hasMapping } from './has-mapping.ts'
import { type AwaitedLogs, type Heads, headsOfFeeds, headsOfLogs } from './heads.ts'
import { brakeMode, eventsThatPass, holdIsOver, isBraked } from './leaver-brake.ts'
import { takeLogs } from './locked-logs.ts'
import { NUMBERED_AT_ONCE, numberEvents } from './numbering.ts'

/** Events deleted in one transaction. */
export const TRIMMED_AT_ONCE = 1_000

/** Positions searched for one page, so that a reader of rare types makes progress at a bounded cost. */
const SCANNED_AT_ONCE = 10_000

/** A page of a log. */
export interface LogPage<Event extends LoggedEvent = LoggedEvent> {
  readonly events: readonly Event[]
  /** The position after which the next page begins. */
  readonly next: number
  /** The highest position at the time of reading. */
  readonly head: number
  /** Events up to this position were deleted. */
  readonly trimmed: number
}

/** Numbered events of a tenant, to be chosen by the tenant and the position of `p`: each event is looked up by its key. */
export const numberedEvents = (tenant: string): string => `event_positions p cross join lateral (
  select e.* from events e where e.tenant_id = ${tenant} and e.seq = p.seq offset 0) e`

/**
 * The columns of `numberedEvents` that make a `LoggedEvent`.
 *
 * @param account gives the account of the subject: of a tenant that the statement names, it is `accountOfSubject`
 */
export const eventColumns = (
  account: string,
): string => `p.position::float8 as position, e.id::text as id, e.type, e.resource_type as "resourceType",
  e.resource_id::text as "resourceId", e.version::float8 as version, e.request_id as "requestId", e.actor,
  (extract(epoch from e.occurred_at) * 1000)::float8 as "occurredAt", e.changes, ${account} as account`

/** What follows a condition on events `e`, so that they are of these types. */
export function ofTypes({ types, nouns }: EventTypes, parameters: Parameters): string {
  const conditions = [
    ...(types.length > 0 ? [`e.type = any(${parameters.array(types, 'text')})`] : []),
    ...(nouns.length > 0 ? [`split_part(e.type, '.', 1) = any(${parameters.array(nouns, 'text')})`] : []),
  ]
  return conditions.length === 0 ? '' : ` and (${conditions.join(' or ')})`
}

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
        const [log] = await takeLogs(tx, [tenantId], wait)
        if (log === undefined) return 0
        const passing = isBraked(log) ? await eventsThatPass(tx, tenantId, log) : undefined
        if (passing?.length === 0) return 0
        const { numbered } = await numberEvents(tx, [tenantId], passing?.length ?? NUMBERED_AT_ONCE, passing)
        return numbered
      })
    },

    /** Gives positions to all events that were committed before, but for those that a leaver brake holds. */
    async numberWritten(): Promise<void> {
      while ((await this.number({ wait: true })) >= NUMBERED_AT_ONCE);
    },

    /**
     * Up to `limit` events after the position `after`. With `types`, `next` may be beyond the last event of the page, and the
     * page may be empty.
     */
    async read(after: number, limit: number, types: EventTypes): Promise<LogPage> {
      const parameters = new Parameters()
      const tenant = parameters.bind(tenantId, 'uuid')
      const from = parameters.bind(after, 'bigint')
      const wanted = ofTypes(types, parameters)
      const rows = await db.run<LoggedEvent & { head: number; trimmed: number; position: number | null }>(
        `select l.head::float8 as head, l.trimmed::float8 as trimmed, ${hasMapping(tenant)} as maps, x.* from event_logs l left join lateral (
           select ${eventColumns(accountOfSubject('e', tenant))} from ${numberedEvents(tenant)}
           where p.tenant_id = ${tenant} and p.position > ${from} and p.position <= ${from} + ${SCANNED_AT_ONCE}
             ${wanted}
           order by p.position limit ${Math.trunc(limit)}
         ) x on true where l.tenant_id = ${tenant} order by x.position`,
        parameters.values,
        { name: 'events-read' },
      )
      const [first] = rows
      const { head, trimmed } = first ?? { head: 0, trimmed: 0 }
      const events = rows.filter((row) => row.position !== null)
      const looked = Math.max(after, Math.min(head, after + SCANNED_AT_ONCE))
      const next = events.length === limit ? (events.at(-1)?.position ?? looked) : looked
      return { events, next, head, trimmed }
    },

    /**
     * Deletes events that are older than `days`, the oldest first, at most `TRIMMED_AT_ONCE`; returns their number, or undefined
     * where another transaction holds the log, or where the tenant's history has not taken the next one. Writers do not wait: they
     * read neither the deleted events nor the log's row.
     */
    async trim(days: number): Promise<number | undefined> {
      return db.transaction(async (tx) => {
        if ((await takeLogs(tx, [tenantId], false)).length === 0) return undefined
        const [done] = await tx.run<{ count: number; held: boolean }>(
          `with oldest as materialized (
             select e.position, e.occurred_at,
               e.occurred_at < now() - make_interval(days => $2::int) and e.position <= coalesce(h.position, e.position) as expired
             from event_logs l left join histories h on h.tenant_id = $1::uuid and h.ended_at is null
             cross join lateral (
               select p.position, e.occurred_at from ${numberedEvents('$1::uuid')}
               where p.tenant_id = $1::uuid and p.position > l.trimmed order by p.position limit ${TRIMMED_AT_ONCE}
             ) e where l.tenant_id = $1::uuid
           ),
           bound as (
             select coalesce(min(position) filter (where not expired) - 1, max(position)) as position,
               -- Of a full batch the last one, so that the next begins there.
               coalesce(
                 (select o.occurred_at from oldest o where not o.expired order by o.position limit 1),
                 case when count(*) = ${TRIMMED_AT_ONCE} then max(occurred_at) end
               ) as oldest_at
             from oldest
           ),
           undelivered as (
             delete from webhook_deliveries d using bound b where d.tenant_id = $1::uuid and d.position <= b.position
           ),
           unplaced as (
             delete from event_positions p using bound b where p.tenant_id = $1::uuid and p.position <= b.position
             returning p.seq
           ),
           trimmed as (
             delete from events e where e.tenant_id = $1::uuid and e.seq = any(array(select seq from unplaced)) returning 1
           ),
           moved as (
             update event_logs l set trimmed = greatest(l.trimmed, b.position), oldest_at = b.oldest_at from bound b
             where l.tenant_id = $1::uuid
           )
           select count(*)::int as count, exists (
             select 1 from bound b where b.oldest_at < now() - make_interval(days => $2::int)
           ) as held from trimmed`,
          [tenantId, days],
          { name: 'events-trim', prepare: false },
        )
        const { count, held } = done ?? { count: 0, held: false }
        return count === 0 && held ? undefined : count
      })
    },

    /** True when events wait for their position; held events do not count until their hold is over. */
    async hasUnnumbered(): Promise<boolean> {
      const rows = await db.run<{ waits: boolean }>(
        `select exists (select 1 from waiting_events w where w.tenant_id = $1::uuid)
           or exists (select 1 from event_logs l where l.tenant_id = $1::uuid and ${holdIsOver}) as waits`,
        [tenantId],
      )
      return rows[0]?.waits === true
    },
  }
}

/**
 * Tenants with events that wait for their position, or whose hold is over: up to `limit` in the order of their ids, after the
 * one with the id `after`.
 */
export const unnumberedTenants = async (
  db: Database,
  after: TenantId | undefined,
  limit: number,
): Promise<TenantId[]> => (await findUnnumbered(db, after, limit)).tenants

const NONE: AwaitedLogs = { tenants: [], environments: [] }

/**
 * The same, and whether numbered events wait for their places in the feed of an environment; and how far logs and feeds go for which
 * readers wait, so that these cost no statement of their own.
 */
export async function findUnnumbered(
  db: Database,
  after: TenantId | undefined,
  limit: number,
  awaited: AwaitedLogs = NONE,
): Promise<{ readonly tenants: TenantId[]; readonly unplaced: boolean; readonly heads: Heads }> {
  const most = Math.trunc(limit)
  const parameters = new Parameters()
  const from = parameters.bind(after ?? FIRST_ID, 'uuid')
  // One index look-up for each tenant, however many of its events wait. Citus has each machine list its tenants.
  const waiting = `with recursive waiting(id) as (
       (select w.tenant_id from waiting_events w where w.tenant_id > ${from} order by w.tenant_id limit 1)
       union all
       select (select w.tenant_id from waiting_events w where w.tenant_id > x.id order by w.tenant_id limit 1)
       from waiting x where x.id is not null
     )`
  const listed = `with waiting(id) as (
       select distinct w.tenant_id from waiting_events w where w.tenant_id > ${from} order by w.tenant_id limit ${most}
     )`
  // By key, log by log.
  const settings = db.distributed
    ? 'join tenants t on t.id = l.tenant_id join environments s on s.id = t.environment_id'
    : `cross join lateral (select t.* from tenants t where t.id = l.tenant_id offset 0) t
       cross join lateral (select s.* from environments s where s.id = t.environment_id offset 0) s`
  const parts = [
    `(select 'tenant' as what, x.id::text, null::float8 as head from (
       (select id from waiting where id is not null limit ${most})
       union
       (select l.tenant_id from event_logs l ${settings}
       where l.tenant_id > ${from} and l.hold_id is not null and (${holdIsOver} or ${brakeMode} <> 'hold')
       order by l.tenant_id limit ${most})
     ) x order by x.id limit ${most})`,
    `select 'unplaced', null, null where exists (select 1 from waiting_stretches)`,
  ]
  if (awaited.tenants.length > 0)
    parts.push(`select 'log', h.* from (${headsOfLogs(db, awaited.tenants, parameters)}) h`)
  if (awaited.environments.length > 0)
    parts.push(`select 'feed', h.* from (${headsOfFeeds(db, awaited.environments, parameters)}) h`)
  type Row = { readonly what: 'tenant' | 'unplaced' | 'log' | 'feed'; readonly id: string; readonly head: number }
  const rows = await db.run<Row>(
    `${db.distributed ? listed : waiting} ${parts.join('\n     union all ')}`,
    parameters.values,
    { name: 'events-unnumbered' },
  )
  const idsOf = <Id extends string>(kind: Row['what']) =>
    rows.flatMap(({ what, id, head }) => (what === kind ? [[id as Id, head] as const] : []))
  return {
    tenants: idsOf<TenantId>('tenant')
      .map(([id]) => id)
      .sort(),
    unplaced: idsOf('unplaced').length > 0,
    heads: { logs: new Map(idsOf<TenantId>('log')), feeds: new Map(idsOf<EnvironmentId>('feed')) },
  }
}

/**
 * Tenants of an environment with events older than `days`, up to `limit`, those with the oldest first.
 *
 * @param held those whose history has not taken the oldest event, so that nothing can be deleted; by default the others
 */
export async function logsWithOldEvents(
  db: Database,
  environmentId: EnvironmentId,
  days: number,
  limit: number,
  { held = false } = {},
): Promise<TenantId[]> {
  const rows = await db.run<{ id: TenantId }>(
    `select l.tenant_id::text as id from event_logs l
     where l.environment_id = $1::uuid and l.oldest_at < now() - make_interval(days => $2::int)
       and ${held ? '' : 'not '}exists (
         select 1 from histories h where h.tenant_id = l.tenant_id and h.ended_at is null and h.position <= l.trimmed
       )
     order by l.oldest_at, l.tenant_id limit ${Math.trunc(limit)}`,
    [environmentId, days],
  )
  return rows.map(({ id }) => id)
}
