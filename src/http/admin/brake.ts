import { createRoute, z } from '@hono/zod-openapi'
import { brakeStatus, listHeld, releaseBrake } from '../../administration/brake.ts'
import type { HeldItem } from '../../repositories/log/held-events.ts'
import { effectiveSettings } from '../../tenancy/settings.ts'
import type { AdminApp } from '../control/env.ts'
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

const BRAKE = '/projects/{p}/environments/{e}/tenants/{t}/brake'
const tags = ['Leaver brake']

const status = z
  .object({
    mode: z.enum(['off', 'warn', 'hold']),
    state: z.enum(['off', 'watching', 'engaged', 'releasing']).openapi({
      description: '`engaged`: events are held; `releasing`: they were let go and are getting their positions.',
    }),
    since: z.string().nullable(),
    until: z.string().nullable().openapi({ description: 'When what is held goes by itself.' }),
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

const retrieve = createRoute({
  method: 'get',
  path: BRAKE,
  tags,
  request: { params: tenantParams },
  responses: { 200: jsonAnswer(status, 'How the leaver brake of the tenant stands'), ...problems },
})
const held = createRoute({
  method: 'get',
  path: `${BRAKE}/held`,
  tags,
  description: 'For keys with the permission "directory:read" beside "admin", since it shows people.',
  request: { params: tenantParams, query: pageQuery(heldCursor) },
  responses: { 200: jsonAnswer(listOf(item), 'Who leaves by what is held, in the order of writing'), ...problems },
})
const release = createRoute({
  method: 'post',
  path: `${BRAKE}/release`,
  tags,
  description: 'Lets go what is held; leavers are counted anew from then on. 409 where nothing is held.',
  request: { params: tenantParams, body: jsonBody(z.strictObject({ note: plainText.optional() })) },
  responses: { 200: jsonAnswer(z.object({ released: z.number().int() }), 'How many events were held'), ...problems },
})

/** `…/tenants/{t}/brake` of the admin API: what the leaver brake holds, and the approval that lets it go. */
export function brakeRoutes(app: AdminApp): void {
  app.openapi(retrieve, async (c) => {
    const { p, e, t } = c.req.valid('param')
    const { tenant, environment } = await tenantAt(c.var, p, e, t)
    const { leaverBrake } = effectiveSettings(environment.settings, tenant.settings)
    const { since, until, ...rest } = await brakeStatus(c.var.database, tenant.id, leaverBrake)
    const moments = { since: since?.toISOString() ?? null, until: until?.toISOString() ?? null }
    return c.json({ mode: leaverBrake.mode, ...rest, ...moments }, 200)
  })

  app.openapi(held, async (c) => {
    const { p, e, t } = c.req.valid('param')
    const { tenant } = await tenantAt(c.var, p, e, t)
    const { after, limit } = c.req.valid('query')
    const rows = await listHeld(c.var.database, tenant.id, { after, limit: limit + 1 })
    return c.json(listAnswer(rows, limit, present), 200)
  })

  app.openapi(release, async (c) => {
    const { p, e, t } = c.req.valid('param')
    const { scope } = await tenantAt(c.var, p, e, t)
    const released = await releaseBrake(c.var.administration, scope, c.req.valid('json').note)
    return c.json({ released }, 200)
  })
}

const present = ({ occurredAt, ...row }: HeldItem): z.infer<typeof item> => ({
  ...row,
  time: new Date(occurredAt).toISOString(),
})
