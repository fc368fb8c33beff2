import { createRoute, z } from '@hono/zod-openapi'
import type { ExternalIssuers } from '../../auth/external-issuers.ts'
import { effectiveSettings } from '../../tenancy/settings.ts'
import type { AdminApp } from '../control/env.ts'
import { environmentAt, type PlaceNames, tenantAt } from '../control/places.ts'
import { environmentParams, jsonAnswer, problems, tenantParams } from '../control/schemas.ts'

const looked = z
  .object({
    name: z.string(),
    issuer: z.string(),
    jwksUri: z.string(),
    keys: z
      .number()
      .int()
      .nullable()
      .openapi({ description: 'How many there are; null where they are not to be had.' }),
    problem: z.string().nullable().openapi({ description: 'Why they are not to be had.' }),
  })
  .openapi('ExternalIssuerState')

/**
 * `…/external-issuers` of the admin API, for an environment and a tenant: the issuers in force, each with what its address for
 * keys answers now. What it answered before, an instance knows for itself alone, and says in its log.
 */
export function externalIssuerRoutes(app: AdminApp, issuers: ExternalIssuers): void {
  for (const [parent, params, tag] of [
    ['/projects/{p}/environments/{e}', environmentParams, 'Environments'],
    ['/projects/{p}/environments/{e}/tenants/{t}', tenantParams, 'Tenants'],
  ] as const) {
    const list = createRoute({
      method: 'get',
      path: `${parent}/external-issuers`,
      tags: [tag],
      description:
        'The setting `externalIssuers` as it is in force. Their addresses for keys are asked while you wait.',
      request: { params },
      responses: { 200: jsonAnswer(z.object({ items: z.array(looked) }), 'What they answer'), ...problems },
    })
    app.openapi(list, async (c) => {
      const { p = '', e = '', t } = c.req.param() as PlaceNames
      const place = t === undefined ? await environmentAt(c.var, p, e) : await tenantAt(c.var, p, e, t)
      const own = 'tenant' in place ? place.tenant.settings : {}
      const { externalIssuers } = effectiveSettings(place.environment.settings, own)
      const items = externalIssuers.map(async ({ name, issuer, jwksUri }) => {
        const found = await issuers.look(jwksUri)
        return { name, issuer, jwksUri, keys: null, problem: null, ...found }
      })
      return c.json({ items: await Promise.all(items) }, 200)
    })
  }
}
