import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { refuseWiderTrust } from '../../administration/keys/minting.ts'
import { tenantState } from '../../administration/states/state-tags.ts'
import { changeTenant, createTenant, deleteTenant } from '../../administration/tenants.ts'
import { type TenantRow, tenantsOf } from '../../repositories/control/tenants.ts'
import { baseUrlOf, type OriginPolicy } from '../../tenancy/base-url.ts'
import { DEFAULT_TENANT, keyWarnings, logoutUrlAt } from '../../tenancy/scim-path.ts'
import { type EnvironmentSettings, effectiveSettings } from '../../tenancy/settings.ts'
import { tagged } from '../control/conditional.ts'
import type { AdminApp, AdminEnv } from '../control/env.ts'
import { EXAMPLE } from '../control/examples.ts'
import { ENVIRONMENT, TENANT } from '../control/levels.ts'
import { originOf } from '../control/origin.ts'
import { type EnvironmentPlace, environmentAt, tenantAt } from '../control/places.ts'
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
  tenantParams,
  tenantSettingsChangeShape,
  tenantSettingsShape,
  warnings,
} from '../control/schemas.ts'

/** A tenant as answers have it. */
export const tenantShape = z
  .object({
    id: z.uuid(),
    key: keyText,
    name: z.string(),
    paused: z.boolean(),
    settings: tenantSettingsShape,
    effectiveSettings: environmentSettingsShape,
    scimBaseUrl: z.string().openapi({ description: 'For the identity provider.' }),
    scimBaseUrls: z.array(z.string()).openapi({ description: 'All that lead to this tenant.' }),
    logoutUrl: z.string().openapi({ description: 'Where the `logoutIssuers` end sessions: Global Token Revocation.' }),
    createdAt: z.string(),
    warnings,
  })
  .openapi('Tenant')
const newTenant = z
  .strictObject({
    key: keyText,
    name: nameText.optional(),
    settings: tenantSettingsShape.optional(),
    paused: z.boolean().optional(),
  })
  .openapi('NewTenant')
/** What changes a tenant. */
export const tenantChange = z
  .strictObject({
    name: nameText.optional(),
    settings: tenantSettingsChangeShape.optional(),
    paused: z.boolean().optional(),
  })
  .openapi('TenantChange')
const settings = { signInAttribute: 'email' } as const
const scimBaseUrl = `${EXAMPLE.origin}/scim/v2/shop/prod/v2/acme`
/** The same in examples. */
export const tenantExample = {
  ...{ id: EXAMPLE.tenantId, key: 'acme', name: 'Acme Inc.', paused: false },
  ...{ settings, effectiveSettings: effectiveSettings({ eventRetentionDays: 30 }, settings) },
  ...{ scimBaseUrl, scimBaseUrls: [scimBaseUrl], logoutUrl: logoutUrlAt(scimBaseUrl) },
  ...{ createdAt: EXAMPLE.created, warnings: [] },
}
const tags = ['Tenants']

const list = createRoute({
  method: 'get',
  path: `${ENVIRONMENT.path}/tenants`,
  operationId: 'listTenants',
  summary: 'List tenants of an environment',
  tags,
  request: { params: environmentParams, query: pageQuery(z.uuid()) },
  responses: {
    200: jsonAnswer(listOf(tenantShape, 'TenantList'), 'Tenants in the order of creation', {
      items: [tenantExample],
      next: null,
    }),
    ...problems,
  },
})
const create = createRoute({
  method: 'post',
  path: `${ENVIRONMENT.path}/tenants`,
  operationId: 'createTenant',
  summary: 'Create a tenant',
  tags,
  request: { params: environmentParams, body: jsonBody(newTenant, { key: 'acme', name: 'Acme Inc.', settings }) },
  responses: { 201: jsonAnswer(tenantShape, 'Created', tenantExample), ...problems },
})
const retrieve = createRoute({
  method: 'get',
  path: TENANT.path,
  operationId: 'getTenant',
  summary: 'Get a tenant with its base URLs and settings',
  tags,
  request: { params: tenantParams },
  responses: { 200: jsonAnswer(tenantShape, 'The tenant', tenantExample), ...problems },
})
const modify = createRoute({
  method: 'patch',
  path: TENANT.path,
  operationId: 'updateTenant',
  summary: 'Change a tenant or its settings',
  tags,
  description: "Settings are merged; null takes one back to the environment's.",
  request: {
    params: tenantParams,
    body: jsonBody(tenantChange, { settings: { signInAttribute: 'email', mode: null } }),
  },
  responses: { 200: jsonAnswer(tenantShape, 'Changed', tenantExample), ...problems },
})
const remove = createRoute({
  method: 'delete',
  path: TENANT.path,
  operationId: 'deleteTenant',
  summary: 'Delete a tenant with all its data',
  tags,
  description: 'Deletes the tenant with its resources, events and keys. The tenant "default" cannot be deleted.',
  request: { params: tenantParams },
  responses: { 204: noContent, ...problems },
})

