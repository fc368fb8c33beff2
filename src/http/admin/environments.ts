import { createRoute, z } from '@hono/zod-openapi'
import {
  changeEnvironment,
  createEnvironment,
  deleteEnvironment,
  listEnvironments,
} from '../../administration/environments.ts'
import { refuseWiderTrust } from '../../administration/keys/minting.ts'
import type { EnvironmentRow } from '../../repositories/control/environments.ts'
import { keyWarnings } from '../../tenancy/scim-path.ts'
import { effectiveSettings, environmentSettingsChange } from '../../tenancy/settings.ts'
import type { AdminApp } from '../control/env.ts'
import { environmentAt, projectAt } from '../control/places.ts'
import {
  environmentParams,
  environmentSettingsShape,
  jsonAnswer,
  jsonBody,
  keyText,
  listAnswer,
  listOf,
  nameText,
  noContent,
  pageQuery,
  problems,
  projectParams,
  warnings,
} from '../control/schemas.ts'

const environment = z
  .object({
    id: z.uuid(),
    key: keyText,
    name: z.string(),
    paused: z.boolean(),
    settings: environmentSettingsShape,
    effectiveSettings: environmentSettingsShape,
    createdAt: z.string(),
    warnings,
  })
  .openapi('Environment')
const tags = ['Environments']

const list = createRoute({
  method: 'get',
  path: '/projects/{p}/environments',
  tags,
  request: { params: projectParams, query: pageQuery(z.uuid()) },
  responses: { 200: jsonAnswer(listOf(environment), 'Environments in the order of creation'), ...problems },
})
const create = createRoute({
  method: 'post',
  path: '/projects/{p}/environments',
  tags,
  description: 'Makes the tenant "default" of the environment too.',
  request: {
    params: projectParams,
    body: jsonBody(
      z.strictObject({
        key: keyText,
        name: nameText.optional(),
        settings: environmentSettingsShape.optional(),
        paused: z.boolean().optional(),
      }),
    ),
  },
  responses: { 201: jsonAnswer(environment, 'Made'), ...problems },
})
const retrieve = createRoute({
  method: 'get',
  path: '/projects/{p}/environments/{e}',
  tags,
  request: { params: environmentParams },
  responses: { 200: jsonAnswer(environment, 'The environment'), ...problems },
})
const modify = createRoute({
  method: 'patch',
  path: '/projects/{p}/environments/{e}',
  tags,
  description:
    'Settings are merged; null takes one back to its default. While it is paused, the base URLs of its tenants answer 403.',
  request: {
    params: environmentParams,
    body: jsonBody(
      z.strictObject({
        name: nameText.optional(),
        settings: environmentSettingsChange.optional(),
        paused: z.boolean().optional(),
      }),
    ),
  },
  responses: { 200: jsonAnswer(environment, 'Changed'), ...problems },
})
const remove = createRoute({
  method: 'delete',
  path: '/projects/{p}/environments/{e}',
  tags,
  description: 'Refused while the environment has tenants beside "default", or resources in it.',
  request: { params: environmentParams },
  responses: { 204: noContent, ...problems },
})

/** `/projects/{p}/environments` of the admin API. */
export function environmentRoutes(app: AdminApp): void {
  app.openapi(list, async (c) => {
    const { project } = await projectAt(c.var, c.req.valid('param').p)
    const { after, limit } = c.req.valid('query')
    const rows = await listEnvironments(c.var.database, project.id, { after, limit: limit + 1 })
    return c.json(listAnswer(rows, limit, present), 200)
  })

  app.openapi(create, async (c) => {
    const { project, scope } = await projectAt(c.var, c.req.valid('param').p)
    refuseWiderTrust(c.var.principal, scope, c.req.valid('json').settings)
    const made = await createEnvironment(c.var.administration, project.id, c.req.valid('json'))
    return c.json(present(made), 201, { Location: `${c.req.path}/${made.key}` })
  })

  app.openapi(retrieve, async (c) => {
    const { p, e } = c.req.valid('param')
    const found = await environmentAt(c.var, p, e)
    return c.json(present(found.environment), 200)
  })

  app.openapi(modify, async (c) => {
    const { p, e } = c.req.valid('param')
    const { scope } = await environmentAt(c.var, p, e)
    const input = c.req.valid('json')
    refuseWiderTrust(c.var.principal, scope, input.settings)
    const changed = await changeEnvironment(c.var.administration, scope.projectId, scope.environmentId, input)
    return c.json(present(changed), 200)
  })

  app.openapi(remove, async (c) => {
    const { p, e } = c.req.valid('param')
    // What can be made only with a key of the project is deleted only with one.
    await projectAt(c.var, p)
    const { scope } = await environmentAt(c.var, p, e)
    await deleteEnvironment(c.var.administration, scope.projectId, scope.environmentId)
    return c.body(null, 204)
  })
}

const present = ({ id, key, name, paused, settings, createdAt }: EnvironmentRow): z.infer<typeof environment> => ({
  id,
  key,
  name,
  paused,
  settings,
  effectiveSettings: effectiveSettings(settings),
  createdAt: createdAt.toISOString(),
  warnings: keyWarnings(key),
})
