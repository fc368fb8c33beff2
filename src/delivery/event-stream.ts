import type { Database } from '../db/database.ts'
import { isUnavailable } from '../db/errors.ts'
import { type EventTypes, eventText } from '../events/event.ts'
import type { TenantId } from '../place-ids.ts'
import type { LogPage } from '../repositories/log/event-log.ts'
import { snapshotsFor } from './event-snapshots.ts'
import type { LogWatch } from './log-watch.ts'
import { readLog } from './read-log.ts'

/** More often than proxies cut silent connections. */
const BEAT_MS = 15_000
const PAGE = 100

/** A reader that stays. */
export interface StreamReader {
  readonly types: EventTypes
  /** Whether each event comes with its resource as it is now. */
  readonly snapshot?: boolean | undefined
  /** Aborted when the reader has gone, and when it may read no longer. */
  readonly signal: AbortSignal
  readonly beatMs?: number
}

/**
 * The log from `first` on as server-sent events: `id` is the position, `data` the event. While nothing happens an
 * `id` comes alone now and then, so that a reader of rare types comes back to the log's end.
 *
 * Ends when the reader leaves or may read no longer, when the instance stops, and when the log cannot be followed or reached. A
 * reader that comes back with its last id misses nothing, or is told so.
 */
export async function* streamLog(
  db: Database,
  watch: LogWatch,
  tenantId: TenantId,
  first: LogPage,
  { types, snapshot, signal, beatMs = BEAT_MS }: StreamReader,
): AsyncGenerator<string> {
  yield 'retry: 1000\n\n'
  let page = first
  let beat = performance.now()
  for (;;) {
    const snapshots = snapshot ? await snapshotsFor(db, tenantId, page.events) : undefined
    for (const event of page.events)
      yield `id: ${event.position}\ndata: ${eventText(event, tenantId, snapshots?.(event))}\n\n`
    const now = performance.now()
    if (page.events.length > 0) beat = now
    else if (now - beat >= beatMs) {
      beat = now
      yield `id: ${page.next}\n\n`
    }
    if (signal.aborted || watch.drained) return
    // An idle stream sends no statement of its own: there may be thousands.
    if (page.next >= page.head && !(await watch.wait(tenantId, page.next, beatMs, signal))) {
      page = { ...page, events: [] }
      continue
    }
    const answer = await readLog(db, watch, tenantId, {
      after: page.next,
      limit: PAGE,
      types,
      waitMs: 0,
      signal,
    }).catch((error: unknown) => {
      if (isUnavailable(error)) return undefined
      throw error
    })
    if (answer?.outcome !== 'page') return
    page = answer.page
  }
}
