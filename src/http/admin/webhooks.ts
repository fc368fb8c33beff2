import { createRoute, z } from '@hono/zod-openapi'
import {
  changeWebhook,
  createWebhook,
  deleteWebhook,
  findWebhook,
  listWebhooks,
  recordEndpointTest,
  rotateWebhookSecret,
} from '../../administration/webhooks.ts'
import type { Deliveries } from '../../delivery/deliveries.ts'
import { sendTest } from '../../delivery/webhook-test.ts'
import type { EndpointRow } from '../../repositories/webhooks.ts'
import {
  deliveryRoutes,
  endpointDescription,
  endpointEvents,
  endpointHealth,
  failureWarnings,
  sendingOutcome,
} from './deliveries.ts'
import type { AdminApp } from './env.ts'
import { endpointPlaceAt, type PlaceNames } from './places.ts'
import {
  environmentParams,
  jsonAnswer,
  jsonBody,
  listAnswer,
  listOf,
  noContent,
  pageQuery,
  problems,
  tenantParams,
} from './schemas.ts'

const shape = {
  id: z.uuid(),
  tenantId: z.uuid().nullable().openapi({ description: 'Null for all tenants of the environment.' }),
  url: z.string(),
  description: endpointDescription,
  events: endpointEvents,
  previousSecretUntil: z.string().nullable().openapi({ description: 'The secret before signs too until then.' }),
  ...endpointHealth,
}
const webhook = z.object(shape).openapi('Webhook')
const secret = z.string().openapi({ description: 'In the form of Standard Webhooks; shown this once.' })
const withSecret = z.object({ ...shape, secret }).openapi('WebhookWithSecret')
const tags = ['Webhooks']

/**
 * `…/webhooks` of the admin API, under an environment for all of its tenants, and under a tenant. Those of an environment
 * show what its tenants have too.
 */
export function webhookRoutes(app: AdminApp, tools: Deliveries): void {
  routesBelow(app, tools, '/projects/{p}/environments/{e}', environmentParams)
  routesBelow(app, tools, '/projects/{p}/environments/{e}/tenants/{t}', tenantParams)
}

function routesBelow(app: AdminApp, tools: Deliveries, parent: string, params: z.ZodObject): void {
  const one = params.extend({ w: z.string().openapi({ description: 'Id of the webhook.' }) })

  const list = createRoute({
    method: 'get',
    path: `${parent}/webhooks`,
    tags,
    request: { params, query: pageQuery(z.uuid()) },
    responses: { 200: jsonAnswer(listOf(webhook), 'Webhooks in the order of creation'), ...problems },
  })
  app.openapi(list, async (c) => {
    const place = await endpointPlaceAt(c.var, c.req.param())
    const { after, limit } = c.req.valid('query')
    const rows = await listWebhooks(c.var.database, place, { after, limit: limit + 1 })
    return c.json(listAnswer(rows, limit, present), 200)
  })

  const create = createRoute({
    method: 'post',
    path: `${parent}/webhooks`,
    tags,
    description: 'It gets what happens from now on; `replay` sends what was before.',
    request: {
      params,
      body: jsonBody(
        z.strictObject({
          url: z.string(),
          description: endpointDescription.default(''),
          events: endpointEvents.default([]),
        }),
      ),
    },
    responses: { 201: jsonAnswer(withSecret, 'Made; the answer is the only place that shows the secret'), ...problems },
  })
  app.openapi(create, async (c) => {
    const place = await endpointPlaceAt(c.var, c.req.param())
    const made = await createWebhook(c.var.administration, tools, place, c.req.valid('json'))
    const headers = { Location: `${c.req.path}/${made.id}`, 'Cache-Control': 'no-store' }
    return c.json({ ...present(made), secret: made.newSecret }, 201, headers)
  })

  const retrieve = createRoute({
    method: 'get',
    path: `${parent}/webhooks/{w}`,
    tags,
    request: { params: one },
    responses: { 200: jsonAnswer(webhook, 'The webhook, without its secret'), ...problems },
  })
  app.openapi(retrieve, async (c) => {
    const { w = '', ...names } = c.req.param() as Names
    const place = await endpointPlaceAt(c.var, names)
    return c.json(present(await findWebhook(c.var.database, place, w)), 200)
  })

  const modify = createRoute({
    method: 'patch',
    path: `${parent}/webhooks/{w}`,
    tags,
    description: 'While it is disabled, events are not queued for it: `replay` sends them once it is enabled again.',
    request: {
      params: one,
      body: jsonBody(
        z.strictObject({
          url: z.string().optional(),
          description: endpointDescription.optional(),
          events: endpointEvents.optional(),
          enabled: z.boolean().optional(),
        }),
      ),
    },
    responses: { 200: jsonAnswer(webhook, 'Changed'), ...problems },
  })
  app.openapi(modify, async (c) => {
    const { w = '', ...names } = c.req.param() as Names
    const place = await endpointPlaceAt(c.var, names)
    return c.json(present(await changeWebhook(c.var.administration, tools, place, w, c.req.valid('json'))), 200)
  })

  const remove = createRoute({
    method: 'delete',
    path: `${parent}/webhooks/{w}`,
    tags,
    request: { params: one },
    responses: { 204: noContent, ...problems },
  })
  app.openapi(remove, async (c) => {
    const { w = '', ...names } = c.req.param() as Names
    await deleteWebhook(c.var.administration, await endpointPlaceAt(c.var, names), w)
    return c.body(null, 204)
  })

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

/** Path parameters; which of them there are decides what they name. */
type Names = PlaceNames & { readonly w?: string }

function present(row: EndpointRow): z.infer<typeof webhook> {
  const { id, tenantId, url, events, enabled, disabledReason, failingSince } = row
  return {
    ...{ id, tenantId, url, description: row.description, events, enabled, disabledReason },
    failingSince: failingSince?.toISOString() ?? null,
    previousSecretUntil: row.previousSecretUntil?.toISOString() ?? null,
    createdAt: row.createdAt.toISOString(),
    warnings: failureWarnings(row),
  }
}
