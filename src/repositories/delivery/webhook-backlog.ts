import { and, asc, eq, gt, isNotNull, not, or, type SQL, type SQLWrapper, sql } from 'drizzle-orm'
import type { Database, Orm } from '../../db/database.ts'
import { environments, eventPositions, events, webhookDeliveries, webhookEndpoints } from '../../db/schema.ts'
import type { EnvironmentId, ProjectId, TenantId } from '../../place-ids.ts'
import { numberedEvents } from '../log/event-log.ts'
import { isAnyOf, literal, milliseconds, uuids } from '../sql/fragments.ts'
import { FIRST_ID } from '../sql/ids.ts'
import { goesFirst } from '../sql/leavers-first.ts'
import { Parameters } from '../sql/parameters.ts'

/** Which events are to be sent again. */
export type ReplayFrom =
  | { readonly kind: 'time'; readonly since: Date; readonly until: Date | undefined }
  | { readonly kind: 'positions'; readonly positions: readonly number[] }
  /** By the events' ids. No index has them, so this looks through the tenant's log. */
  | { readonly kind: 'events'; readonly events: readonly string[] }
  | { readonly kind: 'dead' }

/**
 * Queues events of the log once more for an endpoint that is for the tenant; gives how many, and the last position that it read.
 *
 * The tenant may move to another environment at the same moment. Whoever locks its row first is done first: the move drops what the
 * replay has queued, or the replay finds that the endpoint is not for the tenant any more. On Citus no tenant moves.
 *
 * Text, not the query builder: Drizzle inserts from a query only where that gives every column of the table.
 */
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
       select p.position, e.resource_id, e.type from ${numberedEvents(tenant)}
       where p.tenant_id = ${tenant} and p.position > ${parameters.bind(after, 'bigint')} and ${wanted(tenant, endpoint)}
       order by p.position limit ${Math.trunc(limit)}
     ),
     target as materialized (
       select w.id, w.event_types from tenants t join webhook_endpoints w on w.id = ${endpoint}
         and (w.tenant_id = t.id or (w.tenant_id is null and w.environment_id = t.environment_id))
       where t.id = ${tenant} ${db.distributed ? '' : 'for key share of t'}
     ),
     queued as (
       insert into webhook_deliveries as d (tenant_id, endpoint_id, position, resource_id, urgent, due_at)
       select ${tenant}, w.id, c.position, c.resource_id, ${goesFirst('c.resource_id', 'c.position', 'c.type')}, now() from chosen c
       join target w on cardinality(w.event_types) = 0 or c.type = any(w.event_types)
         or split_part(c.type, '.', 1) || '.*' = any(w.event_types)
       on conflict (tenant_id, endpoint_id, position) do update set dead = false, attempts = 0, due_at = excluded.due_at,
         first_tried_at = null, last_status = null, last_error = null, taken = 0, urgent = excluded.urgent where d.dead or d.due_at > excluded.due_at
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
      return () => `p.position = any(${positions}::bigint[])`
    }
    case 'events': {
      const ids = parameters.array(from.events, 'uuid')
      return () => `e.id = any(${ids})`
    }
    case 'dead':
      return (tenant, endpoint) => `exists (select 1 from webhook_deliveries d where d.tenant_id = ${tenant}
        and d.endpoint_id = ${endpoint} and d.position = p.position and d.dead)`
  }
}

/** Where a delivery is in an endpoint's lists; as a client wrote it, so the id may be that of no tenant. */
export interface DeliveryPosition {
  readonly tenant: string
  readonly position: number
}

/** An event that an endpoint has not accepted yet, for an operator who looks into its queue. */
export interface WaitingDelivery extends DeliveryPosition {
  readonly eventId: string
  readonly type: string
  readonly resourceId: string
  readonly state: 'pending' | 'dead'
  readonly attempts: number
  readonly lastStatus: number | null
  readonly lastError: string | null
  /** What the event says of the resource, as JSON text. */
  readonly changes: string
  /** Milliseconds since 1970; null behind another event of its resource. */
  readonly dueAt: number | null
}

