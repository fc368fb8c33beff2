import { createRoute, z } from '@hono/zod-openapi'
import { findWebhook, recordEndpointTest, rotateWebhookSecret } from '../../../administration/webhooks.ts'
import type { Deliveries } from '../../../delivery/deliveries.ts'
import { sendTest } from '../../../delivery/webhook-test.ts'
import type { AdminApp } from '../../control/env.ts'
import { endpointPlaceAt } from '../../control/places.ts'
import { jsonAnswer, jsonBody, problems } from '../../control/schemas.ts'
import { deliveryRoutes, sendingOutcome } from './deliveries.ts'
import { type Names, oneBelow, present, tags, withSecret } from './webhook-shapes.ts'

/** What is done with a webhook below `parent`: its secret is rotated, a message sent on trial, its backlog shown and sent again. */
export function webhookActions(app: AdminApp, tools: Deliveries, parent: string, params: z.ZodObject): void {
  const one = oneBelow(params)

  const rotate = createRoute({
    method: 'post',
    path: `${parent}/webhooks/{w}/rotate-secret`,
    tags,
    request: {
      params: one,
      body: jsonBody(
        z.strictObject({
          keepHours: z.number().min(0).max(168).default(24).openapi({
            description: 'Hours for which the secret before signs beside the new one.',
          }),
        }),
      ),
    },
    responses: { 200: jsonAnswer(withSecret, 'The answer is the only place that shows the secret'), ...problems },
  })
  app.openapi(rotate, async (c) => {
    const { w = '', ...names } = c.req.param() as Names
    const place = await endpointPlaceAt(c.var, names)
    const rotated = await rotateWebhookSecret(
      c.var.administration,
      tools,
      place,
      w,
      c.req.valid('json').keepHours,
      new Date(),
    )
    return c.json({ ...present(rotated), secret: rotated.newSecret }, 200, { 'Cache-Control': 'no-store' })
  })

  const test = createRoute({
    method: 'post',
    path: `${parent}/webhooks/{w}/test`,
    tags,
    description: 'Sends one message of the type `webhook.test` at once, and says what came of it.',
    request: { params: one },
    responses: {
      200: jsonAnswer(sendingOutcome, 'What came of it'),
      ...problems,
    },
  })
  app.openapi(test, async (c) => {
    const { w = '', ...names } = c.req.param() as Names
    const place = await endpointPlaceAt(c.var, names)
    const endpoint = await findWebhook(c.var.database, place, w)
    const outcome = await sendTest(tools.sender, tools.box, endpoint, new Date())
    await recordEndpointTest(c.var.administration, place, endpoint, outcome.ok)
    const { ok: delivered, status } = outcome
    return c.json({ delivered, status, error: outcome.ok ? null : outcome.error }, 200)
  })

  deliveryRoutes(app, { at: `${parent}/webhooks/{w}`, params: one, tags, find: findWebhook })
}
