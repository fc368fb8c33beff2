import { createRoute, z } from '@hono/zod-openapi'
import { Refusal } from '../../../administration/refusal.ts'
import type { ControlPlane } from '../../../context/control-plane.ts'
import type { Deliveries } from '../../../delivery/deliveries.ts'
import { byTenant, environmentFeed } from '../../../delivery/environment-feed.ts'
import { readLog } from '../../../delivery/read-log.ts'
import { withFewMembers } from '../../../mapping/affected.ts'
import type { TenantId } from '../../../place-ids.ts'
import type { OriginPolicy } from '../../../tenancy/base-url.ts'
import type { AdminApp } from '../../control/env.ts'
import { EXAMPLE } from '../../control/examples.ts'
import { ENVIRONMENT } from '../../control/levels.ts'
import { openTenant } from '../../control/open-tenant.ts'
import { environmentAt } from '../../control/places.ts'
import { environmentParams, jsonAnswer, problems } from '../../control/schemas.ts'
import { cannotFollowFeed, cursor, cursorIn, ofTenants, tenantsNamed } from '../delivery/feed-shapes.ts'
import { changed, MAPPING_CHANGED, presentStates } from './changes.ts'
import { exampleUser } from './directory.ts'

/** An answer has changes of so many tenants at the most: of each, the states are read. */
const MOST_TENANTS = 50

const page = z
  .object({
    items: z.array(changed.extend({ tenant: z.uuid() }).openapi('ChangedResourceOfTenant')),
    next: z.string().openapi({ description: 'The `after` of the next request, also where items is empty. Opaque.' }),
    more: z.boolean().openapi({ description: 'Whether there is more already.' }),
    mappingChanged: z
      .array(z.uuid())
      .optional()
      .openapi({ description: `Tenants in which it is so. ${MAPPING_CHANGED}` }),
  })
  .openapi('EnvironmentChangePage')

const list = createRoute({
  method: 'get',
  path: `${ENVIRONMENT.path}/changes`,
  operationId: 'listEnvironmentChanges',
  summary: 'List resources of all tenants of an environment that changed after a cursor',
  tags: ['Directory'],
  description:
    'For keys of the environment with the permission `directory:read`. Each changed resource is there once, as it is now; what ' +
    'changes again meanwhile comes again. Begin with the snapshot and the cursor in its first line. 410 where the events after ' +
    'the cursor are kept no longer: begin again with a snapshot.',
  request: {
    params: environmentParams,
    query: z.object({
      after: cursor.optional().openapi({
        description:
          'The `next` of the last answer, or the cursor of a snapshot. Without it, from the oldest event that is kept.',
      }),
      tenants: ofTenants,
      limit: z.coerce.number().int().min(1).max(500).default(100).openapi({ description: 'Of events looked at.' }),
    }),
  },
  responses: {
    200: jsonAnswer(page, 'Tenant by tenant, each in the order of the last changes', {
      items: [
        {
          ...{ tenant: EXAMPLE.tenantId, type: 'User', id: EXAMPLE.userId, deleted: false, kept: false },
          resource: exampleUser,
        },
      ],
      ...{ next: EXAMPLE.feedCursor, more: false },
    }),
    ...problems,
  },
})

/** `…/changes` of an environment in the admin API: what an application that keeps a copy of all tenants has to change in it. */
export function environmentChangeRoutes(
  app: AdminApp,
  control: ControlPlane,
  { watch, config }: Pick<Deliveries, 'watch'> & { readonly config: OriginPolicy },
): void {
  app.openapi(list, async (c) => {
    const { after, limit, tenants: names } = c.req.valid('query')
    const place = await environmentAt(c.var, c.req.valid('param'))
    const tenants = (await tenantsNamed(c.var, place, names))?.map(({ id }) => id)
    const from = cursorIn(after)
    const wish = { tenants, mostTenants: MOST_TENANTS }
    const feed = environmentFeed(c.var.database, watch, place.environment.id, from, wish)
    const types = { types: [], nouns: [] }
    const answer = await readLog(feed, { after: from?.place, limit, types, waitMs: 0 })
    if (answer.outcome !== 'page') throw cannotFollowFeed(answer)
    const { events, next, head } = withFewMembers(answer.page, feed.positionOf)
    const items: z.infer<typeof page>['items'] = []
    const remapped: TenantId[] = []
    for (const [tenantId, some] of byTenant(events)) {
      const at = { project: place.project.id, environment: place.environment.id, tenant: tenantId }
      // Read after the events, so a state is never older than what it is shown for.
      const opened = await openTenant(c, at, control, config).catch((error: unknown) => {
        // It has been deleted or moved away since.
        if (error instanceof Refusal) return undefined
        throw error
      })
      if (opened === undefined) continue
      const { tenant, repositories } = opened
      const states = await presentStates(c, repositories, tenant, some)
      items.push(...states.items.map((state) => ({ tenant: tenantId, ...state })))
      if (states.mappingChanged) remapped.push(tenantId)
    }
    const found = { items, next: String(feed.cursorAt(next)), more: next < head }
    const answered = remapped.length === 0 ? found : { ...found, mappingChanged: remapped }
    return c.json(answered, 200, { 'Cache-Control': 'no-store' })
  })
}
