import { v7 as uuidv7 } from 'uuid'
import type { Database } from '../../db/database.ts'
import {
  deliveredUris,
  issuerAt,
  type StreamSettings,
  type StreamStatus,
  supportedUris,
  typesToldBy,
  VERIFICATION,
} from '../../events/security-events.ts'
import { secretOfHeader } from '../../events/stream-secret.ts'
import { addMessage, messagesFollow, takeVerification } from '../../repositories/delivery/stream-messages.ts'
import { dropQueue } from '../../repositories/delivery/stream-queue.ts'
import { type StreamRow, statusOf, streamsOf } from '../../repositories/delivery/webhooks.ts'
import type { Hold } from '../../repositories/sql/lists.ts'
import { isUuid } from '../../tenancy/scim-path.ts'
import { streamRecord } from '../audit-records.ts'
import { type Administration, change } from '../change.ts'
import { Refusal } from '../refusal.ts'
import type { StreamTools } from '../streams.ts'
import { endpointMistakes, refuse, refuseFull, type WebhookPlace, type WebhookTools } from '../webhooks.ts'

/** A receiver that manages its streams itself: an API key of a place, and of nothing around it. */
export interface Receiver {
  readonly keyId: string
  readonly place: WebhookPlace
}

/** Where a receiver wants its tokens (SSF 1.0 §6.1). */
export type WantedDelivery =
  | { readonly method: 'poll' }
  | {
      readonly method: 'push'
      readonly url: string
      /** The whole header; null for none, undefined where it stays as it is for the same address. */
      readonly authorization: string | null | undefined
    }

/** What a receiver says of its stream (SSF 1.0 §8.1.1, "Receiver-Supplied"). */
export interface WantedStream {
  readonly delivery: WantedDelivery
  readonly requested: readonly string[]
  readonly description: string
}

/** A receiver has one stream at a time. One that wants more uses a key for each. */
const MOST_STREAMS = 1
/** So many seconds are between two verifications of a stream, at the least (SSF 1.0 §8.1.1). */
export const VERIFICATION_INTERVAL_S = 10

/** The streams of a receiver, in the order of their making. */
export const receiverStreams = (database: Database, { keyId, place }: Receiver): Promise<StreamRow[]> =>
  streamsOf(database, place, keyId).list({ after: undefined, limit: MOST_STREAMS })

/** A stream of a receiver. Those of others are as unknown to it as those that there are not. @throws {Refusal} 404 */
export async function receiverStream(
  database: Database,
  { keyId, place }: Receiver,
  id: string,
  hold?: Hold,
): Promise<StreamRow> {
  const found = isUuid(id) ? await streamsOf(database, place, keyId).find(id, hold) : undefined
  if (found === undefined) throw Refusal.notFound('stream', id)
  return found
}

/** Makes the stream of a receiver; it gets what happens from now on. @throws {Refusal} 400, 409 where the receiver has one */
export async function createReceiverStream(
  administration: Administration,
  tools: WebhookTools & Pick<StreamTools, 'tokens'>,
  receiver: Receiver,
  { delivery, requested, description }: WantedStream,
  { origin, algorithm }: Required<Pick<StreamSettings, 'origin' | 'algorithm'>>,
): Promise<StreamRow> {
  refuseAddress(delivery, tools)
  const id = uuidv7()
  const stream: StreamSettings = {
    ...{ method: delivery.method, origin, audience: receiver.keyId, format: 'notice' as const, algorithm, requested },
    // Whoever knows the person by nothing but a name that both have is told of an e-mail address.
    ...{ signals: ['caep', 'risc'] as const, subject: 'email' as const, subjectIssuer: null },
  }
  const row = {
    ...{ id, description, stream, url: urlOf(delivery), events: [...typesToldBy(deliveredUris(stream))] },
    ...{ secret: await secretFor(tools, id, delivery), receiverKey: receiver.keyId },
  }
  await tools.tokens.ready(algorithm)
  return change(administration, async (tx, record) => {
    // It holds the place too, so that two requests at the same time do not both find room.
    await refuseFull(tx, receiver.place, tools.endpointsPerPlace)
    if ((await receiverStreams(tx, receiver)).length >= MOST_STREAMS)
      throw new Refusal(409, 'This receiver has a stream already: change it, delete it, or use another API key.')
    const made = await streamsOf(tx, receiver.place).insert(row)
    if (made === undefined) throw new Error('a stream that was made is not there')
    record(streamRecord(receiver.place, { before: null, after: made }))
    return made
  })
}

/**
 * Changes what is named of a stream of a receiver. A new way of delivery takes what waits along.
 *
 * @param expected refuses the change where the receiver has written something wrong about the stream as it is
 * @throws {Refusal} 400, 404
 */
