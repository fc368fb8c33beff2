import { createRoute, z } from '@hono/zod-openapi'
import {
  createSetupLink,
  existingSetupLink,
  MOST_VISITORS,
  revokeSetupLink,
  USUAL_LINK_DAYS,
  USUAL_VISITORS,
} from '../../../administration/keys/setup-links.ts'
import { MINTED_ID } from '../../../auth/minted-secret.ts'
import { type SetupLinkRow, setupLinksOf } from '../../../repositories/control/keys/setup-links.ts'
import type { OriginPolicy } from '../../../tenancy/base-url.ts'
import { IDENTITY_PROVIDER_NAMES } from '../../../tenancy/identity-providers.ts'
import type { AdminApp } from '../../control/env.ts'
import { EXAMPLE } from '../../control/examples.ts'
import { TENANT } from '../../control/levels.ts'
import { tenantAt } from '../../control/places.ts'
import {
  jsonAnswer,
  jsonBody,
  listAnswer,
  listOf,
  moment,
  nameText,
  noContent,
  pageQuery,
  problems,
  tenantParams,
} from '../../control/schemas.ts'
import { setupUrl } from '../../control/setup-urls.ts'
import { expiry } from './api-key-shapes.ts'

const { path, prefix, of } = TENANT
const params = tenantParams
const one = params.extend({ setupLink: z.string().openapi({ description: 'Id of the set-up link.' }) })
const identityProvider = z.enum(IDENTITY_PROVIDER_NAMES)

const shape = {
  id: z.string(),
  name: z.string(),
  identityProvider: identityProvider.nullable().openapi({ description: 'The one that was chosen.' }),
  madeBy: z
    .string()
    .openapi({ description: 'Id of the API key that made it, with which it ends; "admin" for the operator.' }),
  visitors: z.number().int().openapi({ description: 'So many browsers have begun a session with it.' }),
  maxVisitors: z.number().int().openapi({ description: 'So many may.' }),
  lastVisitAt: z.string().nullable(),
  createdAt: z.string(),
  expiresAt: z.string(),
  revokedAt: z.string().nullable(),
}
const setupLink = z.object(shape).openapi('SetupLink')
const createdSetupLink = z
  .object({ ...shape, url: z.string().openapi({ description: 'The link itself, shown this once.' }) })
  .openapi('CreatedSetupLink')
const newSetupLink = z
  .strictObject({
    name: nameText.openapi({ description: 'Whom it is for; the audit log names its visitors by it.' }),
    expiresAt: moment.optional().openapi({
      description: `In the future, at most 90 days from now, and not after the key that asks. Default: in ${USUAL_LINK_DAYS} days.`,
    }),
    maxVisitors: z
      .number()
      .int()
      .min(1)
      .max(MOST_VISITORS)
      .optional()
      .openapi({
        description: `How many browsers may begin a session with it. Default: ${USUAL_VISITORS}.`,
      }),
    identityProvider: identityProvider.optional().openapi({
      description: 'Whose steps are shown first; the visitor may choose another.',
    }),
  })
  .openapi('NewSetupLink')

const linkId = 'sL8nT3vK5qXe'
const example: z.infer<typeof setupLink> = {
  ...{ id: linkId, name: 'IT of Acme', identityProvider: 'okta', madeBy: EXAMPLE.adminKeyId },
  ...{ visitors: 1, maxVisitors: 10, lastVisitAt: EXAMPLE.changed },
  ...{ createdAt: EXAMPLE.created, expiresAt: '2026-03-16T09:30:00.000Z', revokedAt: null },
}
const exampleUrl = `${EXAMPLE.origin}/setup/enter/rsl_${linkId}_ThisIsAnExampleAndOpensNothingAtAll000`
const tags = ['Set-up links']