/** Events in an endpoint's queue, or those given up, in the order of tenants and positions, after the given one. */
export async function waitingDeliveries(
  { orm, distributed }: Database,
  endpointId: string,
  dead: boolean,
  after: DeliveryPosition | undefined,
  limit: number,
): Promise<WaitingDelivery[]> {
  const { tenantId, position } = webhookDeliveries
  const from = sql`(${after?.tenant ?? FIRST_ID}::uuid, ${after?.position ?? 0}::bigint)`
  const d = orm
    .select()
    .from(webhookDeliveries)
    .where(
      and(
        eq(webhookDeliveries.endpointId, endpointId),
        // Not as a value: an index serves each of the two.
        dead ? webhookDeliveries.dead : not(webhookDeliveries.dead),
        sql`(${tenantId}, ${position}) > ${from}`,
      ),
    )
    .orderBy(asc(tenantId), asc(position))
    .limit(literal(limit))
    .as('d')
  const { tenantId: loggedFor, position: given, seq } = eventPositions
  const isPlaced = and(eq(loggedFor, d.tenantId), eq(given, d.position))
  const columns = {
    ...{ tenant: d.tenantId, position: d.position, resourceId: d.resourceId },
    ...{ dead: d.dead, attempts: d.attempts, lastStatus: d.lastStatus, lastError: d.lastError },
    dueAt: sql<number | null>`case when ${d.dueAt} < 'infinity' then ${milliseconds(d.dueAt)} end`,
  }
  const order = [asc(d.tenantId), asc(d.position)]
  if (distributed) {
    const isLogged = and(eq(events.tenantId, loggedFor), eq(events.seq, seq))
    const joined = orm
      .select({ ...columns, eventId: events.id, type: events.type, changes: events.changes })
      .from(d)
      .innerJoin(eventPositions, isPlaced)
    return (await joined.innerJoin(events, isLogged).orderBy(...order)).map(waiting)
  }
  const p = orm.select({ seq }).from(eventPositions).where(isPlaced).limit(literal(1)).as('p')
  const e = orm
    .select({ id: events.id, type: events.type, changes: events.changes })
    .from(events)
    .where(and(eq(events.tenantId, d.tenantId), eq(events.seq, p.seq)))
    .limit(literal(1))
    .as('e')
  const rows = await orm
    .select({ ...columns, eventId: e.id, type: e.type, changes: e.changes })
    .from(d)
    .crossJoinLateral(p)
    .crossJoinLateral(e)
    .orderBy(...order)
  return rows.map(waiting)
}

const waiting = <Row extends { readonly dead: boolean }>({ dead, ...row }: Row) => ({
  ...row,
  state: dead ? ('dead' as const) : ('pending' as const),
})

/** Counting the events that an endpoint has given up ends here: an operator does not need a larger number. */
export const DEAD_COUNTED = 1_000

/** An endpoint that does not get all of its events. */
export interface TroubledEndpoint {
  readonly id: string
  readonly projectId: ProjectId
  readonly environmentId: EnvironmentId
  readonly tenantId: TenantId | null
  /** Its address, or the audience of a stream that is polled. */
  readonly name: string
  readonly isStream: boolean
  readonly enabled: boolean
  readonly disabledReason: string | null
  /** Whether the last attempts have failed. */
  readonly failing: boolean
  /** Events that were given up, up to `DEAD_COUNTED`. */
  readonly dead: number
}

