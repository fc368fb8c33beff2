import type { Database } from '../../db/database.ts'
import type { LoggedEvent } from '../../events/event.ts'
import type { StreamPlace, StreamSettings } from '../../events/security-events.ts'
import type { TenantId } from '../../place-ids.ts'
import { eventColumns, numberedEvents } from '../log/event-log.ts'
import { Parameters } from '../sql/parameters.ts'

/** An endpoint to which something can be sent now. */
export interface DueEndpoint extends StreamPlace {
  readonly id: string
  readonly url: string
  /** Sealed. */
  readonly secret: string
  /** Sealed; null when only `secret` signs. */
  readonly previousSecret: string | null
  readonly failures: number
  readonly snapshot: boolean
  /** Null for a webhook. */
  readonly stream: StreamSettings | null
  /** Tenants whose events are due. */
  readonly tenants: readonly TenantId[]
}

/** One event on its way to one endpoint. */
export interface ClaimedDelivery {
  readonly event: LoggedEvent
  /** Attempts, with this one. The claim is valid as long as the number in the row is the same. */
  readonly attempts: number
  /** Milliseconds since the first attempt. */
  readonly age: number
  /** Of a stream: which of the event's tokens were accepted, one bit each. */
  readonly taken: number
}

/** An attempt that failed; with `giveUp` it was the last one. */
export interface FailedDelivery {
  readonly position: number
  readonly attempts: number
  readonly retryAfterMs: number
  readonly giveUp: boolean
  readonly status: number | null
  readonly error: string
  /** Tokens that were accepted nevertheless, one bit each. */
  readonly taken?: number | undefined
}

/** Longer than any attempt takes. After that another instance may claim the event. */
const CLAIMED_FOR_S = 30
const LOOKED_AT = 200
const TENANTS_AT_ONCE = 50
/** After this many failures in a row an endpoint rests for a while. */
const PATIENCE = 3
const LONGEST_PAUSE_S = 300

/**
 * Tenants with events that are due for an endpoint, in no particular order. It reads one index entry for each tenant with a
 * queue, however long the queue is.
 *
 * @param endpoint SQL of its id
 */
export const dueTenants = (endpoint: string): string => `with recursive queued(id) as (
         (select d.tenant_id from webhook_deliveries d where d.endpoint_id = ${endpoint} and not d.dead
           order by d.tenant_id limit 1)
         union all
         select (select d.tenant_id from webhook_deliveries d
           where d.endpoint_id = ${endpoint} and not d.dead and d.tenant_id > q.id order by d.tenant_id limit 1)
         from queued q where q.id is not null
       )
       select q.id from queued q where q.id is not null and (
         select d.due_at <= now() from webhook_deliveries d
         where d.endpoint_id = ${endpoint} and d.tenant_id = q.id and not d.dead order by d.due_at limit 1
       ) limit ${TENANTS_AT_ONCE}`

/**
 * Endpoints that have events due and do not rest, without those in `except`. Of streams that are polled, only those in
 * `polling`.
 */
export function dueEndpoints(
  db: Database,
  except: readonly string[],
  polling: readonly string[] = [],
): Promise<DueEndpoint[]> {
  const parameters = new Parameters()
  return db.run<DueEndpoint>(
    `select w.id::text, w.url, w.secret, w.failures, w.snapshot, w.stream,
       w.environment_id::text as "environmentId", w.tenant_id::text as "tenantId",
       case when w.previous_secret_until > now() then w.previous_secret end as "previousSecret",
       d.tenants as tenants
     from webhook_endpoints w cross join lateral (
       select json_agg(t.id::text) as tenants from (${dueTenants('w.id')}) t
     ) d
     where d.tenants is not null and w.enabled and (w.resume_at is null or w.resume_at <= now())
       and w.id <> all(${parameters.array(except, 'uuid')})
       and (w.stream->>'method' is distinct from 'poll' or w.id = any(${parameters.array(polling, 'uuid')}))`,
    parameters.values,
    { prepare: false },
  )
}

