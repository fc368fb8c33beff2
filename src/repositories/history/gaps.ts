import type { Database } from '../../db/database.ts'
import type { TenantId } from '../../place-ids.ts'
import { numberedEvents } from '../log/event-log.ts'
import { type Gap, type History, takeHistory } from './histories.ts'

// A history of which events are missing has a gap: it ends what was open when the gap began, and begins with a new picture.

const DAY_MS = 86_400_000
/** Events that are looked at for the oldest one; events next to each other in the log happened at about the same time. */
const LOOKED_AT = 1_000

/** Has a history that the transaction holds begin anew, with a gap since a moment, in milliseconds since 1970. */
export async function beginAnew(
  tx: Database,
  tenantId: TenantId,
  { gaps, startedAt }: Pick<History, 'gaps' | 'startedAt'>,
  since: number,
): Promise<void> {
  const isOpen = gaps.at(-1)?.until === null
  // A history that has told of nothing yet has no gap, and a gap that was about to end goes on.
  const now: readonly Gap[] = startedAt === null || isOpen ? gaps : [...gaps, { from: since, until: null }]
  await tx.run(
    `update histories h set phase = 'ending', part = 'grants', after = null, target = null, gaps = $2::text::jsonb, ended_at = null
     where h.tenant_id = $1::uuid`,
    [tenantId, JSON.stringify(now)],
    { name: 'history-write' },
  )
}

/**
 * Has a history do without the events that it has not taken, where the first of them are older than `days`: nothing is held for it any
 * more. Gives whether it did.
 */
export function giveUpEvents(db: Database, tenantId: TenantId, days: number): Promise<boolean> {
  return db.transaction(async (tx) => {
    const own = tx.asTenant(tenantId)
    const history = await takeHistory(own, tenantId, true)
    if (history === undefined || history.endedAt !== null) return false
    const [log] = await own.run<{ head: number; oldest: number | null }>(
      `select l.head::float8 as head, (
         select (extract(epoch from min(e.occurred_at)) * 1000)::float8 from (
           select e.occurred_at from ${numberedEvents('$1::uuid')}
           where p.tenant_id = $1::uuid and p.position > $2::bigint order by p.position limit ${LOOKED_AT}
         ) e
       ) as oldest from event_logs l where l.tenant_id = $1::uuid`,
      [tenantId, history.position],
      { name: 'history-write', prepare: false },
    )
    if (log === undefined || log.oldest === null || log.oldest > Date.now() - days * DAY_MS) return false
    // What happened in that millisecond is not known.
    await beginAnew(own, tenantId, history, Math.floor(log.oldest) - 1)
    await own.run('update histories h set position = $2::bigint where h.tenant_id = $1::uuid', [tenantId, log.head], {
      name: 'history-write',
    })
    return true
  })
}
