import { createRoute, z } from '@hono/zod-openapi'
import { replayEndpoint } from '../../../administration/webhooks.ts'
import type { Principal } from '../../../auth/principal.ts'
import type { Database } from '../../../db/database.ts'
import { RETRIES } from '../../../delivery/sending/retries.ts'
import { EVENT_TYPE_PATTERN } from '../../../events/event.ts'
import {
  type DeliveryPosition,
  type ReplayFrom,
  waitingDeliveries,
} from '../../../repositories/delivery/webhook-backlog.ts'
import type { EndpointPlace, EndpointRow } from '../../../repositories/delivery/webhooks.ts'
import { isUuid } from '../../../tenancy/scim-path.ts'
import type { AdminApp } from '../../control/env.ts'
import { EXAMPLE } from '../../control/examples.ts'
import type { Level } from '../../control/levels.ts'
import { endpointPlaceAt, type PlaceNames } from '../../control/places.ts'
import {
  jsonAnswer,
  jsonBody,
  listAnswer,
  listOf,
  moment,
  pageQuery,
  problems,
  warnings,
} from '../../control/schemas.ts'
import { needs } from '../../permissions.ts'

/** Where events may be sent, in words. */
const WHERE_TO =
  'A public `https` address on the port 443 or 80, without credentials and without a fragment, or one in `DELIVERY_NETWORKS`.'
const endpointUrlPattern = '^https?://[^#\\\\\\s\\u0000-\\u001f\\u007f-\\u009f]+$'
export const endpointUrl = z.string().openapi({ maxLength: 2_000, pattern: endpointUrlPattern, description: WHERE_TO })
/** Where tokens are pushed to; empty where they are polled. */
export const streamUrl = z.string().openapi({
  maxLength: 2_000,
  pattern: `^$|${endpointUrlPattern}`,
  description: `Of a stream that is pushed: where to. ${WHERE_TO}`,
})
export const endpointDescription = z.string().max(200)
export const endpointEvents = z
  .array(z.string().openapi({ pattern: `^(?:\\*|${EVENT_TYPE_PATTERN})$` }))
  .max(100)
  .openapi({ description: 'Such as `user.deactivated` or `group.*`; `*` or none for all.' })
/** The state of an endpoint, of either kind. */
export const endpointHealth = {
  enabled: z.boolean(),
  disabledReason: z.string().nullable(),
  failingSince: z.string().nullable().openapi({ description: 'The receiver has accepted nothing since.' }),
  restingUntil: z.string().nullable().openapi({
    description:
      'It rests because it accepts nothing: then one event tries whether it is back. Null while it gets events.',
  }),
  createdAt: z.string(),
  warnings,
}
/** What came of sending something on request. */
export const sendingOutcome = z
  .object({ delivered: z.boolean(), status: z.number().int().nullable(), error: z.string().nullable() })
  .openapi('SendingOutcome')
export const exampleOutcome = { delivered: true, status: 204, error: null }

const delivery = z
  .object({
    id: z.string(),
    tenantId: z.uuid(),
    position: z.number().int(),
    eventId: z.uuid(),
    type: z.string(),
    resourceId: z.uuid(),
    state: z.enum(['pending', 'dead']),
    attempts: z.number().int(),
    lastStatus: z.number().int().nullable(),
    lastError: z.string().nullable(),
    dueAt: z.string().nullable().openapi({ description: 'Null behind another event of its resource.' }),
  })
  .openapi('WebhookDelivery')

const deliveries = listOf(delivery, 'WebhookDeliveryList')
const exampleDelivery: z.infer<typeof delivery> = {
  ...{ id: `${EXAMPLE.tenantId}.4711`, tenantId: EXAMPLE.tenantId, position: 4711, eventId: EXAMPLE.eventId },
  ...{ type: 'user.deactivated', resourceId: EXAMPLE.userId, state: 'dead', attempts: 17 },
  ...{ lastStatus: 503, lastError: 'the receiver answered 503', dueAt: null },
}

const replay = z
  .union(
    [
      z.strictObject({ since: moment, until: moment.optional(), tenantId: z.uuid().optional() }),
      z.strictObject({ tenantId: z.uuid(), positions: z.array(z.number().int().min(1)).min(1).max(1_000) }),
      z.strictObject({ tenantId: z.uuid(), events: z.array(z.uuid()).min(1).max(1_000) }),
      z.strictObject({ dead: z.literal(true), tenantId: z.uuid().optional() }),
    ],
    { error: 'must have `since`, `tenantId` with `positions` or `events`, or `dead`' },
  )
  .openapi('Replay')
const queued = z.object({ queued: z.number().int() }).openapi('Queued')

/** Where a list of deliveries goes on: after the one with this id. */
export const deliveryCursor = z
  .string()
  .refine((text) => deliveryIn(text) !== undefined, 'must be the "next" of a list')
  .openapi({ pattern: '^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\\.[0-9]{1,15}$' })

/** Where a delivery stands in the lists, by its id; undefined for what is none. */
export function deliveryIn(id: string): DeliveryPosition | undefined {
  const [, tenant = '', position] = /^([^.]+)\.(\d{1,15})$/.exec(id) ?? []
  return isUuid(tenant) ? { tenant, position: Number(position) } : undefined
}

