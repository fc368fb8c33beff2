import type { Database } from '../db/database.ts'
import { type EventTypes, eventText, type LoggedEvent } from '../events/event.ts'
import type { TenantId } from '../place-ids.ts'
import { eventLogOf, type LogPage } from '../repositories/log/event-log.ts'
import { type BackwardPage, type LatestEvents, latestEvents } from '../repositories/log/latest-events.ts'
import { besideEvents } from './event-snapshots.ts'
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
export type LogAnswer<Event extends LoggedEvent = LoggedEvent> =
  | { readonly outcome: 'page'; readonly page: LogPage<Event> }
  /** What comes next has been deleted for its age. */
  | { readonly outcome: 'trimmed'; readonly trimmed: number }
  /** The position is none of this log's: the store was put back to an earlier state. */
  | { readonly outcome: 'ahead'; readonly head: number }

/** What readers follow: the log of a tenant, or the feed of an environment, in which positions are places. */
export interface FollowedLog<Event extends LoggedEvent = LoggedEvent> {
  /** Wakes the readers. */
  readonly watch: LogWatch
  /** Waits until the log ends elsewhere than at `after`; see `LogWatch.wait`. */
  wait(after: number, ms: number, signal?: AbortSignal): Promise<boolean>
  /** Gives positions to what was committed before. */
  catchUp(): Promise<void>
  /** Up to `limit` events after a position; without it, from the oldest event that is kept. */
  read(after: number | undefined, limit: number, types: EventTypes): Promise<LogPage<Event>>
  positionOf(event: Event): number
  /** A position as readers get it and send it. */
  cursorAt(position: number): string | number
  /** Gives events as readers get them; with `snapshot`, each with its resource as it is now. Users have what is mapped of them. */
  texts(events: readonly Event[], snapshot: boolean): Promise<(event: Event) => string>
}

/** The log of a tenant, for readers. */
export function tenantLog(db: Database, watch: LogWatch, tenantId: TenantId): FollowedLog {
  const log = eventLogOf(db, tenantId)
  return {
    watch,
    wait: (after, ms, signal) => watch.wait(tenantId, after, ms, signal),
    async catchUp() {
      if (await log.hasUnnumbered()) await log.number({ wait: true })
    },
    read: (after, limit, types) => log.read(after ?? 0, limit, types),
    positionOf: ({ position }) => position,
    cursorAt: (position) => position,
    async texts(events, snapshot) {
      const besides = await besideEvents(db, tenantId, events, snapshot)
      return (event) => eventText(event, tenantId, besides(event))
    },
  }
}

/** Reads on in a log; with all that was committed before the question. */
export async function readLog<Event extends LoggedEvent>(
  log: FollowedLog<Event>,
  question: LogQuestion,
): Promise<LogAnswer<Event>> {
  const until = performance.now() + question.waitMs
  await log.catchUp()
  return readOn(log, { ...question, waitMs: until - performance.now() })
}

/** The same with what has its position: for a reader who is woken when there is more, and must not wait for others' events first. */
export async function readOn<Event extends LoggedEvent>(
  log: FollowedLog<Event>,
  { after, limit, types, waitMs, signal }: LogQuestion,
): Promise<LogAnswer<Event>> {
  const until = performance.now() + waitMs
  for (let from = after; ; ) {
    const page = await log.read(from, limit, types)
    const { trimmed, head, next } = page
    if (from !== undefined && from < trimmed) return { outcome: 'trimmed', trimmed }
    if (from !== undefined && from > head) return { outcome: 'ahead', head }
    const left = until - performance.now()
    if (page.events.length > 0 || (next >= head && left <= 0)) return { outcome: 'page', page }
    if (signal?.aborted || log.watch.drained) return { outcome: 'page', page }
    from = Math.max(next, trimmed)
    if (from >= head) await log.wait(from, left, signal)
  }
}

/** A tenant's events backwards, for people who look; with all that was committed before. */
export async function readLatest(db: Database, tenantId: TenantId, page: BackwardPage): Promise<LatestEvents> {
  const log = eventLogOf(db, tenantId)
  if (page.before === undefined && (await log.hasUnnumbered())) await log.number({ wait: true })
  return latestEvents(db, tenantId, page)
}
