import { createRoute, z } from '@hono/zod-openapi'
import { addTrust, removeTrust } from '../../../administration/keys/trusts.ts'
import type { Networks } from '../../../network/delivery-address.ts'
import type { TrustRow } from '../../../repositories/control/keys/api-key-trusts.ts'
import type { AdminApp } from '../../control/env.ts'
import { EXAMPLE } from '../../control/examples.ts'
import type { Level } from '../../control/levels.ts'
import { type PlaceNames, placeNamed } from '../../control/places.ts'
import { apiKeyParam, jsonAnswer, jsonBody, noContent, problems } from '../../control/schemas.ts'
import { newTrust } from '../../control/trusts.ts'

export const trust = z
  .object({
    id: z.string(),
    ...newTrust.shape,
    createdAt: z.string(),
    lastUsedAt: z.string().nullable().openapi({ description: 'Written down every half minute.' }),
    lastUsedBy: z.string().nullable().openapi({ description: 'User-Agent of the client.' }),
  })
  .openapi('Trust')
const given = newTrust.openapi('NewTrust')
const entra = '9a3f1c52-6d0e-4c8b-9f57-2f1f0a6f7f11'
const exampleNew: z.infer<typeof newTrust> = {
  ...{ issuer: `https://login.microsoftonline.com/${entra}/v2.0` },
  ...{ jwksUri: `https://login.microsoftonline.com/${entra}/discovery/v2.0/keys` },
  ...{ subject: '5b1e7f0c-88a1-4a41-8c39-7a5de2c1d3b0', audiences: ['api://rollcall'], algorithms: ['RS256'] },
}
export const exampleTrust: z.infer<typeof trust> = {
  ...{ id: '01a22283-c767-71f2-b005-8fd9a64a2f4e', ...exampleNew },
  ...{ createdAt: EXAMPLE.changed, lastUsedAt: null, lastUsedBy: null },
}
const tags = ['API keys']

/** `…/api-keys/{apiKey}/trusts`: issuers whose assertions `/oauth/token` takes for the API key, in place of a secret. */
export function trustRoutes(app: AdminApp, { networks }: { readonly networks: Networks }, level: Level): void {
  const { path, params, prefix, of } = level
  const add = createRoute({
    method: 'post',
    path: `${path}/api-keys/{apiKey}/trusts`,
    operationId: `add${prefix}ApiKeyTrust`,
    summary: `Have an API key${of} trust an issuer`,
    tags,
    description:
      'A workload of that issuer sends its assertion to /oauth/token, in place of a secret (workload identity federation).',
    request: { params: params.extend({ apiKey: apiKeyParam }), body: jsonBody(given, exampleNew) },
    responses: { 201: jsonAnswer(trust, 'Added', exampleTrust), ...problems },
  })
  app.openapi(add, async (c) => {
    const { apiKey = '', ...names } = c.req.param() as Names
    const place = await placeNamed(c.var, names)
    const { administration, principal } = c.var
    const added = await addTrust(administration, networks, place, apiKey, c.req.valid('json'), principal)
    return c.json(presentTrust(added), 201, { Location: `${c.req.path}/${added.id}` })
  })

  const remove = createRoute({
    method: 'delete',
    path: `${path}/api-keys/{apiKey}/trusts/{trust}`,
    operationId: `remove${prefix}ApiKeyTrust`,
    summary: `End a trust of an API key${of}`,
    tags,
    description: 'Access tokens that a client got by it end within a second.',
    request: { params: params.extend({ apiKey: apiKeyParam, trust: z.string() }) },
    responses: { 204: noContent, ...problems },
  })
  app.openapi(remove, async (c) => {
    const { apiKey = '', trust = '', ...names } = c.req.param() as Names
    const place = await placeNamed(c.var, names)
    await removeTrust(c.var.administration, place, apiKey, trust)
    return c.body(null, 204)
  })
}

type Names = PlaceNames & { readonly apiKey?: string; readonly trust?: string }

/** A trust as the admin API shows it. */
export const presentTrust = (row: TrustRow): z.infer<typeof trust> => {
  const { id, issuer, jwksUri, subject, audiences, algorithms, createdAt, lastUsedAt, lastUsedBy } = row
  return {
    ...{ id, issuer, jwksUri, subject, audiences: [...audiences], algorithms: [...algorithms], lastUsedBy },
    ...{ createdAt: createdAt.toISOString(), lastUsedAt: lastUsedAt?.toISOString() ?? null },
  }
}
