import type { Database } from '../../db/database.ts'
import type { TenantId } from '../../place-ids.ts'
import { addCounts } from '../resources/counts.ts'
import { FIRST_ID } from '../sql/ids.ts'
import { goesFirst, shutsOut } from '../sql/leavers-first.ts'
import { arrayText, type Place, template } from '../sql/parameters.ts'
import { followed } from './followed.ts'
import { isBraked } from './leaver-brake.ts'
import { type LockedLog, takeLogs } from './locked-logs.ts'

// Who numbers events locks the rows of `event_logs` first, and holds them until its commit. The look for events is a separate
// statement: its snapshot is younger than the lock, so it sees what the last holder has numbered.

/** Events numbered in one transaction, which takes some ten milliseconds. */
export const NUMBERED_AT_ONCE = 1_000

/**
 * Gives positions to events of logs that the transaction has locked, up to `share` of each; queues these events for webhooks,
 * and counts what they change. The order is that of writing; within one resource it is that of the versions. Returns their
 * number, that of the tenant with the most of them, and whether any wait for their places in the feed of an environment.
 *
 * @param only the events, by `seq`, of the one log there is then; by default the next ones
 */
export async function numberEvents(
  tx: Database,
  tenantIds: readonly TenantId[],
  share: number,
  only?: readonly number[],
): Promise<Numbered> {
  const kinds = tx.distributed ? numberingOne : numberingMany
  const { text, values } = only === undefined ? kinds.next : kinds.these
  const named = {
    tenants: tx.distributed ? (tenantIds[0] ?? FIRST_ID) : arrayText(tenantIds, 'uuid'),
    share,
    only: only === undefined ? null : `{${only.join(',')}}`,
  }
  const [done] = await tx.run<Numbered>(text, values(named), { name: 'events-number' })
  return done ?? { numbered: 0, most: 0, fed: false }
}

interface Numbered {
  readonly numbered: number
  readonly most: number
  readonly fed: boolean
}

/**
 * Made of look-ups of one row and of places where rows lie, in one order: it is prepared when the tables may be empty, and has
 * to be right for long logs and many tenants, too.
 */
const numbering = (place: Place<'tenants' | 'share' | 'only'>, which: string): string =>
  `with logs as materialized (
     select l.* from unnest(${place('tenants', 'text')}::uuid[]) x(id) cross join lateral (
       select l.tenant_id, l.ctid as at, l.head, greatest(l.fed, l.trimmed) as fed, t.environment_id, ${followed()}
       from event_logs l join tenants t on t.id = l.tenant_id where l.tenant_id = x.id limit 1
     ) l
   ),
   fresh as materialized (
     select l.tenant_id, l.at as log, l.head + w.n as position, w.* from logs l cross join lateral (
       select w.ctid as at, w.seq, w.resource_type, w.total_delta, w.active_delta, row_number() over (order by w.seq) as n
       from waiting_events w where w.tenant_id = l.tenant_id${which} order by w.seq limit ${place('share', 'int')}
     ) w
   ),
   gone as (
     delete from waiting_events w where (w.tenant_id = any(${place('tenants', 'text')}::uuid[])) is true
       and w.ctid = any(array(select at from fresh))
   ),
   placed as (
     insert into event_positions (tenant_id, position, seq) select f.tenant_id, f.position, f.seq from fresh f
   ),
   counted as (${addCounts('select * from fresh')}),
   endpoints as materialized (
     select l.tenant_id, w.id, w.event_types from logs l cross join lateral (
       -- The lock keeps the endpoint from being deleted before the commit.
       select * from (select w.id, w.event_types from webhook_endpoints w
         where w.environment_id = l.environment_id and w.tenant_id is null and w.enabled for key share) a
       union all
       select * from (select w.id, w.event_types from webhook_endpoints w
         where w.environment_id = l.environment_id and w.tenant_id = l.tenant_id and w.enabled for key share) b
     ) w
   ),
   wanted as materialized (
     select f.tenant_id, f.position, e.type, e.resource_id, ${goesFirst('f.tenant_id, e.resource_id', 'f.position', 'e.type')} as urgent
     from (select f.* from fresh f where f.tenant_id in (select w.tenant_id from endpoints w)) f cross join lateral (
       select e.type, e.resource_id from events e where e.tenant_id = f.tenant_id and e.seq = f.seq limit 1
     ) e
   ),
   queued as (
     insert into webhook_deliveries (tenant_id, endpoint_id, position, resource_id, urgent)
     select f.tenant_id, w.id, f.position, f.resource_id, f.urgent from wanted f join endpoints w on w.tenant_id = f.tenant_id
     where cardinality(w.event_types) = 0 or f.type = any(w.event_types) or split_part(f.type, '.', 1) || '.*' = any(w.event_types)
   ),
   -- What waits of somebody who leaves goes first too. A row that is being claimed or settled at this moment is on its way.
   before as materialized (
     select o.at from (select f.* from wanted f where f.type in (${shutsOut})) f join endpoints w on w.tenant_id = f.tenant_id
     cross join lateral (
       select o.ctid as at from webhook_deliveries o where o.tenant_id = f.tenant_id and o.endpoint_id = w.id
         and o.resource_id = f.resource_id and o.position < f.position and not o.dead and not o.urgent
       for no key update of o skip locked
     ) o
   ),
   raised as (
     update webhook_deliveries d set urgent = true
     where (d.tenant_id = any(${place('tenants', 'text')}::uuid[])) is true and d.ctid = any(array(select at from before))
   ),
   heads as materialized (
     select l.tenant_id, l.at as log, l.fed, l.has_feed, l.has_history, m.head from logs l
     join (select f.tenant_id, max(f.position) as head from fresh f group by f.tenant_id) m on m.tenant_id = l.tenant_id
   ),
   stretches as (
     insert into waiting_stretches (tenant_id, position, size)
     select m.tenant_id, m.head, m.head - m.fed from heads m where m.has_feed returning 1
   ),
   grown as (insert into waiting_histories (tenant_id, position) select m.tenant_id, m.head from heads m where m.has_history),
   moved as (
     update event_logs l set head = m.head, fed = case when m.has_feed then m.head else l.fed end from heads m
     where (l.tenant_id = any(${place('tenants', 'text')}::uuid[])) is true and l.ctid = m.log
   )
   ${NUMBERED}`

