import { v7 as uuidv7 } from 'uuid'
import type { Database } from '../../db/database.ts'
import {
  STREAM_UPDATED,
  type StreamPlace,
  type StreamSettings,
  type StreamStatus,
} from '../../events/security-events.ts'
import type { JsonObject } from '../../scim/resource.ts'
import { arrayText } from '../sql/parameters.ts'

/** What a stream is told about itself: a verification, or that its status was changed. */
export interface StreamMessage {
  /** The token's name: a UUID, unlike those of tokens about events. */
  readonly id: string
  readonly uri: string
  readonly payload: JsonObject
  /** Milliseconds since 1970. */
  readonly createdAt: number
}

/** One that somebody sends or hands out. The claim is valid as long as the number of attempts in the row is the same. */
export type ClaimedMessage = StreamMessage & { readonly attempts: number }

/** A stream that has messages that are due. */
export interface ToldStream extends StreamPlace {
  readonly id: string
  readonly url: string
  /** Sealed. */
  readonly secret: string
  readonly stream: StreamSettings
}

/** A stream keeps no more: the oldest ones make room. So many are claimed at once. */
export const MOST_MESSAGES = 10
/** Longer than any attempt takes. After that another instance may claim it; a receiver that polls gets it again. */
const CLAIMED_FOR_S = 30
const STREAMS_AT_ONCE = 50

/** Stores a message for a stream. @param held it waits until the stream is not paused any more */
export async function addMessage(
  db: Database,
  { id: endpointId, stream }: { readonly id: string; readonly stream: StreamSettings },
  { id, uri, payload }: Omit<StreamMessage, 'createdAt'>,
  held: boolean,
): Promise<void> {
  await db.run(
    // What is inserted is not seen by the part that makes room.
    `with made as (
       insert into stream_messages (endpoint_id, id, uri, payload, pushed, due_at)
       values ($1::uuid, $2::uuid, $3::text, $4::text::jsonb, $5::boolean, case when $6::boolean then 'infinity' else now() end)
     )
     delete from stream_messages m where m.endpoint_id = $1::uuid and m.id = any(array(
       select o.id from stream_messages o where o.endpoint_id = $1::uuid order by o.id desc offset ${MOST_MESSAGES - 1}))`,
    [endpointId, id, uri, JSON.stringify(payload), stream.method === 'push', held],
  )
}

/** Tells the receiver of a stream that somebody else has given it another status (SSF 1.0 §8.1.2, §8.1.5). */
export function tellStatus(
  db: Database,
  stream: { readonly id: string; readonly stream: StreamSettings },
  status: StreamStatus,
  reason: string | null,
): Promise<void> {
  const payload = { status, ...(reason === null ? {} : { reason }) }
  return addMessage(db, stream, { id: uuidv7(), uri: STREAM_UPDATED, payload }, false)
}

/** Claims up to `limit` messages that are due, the oldest first. */
export async function claimMessages(db: Database, endpointId: string, limit: number): Promise<ClaimedMessage[]> {
  const claimed = await db.run<ClaimedMessage>(
    `with claimed as (
       update stream_messages m set attempts = m.attempts + 1, due_at = now() + interval '${CLAIMED_FOR_S} seconds'
       where m.endpoint_id = $1::uuid and m.id = any(array(
         select o.id from stream_messages o where o.endpoint_id = $1::uuid and o.due_at <= now()
         order by o.id limit $2::int for update skip locked))
       returning m.id, m.uri, m.payload, m.attempts, m.created_at
     )
     select c.id::text, c.uri, c.payload, c.attempts, (extract(epoch from c.created_at) * 1000)::float8 as "createdAt" from claimed c`,
    [endpointId, limit],
  )
  return claimed.sort((a, b) => (a.id < b.id ? -1 : 1))
}

/** Forgets messages that were accepted, or given up; names of other streams' messages are none of this one's. */
export async function messagesDone(db: Database, endpointId: string, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return
  await db.run('delete from stream_messages m where m.endpoint_id = $1::uuid and m.id = any($2::text::uuid[])', [
    endpointId,
    arrayText(ids, 'uuid'),
  ])
}

/** Puts a message that was not accepted back for later. */
export async function messageFailed(
  db: Database,
  endpointId: string,
  { id, attempts }: Pick<ClaimedMessage, 'id' | 'attempts'>,
  retryAfterMs: number,
): Promise<void> {
  await db.run(
    // A stream that was paused meanwhile holds it.
    `update stream_messages m set due_at = now() + $4::float8 * interval '1 millisecond'
     where m.endpoint_id = $1::uuid and m.id = $2::uuid and m.attempts = $3::int and m.due_at < 'infinity'`,
    [endpointId, id, attempts, retryAfterMs],
  )
}

/** Makes the messages of a stream go by its status: they wait, are due, or are dropped. `pushed` says how they are delivered now. */
export async function messagesFollow(
  db: Database,
  endpointId: string,
  { status, pushed }: { readonly status: 'enabled' | 'paused' | 'disabled'; readonly pushed: boolean },
): Promise<void> {
  if (status === 'disabled') {
    await db.run('delete from stream_messages m where m.endpoint_id = $1::uuid', [endpointId])
    return
  }
  await db.run('update stream_messages m set pushed = $2::boolean where m.endpoint_id = $1::uuid', [endpointId, pushed])
  const [dueAt, which] = status === 'paused' ? ["'infinity'", ''] : ['now()', " and m.due_at = 'infinity'"]
  await db.run(`update stream_messages m set due_at = ${dueAt} where m.endpoint_id = $1::uuid${which}`, [endpointId])
}

/** Streams that have messages to be sent, and those among `polling` for which something is due. */
export async function streamsToTell(db: Database, polling: readonly string[]): Promise<ToldStream[]> {
  return db.run<ToldStream>(
    `select w.id::text, w.url, w.secret, w.stream, w.environment_id::text as "environmentId", w.tenant_id::text as "tenantId"
     from (
       select d.endpoint_id from (
         select m.endpoint_id from stream_messages m where m.pushed and m.due_at <= now() order by m.due_at limit ${STREAMS_AT_ONCE}
       ) d
       union
       select m.endpoint_id from stream_messages m where m.endpoint_id = any($1::text::uuid[]) and m.due_at <= now()
     ) t join webhook_endpoints w on w.id = t.endpoint_id`,
    [arrayText(polling, 'uuid')],
    { name: 'stream-messages-due' },
  )
}

/** Notes that a receiver asks for a verification; false where it asked less than `seconds` ago. */
export async function takeVerification(db: Database, endpointId: string, seconds: number): Promise<boolean> {
  const taken = await db.run(
    `update webhook_endpoints w set verified_at = now() where w.id = $1::uuid
       and (w.verified_at is null or w.verified_at <= now() - $2::float8 * interval '1 second') returning 1`,
    [endpointId, seconds],
  )
  return taken.length > 0
}
