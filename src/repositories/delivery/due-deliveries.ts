import type { Database } from '../../db/database.ts'
import type { StreamPlace, StreamSettings } from '../../events/security-events.ts'
import type { TenantId } from '../../place-ids.ts'
import { FIRST_ID } from '../sql/ids.ts'
import { arrayText, type Place, template } from '../sql/parameters.ts'

/** An endpoint to which something can be sent now. */
export interface DueEndpoint extends StreamPlace {
  readonly id: string
  readonly url: string
  /** Sealed. */
  readonly secret: string
  /** Sealed; null when only `secret` signs. */
  readonly previousSecret: string | null
  readonly failures: number
  /** Whether it rests, and one event is to try whether it is back. */
  readonly resting: boolean
  readonly snapshot: boolean
  /** Null for a webhook. */
  readonly stream: StreamSettings | null
  /** Tenants that have news of somebody who left: their turn is first. */
  readonly urgent: readonly TenantId[]
  /** Tenants whose events are due, those of `urgent` too. */
  readonly tenants: readonly TenantId[]
}

/** Where a look for work begins, and which work it leaves out. */
export interface DueSearch {
  /** Endpoints that have no room at the moment. */
  readonly except?: readonly string[]
  /** Of streams that are polled only these. */
  readonly polling?: readonly string[]
  /** Goes on behind the endpoint at which the last look ended. */
  readonly after?: string | undefined
  /** The tenant behind which the turns of tenants begin. */
  readonly turn?: TenantId | undefined
}

/** What a look for work has found. */
export interface DueWork {
  readonly endpoints: readonly DueEndpoint[]
  /** Whether anything is in the queues that were passed, due or not. */
  readonly waits: boolean
  /** Where the next look goes on; undefined where it begins anew. */
  readonly next: string | undefined
  /** Where the turns of tenants go on: more of them than one look gives have events due. */
  readonly nextTurn: TenantId | undefined
}

/** Endpoints with something in their queue that one look passes. */
const WALKED = 500
const TENANTS_WALKED = 1_000
export const TENANTS_AT_ONCE = 50

/**
 * A walk over the tenants with anything in the queue of an endpoint, and when the first of it is due: one index entry each, however
 * long their queues are.
 *
 * @param most the most tenants, as a number or as SQL
 */
export const queuedTenants = (
  endpoint: string,
  after: string,
  which: string,
  most: number | string = TENANTS_WALKED,
): string => {
  const next = (from: string) => `select d.tenant_id, d.due_at from webhook_deliveries d
           where d.endpoint_id = ${endpoint} and ${which} and d.tenant_id > ${from} order by d.tenant_id, d.due_at limit 1`
  return `with recursive queued(id, due, n) as (
         (select x.tenant_id, x.due_at, 1 from (${next(after)}) x)
         union all
         select x.tenant_id, x.due_at, q.n + 1 from queued q cross join lateral (${next('q.id')}) x where q.n < ${most}
       )`
}

/**
 * Tenants with events that are due for an endpoint, in no particular order.
 *
 * @param endpoint SQL of its id
 * @param after SQL of the id of the tenant behind which the walk begins
 * @param which SQL of the condition of the index to go by
 */
export const dueTenants = (endpoint: string, after: string, which = 'not d.dead'): string =>
  `${queuedTenants(endpoint, after, which)}
       select q.id from queued q where q.due <= now() limit ${TENANTS_AT_ONCE}`

/** A walk over the endpoints that have anything in their queue: those that have nothing cost nothing. */
export const waitingEndpoints = (after: string): string => {
  const next = 'select d.endpoint_id from webhook_deliveries d where not d.dead and d.endpoint_id >'
  return `waiting(id, n) as (
       (select x.endpoint_id, 1 from (${next} ${after} order by d.endpoint_id limit 1) x)
       union all
       select (${next} x.id order by d.endpoint_id limit 1), x.n + 1 from waiting x where x.id is not null and x.n < ${WALKED}
     )`
}

/** What a look for work asks: each endpoint that waits, and its tenants whose events are due. */
interface DueParts {
  readonly tables: string
  tenants(endpoint: string, after: string): string
  urgent(endpoint: string): string
}

type DueValue = 'after' | 'turn' | 'except' | 'polling'