/** Where the routes below are, and how an endpoint there is found. */
export interface Deliverable {
  readonly level: Level
  /** The collection of the endpoints, and the path parameter with the id of one. */
  readonly collection: 'webhooks' | 'streams'
  readonly parameter: 'webhook' | 'stream'
  readonly params: z.ZodObject
  readonly tags: string[]
  /** @throws {Refusal} 404 */
  find(database: Database, place: EndpointPlace, id: string): Promise<EndpointRow>
}

/** Members whose change sends no more of people's data than before. */
const HARMLESS: ReadonlySet<string> = new Set(['description', 'token'])

/**
 * Refuses a key that may not read people, unless the change of an endpoint sends nothing more: a key with the permission `admin`
 * alone may still end what is sent.
 *
 * @throws {ChallengeError} 403
 */
export function needsPeopleToSend(
  by: Principal,
  input: { readonly enabled?: boolean | undefined; readonly paused?: boolean | undefined },
): void {
  const harmless = ([name, value]: [string, unknown]) =>
    value === undefined ||
    HARMLESS.has(name) ||
    (name === 'enabled' ? value === false : name === 'paused' && value === true)
  if (!Object.entries(input).every(harmless)) needs(by, 'directory:read')
}

/** For the descriptions of what sends people's data. */
export const FOR_READERS =
  'For keys with the permission `directory:read` beside `admin`, since it sends data of people.'

/** For the description of a change. */
export const CHANGES_FOR_READERS =
  'A key without the permission `directory:read` changes nothing but the description, the token, `"enabled": false` and, of a stream, `"paused": true`.'

/** What waits for an endpoint, a webhook or a stream, and sending it events again. */
export function deliveryRoutes(app: AdminApp, { level, collection, parameter, params, tags, find }: Deliverable): void {
  const at = `${level.path}/${collection}/{${parameter}}`
  const noun = parameter === 'webhook' ? 'Webhook' : 'Stream'

  const again = createRoute({
    method: 'post',
    path: `${at}/replay`,
    operationId: `replay${level.prefix}${noun}`,
    summary: `Send events again to a ${parameter}${level.of}`,
    tags,
    description:
      `${FOR_READERS} ` +
      'Queues events again that are still kept: those of a span of time, by position or id, or all that were given up. ' +
      '`tenantId` is one that the endpoint is for, else the answer is 400.',
    request: { params, body: jsonBody(replay, { since: EXAMPLE.created, until: EXAMPLE.changed }) },
    responses: { 202: jsonAnswer(queued, 'How many were queued', { queued: 12 }), ...problems },
  })
  app.openapi(again, async (c) => {
    needs(c.var.principal, 'directory:read')
    const { id, ...names } = namesIn(c.req.param())
    const place = await endpointPlaceAt(c.var, names)
    const input = c.req.valid('json')
    const endpoint = await find(c.var.database, place, id)
    const queued = await replayEndpoint(c.var.administration, place, endpoint, replayFrom(input), input.tenantId)
    return c.json({ queued }, 202)
  })

  const waiting = createRoute({
    method: 'get',
    path: `${at}/deliveries`,
    operationId: `list${level.prefix}${noun}Deliveries`,
    summary: `List events that wait for a ${parameter}${level.of}`,
    tags,
    description:
      'Events that the receiver has not accepted: `dead` ones were given up, `pending` ones are tried again.',
    request: {
      params,
      query: pageQuery(deliveryCursor).extend({ state: z.enum(['pending', 'dead']).default('dead') }),
    },
    responses: {
      200: jsonAnswer(deliveries, 'By tenant and position', { items: [exampleDelivery], next: null }),
      ...problems,
    },
  })
  app.openapi(waiting, async (c) => {
    const { id: named, ...names } = namesIn(c.req.param())
    const { id } = await find(c.var.database, await endpointPlaceAt(c.var, names), named)
    const { after, limit, state } = c.req.valid('query')
    const from = after === undefined ? undefined : deliveryIn(after)
    const rows = await waitingDeliveries(c.var.database, id, state === 'dead', from, limit + 1)
    const items = rows.map(({ tenant: tenantId, dueAt, changes: _, ...row }) => ({
      ...{ id: `${tenantId}.${row.position}`, tenantId, ...row },
      dueAt: dueAt === null ? null : new Date(dueAt).toISOString(),
    }))
    return c.json(
      listAnswer(items, limit, (item) => item),
      200,
    )
  })
}

/** Until when an endpoint rests; null where it gets events, or is disabled. */
export const restingUntil = ({ enabled, resumeAt }: EndpointRow): string | null =>
  enabled && resumeAt !== null ? resumeAt.toISOString() : null

/** Tells the operator of an endpoint that accepts nothing, and when it will be disabled. */
export function failureWarnings({ enabled, failingSince }: EndpointRow): string[] {
  if (!enabled || failingSince === null) return []
  const end = new Date(failingSince.getTime() + RETRIES.disableAfterMs).toISOString()
  return [`Nothing was accepted since ${failingSince.toISOString()}; it will be disabled at ${end}.`]
}

function namesIn(parameters: Readonly<Record<string, string>>): PlaceNames & { readonly id: string } {
  const { webhook, stream, ...names } = parameters
  return { ...names, id: webhook ?? stream ?? '' }
}

function replayFrom(input: z.infer<typeof replay>): ReplayFrom {
  if ('dead' in input) return { kind: 'dead' }
  if ('events' in input) return { kind: 'events', events: input.events }
  if ('positions' in input) return { kind: 'positions', positions: input.positions }
  const until = input.until === undefined ? undefined : new Date(input.until)
  return { kind: 'time', since: new Date(input.since), until }
}
