import { createRoute, z } from '@hono/zod-openapi'
import { webhookState } from '../../../administration/states/state-tags.ts'
import { changeWebhook, createWebhook, deleteWebhook, findWebhook } from '../../../administration/webhooks.ts'
import type { Deliveries } from '../../../delivery/deliveries.ts'
import { webhooksOf } from '../../../repositories/delivery/webhooks.ts'
import { tagged } from '../../control/conditional.ts'
import type { AdminApp } from '../../control/env.ts'
import { ENVIRONMENT, type Level, TENANT } from '../../control/levels.ts'
import { endpointPlaceAt } from '../../control/places.ts'
import { jsonAnswer, jsonBody, listAnswer, listOf, noContent, pageQuery, problems } from '../../control/schemas.ts'
import { needs } from '../../permissions.ts'
import {
  CHANGES_FOR_READERS,
  endpointDescription,
  endpointEvents,
  endpointUrl,
  FOR_READERS,
  needsPeopleToSend,
} from './deliveries.ts'
import { webhookActions } from './webhook-actions.ts'
import {
  exampleSecret,
  exampleWebhook,
  type Names,
  oneBelow,
  present,
  tags,
  webhook,
  webhookSnapshot,
  withSecret,
} from './webhook-shapes.ts'

const newWebhook = z
  .strictObject({
    url: endpointUrl,
    description: endpointDescription.default(''),
    events: endpointEvents.default([]),
    snapshot: webhookSnapshot.default(false),
  })
  .openapi('NewWebhook')
const webhookChange = z
  .strictObject({
    url: endpointUrl.optional(),
    description: endpointDescription.optional(),
    events: endpointEvents.optional(),
    snapshot: webhookSnapshot.optional(),
    enabled: z.boolean().optional(),
  })
  .openapi('WebhookChange')
const webhooks = listOf(webhook, 'WebhookList')

/**
 * `…/webhooks` of the admin API, under an environment for all of its tenants, and under a tenant. Those of an environment
 * show what its tenants have too.
 */
export function webhookRoutes(app: AdminApp, tools: Deliveries): void {
  for (const level of [ENVIRONMENT, TENANT]) {
    routesAt(app, tools, level)
    webhookActions(app, tools, level)
  }
}

function routesAt(app: AdminApp, tools: Deliveries, { path, params, prefix, of }: Level): void {
  const one = oneBelow(params)
  const { url, description, events } = exampleWebhook

  const list = createRoute({
    method: 'get',
    path: `${path}/webhooks`,
    operationId: `list${prefix}Webhooks`,
    summary: `List webhooks${of}`,
    tags,
    request: { params, query: pageQuery(z.uuid()) },
    responses: {
      200: jsonAnswer(webhooks, 'Webhooks in the order of creation', { items: [exampleWebhook], next: null }),
      ...problems,
    },
  })
  app.openapi(list, async (c) => {
    const place = await endpointPlaceAt(c.var, c.req.param())
    const { after, limit } = c.req.valid('query')
    const rows = await webhooksOf(c.var.database, place).list({ after, limit: limit + 1 })
    return c.json(listAnswer(rows, limit, present), 200)
  })

  const create = createRoute({
    method: 'post',
    path: `${path}/webhooks`,
    operationId: `create${prefix}Webhook`,
    summary: `Create a webhook${of}`,
    tags,
    description: `It gets what happens from now on; \`replay\` sends what was before. ${FOR_READERS}`,
    request: { params, body: jsonBody(newWebhook, { url, description, events }) },
    responses: {
      201: jsonAnswer(withSecret, 'Created; the answer is the only place that shows the secret', {
        ...exampleWebhook,
        secret: exampleSecret,
      }),
      ...problems,
    },
  })
  app.openapi(create, async (c) => {
    needs(c.var.principal, 'directory:read')
    const place = await endpointPlaceAt(c.var, c.req.param())
    const made = await createWebhook(c.var.administration, tools, place, c.req.valid('json'))
    const headers = { Location: `${c.req.path}/${made.id}`, 'Cache-Control': 'no-store' }
    tagged(c, webhookState(made))
    return c.json({ ...present(made), secret: made.newSecret }, 201, headers)
  })

  const retrieve = createRoute({
    method: 'get',
    path: `${path}/webhooks/{webhook}`,
    operationId: `get${prefix}Webhook`,
    summary: `Get a webhook${of}`,
    tags,
    request: { params: one },
    responses: { 200: jsonAnswer(webhook, 'The webhook, without its secret', exampleWebhook), ...problems },
  })
  app.openapi(retrieve, async (c) => {
    const { webhook: id = '', ...names } = c.req.param() as Names
    const place = await endpointPlaceAt(c.var, names)
    const found = await findWebhook(c.var.database, place, id)
    tagged(c, webhookState(found))
    return c.json(present(found), 200)
  })

  const modify = createRoute({
    method: 'patch',
    path: `${path}/webhooks/{webhook}`,
    operationId: `update${prefix}Webhook`,
    summary: `Change, disable or enable a webhook${of}`,
    tags,
    description: `While it is disabled, events are not queued for it: \`replay\` sends them once it is enabled again. ${CHANGES_FOR_READERS}`,
    request: { params: one, body: jsonBody(webhookChange, { events }) },
    responses: { 200: jsonAnswer(webhook, 'Changed', exampleWebhook), ...problems },
  })
  app.openapi(modify, async (c) => {
    const { webhook: id = '', ...names } = c.req.param() as Names
    const place = await endpointPlaceAt(c.var, names)
    const input = c.req.valid('json')
    needsPeopleToSend(c.var.principal, input)
    const changed = await changeWebhook(c.var.administration, tools, place, id, input)
    tagged(c, webhookState(changed))
    return c.json(present(changed), 200)
  })

  const remove = createRoute({
    method: 'delete',
    path: `${path}/webhooks/{webhook}`,
    operationId: `delete${prefix}Webhook`,
    summary: `Delete a webhook${of}`,
    tags,
    request: { params: one },
    responses: { 204: noContent, ...problems },
  })
  app.openapi(remove, async (c) => {
    const { webhook: id = '', ...names } = c.req.param() as Names
    await deleteWebhook(c.var.administration, await endpointPlaceAt(c.var, names), id)
    return c.body(null, 204)
  })
}
