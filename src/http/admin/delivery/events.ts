import { createRoute, z } from '@hono/zod-openapi'
import { Refusal } from '../../../administration/refusal.ts'
import type { ControlPlane } from '../../../context/control-plane.ts'
import type { Database } from '../../../db/database.ts'
import type { Deliveries } from '../../../delivery/deliveries.ts'
import { tenantLog } from '../../../delivery/read-log.ts'
import { exportTenant } from '../../../delivery/snapshot.ts'
import { EVENT_TYPE_LIST } from '../../../events/types.ts'
import { schemaDefinitionsOf } from '../../../repositories/control/schema-definitions.ts'
import type { OriginPolicy } from '../../../tenancy/base-url.ts'
import { effectiveSettings } from '../../../tenancy/settings.ts'
import { registryOf } from '../../../tenancy/tenant.ts'
import type { AdminApp } from '../../control/env.ts'
import type { EventReaders } from '../../control/event-readers.ts'
import { EXAMPLE } from '../../control/examples.ts'
import { TENANT } from '../../control/levels.ts'
import { mapped } from '../../control/mapped-shape.ts'
import { tenantAt } from '../../control/places.ts'
import { MAX_WAIT_SECONDS } from '../../control/polling.ts'
import { jsonAnswer, linesAnswer, problems, tenantParams } from '../../control/schemas.ts'
import { streamed } from '../../streamed.ts'
import { pageAnswer, streamAnswer } from './log-answers.ts'

/** A position of a tenant's log. */
export const position = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
const SNAPSHOT =
  'Each event comes with `snapshot`, its resource as it is now: `version`, which may be newer than that of the event, `active` and `attributes`; groups without their members, null where it is gone.'

/** What readers of all logs may say. */
export const readerQuery = z.object({
  types: z
    .string()
    .max(4_000)
    .optional()
    .openapi({ description: 'Types of events, with commas between: `user.deactivated,group.*`. Without it, all.' }),
  snapshot: z.enum(['true', 'false']).default('false').openapi({ description: SNAPSHOT }),
})
/** And those of one page. */
export const pageOfLog = {
  limit: z.coerce.number().int().min(1).max(500).default(100),
  wait: z.coerce.number().min(0).max(MAX_WAIT_SECONDS).default(0).openapi({
    description: 'Seconds to wait for an event where there is none yet.',
  }),
}

const logQuery = readerQuery.extend({
  after: position.optional().openapi({
    description: 'The position up to which the reader knows the log. Without it, from the oldest event that is kept.',
  }),
})

export const event = z
  .object({
    id: z.uuid(),
    position: z.number().int().openapi({ description: "Dense, the tenant's own; never changes." }),
    type: z.string().openapi({
      description: `What happened, and what \`changes\` hold; resources of registered types have \`created\`, \`updated\` and \`deleted\`, named like them.\n\n${EVENT_TYPE_LIST}`,
    }),
    tenant: z.uuid(),
    time: z.string(),
    resource: z.object({ type: z.string(), id: z.uuid(), version: z.number().int() }).openapi({
      description:
        'Of events about the tenant and its keys the tenant, as `Tenant`; of roles the role, as `Role`; of the leaver brake its hold, as `Brake`.',
    }),
    requestId: z.string(),
    actor: z.string().openapi({ description: 'Id of the API key that asked for the change.' }),
    erased: z.literal(true).optional().openapi({
      description: 'The event is about a person who was erased since; `changes` is empty then.',
    }),
    changes: z.looseObject({}).openapi({
      description: 'By `type`. Never a secret.',
    }),
    mapped: mapped.optional(),
    snapshot: z
      .object({ version: z.number().int(), active: z.boolean().optional(), attributes: z.looseObject({}) })
      .nullable()
      .optional()
      .openapi({ description: 'With `snapshot=true`.' }),
  })
  .openapi('Event')

export const exampleEvent = {
  ...{ id: EXAMPLE.eventId, position: 4711, type: 'user.deactivated', tenant: EXAMPLE.tenantId },
  time: EXAMPLE.changed,
  resource: { type: 'User', id: EXAMPLE.userId, version: 3 },
  ...{ requestId: EXAMPLE.requestId, actor: EXAMPLE.apiKeyId },
  changes: { changed: [{ path: 'active', before: true, after: false }] },
} satisfies z.input<typeof event>

const page = z
  .object({
    items: z.array(event),
    next: z.number().int().openapi({ description: 'The `after` of the next request, also where items is empty.' }),
    more: z.boolean().openapi({ description: 'Whether there is more already.' }),
  })
  .openapi('EventPage')

