import { createRoute, z } from '@hono/zod-openapi'
import { Refusal } from '../../../administration/refusal.ts'
import { streamState } from '../../../administration/states/state-tags.ts'
import { changeStream, createStream, deleteStream, findStream } from '../../../administration/streams.ts'
import { recordEndpointTest } from '../../../administration/webhooks.ts'
import type { Scope } from '../../../auth/principal.ts'
import type { Deliveries } from '../../../delivery/deliveries.ts'
import { pushVerification } from '../../../delivery/stream-push.ts'
import { issuerAt, pollUrlOf } from '../../../events/security-events.ts'
import { type StreamRow, streamsOf } from '../../../repositories/delivery/webhooks.ts'
import { SIGNING_ALGORITHM } from '../../../signing/keyring.ts'
import type { OriginPolicy } from '../../../tenancy/base-url.ts'
import { tagged } from '../../control/conditional.ts'
import type { AdminApp } from '../../control/env.ts'
import { EXAMPLE } from '../../control/examples.ts'
import { ENVIRONMENT, type Level, TENANT } from '../../control/levels.ts'
import { issuerOf } from '../../control/origin.ts'
import { endpointPlaceAt, type PlaceNames } from '../../control/places.ts'
import { jsonAnswer, jsonBody, listAnswer, listOf, noContent, pageQuery, problems } from '../../control/schemas.ts'
import { needs } from '../../permissions.ts'
import {
  CHANGES_FOR_READERS,
  deliveryRoutes,
  endpointDescription,
  endpointEvents,
  endpointHealth,
  exampleOutcome,
  FOR_READERS,
  failureWarnings,
  needsPeopleToSend,
  restingUntil,
  sendingOutcome,
  streamUrl,
} from './deliveries.ts'

/** What a stream says and to whom, as people set it. */
export const streamSettings = {
  audience: z
    .string()
    .min(1)
    .max(500)
    .openapi({ description: 'The `aud` of its tokens, by which the receiver knows that they are for it.' }),
  format: z.enum(['notice', 'full']).openapi({
    description:
      '`notice` names the attributes that changed; `full` tells their values, for receivers of your own administrative domain.',
  }),
  signals: z
    .array(z.enum(['caep', 'risc']))
    .max(2)
    .openapi({
      description:
        'When a user is deactivated or deleted, CAEP `session-revoked` and RISC `account-disabled` too, and when it is activated, `account-enabled`.',
    }),
  subject: z.enum(['email', 'iss_sub']).openapi({
    description:
      "How signals name a person. Without an e-mail address or externalId it is `iss_sub` with the stream's issuer.",
  }),
  subjectIssuer: z.url().max(2_000).nullable().openapi({
    description:
      "Of `iss_sub`: the identity provider, whose `sub` is the externalId. Null: the stream's issuer and the SCIM id.",
  }),
  algorithm: z.enum(['RS256', 'ES256']).openapi({
    description:
      'What signs its tokens: RS256, as the CAEP Interoperability Profile wants it, or ES256. The keys of both are published.',
  }),
  description: endpointDescription,
  events: endpointEvents,
}
const stream = z
  .object({
    id: z.uuid(),
    tenantId: z.uuid().nullable().openapi({ description: 'Null for all tenants of the environment.' }),
    method: z.enum(['push', 'poll']),
    url: z.string().openapi({ description: 'Where tokens are pushed to (RFC 8935), or polled from (RFC 8936).' }),
    hasToken: z.boolean(),
    issuer: z.string().openapi({
      description:
        'The `iss` of its tokens: the environment, or the tenant, has it alone. Receivers check it and the audience.',
    }),
    jwksUri: z.string(),
    receiver: z.string().nullable().openapi({
      description: 'Id of the API key by which its receiver manages it; null for a stream that an operator has made.',
    }),
    requested: z.array(z.string()).nullable().openapi({
      description: 'Of such a stream: the event URIs that the receiver asked for. It gets no others.',
    }),
    paused: z.boolean().openapi({ description: 'What happens waits until it is not paused any more.' }),
    pausedReason: z.string().nullable(),
    ...streamSettings,
    ...endpointHealth,
  })
  .openapi('Stream')
/** The bearer token of a stream that is pushed. */
export const streamToken = z
  .string()
  .regex(/^[\w.~+/=-]{1,4000}$/, 'must be a bearer token')
  .nullable()
  .openapi({
    description: 'Of a stream that is pushed: the bearer token by which the receiver knows the gateway. Never shown.',
  })
