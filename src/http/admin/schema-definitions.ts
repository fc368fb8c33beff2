import { createRoute, z } from '@hono/zod-openapi'
import { Refusal } from '../../administration/refusal.ts'
import {
  type DefinitionPlace,
  deleteDefinition,
  findDefinition,
  listDefinitions,
  putDefinition,
} from '../../administration/schema-definitions.ts'
import type { DefinitionRow } from '../../repositories/control/schema-definitions.ts'
import type { JsonValue } from '../../scim/resource.ts'
import { type DefinitionKind, definitionJson } from '../../scim/schema/definitions.ts'
import type { AdminApp, AdminRequest } from '../control/env.ts'
import { environmentAt, tenantAt } from '../control/places.ts'
import {
  environmentParams,
  jsonAnswer,
  jsonBody,
  listAnswer,
  listOf,
  noContent,
  pageQuery,
  plainText,
  problems,
  tenantParams,
} from '../control/schemas.ts'

// Schemas are checked by scim/schema/define, which knows what a schema may be and says where one is not.
const json = z.record(z.string(), z.unknown())
const schema = json.openapi('SchemaDefinition', { description: 'A schema in the form of RFC 7643 §7.' })

const extensionShape = {
  schema,
  resourceType: z.string().openapi({ description: 'Name of the resource type that it extends, such as "User".' }),
}
const resourceTypeShape = {
  resourceType: json.openapi({
    description:
      'The form of RFC 7643 §6: name, endpoint, description, schema (a URN) and schemaExtensions (URNs, each with required).',
  }),
  schemas: z.array(schema).openapi({ description: 'The schemas that resourceType names, its own one first.' }),
}
const stored = {
  id: z.uuid(),
  version: z.number().int().openapi({ description: '1 when registered, and one more for each change.' }),
  createdAt: z.string(),
  updatedAt: z.string(),
}

interface Collection {
  readonly kind: DefinitionKind
  readonly noun: string
  readonly path: string
  /** The path parameter and what it is. */
  readonly parameter: readonly [name: string, description: string]
  readonly body: z.ZodObject
  readonly answer: z.ZodObject
}

const COLLECTIONS: readonly Collection[] = [
  {
    kind: 'extension',
    noun: 'schema extension',
    path: 'schema-extensions',
    parameter: ['urn', 'URN of the extension; letter case does not count.'],
    body: z.strictObject({ ...extensionShape, required: z.boolean().optional() }),
    answer: z.object({ ...stored, ...extensionShape, required: z.boolean() }).openapi('SchemaExtension'),
  },
  {
    kind: 'resourceType',
    noun: 'resource type',
    path: 'resource-types',
    parameter: ['name', 'Name of the resource type; letter case does not count.'],
    body: z.strictObject(resourceTypeShape),
    answer: z.object({ ...stored, ...resourceTypeShape }).openapi('RegisteredResourceType'),
  },
]
const tags = ['Schemas']

/**
 * `…/schema-extensions` and `…/resource-types` of the admin API: those that all tenants of an environment have, and those of
 * one tenant alone. Each list shows what is registered at the place itself.
 */
export function schemaDefinitionRoutes(app: AdminApp): void {
  for (const collection of COLLECTIONS) {
    routesBelow(app, collection, '/projects/{p}/environments/{e}', environmentParams)
    routesBelow(app, collection, '/projects/{p}/environments/{e}/tenants/{t}', tenantParams)
  }
}

function routesBelow(
  app: AdminApp,
  { kind, noun, path, parameter: [parameter, description], body, answer }: Collection,
  parent: string,
  placeParams: z.ZodObject,
): void {
  const params = placeParams.extend({ [parameter]: plainText.openapi({ description }) })
  const one = `${parent}/${path}/{${parameter}}`

  const list = createRoute({
    method: 'get',
    path: `${parent}/${path}`,
    tags,
    request: { params: placeParams, query: pageQuery(z.uuid()) },
    responses: { 200: jsonAnswer(listOf(answer), 'In the order of creation'), ...problems },
  })
  app.openapi(list, async (c) => {
    const place = await placeNamed(c.var, c.req.param())
    const { after, limit } = c.req.valid('query')
    const rows = await listDefinitions(c.var.database, place, kind, { after, limit: limit + 1 })
    return c.json(listAnswer(rows, limit, present), 200)
  })

  const retrieve = createRoute({
    method: 'get',
    path: one,
    tags,
    request: { params },
    responses: { 200: jsonAnswer(answer, `The ${noun}, with every default filled in`), ...problems },
  })
  app.openapi(retrieve, async (c) => {
    const names = c.req.param() as Names
    const place = await placeNamed(c.var, names)
    const row = await findDefinition(c.var.database, place, kind, names[parameter] ?? '')
    if (row === undefined) throw Refusal.notFound(noun, names[parameter] ?? '')
    return c.json(present(row), 200)
  })

  const put = createRoute({
    method: 'put',
    path: one,
    tags,
    description: 'A change may add attributes and widen what there is; anything else is refused with every reason.',
    request: { params, body: jsonBody(body) },
    responses: { 200: jsonAnswer(answer, 'Changed'), 201: jsonAnswer(answer, 'Registered'), ...problems },
  })
  app.openapi(put, async (c) => {
    const names = c.req.param() as Names
    const place = await placeNamed(c.var, names)
    const definition = c.req.valid('json') as JsonValue
    const { row, made } = await putDefinition(c.var.administration, place, kind, names[parameter] ?? '', definition)
    return c.json(present(row), made ? 201 : 200)
  })

  const remove = createRoute({
    method: 'delete',
    path: one,
    tags,
    description: 'Refused while there is data of it.',
    request: { params },
    responses: { 204: noContent, ...problems },
  })
  app.openapi(remove, async (c) => {
    const names = c.req.param() as Names
    const place = await placeNamed(c.var, names)
    await deleteDefinition(c.var.administration, place, kind, names[parameter] ?? '')
    return c.body(null, 204)
  })
}

/** Path parameters; whether there is a tenant decides what they name. */
type Names = Readonly<Record<string, string>>

async function placeNamed(by: AdminRequest, { p = '', e = '', t }: Names): Promise<DefinitionPlace> {
  if (t === undefined) return { ...(await environmentAt(by, p, e)).scope, tenantId: null }
  return (await tenantAt(by, p, e, t)).scope
}

const present = ({ id, definition, version, createdAt, updatedAt }: DefinitionRow) => ({
  id,
  ...definitionJson(definition),
  version,
  createdAt: createdAt.toISOString(),
  updatedAt: updatedAt.toISOString(),
})