const list = createRoute({
  method: 'get',
  path: `${TENANT.path}/events`,
  operationId: 'listEvents',
  summary: 'List events of a tenant, or wait for the next',
  tags: ['Events'],
  description: 'For keys with the permission "directory:read". Shows every event that was committed before.',
  request: {
    params: tenantParams,
    query: logQuery.extend(pageOfLog),
  },
  responses: {
    200: jsonAnswer(page, 'Events in the order of their positions', { items: [exampleEvent], next: 4711, more: false }),
    ...problems,
  },
})

const snapshotExample = [
  { kind: 'start', tenant: EXAMPLE.tenantId, position: 4711, time: EXAMPLE.changed },
  {
    ...{ kind: 'resource', resource: { type: 'User', id: EXAMPLE.userId, version: 3 }, active: false },
    attributes: { userName: 'ada@acme.example', displayName: 'Ada Byron', active: false },
  },
  { kind: 'members', group: EXAMPLE.groupId, members: [EXAMPLE.userId] },
  { kind: 'end', tenant: EXAMPLE.tenantId, position: 4711 },
]

const snapshot = createRoute({
  method: 'get',
  path: `${TENANT.path}/snapshot`,
  operationId: 'getSnapshot',
  summary: 'Read all resources of a tenant, to follow its events from there',
  tags: ['Events'],
  description:
    'For keys with the permission "directory:read". Lines of JSON: `start` with the position from which to follow the events, `resource`, `members` of groups, `role` with users who have it, and `end`; without the last line the export is not whole. Events whose version is not above that of a line are in it already.',
  request: { params: tenantParams },
  responses: {
    200: linesAnswer('All resources and members', snapshotExample),
    ...problems,
  },
})

const stream = createRoute({
  method: 'get',
  path: `${TENANT.path}/events/stream`,
  operationId: 'streamEvents',
  summary: 'Follow the events of a tenant as Server-Sent Events',
  tags: ['Events'],
  description:
    'For keys with the permission "directory:read". From the position in Last-Event-ID, or in `after`, on: `id` is the position, `data` the event.',
  request: { params: tenantParams, query: logQuery, headers: z.object({ 'last-event-id': position.optional() }) },
  responses: {
    200: {
      description: 'Events as they happen',
      content: {
        'text/event-stream': {
          schema: z.string(),
          example: `retry: 1000\n\nid: 4711\ndata: ${JSON.stringify(exampleEvent)}\n\n`,
        },
      },
    },
    ...problems,
  },
})

/** `…/events`, `…/events/stream` and `…/snapshot` of a tenant in the admin API: what applications read. */
export function eventRoutes(
  app: AdminApp,
  control: ControlPlane,
  {
    watch,
    config,
    readers,
  }: Pick<Deliveries, 'watch'> & { readonly config: OriginPolicy; readonly readers: EventReaders },
): void {
  const answers = { control, config, readers }
  app.openapi(list, async (c) => {
    const { after, ...query } = c.req.valid('query')
    const { tenant } = await tenantAt(c.var, c.req.valid('param'))
    const log = (database: Database) => tenantLog(database, watch, tenant.id)
    return (await pageAnswer(c, answers, log, after, query, { tenantId: tenant.id, cannotFollow })) as never
  })

  app.openapi(stream, async (c) => {
    const { after, ...query } = c.req.valid('query')
    const { tenant } = await tenantAt(c.var, c.req.valid('param'))
    const from = c.req.valid('header')['last-event-id'] ?? after
    const log = (database: Database) => tenantLog(database, watch, tenant.id)
    return (await streamAnswer(c, answers, log, from, query, { tenantId: tenant.id, cannotFollow })) as never
  })

  app.openapi(snapshot, async (c) => {
    const { tenant, environment } = await tenantAt(c.var, c.req.valid('param'))
    const definitions = schemaDefinitionsOf(c.var.database, environment.id)
    const settings = effectiveSettings(environment.settings, tenant.settings)
    const registry = registryOf(settings, await definitions.definitions(null), await definitions.definitions(tenant.id))
    const lines = exportTenant(
      c.var.database,
      { id: tenant.id, registry, mapping: settings.mapping, hasAccounts: tenant.accountsSince !== null },
      c.req.raw,
    )
    return c.body(streamed(lines, c.var.passage), 200, {
      ...{ 'Content-Type': 'application/x-ndjson', 'Cache-Control': 'no-store' },
    }) as never
  })
}

/** Why a log cannot be followed from a position, for the reader: what is lost to it has to be read anew. */
export function cannotFollow(
  answer:
    | { readonly outcome: 'trimmed'; readonly trimmed: number }
    | { readonly outcome: 'ahead'; readonly head: number },
): Refusal {
  const again = 'Read the snapshot and follow from the position that it names.'
  if (answer.outcome === 'ahead')
    return new Refusal(410, `The log ends at ${answer.head}: the store was restored to an earlier state. ${again}`)
  return new Refusal(410, `Events up to ${answer.trimmed} were deleted for their age. ${again}`)
}
