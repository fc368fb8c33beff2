import { createRoute, z } from '@hono/zod-openapi'
import { listRequests, oneRequest, requestFollower } from '../../administration/requests.ts'
import type { Deliveries } from '../../delivery/deliveries.ts'
import type { AdminApp } from '../control/env.ts'
import type { EventReaders } from '../control/event-readers.ts'
import { EXAMPLE } from '../control/examples.ts'
import { TENANT } from '../control/levels.ts'
import { tenantAt } from '../control/places.ts'
import { jsonAnswer, listOf, problems, tenantParams } from '../control/schemas.ts'
import { needs } from '../permissions.ts'
import { streamed } from '../streamed.ts'
import {
  details,
  exampleDetails,
  exampleSummary,
  presentDetails,
  presentRequest,
  queryOf,
  requestFilter,
  summary,
} from './request-shapes.ts'
import { requestTexts } from './request-stream.ts'

const REQUESTS = `${TENANT.path}/requests`
const tags = ['Provisioning log']

const list = createRoute({
  method: 'get',
  path: REQUESTS,
  operationId: 'listRequests',
  summary: 'List requests of a tenant in the provisioning log',
  tags,
  description:
    "The newest first, people's data masked. With `person` and other filters a page may be empty and still have a `next`.",
  request: {
    params: tenantParams,
    query: requestFilter.extend({
      after: z.uuid().optional().openapi({ description: 'The `next` of the page before.' }),
      limit: z.coerce.number().int().min(1).max(200).default(50),
    }),
  },
  responses: {
    200: jsonAnswer(listOf(summary, 'LoggedRequestList'), 'Requests', { items: [exampleSummary], next: null }),
    ...problems,
  },
})
const retrieve = createRoute({
  method: 'get',
  path: `${REQUESTS}/{request}`,
  operationId: 'getRequest',
  summary: 'Get a request with its bodies, its events and their deliveries',
  tags,
  description:
    "With `reveal=true` people's data is shown: for keys with the permission `requests:reveal`. The audit log has each time.",
  request: {
    params: tenantParams.extend({ request: z.uuid() }),
    query: z.object({ reveal: z.enum(['true', 'false']).default('false') }),
  },
  responses: { 200: jsonAnswer(details, 'The request', exampleDetails), ...problems },
})
const stream = createRoute({
  method: 'get',
  path: `${REQUESTS}/stream`,
  operationId: 'streamRequests',
  summary: 'Follow the provisioning log of a tenant as Server-Sent Events',
  tags,
  description: "From now on, or from `since`: `data` is what a list has of a request. People's data is masked.",
  request: { params: tenantParams, query: requestFilter.omit({ until: true }) },
  responses: {
    200: {
      description: 'Requests as they are written',
      content: {
        'text/event-stream': {
          schema: z.string(),
          example: `retry: 1000\n\nid: ${EXAMPLE.requestId}\ndata: ${JSON.stringify(exampleSummary)}\n\n`,
        },
      },
    },
    ...problems,
  },
})

/** `…/requests` of a tenant in the admin API: what its clients have sent, and what came of it. */
export function requestRoutes(app: AdminApp, deliveries: Deliveries, readers: EventReaders): void {
  app.openapi(list, async (c) => {
    const { scope } = await tenantAt(c.var, c.req.valid('param'))
    const { after, limit, ...filter } = c.req.valid('query')
    const { requests, nextCursor } = await listRequests(c.var.database, scope, { ...queryOf(filter), after, limit })
    return c.json({ items: requests.map(presentRequest), next: nextCursor ?? null }, 200)
  })

  app.openapi(stream, async (c) => {
    const { scope } = await tenantAt(c.var, c.req.valid('param'))
    const reader = readers.enter(c, scope.tenantId)
    const follow = requestFollower(c.var.database, scope, queryOf(c.req.valid('query')))
    const { signal, passage } = reader
    const texts = requestTexts(follow, deliveries.requests, scope.tenantId, signal)
    const body = streamed(texts, passage, { over: () => reader.end() })
    passage?.answered(c.req.method, c.env)
    return c.body(body, 200, {
      ...{ 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' },
    }) as never
  })

  app.openapi(retrieve, async (c) => {
    const { scope } = await tenantAt(c.var, c.req.valid('param'))
    const reveal = c.req.valid('query').reveal === 'true'
    if (reveal) needs(c.var.principal, 'requests:reveal')
    const found = await oneRequest(c.var.administration, scope, c.req.valid('param').request, { reveal })
    return c.json(presentDetails(found), 200, { 'Cache-Control': 'no-store' })
  })
}
