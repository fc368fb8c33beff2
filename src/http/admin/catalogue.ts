import { createRoute, z } from '@hono/zod-openapi'
import {
  type CataloguePlace,
  deleteCatalogueEntry,
  entryIn,
  isPublished,
  noCatalogue,
  publishCatalogue,
  putCatalogueEntry,
  withdrawCatalogue,
} from '../../administration/catalogue/catalogue.ts'
import { Refusal } from '../../administration/refusal.ts'
import { catalogueEntryState, catalogueState } from '../../administration/states/state-tags.ts'
import { type CatalogueRow, cataloguesOf } from '../../repositories/control/catalogues.ts'
import {
  type Catalogue,
  type CatalogueEntry,
  type GivenEntry,
  MOST_ENTRIES,
  MOST_KINDS,
  VALUE,
} from '../../tenancy/catalogue.ts'
import { tagged } from '../control/conditional.ts'
import type { AdminApp, AdminRequest } from '../control/env.ts'
import { EXAMPLE } from '../control/examples.ts'
import { ENVIRONMENT, type Level, TENANT } from '../control/levels.ts'
import { environmentAt, tenantAt } from '../control/places.ts'
import { jsonAnswer, jsonBody, nameText, noContent, plainText, problems } from '../control/schemas.ts'

const tags = ['Roles and entitlements']

const valueText = z.string().regex(VALUE).openapi({
  description:
    'What a user has in `roles.value` or `entitlements.value`. It is unique in the catalogue; letter case does not count.',
})
const kindShape = {
  name: z.string().openapi({ description: 'Name of the resource type, such as "License".' }),
  endpoint: z.string().openapi({ description: 'Where SCIM lists its entries, such as "/Licenses".' }),
}
const attribute = z
  .enum(['roles', 'entitlements'])
  .openapi({ description: 'The attribute of users that takes its values; "entitlements" where nothing is said.' })
const longText = z.string().max(1_000)
const kindInput = z
  .strictObject({ ...kindShape, attribute: attribute.optional(), description: longText.optional() })
  .openapi('CatalogueKindInput')
const kind = z.object({ ...kindShape, attribute, description: longText }).openapi('CatalogueKind')

const named = {
  kind: z.string().openapi({ description: '"Role", "Entitlement", or the name of a further kind.' }),
  displayName: nameText,
}
const supported = z.boolean().openapi({
  description: 'Whether users can get it, which is so where nothing is said. Who has it keeps it.',
})
const contains = z.array(valueText).max(100).openapi({ description: 'Values of those that it includes.' })
const content = {
  ...{ ...named, description: longText.optional() },
  ...{ supported: supported.optional(), contains: contains.optional() },
}
const entryInput = z.strictObject(content).openapi('CatalogueEntryInput')
const givenEntry = z.strictObject({ value: valueText, ...content }).openapi('CatalogueEntryGiven')
const entry = z
  .object({
    ...{ value: valueText, ...named, description: longText, supported, contains },
    ...{ createdAt: z.string(), updatedAt: z.string() },
  })
  .openapi('CatalogueEntry')
/** What is published of a place. */
export const catalogueInput = z
  .strictObject({
    kinds: z
      .array(kindInput)
      .max(MOST_KINDS)
      .optional()
      .openapi({ description: 'Kinds beside "Role" at /Roles and "Entitlement" at /Entitlements.' }),
    entries: z.array(givenEntry).max(MOST_ENTRIES),
  })
  .openapi('CatalogueInput')
const catalogue = z
  .object({
    version: z.number().int().openapi({ description: '1 when first published, and one more for each change.' }),
    updatedAt: z.string(),
    kinds: z.array(kind),
    entries: z.array(entry),
  })
  .openapi('Catalogue', { description: 'What is published at the place itself.' })

/** What was given, with all that it leaves out. */
export const wholeCatalogue = ({ kinds = [], entries }: z.infer<typeof catalogueInput>): Catalogue<GivenEntry> => ({
  kinds: kinds.map(({ attribute = 'entitlements', description = '', ...rest }) => ({
    ...rest,
    attribute,
    description,
  })),
  entries: entries.map(wholeEntry),
})

const wholeEntry = ({ value, kind, displayName, ...rest }: z.infer<typeof givenEntry>): GivenEntry => {
  const { description = '', supported = true, contains = [] } = rest
  return { kind, value, displayName, description, supported, contains }
}

const license = { name: 'License', endpoint: '/Licenses', attribute: 'entitlements', description: '' } as const
const role = {
  ...{ kind: 'Role', displayName: 'Administrator', description: 'May change everything.' },
  ...{ supported: true, contains: ['viewer'] },
}
const times = { createdAt: EXAMPLE.created, updatedAt: EXAMPLE.created }
const given = {
  kinds: [license],
  entries: [
    { value: 'admin', ...role },
    { kind: 'Role', value: 'viewer', displayName: 'Viewer' },
    { kind: 'License', value: 'seat.full', displayName: 'Full seat' },
  ],
}
const rest = { description: '', supported: true, contains: [] }
const shown = {
  ...{ version: 1, updatedAt: EXAMPLE.created, kinds: [license] },
  entries: given.entries.map((each) => ({ ...rest, ...each, ...times })),
}

/** `…/catalogue` of the admin API: what users can be given, in all tenants of an environment or in one tenant. */
export function catalogueRoutes(app: AdminApp): void {
  for (const level of [ENVIRONMENT, TENANT]) routesAt(app, level)
}