const walked = (place: Place<DueValue>): DueParts => ({
  tables: `with recursive ${waitingEndpoints(place('after', 'uuid'))}`,
  tenants: (endpoint, after) => dueTenants(endpoint, after),
  urgent: (endpoint) => dueTenants(endpoint, `'${FIRST_ID}'`, 'not d.dead and d.urgent'),
})

/**
 * The same on Citus, where each machine sums up its queues at once: a walk would go to all machines for each step. It costs by what
 * waits in all queues.
 */
const summedUp = (place: Place<DueValue>): DueParts => ({
  tables: `with queued as materialized (
       select d.endpoint_id, d.tenant_id, min(d.due_at) as due, min(d.due_at) filter (where d.urgent) as urgent_due
       from webhook_deliveries d where not d.dead and d.endpoint_id > ${place('after', 'uuid')} group by d.endpoint_id, d.tenant_id
     ),
     waiting as materialized (
       select q.endpoint_id as id, (row_number() over (order by q.endpoint_id))::int as n
       from (select distinct endpoint_id from queued) q order by q.endpoint_id limit ${WALKED}
     )`,
  tenants: (
    endpoint,
    after,
  ) => `select q.tenant_id as id from queued q where q.endpoint_id = ${endpoint} and q.due <= now()
       and q.tenant_id > ${after} order by q.tenant_id limit ${TENANTS_AT_ONCE}`,
  urgent: (
    endpoint,
  ) => `select q.tenant_id as id from queued q where q.endpoint_id = ${endpoint} and q.urgent_due <= now()
       order by q.tenant_id limit ${TENANTS_AT_ONCE}`,
})

const dueSql = (partsOf: (place: Place<DueValue>) => DueParts) =>
  template<DueValue>((place) => {
    const parts = partsOf(place)
    return `${parts.tables}
     select x.id::text as walked, x.n, e.* from waiting x left join lateral (
       select w.id::text, w.url, w.secret, w.failures, w.resume_at is not null as resting, w.snapshot, w.stream,
         w.environment_id::text as "environmentId", w.tenant_id::text as "tenantId",
         case when w.previous_secret_until > now() then w.previous_secret end as "previousSecret",
         coalesce(u.tenants, '[]') as urgent, coalesce(d.tenants, '[]') as tenants
       from (
         select w.* from webhook_endpoints w where w.id = x.id and w.enabled and not w.paused and (w.resume_at is null or w.resume_at <= now())
           and w.id <> all(${place('except', 'text')}::uuid[])
           and (w.stream->>'method' is distinct from 'poll' or w.id = any(${place('polling', 'text')}::uuid[])) offset 0
       ) w cross join lateral (
         select json_agg(t.id::text) as tenants from (${parts.tenants('w.id', place('turn', 'uuid'))}) t
       ) d cross join lateral (
         select json_agg(t.id::text) as tenants from (${parts.urgent('w.id')}) t
       ) u where d.tenants is not null or u.tenants is not null
     ) e on true where x.id is not null and (e.id is not null or x.n in (1, ${WALKED}))`
  })
const [dueByWalk, dueBySums] = [dueSql(walked), dueSql(summedUp)]

/**
 * Endpoints that have events due and do not rest. The cost goes by the endpoints that have something in their queue, and not by
 * those that there are.
 */
export async function dueDeliveries(
  db: Database,
  { except = [], polling = [], after, turn }: DueSearch = {},
): Promise<DueWork> {
  const { text, values } = db.distributed ? dueBySums : dueByWalk
  const rows = await db.run<Walked>(
    text,
    values({
      ...{ after: after ?? FIRST_ID, turn: turn ?? FIRST_ID },
      ...{ except: arrayText(except, 'uuid'), polling: arrayText(polling, 'uuid') },
    }),
    { name: 'deliveries-due' },
  )
  const endpoints = rows.filter((row): row is Walked & { id: string } => row.id !== null)
  return {
    ...{ endpoints, waits: rows.length > 0, next: rows.find(({ n }) => n === WALKED)?.walked },
    nextTurn: endpoints.find(({ tenants }) => tenants.length === TENANTS_AT_ONCE)?.tenants.at(-1),
  }
}

/** An endpoint that a look has passed; without an id where nothing is due. */
type Walked = Omit<DueEndpoint, 'id'> & { readonly walked: string; readonly n: number; readonly id: string | null }
