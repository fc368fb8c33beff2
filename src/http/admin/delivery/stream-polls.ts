import { createRoute, z } from '@hono/zod-openapi'
import { Refusal } from '../../../administration/refusal.ts'
import { findStream } from '../../../administration/streams.ts'
import type { AdminApp } from '../../control/env.ts'
import { EXAMPLE } from '../../control/examples.ts'
import { ENVIRONMENT, TENANT } from '../../control/levels.ts'
import { endpointPlaceAt, type PlaceNames } from '../../control/places.ts'
import { answerPoll, type PollDependencies, pollRequest } from '../../control/polling.ts'
import { jsonAnswer, jsonBody, problems } from '../../control/schemas.ts'

const request = pollRequest.openapi('StreamPoll')
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
export function pollRoutes(app: AdminApp, dependencies: PollDependencies): void {
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
      if (row.receiverKey !== null)
        throw new Refusal(
          409,
          'The receiver manages this stream itself, and polls at the address that the stream names.',
        )
      if (!row.enabled) throw new Refusal(409, 'This stream is disabled.')
      const answered = await answerPoll(c, dependencies, row, c.req.valid('json'))
      return c.json(answered, 200, { 'Cache-Control': 'no-store' })
    })
  }
}
