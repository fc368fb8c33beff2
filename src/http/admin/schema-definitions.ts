import { createRoute, z } from '@hono/zod-openapi'
import { Refusal } from '../../administration/refusal.ts'
import { type DefinitionPlace, deleteDefinition, putDefinition } from '../../administration/schema-definitions.ts'
import { definitionState } from '../../administration/states/state-tags.ts'
import { type DefinitionRow, schemaDefinitionsOf } from '../../repositories/control/schema-definitions.ts'
import type { JsonValue } from '../../scim/resource.ts'
import { type DefinitionKind, definitionJson } from '../../scim/schema/definitions.ts'
import { tagged } from '../control/conditional.ts'
import type { AdminApp, AdminRequest } from '../control/env.ts'
import { EXAMPLE } from '../control/examples.ts'
import { ENVIRONMENT, type Level, TENANT } from '../control/levels.ts'
import { environmentAt, tenantAt } from '../control/places.ts'
import {
  jsonAnswer,
  jsonBody,
  listAnswer,
  listOf,
  noContent,
  pageQuery,
  plainText,
  problems,
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
  /** The noun in operation ids. */
  readonly id: string
  readonly path: string
  /** The path parameter, what it is, and one that fits the body of `example`. */
  readonly parameter: readonly [name: string, description: string, example: string]
  readonly body: z.ZodObject
  readonly answer: z.ZodObject
  readonly list: ReturnType<typeof listOf<z.ZodObject>>
  /** A body, and what the answer adds to it. */
  readonly example: readonly [body: Json, added: Json]
}
type Json = Record<string, unknown>

const attribute = (name: string, more: Json = {}): Json => ({
  ...{ name, type: 'string', multiValued: false, required: false, caseExact: false },
  ...{ mutability: 'readWrite', returned: 'default', uniqueness: 'none', ...more },
})
const employment: Json = {
  ...{ id: EXAMPLE.extension, name: 'Employment', description: 'What the payroll knows of a person.' },
  attributes: [attribute('badge', { caseExact: true })],
}
const device: Json = {
  ...{ id: 'urn:example:scim:schemas:2.0:Device', name: 'Device', description: 'A laptop or a phone.' },
  attributes: [attribute('serialNumber', { required: true, uniqueness: 'server' })],
}

const extension = z.object({ ...stored, ...extensionShape, required: z.boolean() }).openapi('SchemaExtension')
const resourceType = z.object({ ...stored, ...resourceTypeShape }).openapi('RegisteredResourceType')

const COLLECTIONS: readonly Collection[] = [
  {
    ...{ kind: 'extension', noun: 'schema extension', id: 'SchemaExtension', path: 'schema-extensions' },
    parameter: ['urn', 'URN of the extension; letter case does not count.', EXAMPLE.extension],
    body: z.strictObject({ ...extensionShape, required: z.boolean().optional() }).openapi('SchemaExtensionInput'),
    answer: extension,
    list: listOf<z.ZodObject>(extension, 'SchemaExtensionList'),
    example: [{ schema: employment, resourceType: 'User' }, { required: false }],
  },
  {
    ...{ kind: 'resourceType', noun: 'resource type', id: 'ResourceType', path: 'resource-types' },
    parameter: ['name', 'Name of the resource type; letter case does not count.', 'Device'],
    body: z.strictObject(resourceTypeShape).openapi('ResourceTypeInput'),
    answer: resourceType,
    list: listOf<z.ZodObject>(resourceType, 'RegisteredResourceTypeList'),
    example: [
      {
        resourceType: {
          ...{ name: 'Device', endpoint: '/Devices', description: 'What the company lends to people.' },
          ...{ schema: 'urn:example:scim:schemas:2.0:Device', schemaExtensions: [] },
        },
        schemas: [device],
      },
      {},
    ],
  },
]
const tags = ['Schemas']

/**
 * `…/schema-extensions` and `…/resource-types` of the admin API: those that all tenants of an environment have, and those of
 * one tenant alone. Each list shows what is registered at the place itself.
 */
