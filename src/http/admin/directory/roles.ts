import { createRoute, z } from '@hono/zod-openapi'
import { Refusal } from '../../../administration/refusal.ts'
import type { ControlPlane } from '../../../context/control-plane.ts'
import { builtIn } from '../../../provisioning/look-up.ts'
import type { OriginPolicy } from '../../../tenancy/base-url.ts'
import type { AdminApp } from '../../control/env.ts'
import { EXAMPLE } from '../../control/examples.ts'
import { TENANT } from '../../control/levels.ts'
import { openTenant } from '../../control/open-tenant.ts'
import { jsonAnswer, listAnswer, listOf, pageQuery, plainText, problems, tenantParams } from '../../control/schemas.ts'

const tags = ['Directory']
const NEEDS = 'For keys with the permission `directory:read`.'

const role = z.object({ id: z.uuid(), key: z.string() }).openapi('Role', {
  description: 'A role that groups give by `roleRules`, or that a user has by a value; `id` is that of its events.',
})
const roleOfUser = role
  .extend({
    sources: z.array(z.enum(['groups', 'roles', 'entitlements'])).openapi({
      description: 'What gives it: groups, or values of `roles` or `entitlements` that the identity provider wrote.',
    }),
  })
  .openapi('UserRole')
const group = z.object({ id: z.uuid(), displayName: z.string().nullable() })

const rolesOfUser = z.object({ items: z.array(roleOfUser) }).openapi('UserRoles')
const exampleRole = { id: EXAMPLE.roleId, key: 'editor' }

const list = createRoute({
  method: 'get',
  path: `${TENANT.path}/roles`,
  operationId: 'listRoles',
  summary: 'List roles of a tenant',
  tags,
  description: `${NEEDS} \`…/users?role=\` lists the users who have one.`,
  request: { params: tenantParams, query: pageQuery(plainText) },
  responses: {
    200: jsonAnswer(
      listOf(role, 'RoleList'),
      'The roles that groups give and that users have by values, in the order of their keys',
      {
        items: [exampleRole],
        next: null,
      },
    ),
    ...problems,
  },
})
const groups = createRoute({
  method: 'get',
  path: `${TENANT.path}/roles/{role}/groups`,
  operationId: 'listRoleGroups',
  summary: 'List groups that give a role',
  tags,
  description: `${NEEDS} Groups in these give the role too.`,
  request: {
    params: tenantParams.extend({ role: plainText.openapi({ description: 'Key of the role.' }) }),
    query: pageQuery(z.uuid()),
  },
  responses: {
    200: jsonAnswer(listOf(group, 'RoleGroupList'), 'The groups that a rule has matched, in the order of creation', {
      items: [{ id: EXAMPLE.groupId, displayName: 'Engineers' }],
      next: null,
    }),
    ...problems,
  },
})
const ofUser = createRoute({
  method: 'get',
  path: `${TENANT.path}/users/{id}/roles`,
  operationId: 'listUserRoles',
  summary: 'List roles that a user has',
  tags,
  description: `${NEEDS} Whether the user is active makes no difference.`,
  request: { params: tenantParams.extend({ id: z.string() }) },
  responses: {
    200: jsonAnswer(
      rolesOfUser,
      'The roles that the user has, directly, through groups in groups and by values, in the order of their keys',
      { items: [{ ...exampleRole, sources: ['groups'] }] },
    ),
    ...problems,
  },
})

/** `…/roles` and `…/users/{id}/roles` of a tenant in the admin API; `adminApi` checks the permission. */
export function roleRoutes(app: AdminApp, control: ControlPlane, policy: OriginPolicy): void {
  app.openapi(list, async (c) => {
    const { repositories } = await openTenant(c, c.req.valid('param'), control, policy)
    const { after, limit } = c.req.valid('query')
    const rows = await repositories.roles.list({ after, limit: limit + 1 })
    const { items } = listAnswer(rows, limit, ({ id, key }) => ({ id, key }))
    return c.json({ items, next: rows.length > limit ? (items.at(-1)?.key ?? null) : null }, 200)
  })

  app.openapi(groups, async (c) => {
    const { role: key, ...names } = c.req.valid('param')
    const { repositories } = await openTenant(c, names, control, policy)
    const { after, limit } = c.req.valid('query')
    const found = await repositories.roles.find(key)
    if (found === undefined) throw Refusal.notFound('role', key)
    const rows = await repositories.roles.groups(found.id, after, limit + 1)
    return c.json(
      listAnswer(rows, limit, (row) => row),
      200,
    )
  })

  app.openapi(ofUser, async (c) => {
    const { id, ...names } = c.req.valid('param')
    const { tenant, repositories } = await openTenant(c, names, control, policy)
    const nothing = { groups: false, members: false }
    if ((await repositories.resources.retrieve(builtIn(tenant.registry, 'User'), id, nothing)) === undefined)
      throw Refusal.notFound('user', id)
    return c.json({ items: await repositories.roles.ofUser(id) }, 200)
  })
}
