import { isUnavailable } from '../db/errors.ts'
import type { EventTypes, LoggedEvent } from '../events/event.ts'
import type { LogPage } from '../repositories/log/event-log.ts'
import { type FollowedLog, readOn } from './read-log.ts'

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
 * A log from `first` on as server-sent events: `id` is the position, `data` the event. While nothing happens an
 * `id` comes alone now and then, so that a reader of rare types comes back to the log's end.
 *
 * Ends when the reader leaves or may read no longer, when the instance stops, and when the log cannot be followed or reached. A
 * reader that comes back with its last id misses nothing, or is told so.
 */
export async function* streamLog<Event extends LoggedEvent>(
  log: FollowedLog<Event>,
  first: LogPage<Event>,
  { types, snapshot = false, signal, beatMs = BEAT_MS }: StreamReader,
): AsyncGenerator<string> {
  yield 'retry: 1000\n\n'
  let page = first
  let beat = performance.now()
  for (;;) {
    const textOf = await log.texts(page.events, snapshot)
    for (const event of page.events) yield `id: ${log.cursorAt(log.positionOf(event))}\ndata: ${textOf(event)}\n\n`
    const now = performance.now()
    if (page.events.length > 0) beat = now
    else if (now - beat >= beatMs) {
      beat = now
      yield `id: ${log.cursorAt(page.next)}\n\n`
    }
    if (signal.aborted || log.watch.drained) return
    // An idle stream sends no statement of its own: there may be thousands.
    if (page.next >= page.head && !(await log.wait(page.next, beatMs, signal))) {
      page = { ...page, events: [] }
      continue
    }
    const answer = await readOn(log, { after: page.next, limit: PAGE, types, waitMs: 0, signal }).catch(
      (error: unknown) => {
        if (isUnavailable(error)) return undefined
        throw error
      },
    )
    if (answer?.outcome !== 'page') return
    page = answer.page
  }
}
