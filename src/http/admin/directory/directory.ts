import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { Refusal } from '../../../administration/refusal.ts'
import type { ControlPlane } from '../../../context/control-plane.ts'
import { builtIn, type Equalities, lookUp, lookUpByRole } from '../../../provisioning/look-up.ts'
import { GROUP_SCHEMA, USER_SCHEMA } from '../../../scim/urn.ts'
import type { OriginPolicy } from '../../../tenancy/base-url.ts'
import type { AdminApp, AdminEnv } from '../../control/env.ts'
import { EXAMPLE } from '../../control/examples.ts'
import { TENANT } from '../../control/levels.ts'
import { mapped } from '../../control/mapped-shape.ts'
import { openTenant } from '../../control/open-tenant.ts'
import {
  jsonAnswer,
  listAnswer,
  listOf,
  PAIR_PATTERN,
  pageQuery,
  plainText,
  problems,
  tenantParams,
} from '../../control/schemas.ts'
import { shownWith } from './shown.ts'

const common = {
  schemas: z.array(z.string()),
  id: z.uuid(),
  externalId: z.string().optional(),
  displayName: z.string().optional(),
  meta: z.looseObject({ resourceType: z.string(), created: z.string(), lastModified: z.string(), version: z.string() }),
}
/** A multi-valued attribute of the core schema (RFC 7643 §2.4). */
const values = z.array(
  z.looseObject({
    value: z.string().optional(),
    display: z.string().optional(),
    type: z.string().optional(),
    primary: z.boolean().optional(),
  }),
)
const text = z.string().optional()
export const user = z
  .looseObject({
    ...common,
    userName: z.string(),
    active: z.boolean().optional(),
    name: z.looseObject({ formatted: text, givenName: text, familyName: text }).optional(),
    title: text,
    emails: values.optional(),
    phoneNumbers: values.optional(),
    groups: values.optional(),
    account: z.string().optional().openapi({
      description: "The application's own id of the account that the person has, where it has posted accounts.",
    }),
    mapped: mapped.optional(),
  })
  .openapi('DirectoryUser', { description: 'A user as SCIM has it (RFC 7643 §4.1), with every attribute but secrets.' })
const group = z
  .looseObject(common)
  .openapi('DirectoryGroup', { description: 'A group as SCIM has it (RFC 7643 §4.2), without its members.' })
const membership = z
  .object({ groupId: z.uuid(), memberId: z.uuid(), memberType: z.string() })
  .openapi('Membership', { description: 'A direct member of a group.' })

/** The person and the group of the examples, as SCIM shows them. */
const scimBase = `${EXAMPLE.origin}/scim/v2/shop/prod/v2/acme`
export const exampleUser = {
  ...{ schemas: [USER_SCHEMA], id: EXAMPLE.userId, externalId: '00u1ada', userName: 'ada@acme.example' },
  ...{ displayName: 'Ada Byron', active: true, emails: [{ value: 'ada@acme.example', primary: true }] },
  meta: {
    ...{ resourceType: 'User', created: EXAMPLE.created, lastModified: EXAMPLE.changed, version: 'W/"3"' },
    location: `${scimBase}/Users/${EXAMPLE.userId}`,
  },
}
export const exampleGroup = {
  ...{ schemas: [GROUP_SCHEMA], id: EXAMPLE.groupId, displayName: 'Engineers' },
  meta: {
    ...{ resourceType: 'Group', created: EXAMPLE.created, lastModified: EXAMPLE.changed, version: 'W/"2"' },
    location: `${scimBase}/Groups/${EXAMPLE.groupId}`,
  },
}
const exampleMembership = { groupId: EXAMPLE.groupId, memberId: EXAMPLE.userId, memberType: 'User' }

const tags = ['Directory']
const NEEDS = 'For keys with the permission `directory:read`.'

const query = pageQuery(z.uuid()).extend({ externalId: plainText.optional() })
const userQuery = query.extend({
  userName: plainText.optional(),
  email: plainText.optional(),
  role: plainText
    .optional()
    .openapi({ description: 'Key of a role that the user has, as `…/users/{id}/roles` shows.' }),
})
const ALL_MET = `${NEEDS} Each of the query's values must be met; letter case counts as in SCIM.`
const oneParams = tenantParams.extend({ id: z.string() })

