import { createRoute, z } from '@hono/zod-openapi'
import { Refusal } from '../../../administration/refusal.ts'
import type { ControlPlane } from '../../../context/control-plane.ts'
import type { Deliveries } from '../../../delivery/deliveries.ts'
import { snapshotsFor } from '../../../delivery/event-snapshots.ts'
import { streamLog } from '../../../delivery/event-stream.ts'
import { readLog } from '../../../delivery/read-log.ts'
import { exportTenant } from '../../../delivery/snapshot.ts'
import { type EventTypes, eventText, parseEventTypes } from '../../../events/event.ts'
import { EVENT_TYPE_LIST } from '../../../events/types.ts'
import { schemaDefinitionsOf } from '../../../repositories/control/schema-definitions.ts'
import type { OriginPolicy } from '../../../tenancy/base-url.ts'
import { effectiveSettings } from '../../../tenancy/settings.ts'
import { registryOf } from '../../../tenancy/tenant.ts'
import type { AdminApp } from '../../control/env.ts'
import type { EventReaders } from '../../control/event-readers.ts'
import { EXAMPLE } from '../../control/examples.ts'
import { TENANT } from '../../control/levels.ts'
import { tenantAt } from '../../control/places.ts'
import { MAX_WAIT_SECONDS, stillAllowed } from '../../control/polling.ts'
import { jsonAnswer, problems, tenantParams } from '../../control/schemas.ts'
import { streamed } from '../../streamed.ts'

/** Half of what load balancers let a request without an answer live. */

/** A position of a tenant's log. */
export const position = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
const SNAPSHOT =
  'Each event comes with `snapshot`, its resource as it is now: `version`, which may be newer than that of the event, `active` and `attributes`; groups without their members, null where it is gone.'

const logQuery = z.object({
  after: position.optional().openapi({
    description: 'The position up to which the reader knows the log. Without it, from the oldest event that is kept.',
  }),
  types: z
    .string()
    .max(4_000)
    .optional()
    .openapi({ description: 'Types of events, with commas between: `user.deactivated,group.*`. Without it, all.' }),
  snapshot: z.enum(['true', 'false']).default('false').openapi({ description: SNAPSHOT }),
})

const event = z
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
    changes: z.looseObject({}).openapi({
      description: 'By `type`. Never a secret.',
    }),
    snapshot: z
      .object({ version: z.number().int(), active: z.boolean().optional(), attributes: z.looseObject({}) })
      .nullable()
      .optional()
      .openapi({ description: 'With `snapshot=true`.' }),
  })
  .openapi('Event')

const example = {
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
    query: logQuery.extend({
      limit: z.coerce.number().int().min(1).max(500).default(100),
      wait: z.coerce.number().min(0).max(MAX_WAIT_SECONDS).default(0).openapi({
        description: 'Seconds to wait for an event where there is none yet.',
      }),
    }),
  },
  responses: {
    200: jsonAnswer(page, 'Events in the order of their positions', { items: [example], next: 4711, more: false }),
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
    200: {
      description: 'All resources and members',
      content: {
        'application/x-ndjson': {
          schema: z.string(),
          example: snapshotExample.map((line) => `${JSON.stringify(line)}\n`).join(''),
        },
      },
    },
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
          example: `retry: 1000\n\nid: 4711\ndata: ${JSON.stringify(example)}\n\n`,
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
  app.openapi(list, async (c) => {
    const { after, limit, wait, types, snapshot } = c.req.valid('query')
    const { tenant } = await tenantAt(c.var, c.req.valid('param'))
    const wanted = wantedTypes(types)
    const waiting = wait > 0 ? readers.enter(c, tenant.id) : undefined
    const signal = waiting?.signal ?? c.req.raw.signal
    const question = { after, limit, types: wanted, waitMs: wait * 1_000, signal }
    const answer = await readLog(c.var.database, watch, tenant.id, question).finally(() => waiting?.end())
    if (wait > 0) await stillAllowed(c, control, config)
    if (answer.outcome !== 'page') throw cannotFollow(answer)
    const { events, next, head } = answer.page
    const snapshots = snapshot === 'true' ? await snapshotsFor(c.var.database, tenant.id, events) : undefined
    const items = events.map((one) => eventText(one, tenant.id, snapshots?.(one))).join(',')
    c.var.passage?.holdAnswer(items.length, true)
    // Written out: what changed is JSON text already.
    return c.body(`{"items":[${items}],"next":${next},"more":${next < head}}`, 200, {
      ...{ 'Content-Type': 'application/json', 'Cache-Control': 'no-store' },
    }) as never
  })

  app.openapi(stream, async (c) => {
    const { after, types: text, snapshot } = c.req.valid('query')
    const { tenant } = await tenantAt(c.var, c.req.valid('param'))
    const types = wantedTypes(text)
    const from = c.req.valid('header')['last-event-id'] ?? after
    const reader = readers.enter(c, tenant.id)
    const { signal, passage } = reader
    const question = { after: from, limit: 100, types, waitMs: 0 }
    const answer = await readLog(c.var.database, watch, tenant.id, question).catch((error: unknown) => {
      reader.end()
      throw error
    })
    if (answer.outcome !== 'page') {
      reader.end()
      throw cannotFollow(answer)
    }
    const follows = { types, snapshot: snapshot === 'true', signal }
    const events = streamLog(c.var.database, watch, tenant.id, answer.page, follows)
    const body = streamed(events, passage, { over: () => reader.end() })
    passage?.answered(c.req.method, c.env)
    return c.body(body, 200, {
      // The proxy in front must not gather events either.
      ...{ 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' },
    }) as never
  })

  app.openapi(snapshot, async (c) => {
    const { tenant, environment } = await tenantAt(c.var, c.req.valid('param'))
    const definitions = schemaDefinitionsOf(c.var.database, environment.id)
    const registry = registryOf(
      effectiveSettings(environment.settings, tenant.settings),
      await definitions.definitions(null),
      await definitions.definitions(tenant.id),
    )
    const lines = exportTenant(c.var.database, tenant.id, registry, c.req.raw)
    return c.body(streamed(lines, c.var.passage), 200, {
      ...{ 'Content-Type': 'application/x-ndjson', 'Cache-Control': 'no-store' },
    }) as never
  })
}

/** @throws {Refusal} 400 where one is none */
function wantedTypes(text: string | undefined): EventTypes {
  const types = parseEventTypes(text === undefined || text === '' ? [] : text.split(','))
  const message = 'must be types of events with commas between, such as user.deactivated,group.*'
  if (types === undefined) throw new Refusal(400, `types ${message}.`, [{ path: 'types', message }])
  return types
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
