import type { Database } from '../../db/database.ts'
import type { LoggedEvent } from '../../events/event.ts'
import type { TenantId } from '../../place-ids.ts'
import { eventColumns, numberedEvents } from '../log/event-log.ts'
import { FIRST_ID } from '../sql/ids.ts'
import { dueTenants, TENANTS_AT_ONCE } from './due-deliveries.ts'

/** An event that the receiver of a stream has got and not fully acknowledged. */
export interface HandedOut {
  readonly event: LoggedEvent
  readonly attempts: number
  /** Its tokens that the receiver has acknowledged or refused, one bit each. */
  readonly taken: number
  /** Why the receiver has refused one of those. */
  readonly lastError: string | null
}

/** Tenants with events that are due on one stream; only some of them where there are many. */
export async function dueOnStream(db: Database, endpointId: string): Promise<TenantId[]> {
  const rows = await db.run<{ id: TenantId }>(
    db.distributed
      ? `select distinct d.tenant_id::text as id from webhook_deliveries d
         where d.endpoint_id = $1::uuid and not d.dead and d.due_at <= now() limit ${TENANTS_AT_ONCE}`
      : `select t.id::text from (${dueTenants('$1::uuid', `'${FIRST_ID}'`)}) t`,
    [endpointId],
    { name: 'stream-due', prepare: false },
  )
  return rows.map(({ id }) => id)
}

const literal = (numbers: readonly number[]): string => `{${numbers.join(',')}}`

/** The queue of one tenant's events for a stream that is polled: what `webhookQueueOf` does not have. */
export function streamQueueOf(database: Database, tenantId: TenantId, endpointId: string) {
  const db = database.asTenant(tenantId)
  const mine = 'd.tenant_id = $1::uuid and d.endpoint_id = $2::uuid'
  return {
    /** Events at these positions that are still in the queue. */
    async handedOut(positions: readonly number[]): Promise<HandedOut[]> {
      const found = await db.run<LoggedEvent & Omit<HandedOut, 'event'>>(
        `select e.*, d.attempts, d.taken, d.last_error as "lastError"
         from unnest($3::text::bigint[]) as x(position)
         cross join lateral (
           select d.attempts, d.taken, d.last_error from webhook_deliveries d
           where ${mine} and d.position = x.position and not d.dead limit 1
         ) d
         cross join lateral (
           select ${eventColumns} from ${numberedEvents('$1::uuid')} where p.tenant_id = $1::uuid and p.position = x.position limit 1
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
           due_at = now() where ${mine} and d.position = $3::bigint and not d.dead`,
        [tenantId, endpointId, position, taken, error],
      )
    },

    /** Makes events due again that were claimed and not handed out. */
    async putBack(positions: readonly number[]): Promise<void> {
      await db.run(
        // By their keys: a row that another transaction changes meanwhile lies elsewhere after that.
        `update webhook_deliveries d set due_at = now() where ${mine} and d.position = any($3::text::bigint[]) and not d.dead`,
        [tenantId, endpointId, literal(positions)],
        { prepare: false },
      )
    },
  }
}
