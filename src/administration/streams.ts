import { v7 as uuidv7 } from 'uuid'
import type { Database } from '../db/database.ts'
import { isOurs, type StreamSettings } from '../events/security-events.ts'
import { messagesFollow, tellStatus } from '../repositories/delivery/stream-messages.ts'
import { type EndpointPlace, type StreamRow, statusOf, streamsOf } from '../repositories/delivery/webhooks.ts'
import type { Hold } from '../repositories/sql/lists.ts'
import type { SigningAlgorithm } from '../signing/keyring.ts'
import { isUuid } from '../tenancy/scim-path.ts'
import { streamRecord } from './audit-records.ts'
import { type Administration, change } from './change.ts'
import { type Mistake, Refusal } from './refusal.ts'
import { refuseChanged, streamState } from './states/state-tags.ts'
import { endpointMistakes, filterOf, refuse, refuseFull, type WebhookPlace, type WebhookTools } from './webhooks.ts'

/** What an operator says of a stream. Of a push stream, `url` is where its tokens go. */
export interface StreamInput extends Omit<StreamSettings, 'origin' | 'method' | 'requested' | 'algorithm'> {
  /** Undefined for what the configuration says. */
  readonly algorithm?: SigningAlgorithm | undefined
  readonly url: string
  /** The bearer token that proves to the receiver who sends; null for none. */
  readonly token: string | null
  readonly description: string
  readonly events: readonly string[]
}

/** What the functions below need beside the store. */
export type StreamTools = WebhookTools & {
  readonly tokens: {
    /** Has the key ready that signs. */
    ready(algorithm: SigningAlgorithm): Promise<unknown>
  }
  /** What signs the tokens of new streams that do not say it themselves. */
  readonly streamAlgorithm: SigningAlgorithm
}

type StreamChange = { readonly [Name in keyof StreamInput]?: StreamInput[Name] | undefined } & {
  readonly enabled?: boolean | undefined
  readonly paused?: boolean | undefined
}

/** @throws {Refusal} 404 */
export async function findStream(
  database: Database,
  place: EndpointPlace,
  id: string,
  hold?: Hold,
): Promise<StreamRow> {
  const found = isUuid(id) ? await streamsOf(database, place).find(id, hold) : undefined
  return found ?? missing(id)
}

/** Makes a stream; it gets what happens from now on. @throws {Refusal} 400, 409 where the place has as many as it may */
export async function createStream(
  administration: Administration,
  tools: StreamTools,
  place: WebhookPlace,
  {
    url,
    token,
    description,
    events,
    algorithm = tools.streamAlgorithm,
    ...given
  }: StreamInput & Pick<StreamSettings, 'origin' | 'method'>,
): Promise<StreamRow> {
  const settings: StreamSettings = { ...given, algorithm }
  refuse(mistakes(settings, { url, token, events, subjectIssuer: settings.subjectIssuer }, tools))
  const id = uuidv7()
  const row = { id, url, description, events: filterOf(events), stream: settings }
  const secret = await sealed(tools, id, token)
  await tools.tokens.ready(algorithm)
  return change(administration, async (tx, record) => {
    await refuseFull(tx, place, tools.endpointsPerPlace)
    const made = await streamsOf(tx, place).insert({ ...row, secret })
    if (made === undefined) throw new Error('a stream that was made is not there')
    record(streamRecord(place, { before: null, after: made }))
    return made
  })
}

/**
 * Changes what is named; how it is delivered and the gateway's origin stay. Enabling it forgets its failures. A receiver that manages
 * the stream itself is told of a new status.
 *
 * @throws {Refusal} 400, 404, 412
 */
export async function changeStream(
  administration: Administration,
  tools: WebhookTools,
  place: WebhookPlace,
  id: string,
  input: StreamChange,
): Promise<StreamRow> {
  const { url, token, description, events, enabled, paused, ...settings } = input
  const secret = token === undefined ? undefined : await sealed(tools, id, token)
  return change(administration, async (tx, record) => {
    const before = await findStream(tx, place, id, 'no key update')
    refuseChanged(administration, streamState(before))
    refuse(mistakes(before.stream, { url, token, events, subjectIssuer: input.subjectIssuer }, tools))
    const given = Object.entries(settings).filter(([, value]) => value !== undefined)
    const after = await streamsOf(tx, place).change(id, {
      url: url ?? before.url,
      description: description ?? before.description,
      events: filterOf(events ?? before.events),
      stream: { ...before.stream, ...Object.fromEntries(given) },
      ...(secret === undefined ? {} : { secret }),
      ...(enabled === undefined ? {} : { enabled, disabledReason: enabled ? null : 'Disabled by an operator.' }),
      ...(paused === undefined ? {} : { paused, statusReason: paused ? 'Paused by an operator.' : null }),
      // What the receiver is told by is a new chance too.
      ...(enabled || paused === false || url !== undefined || token !== undefined
        ? { failures: 0, failingSince: null, resumeAt: null }
        : {}),
    })
    if (after === undefined) return missing(id)
    if (statusOf(before) !== statusOf(after)) await followStatus(tx, after)
    record(streamRecord(place, { before, after }))
    return after
  })
}

/** Has the messages of a stream go by its new status, and tells the receiver of it that manages the stream (SSF 1.0 §8.1.5). */
async function followStatus(tx: Database, row: StreamRow): Promise<void> {
  const status = statusOf(row)
  await messagesFollow(tx, row.id, { status, pushed: row.stream.method === 'push' })
  if (row.receiverKey !== null) await tellStatus(tx, row, status, reasonOf(row))
}

/** Why a stream has the status that it has, in words; null where nobody has said. */
export const reasonOf = ({ enabled, disabledReason, statusReason }: StreamRow): string | null =>
  enabled ? statusReason : disabledReason

/** Deletes a stream with all that waits for it. @throws {Refusal} 404, 412 */
export function deleteStream(administration: Administration, place: WebhookPlace, id: string): Promise<void> {
  return change(administration, async (tx, record) => {
    const before = await findStream(tx, place, id, 'update')
    refuseChanged(administration, streamState(before))
    await streamsOf(tx, place).delete(id)
    record(streamRecord(place, { before, after: null }))
  })
}

const sealed = async ({ box }: WebhookTools, id: string, token: string | null): Promise<string> =>
  token === null ? '' : box.seal(token, id)

function mistakes(
  { method, origin }: Pick<StreamSettings, 'method' | 'origin'>,
  { url, token, events, subjectIssuer }: Pick<StreamChange, 'url' | 'token' | 'events' | 'subjectIssuer'>,
  { networks }: WebhookTools,
): Mistake[] {
  const comes = 'is only for streams that are pushed: the receiver of this one polls'
  const ours = 'is an issuer of this gateway; null stands for that of the stream'
  const named = subjectIssuer && isOurs(origin, subjectIssuer) ? [{ path: 'subjectIssuer', message: ours }] : []
  if (method === 'push') return [...named, ...endpointMistakes({ url, events }, networks)]
  return [
    ...named,
    ...(url ? [{ path: 'url', message: comes }] : []),
    ...(token ? [{ path: 'token', message: comes }] : []),
    ...endpointMistakes({ events }, networks),
  ]
}

function missing(id: string): never {
  throw Refusal.notFound('stream', id)
}
