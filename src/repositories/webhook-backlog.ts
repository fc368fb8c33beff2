import type { Database } from '../db/database.ts'
import { Parameters } from './parameters.ts'

/** What is to be sent again. Times in ISO 8601. */
export type ReplayFrom =
  | { readonly kind: 'time'; readonly since: string; readonly until: string | undefined }
  | { readonly kind: 'positions'; readonly positions: readonly number[] }
  | { readonly kind: 'dead' }

/** Queues events of the log once more; gives how many, and the last position looked at. */
export async function replayEvents(
  db: Database,
  { tenantId, endpointId }: { readonly tenantId: string; readonly endpointId: string },
  from: ReplayFrom,
  after: number,
  limit: number,
): Promise<{ readonly queued: number; readonly last: number | null }> {
  const parameters = new Parameters()
  const tenant = parameters.bind(tenantId, 'uuid')
  const endpoint = parameters.bind(endpointId, 'uuid')
  const wanted = replayCondition(from, parameters)
  const [row] = await db.run<{ queued: number; last: number | null }>(
    `with chosen as materialized (
       select e.position, e.resource_id, e.type from events e
       where e.tenant_id = ${tenant} and e.position > ${parameters.bind(after, 'bigint')} and ${wanted(tenant, endpoint)}
       order by e.position limit ${Math.trunc(limit)}
     ),
     queued as (
       insert into webhook_deliveries as d (tenant_id, endpoint_id, position, resource_id)
       select ${tenant}, w.id, c.position, c.resource_id from chosen c join webhook_endpoints w on w.id = ${endpoint}
         and (cardinality(w.event_types) = 0 or c.type = any(w.event_types)
           or split_part(c.type, '.', 1) || '.*' = any(w.event_types))
       on conflict (tenant_id, endpoint_id, position) do update set dead = false, attempts = 0, due_at = now(),
         first_tried_at = null, last_status = null, last_error = null, taken = 0 where d.dead or d.due_at > now()
       returning 1
     )
     select (select count(*)::int from queued) as queued, (select max(position)::float8 from chosen) as last`,
    parameters.values,
    { prepare: false },
  )
  return row ?? { queued: 0, last: null }
}

function replayCondition(from: ReplayFrom, parameters: Parameters): (tenant: string, endpoint: string) => string {
  switch (from.kind) {
    case 'time': {
      const since = `e.occurred_at >= ${parameters.bind(from.since, 'text')}::timestamptz`
      if (from.until === undefined) return () => since
      const until = parameters.bind(from.until, 'text')
      return () => `${since} and e.occurred_at <= ${until}::timestamptz`
    }
    case 'positions': {
      const positions = parameters.array(from.positions.map(String), 'text')
      return () => `e.position = any(${positions}::bigint[])`
    }
    case 'dead':
      return (tenant, endpoint) => `exists (select 1 from webhook_deliveries d where d.tenant_id = ${tenant}
        and d.endpoint_id = ${endpoint} and d.position = e.position and d.dead)`
  }
}

/** An event that an endpoint has not taken, for whoever looks into it. */
export interface WaitingDelivery {
  readonly tenant: string
  readonly position: number
  readonly eventId: string
  readonly type: string
  readonly resourceId: string
  readonly state: 'pending' | 'dead'
  readonly attempts: number
  readonly lastStatus: number | null
  readonly lastError: string | null
  /** Milliseconds since 1970; null behind another event of its resource. */
  readonly dueAt: number | null
}

/** Events in an endpoint's queue, or those given up, in the order of tenants and positions, after the given one. */
export function waitingDeliveries(
  db: Database,
  endpointId: string,
  dead: boolean,
  after: { readonly tenant: string; readonly position: number } | undefined,
  limit: number,
): Promise<WaitingDelivery[]> {
  return db.run<WaitingDelivery>(
    `select d.tenant_id::text as tenant, d.position::float8 as position, e.id::text as "eventId", e.type,
       d.resource_id::text as "resourceId", case when d.dead then 'dead' else 'pending' end as state, d.attempts,
       d.last_status as "lastStatus", d.last_error as "lastError",
       case when d.due_at < 'infinity' then (extract(epoch from d.due_at) * 1000)::float8 end as "dueAt"
     from webhook_deliveries d join events e on e.tenant_id = d.tenant_id and e.position = d.position
     where d.endpoint_id = $1::uuid and d.dead = $2::boolean and (d.tenant_id, d.position) > ($3::uuid, $4::bigint)
     order by d.tenant_id, d.position limit ${Math.trunc(limit)}`,
    [endpointId, dead, after?.tenant ?? '00000000-0000-0000-0000-000000000000', after?.position ?? 0],
    { prepare: false },
  )
}