/** `/projects/{project}/environments/{environment}/tenants` of the admin API. */
export function tenantRoutes(app: AdminApp, config: OriginPolicy): void {
  const show = (c: Context<AdminEnv>, place: Pick<EnvironmentPlace, 'project' | 'environment'>) => (row: TenantRow) =>
    present(row, place.environment.settings, scimBaseUrls(c, config, place, row.key))

  app.openapi(list, async (c) => {
    const place = await environmentAt(c.var, c.req.valid('param'))
    const { after, limit } = c.req.valid('query')
    const rows = await tenantsOf(c.var.database, place.environment.id).list({ after, limit: limit + 1 })
    return c.json(listAnswer(rows, limit, show(c, place)), 200)
  })

  app.openapi(create, async (c) => {
    const place = await environmentAt(c.var, c.req.valid('param'))
    refuseWiderTrust(c.var.principal, place.scope, c.req.valid('json').settings)
    const made = await createTenant(c.var.administration, place.scope, c.req.valid('json'))
    tagged(c, tenantState(made, place.environment.settings))
    return c.json(show(c, place)(made), 201, { Location: `${c.req.path}/${made.key}` })
  })

  app.openapi(retrieve, async (c) => {
    const place = await tenantAt(c.var, c.req.valid('param'))
    tagged(c, tenantState(place.tenant, place.environment.settings))
    return c.json(show(c, place)(place.tenant), 200)
  })

  app.openapi(modify, async (c) => {
    const place = await tenantAt(c.var, c.req.valid('param'))
    refuseWiderTrust(c.var.principal, place.scope, c.req.valid('json').settings)
    const changed = await changeTenant(c.var.administration, place.scope, place.tenant.id, c.req.valid('json'))
    tagged(c, tenantState(changed, place.environment.settings))
    return c.json(show(c, place)(changed), 200)
  })

  app.openapi(remove, async (c) => {
    // To delete takes a key of the environment, as to create does.
    await environmentAt(c.var, c.req.valid('param'))
    const place = await tenantAt(c.var, c.req.valid('param'))
    await deleteTenant(c.var.administration, place.scope, place.tenant.id)
    return c.body(null, 204)
  })
}

/** All base URLs that lead to the tenant `key`, at the address by which the request reached the gateway; the first is the tenant's own. */
export function scimBaseUrls(
  c: Pick<Context, 'req' | 'env'>,
  config: OriginPolicy,
  { project, environment }: Pick<EnvironmentPlace, 'project' | 'environment'>,
  key: string,
): readonly [string, ...string[]] {
  const base = baseUrlOf(originOf(c, config), config, `/scim/v2/${project.key}/${environment.key}`)
  return key === DEFAULT_TENANT ? [`${base}/v2/${key}`, `${base}/v2`, base] : [`${base}/v2/${key}`]
}

/** A tenant as the admin API shows it. */
export function present(
  row: TenantRow,
  inherited: EnvironmentSettings,
  urls: readonly [string, ...string[]],
): z.infer<typeof tenantShape> {
  const { id, key, name, paused, settings, createdAt } = row
  return {
    id,
    key,
    name,
    paused,
    settings,
    effectiveSettings: effectiveSettings(inherited, settings),
    scimBaseUrl: urls[0],
    scimBaseUrls: [...urls],
    logoutUrl: logoutUrlAt(urls[0]),
    createdAt: createdAt.toISOString(),
    warnings: keyWarnings(key),
  }
}