const literal = (numbers: readonly number[]): string => `{${numbers.join(',')}}`

/**
 * The queue of one tenant's events for one endpoint.
 *
 * Rows are looked up by arrays and one by one, as everywhere, and `is true` marks a condition that must not lead a plan. The
 * neighbours of an event are read in the order of the one index that has them. The table fills within seconds, and until it is
 * analysed the planner knows nothing about it.
 */
export function webhookQueueOf(database: Database, tenantId: TenantId, endpointId: string) {
  const db = database.asTenant(tenantId)
  const mine = 'd.tenant_id = $1::uuid and d.endpoint_id = $2::uuid'
  return {
    /**
     * Claims up to `limit` events that are due, of each resource only the first. An event behind another one of its resource is
     * put aside until that one is delivered or given up.
     */
    async claim(limit: number): Promise<ClaimedDelivery[]> {
      const rows = await db.run<LoggedEvent & Omit<ClaimedDelivery, 'event'>>(
        `with locked as materialized (
           select d.ctid as at, d.position, d.due_at, d.resource_id from webhook_deliveries d
           where ${mine} and not d.dead and d.due_at <= now()
           order by d.due_at limit ${LOOKED_AT} for update of d skip locked
         ),
         due as materialized (
           select d.at, d.position, d.due_at, d.resource_id is not distinct from (
             select b.resource_id from webhook_deliveries b where b.tenant_id = $1::uuid and b.endpoint_id = $2::uuid
               and (b.resource_id, b.position) < (d.resource_id, d.position) and not b.dead
             order by b.resource_id desc, b.position desc limit 1
           ) as blocked from locked d
         ),
         aside as (
           update webhook_deliveries d set due_at = 'infinity'
           where (${mine}) is true and d.ctid = any(array(select at from due where blocked))
         ),
         claimed as (
           update webhook_deliveries d set attempts = d.attempts + 1, due_at = now() + interval '${CLAIMED_FOR_S} seconds',
             first_tried_at = coalesce(d.first_tried_at, now())
           where (${mine}) is true and d.ctid = any(array(
             select at from due where not blocked order by due_at, position limit $3::int))
           returning d.position, d.attempts, d.taken, (extract(epoch from now() - d.first_tried_at) * 1000)::float8 as age
         )
         select x.*, c.attempts, c.age, c.taken from claimed c cross join lateral (
           select ${eventColumns} from ${numberedEvents} where p.tenant_id = $1::uuid and p.position = c.position limit 1
         ) x order by c.position`,
        [tenantId, endpointId, limit],
        { prepare: false },
      )
      return rows.map(({ attempts, age, taken, ...event }) => ({ event, attempts, age, taken }))
    },

    /** Removes events that were delivered, and makes the next ones of their resources due. */
    async delivered(done: readonly { readonly position: number; readonly attempts: number }[]): Promise<void> {
      const gone = await db.run<{ resource: string; position: number }>(
        `delete from webhook_deliveries d where (${mine}) is true and d.ctid = any(array(
           select n.ctid from unnest($3::text::bigint[], $4::text::int[]) as x(position, attempts) cross join lateral (
             select n.ctid from webhook_deliveries n where n.tenant_id = $1::uuid and n.endpoint_id = $2::uuid
               and n.position = x.position and n.attempts = x.attempts limit 1
           ) n))
         returning d.resource_id::text as resource, d.position::float8 as position`,
        [tenantId, endpointId, literal(done.map((one) => one.position)), literal(done.map((one) => one.attempts))],
        { prepare: false },
      )
      await release(gone)
    },

    /** Puts an event back for later, or gives it up and makes the next one of its resource due. */
    async failed({ position, attempts, retryAfterMs, giveUp, status, error, taken }: FailedDelivery): Promise<void> {
      const dead = await db.run<{ resource: string; position: number }>(
        `with tried as (
           update webhook_deliveries d set dead = $5::boolean, last_status = $6::int, last_error = $7::text,
             taken = d.taken | $9::int, due_at = now() + $8::float8 * interval '1 millisecond'
           where ${mine} and d.position = $3::bigint and d.attempts = $4::int
           returning d.resource_id, d.position, d.dead
         )
         select resource_id::text as resource, position::float8 as position from tried where dead`,
        [tenantId, endpointId, position, attempts, giveUp, status, error, retryAfterMs, taken ?? 0],
      )
      await release(dead)
    },
  }

  /**
   * Makes the next event of each resource due. These are separate statements: they have to see every event that was put aside
   * before the first one was gone. They also write events that are due anyway, because another claim may be putting those
   * aside. They leave events that are claimed.
   */
  async function release(gone: readonly { readonly resource: string; readonly position: number }[]): Promise<void> {
    if (gone.length === 0) return
    const next = await db.run<{ position: number }>(
      `select n.position::float8 as position from jsonb_to_recordset($3::text::jsonb) as x(resource uuid, position bigint)
       cross join lateral (
         select n.resource_id, n.position from webhook_deliveries n where n.tenant_id = $1::uuid and n.endpoint_id = $2::uuid
           and (n.resource_id, n.position) > (x.resource, x.position) and not n.dead
         order by n.resource_id, n.position limit 1
       ) n where n.resource_id = x.resource`,
      [tenantId, endpointId, JSON.stringify(gone)],
      { prepare: false },
    )
    for (const { position } of next)
      await db.run(
        `update webhook_deliveries d set due_at = now()
         where ${mine} and d.position = $3::bigint and (d.due_at = 'infinity' or d.due_at <= now())`,
        [tenantId, endpointId, position],
      )
  }
}

