import type { Database } from '../../db/database.ts'
import type { LoggedEvent } from '../../events/event.ts'
import type { TenantId } from '../../place-ids.ts'
import { Parameters } from '../sql/parameters.ts'
import { eventColumns } from './event-log.ts'

/** Positions looked at for one page of a resource's events: the log has no index by resource, which every write would pay for. */
const LOOKED_BACK = 10_000

/** Events counted for the picture of a tenant's hours. */
const COUNTED = 50_000

/** Which stretch of a log, backwards. */
export interface BackwardPage {
  /** Only events below this position; from the newest on without it. */
  readonly before?: number | undefined
  /** Only events of this resource. */
  readonly resourceId?: string | undefined
  readonly limit: number
}

/** Events, the newest first; `next` is the `before` of the next stretch, undefined where nothing older is kept. */
export interface LatestEvents {
  readonly events: readonly LoggedEvent[]
  readonly next: number | undefined
}

/** A tenant's numbered events backwards. Of one resource a stretch may be empty and still have a `next`. */
export async function latestEvents(
  db: Database,
  tenantId: TenantId,
  { before, resourceId, limit }: BackwardPage,
): Promise<LatestEvents> {
  const parameters = new Parameters()
  const tenant = parameters.bind(tenantId, 'uuid')
  const from = parameters.bind(before ?? null, 'bigint')
  const ofResource =
    resourceId === undefined ? '' : `and (e.resource_id = ${parameters.bind(resourceId, 'uuid')}) is true`
  const rows = await db
    .asTenant(tenantId)
    .run<LoggedEvent & { from: number; trimmed: number; position: number | null }>(
      `select s.before::float8 as from, s.trimmed::float8 as trimmed, x.* from (
       select least(coalesce(${from}, l.head + 1), l.head + 1) as before, l.trimmed from event_logs l
       where l.tenant_id = ${tenant}
     ) s left join lateral (
       select ${eventColumns} from events e
       where e.tenant_id = ${tenant} and e.position < s.before and e.position >= s.before - ${LOOKED_BACK} ${ofResource}
       order by e.position desc limit ${Math.trunc(limit)}
     ) x on true order by x.position desc`,
      parameters.values,
      { prepare: false },
    )
  const events = rows.filter((row) => row.position !== null)
  const [{ from: start, trimmed } = { from: 1, trimmed: 0 }] = rows
  const next = events.length === limit ? (events.at(-1)?.position ?? start) : start - LOOKED_BACK
  return { events, next: next > trimmed + 1 ? next : undefined }
}

/** How many events there were in each of the last `hours` hours, the oldest first; no more than the latest 50,000 are counted. */
export async function eventsByHour(db: Database, tenantId: TenantId, hours: number): Promise<number[]> {
  const rows = await db.asTenant(tenantId).run<{ ago: number; count: number }>(
    `select floor(extract(epoch from now() - r.occurred_at) / 3600)::int as ago, count(*)::int as count from (
       select e.occurred_at from events e where e.tenant_id = $1::uuid and e.occurred_at > now() - make_interval(hours => $2::int)
       order by e.occurred_at desc limit ${COUNTED}
     ) r group by 1`,
    [tenantId, hours],
    { prepare: false },
  )
  const counts = new Map(rows.map(({ ago, count }) => [Math.max(0, ago), count]))
  return Array.from({ length: hours }, (_, i) => counts.get(hours - 1 - i) ?? 0)
}
