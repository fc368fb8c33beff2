import { createRoute, z } from '@hono/zod-openapi'
import type { Database } from '../../../db/database.ts'
import type { Deliveries } from '../../../delivery/deliveries.ts'
import { environmentFeed } from '../../../delivery/environment-feed.ts'
import { exportEnvironment, type TenantExport } from '../../../delivery/snapshot.ts'
import { schemaDefinitionsOf } from '../../../repositories/control/schema-definitions.ts'
import { type TenantRow, tenantsOf } from '../../../repositories/control/tenants.ts'
import { effectiveSettings } from '../../../tenancy/settings.ts'
import { registryOf } from '../../../tenancy/tenant.ts'
import type { AdminApp, AdminRequest } from '../../control/env.ts'
import { EXAMPLE } from '../../control/examples.ts'
import { ENVIRONMENT } from '../../control/levels.ts'
import { type EnvironmentPlace, environmentAt } from '../../control/places.ts'
import { environmentParams, jsonAnswer, linesAnswer, problems } from '../../control/schemas.ts'
import { streamed } from '../../streamed.ts'
import { event, exampleEvent, pageOfLog, readerQuery } from './events.ts'
import { cannotFollowFeed, cursor, cursorIn, ofTenants, tenantsNamed } from './feed-shapes.ts'
import { type AnswerTools, pageAnswer, streamAnswer } from './log-answers.ts'

/** With the resource of each event, a page of a feed has events of so many tenants at the most. */
const TENANTS_WITH_RESOURCES = 50
const TENANTS_AT_ONCE = 200

const feedQuery = readerQuery.extend({
  after: cursor.optional().openapi({
    description:
      'The `next` of the last answer, or the cursor of a snapshot. Without it, from the oldest event that is kept.',
  }),
  tenants: ofTenants,
})

const page = z
  .object({
    items: z.array(event),
    next: z.string().openapi({ description: 'The `after` of the next request, also where items is empty. Opaque.' }),
    more: z.boolean().openapi({ description: 'Whether there is more already.' }),
  })
  .openapi('EnvironmentEventPage')

const list = createRoute({
  method: 'get',
  path: `${ENVIRONMENT.path}/events`,
  operationId: 'listEnvironmentEvents',
  summary: 'List events of all tenants of an environment, or wait for the next',
  tags: ['Events'],
  description:
    'For keys of the environment with the permission "directory:read". Shows every event that was committed before. Within each tenant, events come in the order of their positions.',
  request: { params: environmentParams, query: feedQuery.extend(pageOfLog) },
  responses: {
    200: jsonAnswer(page, 'Events of all tenants in one order', {
      ...{ items: [exampleEvent], next: EXAMPLE.feedCursor, more: false },
    }),
    ...problems,
  },
})

const stream = createRoute({
  method: 'get',
  path: `${ENVIRONMENT.path}/events/stream`,
  operationId: 'streamEnvironmentEvents',
  summary: 'Follow the events of all tenants of an environment as Server-Sent Events',
  tags: ['Events'],
  description:
    'For keys of the environment with the permission "directory:read". From the cursor in Last-Event-ID, or in `after`, on: `id` is the cursor, `data` the event.',
  request: {
    params: environmentParams,
    query: feedQuery,
    headers: z.object({ 'last-event-id': cursor.optional().openapi({ example: EXAMPLE.feedCursor }) }),
  },
  responses: {
    200: {
      description: 'Events as they happen',
      content: {
        'text/event-stream': {
          schema: z.string(),
          example: `retry: 1000\n\nid: ${EXAMPLE.feedCursor}\ndata: ${JSON.stringify(exampleEvent)}\n\n`,
        },
      },
    },
    ...problems,
  },
})

const snapshotExample = [
  { kind: 'start', environment: EXAMPLE.environmentId, cursor: EXAMPLE.feedCursor, time: EXAMPLE.changed },
  { kind: 'tenant', tenant: EXAMPLE.tenantId, key: 'acme', name: 'Acme' },
  {
    ...{ kind: 'resource', resource: { type: 'User', id: EXAMPLE.userId, version: 3 }, active: false },
    attributes: { userName: 'ada@acme.example', displayName: 'Ada Byron', active: false },
  },
  { kind: 'members', group: EXAMPLE.groupId, members: [EXAMPLE.userId] },
  { kind: 'end', environment: EXAMPLE.environmentId, cursor: EXAMPLE.feedCursor },
]

