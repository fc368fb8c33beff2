import { z } from '@hono/zod-openapi'
import {
  eventsOfStream,
  VERIFICATION_INTERVAL_S,
  type WantedDelivery,
  type WantedStream,
} from '../../administration/receivers/receiver-streams.ts'
import { type Mistake, Refusal } from '../../administration/refusal.ts'
import { pollUrlOf } from '../../events/security-events.ts'
import type { StreamRow } from '../../repositories/delivery/webhooks.ts'

/** Delivery methods by their URNs (SSF 1.0 §6.1). */
const METHODS = { push: 'urn:ietf:rfc:8935', poll: 'urn:ietf:rfc:8936' } as const
const LONGEST_DESCRIPTION = 200

const id = z.string().max(200)
const uris = z.array(z.string().max(500)).max(100)
const delivery = z.discriminatedUnion(
  'method',
  [
    z.looseObject({
      method: z.literal(METHODS.push),
      endpoint_url: z.string().max(2_000),
      authorization_header: z
        .string()
        .regex(/^[!-~](?:[ -~]{0,3998}[!-~])?$/, 'must be what an Authorization header may say')
        .nullable()
        .optional(),
    }),
    z.looseObject({ method: z.literal(METHODS.poll), endpoint_url: z.string().max(2_000).optional() }),
  ],
  { error: `must have a method, which is ${METHODS.push} or ${METHODS.poll}` },
)

/** What a receiver may write of a stream, in any request (SSF 1.0 §8.1.1); what the gateway supplies is compared with the stream. */
const written = {
  delivery: delivery.optional(),
  events_requested: uris.optional(),
  description: z.string().optional(),
}
export const newStream = z.looseObject(written)
export const changedStream = z.looseObject({
  stream_id: id,
  ...written,
  iss: z.unknown().optional(),
  aud: z.unknown().optional(),
  events_supported: z.unknown().optional(),
  events_delivered: z.unknown().optional(),
  min_verification_interval: z.unknown().optional(),
})
export const streamQuery = z.object({ stream_id: id })
export const newStatus = z.looseObject({
  stream_id: id,
  status: z.enum(['enabled', 'paused', 'disabled']),
  reason: z.string().max(500).optional(),
})
export const verification = z.looseObject({ stream_id: id, state: z.string().max(2_000).optional() })

type Written = z.infer<typeof newStream>

/** What a receiver wants, as far as it says so. */
export const wantedOf = ({ delivery, events_requested, description }: Written): Partial<WantedStream> => ({
  ...(delivery === undefined ? {} : { delivery: deliveryOf(delivery) }),
  ...(events_requested === undefined ? {} : { requested: [...new Set(events_requested)] }),
  ...(description === undefined ? {} : { description: description.slice(0, LONGEST_DESCRIPTION) }),
})

/** The same of a whole stream: what is left out is as if it was deleted, and delivery is by poll then (SSF 1.0 §8.1.1.1). */
export function wholeOf(body: Written): WantedStream {
  const { delivery = { method: 'poll' }, requested = [], description = '' } = wantedOf(body)
  if (delivery.method === 'poll') return { delivery, requested, description }
  return { delivery: { ...delivery, authorization: delivery.authorization ?? null }, requested, description }
}

function deliveryOf(given: z.infer<typeof delivery>): WantedDelivery {
  if (given.method === METHODS.poll) return { method: 'poll' }
  return { method: 'push', url: given.endpoint_url, authorization: given.authorization_header }
}

/** A stream as its receiver sees it (SSF 1.0 §8.1.1), without the secret header. */
export function configurationOf(row: StreamRow) {
  const { iss, ...events } = eventsOfStream(row)
  return {
    ...{ stream_id: row.id, iss, aud: row.stream.audience, ...events },
    delivery: {
      method: METHODS[row.stream.method],
      endpoint_url: row.stream.method === 'push' ? row.url : pollUrlOf(row),
    },
    min_verification_interval: VERIFICATION_INTERVAL_S,
    ...(row.description === '' ? {} : { description: row.description }),
  }
}

/**
 * Refuses what a receiver says of the stream that the gateway supplies, unless it is so (SSF 1.0 §8.1.1.3). The address for a poll is
 * part of it.
 *
 * @throws {Refusal} 400
 */
export function refuseOther(row: StreamRow, body: z.infer<typeof changedStream>): void {
  const now: Readonly<Record<string, unknown>> = configurationOf(row)
  const mistakes: Mistake[] = SUPPLIED.filter((name) => body[name] !== undefined && !isSame(body[name], now[name])).map(
    (path) => ({ path, message: `is ${JSON.stringify(now[path])}, and the gateway supplies it` }),
  )
  const given = body.delivery
  if (given?.method === METHODS.poll && given.endpoint_url !== undefined && given.endpoint_url !== pollUrlOf(row))
    mistakes.push({ path: 'delivery.endpoint_url', message: `is ${pollUrlOf(row)}, and the gateway supplies it` })
  const [first] = mistakes
  if (first !== undefined) throw new Refusal(400, `${first.path} ${first.message}.`, mistakes)
}

const SUPPLIED = ['iss', 'aud', 'events_supported', 'events_delivered', 'min_verification_interval'] as const

/** Whether two values say the same; lists have no order. */
function isSame(a: unknown, b: unknown): boolean {
  const [one, other] = [a, b].map((value) => JSON.stringify(Array.isArray(value) ? [...value].sort() : [value]))
  return one === other
}
