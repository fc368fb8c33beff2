import { createRoute, z } from '@hono/zod-openapi'
import { webhookState } from '../../../administration/states/state-tags.ts'
import { findWebhook, recordEndpointTest, rotateWebhookSecret } from '../../../administration/webhooks.ts'
import type { Deliveries } from '../../../delivery/deliveries.ts'
import { sendTest } from '../../../delivery/webhook-test.ts'
import { tagged } from '../../control/conditional.ts'
import type { AdminApp } from '../../control/env.ts'
import type { Level } from '../../control/levels.ts'
import { endpointPlaceAt } from '../../control/places.ts'
import { jsonAnswer, jsonBody, problems } from '../../control/schemas.ts'
import { deliveryRoutes, exampleOutcome, sendingOutcome } from './deliveries.ts'
import { exampleSecret, exampleWebhook, type Names, oneBelow, present, tags, withSecret } from './webhook-shapes.ts'

const rotation = z
  .strictObject({
    keepHours: z.number().min(0).max(168).default(24).openapi({
      description: 'Hours for which the secret before signs beside the new one.',
    }),
  })
  .openapi('WebhookSecretRotation')

/** What is done with a webhook: its secret is rotated, a test message sent, its backlog shown and sent again. */
export function webhookActions(app: AdminApp, tools: Deliveries, level: Level): void {
  const { path, params, prefix, of } = level
  const one = oneBelow(params)

  const rotate = createRoute({
    method: 'post',
    path: `${path}/webhooks/{webhook}/rotate-secret`,
    operationId: `rotate${prefix}WebhookSecret`,
    summary: `Rotate the secret of a webhook${of}`,
    tags,
    request: { params: one, body: jsonBody(rotation, { keepHours: 24 }) },
    responses: {
      200: jsonAnswer(withSecret, 'The answer is the only place that shows the secret', {
        ...{ ...exampleWebhook, previousSecretUntil: '2026-03-10T14:05:00.000Z', secret: exampleSecret },
      }),
      ...problems,
    },
  })
  app.openapi(rotate, async (c) => {
    const { webhook = '', ...names } = c.req.param() as Names
    const place = await endpointPlaceAt(c.var, names)
    const { keepHours } = c.req.valid('json')
    const rotated = await rotateWebhookSecret(c.var.administration, tools, place, webhook, keepHours, new Date())
    tagged(c, webhookState(rotated))
    return c.json({ ...present(rotated), secret: rotated.newSecret }, 200, { 'Cache-Control': 'no-store' })
  })

  const test = createRoute({
    method: 'post',
    path: `${path}/webhooks/{webhook}/test`,
    operationId: `test${prefix}Webhook`,
    summary: `Send a test message to a webhook${of}`,
    tags,
    description: 'Sends one message of the type `webhook.test` at once, and says what came of it.',
    request: { params: one },
    responses: { 200: jsonAnswer(sendingOutcome, 'What came of it', exampleOutcome), ...problems },
  })
  app.openapi(test, async (c) => {
    const { webhook = '', ...names } = c.req.param() as Names
    const place = await endpointPlaceAt(c.var, names)
    const endpoint = await findWebhook(c.var.database, place, webhook)
    const outcome = await sendTest(tools.sender, tools.box, endpoint, new Date())
    await recordEndpointTest(c.var.administration, place, endpoint, outcome.ok)
    const { ok: delivered, status } = outcome
    return c.json({ delivered, status, error: outcome.ok ? null : outcome.error }, 200)
  })

  deliveryRoutes(app, {
    ...{ level, collection: 'webhooks', parameter: 'webhook' },
    ...{ params: one, tags, find: findWebhook },
  })
}
