import type { Database } from '../db/database.ts'
import type { EventTypes } from '../events/event.ts'
import type { TenantId } from '../place-ids.ts'
import { eventLogOf, type LogPage } from '../repositories/log/event-log.ts'
import { type BackwardPage, type LatestEvents, latestEvents } from '../repositories/log/latest-events.ts'
import type { LogWatch } from './log-watch.ts'

/** A reader's question. */
export interface LogQuestion {
  /** The position up to which the reader knows the log; undefined for the oldest event that is kept. */
  readonly after: number | undefined
  readonly limit: number
  readonly types: EventTypes
  /** How long to wait for an event where there is none yet. */
  readonly waitMs: number
  readonly signal?: AbortSignal
}

/** A page, or why the log cannot be followed from there. */
export type LogAnswer =
  | { readonly outcome: 'page'; readonly page: LogPage }
  /** What comes next has been deleted for its age. */
  | { readonly outcome: 'trimmed'; readonly trimmed: number }
  /** The position is none of this log's: the store was put back to an earlier state. */
  | { readonly outcome: 'ahead'; readonly head: number }

/** Reads on in a tenant's log; with all that was committed before the question. */
export async function readLog(
  db: Database,
  watch: LogWatch,
  tenantId: TenantId,
  { after, limit, types, waitMs, signal }: LogQuestion,
): Promise<LogAnswer> {
  const log = eventLogOf(db, tenantId)
  const until = performance.now() + waitMs
  for (let from = after; ; ) {
    if (await log.hasUnnumbered()) await log.number({ wait: true })
    const page = await log.read(from ?? 0, limit, types)
    const { trimmed, head, next } = page
    if (from !== undefined && from < trimmed) return { outcome: 'trimmed', trimmed }
    if (from !== undefined && from > head) return { outcome: 'ahead', head }
    const left = until - performance.now()
    if (page.events.length > 0 || (next >= head && left <= 0)) return { outcome: 'page', page }
    if (signal?.aborted || watch.drained) return { outcome: 'page', page }
    from = Math.max(next, trimmed)
    if (from >= head) await watch.wait(tenantId, from, left, signal)
  }
}

/** A tenant's events backwards, for people who look; with all that was committed before. */
export async function readLatest(db: Database, tenantId: TenantId, page: BackwardPage): Promise<LatestEvents> {
  const log = eventLogOf(db, tenantId)
  if (page.before === undefined && (await log.hasUnnumbered())) await log.number({ wait: true })
  return latestEvents(db, tenantId, page)
}
