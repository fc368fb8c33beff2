import { createRoute, z } from '@hono/zod-openapi'
import { refuseWiderTrust } from '../../administration/keys/minting.ts'
import {
  type MovePosition,
  movesOf,
  previewEnvironmentChange,
  previewTenantChange,
  type RolePreview,
} from '../../administration/states/previews.ts'
import { roleProgressOf } from '../../repositories/roles/role-rule-work.ts'
import type { AdminApp } from '../control/env.ts'
import { EXAMPLE } from '../control/examples.ts'
import { ENVIRONMENT, TENANT } from '../control/levels.ts'
import { environmentAt, tenantAt } from '../control/places.ts'
import {
  environmentParams,
  jsonAnswer,
  jsonBody,
  next,
  problems,
  tenantParams,
  UUID_PATTERN,
  warnings,
} from '../control/schemas.ts'
import { environmentChange } from './environments.ts'
import { tenantChange } from './tenants.ts'

/** Roles of which the counts are told one by one; the sums are of all. */
const MOST_ROLES = 200

const change = z.object({ path: z.string(), before: z.unknown(), after: z.unknown() })
const count = z.number().int().nullable()
const roles = z
  .object({
    gains: count.openapi({ description: 'How often a user gains a role; null where there are too many to count.' }),
    loses: count.openapi({ description: 'How often a user loses one.' }),
    byRole: z
      .array(z.object({ role: z.string(), gains: z.number().int(), loses: z.number().int() }))
      .openapi({ description: `The first ${MOST_ROLES} roles whose groups change, by key.` }),
    tooMuch: z.string().nullable().openapi({ description: 'Why nothing is counted.' }),
  })
  .openapi('RolePreview')
const move = z.object({
  role: z.string(),
  change: z.enum(['gains', 'loses']),
  user: z.object({ id: z.uuid(), name: z.string().nullable() }),
})
const ofTenant = z
  .object({
    changes: z.array(change).openapi({ description: 'What would be in force after the change, and what is now.' }),
    roles,
    people: z.array(move).nullable().openapi({
      description: 'Who, by role. A page may be short though more follow. Null for keys without `directory:read`.',
    }),
    next,
    warnings,
  })
  .openapi('TenantPreview')
const ofEnvironment = z
  .object({
    changes: z.array(change),
    tenants: z.array(z.object({ id: z.uuid(), key: z.string(), name: z.string(), roles })).openapi({
      description: 'Of the tenants without role rules of their own, those in which a user gains or loses a role.',
    }),
    next,
  })
  .openapi('EnvironmentPreview')

const position = z
  .string()
  .refine((text) => positionIn(text) !== undefined, 'must be the "next" of a preview')
  .openapi({ pattern: `^${UUID_PATTERN}\\.(?:gains|loses)\\.[A-Za-z0-9_-]{1,2000}$` })
const pageOf = (after: z.ZodType<string, string>, most: number, usual: number) =>
  z.object({ after: after.optional(), limit: z.coerce.number().int().min(1).max(most).default(usual) })

const roleRules = [{ everyGroup: true as const }]
const changes = [{ path: 'settings.roleRules', before: [], after: roleRules }]
const counted: z.infer<typeof roles> = {
  ...{ gains: 1, loses: 0, byRole: [{ role: 'finance', gains: 1, loses: 0 }], tooMuch: null },
}
const user = { id: EXAMPLE.userId, name: 'Ada Byron' }
const DESCRIPTION =
  'Takes what a PATCH takes, and changes nothing. It refuses what the PATCH would refuse, and looks at `If-Match` too.'