const snapshot = createRoute({
  method: 'get',
  path: `${ENVIRONMENT.path}/snapshot`,
  operationId: 'getEnvironmentSnapshot',
  summary: 'Read all resources of all tenants of an environment, to follow its events from there',
  tags: ['Events'],
  description:
    'For keys of the environment with the permission "directory:read". Lines of JSON: `start` with the cursor from which to follow the events; `tenant`, which begins the lines of a tenant: `resource`, `members` and `role` as in the snapshot of a tenant; and `end`. Without the last line the export is not whole. Events whose version is not above that of a line are in it already.',
  request: {
    params: environmentParams,
    query: z.object({
      tenants: ofTenants,
      resources: z.enum(['true', 'false']).default('true').openapi({
        description: 'False: which tenants there are, without what they have.',
      }),
    }),
  },
  responses: {
    200: linesAnswer('All resources and members', snapshotExample),
    ...problems,
  },
})

/** `…/events`, `…/events/stream` and `…/snapshot` of an environment in the admin API: all of its tenants over one connection. */
export function environmentEventRoutes(
  app: AdminApp,
  { watch, ...tools }: Pick<Deliveries, 'watch'> & AnswerTools,
): void {
  const owner = { tenantId: undefined, cannotFollow: cannotFollowFeed }
  const opened = async (request: AdminRequest, names: z.infer<typeof environmentParams>, query: FeedQuery) => {
    const place = await environmentAt(request, names)
    const tenants = (await tenantsNamed(request, place, query.tenants))?.map(({ id }) => id)
    const from = cursorIn(query.after)
    const mostTenants = query.snapshot === 'true' ? TENANTS_WITH_RESOURCES : undefined
    const feed = (database: Database) =>
      environmentFeed(database, watch, place.environment.id, from, { tenants, mostTenants })
    return { feed, after: from?.place }
  }

  app.openapi(list, async (c) => {
    const query = c.req.valid('query')
    const { feed, after } = await opened(c.var, c.req.valid('param'), query)
    return (await pageAnswer(c, tools, feed, after, query, owner)) as never
  })

  app.openapi(stream, async (c) => {
    const query = c.req.valid('query')
    const from = { ...query, after: c.req.valid('header')['last-event-id'] ?? query.after }
    const { feed, after } = await opened(c.var, c.req.valid('param'), from)
    return (await streamAnswer(c, tools, feed, after, query, owner)) as never
  })

  app.openapi(snapshot, async (c) => {
    const place = await environmentAt(c.var, c.req.valid('param'))
    const { tenants: names, resources } = c.req.valid('query')
    const named = await tenantsNamed(c.var, place, names)
    const { database } = c.var
    const { end } = environmentFeed(database, watch, place.environment.id)
    const tenants = resources === 'true' ? tenantExports(c.var, place, named) : tenantRows(c.var, place, named)
    const lines = exportEnvironment(database, place.environment.id, end, tenants, c.req.raw)
    return c.body(streamed(lines, c.var.passage), 200, {
      ...{ 'Content-Type': 'application/x-ndjson', 'Cache-Control': 'no-store' },
    }) as never
  })
}

type FeedQuery = Pick<z.infer<typeof feedQuery>, 'after' | 'tenants' | 'snapshot'>

/** The tenants of an environment page by page, or those that are named, with what their resources are read by. */
async function* tenantExports(
  request: AdminRequest,
  place: EnvironmentPlace,
  named: readonly TenantRow[] | undefined,
): AsyncGenerator<TenantExport> {
  const { environment } = place
  const definitions = schemaDefinitionsOf(request.database, environment.id)
  const shared = await definitions.definitions(null)
  for await (const { id, key, name, settings, accountsSince } of tenantRows(request, place, named)) {
    const own = await definitions.definitions(id)
    const inForce = effectiveSettings(environment.settings, settings)
    const registry = registryOf(inForce, shared, own)
    yield { id, key, name, registry, mapping: inForce.mapping, hasAccounts: accountsSince !== null }
  }
}

/** The tenants of an environment page by page, or those that are named. */
async function* tenantRows(
  { database }: AdminRequest,
  { environment }: EnvironmentPlace,
  named: readonly TenantRow[] | undefined,
): AsyncGenerator<TenantRow> {
  for (let after: string | undefined; ; ) {
    const tenants = named ?? (await tenantsOf(database, environment.id).list({ after, limit: TENANTS_AT_ONCE }))
    yield* tenants
    after = tenants.at(-1)?.id
    if (named !== undefined || tenants.length < TENANTS_AT_ONCE) return
  }
}
