import { createRoute, z } from '@hono/zod-openapi'
import {
  changeWebhook,
  createWebhook,
  deleteWebhook,
  findWebhook,
  listWebhooks,
  recordWebhookTest,
  replayWebhook,
  rotateWebhookSecret,
  type WebhookPlace,
} from '../../administration/webhooks.ts'
import type { Deliveries } from '../../delivery/deliveries.ts'
import { sendTest } from '../../delivery/webhook-test.ts'
import { RETRIES } from '../../delivery/webhook-worker.ts'
import { type ReplayFrom, waitingDeliveries } from '../../repositories/webhook-backlog.ts'
import type { EndpointRow } from '../../repositories/webhooks.ts'
import type { AdminApp, Asking } from './env.ts'
import { environmentAt, tenantAt } from './places.ts'
import {
  environmentParams,
  jsonAnswer,
  jsonBody,
  listAnswer,
  listOf,
  moment,
  noContent,
  pageQuery,
  problems,
  tenantParams,
  warnings,
} from './schemas.ts'

const description = z.string().max(200)
const events = z
  .array(z.string())
  .max(100)
  .openapi({ description: 'Such as `user.deactivated` or `group.*`; `*` or none for all.' })
const snapshot = z.boolean().openapi({ description: 'Whether each event is sent with its resource as it is then.' })
const shape = {
  id: z.uuid(),
  tenantId: z.uuid().nullable().openapi({ description: 'Null for all tenants of the environment.' }),
  url: z.string(),
  description,
  events,
  snapshot,
  enabled: z.boolean(),
  disabledReason: z.string().nullable(),
  failingSince: z.string().nullable().openapi({ description: 'Nothing has been taken since.' }),
  previousSecretUntil: z.string().nullable().openapi({ description: 'The secret before signs too until then.' }),
  createdAt: z.string(),
  warnings,
}
const webhook = z.object(shape).openapi('Webhook')
const secret = z.string().openapi({ description: 'In the form of Standard Webhooks; shown this once.' })
const withSecret = z.object({ ...shape, secret }).openapi('WebhookWithSecret')
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
  z.strictObject({ tenantId: z.uuid(), events: z.array(z.uuid()).min(1).max(1_000) }),
  z.strictObject({ dead: z.literal(true), tenantId: z.uuid().optional() }),
])
const DELIVERY_ID = /^([0-9a-f-]{36})\.(\d{1,15})$/
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
    const place = await placeAt(c.var, c.req.param())
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
          description: description.default(''),
          events: events.default([]),
          snapshot: snapshot.default(false),
        }),
      ),
    },
    responses: { 201: jsonAnswer(withSecret, 'Made; the answer is the only place that shows the secret'), ...problems },
  })
  app.openapi(create, async (c) => {
    const place = await placeAt(c.var, c.req.param())
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
    const place = await placeAt(c.var, names)
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
          description: description.optional(),
          events: events.optional(),
          snapshot: snapshot.optional(),
          enabled: z.boolean().optional(),
        }),
      ),
    },
    responses: { 200: jsonAnswer(webhook, 'Changed'), ...problems },
  })
  app.openapi(modify, async (c) => {
    const { w = '', ...names } = c.req.param() as Names
    const place = await placeAt(c.var, names)
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
    await deleteWebhook(c.var.administration, await placeAt(c.var, names), w)
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
      'Queues events again that are still kept: of a stretch of time, by position or id, or all that were given up.',
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

/** Path parameters; which of them there are decides what they name. */
type Names = { readonly p?: string; readonly e?: string; readonly t?: string; readonly w?: string }

async function placeAt(by: Asking, { p = '', e = '', t }: Names): Promise<WebhookPlace> {
  return t === undefined ? (await environmentAt(by, p, e)).scope : (await tenantAt(by, p, e, t)).scope
}

function replayFrom(input: z.infer<typeof replay>): ReplayFrom {
  if ('dead' in input) return { kind: 'dead' }
  if ('events' in input) return { kind: 'events', events: input.events }
  if ('positions' in input) return { kind: 'positions', positions: input.positions }
  return { kind: 'time', since: input.since, until: input.until }
}

function present(row: EndpointRow): z.infer<typeof webhook> {
  const { id, tenantId, url, events, snapshot, enabled, disabledReason, failingSince } = row
  const end = failingSince && new Date(failingSince.getTime() + RETRIES.disableAfterMs).toISOString()
  const failing = enabled && failingSince !== null
  return {
    ...{ id, tenantId, url, description: row.description, events, snapshot, enabled, disabledReason },
    failingSince: failingSince?.toISOString() ?? null,
    previousSecretUntil: row.previousSecretUntil?.toISOString() ?? null,
    createdAt: row.createdAt.toISOString(),
    warnings: failing ? [`Nothing was taken since ${failingSince.toISOString()}; it will be disabled at ${end}.`] : [],
  }
}
