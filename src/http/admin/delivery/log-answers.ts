import type { Context } from 'hono'
import { Refusal } from '../../../administration/refusal.ts'
import type { ControlPlane } from '../../../context/control-plane.ts'
import type { Database } from '../../../db/database.ts'
import { streamLog } from '../../../delivery/event-stream.ts'
import { type FollowedLog, type LogAnswer, readLog } from '../../../delivery/read-log.ts'
import { type EventTypes, type LoggedEvent, parseEventTypes } from '../../../events/event.ts'
import type { OriginPolicy } from '../../../tenancy/base-url.ts'
import type { AdminEnv } from '../../control/env.ts'
import type { EventReaders } from '../../control/event-readers.ts'
import { stillAllowed } from '../../control/polling.ts'
import { streamed } from '../../streamed.ts'

// Answers with the log of a tenant or the feed of an environment, whichever it is.

/** What answers need beside the request. */
export interface AnswerTools {
  readonly control: ControlPlane
  readonly config: OriginPolicy
  readonly readers: EventReaders
}

/** The part of the query that is the same for all logs. */
interface ReaderQuery {
  readonly types?: string | undefined
  readonly snapshot: 'true' | 'false'
}

/** Whose log it is. */
interface LogOwner {
  /** Undefined for several tenants. */
  readonly tenantId: string | undefined
  /** Tells a reader why the log cannot be followed from where it stands. */
  cannotFollow(answer: Exclude<LogAnswer, { outcome: 'page' }>): Refusal
}

/** Makes the log over the database of a request. A reader that waits gets another one, on which each statement has its own time. */
type LogIn<Event extends LoggedEvent> = (database: Database) => FollowedLog<Event>

/** One page of a log, or of what comes next. @throws {Refusal} 400, 403 or 410 */
export async function pageAnswer<Event extends LoggedEvent>(
  c: Context<AdminEnv>,
  { control, config, readers }: AnswerTools,
  logIn: LogIn<Event>,
  after: number | undefined,
  { limit, wait, types, snapshot }: ReaderQuery & { readonly limit: number; readonly wait: number },
  { tenantId, cannotFollow }: LogOwner,
): Promise<Response> {
  const wanted = wantedTypes(types)
  const waiting = wait > 0 ? readers.enter(c, tenantId) : undefined
  const log = logIn(c.var.database)
  const signal = waiting?.signal ?? c.req.raw.signal
  const question = { after, limit, types: wanted, waitMs: wait * 1_000, signal }
  const answer = await readLog(log, question).finally(() => waiting?.end())
  if (wait > 0) await stillAllowed(c, control, config)
  if (answer.outcome !== 'page') throw cannotFollow(answer)
  const { events, next, head } = answer.page
  const textOf = await log.texts(events, snapshot === 'true')
  const items = events.map(textOf).join(',')
  c.var.passage?.holdAnswer(items.length, true)
  // Written out: what changed is JSON text already.
  return c.body(`{"items":[${items}],"next":${JSON.stringify(log.cursorAt(next))},"more":${next < head}}`, 200, {
    ...{ 'Content-Type': 'application/json', 'Cache-Control': 'no-store' },
  })
}

/** A log as server-sent events. @throws {Refusal} 400 or 410 */
export async function streamAnswer<Event extends LoggedEvent>(
  c: Context<AdminEnv>,
  { readers }: AnswerTools,
  logIn: LogIn<Event>,
  after: number | undefined,
  { types: text, snapshot }: ReaderQuery,
  { tenantId, cannotFollow }: LogOwner,
): Promise<Response> {
  const types = wantedTypes(text)
  const reader = readers.enter(c, tenantId)
  const { signal, passage } = reader
  const log = logIn(c.var.database)
  const answer = await readLog(log, { after, limit: 100, types, waitMs: 0 }).catch((error: unknown) => {
    reader.end()
    throw error
  })
  if (answer.outcome !== 'page') {
    reader.end()
    throw cannotFollow(answer)
  }
  const events = streamLog(log, answer.page, { types, snapshot: snapshot === 'true', signal })
  const body = streamed(events, passage, { over: () => reader.end() })
  passage?.answered(c.req.method, c.env)
  return c.body(body, 200, {
    // The proxy in front must not gather events either.
    ...{ 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' },
  })
}

/** @throws {Refusal} 400 where one is none */
function wantedTypes(text: string | undefined): EventTypes {
  const types = parseEventTypes(text === undefined || text === '' ? [] : text.split(','))
  const message = 'must be types of events with commas between, such as user.deactivated,group.*'
  if (types === undefined) throw new Refusal(400, `types ${message}.`, [{ path: 'types', message }])
  return types
}
