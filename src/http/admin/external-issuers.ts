import { createRoute, z } from '@hono/zod-openapi'
import type { ExternalIssuers } from '../../auth/external-issuers.ts'
import { effectiveSettings } from '../../tenancy/settings.ts'
import type { AdminApp } from '../control/env.ts'
import { ISSUER_SETTINGS, issuerStates } from '../control/issuer-states.ts'
import { ENVIRONMENT, TENANT } from '../control/levels.ts'
import { environmentAt, type PlaceNames, tenantAt } from '../control/places.ts'
import { jsonAnswer, problems } from '../control/schemas.ts'

const looked = z
  .object({
    setting: z.enum(ISSUER_SETTINGS).openapi({ description: 'Where it is named.' }),
    name: z.string(),
    issuer: z.string(),
    jwksUri: z.string(),
    keys: z
      .number()
      .int()
      .nullable()
      .openapi({ description: 'How many there are; null where they cannot be fetched.' }),
    problem: z.string().nullable().openapi({ description: 'Why they cannot be fetched.' }),
  })
  .openapi('ExternalIssuerState')

const issuerStateList = z.object({ items: z.array(looked) }).openapi('ExternalIssuerStates')

/**
 * `…/external-issuers` of the admin API, for an environment and a tenant: the issuers in force, each with what its address for
 * keys answers now. What the address answered before is in the log of the instance that asked.
 */
export function externalIssuerRoutes(app: AdminApp, issuers: ExternalIssuers): void {
  for (const [{ path, params, prefix, of }, tag] of [
    [ENVIRONMENT, 'Environments'],
    [TENANT, 'Tenants'],
  ] as const) {
    const list = createRoute({
      method: 'get',
      path: `${path}/external-issuers`,
      operationId: `check${prefix}ExternalIssuers`,
      summary: `Check the external issuers${of}`,
      tags: [tag],
      description:
        'The settings `externalIssuers` and `logoutIssuers` as they are in force. Each address for keys is asked while you wait.',
      request: { params },
      responses: {
        200: jsonAnswer(issuerStateList, 'What the addresses answer', {
          items: [
            {
              ...{ setting: 'externalIssuers' as const, name: 'acme-idp', issuer: 'https://idp.acme.example' },
              ...{ jwksUri: 'https://idp.acme.example/jwks', keys: 2, problem: null },
            },
          ],
        }),
        ...problems,
      },
    })
    app.openapi(list, async (c) => {
      const names: PlaceNames = c.req.param()
      const place = names.tenant === undefined ? await environmentAt(c.var, names) : await tenantAt(c.var, names)
      const own = 'tenant' in place ? place.tenant.settings : {}
      const inForce = effectiveSettings(place.environment.settings, own)
      return c.json({ items: await issuerStates(issuers, inForce) }, 200)
    })
  }
}
