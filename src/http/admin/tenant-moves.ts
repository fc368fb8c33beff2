import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import {
  type Destination,
  endFormerUrls,
  type Moved,
  moveTenant,
  previewMove,
} from '../../administration/tenant-moves.ts'
import type { TenantId } from '../../place-ids.ts'
import { formerAddressesOf } from '../../repositories/control/tenant-moves.ts'
import { baseUrlOf, type OriginPolicy } from '../../tenancy/base-url.ts'
import type { AdminApp, AdminEnv, AdminRequest } from '../control/env.ts'
import { EXAMPLE } from '../control/examples.ts'
import { TENANT } from '../control/levels.ts'
import { originOf } from '../control/origin.ts'
import { type EnvironmentPlace, environmentAt, type PlaceNames, tenantAt } from '../control/places.ts'
import { jsonAnswer, jsonBody, keyText, noContent, problems, tenantParams } from '../control/schemas.ts'
import { present, scimBaseUrls, tenantExample, tenantShape } from './tenants.ts'

/** For how long base URLs from before a move may stay. */
export const MOST_DAYS = 365
const DAYS = 30

const formerUrl = z
  .object({ scimBaseUrl: z.string(), endsAt: z.iso.datetime({ offset: true }) })
  .openapi('FormerBaseUrl', {
    description: 'A base URL from before a move, which leads to the tenant for its own keys.',
  })
/** What a move is asked for with. */
export const move = z
  .strictObject({
    project: z.string().optional().openapi({ description: 'Key or id. Without it, the project stays.' }),
    environment: z
      .string()
      .optional()
      .openapi({ description: 'Key or id. Without it, the environment with the same key.' }),
    key: keyText.optional().openapi({ description: 'The key there. Without it, the key stays.' }),
    keepFormerUrlDays: z
      .int()
      .min(0)
      .max(MOST_DAYS)
      .default(DAYS)
      .openapi({ description: 'For so many days the base URL from before leads to the tenant, for its own keys.' }),
  })
  .openapi('TenantMove')
const moved = z
  .object({
    tenant: tenantShape,
    formerBaseUrl: formerUrl.nullable(),
    differences: z
      .array(z.object({ setting: z.string(), here: z.unknown(), there: z.unknown(), kept: z.boolean() }))
      .openapi({
        description:
          'Settings that the tenant has inherited and that are others at the destination. Those that are kept are its own now.',
      }),
    droppedDeliveries: z.int().openapi({
      description:
        'Deliveries that wait for endpoints of the old environment. They are not sent. A preview counts up to 100,000.',
    }),
  })
  .openapi('TenantMoved')
const former = { scimBaseUrl: `${EXAMPLE.origin}/scim/v2/shop/staging/v2/acme`, endsAt: EXAMPLE.created }
const example = {
  ...{ tenant: tenantExample, formerBaseUrl: former, droppedDeliveries: 0 },
  differences: [{ setting: 'onDelete', here: 'deactivate', there: 'remove', kept: true }],
}
const tags = ['Tenants']
const body = jsonBody(move, { environment: 'prod', keepFormerUrlDays: DAYS })

const doMove = createRoute({
  method: 'post',
  path: `${TENANT.path}/move`,
  operationId: 'moveTenant',
  summary: 'Move a tenant to another environment or to another key',
  tags,
  description:
    'Ids, events, positions, cursors, keys, endpoints and own settings stay. Takes a key that reaches both environments.',
  request: { params: tenantParams, body },
  responses: { 200: jsonAnswer(moved, 'Moved', example), ...problems },
})
const preview = createRoute({
  method: 'post',
  path: `${TENANT.path}/move/preview`,
  operationId: 'previewTenantMove',
  summary: 'Tell what a move of a tenant would do',
  tags,
  description: 'Answers as the move would, and changes nothing.',
  request: { params: tenantParams, body },
  responses: { 200: jsonAnswer(moved, 'What would be', example), ...problems },
})
const list = createRoute({
  method: 'get',
  path: `${TENANT.path}/former-base-urls`,
  operationId: 'listFormerBaseUrls',
  summary: 'List base URLs from before moves that still lead to a tenant',
  tags,
  request: { params: tenantParams },
  responses: {
    200: jsonAnswer(z.object({ items: z.array(formerUrl) }).openapi('FormerBaseUrlList'), 'The first to end first', {
      items: [former],
    }),
    ...problems,
  },
})
const end = createRoute({
  method: 'delete',
  path: `${TENANT.path}/former-base-urls`,
  operationId: 'deleteFormerBaseUrls',
  summary: 'End the base URLs from before moves',
  tags,
  request: { params: tenantParams },
  responses: { 204: noContent, ...problems },
})