const NUMBERED = `select count(*)::int as numbered, coalesce(max(n), 0)::int as most, exists (select 1 from stretches) as fed from fresh`

/**
 * The same for one tenant, on Citus. Each part names the tenant, and the rows that it changes by their keys. The references of
 * what is queued keep an endpoint from being deleted. The part `moved` notes the age of the first event.
 */
const numberingOnCitus = (place: Place<'tenants' | 'share' | 'only'>, which: string): string => {
  const tenant = place('tenants', 'uuid')
  return `with logs as materialized (
     select l.tenant_id, l.head, greatest(l.fed, l.trimmed) as fed, t.environment_id, ${followed(tenant)}
     from event_logs l join tenants t on t.id = l.tenant_id where l.tenant_id = ${tenant}
   ),
   fresh as materialized (
     select l.tenant_id, l.head + w.n as position, w.* from logs l cross join (
       select w.seq, w.resource_type, w.total_delta, w.active_delta, row_number() over (order by w.seq) as n
       from waiting_events w where w.tenant_id = ${tenant}${which} order by w.seq limit ${place('share', 'int')}
     ) w
   ),
   gone as (
     delete from waiting_events w where w.tenant_id = ${tenant} and w.seq = any(array(select seq from fresh))
   ),
   placed as (
     insert into event_positions (tenant_id, position, seq) select f.tenant_id, f.position, f.seq from fresh f
   ),
   counted as (${addCounts('select * from fresh')}),
   endpoints as materialized (
     select w.id, w.event_types from logs l join webhook_endpoints w on w.environment_id = l.environment_id
     where (w.tenant_id is null or w.tenant_id = ${tenant}) and w.enabled
   ),
   wanted as materialized (
     select f.tenant_id, f.position, e.type, e.resource_id, ${goesFirst('e.resource_id', 'f.position', 'e.type')} as urgent
     from fresh f join events e on e.tenant_id = ${tenant} and e.seq = f.seq
   ),
   queued as (
     insert into webhook_deliveries (tenant_id, endpoint_id, position, resource_id, urgent)
     select f.tenant_id, w.id, f.position, f.resource_id, f.urgent from wanted f cross join endpoints w
     where cardinality(w.event_types) = 0 or f.type = any(w.event_types) or split_part(f.type, '.', 1) || '.*' = any(w.event_types)
   ),
   before as materialized (
     select l.* from (
       select o.endpoint_id, o.position from wanted f cross join endpoints w
       join webhook_deliveries o on o.tenant_id = ${tenant} and o.endpoint_id = w.id and o.resource_id = f.resource_id
       where f.type in (${shutsOut}) and o.position < f.position and not o.dead and not o.urgent
       for no key update of o skip locked
     ) l
   ),
   raised as (
     update webhook_deliveries d set urgent = true
     where d.tenant_id = ${tenant} and (d.endpoint_id, d.position) in (select endpoint_id, position from before)
   ),
   heads as materialized (
     select l.tenant_id, l.fed, l.has_feed, l.has_history, m.head, m.oldest_at from logs l cross join (
       select max(f.position) as head, (select min(e.occurred_at) from events e where e.tenant_id = ${tenant}) as oldest_at
       from fresh f
     ) m where m.head is not null
   ),
   stretches as (
     insert into waiting_stretches (tenant_id, position, size)
     select m.tenant_id, m.head, m.head - m.fed from heads m where m.has_feed returning 1
   ),
   grown as (insert into waiting_histories (tenant_id, position) select m.tenant_id, m.head from heads m where m.has_history),
   moved as (
     update event_logs l set head = m.head, fed = case when m.has_feed then m.head else l.fed end,
       oldest_at = coalesce(l.oldest_at, m.oldest_at)
     from heads m where l.tenant_id = ${tenant}
   )
   ${NUMBERED}`
}

