import type { Database } from '../../db/database.ts'
import type { LoggedEvent } from '../../events/event.ts'
import type { TenantId } from '../../place-ids.ts'
import { eventColumns, numberedEvents } from '../log/event-log.ts'
import { accountOfSubject } from '../sql/adoption-parts.ts'
import { FIRST_ID } from '../sql/ids.ts'
import { dueTenants, queuedTenants, TENANTS_AT_ONCE } from './due-deliveries.ts'

/** An event that the receiver of a stream has got and not fully acknowledged. */
export interface HandedOut {
  readonly event: LoggedEvent
  readonly attempts: number
  /** Its tokens that the receiver has acknowledged or refused, one bit each. */
  readonly taken: number
  /** Why the receiver has refused one of those. */
  readonly lastError: string | null
}

/** What is due on a stream that is polled. */
export interface DueOnStream {
  /** Tenants with events that are due, only some of them where there are many; none while the stream is paused or disabled. */
  readonly tenants: readonly TenantId[]
  /** Whether anything about the stream itself is due. */
  readonly messages: boolean
}

/** What is due on one stream. */
export async function dueOnStream(db: Database, endpointId: string): Promise<DueOnStream> {
  const message =
    '(select null::text as id from stream_messages m where m.endpoint_id = $1::uuid and m.due_at <= now() limit 1)'
  const rows = await db.run<{ id: TenantId | null }>(
    db.distributed
      ? `select distinct d.tenant_id::text as id from webhook_deliveries d join webhook_endpoints w on w.id = d.endpoint_id
         where d.endpoint_id = $1::uuid and w.enabled and not w.paused and not d.dead and d.due_at <= now() limit ${TENANTS_AT_ONCE}`
      : `select t.id::text from webhook_endpoints w cross join lateral (${dueTenants('w.id', `'${FIRST_ID}'`)}) t
         where w.id = $1::uuid and w.enabled and not w.paused
         union all ${message}`,
    [endpointId],
    { name: 'stream-due', prepare: false },
  )
  const tenants = rows.flatMap(({ id }) => (id === null ? [] : [id]))
  if (!db.distributed) return { tenants, messages: tenants.length < rows.length }
  return { tenants, messages: (await db.run(message, [endpointId], { prepare: false })).length > 0 }
}

const DROPPED_AT_ONCE = 2_000

/**
 * Drops what waits for a stream that is disabled, of all tenants, a part at a time. What was given up stays: an operator may send it
 * again.
 */
export async function dropQueue(db: Database, endpointId: string): Promise<void> {
  for (let after = FIRST_ID; ; ) {
    const [next] = await db.run<{ id: TenantId }>(
      db.distributed
        ? `select distinct d.tenant_id::text as id from webhook_deliveries d
           where d.endpoint_id = $1::uuid and not d.dead and d.tenant_id > $2::uuid order by 1 limit 1`
        : `${queuedTenants('$1::uuid', '$2::uuid', 'not d.dead', 1)} select q.id::text from queued q`,
      [endpointId, after],
      { prepare: false },
    )
    if (next === undefined) return
    after = next.id
    while ((await dropSome(db.asTenant(next.id), next.id, endpointId)) === DROPPED_AT_ONCE);
  }
}

async function dropSome(db: Database, tenantId: TenantId, endpointId: string): Promise<number> {
  const gone = await db.run(
    `delete from webhook_deliveries d where ${MINE} and not d.dead and d.position = any(array(
       select o.position from webhook_deliveries o where o.tenant_id = $1::uuid and o.endpoint_id = $2::uuid and not o.dead
       order by o.position limit ${DROPPED_AT_ONCE})) returning 1`,
    [tenantId, endpointId],
    { prepare: false },
  )
  return gone.length
}

const MINE = 'd.tenant_id = $1::uuid and d.endpoint_id = $2::uuid'

const literal = (numbers: readonly number[]): string => `{${numbers.join(',')}}`

/** The queue of one tenant's events for a stream that is polled: what `webhookQueueOf` does not have. */
export function streamQueueOf(database: Database, tenantId: TenantId, endpointId: string) {
  const db = database.asTenant(tenantId)
  return {
    /** Events at these positions that are still in the queue. */
    async handedOut(positions: readonly number[]): Promise<HandedOut[]> {
      const found = await db.run<LoggedEvent & Omit<HandedOut, 'event'>>(
        `select e.*, d.attempts, d.taken, d.last_error as "lastError"
         from unnest($3::text::bigint[]) as x(position)
         cross join lateral (
           select d.attempts, d.taken, d.last_error from webhook_deliveries d
           where ${MINE} and d.position = x.position and not d.dead limit 1
         ) d
         cross join lateral (
           select ${eventColumns(accountOfSubject('e', '$1::uuid'))} from ${numberedEvents('$1::uuid')} where p.tenant_id = $1::uuid and p.position = x.position limit 1
         ) e order by e.position`,
        [tenantId, endpointId, literal(positions)],
        { name: 'stream-handed-out', prepare: false },
      )
      return found.map(({ attempts, taken, lastError, ...event }) => ({ event, attempts, taken, lastError }))
    },

    /** Stores which tokens of an event are done, and makes the rest due at once. */
    async settledInPart(position: number, taken: number, error: string | null): Promise<void> {
      await db.run(
        `update webhook_deliveries d set taken = d.taken | $4::int, last_error = coalesce($5::text, d.last_error),
           due_at = now() where ${MINE} and d.position = $3::bigint and not d.dead`,
        [tenantId, endpointId, position, taken, error],
      )
    },

    /** Makes events due again that were claimed and not handed out. */
    async putBack(positions: readonly number[]): Promise<void> {
      await db.run(
        // By their keys: a row that another transaction changes meanwhile lies elsewhere after that.
        `update webhook_deliveries d set due_at = now() where ${MINE} and d.position = any($3::text::bigint[]) and not d.dead`,
        [tenantId, endpointId, literal(positions)],
        { prepare: false },
      )
    },
  }
}
