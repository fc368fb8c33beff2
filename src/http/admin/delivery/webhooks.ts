import { createRoute, z } from '@hono/zod-openapi'
import {
  changeWebhook,
  createWebhook,
  deleteWebhook,
  findWebhook,
  listWebhooks,
} from '../../../administration/webhooks.ts'
import type { Deliveries } from '../../../delivery/deliveries.ts'
import type { AdminApp } from '../../control/env.ts'
import { endpointPlaceAt } from '../../control/places.ts'
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
} from '../../control/schemas.ts'
import { needs } from '../../permissions.ts'
import {
  CHANGES_FOR_READERS,
  endpointDescription,
  endpointEvents,
  FOR_READERS,
  needsPeopleToSend,
} from './deliveries.ts'
import { webhookActions } from './webhook-actions.ts'
import { type Names, oneBelow, present, tags, webhook, webhookSnapshot, withSecret } from './webhook-shapes.ts'

/**
 * `…/webhooks` of the admin API, under an environment for all of its tenants, and under a tenant. Those of an environment
 * show what its tenants have too.
 */
export function webhookRoutes(app: AdminApp, tools: Deliveries): void {
  for (const [parent, params] of [
    ['/projects/{p}/environments/{e}', environmentParams],
    ['/projects/{p}/environments/{e}/tenants/{t}', tenantParams],
  ] as const) {
    routesBelow(app, tools, parent, params)
    webhookActions(app, tools, parent, params)
  }
}

function routesBelow(app: AdminApp, tools: Deliveries, parent: string, params: z.ZodObject): void {
  const one = oneBelow(params)

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
    description: `It gets what happens from now on; \`replay\` sends what was before. ${FOR_READERS}`,
    request: {
      params,
      body: jsonBody(
        z.strictObject({
          url: z.string(),
          description: endpointDescription.default(''),
          events: endpointEvents.default([]),
          snapshot: webhookSnapshot.default(false),
        }),
      ),
    },
    responses: { 201: jsonAnswer(withSecret, 'Made; the answer is the only place that shows the secret'), ...problems },
  })
  app.openapi(create, async (c) => {
    needs(c.var.principal, 'directory:read')
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
    description: `While it is disabled, events are not queued for it: \`replay\` sends them once it is enabled again. ${CHANGES_FOR_READERS}`,
    request: {
      params: one,
      body: jsonBody(
        z.strictObject({
          url: z.string().optional(),
          description: endpointDescription.optional(),
          events: endpointEvents.optional(),
          snapshot: webhookSnapshot.optional(),
          enabled: z.boolean().optional(),
        }),
      ),
    },
    responses: { 200: jsonAnswer(webhook, 'Changed'), ...problems },
  })
  app.openapi(modify, async (c) => {
    const { w = '', ...names } = c.req.param() as Names
    const place = await endpointPlaceAt(c.var, names)
    const input = c.req.valid('json')
    needsPeopleToSend(c.var.principal, input)
    return c.json(present(await changeWebhook(c.var.administration, tools, place, w, input)), 200)
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
}