type Numbering = (place: Place<'tenants' | 'share' | 'only'>, which: string) => string
const both = (numbering: Numbering) => ({
  next: template<'tenants' | 'share' | 'only'>((place) => numbering(place, '')),
  these: template<'tenants' | 'share' | 'only'>((place) =>
    numbering(place, ` and w.seq = any(${place('only', 'text')}::bigint[])`),
  ),
})
const [numberingMany, numberingOne] = [both(numbering), both(numberingOnCitus)]

/** What became of the events of many tenants. */
export interface NumberedMany {
  readonly numbered: number
  /** Tenants with a leaver brake, and all on Citus: their events wait for `eventLogOf(…).number()`. */
  readonly braked: readonly TenantId[]
  /** A tenant had more events than its share. */
  readonly more: boolean
  /** Some may wait for their places in the feed of an environment. */
  readonly fed: boolean
}

/**
 * Numbers the events of many tenants in one transaction, and gives each of them a fair share of it. Leaves out tenants whose log
 * is locked.
 *
 * @throws where a lock does not come soon, or for any fault of one tenant; then nothing is numbered
 */
export async function numberMany(db: Database, tenantIds: readonly TenantId[]): Promise<NumberedMany> {
  // A transaction on Citus is about one machine, so each is numbered by itself.
  if (db.distributed) return { numbered: 0, braked: tenantIds, more: false, fed: false }
  return db.transaction(async (tx) => {
    const [logs] = await Promise.all([takeLogs(tx, tenantIds, false), limitWaits(tx)])
    const idsOf = (some: readonly LockedLog[]) => some.map(({ tenantId }) => tenantId)
    const braked = idsOf(logs.filter(isBraked))
    const plain = idsOf(logs.filter((log) => !isBraked(log)))
    const share = Math.ceil(NUMBERED_AT_ONCE / Math.max(plain.length, 1))
    if (plain.length === 0) return { numbered: 0, braked, more: false, fed: false }
    const { numbered, most, fed } = await numberEvents(tx, plain, share)
    return { numbered, braked, more: most >= share, fed }
  })
}

const LONGEST_WAIT_MS = 250

/** Somebody may hold the row of an endpoint for long, to delete it with all that is queued for it. */
const limitWaits = (tx: Database) =>
  tx.run(`select set_config('lock_timeout', '${LONGEST_WAIT_MS}ms', true)`, [], { name: 'events-lock' })

/**
 * Runs the statements of numbering for no tenant.
 *
 * @throws where nobody's events could be numbered, but for no fault of a tenant
 */
export async function numberNothing(db: Database): Promise<void> {
  await db.transaction(async (tx) => {
    await limitWaits(tx)
    await takeLogs(tx, [], false)
    await numberEvents(tx, [], 1)
  })
}