/** Stores that an endpoint accepts events again. */
export async function endpointSucceeded(db: Database, endpointId: string): Promise<void> {
  await db.run(
    'update webhook_endpoints set failures = 0, failing_since = null, resume_at = null where id = $1::uuid and failures > 0',
    [endpointId],
  )
}

/**
 * Stores that an endpoint did not accept an event. After some failures in a row it rests, longer each time. When it has failed
 * for `disableAfterMs` it is disabled. Gives whether this failure has disabled it.
 */
export async function endpointFailed(
  db: Database,
  endpointId: string,
  { disableAfterMs, reason }: { readonly disableAfterMs: number; readonly reason: string },
): Promise<boolean> {
  const rows = await db.run<{ disabled: boolean }>(
    `update webhook_endpoints w set failures = w.failures + 1, failing_since = coalesce(w.failing_since, now()),
       resume_at = case when w.failures + 1 >= ${PATIENCE}
         then now() + least(power(2, least(w.failures + 1 - ${PATIENCE}, 20)), ${LONGEST_PAUSE_S}) * interval '1 second' end,
       enabled = coalesce(w.failing_since, now()) > now() - $2::float8 * interval '1 millisecond',
       disabled_reason = case when coalesce(w.failing_since, now()) > now() - $2::float8 * interval '1 millisecond'
         then null else $3::text end
     where w.id = $1::uuid and w.enabled returning not w.enabled as disabled`,
    [endpointId, disableAfterMs, reason],
  )
  return rows[0]?.disabled === true
}

/**
 * Repairs the queues after a process died or a clock was set back. It makes events due that were put aside behind one that is
 * gone, and events whose next attempt is later than any delay.
 */
export async function mendQueues(db: Database): Promise<void> {
  await db.run(
    `update webhook_deliveries d set due_at = now() where not d.dead and (
       (d.due_at = 'infinity' and not exists (
         select 1 from webhook_deliveries b where b.tenant_id = d.tenant_id and b.endpoint_id = d.endpoint_id
           and b.resource_id = d.resource_id and b.position < d.position and not b.dead))
       or (d.due_at < 'infinity' and d.due_at > now() + interval '2 days'))`,
    [],
  )
}
