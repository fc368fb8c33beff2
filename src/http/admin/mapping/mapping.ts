import { createRoute, z } from '@hono/zod-openapi'
import type { MappedPlace, MappingPlace } from '../../../administration/mapping/in-force.ts'
import {
  type MappingPreview,
  type PreviewPosition,
  previewMapping,
  type UserPreview,
} from '../../../administration/mapping/preview.ts'
import { putMapping } from '../../../administration/mapping/put-mapping.ts'
import { mappingState } from '../../../administration/states/state-tags.ts'
import type { TenantId } from '../../../place-ids.ts'
import { mapping as mappingForm } from '../../../tenancy/mapping/form.ts'
import { effectiveSettings } from '../../../tenancy/settings.ts'
import { tagged } from '../../control/conditional.ts'
import type { AdminApp, AdminRequest } from '../../control/env.ts'
import { EXAMPLE } from '../../control/examples.ts'
import { ENVIRONMENT, type Level, TENANT } from '../../control/levels.ts'
import { mapped } from '../../control/mapped-shape.ts'
import { environmentAt, type PlaceNames, tenantAt } from '../../control/places.ts'
import { jsonAnswer, jsonBody, next, noContent, PAIR_PATTERN, problems } from '../../control/schemas.ts'

const tags = ['Mapping']

const given = z
  .strictObject({ mapping: mappingForm })
  .openapi('MappingInput', { description: 'What `mapped` has of each user: names, and how their values are made.' })
const inForce = z
  .object({
    mapping: mappingForm.describe('What is in force. An empty one gives nothing.'),
    own: z.boolean().openapi({ description: 'Whether the place has set it itself; else it is inherited.' }),
  })
  .openapi('Mapping')
const candidate = z
  .strictObject({ mapping: mappingForm.nullable().describe('Null for what is inherited.') })
  .openapi('MappingCandidate')
const count = z.number().int()
const field = z.object({
  name: z.string(),
  kinds: z
    .object({ text: count, number: count, boolean: count, list: count, none: count })
    .openapi({ description: 'How many of the users that were looked at have a value of each kind.' }),
  changed: count.openapi({ description: 'For how many of them it is another value than now.' }),
})
const preview = z
  .object({
    looked: count.openapi({
      description: 'How many users were looked at. So the preview of a large tenant ends early.',
    }),
    complete: z.boolean().openapi({ description: 'Whether these are all of them, from where the preview began.' }),
    fields: z.array(field),
    people: z
      .array(
        z.object({
          tenant: z.object({ id: z.uuid(), key: z.string() }),
          id: z.uuid(),
          name: z.string().nullable(),
          before: z.union([mapped, z.null()]),
          after: mapped.nullable(),
        }),
      )
      .nullable()
      .openapi({ description: 'Users for whom something changes. Null for keys without `directory:read`.' }),
    next,
  })
  .openapi('MappingPreview')

const mapping = {
  email: 'emails[type eq "work"].value',
  name: { first: ['displayName', { join: ['name.givenName', 'name.familyName'], with: ' ' }, 'userName'] },
  teams: { groups: 'team-*', keep: 'star' as const },
}
const after = { email: 'ada@acme.example', name: 'Ada Byron', teams: ['payments'] }
const kinds = { text: 0, number: 0, boolean: 0, list: 0, none: 0 }
const shown: z.input<typeof preview> = {
  ...{ looked: 1, complete: true },
  fields: [
    { name: 'email', kinds: { ...kinds, text: 1 }, changed: 1 },
    { name: 'name', kinds: { ...kinds, text: 1 }, changed: 1 },
    { name: 'teams', kinds: { ...kinds, list: 1 }, changed: 1 },
  ],
  people: [
    {
      tenant: { id: EXAMPLE.tenantId, key: 'acme' },
      ...{ id: EXAMPLE.userId, name: 'Ada Byron', before: null, after },
    },
  ],
  next: null,
}

/** `…/mapping` of the admin API: what applications read of users as `mapped`, in all tenants of an environment or in one tenant. */
export function mappingRoutes(app: AdminApp): void {
  for (const level of [ENVIRONMENT, TENANT]) routesAt(app, level)
}