/** The webhooks and streams of some environments, or of one tenant of them, that fail, were disabled or have dead letters. */
export async function troubledEndpoints(
  { orm, distributed }: Database,
  environmentIds: readonly EnvironmentId[],
  onlyTenant: TenantId | undefined,
  limit: number,
): Promise<TroubledEndpoint[]> {
  const w = webhookEndpoints
  const isHere = and(
    isAnyOf(w.environmentId, uuids(environmentIds)),
    onlyTenant === undefined ? undefined : eq(w.tenantId, onlyTenant),
  )
  if (distributed) {
    const dead = await deadOnCitus(orm, isHere)
    const isTroubled = or(isNotNull(w.failingSince), not(w.enabled), isAnyOf(w.id, uuids([...dead.keys()])))
    const found = orm.select(troubleColumns(orm)).from(w).where(and(isHere, isTroubled))
    return (await found.orderBy(asc(w.id)).limit(literal(limit))).map((row) => ({
      ...row,
      dead: dead.get(row.id) ?? 0,
    }))
  }
  const d = deadOf(orm, w.id)
  return orm
    .select({ ...troubleColumns(orm), dead: d.dead })
    .from(w)
    .crossJoinLateral(d)
    .where(and(isHere, or(isNotNull(w.failingSince), not(w.enabled), gt(d.dead, 0))))
    .orderBy(asc(w.id))
    .limit(literal(limit))
}

function troubleColumns(orm: Orm) {
  const w = webhookEndpoints
  const project = orm
    .select({ projectId: environments.projectId })
    .from(environments)
    .where(eq(environments.id, w.environmentId))
  return {
    ...{ id: w.id, environmentId: w.environmentId, tenantId: w.tenantId, enabled: w.enabled },
    projectId: sql<ProjectId>`${project}`,
    name: sql<string>`coalesce(nullif(${w.url}, ''), ${w.stream}->>'audience')`,
    isStream: sql<boolean>`${isNotNull(w.stream)}`,
    disabledReason: w.disabledReason,
    failing: sql<boolean>`${isNotNull(w.failingSince)}`,
  }
}

/** How many events each endpoint has given up, up to `DEAD_COUNTED`. */
export async function deadLetters(
  { orm, distributed }: Database,
  endpointIds: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  if (distributed) {
    const dead = await deadOnCitus(orm, isAnyOf(webhookEndpoints.id, uuids(endpointIds)))
    return new Map(endpointIds.map((id) => [id, dead.get(id) ?? 0]))
  }
  const d = deadOf(orm, sql`i.id`)
  const rows = await orm
    .select({ id: sql<string>`i.id::text`, dead: d.dead })
    .from(sql`unnest(${uuids(endpointIds)}) as i(id)`)
    .crossJoinLateral(d)
  return new Map(rows.map(({ id, dead }) => [id, dead]))
}

/** How many events endpoints have given up, of those that have, on Citus: each machine counts what it has. */
async function deadOnCitus(orm: Orm, which: SQL | undefined): Promise<ReadonlyMap<string, number>> {
  const { endpointId, dead } = webhookDeliveries
  const rows = await orm
    .select({ id: endpointId, dead: sql<number>`least(count(*), ${literal(DEAD_COUNTED)})::int` })
    .from(webhookDeliveries)
    .innerJoin(webhookEndpoints, eq(webhookEndpoints.id, endpointId))
    .where(and(dead, which))
    .groupBy(endpointId)
  return new Map(rows.map((row) => [row.id, row.dead]))
}

/** A subquery `d` for how many events an endpoint has given up, in the order of their index: no more are read than counted. */
function deadOf(orm: Orm, endpoint: SQLWrapper) {
  const { endpointId, tenantId, position, dead } = webhookDeliveries
  const x = orm
    .select({ position })
    .from(webhookDeliveries)
    .where(and(sql`${endpointId} = ${endpoint}`, dead))
    .orderBy(asc(endpointId), asc(tenantId), asc(position))
    .limit(literal(DEAD_COUNTED))
    .as('x')
  return orm
    .select({ dead: sql<number>`count(*)::int`.as('dead') })
    .from(x)
    .as('d')
}