export async function changeReceiverStream(
  administration: Administration,
  tools: WebhookTools,
  receiver: Receiver,
  id: string,
  wanted: Partial<WantedStream>,
  expected: (row: StreamRow) => void,
): Promise<StreamRow> {
  const { delivery, requested, description } = wanted
  if (delivery !== undefined) refuseAddress(delivery, tools)
  const secret = delivery === undefined ? '' : await secretFor(tools, id, delivery)
  return change(administration, async (tx, record) => {
    const before = await receiverStream(tx, receiver, id, 'no key update')
    expected(before)
    const stream: StreamSettings = {
      ...before.stream,
      ...(delivery === undefined ? {} : { method: delivery.method }),
      ...(requested === undefined ? {} : { requested }),
    }
    const keepsSecret =
      delivery?.method === 'push' && delivery.authorization === undefined && delivery.url === before.url
    const after = await streamsOf(tx, receiver.place, receiver.keyId).change(id, {
      stream,
      ...(requested === undefined ? {} : { events: [...typesToldBy(deliveredUris(stream))] }),
      ...(description === undefined ? {} : { description }),
      ...(delivery === undefined
        ? {}
        : {
            url: urlOf(delivery),
            failures: 0,
            failingSince: null,
            resumeAt: null,
            ...(keepsSecret ? {} : { secret }),
          }),
    })
    if (after === undefined) throw Refusal.notFound('stream', id)
    if (delivery !== undefined)
      await messagesFollow(tx, id, { status: statusOf(after), pushed: stream.method === 'push' })
    record(streamRecord(receiver.place, { before, after }))
    return after
  })
}

/** Deletes a stream of a receiver with all that waits for it. @throws {Refusal} 404 */
export function deleteReceiverStream(administration: Administration, receiver: Receiver, id: string): Promise<void> {
  return change(administration, async (tx, record) => {
    const before = await receiverStream(tx, receiver, id, 'update')
    await streamsOf(tx, receiver.place, receiver.keyId).delete(id)
    record(streamRecord(receiver.place, { before, after: null }))
  })
}

/**
 * Sets the status of a stream of a receiver (SSF 1.0 §8.1.2). Paused, it keeps what happens for later, as long as events are kept.
 * Disabled, it keeps nothing, and what waited for it is dropped.
 *
 * @throws {Refusal} 404
 */
export async function setStreamStatus(
  administration: Administration,
  receiver: Receiver,
  id: string,
  status: StreamStatus,
  reason: string | null,
): Promise<StreamRow> {
  const { database } = administration
  const known = await receiverStream(database, receiver, id)
  // What an instance queued at the moment when it was disabled.
  if (!known.enabled) await dropQueue(database, id)
  const row = await change(administration, async (tx, record) => {
    const before = await receiverStream(tx, receiver, id, 'no key update')
    const enabled = status !== 'disabled'
    const after = await streamsOf(tx, receiver.place, receiver.keyId).change(id, {
      ...{ enabled, paused: status === 'paused', statusReason: enabled ? reason : null },
      disabledReason: enabled ? null : (reason ?? 'Disabled by its receiver.'),
      ...(status === 'enabled' ? { failures: 0, failingSince: null, resumeAt: null } : {}),
    })
    if (after === undefined) throw Refusal.notFound('stream', id)
    await messagesFollow(tx, id, { status, pushed: after.stream.method === 'push' })
    record(streamRecord(receiver.place, { before, after }))
    return after
  })
  if (!row.enabled) await dropQueue(database, id)
  return row
}

/**
 * Has a stream told a verification event (SSF 1.0 §8.1.4.2): at once, or when it is not paused any more. A stream that is disabled keeps
 * none. False where the receiver asked for one a moment ago.
 *
 * @throws {Refusal} 404
 */
export async function askVerification(
  database: Database,
  receiver: Receiver,
  id: string,
  state: string | undefined,
): Promise<StreamRow | false> {
  const row = await receiverStream(database, receiver, id)
  if (!(await takeVerification(database, id, VERIFICATION_INTERVAL_S))) return false
  const message = { id: uuidv7(), uri: VERIFICATION, payload: state === undefined ? {} : { state } }
  if (row.enabled) await addMessage(database, row, message, row.paused)
  return row
}

/** What a receiver supplies, and the gateway supplies, of a stream (SSF 1.0 §8.1.1). */
export const eventsOfStream = (row: StreamRow) => ({
  iss: issuerAt(row.stream.origin, row),
  events_supported: supportedUris(row.stream),
  events_requested: row.stream.requested ?? [],
  events_delivered: deliveredUris(row.stream),
})

const urlOf = (delivery: WantedDelivery): string => (delivery.method === 'push' ? delivery.url : '')

async function secretFor({ box }: WebhookTools, id: string, delivery: WantedDelivery): Promise<string> {
  const header = delivery.method === 'push' ? delivery.authorization : undefined
  return header === undefined || header === null ? '' : box.seal(secretOfHeader(header), id)
}

/** @throws {Refusal} 400 */
function refuseAddress(delivery: WantedDelivery, { networks }: WebhookTools): void {
  if (delivery.method === 'poll') return
  const mistakes = endpointMistakes({ url: delivery.url }, networks)
  refuse(mistakes.map(({ message }) => ({ path: 'delivery.endpoint_url', message })))
}