function routesAt(app: AdminApp, { path: parent, params, prefix, of }: Level): void {
  const path = `${parent}/catalogue`
  const one = `${path}/entries/{value}`
  const oneParams = params.extend({ value: plainText.openapi({ description: 'Letter case does not count.' }) })

  const retrieve = createRoute({
    method: 'get',
    path,
    operationId: `get${prefix}Catalogue`,
    summary: `Get the catalogue of roles and entitlements${of}`,
    tags,
    request: { params },
    responses: { 200: jsonAnswer(catalogue, 'The catalogue', shown), ...problems },
  })
  app.openapi(retrieve, async (c) => {
    const place = await placeNamed(c.var, c.req.param())
    const row = await published(c.var, place)
    tagged(c, catalogueState(row))
    return c.json(present(row), 200)
  })

  const put = createRoute({
    method: 'put',
    path,
    operationId: `put${prefix}Catalogue`,
    summary: `Publish the catalogue of roles and entitlements${of}`,
    tags,
    description:
      'Takes the place of the one before. The same one again changes nothing. Users keep what they have, whatever goes.',
    request: { params, body: jsonBody(catalogueInput, given) },
    responses: {
      200: jsonAnswer(catalogue, 'Changed, or the same as before', { ...shown, version: 2 }),
      201: jsonAnswer(catalogue, 'Published', shown),
      ...problems,
    },
  })
  app.openapi(put, async (c) => {
    const place = await placeNamed(c.var, c.req.param())
    const { row, made } = await publishCatalogue(c.var.administration, place, wholeCatalogue(c.req.valid('json')))
    tagged(c, catalogueState(row))
    return c.json(present(row), made ? 201 : 200)
  })

  const remove = createRoute({
    method: 'delete',
    path,
    operationId: `delete${prefix}Catalogue`,
    summary: `Withdraw the catalogue of roles and entitlements${of}`,
    tags,
    description: 'Nothing of it shows any more, and values are not checked. Users keep what they have.',
    request: { params },
    responses: { 204: noContent, ...problems },
  })
  app.openapi(remove, async (c) => {
    await withdrawCatalogue(c.var.administration, await placeNamed(c.var, c.req.param()))
    return c.body(null, 204)
  })

  const retrieveOne = createRoute({
    method: 'get',
    path: one,
    operationId: `get${prefix}CatalogueEntry`,
    summary: `Get a role or an entitlement of the catalogue${of}`,
    tags,
    request: { params: oneParams },
    responses: { 200: jsonAnswer(entry, 'The entry', { value: 'admin', ...role, ...times }), ...problems },
  })
  app.openapi(retrieveOne, async (c) => {
    const names = c.req.param() as Names
    const row = await published(c.var, await placeNamed(c.var, names))
    const found = entryIn(row, names.value ?? '')
    if (found === undefined) throw Refusal.notFound('entry', names.value ?? '')
    tagged(c, catalogueEntryState(found))
    return c.json(presentEntry(found), 200)
  })

  const putOne = createRoute({
    method: 'put',
    path: one,
    operationId: `put${prefix}CatalogueEntry`,
    summary: `Add or change a role or an entitlement of the catalogue${of}`,
    tags,
    request: { params: params.extend({ value: valueText }), body: jsonBody(entryInput, role) },
    responses: {
      200: jsonAnswer(entry, 'Changed', { value: 'admin', ...role, ...times, updatedAt: EXAMPLE.changed }),
      201: jsonAnswer(entry, 'Added', { value: 'admin', ...role, ...times }),
      ...problems,
    },
  })
  app.openapi(putOne, async (c) => {
    const names = c.req.param() as Names
    const place = await placeNamed(c.var, names)
    const made = wholeEntry({ value: names.value ?? '', ...(c.req.valid('json') as z.infer<typeof entryInput>) })
    const done = await putCatalogueEntry(c.var.administration, place, made)
    tagged(c, catalogueEntryState(done.entry))
    return c.json(presentEntry(done.entry), done.made ? 201 : 200)
  })

  const removeOne = createRoute({
    method: 'delete',
    path: one,
    operationId: `delete${prefix}CatalogueEntry`,
    summary: `Take a role or an entitlement out of the catalogue${of}`,
    tags,
    description: 'Nobody gets it any more. Who has it keeps it until the identity provider takes it.',
    request: { params: oneParams },
    responses: { 204: noContent, ...problems },
  })
  app.openapi(removeOne, async (c) => {
    const names = c.req.param() as Names
    await deleteCatalogueEntry(c.var.administration, await placeNamed(c.var, names), names.value ?? '')
    return c.body(null, 204)
  })
}

/** Path parameters; whether there is a tenant decides what they name. */
type Names = Readonly<Record<string, string>>

async function placeNamed(by: AdminRequest, names: Names): Promise<CataloguePlace> {
  if (names.tenant === undefined) return { ...(await environmentAt(by, names)).scope, tenantId: null }
  return (await tenantAt(by, names)).scope
}

/** @throws {Refusal} 404 */
async function published(by: AdminRequest, { environmentId, tenantId }: CataloguePlace): Promise<CatalogueRow> {
  const row = await cataloguesOf(by.database, environmentId).find(tenantId)
  if (row === undefined || !isPublished(row)) throw noCatalogue()
  return row
}

const present = ({ version, updatedAt, kinds, entries }: CatalogueRow) => ({
  ...{ version, updatedAt: updatedAt.toISOString() },
  ...{ kinds: [...kinds], entries: entries.map(presentEntry) },
})

const presentEntry = ({ created, modified, contains, ...rest }: CatalogueEntry) => ({
  ...{ ...rest, contains: [...contains] },
  ...{ createdAt: new Date(created).toISOString(), updatedAt: new Date(modified).toISOString() },
})
