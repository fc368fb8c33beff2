import { createRoute, z } from '@hono/zod-openapi'
import { brakeStatus, releaseBrake } from '../../administration/brake.ts'
import { type HeldItem, heldEventsOf } from '../../repositories/log/held-events.ts'
import { effectiveSettings } from '../../tenancy/settings.ts'
import type { AdminApp } from '../control/env.ts'
import { EXAMPLE } from '../control/examples.ts'
import { TENANT } from '../control/levels.ts'
import { tenantAt } from '../control/places.ts'
import {
  jsonAnswer,
  jsonBody,
  listAnswer,
  listOf,
  pageQuery,
  plainText,
  problems,
  tenantParams,
} from '../control/schemas.ts'

/** Where the list of what is held goes on. */
export const heldCursor = z.string().regex(/^\d{1,15}\.\d{1,6}$/, 'must be the "next" of a list')

const BRAKE = `${TENANT.path}/brake`
const tags = ['Leaver brake']

const status = z
  .object({
    mode: z.enum(['off', 'warn', 'hold']),
    state: z.enum(['off', 'watching', 'engaged', 'releasing']).openapi({
      description: '`engaged`: events are held; `releasing`: they were released and are getting their positions.',
    }),
    since: z.string().nullable(),
    until: z.string().nullable().openapi({ description: 'When the held events are released without an approval.' }),
    held: z.number().int().openapi({ description: 'Events that are held.' }),
    leavers: z.number().int().openapi({ description: 'People who have left within the window and count.' }),
    users: z.number().int().openapi({ description: 'Active users, with those who have left.' }),
  })
  .openapi('BrakeStatus')

const named = z.object({
  type: z.string(),
  id: z.string(),
  userName: z.string().nullable(),
  displayName: z.string().nullable(),
})
const item = z
  .object({
    id: z.string(),
    eventId: z.uuid(),
    type: z.string().openapi({ description: 'Type of the event that is held.' }),
    time: z.string(),
    actor: z.string().openapi({ description: 'Id of the API key that asked for the change.' }),
    requestId: z.string(),
    who: named,
    group: z.object({ id: z.uuid(), displayName: z.string().nullable() }).nullable().openapi({
      description: 'Where it is about the members of a group.',
    }),
    role: z.string().nullable().openapi({ description: 'Where it is about who has a role: its key.' }),
  })
  .openapi('HeldItem')

const releaseInput = z.strictObject({ note: plainText.optional() }).openapi('BrakeRelease')
const releaseOutcome = z.object({ released: z.number().int() }).openapi('BrakeReleased')

const exampleStatus: z.infer<typeof status> = {
  ...{ mode: 'hold', state: 'engaged' },
  ...{ since: EXAMPLE.changed, until: '2026-03-10T14:05:00.000Z' },
  ...{ held: 57, leavers: 57, users: 400 },
}
const exampleItem: z.infer<typeof item> = {
  ...{ id: '918.1', eventId: EXAMPLE.holdEventId, type: 'user.deactivated', time: EXAMPLE.changed },
  ...{ actor: EXAMPLE.apiKeyId, requestId: EXAMPLE.requestId },
  who: { type: 'User', id: EXAMPLE.userId, userName: 'ada@acme.example', displayName: 'Ada Byron' },
  ...{ group: null, role: null },
}

const retrieve = createRoute({
  method: 'get',
  path: BRAKE,
  operationId: 'getBrakeStatus',
  summary: 'Get the state of the leaver brake',
  tags,
  request: { params: tenantParams },
  responses: { 200: jsonAnswer(status, 'How the leaver brake of the tenant stands', exampleStatus), ...problems },
})
const held = createRoute({
  method: 'get',
  path: `${BRAKE}/held`,
  operationId: 'listHeldEvents',
  summary: 'List events that the leaver brake holds',
  tags,
  description: 'For keys with the permission "directory:read" beside "admin", since it shows people.',
  request: { params: tenantParams, query: pageQuery(heldCursor) },
  responses: {
    200: jsonAnswer(listOf(item, 'HeldItemList'), 'Who leaves by the held events, in the order of writing', {
      items: [exampleItem],
      next: null,
    }),
    ...problems,
  },
})
const release = createRoute({
  method: 'post',
  path: `${BRAKE}/release`,
  operationId: 'releaseBrake',
  summary: 'Release the events that the leaver brake holds',
  tags,
  description: 'Leavers are counted anew from then on. 409 where nothing is held.',
  request: { params: tenantParams, body: jsonBody(releaseInput, { note: 'The Lyon office is closed.' }) },
  responses: { 200: jsonAnswer(releaseOutcome, 'How many events were held', { released: 57 }), ...problems },
})

/** `…/brake` of a tenant in the admin API: what the leaver brake holds, and the approval that releases it. */
export function brakeRoutes(app: AdminApp): void {
  app.openapi(retrieve, async (c) => {
    const { tenant, environment } = await tenantAt(c.var, c.req.valid('param'))
    const { leaverBrake } = effectiveSettings(environment.settings, tenant.settings)
    const { since, until, ...rest } = await brakeStatus(c.var.database, tenant.id, leaverBrake)
    const moments = { since: since?.toISOString() ?? null, until: until?.toISOString() ?? null }
    return c.json({ mode: leaverBrake.mode, ...rest, ...moments }, 200)
  })

  app.openapi(held, async (c) => {
    const { tenant } = await tenantAt(c.var, c.req.valid('param'))
    const { after, limit } = c.req.valid('query')
    const rows = await heldEventsOf(c.var.database, tenant.id).list(after, limit + 1)
    return c.json(listAnswer(rows, limit, present), 200)
  })

  app.openapi(release, async (c) => {
    const { scope } = await tenantAt(c.var, c.req.valid('param'))
    const released = await releaseBrake(c.var.administration, scope, c.req.valid('json').note)
    return c.json({ released }, 200)
  })
}

const present = ({ occurredAt, ...row }: HeldItem): z.infer<typeof item> => ({
  ...row,
  time: new Date(occurredAt).toISOString(),
})