/** Both environments of a move, each looked up for the key that asks: who moves a tenant takes it from one and gives it to the other. */
export async function movePlaces(by: AdminRequest, names: PlaceNames, input: z.infer<typeof move>) {
  const from = await environmentAt(by, names)
  const place = await tenantAt(by, names)
  const { project = from.project.id, environment = from.environment.key, keepFormerUrlDays } = input
  const to = await environmentAt(by, { project, environment })
  const destination: Destination = { to: to.scope, key: input.key ?? place.tenant.key, keepFormerUrlDays }
  return { from, place, to, destination }
}

/** The base URLs from before moves that still lead to a tenant, the first to end first. */
export async function formerUrlsOf(
  c: Pick<Context, 'req' | 'env'> & { readonly var: Pick<AdminRequest, 'database'> },
  config: OriginPolicy,
  tenantId: TenantId,
): Promise<z.infer<typeof formerUrl>[]> {
  const addresses = await formerAddressesOf(c.var.database, tenantId).list()
  return addresses.map(({ project, environment, tenant, endsAt }) => ({
    scimBaseUrl: baseUrlOf(originOf(c, config), config, `/scim/v2/${project}/${environment}/v2/${tenant}`),
    endsAt: new Date(endsAt).toISOString(),
  }))
}

/** `/projects/{project}/environments/{environment}/tenants/{tenant}/move` and `…/former-base-urls` of the admin API. */
export function tenantMoveRoutes(app: AdminApp, config: OriginPolicy): void {
  const shown = (
    c: Context<AdminEnv>,
    from: EnvironmentPlace,
    to: EnvironmentPlace,
    before: string,
    { tenant, differences, droppedDeliveries, formerUrlEndsAt }: Moved,
  ): z.infer<typeof moved> => ({
    tenant: present(tenant, to.environment.settings, scimBaseUrls(c, config, to, tenant.key)),
    formerBaseUrl: formerUrlEndsAt
      ? { scimBaseUrl: scimBaseUrls(c, config, from, before)[0], endsAt: formerUrlEndsAt.toISOString() }
      : null,
    differences: [...differences],
    droppedDeliveries,
  })

  app.openapi(doMove, async (c) => {
    const { from, place, to, destination } = await movePlaces(c.var, c.req.valid('param'), c.req.valid('json'))
    const done = await moveTenant(c.var.administration, from.scope, place.tenant.id, destination)
    return c.json(shown(c, from, to, place.tenant.key, done), 200)
  })

  app.openapi(preview, async (c) => {
    const { from, place, to, destination } = await movePlaces(c.var, c.req.valid('param'), c.req.valid('json'))
    const would = await previewMove(c.var.administration, from.scope, place.tenant.id, destination)
    return c.json(shown(c, from, to, place.tenant.key, would), 200)
  })

  app.openapi(list, async (c) => {
    const { tenant } = await tenantAt(c.var, c.req.valid('param'))
    const items = await formerUrlsOf(c, config, tenant.id)
    return c.json({ items }, 200)
  })

  app.openapi(end, async (c) => {
    await environmentAt(c.var, c.req.valid('param'))
    const place = await tenantAt(c.var, c.req.valid('param'))
    await endFormerUrls(c.var.administration, place.scope, place.tenant.id)
    return c.body(null, 204)
  })
}
