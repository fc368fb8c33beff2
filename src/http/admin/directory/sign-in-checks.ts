import { createRoute, z } from '@hono/zod-openapi'
import type { ControlPlane } from '../../../context/control-plane.ts'
import { builtIn } from '../../../provisioning/look-up.ts'
import { checkSignIn, SIGN_IN_REASONS } from '../../../provisioning/sign-in.ts'
import type { OriginPolicy } from '../../../tenancy/base-url.ts'
import type { AdminApp } from '../../control/env.ts'
import { EXAMPLE } from '../../control/examples.ts'
import { TENANT } from '../../control/levels.ts'
import { openTenant } from '../../control/open-tenant.ts'
import { jsonAnswer, jsonBody, plainText, problems, tenantParams } from '../../control/schemas.ts'
import { exampleUser, user } from './directory.ts'
import { shownWith } from './shown.ts'

const membershipType = z
  .enum(['direct', 'indirect'])
  .openapi({ description: 'Whether the user is a member itself, or a group of it is.' })
const groupOfUser = z.object({ id: z.uuid(), displayName: z.string().nullable(), type: membershipType })
const signIn = z
  .object({
    allowed: z.boolean(),
    reason: z.enum(SIGN_IN_REASONS).nullable().openapi({
      description:
        'Null for a provisioned, active user. "not_provisioned" and "sync_disabled" are allowed where the tenant allows people who were not provisioned.',
    }),
    user: z.union([user, z.null()]),
    groups: z.array(groupOfUser),
    roles: z.array(z.string()).openapi({
      description:
        'Keys of the roles that the groups give by `roleRules`, and of those that the identity provider wrote.',
    }),
  })
  .openapi('SignIn', {
    description: 'The user that has the identity; where none has it, or more than one, the user is null.',
  })

const identity = z.strictObject({ identity: plainText }).openapi('SignInCheck')

const check = createRoute({
  method: 'post',
  path: `${TENANT.path}/sign-in-checks`,
  operationId: 'checkSignIn',
  summary: 'Check whether a person may sign in',
  tags: ['Directory'],
  description:
    "For keys with the permission `directory:read`. The identity that single sign-on asserted is compared with the tenant's `signInAttribute`, as text.",
  request: { params: tenantParams, body: jsonBody(identity, { identity: 'ada@acme.example' }) },
  responses: {
    200: jsonAnswer(signIn, 'Whether this person may sign in, and why', {
      ...{ allowed: true, reason: null, user: exampleUser },
      groups: [{ id: EXAMPLE.groupId, displayName: 'Engineers', type: 'direct' }],
      roles: ['editor'],
    }),
    ...problems,
  },
})

/** A user's `groups` (RFC 7643 §4.1.2), as the answer has them. */
const computedGroups = z.array(
  z
    .object({ value: z.string(), display: z.string().optional(), type: membershipType })
    .transform(({ value, display, type }) => ({ id: value, displayName: display ?? null, type })),
)

/** `…/sign-in-checks` of a tenant in the admin API: the application asks when a person signs in. It changes nothing. */
export function signInRoutes(app: AdminApp, control: ControlPlane, policy: OriginPolicy): void {
  app.openapi(check, async (c) => {
    const { tenant, repositories } = await openTenant(c, c.req.valid('param'), control, policy)
    const { registry, settings } = tenant
    const {
      allowed,
      reason,
      user: row,
    } = await checkSignIn(repositories, registry, settings, c.req.valid('json').identity)
    if (row === undefined) return c.json({ allowed, reason, user: null, groups: [], roles: [] }, 200)
    const { groups, ...attributes } = (await shownWith(c, tenant, builtIn(registry, 'User'), [row]))(row)
    // What is stored has been checked against the tenant's schemas, which say more than this type.
    const found = attributes as z.infer<typeof user>
    const hasRoles = settings.roleRules.length > 0 || tenant.catalogue !== undefined
    const roles = hasRoles ? await repositories.roles.ofUser(row.id) : []
    const keys = roles.map(({ key }) => key)
    return c.json({ allowed, reason, user: found, groups: computedGroups.parse(groups ?? []), roles: keys }, 200)
  })
}
