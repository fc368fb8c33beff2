import { createRoute, z } from '@hono/zod-openapi'
import { addPublicKey, removePublicKey } from '../../../administration/keys/public-keys.ts'
import type { PublicKeyRow } from '../../../repositories/control/keys/api-key-public-keys.ts'
import { CLIENT_ALGORITHMS } from '../../../signing/client-key.ts'
import type { AdminApp } from '../../control/env.ts'
import { EXAMPLE } from '../../control/examples.ts'
import type { Level } from '../../control/levels.ts'
import { type PlaceNames, placeNamed } from '../../control/places.ts'
import { apiKeyParam, jsonAnswer, jsonBody, noContent, problems } from '../../control/schemas.ts'

export const publicKey = z
  .object({
    thumbprint: z.string().openapi({ description: 'Of the public key by RFC 7638; names it here.' }),
    algorithm: z.enum(CLIENT_ALGORITHMS).openapi({ description: 'The one with which the client must sign.' }),
    jwk: z.record(z.string(), z.unknown()),
    createdAt: z.string(),
    lastUsedAt: z.string().nullable().openapi({ description: 'Written down every half minute.' }),
    lastUsedBy: z.string().nullable().openapi({ description: 'User-Agent of the client.' }),
  })
  .openapi('PublicKey')
const newPublicKey = z
  .strictObject({
    jwk: z.record(z.string(), z.unknown()).openapi({
      description:
        'As a JWK (RFC 7517): P-256, P-384, Ed25519, or RSA of 2048 bits or more (RS256; PS256 where `alg` says so).',
    }),
  })
  .openapi('NewPublicKey')
// The public key of RFC 8037, appendix A, with its thumbprint.
const jwk = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }
export const examplePublicKey: z.infer<typeof publicKey> = {
  ...{ thumbprint: 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k', algorithm: 'EdDSA', jwk },
  ...{ createdAt: EXAMPLE.changed, lastUsedAt: null, lastUsedBy: null },
}
const tags = ['API keys']

/** `…/api-keys/{apiKey}/public-keys`: with which clients prove who they are at `/oauth/token`, in place of a secret. */
export function publicKeyRoutes(app: AdminApp, { path, params, prefix, of }: Level): void {
  const add = createRoute({
    method: 'post',
    path: `${path}/api-keys/{apiKey}/public-keys`,
    operationId: `add${prefix}ApiKeyPublicKey`,
    summary: `Add a public key to an API key${of}`,
    tags,
    description: 'A client signs with the private half at /oauth/token, in place of a secret.',
    request: { params: params.extend({ apiKey: apiKeyParam }), body: jsonBody(newPublicKey, { jwk }) },
    responses: { 201: jsonAnswer(publicKey, 'Added', examplePublicKey), ...problems },
  })
  app.openapi(add, async (c) => {
    const { apiKey = '', ...names } = c.req.param() as Names
    const place = await placeNamed(c.var, names)
    const { jwk } = c.req.valid('json')
    return c.json(presentPublicKey(await addPublicKey(c.var.administration, place, apiKey, jwk, c.var.principal)), 201)
  })

  const remove = createRoute({
    method: 'delete',
    path: `${path}/api-keys/{apiKey}/public-keys/{thumbprint}`,
    operationId: `remove${prefix}ApiKeyPublicKey`,
    summary: `Remove a public key from an API key${of}`,
    tags,
    description: 'Access tokens that a client got with it end within a second.',
    request: { params: params.extend({ apiKey: apiKeyParam, thumbprint: z.string() }) },
    responses: { 204: noContent, ...problems },
  })
  app.openapi(remove, async (c) => {
    const { apiKey = '', thumbprint = '', ...names } = c.req.param() as Names
    const place = await placeNamed(c.var, names)
    await removePublicKey(c.var.administration, place, apiKey, thumbprint)
    return c.body(null, 204)
  })
}

type Names = PlaceNames & { readonly apiKey?: string; readonly thumbprint?: string }

/** A public key as the admin API shows it. */
export const presentPublicKey = ({ createdAt, lastUsedAt, jwk, ...key }: PublicKeyRow): z.infer<typeof publicKey> => ({
  ...{ ...key, jwk: { ...jwk } },
  ...{ createdAt: createdAt.toISOString(), lastUsedAt: lastUsedAt?.toISOString() ?? null },
})
