import type { Database } from '../../db/database.ts'
import type { LoggedEvent } from '../../events/event.ts'
import type { TenantId } from '../../place-ids.ts'
import { eventColumns, numberedEvents } from '../log/event-log.ts'
import { hasMapping } from '../log/has-mapping.ts'
import { accountOfSubject } from '../sql/adoption-parts.ts'
import { foundRows } from '../sql/found-rows.ts'
import { FIRST_ID } from '../sql/ids.ts'

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

/** An attempt that is over. */
export interface SettledDelivery {
  readonly position: number
  /** The attempts of the claim. Where the row has another number, somebody else has claimed it since. */
  readonly attempts: number
}

/** An attempt that failed; with `giveUp` it was the last one. */
export interface FailedDelivery extends SettledDelivery {
  readonly retryAfterMs: number
  readonly giveUp: boolean
  readonly status: number | null
  readonly error: string
  /** Tokens that were accepted nevertheless, one bit each. */
  readonly taken?: number | undefined
}

/** Longer than any attempt takes. After that another instance may claim the event. */
const CLAIMED_FOR_S = 30
/** Events that a claim looks at, so that those behind an earlier one of their resource do not hold up others. */
const LOOKED_AT = 64

/** Which events a claim is for. `probe`: those first that have failed the least, to see whether the endpoint is back. */
export type ClaimFor = 'any' | 'urgent' | 'probe'

const literal = (numbers: readonly number[]): string => `{${numbers.join(',')}}`

const isOfQueue = (row: string) => `${row}.tenant_id = $1::uuid and ${row}.endpoint_id = $2::uuid`
const mine = isOfQueue('d')

/** Rows of the queue of the tenant $1 for the endpoint $2. */
const rowsOfQueue = (distributed: boolean) => foundRows(distributed, isOfQueue, 'position')

const lookedAt = (
  at: string,
  which: string,
) => `(select d.${at} as at, d.position, d.due_at, d.resource_id, d.attempts, d.urgent
             from webhook_deliveries d where ${mine} and not d.dead${which} and d.due_at <= now() order by d.due_at limit ${LOOKED_AT})`

/** Only what is claimed or put aside is locked: a lock is a write. */
const claimSql = (distributed: boolean): string => {
  // Where the row lies, or its key on Citus.
  const at = distributed ? 'position' : 'ctid'
  const isMine = distributed ? mine : `(${mine}) is true`
  return `with looked as materialized (
           select u.* from ${lookedAt(at, ' and d.urgent')} u
           union all
           select o.* from ${lookedAt(at, '')} o where not o.urgent and not $4::boolean
         ),
         due as materialized (
           select l.*, l.resource_id is not distinct from (
             select b.resource_id from webhook_deliveries b where b.tenant_id = $1::uuid and b.endpoint_id = $2::uuid
               and (b.resource_id, b.position) < (l.resource_id, l.position) and not b.dead
             order by b.resource_id desc, b.position desc limit 1
           ) as blocked from looked l
         ),
         behind as materialized (
           select d.at from due l cross join lateral (
             select d.${at} as at from webhook_deliveries d
             where d.${at} = l.at and ${isMine} and not d.dead and d.due_at <= now() for update of d skip locked
           ) d where l.blocked
         ),
         aside as (
           update webhook_deliveries d set due_at = 'infinity' where ${isMine} and d.${at} = any(array(select at from behind))
         ),
         chosen as materialized (
           select d.at from (
             select l.at from due l where not l.blocked
             order by l.urgent desc, case when $5::boolean then l.attempts else 0 end, l.due_at, l.position offset 0
           ) l cross join lateral (
             select d.${at} as at from webhook_deliveries d
             where d.${at} = l.at and ${isMine} and not d.dead and d.due_at <= now() for update of d skip locked
           ) d limit $3::int
         ),
         claimed as (
           update webhook_deliveries d set attempts = d.attempts + 1, due_at = now() + interval '${CLAIMED_FOR_S} seconds',
             first_tried_at = least(d.first_tried_at, now())
           where ${isMine} and d.${at} = any(array(select at from chosen))
           returning d.position, d.attempts, d.taken, d.first_tried_at
         )
         select x.*, ${hasMapping('$1::uuid')} as maps, c.attempts, (extract(epoch from now() - c.first_tried_at) * 1000)::float8 as age, c.taken from claimed c cross join lateral (
           select ${eventColumns(accountOfSubject('e', '$1::uuid'))} from ${numberedEvents('$1::uuid')} where p.tenant_id = $1::uuid and p.position = c.position limit 1
         ) x order by c.position`
}

const [claimPlain, claimOnCitus] = [claimSql(false), claimSql(true)]

/**
 * The queue of one tenant's events for one endpoint.
 *
 * Rows are looked up by arrays and one by one, as everywhere, and `is true` marks a condition that must not lead a plan. The
 * neighbours of an event are read in the order of the one index that has them. The table fills within seconds, and until it is
 * analysed the planner knows nothing about it.
 */