const list = createRoute({
  method: 'get',
  path: `${path}/setup-links`,
  operationId: `list${prefix}SetupLinks`,
  summary: `List set-up links${of}`,
  tags,
  request: {
    params,
    query: pageQuery(z.string().regex(MINTED_ID, 'must be the id of a set-up link')),
  },
  responses: {
    200: jsonAnswer(listOf(setupLink, 'SetupLinkList'), 'The links, ended ones too', { items: [example], next: null }),
    ...problems,
  },
})
const create = createRoute({
  method: 'post',
  path: `${path}/setup-links`,
  operationId: `create${prefix}SetupLink`,
  summary: `Create a set-up link${of}`,
  tags,
  description:
    'Who has the link connects an identity provider to this tenant, and reaches nothing else. It takes a key that may give ' +
    '`scim:read` and `scim:write`, and it ends with that key.',
  request: { params, body: jsonBody(newSetupLink, { name: example.name, identityProvider: 'okta' }) },
  responses: {
    201: jsonAnswer(createdSetupLink, 'Created; the answer is the only place that shows the link', {
      ...{ ...example, visitors: 0, lastVisitAt: null, url: exampleUrl },
    }),
    ...problems,
  },
})
const retrieve = createRoute({
  method: 'get',
  path: `${path}/setup-links/{setupLink}`,
  operationId: `get${prefix}SetupLink`,
  summary: `Get a set-up link${of}`,
  tags,
  request: { params: one },
  responses: { 200: jsonAnswer(setupLink, 'The link, without its secret', example), ...problems },
})
const revoke = createRoute({
  method: 'delete',
  path: `${path}/setup-links/{setupLink}`,
  operationId: `revoke${prefix}SetupLink`,
  summary: `Revoke a set-up link${of}`,
  tags,
  description: 'Its sessions end at once. The keys that were made with it stay.',
  request: { params: one },
  responses: { 204: noContent, ...problems },
})

/** `…/setup-links` of a tenant in the admin API: who may connect an identity provider without a key of the gateway. */
export function setupLinkRoutes(app: AdminApp, config: OriginPolicy): void {
  app.openapi(list, async (c) => {
    const { tenant } = await tenantAt(c.var, c.req.valid('param'))
    const { after, limit } = c.req.valid('query')
    const rows = await setupLinksOf(c.var.database, tenant.id).list({ after, limit: limit + 1 })
    return c.json(listAnswer(rows, limit, present), 200)
  })

  app.openapi(create, async (c) => {
    const { scope } = await tenantAt(c.var, c.req.valid('param'))
    const { name, maxVisitors, identityProvider, ...input } = c.req.valid('json')
    const wish = { name, maxVisitors, identityProvider, expiresAt: expiry(input) }
    const made = await createSetupLink(c.var.administration, scope, wish, c.var.principal)
    const detail = `The set-up link "${made.id}" was made by the first request, whose answer alone showed it; revoke it and make another.`
    c.set('toRepeats', { status: 409, detail })
    return c.json({ ...present(made), url: setupUrl(c, config, made.secret) }, 201, {
      Location: `${c.req.path}/${made.id}`,
      'Cache-Control': 'no-store',
    })
  })

  app.openapi(retrieve, async (c) => {
    const { setupLink: id, ...names } = c.req.valid('param')
    const { scope } = await tenantAt(c.var, names)
    return c.json(present(await existingSetupLink(c.var.database, scope, id)), 200)
  })

  app.openapi(revoke, async (c) => {
    const { setupLink: id, ...names } = c.req.valid('param')
    const { scope } = await tenantAt(c.var, names)
    await revokeSetupLink(c.var.administration, scope, id)
    return c.body(null, 204)
  })
}

const present = (row: SetupLinkRow): z.infer<typeof setupLink> => ({
  ...{ id: row.id, name: row.name, identityProvider: row.identityProvider, madeBy: row.madeBy },
  ...{ visitors: row.visitors, maxVisitors: row.mostVisitors },
  lastVisitAt: row.visitedAt?.toISOString() ?? null,
  createdAt: row.createdAt.toISOString(),
  expiresAt: row.expiresAt.toISOString(),
  revokedAt: row.revokedAt?.toISOString() ?? null,
})