const newStream = z
  .strictObject({
    method: z.enum(['push', 'poll']),
    url: streamUrl.default(''),
    token: streamToken.default(null),
    audience: streamSettings.audience,
    format: streamSettings.format.default('notice'),
    signals: streamSettings.signals.default([]),
    subject: streamSettings.subject.default('iss_sub'),
    subjectIssuer: streamSettings.subjectIssuer.default(null),
    algorithm: streamSettings.algorithm.optional(),
    description: endpointDescription.default(''),
    events: endpointEvents.default([]),
  })
  .openapi('NewStream')
const streamChange = z
  .strictObject({ url: streamUrl, token: streamToken, ...streamSettings, enabled: z.boolean(), paused: z.boolean() })
  .partial()
  .openapi('StreamChange')
const streams = listOf(stream, 'StreamList')
const tags = ['Streams of Security Event Tokens']

const wanted: z.input<typeof newStream> = {
  ...{ method: 'push', url: 'https://app.example.com/events', token: 'a-token-of-the-receiver' },
  ...{ audience: 'https://app.example.com', format: 'notice', signals: ['caep'], subject: 'email' },
  ...{ description: 'The application', events: ['user.*'] },
}
const example: z.infer<typeof stream> = {
  ...{ id: EXAMPLE.streamId, tenantId: EXAMPLE.tenantId, method: 'push', url: 'https://app.example.com/events' },
  ...{ hasToken: true, issuer: `${EXAMPLE.origin}/ssf/tenants/${EXAMPLE.tenantId}` },
  jwksUri: `${EXAMPLE.origin}/.well-known/jwks.json`,
  ...{ receiver: null, requested: null, paused: false, pausedReason: null, algorithm: 'RS256' },
  ...{ audience: 'https://app.example.com', format: 'notice', signals: ['caep'], subject: 'email' },
  ...{ subjectIssuer: null, description: 'The application', events: ['user.*'] },
  ...{ enabled: true, disabledReason: null, failingSince: null, restingUntil: null },
  ...{ createdAt: EXAMPLE.created, warnings: [] },
}

/**
 * `…/streams` of the admin API: Security Event Tokens (RFC 8417) in the profile of RFC 9967, under an environment for all of
 * its tenants, and under a tenant. Those of an environment show what its tenants have too.
 */
export function streamRoutes(app: AdminApp, tools: Deliveries, policy: OriginPolicy): void {
  for (const level of [ENVIRONMENT, TENANT]) routesAt(app, tools, policy, level)
}

