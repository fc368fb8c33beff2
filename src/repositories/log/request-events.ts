import type { Database } from '../../db/database.ts'
import type { EnvironmentId, TenantId } from '../../place-ids.ts'
import { Parameters } from '../sql/parameters.ts'

/** An event that a request has made, and how far it is on its way. */
export interface RequestEvent {
  readonly seq: number
  readonly id: string
  readonly type: string
  readonly resourceType: string
  readonly resourceId: string
  readonly version: number
  readonly occurredAt: number
  /** `waiting` until it has its position in the log, `held` while the leaver brake holds it. */
  readonly state: 'waiting' | 'held' | 'logged'
}

/** A delivery of an event that its receiver has not accepted. */
export interface OpenDelivery {
  readonly seq: number
  readonly endpointId: string
  readonly kind: 'webhook' | 'stream'
  readonly attempts: number
  readonly dead: boolean
  readonly lastStatus: number | null
  readonly lastError: string | null
}

/** Clocks of gateway and database differ by less. */
const SLACK_MS = 10_000
/** Events of that time that are looked at, and those of the request that are told. */
const [LOOKED_AT, MOST_EVENTS] = [20_000, 100]
/** Positions that are read around those of the events: they are given in almost the order of writing. */
const [STRETCH, AROUND] = [1_000, 2_000]

/** The events of a request of this time. The log has no index by request; so they are found by their time. */
export function eventsOfRequest(
  database: Database,
  tenantId: TenantId,
  { inEvents, from, until }: { readonly inEvents: string; readonly from: number; readonly until: number },
): Promise<RequestEvent[]> {
  return database.asTenant(tenantId).run(
    `select e.seq::float8 as seq, e.id::text as id, e.type, e.resource_type as "resourceType",
       e.resource_id::text as "resourceId", e.version::float8 as version,
       (extract(epoch from e.occurred_at) * 1000)::float8 as "occurredAt",
       case when exists (select 1 from held_events h where h.tenant_id = $1::uuid and h.seq = e.seq) then 'held'
         when exists (select 1 from waiting_events w where w.tenant_id = $1::uuid and w.seq = e.seq) then 'waiting'
         else 'logged' end as state
     from (
       select e.* from events e where e.tenant_id = $1::uuid
         and e.occurred_at >= to_timestamp($2::float8 / 1000) and e.occurred_at <= to_timestamp($3::float8 / 1000)
       order by e.tenant_id, e.occurred_at limit ${LOOKED_AT}
     ) e where e.request_id = $4::text order by e.seq limit ${MOST_EVENTS}`,
    [tenantId, from - SLACK_MS, until + SLACK_MS, inEvents],
    { name: 'request-log-read' },
  )
}

/**
 * What receivers have not accepted of these events. An event's position is found by halves: positions are given in the order of
 * writing, but for events that were held.
 */
export async function openDeliveriesOf(
  database: Database,
  { tenantId, environmentId }: { readonly tenantId: TenantId; readonly environmentId: EnvironmentId },
  seqs: readonly number[],
): Promise<OpenDelivery[]> {
  if (seqs.length === 0) return []
  const db = database.asTenant(tenantId)
  const first = Math.min(...seqs)
  const positions = await db.run<{ seq: number; position: number }>(
    `with recursive halves(low, high, n) as (
       select l.trimmed, l.head, 1 from event_logs l where l.tenant_id = $1::uuid
       union all
       select case when p.seq < $2::bigint then p.position else h.low end,
         case when p.seq < $2::bigint then h.high else h.low + (h.high - h.low) / 2 end, h.n + 1
       from halves h cross join lateral (
         select p.position, p.seq from event_positions p
         where p.tenant_id = $1::uuid and p.position > h.low + (h.high - h.low) / 2
         order by p.tenant_id, p.position limit 1
       ) p where h.high - h.low > ${STRETCH} and h.n < 60
     )
     select p.seq::float8 as seq, p.position::float8 as position
     from (select h.low from halves h order by h.n desc limit 1) h cross join lateral (
       select p.seq, p.position from event_positions p
       where p.tenant_id = $1::uuid and p.position > h.low - ${AROUND}
       order by p.tenant_id, p.position limit ${2 * AROUND + STRETCH}
     ) p where p.seq = any($3::text::bigint[])`,
    [tenantId, first, `{${seqs.join(',')}}`],
    { name: 'request-log-read' },
  )
  if (positions.length === 0) return []
  const parameters = new Parameters()
  const tenant = parameters.bind(tenantId, 'uuid')
  const rows = await db.run<Omit<OpenDelivery, 'seq'> & { position: number }>(
    `select d.endpoint_id::text as "endpointId", case when w.stream is null then 'webhook' else 'stream' end as kind,
       d.position::float8 as position, d.attempts, d.dead, d.last_status as "lastStatus", d.last_error as "lastError"
     from webhook_endpoints w join webhook_deliveries d on d.endpoint_id = w.id
     where d.tenant_id = ${tenant} and d.position = any(${parameters.bind(`{${positions.map(({ position }) => position).join(',')}}`)}::text::bigint[])
       and w.environment_id = ${parameters.bind(environmentId, 'uuid')} and (w.tenant_id is null or w.tenant_id = ${tenant})
     order by d.position, d.endpoint_id`,
    parameters.values,
    { name: 'request-log-read', prepare: false },
  )
  const seqAt = new Map(positions.map(({ seq, position }) => [position, seq]))
  return rows.map(({ position, ...row }) => ({ seq: seqAt.get(position) ?? 0, ...row }))
}