export function webhookQueueOf(database: Database, tenantId: TenantId, endpointId: string) {
  const db = database.asTenant(tenantId)
  const rows = rowsOfQueue(db.distributed)
  return {
    /**
     * Claims up to `limit` events that are due, of each resource only the first; those of people who left go first. An event
     * behind another one of its resource is put aside until that one is delivered or given up.
     */
    async claim(limit: number, which: ClaimFor = 'any'): Promise<ClaimedDelivery[]> {
      const claimed = await db.run<LoggedEvent & Omit<ClaimedDelivery, 'event'>>(
        db.distributed ? claimOnCitus : claimPlain,
        [tenantId, endpointId, limit, which === 'urgent', which === 'probe'],
        { name: 'deliveries-claim' },
      )
      return claimed.map(({ attempts, age, taken, ...event }) => ({ event, attempts, age, taken }))
    },

    /** Removes events that were delivered, and makes the next ones of their resources due. */
    async delivered(done: readonly SettledDelivery[]): Promise<void> {
      const gone = await remove(done)
      const positions = new Set(gone.map(({ position }) => position))
      const passedOver = done.filter(({ position }) => !positions.has(position))
      if (passedOver.length > 0) gone.push(...(await remove(passedOver)))
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
        { name: 'deliveries-failed' },
      )
      await release(dead)
    },
  }

  /**
   * Removes these events, and gives those that are gone. It passes over a row that another transaction changes meanwhile, such
   * as the numbering of a later event that is urgent: the row lies elsewhere after that. The next call finds it there.
   */
  function remove(done: readonly SettledDelivery[]) {
    return db.run<{ resource: string; position: number }>(
      `delete from webhook_deliveries d where ${rows.isAmong(
        'd',
        `
         select ${rows.columns('n')} from unnest($3::text::bigint[], $4::text::int[]) as x(position, attempts) cross join lateral (
           select ${rows.columns('n')} from webhook_deliveries n where n.tenant_id = $1::uuid and n.endpoint_id = $2::uuid
             and n.position = x.position and n.attempts = x.attempts limit 1
         ) n`,
      )}
       returning d.resource_id::text as resource, d.position::float8 as position`,
      [tenantId, endpointId, literal(done.map((one) => one.position)), literal(done.map((one) => one.attempts))],
      { name: 'deliveries-delivered' },
    )
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
      { name: 'deliveries-release' },
    )
    for (const { position } of next)
      await db.run(
        `update webhook_deliveries d set due_at = now()
         where ${mine} and d.position = $3::bigint and (d.due_at = 'infinity' or d.due_at <= now())`,
        [tenantId, endpointId, position],
        { name: 'deliveries-release' },
      )
  }
}

/** A place in the queues of all endpoints. */
export interface QueuePlace {
  readonly tenant: string
  readonly endpoint: string
  readonly position: number
}

/** Events that one repair looks at. */
const MENDED_AT_ONCE = 2_000

/**
 * Repairs the queues after a process died or a clock was set back, a stretch of them at a time. It makes events due that were put
 * aside behind one that is gone, and events whose next attempt is later than any delay. Gives where the next stretch begins;
 * undefined at the end.
 */
export async function mendQueues(
  db: Database,
  { tenant, endpoint, position }: QueuePlace = { tenant: FIRST_ID, endpoint: FIRST_ID, position: 0 },
): Promise<QueuePlace | undefined> {
  if (db.distributed) return mendQueuesOfNext(db, tenant)
  const rows = await db.run<QueuePlace>(
    `with stretch as materialized (
       select d.ctid as at, d.tenant_id, d.endpoint_id, d.position, d.resource_id, d.due_at from webhook_deliveries d
       where (d.tenant_id, d.endpoint_id, d.position) > ($1::uuid, $2::uuid, $3::bigint) and not d.dead
       order by d.tenant_id, d.endpoint_id, d.position limit ${MENDED_AT_ONCE}
     ),
     mended as (
       update webhook_deliveries d set due_at = now() where (d.due_at > now() + interval '2 days') is true and d.ctid = any(array(
         select s.at from stretch s where s.due_at > now() + interval '2 days' and (s.due_at < 'infinity'
           or s.resource_id is distinct from (
             select b.resource_id from webhook_deliveries b where b.tenant_id = s.tenant_id and b.endpoint_id = s.endpoint_id
               and (b.resource_id, b.position) < (s.resource_id, s.position) and not b.dead
             order by b.resource_id desc, b.position desc limit 1))))
     )
     select tenant_id::text as tenant, endpoint_id::text as endpoint, position::float8 as position from stretch
     order by tenant_id desc, endpoint_id desc, position desc limit 1`,
    [tenant, endpoint, position],
    { name: 'deliveries-mend' },
  )
  return rows[0]
}

const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff'

/** The same on Citus for the queues of the next tenant, since a statement that changes rows is about one machine. */
async function mendQueuesOfNext(db: Database, after: string): Promise<QueuePlace | undefined> {
  const [next] = await db.run<{ tenant: string }>(
    `select distinct d.tenant_id::text as tenant from webhook_deliveries d where d.tenant_id > $1::uuid and not d.dead
     order by 1 limit 1`,
    [after],
  )
  if (next === undefined) return undefined
  await db.run(
    `update webhook_deliveries d set due_at = now() where d.tenant_id = $1::uuid and not d.dead
       and d.due_at > now() + interval '2 days' and (d.due_at < 'infinity' or not exists (
         select 1 from webhook_deliveries b where b.tenant_id = $1::uuid and b.endpoint_id = d.endpoint_id
           and b.resource_id = d.resource_id and b.position < d.position and not b.dead))`,
    [next.tenant],
  )
  return { tenant: next.tenant, endpoint: LAST_ID, position: 0 }
}
