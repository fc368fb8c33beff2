import { createRoute, z } from '@hono/zod-openapi'
import { Refusal } from '../../../administration/refusal.ts'
import { findStream } from '../../../administration/streams.ts'
import type { ControlPlane } from '../../../context/control-plane.ts'
import { type PollTools, pollStream } from '../../../delivery/stream-poll.ts'
import type { OriginPolicy } from '../../../tenancy/base-url.ts'
import type { AdminApp } from '../../control/env.ts'
import type { EventReaders } from '../../control/event-readers.ts'
import { EXAMPLE } from '../../control/examples.ts'
import { ENVIRONMENT, TENANT } from '../../control/levels.ts'
import { endpointPlaceAt, type PlaceNames } from '../../control/places.ts'
import { jsonAnswer, jsonBody, problems } from '../../control/schemas.ts'
import { MAX_WAIT_SECONDS, stillAllowed } from './events.ts'

const MAX_EVENTS = 500
const jti = z.string().max(200)

const request = z
  .looseObject({
    maxEvents: z
      .number()
      .int()
      .min(0)
      .default(100)
      .openapi({
        description: `The most tokens in the answer, up to ${MAX_EVENTS}; 0 to acknowledge alone.`,
      }),
    returnImmediately: z
      .boolean()
      .default(false)
      .openapi({
        description: `Without it the answer comes when there is something, or after ${MAX_WAIT_SECONDS} seconds.`,
      }),
    ack: z.array(jti).max(5_000).default([]).openapi({ description: 'The `jti` of tokens that need not come again.' }),
    setErrs: z
      .record(jti, z.looseObject({ err: z.string().max(100), description: z.string().optional() }))
      .default({})
      .openapi({ description: 'Of tokens that are refused, by `jti`; they are kept for the operator.' }),
  })
  .openapi('StreamPoll')
const answer = z
  .object({
    sets: z.record(z.string(), z.string()).openapi({ description: 'Signed tokens by their `jti`.' }),
    moreAvailable: z.boolean(),
  })
  .openapi('StreamPollAnswer')

const example = {
  sets: {
    [`lbRx0Vt3CkzcIpj2m9QyWg.${EXAMPLE.tenantId}.4711.0`]:
      'eyJhbGciOiJFUzI1NiIsInR5cCI6InNlY2V2ZW50K2p3dCJ9.eyJqdGkiOiLigKYifQ.signature',
  },
  moreAvailable: false,
}

/** `…/streams/{stream}/poll`: where receivers come for their Security Event Tokens (RFC 8936). */
export function pollRoutes(
  app: AdminApp,
  control: ControlPlane,
  { config: policy, readers, ...tools }: PollTools & { readonly config: OriginPolicy; readonly readers: EventReaders },
): void {
  for (const { path, params, prefix, of } of [ENVIRONMENT, TENANT]) {
    const poll = createRoute({
      method: 'post',
      path: `${path}/streams/{stream}/poll`,
      operationId: `poll${prefix}Stream`,
      summary: `Poll a stream${of} for tokens`,
      tags: ['Streams of Security Event Tokens'],
      description:
        'For keys with the permission "directory:read". Acknowledges tokens, and gives those that are due; what is not acknowledged comes again.',
      request: {
        params: params.extend({ stream: z.string().openapi({ description: 'Id of the stream.' }) }),
        body: jsonBody(request, { maxEvents: 100, ack: [`x7Ww1mB5oKfTq0dJ8sEuZA.${EXAMPLE.tenantId}.4710.0`] }),
      },
      responses: { 200: jsonAnswer(answer, 'Tokens that are due', example), ...problems },
    })
    app.openapi(poll, async (c) => {
      const { stream = '', ...names } = c.req.param() as PlaceNames & { stream?: string }
      const row = await findStream(c.var.database, await endpointPlaceAt(c.var, names), stream)
      if (row.stream.method !== 'poll') throw new Refusal(409, 'Tokens of this stream are pushed.')
      if (!row.enabled) throw new Refusal(409, 'This stream is disabled.')
      const { maxEvents, returnImmediately, ack, setErrs } = c.req.valid('json')
      const waiting = returnImmediately ? undefined : readers.enter(c, row.tenantId ?? undefined)
      const answered = await pollStream(c.var.database, tools, row, {
        ...{ maxEvents: Math.min(maxEvents, MAX_EVENTS), ack, setErrs, signal: waiting?.signal ?? c.req.raw.signal },
        waitMs: returnImmediately ? 0 : MAX_WAIT_SECONDS * 1_000,
      }).finally(() => waiting?.end())
      if (!returnImmediately) await stillAllowed(c, control, policy)
      return c.json(answered, 200, { 'Cache-Control': 'no-store' })
    })
  }
}
