import { createRoute, z } from '@hono/zod-openapi'
import { changeEnvironment, createEnvironment, deleteEnvironment } from '../../administration/environments.ts'
import { refuseWiderTrust } from '../../administration/keys/minting.ts'
import { environmentState } from '../../administration/states/state-tags.ts'
import { type EnvironmentRow, environmentsOf } from '../../repositories/control/environments.ts'
import { keyWarnings } from '../../tenancy/scim-path.ts'
import { effectiveSettings } from '../../tenancy/settings.ts'
import { tagged } from '../control/conditional.ts'
import type { AdminApp } from '../control/env.ts'
import { EXAMPLE } from '../control/examples.ts'
import { environmentAt, projectAt } from '../control/places.ts'
import {
  environmentParams,
  environmentSettingsChangeShape,
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
const newEnvironment = z
  .strictObject({
    key: keyText,
    name: nameText.optional(),
    settings: environmentSettingsShape.optional(),
    paused: z.boolean().optional(),
  })
  .openapi('NewEnvironment')
/** What changes an environment. */
export const environmentChange = z
  .strictObject({
    name: nameText.optional(),
    settings: environmentSettingsChangeShape.optional(),
    paused: z.boolean().optional(),
  })
  .openapi('EnvironmentChange')
const settings = { eventRetentionDays: 30 }
const example = {
  ...{ id: EXAMPLE.environmentId, key: 'prod', name: 'Production', paused: false },
  ...{ settings, effectiveSettings: effectiveSettings(settings) },
  ...{ createdAt: EXAMPLE.created, warnings: [] },
}
const tags = ['Environments']

const list = createRoute({
  method: 'get',
  path: '/projects/{project}/environments',
  operationId: 'listEnvironments',
  summary: 'List environments of a project',
  tags,
  request: { params: projectParams, query: pageQuery(z.uuid()) },
  responses: {
    200: jsonAnswer(listOf(environment, 'EnvironmentList'), 'Environments in the order of creation', {
      items: [example],
      next: null,
    }),
    ...problems,
  },
})
const create = createRoute({
  method: 'post',
  path: '/projects/{project}/environments',
  operationId: 'createEnvironment',
  summary: 'Create an environment',
  tags,
  description: 'Creates the tenant "default" of the environment too.',
  request: { params: projectParams, body: jsonBody(newEnvironment, { key: 'prod', name: 'Production', settings }) },
  responses: { 201: jsonAnswer(environment, 'Created', example), ...problems },
})
const retrieve = createRoute({
  method: 'get',
  path: '/projects/{project}/environments/{environment}',
  operationId: 'getEnvironment',
  summary: 'Get an environment',
  tags,
  request: { params: environmentParams },
  responses: { 200: jsonAnswer(environment, 'The environment', example), ...problems },
})
const modify = createRoute({
  method: 'patch',
  path: '/projects/{project}/environments/{environment}',
  operationId: 'updateEnvironment',
  summary: 'Change an environment or its settings',
  tags,
  description:
    'Settings are merged; null takes one back to its default. While it is paused, the base URLs of its tenants answer 403.',
  request: {
    params: environmentParams,
    body: jsonBody(environmentChange, { settings: { eventRetentionDays: 30, mode: null } }),
  },
  responses: { 200: jsonAnswer(environment, 'Changed', example), ...problems },
})
const remove = createRoute({
  method: 'delete',
  path: '/projects/{project}/environments/{environment}',
  operationId: 'deleteEnvironment',
  summary: 'Delete an environment',
  tags,
  description: 'Refused while the environment has tenants beside "default", or resources in it.',
  request: { params: environmentParams },
  responses: { 204: noContent, ...problems },
})

/** `/projects/{project}/environments` of the admin API. */
export function environmentRoutes(app: AdminApp): void {
  app.openapi(list, async (c) => {
    const { project } = await projectAt(c.var, c.req.valid('param'))
    const { after, limit } = c.req.valid('query')
    const rows = await environmentsOf(c.var.database, project.id).list({ after, limit: limit + 1 })
    return c.json(listAnswer(rows, limit, present), 200)
  })

  app.openapi(create, async (c) => {
    const { project, scope } = await projectAt(c.var, c.req.valid('param'))
    refuseWiderTrust(c.var.principal, scope, c.req.valid('json').settings)
    const made = await createEnvironment(c.var.administration, project.id, c.req.valid('json'))
    tagged(c, environmentState(made))
    return c.json(present(made), 201, { Location: `${c.req.path}/${made.key}` })
  })

  app.openapi(retrieve, async (c) => {
    const found = await environmentAt(c.var, c.req.valid('param'))
    tagged(c, environmentState(found.environment))
    return c.json(present(found.environment), 200)
  })

  app.openapi(modify, async (c) => {
    const { scope } = await environmentAt(c.var, c.req.valid('param'))
    const input = c.req.valid('json')
    refuseWiderTrust(c.var.principal, scope, input.settings)
    const changed = await changeEnvironment(c.var.administration, scope.projectId, scope.environmentId, input)
    tagged(c, environmentState(changed))
    return c.json(present(changed), 200)
  })

  app.openapi(remove, async (c) => {
    // To delete takes a key of the project, as to create does.
    await projectAt(c.var, c.req.valid('param'))
    const { scope } = await environmentAt(c.var, c.req.valid('param'))
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
