import { createRoute, z } from '@hono/zod-openapi'
import { changeProject, createProject, deleteProject } from '../../administration/projects.ts'
import { projectState } from '../../administration/states/state-tags.ts'
import { type ProjectRow, projectsIn } from '../../repositories/control/projects.ts'
import { keyWarnings } from '../../tenancy/scim-path.ts'
import { tagged } from '../control/conditional.ts'
import type { AdminApp } from '../control/env.ts'
import { EXAMPLE } from '../control/examples.ts'
import { instanceFor, projectAt } from '../control/places.ts'
import {
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

const project = z
  .object({ id: z.uuid(), key: keyText, name: z.string(), paused: z.boolean(), createdAt: z.string(), warnings })
  .openapi('Project')
const newProject = z
  .strictObject({ key: keyText, name: nameText.optional(), paused: z.boolean().optional() })
  .openapi('NewProject')
const projectChange = z
  .strictObject({ name: nameText.optional(), paused: z.boolean().optional() })
  .openapi('ProjectChange')
const example = {
  ...{ id: EXAMPLE.projectId, key: 'shop', name: 'Shop', paused: false },
  ...{ createdAt: EXAMPLE.created, warnings: [] },
}
const tags = ['Projects']

const list = createRoute({
  method: 'get',
  path: '/projects',
  operationId: 'listProjects',
  summary: 'List projects',
  tags,
  request: { query: pageQuery(z.uuid()) },
  responses: {
    200: jsonAnswer(listOf(project, 'ProjectList'), 'Projects in the order of creation', {
      items: [example],
      next: null,
    }),
    ...problems,
  },
})
const create = createRoute({
  method: 'post',
  path: '/projects',
  operationId: 'createProject',
  summary: 'Create a project',
  tags,
  request: { body: jsonBody(newProject, { key: 'shop', name: 'Shop' }) },
  responses: { 201: jsonAnswer(project, 'Created', example), ...problems },
})
const retrieve = createRoute({
  method: 'get',
  path: '/projects/{project}',
  operationId: 'getProject',
  summary: 'Get a project',
  tags,
  request: { params: projectParams },
  responses: { 200: jsonAnswer(project, 'The project', example), ...problems },
})
const modify = createRoute({
  method: 'patch',
  path: '/projects/{project}',
  operationId: 'updateProject',
  summary: 'Rename, pause or resume a project',
  tags,
  description: 'While a project is paused, the base URLs of all of its tenants answer 403.',
  request: { params: projectParams, body: jsonBody(projectChange, { paused: true }) },
  responses: { 200: jsonAnswer(project, 'Changed', { ...example, paused: true }), ...problems },
})
const remove = createRoute({
  method: 'delete',
  path: '/projects/{project}',
  operationId: 'deleteProject',
  summary: 'Delete a project',
  tags,
  description: 'Refused while the project has environments.',
  request: { params: projectParams },
  responses: { 204: noContent, ...problems },
})

/** `/projects` of the admin API. Listing, creating and deleting them takes a key for the instance. */
export function projectRoutes(app: AdminApp): void {
  app.openapi(list, async (c) => {
    instanceFor(c.var.principal.scope)
    const { after, limit } = c.req.valid('query')
    const rows = await projectsIn(c.var.database).list({ after, limit: limit + 1 })
    return c.json(listAnswer(rows, limit, present), 200)
  })

  app.openapi(create, async (c) => {
    instanceFor(c.var.principal.scope)
    const made = await createProject(c.var.administration, c.req.valid('json'))
    tagged(c, projectState(made))
    return c.json(present(made), 201, { Location: `${c.req.path}/${made.key}` })
  })

  app.openapi(retrieve, async (c) => {
    const found = await projectAt(c.var, c.req.valid('param'))
    tagged(c, projectState(found.project))
    return c.json(present(found.project), 200)
  })

  app.openapi(modify, async (c) => {
    const found = await projectAt(c.var, c.req.valid('param'))
    const changed = await changeProject(c.var.administration, found.project.id, c.req.valid('json'))
    tagged(c, projectState(changed))
    return c.json(present(changed), 200)
  })

  app.openapi(remove, async (c) => {
    instanceFor(c.var.principal.scope)
    const found = await projectAt(c.var, c.req.valid('param'))
    await deleteProject(c.var.administration, found.project.id)
    return c.body(null, 204)
  })
}

const present = ({ id, key, name, paused, createdAt }: ProjectRow): z.infer<typeof project> => ({
  id,
  key,
  name,
  paused,
  createdAt: createdAt.toISOString(),
  warnings: keyWarnings(key),
})
