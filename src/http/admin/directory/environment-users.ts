import { createRoute, z } from '@hono/zod-openapi'
import { Refusal } from '../../../administration/refusal.ts'
import type { ControlPlane } from '../../../context/control-plane.ts'
import type { TenantId } from '../../../place-ids.ts'
import { builtIn } from '../../../provisioning/look-up.ts'
import { findUsers, type UserPlace } from '../../../repositories/control/finding/find-users.ts'
import { LAST_ID } from '../../../repositories/sql/ids.ts'
import type { OriginPolicy } from '../../../tenancy/base-url.ts'
import type { AdminApp } from '../../control/env.ts'
import { EXAMPLE } from '../../control/examples.ts'
import { ENVIRONMENT } from '../../control/levels.ts'
import { openTenant } from '../../control/open-tenant.ts'
import { environmentAt } from '../../control/places.ts'
import { environmentParams, jsonAnswer, listOf, PAIR_PATTERN, plainText, problems } from '../../control/schemas.ts'
import { exampleUser, user } from './directory.ts'
import { shownWith } from './shown.ts'

const found = z
  .object({
    tenant: z.object({ id: z.uuid(), key: z.string() }),
    user,
  })
  .openapi('UserOfTenant', { description: 'A user, and whose it is.' })

const list = createRoute({
  method: 'get',
  path: `${ENVIRONMENT.path}/users`,
  operationId: 'listEnvironmentUsers',
  summary: 'Find users of all tenants of an environment by who they are',
  tags: ['Directory'],
  description:
    'For keys of the environment with the permission `directory:read`. Give `userName`, `externalId` or `email`, or several: each ' +
    'must be met, and letter case counts as in SCIM. One request looks into 10,000 tenants at the most. An answer may be empty and ' +
    'have a `next` all the same.',
  request: {
    params: environmentParams,
    query: z.object({
      userName: plainText.optional(),
      externalId: plainText.optional(),
      email: plainText.optional(),
      after: z
        .string()
        .refine((text) => placeIn(text) !== undefined, 'must be the "next" of a list')
        .optional()
        .openapi({ pattern: PAIR_PATTERN }),
      limit: z.coerce.number().int().min(1).max(100).default(20),
    }),
  },
  responses: {
    200: jsonAnswer(listOf(found, 'UserOfTenantList'), 'Tenant by tenant', {
      items: [{ tenant: { id: EXAMPLE.tenantId, key: 'acme' }, user: exampleUser }],
      next: null,
    }),
    ...problems,
  },
})

/** `…/users` of an environment in the admin API: for support, and for sign-in pages that do not know the customer yet. */
export function environmentUserRoutes(app: AdminApp, control: ControlPlane, policy: OriginPolicy): void {
  app.openapi(list, async (c) => {
    const { after, limit, ...wanted } = c.req.valid('query')
    const place = await environmentAt(c.var, c.req.valid('param'))
    if (Object.values(wanted).every((value) => value === undefined)) {
      const message = 'one of userName, externalId and email must be given'
      throw new Refusal(400, `${message}.`, [{ path: 'email', message }])
    }
    const from = after === undefined ? undefined : placeIn(after)
    const { database } = c.var
    const reader = database.caller.time ?? c.req.raw
    const { users: places, searchedTo } = await findUsers(
      database,
      place.environment.id,
      wanted,
      from,
      limit + 1,
      reader,
    )
    const page = places.slice(0, limit)
    const tenants = new Map<TenantId, string[]>()
    for (const { tenantId, id } of page) tenants.set(tenantId, [...(tenants.get(tenantId) ?? []), id])
    const items: z.infer<typeof found>[] = []
    for (const [tenantId, ids] of tenants) {
      const at = { project: place.project.id, environment: place.environment.id, tenant: tenantId }
      const opened = await openTenant(c, at, control, policy).catch((error: unknown) => {
        // It has been deleted or moved away since.
        if (error instanceof Refusal) return undefined
        throw error
      })
      if (opened === undefined) continue
      const { registry, key } = opened.tenant
      const type = builtIn(registry, 'User')
      const rows = await opened.repositories.resources.retrieveAll(type, ids, { groups: false, members: false })
      const inOrder = [...rows].sort((a, b) => (a.id < b.id ? -1 : 1))
      const shown = await shownWith(c, opened.tenant, type, inOrder)
      // What is stored has been checked against the tenant's schemas, which say more than this type.
      const users = inOrder.map((row) => shown(row) as z.infer<typeof user>)
      items.push(...users.map((one) => ({ tenant: { id: tenantId, key }, user: one })))
    }
    const last = page.at(-1)
    const end = searchedTo === undefined ? null : textOf({ tenantId: searchedTo, id: LAST_ID })
    const next = places.length > limit && last !== undefined ? textOf(last) : end
    return c.json({ items, next }, 200)
  })
}

const textOf = ({ tenantId, id }: UserPlace): string => `${tenantId}.${id}`

/** The place in the `next` of a list. */
function placeIn(text: string): UserPlace | undefined {
  const [tenantId, id, ...rest] = text.split('.')
  const ids = z.tuple([z.guid(), z.guid()]).safeParse([tenantId, id])
  return ids.success && rest.length === 0 ? { tenantId: ids.data[0] as TenantId, id: ids.data[1] } : undefined
}
