import { createRoute, z } from '@hono/zod-openapi'
import type { ControlPlane } from '../../../context/control-plane.ts'
import type { Deliveries } from '../../../delivery/deliveries.ts'
import { readLog, tenantLog } from '../../../delivery/read-log.ts'
import { changedResources } from '../../../events/changed-resources.ts'
import type { LoggedEvent } from '../../../events/event.ts'
import { affectedBy, withFewMembers } from '../../../mapping/affected.ts'
import { planFor } from '../../../mapping/mapped.ts'
import { builtIn } from '../../../provisioning/look-up.ts'
import type { Repositories } from '../../../repositories/tenant-scope.ts'
import type { Resource } from '../../../scim/resource.ts'
import type { ResourceType } from '../../../scim/schema/resource-type.ts'
import type { OriginPolicy } from '../../../tenancy/base-url.ts'
import type { TenantContext } from '../../../tenancy/tenant.ts'
import type { AdminApp, AdminRequest } from '../../control/env.ts'
import { EXAMPLE } from '../../control/examples.ts'
import { TENANT } from '../../control/levels.ts'
import { openTenant } from '../../control/open-tenant.ts'
import { jsonAnswer, problems, tenantParams } from '../../control/schemas.ts'
import { cannotFollow, position } from '../delivery/events.ts'
import { exampleGroup, exampleUser } from './directory.ts'
import { shownWith } from './shown.ts'

/** What `mappingChanged` says. */
export const MAPPING_CHANGED =
  'Whether `mapped` may be another for any user of the tenant: the mapping has changed, or a group whose name it reads was renamed or deleted. Read the users anew, by the snapshot or by `…/users`.'

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
    mappingChanged: z.literal(true).optional().openapi({ description: MAPPING_CHANGED }),
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
    const { events, next, head } = withFewMembers(answer.page, log.positionOf)
    // Read after the events, so a state is never older than what it is shown for.
    const { items, mappingChanged } = await presentStates(c, repositories, tenant, events)
    const page = { items, next, more: next < head, ...(mappingChanged && { mappingChanged }) }
    return c.json(page, 200, { 'Cache-Control': 'no-store' })
  })
}

const NOTHING = { groups: false, members: false }

/** What some events of a tenant have changed, as it is now. */
interface States {
  readonly items: z.infer<typeof changed>[]
  /** Whether mapped values of any user may be others. */
  readonly mappingChanged: boolean
}

/**
 * The resources that some events of a tenant are about, as they are now. Where a mapping reads names of groups, users who came into
 * groups or left them follow.
 */
export async function presentStates(
  c: { readonly var: Pick<AdminRequest, 'database'> },
  { keptUsers, resources }: Repositories,
  tenant: TenantContext,
  events: readonly LoggedEvent[],
): Promise<States> {
  const { registry } = tenant
  const seen = changedResources(events)
  const { members, anybody } = affectedBy(events, planFor(registry, tenant.settings.mapping))
  const states = new Map<string, Resource>()
  const users = new Set<string>()
  const read = async (type: ResourceType, ids: readonly string[]) => {
    if (ids.length === 0) return
    const rows = await resources.retrieveAll(type, ids, NOTHING)
    const shown = await shownWith(c, tenant, type, rows)
    for (const row of rows) states.set(row.id, shown(row))
    if (type.name === 'User') for (const { id } of rows) users.add(id)
  }
  for (const type of registry.resourceTypes) {
    const ids = seen.flatMap((one) => (one.type === type.name ? [one.id] : []))
    await read(type, type.name === 'User' ? [...new Set([...ids, ...members])] : ids)
  }
  // A group in a group: all of its users are concerned.
  const others = [...members].filter((id) => !users.has(id))
  const below = others.length === 0 ? [] : await resources.retrieveAll(builtIn(registry, 'Group'), others, NOTHING)
  const missing = seen.flatMap(({ id }) => (states.has(id) ? [] : [id]))
  const kept = missing.length === 0 ? new Set<string>() : await keptUsers.among(missing)
  const about = new Set(seen.map(({ id }) => id))
  const items = seen.map(({ type, id, members }) => {
    const resource = states.get(id) ?? null
    const gone = resource === null
    return {
      ...{ type, id, deleted: gone && !kept.has(id), kept: gone && kept.has(id), resource },
      ...(members && !gone && { members: { added: [...members.added], removed: [...members.removed] } }),
    }
  })
  for (const id of members) {
    const resource = states.get(id)
    if (resource !== undefined && users.has(id) && !about.has(id))
      items.push({ type: 'User', id, deleted: false, kept: false, resource })
  }
  return { items, mappingChanged: anybody || below.length > 0 }
}