export function schemaDefinitionRoutes(app: AdminApp): void {
  for (const collection of COLLECTIONS) {
    for (const level of [ENVIRONMENT, TENANT]) routesAt(app, collection, level)
  }
}

function routesAt(
  app: AdminApp,
  {
    kind,
    noun,
    id,
    path,
    parameter: [parameter, description, named],
    body,
    answer,
    list: answers,
    example,
  }: Collection,
  { path: parent, params: placeParams, prefix, of }: Level,
): void {
  const params = placeParams.extend({ [parameter]: plainText.openapi({ description, example: named }) })
  const one = `${parent}/${path}/{${parameter}}`
  const [given, added] = example
  const shown = {
    ...{ id: EXAMPLE.definitionId, version: 1, createdAt: EXAMPLE.created, updatedAt: EXAMPLE.created },
    ...{ ...given, ...added },
  }

  const list = createRoute({
    method: 'get',
    path: `${parent}/${path}`,
    operationId: `list${prefix}${id}s`,
    summary: `List ${noun}s${of}`,
    tags,
    request: { params: placeParams, query: pageQuery(z.uuid()) },
    responses: {
      200: jsonAnswer(answers, 'In the order of creation', { items: [shown], next: null }),
      ...problems,
    },
  })
  app.openapi(list, async (c) => {
    const place = await placeNamed(c.var, c.req.param())
    const { after, limit } = c.req.valid('query')
    const definitions = schemaDefinitionsOf(c.var.database, place.environmentId)
    const rows = await definitions.list(place.tenantId, kind, { after, limit: limit + 1 })
    return c.json(listAnswer(rows, limit, present), 200)
  })

  const retrieve = createRoute({
    method: 'get',
    path: one,
    operationId: `get${prefix}${id}`,
    summary: `Get a ${noun}${of}`,
    tags,
    request: { params },
    responses: { 200: jsonAnswer(answer, `The ${noun}, with every default filled in`, shown), ...problems },
  })
  app.openapi(retrieve, async (c) => {
    const names = c.req.param() as Names
    const { environmentId, tenantId } = await placeNamed(c.var, names)
    const name = names[parameter] ?? ''
    const row = await schemaDefinitionsOf(c.var.database, environmentId).find(tenantId, kind, name)
    if (row === undefined) throw Refusal.notFound(noun, name)
    tagged(c, definitionState(row))
    return c.json(present(row), 200)
  })

  const put = createRoute({
    method: 'put',
    path: one,
    operationId: `put${prefix}${id}`,
    summary: `Register or change a ${noun}${of}`,
    tags,
    description:
      'A change may add attributes and widen what there is; anything else is refused with every reason. What the body defines ' +
      `has the ${parameter === 'urn' ? 'URN' : 'name'} of the address.`,
    request: { params, body: jsonBody(body, given) },
    responses: {
      200: jsonAnswer(answer, 'Changed', { ...shown, version: 2, updatedAt: EXAMPLE.changed }),
      201: jsonAnswer(answer, 'Registered', shown),
      ...problems,
    },
  })
  app.openapi(put, async (c) => {
    const names = c.req.param() as Names
    const place = await placeNamed(c.var, names)
    const definition = c.req.valid('json') as JsonValue
    const { row, made } = await putDefinition(c.var.administration, place, kind, names[parameter] ?? '', definition)
    tagged(c, definitionState(row))
    return c.json(present(row), made ? 201 : 200)
  })

  const remove = createRoute({
    method: 'delete',
    path: one,
    operationId: `delete${prefix}${id}`,
    summary: `Delete a ${noun}${of}`,
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

async function placeNamed(by: AdminRequest, names: Names): Promise<DefinitionPlace> {
  if (names.tenant === undefined) return { ...(await environmentAt(by, names)).scope, tenantId: null }
  return (await tenantAt(by, names)).scope
}

const present = ({ id, definition, version, createdAt, updatedAt }: DefinitionRow) => ({
  id,
  ...definitionJson(definition),
  version,
  createdAt: createdAt.toISOString(),
  updatedAt: updatedAt.toISOString(),
})
