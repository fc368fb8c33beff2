import type { Database } from '../../db/database.ts'
import type { EnvironmentId, ProjectId, TenantId } from '../../place-ids.ts'
import { Parameters } from '../sql/parameters.ts'

/** What is to be sent again. */
export type ReplayFrom =
  | { readonly kind: 'time'; readonly since: Date; readonly until: Date | undefined }
  | { readonly kind: 'positions'; readonly positions: readonly number[] }
  /** By the events' ids. No index has them, so this looks through the tenant's log. */
  | { readonly kind: 'events'; readonly events: readonly string[] }
  | { readonly kind: 'dead' }

/** Queues events of the log once more for an endpoint that is for the tenant; gives how many, and the last position looked at. */
export async function replayEvents(
  db: Database,
  { tenantId, endpointId }: { readonly tenantId: TenantId; readonly endpointId: string },
  from: ReplayFrom,
  after: number,
  limit: number,
): Promise<{ readonly queued: number; readonly last: number | null }> {
  const parameters = new Parameters()
  const tenant = parameters.bind(tenantId, 'uuid')
  const endpoint = parameters.bind(endpointId, 'uuid')
  const wanted = replayCondition(from, parameters)
  const [row] = await db.asTenant(tenantId).run<{ queued: number; last: number | null }>(
    `with chosen as materialized (
       select e.position, e.resource_id, e.type from events e
       where e.tenant_id = ${tenant} and e.position > ${parameters.bind(after, 'bigint')} and ${wanted(tenant, endpoint)}
       order by e.position limit ${Math.trunc(limit)}
     ),
     queued as (
       insert into webhook_deliveries as d (tenant_id, endpoint_id, position, resource_id)
       select ${tenant}, w.id, c.position, c.resource_id from chosen c
       join tenants t on t.id = ${tenant}
       join webhook_endpoints w on w.id = ${endpoint} and w.environment_id = t.environment_id
         and (w.tenant_id is null or w.tenant_id = t.id) and (cardinality(w.event_types) = 0 or c.type = any(w.event_types)
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
      const moment = (at: Date) => `to_timestamp(${parameters.bind(at.getTime(), 'float8')} / 1000)`
      const since = `e.occurred_at >= ${moment(from.since)}`
      if (from.until === undefined) return () => since
      const until = `e.occurred_at <= ${moment(from.until)}`
      return () => `${since} and ${until}`
    }
    case 'positions': {
      const positions = parameters.array(from.positions.map(String), 'text')
      return () => `e.position = any(${positions}::bigint[])`
    }
    case 'events': {
      const ids = parameters.array(from.events, 'uuid')
      return () => `e.id = any(${ids})`
    }
    case 'dead':
      return (tenant, endpoint) => `exists (select 1 from webhook_deliveries d where d.tenant_id = ${tenant}
        and d.endpoint_id = ${endpoint} and d.position = e.position and d.dead)`
  }
}

/** Where a delivery stands in an endpoint's lists; of the caller's making, so the id may be that of no tenant. */
export interface DeliveryPosition {
  readonly tenant: string
  readonly position: number
}

/** An event that an endpoint has not taken, for whoever looks into it. */
export interface WaitingDelivery extends DeliveryPosition {
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
  after: DeliveryPosition | undefined,
  limit: number,
): Promise<WaitingDelivery[]> {
  return db.run<WaitingDelivery>(
    `select d.tenant_id::text as tenant, d.position::float8 as position, e.id::text as "eventId", e.type,
       d.resource_id::text as "resourceId", case when d.dead then 'dead' else 'pending' end as state, d.attempts,
       d.last_status as "lastStatus", d.last_error as "lastError",
       case when d.due_at < 'infinity' then (extract(epoch from d.due_at) * 1000)::float8 end as "dueAt"
     from (
       select d.* from webhook_deliveries d where d.endpoint_id = $1::uuid and ${dead ? 'd.dead' : 'not d.dead'}
         and (d.tenant_id, d.position) > ($2::uuid, $3::bigint)
       order by d.tenant_id, d.position limit ${Math.trunc(limit)}
     ) d cross join lateral (
       select e.id, e.type from events e where e.tenant_id = d.tenant_id and e.position = d.position limit 1
     ) e order by d.tenant_id, d.position`,
    [endpointId, after?.tenant ?? '00000000-0000-0000-0000-000000000000', after?.position ?? 0],
    { prepare: false },
  )
}

/** More dead letters than this are not counted: nobody needs the number. */
export const DEAD_COUNTED = 1_000

/** An endpoint to which something does not get through. */
export interface TroubledEndpoint {
  readonly id: string
  readonly projectId: ProjectId
  readonly environmentId: EnvironmentId
  readonly tenantId: TenantId | null
  /** Where it is, or of a stream that is polled whom it is for. */
  readonly name: string
  readonly isStream: boolean
  readonly enabled: boolean
  readonly disabledReason: string | null
  /** Whether nothing has been taken for a while. */
  readonly failing: boolean
  /** Events that were given up, up to `DEAD_COUNTED`. */
  readonly dead: number
}

/** The webhooks and streams of some environments, or of one tenant of them, that fail, were disabled or have dead letters. */
export function troubledEndpoints(
  db: Database,
  environmentIds: readonly EnvironmentId[],
  onlyTenant: TenantId | undefined,
  limit: number,
): Promise<TroubledEndpoint[]> {
  const parameters = new Parameters()
  const environments = parameters.array(environmentIds, 'uuid')
  const tenant = onlyTenant === undefined ? '' : `and w.tenant_id = ${parameters.bind(onlyTenant, 'uuid')}`
  return db.run<TroubledEndpoint>(
    `select w.id::text, (select e.project_id::text from environments e where e.id = w.environment_id) as "projectId",
       w.environment_id::text as "environmentId", w.tenant_id::text as "tenantId",
       coalesce(nullif(w.url, ''), w.stream->>'audience') as name, w.stream is not null as "isStream", w.enabled,
       w.disabled_reason as "disabledReason", w.failing_since is not null as failing, d.dead
     from webhook_endpoints w cross join lateral (${deadOf('w.id')}) d
     where w.environment_id = any(${environments}) ${tenant} and (w.failing_since is not null or not w.enabled or d.dead > 0)
     order by w.id limit ${Math.trunc(limit)}`,
    parameters.values,
    { prepare: false },
  )
}

/** How many events each endpoint has given up, up to `DEAD_COUNTED`. */
export async function deadLetters(db: Database, endpointIds: readonly string[]): Promise<Map<string, number>> {
  const parameters = new Parameters()
  const rows = await db.run<{ id: string; dead: number }>(
    `select i.id::text, d.dead from unnest(${parameters.array(endpointIds, 'uuid')}) i(id)
     cross join lateral (${deadOf('i.id')}) d`,
    parameters.values,
    { prepare: false },
  )
  return new Map(rows.map(({ id, dead }) => [id, dead]))
}

// In the order of its index, so that no more of them is read than is counted.
const deadOf = (endpoint: string): string => `select count(*)::int as dead from (
  select 1 from webhook_deliveries d where d.endpoint_id = ${endpoint} and d.dead
  order by d.endpoint_id, d.tenant_id, d.position limit ${DEAD_COUNTED}) x`
