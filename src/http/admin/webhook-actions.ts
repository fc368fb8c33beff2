import { createRoute, z } from '@hono/zod-openapi'
import { findWebhook, recordWebhookTest, replayWebhook, rotateWebhookSecret } from '../../administration/webhooks.ts'
import type { Deliveries } from '../../delivery/deliveries.ts'
import { sendTest } from '../../delivery/webhook-test.ts'
import { type ReplayFrom, waitingDeliveries } from '../../repositories/webhook-backlog.ts'
import type { AdminApp } from './env.ts'
import { jsonAnswer, jsonBody, listAnswer, listOf, moment, pageQuery, problems } from './schemas.ts'
import { type Names, oneBelow, placeAt, present, tags, withSecret } from './webhook-shapes.ts'

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

const replay = z.union([
  z.strictObject({ since: moment, until: moment.optional(), tenantId: z.uuid().optional() }),
  z.strictObject({ tenantId: z.uuid(), positions: z.array(z.number().int().min(1)).min(1).max(1_000) }),
  z.strictObject({ dead: z.literal(true), tenantId: z.uuid().optional() }),
])
const DELIVERY_ID = /^([0-9a-f-]{36})\.(\d{1,15})$/

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
    const place = await placeAt(c.var, names)
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
      200: jsonAnswer(
        z.object({ delivered: z.boolean(), status: z.number().int().nullable(), error: z.string().nullable() }),
        'What came of it',
      ),
      ...problems,
    },
  })
  app.openapi(test, async (c) => {
    const { w = '', ...names } = c.req.param() as Names
    const place = await placeAt(c.var, names)
    const endpoint = await findWebhook(c.var.database, place, w)
    const outcome = await sendTest(tools.sender, tools.box, endpoint, new Date())
    await recordWebhookTest(c.var.administration, place, endpoint, outcome.ok)
    const { ok: delivered, status } = outcome
    return c.json({ delivered, status, error: outcome.ok ? null : outcome.error }, 200)
  })

  const again = createRoute({
    method: 'post',
    path: `${parent}/webhooks/{w}/replay`,
    tags,
    description:
      'Queues events again that are still kept: of a stretch of time, by position, or all that were given up.',
    request: { params: one, body: jsonBody(replay) },
    responses: { 202: jsonAnswer(z.object({ queued: z.number().int() }), 'How many were queued'), ...problems },
  })
  app.openapi(again, async (c) => {
    const { w = '', ...names } = c.req.param() as Names
    const place = await placeAt(c.var, names)
    const input = c.req.valid('json')
    const queued = await replayWebhook(c.var.administration, place, w, replayFrom(input), input.tenantId)
    return c.json({ queued }, 202)
  })

  const waiting = createRoute({
    method: 'get',
    path: `${parent}/webhooks/{w}/deliveries`,
    tags,
    description: 'Events that were not taken yet: `dead` ones were given up, `pending` ones are tried again.',
    request: {
      params: one,
      query: pageQuery(z.string().regex(DELIVERY_ID)).extend({ state: z.enum(['pending', 'dead']).default('dead') }),
    },
    responses: { 200: jsonAnswer(listOf(delivery), 'By tenant and position'), ...problems },
  })
  app.openapi(waiting, async (c) => {
    const { w = '', ...names } = c.req.param() as Names
    const place = await placeAt(c.var, names)
    const { id } = await findWebhook(c.var.database, place, w)
    const { after = '', limit, state } = c.req.valid('query')
    const [, tenant, position] = DELIVERY_ID.exec(after) ?? []
    const from = tenant === undefined ? undefined : { tenant, position: Number(position) }
    const rows = await waitingDeliveries(c.var.database, id, state === 'dead', from, limit + 1)
    const items = rows.map(({ tenant: tenantId, dueAt, ...row }) => ({
      ...{ id: `${tenantId}.${row.position}`, tenantId, ...row },
      dueAt: dueAt === null ? null : new Date(dueAt).toISOString(),
    }))
    return c.json(
      listAnswer(items, limit, (item) => item),
      200,
    )
  })
}

function replayFrom(input: z.infer<typeof replay>): ReplayFrom {
  if ('dead' in input) return { kind: 'dead' }
  if ('positions' in input) return { kind: 'positions', positions: input.positions }
  return { kind: 'time', since: input.since, until: input.until }
}