function routesAt(app: AdminApp, { path: parent, params, prefix, of }: Level): void {
  const path = `${parent}/mapping`
  const retrieve = createRoute({
    method: 'get',
    path,
    operationId: `get${prefix}Mapping`,
    summary: `Get the mapping${of}`,
    tags,
    request: { params },
    responses: { 200: jsonAnswer(inForce, 'What is in force', { mapping, own: true }), ...problems },
  })
  app.openapi(retrieve, async (c) => {
    const place = await placeNamed(c.var, c.req.param())
    tagged(c, stateOf(place))
    return c.json(present(place), 200)
  })

  const put = createRoute({
    method: 'put',
    path,
    operationId: `put${prefix}Mapping`,
    summary: `Set the mapping${of}`,
    tags,
    description:
      'Takes the place of the one before; an empty one gives nothing. It is the setting `mapping`. Readers of events get `mapping.changed`: ' +
      'what `mapped` says of each user may be another.',
    request: { params, body: jsonBody(given, { mapping }) },
    responses: { 200: jsonAnswer(inForce, 'Set', { mapping, own: true }), ...problems },
  })
  app.openapi(put, async (c) => {
    const place = await placeNamed(c.var, c.req.param())
    const changed = await putMapping(c.var.administration, idsOf(place), c.req.valid('json').mapping)
    tagged(c, stateOf(changed))
    return c.json(present(changed), 200)
  })

  const remove = createRoute({
    method: 'delete',
    path,
    operationId: `delete${prefix}Mapping`,
    summary: `Take back the mapping${of}`,
    tags,
    request: { params },
    responses: { 204: noContent, ...problems },
  })
  app.openapi(remove, async (c) => {
    await putMapping(c.var.administration, idsOf(await placeNamed(c.var, c.req.param())), null)
    return c.body(null, 204)
  })

  const tryOut = createRoute({
    method: 'post',
    path: `${path}/preview`,
    operationId: `preview${prefix}Mapping`,
    summary: `Preview a mapping on the users${of}`,
    tags,
    description:
      'Changes nothing. It refuses what the PUT would refuse, and looks at `If-Match` too. It counts values by their kind, and lists users ' +
      'for whom something changes, with what they have now and would have then.',
    request: {
      params,
      query: z.object({
        after: z
          .string()
          .refine((text) => positionIn(text) !== undefined, 'must be the "next" of a preview')
          .optional()
          .openapi({ pattern: PAIR_PATTERN }),
        limit: z.coerce.number().int().min(1).max(100).default(20),
      }),
      body: jsonBody(candidate, { mapping }),
    },
    responses: { 200: jsonAnswer(preview, 'What users would have', shown), ...problems },
  })
  app.openapi(tryOut, async (c) => {
    const place = await placeNamed(c.var, c.req.param())
    const { after: from, limit } = c.req.valid('query')
    const { database, principal, administration } = c.var
    const page = { after: from === undefined ? undefined : positionIn(from), limit }
    const reader = database.caller.time ?? c.req.raw
    const found = await previewMapping(administration, place, c.req.valid('json').mapping, page, reader)
    return c.json(presentPreview(found, principal.permissions.has('directory:read')), 200)
  })
}

/** @throws {Refusal} 403 or 404 */
export async function placeNamed(
  by: AdminRequest,
  names: PlaceNames,
): Promise<MappedPlace & { readonly ids: MappingPlace }> {
  if (names.tenant !== undefined) {
    const { environment, tenant, scope } = await tenantAt(by, names)
    return { environment, tenant, ids: scope }
  }
  const { environment, scope } = await environmentAt(by, names)
  return { environment, tenant: undefined, ids: { ...scope, tenantId: null } }
}

const idsOf = ({ ids }: { readonly ids: MappingPlace }): MappingPlace => ids
const stateOf = ({ environment, tenant }: MappedPlace) => mappingState(environment.settings, tenant?.settings)

const present = ({ environment, tenant }: MappedPlace): z.infer<typeof inForce> => ({
  mapping: effectiveSettings(environment.settings, tenant?.settings).mapping,
  own: (tenant ?? environment).settings.mapping !== undefined,
})

const presentPreview = (
  { fields, people, next: from, ...rest }: MappingPreview,
  showsPeople: boolean,
): z.infer<typeof preview> => ({
  ...rest,
  fields: [...fields],
  people: showsPeople ? (people as UserPreview[] as NonNullable<z.infer<typeof preview>['people']>) : null,
  next: from === undefined ? null : `${from.tenantId}.${from.userId}`,
})

/** The position in the `next` of a preview. */
function positionIn(text: string): PreviewPosition | undefined {
  const [tenantId, userId, ...rest] = text.split('.')
  const ids = z.tuple([z.guid(), z.guid()]).safeParse([tenantId, userId])
  return ids.success && rest.length === 0 ? { tenantId: ids.data[0] as TenantId, userId: ids.data[1] } : undefined
}