const preview = createRoute({
  method: 'post',
  path: `${TENANT.path}/preview`,
  operationId: 'previewTenantChange',
  summary: 'Preview a change of a tenant: who gains and loses which roles',
  tags: ['Tenants'],
  description: DESCRIPTION,
  request: {
    params: tenantParams,
    query: pageOf(position, 200, 50),
    body: jsonBody(tenantChange, { settings: { roleRules } }),
  },
  responses: {
    200: jsonAnswer(ofTenant, 'What would change', {
      ...{ changes, roles: counted, people: [{ role: 'finance', change: 'gains', user }] },
      ...{ next: null, warnings: [] },
    }),
    ...problems,
  },
})
const previewAll = createRoute({
  method: 'post',
  path: `${ENVIRONMENT.path}/preview`,
  operationId: 'previewEnvironmentChange',
  summary: 'Preview a change of an environment: in which tenants users gain and lose roles',
  tags: ['Environments'],
  description: `${DESCRIPTION} Who it is, the preview of one tenant with the same rules tells.`,
  request: {
    params: environmentParams,
    query: pageOf(z.uuid(), 50, 20),
    body: jsonBody(environmentChange, { settings: { roleRules } }),
  },
  responses: {
    200: jsonAnswer(ofEnvironment, 'What would change', {
      changes,
      tenants: [{ id: EXAMPLE.tenantId, key: 'acme', name: 'Acme Inc.', roles: counted }],
      next: null,
    }),
    ...problems,
  },
})

/** `…/preview` of a tenant and of an environment in the admin API. */
export function previewRoutes(app: AdminApp): void {
  app.openapi(preview, async (c) => {
    const place = await tenantAt(c.var, c.req.valid('param'))
    const { database, principal, administration } = c.var
    const input = c.req.valid('json')
    refuseWiderTrust(principal, place.scope, input.settings)
    const reader = database.caller.time ?? c.req.raw
    const { changes, roles } = await previewTenantChange(administration, place, input, reader)
    const { after, limit } = c.req.valid('query')
    const page = { after: after === undefined ? undefined : positionIn(after), limit }
    const people = principal.permissions.has('directory:read')
      ? await movesOf(database, place.tenant.id, roles.roles, page, reader)
      : undefined
    const progress = await roleProgressOf(database, place.tenant.id)
    return c.json(
      {
        ...{ changes: [...changes], roles: present(roles) },
        people: people?.moves.map(({ userId: id, name, ...move }) => ({ ...move, user: { id, name } })) ?? null,
        next: people?.next === undefined ? null : textOf(people.next),
        warnings: progress === undefined || progress.state === 'done' ? [] : [FOLLOWING],
      },
      200,
    )
  })

  app.openapi(previewAll, async (c) => {
    const { environment, scope } = await environmentAt(c.var, c.req.valid('param'))
    const { database, principal, administration } = c.var
    const input = c.req.valid('json')
    refuseWiderTrust(principal, scope, input.settings)
    const reader = database.caller.time ?? c.req.raw
    const page = c.req.valid('query')
    const found = await previewEnvironmentChange(administration, environment, input, page, reader)
    const tenants = found.tenants.map(({ tenant: { id, key, name }, roles }) => ({
      id,
      key,
      name,
      roles: present(roles),
    }))
    return c.json({ changes: [...found.changes], tenants, next: found.next ?? null }, 200)
  })
}

const FOLLOWING = 'Groups still follow an earlier change of the rules; this is counted from what they give now.'

const present = ({ counts, tooMuch }: RolePreview): z.infer<typeof roles> => ({
  gains: counts === undefined ? null : counts.reduce((sum, { gains }) => sum + gains, 0),
  loses: counts === undefined ? null : counts.reduce((sum, { loses }) => sum + loses, 0),
  byRole: (counts ?? []).slice(0, MOST_ROLES).map((one) => ({ ...one })),
  tooMuch: tooMuch ?? null,
})

/** A position as the `next` of a page: of an address, so in letters that need no escape. */
const textOf = ({ role, change, userId }: MovePosition): string =>
  `${userId}.${change}.${Buffer.from(role).toString('base64url')}`

function positionIn(text: string): MovePosition | undefined {
  const [, userId, change, role] = /^([0-9a-fA-F-]{36})\.(gains|loses)\.([\w-]{1,2000})$/.exec(text) ?? []
  if (userId === undefined || change === undefined || role === undefined || !z.uuid().safeParse(userId).success)
    return undefined
  return { userId, change: change as MovePosition['change'], role: Buffer.from(role, 'base64url').toString() }
}