function routesAt(app: AdminApp, tools: Deliveries, policy: OriginPolicy, level: Level): void {
  const { path, params, prefix, of } = level
  const one = params.extend({ stream: z.string().openapi({ description: 'Id of the stream.' }) })

  const list = createRoute({
    method: 'get',
    path: `${path}/streams`,
    operationId: `list${prefix}Streams`,
    summary: `List streams of Security Event Tokens${of}`,
    tags,
    request: { params, query: pageQuery(z.uuid()) },
    responses: {
      200: jsonAnswer(streams, 'Streams in the order of creation', { items: [example], next: null }),
      ...problems,
    },
  })
  app.openapi(list, async (c) => {
    const place = await endpointPlaceAt(c.var, c.req.param())
    const { after, limit } = c.req.valid('query')
    const rows = await streamsOf(c.var.database, place).list({ after, limit: limit + 1 })
    return c.json(
      listAnswer(rows, limit, (row) => present(row, place)),
      200,
    )
  })

  const create = createRoute({
    method: 'post',
    path: `${path}/streams`,
    operationId: `create${prefix}Stream`,
    summary: `Create a stream${of}`,
    tags,
    description: `It gets what happens from now on; \`replay\` sends what was before. ${FOR_READERS}`,
    request: { params, body: jsonBody(newStream, wanted) },
    responses: { 201: jsonAnswer(stream, 'Created', example), ...problems },
  })
  app.openapi(create, async (c) => {
    needs(c.var.principal, 'directory:read')
    const place = await endpointPlaceAt(c.var, c.req.param())
    const input = { ...c.req.valid('json'), origin: issuerOf(c, policy) }
    const made = await createStream(c.var.administration, tools, place, input)
    tagged(c, streamState(made))
    return c.json(present(made, place), 201, { Location: `${c.req.path}/${made.id}` })
  })

  const retrieve = createRoute({
    method: 'get',
    path: `${path}/streams/{stream}`,
    operationId: `get${prefix}Stream`,
    summary: `Get a stream${of}`,
    tags,
    request: { params: one },
    responses: { 200: jsonAnswer(stream, 'The stream', example), ...problems },
  })
  app.openapi(retrieve, async (c) => {
    const { stream: id = '', ...names } = c.req.param() as Names
    const place = await endpointPlaceAt(c.var, names)
    const found = await findStream(c.var.database, place, id)
    tagged(c, streamState(found))
    return c.json(present(found, place), 200)
  })

  const modify = createRoute({
    method: 'patch',
    path: `${path}/streams/{stream}`,
    operationId: `update${prefix}Stream`,
    summary: `Change, pause, disable or enable a stream${of}`,
    tags,
    description: `While it is disabled, events are not queued for it: \`replay\` sends them once it is enabled again. While it is paused, they are queued and wait. ${CHANGES_FOR_READERS}`,
    request: { params: one, body: jsonBody(streamChange, { format: 'notice', signals: ['caep'] }) },
    responses: { 200: jsonAnswer(stream, 'Changed', example), ...problems },
  })
  app.openapi(modify, async (c) => {
    const { stream: id = '', ...names } = c.req.param() as Names
    const place = await endpointPlaceAt(c.var, names)
    const input = c.req.valid('json')
    needsPeopleToSend(c.var.principal, input)
    const changed = await changeStream(c.var.administration, tools, place, id, input)
    tools.streamChanged(changed.id)
    tagged(c, streamState(changed))
    return c.json(present(changed, place), 200)
  })

  const remove = createRoute({
    method: 'delete',
    path: `${path}/streams/{stream}`,
    operationId: `delete${prefix}Stream`,
    summary: `Delete a stream${of}`,
    tags,
    request: { params: one },
    responses: { 204: noContent, ...problems },
  })
  app.openapi(remove, async (c) => {
    const { stream: id = '', ...names } = c.req.param() as Names
    await deleteStream(c.var.administration, await endpointPlaceAt(c.var, names), id)
    return c.body(null, 204)
  })

  const verify = createRoute({
    method: 'post',
    path: `${path}/streams/{stream}/test`,
    operationId: `test${prefix}Stream`,
    summary: `Push a verification event to a stream${of}`,
    tags,
    description: 'Pushes a verification event of the Shared Signals Framework at once, and says what came of it.',
    request: { params: one },
    responses: { 200: jsonAnswer(sendingOutcome, 'What came of it', exampleOutcome), ...problems },
  })
  app.openapi(verify, async (c) => {
    const { stream: id = '', ...names } = c.req.param() as Names
    const place = await endpointPlaceAt(c.var, names)
    const row = await findStream(c.var.database, place, id)
    if (row.stream.method === 'poll')
      throw new Refusal(409, 'The receiver of this stream polls for its tokens; there is nothing to push.')
    const outcome = await pushVerification(tools, row, new Date())
    await recordEndpointTest(c.var.administration, place, row, outcome.ok)
    const { ok: delivered, status } = outcome
    return c.json({ delivered, status, error: outcome.ok ? null : outcome.error }, 200)
  })

  deliveryRoutes(app, {
    ...{ level, collection: 'streams', parameter: 'stream' },
    ...{ params: one, tags, find: findStream },
  })
}

/** Path parameters; which of them there are decides what they name. */
type Names = PlaceNames & { readonly stream?: string }

function present(row: StreamRow, place: Extract<Scope, { kind: 'environment' | 'tenant' }>): z.infer<typeof stream> {
  const { id, tenantId, description, events, enabled, disabledReason, paused, failingSince } = row
  const { signals, origin, requested, algorithm = SIGNING_ALGORITHM, ...told } = row.stream
  // By ids, which never change, and where the narrowest key that may poll is good for.
  const parent = `/projects/${place.projectId}/environments/${place.environmentId}`
  const below = tenantId === null ? parent : `${parent}/tenants/${tenantId}`
  const pollUrl = `${origin}/api/v1${below}/streams/${id}/poll`
  return {
    ...{ id, tenantId, issuer: issuerAt(origin, row), ...told, signals: [...signals], algorithm },
    ...{ receiver: row.receiverKey, requested: requested === undefined ? null : [...requested] },
    ...{ paused, pausedReason: paused ? row.statusReason : null },
    url: told.method === 'push' ? row.url : row.receiverKey === null ? pollUrl : pollUrlOf(row),
    hasToken: row.secret !== '',
    jwksUri: `${origin}/.well-known/jwks.json`,
    ...{ description, events, enabled, disabledReason },
    failingSince: failingSince?.toISOString() ?? null,
    restingUntil: restingUntil(row),
    createdAt: row.createdAt.toISOString(),
    warnings: failureWarnings(row),
  }
}
