import { createRoute, z } from '@hono/zod-openapi'
import { environmentRoleProgress, roleProgressOf } from '../../../repositories/roles/role-rule-work.ts'
import type { AdminApp } from '../../control/env.ts'
import { EXAMPLE } from '../../control/examples.ts'
import { ENVIRONMENT, TENANT } from '../../control/levels.ts'
import { environmentAt, tenantAt } from '../../control/places.ts'
import { environmentParams, jsonAnswer, problems, tenantParams } from '../../control/schemas.ts'

const ofTenant = z
  .object({
    state: z.enum(['waiting', 'applying', 'done']).openapi({
      description:
        '`waiting`: for writers who began before there were rules; `done`: groups give what the rules say, as they do where rules were never changed.',
    }),
    groups: z.number().int().nullable().openapi({ description: 'That there were at the beginning; null before it.' }),
    groupsDone: z.number().int().openapi({ description: 'Groups that were looked at.' }),
    since: z.string().nullable().openapi({ description: 'When the rules were changed last.' }),
    finishedAt: z.string().nullable(),
    resumesAt: z
      .string()
      .nullable()
      .openapi({ description: 'When it goes on, after a failure that the log tells of.' }),
    problem: z.string().nullable().openapi({ description: 'Why a group does not give what the rules say.' }),
  })
  .openapi('RoleProgress')

const ofEnvironment = z
  .object({
    state: z.enum(['applying', 'done']),
    tenants: z.number().int().openapi({ description: 'Tenants whose rules were ever changed.' }),
    tenantsDone: z.number().int(),
    since: z.string().nullable().openapi({ description: 'When the first change was made that is not followed yet.' }),
  })
  .openapi('EnvironmentRoleProgress')

const retrieve = createRoute({
  method: 'get',
  path: `${TENANT.path}/role-progress`,
  operationId: 'getTenantRoleProgress',
  summary: 'Get how far the groups of a tenant follow its role rules',
  tags: ['Tenants'],
  description: 'A change of `roleRules` is stored at once; in a large tenant the groups follow after the answer.',
  request: { params: tenantParams },
  responses: {
    200: jsonAnswer(ofTenant, 'How many groups follow the rules', {
      ...{ state: 'applying', groups: 12_000, groupsDone: 3_400, since: EXAMPLE.changed },
      ...{ finishedAt: null, resumesAt: null, problem: null },
    }),
    ...problems,
  },
})
const retrieveAll = createRoute({
  method: 'get',
  path: `${ENVIRONMENT.path}/role-progress`,
  operationId: 'getEnvironmentRoleProgress',
  summary: 'Get how many tenants of an environment follow their role rules',
  tags: ['Environments'],
  description: 'A change of `roleRules` is stored at once; the tenants follow after the answer.',
  request: { params: environmentParams },
  responses: {
    200: jsonAnswer(ofEnvironment, 'How many tenants follow the rules', {
      ...{ state: 'applying', tenants: 40, tenantsDone: 39, since: EXAMPLE.changed },
    }),
    ...problems,
  },
})

/** `…/role-progress` of a tenant and of an environment in the admin API. */
export function roleProgressRoutes(app: AdminApp): void {
  app.openapi(retrieve, async (c) => {
    const { tenant } = await tenantAt(c.var, c.req.valid('param'))
    const progress = await roleProgressOf(c.var.database, tenant.id)
    if (progress === undefined) return c.json(NEVER_CHANGED, 200)
    const { since, finishedAt, resumesAt, ...rest } = progress
    const moments = { finishedAt: finishedAt?.toISOString() ?? null, resumesAt: resumesAt?.toISOString() ?? null }
    return c.json({ ...rest, since: since.toISOString(), ...moments }, 200)
  })

  app.openapi(retrieveAll, async (c) => {
    const { environment } = await environmentAt(c.var, c.req.valid('param'))
    const { since, ...counts } = await environmentRoleProgress(c.var.database, environment.id)
    const state = counts.tenantsDone < counts.tenants ? ('applying' as const) : ('done' as const)
    return c.json({ state, ...counts, since: since?.toISOString() ?? null }, 200)
  })
}

const NEVER_CHANGED: z.infer<typeof ofTenant> = {
  state: 'done',
  groups: null,
  groupsDone: 0,
  since: null,
  finishedAt: null,
  resumesAt: null,
  problem: null,
}
