import { createRoute, z } from '@hono/zod-openapi'
import type { ControlPlane } from '../../../context/control-plane.ts'
import type { Deliveries } from '../../../delivery/deliveries.ts'
import { readLog, tenantLog } from '../../../delivery/read-log.ts'
import { type ChangedResource, changedResources } from '../../../events/changed-resources.ts'
import type { Repositories } from '../../../repositories/tenant-scope.ts'
import type { Resource } from '../../../scim/resource.ts'
import type { OriginPolicy } from '../../../tenancy/base-url.ts'
import type { TenantContext } from '../../../tenancy/tenant.ts'
import type { AdminApp, AdminRequest } from '../../control/env.ts'
import { EXAMPLE } from '../../control/examples.ts'
import { TENANT } from '../../control/levels.ts'
import { openTenant } from '../../control/open-tenant.ts'
import { jsonAnswer, problems, tenantParams } from '../../control/schemas.ts'
import { cannotFollow, position } from '../delivery/events.ts'
import { accountsShown, exampleGroup, exampleUser, shown } from './directory.ts'

export const changed = z
  .object({
    type: z.string().openapi({ description: 'Name of the resource type, such as User.' }),
    id: z.uuid(),
    deleted: z.boolean().openapi({ description: 'Whether it is gone for good.' }),
    kept: z
      .boolean()
      .openapi({ description: 'Whether it is a deleted user that may come back (onDelete); not active.' }),
    resource: z.looseObject({}).nullable().openapi({ description: 'As it is now, as SCIM has it, without members.' }),
    members: z
      .object({ added: z.array(z.string()), removed: z.array(z.string()) })
      .optional()
      .openapi({ description: 'Of a group whose members changed: ids of those to add and to take away.' }),
  })
  .openapi('ChangedResource')

const page = z
  .object({
    items: z.array(changed),
    next: z.number().int().openapi({ description: 'The `after` of the next request, also where items is empty.' }),
    more: z.boolean().openapi({ description: 'Whether there is more already.' }),
  })
  .openapi('ChangePage')

const list = createRoute({
  method: 'get',
  path: `${TENANT.path}/changes`,
  operationId: 'listChanges',
  summary: 'List resources of a tenant that changed after a position',
  tags: ['Directory'],
  description:
    'For keys with the permission `directory:read`. Each changed resource is there once, as it is now; what changes again ' +
    'meanwhile comes again. Begin with the snapshot and the position in its first line. 410 where the events after the ' +
    'position are kept no longer: begin again with a snapshot.',
  request: {
    params: tenantParams,
    query: z.object({
      after: position.default(0).openapi({
        description:
          'The `next` of the last answer, or the position of a snapshot. Without it, from the first event of the tenant.',
      }),
      limit: z.coerce.number().int().min(1).max(500).default(100).openapi({ description: 'Of events looked at.' }),
    }),
  },
  responses: {
    200: jsonAnswer(page, 'In the order of their last changes', {
      items: [
        { type: 'User', id: EXAMPLE.userId, deleted: false, kept: false, resource: exampleUser },
        {
          ...{ type: 'Group', id: EXAMPLE.groupId, deleted: false, kept: false, resource: exampleGroup },
          members: { added: [EXAMPLE.userId], removed: [] },
        },
      ],
      ...{ next: 4711, more: false },
    }),
    ...problems,
  },
})

/** `…/changes` of a tenant in the admin API: what an application that keeps a copy has to change in it. */
export function changeRoutes(
  app: AdminApp,
  control: ControlPlane,
  { watch, config }: Pick<Deliveries, 'watch'> & { readonly config: OriginPolicy },
): void {
  app.openapi(list, async (c) => {
    const { after, limit } = c.req.valid('query')
    const { tenant, repositories } = await openTenant(c, c.req.valid('param'), control, config)
    const types = { types: [], nouns: [] }
    const log = tenantLog(c.var.database, watch, tenant.id)
    const answer = await readLog(log, { after, limit, types, waitMs: 0 })
    if (answer.outcome !== 'page') throw cannotFollow(answer)
    const { events, next, head } = answer.page
    // Read after the events, so a state is never older than what it is shown for.
    const seen = changedResources(events)
    const items = await presentStates(c, repositories, tenant, seen)
    return c.json({ items, next, more: next < head }, 200, { 'Cache-Control': 'no-store' })
  })
}

/** Resources that have changed, as they are now. */
export async function presentStates(
  c: { readonly var: Pick<AdminRequest, 'database'> },
  { keptUsers, resources }: Repositories,
  tenant: TenantContext,
  seen: readonly ChangedResource[],
): Promise<z.infer<typeof changed>[]> {
  const { registry, baseUrl } = tenant
  const states = new Map<string, Resource>()
  const withAccount = await accountsShown(c, tenant, seen)
  for (const type of registry.resourceTypes) {
    const ids = seen.flatMap((one) => (one.type === type.name ? [one.id] : []))
    if (ids.length === 0) continue
    const rows = await resources.retrieveAll(type, ids, { groups: false, members: false })
    for (const row of rows) states.set(row.id, withAccount(shown(row, type, baseUrl)))
  }
  const missing = seen.flatMap(({ id }) => (states.has(id) ? [] : [id]))
  const kept = missing.length === 0 ? new Set<string>() : await keptUsers.among(missing)
  return seen.map(({ type, id, members }) => {
    const resource = states.get(id) ?? null
    const gone = resource === null
    return {
      ...{ type, id, deleted: gone && !kept.has(id), kept: gone && kept.has(id), resource },
      ...(members && !gone && { members: { added: [...members.added], removed: [...members.removed] } }),
    }
  })
}