const users = createRoute({
  method: 'get',
  path: `${TENANT.path}/users`,
  operationId: 'listUsers',
  summary: 'List or look up users of a tenant',
  tags,
  description: ALL_MET,
  request: { params: tenantParams, query: userQuery },
  responses: {
    200: jsonAnswer(listOf(user, 'UserList'), 'In the order of creation', { items: [exampleUser], next: null }),
    ...problems,
  },
})
const oneUser = createRoute({
  method: 'get',
  path: `${TENANT.path}/users/{id}`,
  operationId: 'getUser',
  summary: 'Get a user with its groups',
  tags,
  description: NEEDS,
  request: { params: oneParams },
  responses: {
    200: jsonAnswer(user, 'The user, with the groups that it is in directly and through others', {
      ...exampleUser,
      groups: [{ value: EXAMPLE.groupId, display: 'Engineers', type: 'direct' }],
    }),
    ...problems,
  },
})
const groups = createRoute({
  method: 'get',
  path: `${TENANT.path}/groups`,
  operationId: 'listGroups',
  summary: 'List or look up groups of a tenant',
  tags,
  description: ALL_MET,
  request: { params: tenantParams, query: query.extend({ displayName: plainText.optional() }) },
  responses: {
    200: jsonAnswer(listOf(group, 'GroupList'), 'In the order of creation', { items: [exampleGroup], next: null }),
    ...problems,
  },
})
const oneGroup = createRoute({
  method: 'get',
  path: `${TENANT.path}/groups/{id}`,
  operationId: 'getGroup',
  summary: 'Get a group without its members',
  tags,
  description: NEEDS,
  request: { params: oneParams },
  responses: { 200: jsonAnswer(group, 'The group', exampleGroup), ...problems },
})
const memberships = createRoute({
  method: 'get',
  path: `${TENANT.path}/memberships`,
  operationId: 'listMemberships',
  summary: 'List memberships of a tenant, of a group or of a member',
  tags,
  description: `${NEEDS} Groups in groups are members too; a user's own document tells of all its groups.`,
  request: {
    params: tenantParams,
    query: pageQuery(
      z
        .string()
        .refine((text) => pairIn(text) !== undefined, 'must be the "next" of a list')
        .openapi({ pattern: PAIR_PATTERN }),
    ).extend({
      group: z.uuid().optional().openapi({ description: 'Id of a group.' }),
      member: z.uuid().optional().openapi({ description: 'Id of a user or a group in a group.' }),
    }),
  },
  responses: {
    200: jsonAnswer(listOf(membership, 'MembershipList'), 'In the order of group and member', {
      items: [exampleMembership],
      next: null,
    }),
    ...problems,
  },
})

type Wanted = Equalities & { role?: string | undefined; after?: string | undefined; limit: number }

/**
 * `…/users`, `/groups` and `/memberships` of a tenant in the admin API: what the application itself reads of a tenant, also of a
 * paused one. `adminApi` lets in keys with the permission `directory:read` alone.
 */
export function directoryRoutes(app: AdminApp, control: ControlPlane, policy: OriginPolicy): void {
  const list = async (
    c: Context<AdminEnv>,
    names: Place,
    name: 'User' | 'Group',
    { after, limit, role, ...values }: Wanted,
  ) => {
    const { tenant, repositories } = await openTenant(c, names, control, policy)
    const { registry } = tenant
    const type = builtIn(registry, name)
    const wanted = { groups: false, members: false }
    const some = { equal: values, after, limit: limit + 1, wanted }
    const rows = await (role === undefined
      ? lookUp(repositories, registry, type, some)
      : lookUpByRole(repositories, registry, role, some))
    return listAnswer(rows, limit, await shownWith(c, tenant, type, rows))
  }
  const retrieve = async (c: Context<AdminEnv>, { id, ...names }: Place & { id: string }, name: 'User' | 'Group') => {
    const { tenant, repositories } = await openTenant(c, names, control, policy)
    const type = builtIn(tenant.registry, name)
    const row = await repositories.resources.retrieve(type, id, { groups: true, members: false })
    if (row === undefined) throw Refusal.notFound(name.toLowerCase(), id)
    return (await shownWith(c, tenant, type, [row]))(row)
  }

  app.openapi(users, async (c) => {
    const found = await list(c, c.req.valid('param'), 'User', c.req.valid('query'))
    return c.json(found as ListOf<typeof user>, 200)
  })
  app.openapi(oneUser, async (c) => {
    return c.json((await retrieve(c, c.req.valid('param'), 'User')) as z.infer<typeof user>, 200)
  })
  app.openapi(groups, async (c) => {
    const found = await list(c, c.req.valid('param'), 'Group', c.req.valid('query'))
    return c.json(found as ListOf<typeof group>, 200)
  })
  app.openapi(oneGroup, async (c) => {
    return c.json((await retrieve(c, c.req.valid('param'), 'Group')) as z.infer<typeof group>, 200)
  })
  app.openapi(memberships, async (c) => {
    const { repositories } = await openTenant(c, c.req.valid('param'), control, policy)
    const { after, limit, group: groupId, member: memberId } = c.req.valid('query')
    const wanted = { groupId, memberId, after: after === undefined ? undefined : pairIn(after) }
    const rows = await repositories.membershipPages.list({ ...wanted, limit: limit + 1 })
    const named = rows.map((row) => ({ ...row, id: `${row.groupId}.${row.memberId}` }))
    return c.json(
      listAnswer(named, limit, ({ id, ...row }) => row),
      200,
    )
  })
}

type Place = z.infer<typeof tenantParams>
// What is stored has been checked against the tenant's schemas, which say more than these types.
type ListOf<Item extends z.ZodType> = { items: z.infer<Item>[]; next: string | null }

/** The two ids in the `next` of a list of memberships. */
function pairIn(text: string): { groupId: string; memberId: string } | undefined {
  const [groupId, memberId, ...rest] = text.split('.')
  const fit = z.tuple([z.uuid(), z.uuid()]).safeParse([groupId, memberId])
  return fit.success && rest.length === 0 ? { groupId: fit.data[0], memberId: fit.data[1] } : undefined
}
