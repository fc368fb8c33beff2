import { createRoute, z } from '@hono/zod-openapi'
import { addPublicKey, removePublicKey } from '../../administration/keys/public-keys.ts'
import type { PublicKeyRow } from '../../repositories/control/api-key-public-keys.ts'
import { CLIENT_ALGORITHMS } from '../../signing/client-key.ts'
import type { AdminApp } from '../control/env.ts'
import { type PlaceNames, placeNamed } from '../control/places.ts'
import { apiKeyParam, jsonAnswer, jsonBody, noContent, problems } from '../control/schemas.ts'

export const publicKey = z
  .object({
    thumbprint: z.string().openapi({ description: 'By RFC 7638; names the public key.' }),
    algorithm: z.enum(CLIENT_ALGORITHMS).openapi({ description: 'The one with which the client must sign.' }),
    jwk: z.record(z.string(), z.unknown()),
    createdAt: z.string(),
    lastUsedAt: z.string().nullable().openapi({ description: 'Written down every half minute.' }),
    lastUsedBy: z.string().nullable().openapi({ description: 'User-Agent of the client.' }),
  })
  .openapi('PublicKey')
const newPublicKey = z.strictObject({
  jwk: z.record(z.string(), z.unknown()).openapi({
    description:
      'As a JWK (RFC 7517): P-256, P-384, Ed25519, or RSA of 2048 bits or more (RS256; PS256 where `alg` says so).',
  }),
})
const tags = ['API keys']

/** `…/api-keys/{k}/public-keys`: by which clients prove who they are at `/oauth/token` in place of a secret. */
export function publicKeyRoutes(app: AdminApp, parent: string, params: z.ZodObject): void {
  const add = createRoute({
    method: 'post',
    path: `${parent}/api-keys/{k}/public-keys`,
    tags,
    description: 'Registers a public key, with whose private half a client signs for itself at /oauth/token.',
    request: { params: params.extend({ k: apiKeyParam }), body: jsonBody(newPublicKey) },
    responses: { 201: jsonAnswer(publicKey, 'Registered'), ...problems },
  })
  app.openapi(add, async (c) => {
    const { k = '', ...names } = c.req.param() as Names
    const place = await placeNamed(c.var, names)
    const { jwk } = c.req.valid('json')
    return c.json(presentPublicKey(await addPublicKey(c.var.administration, place, k, jwk, c.var.principal)), 201)
  })

  const remove = createRoute({
    method: 'delete',
    path: `${parent}/api-keys/{k}/public-keys/{thumbprint}`,
    tags,
    description: 'Removes a public key; access tokens that were got by it end within a second.',
    request: { params: params.extend({ k: apiKeyParam, thumbprint: z.string() }) },
    responses: { 204: noContent, ...problems },
  })
  app.openapi(remove, async (c) => {
    const { k = '', thumbprint = '', ...names } = c.req.param() as Names
    const place = await placeNamed(c.var, names)
    await removePublicKey(c.var.administration, place, k, thumbprint)
    return c.body(null, 204)
  })
}

type Names = PlaceNames & { readonly k?: string; readonly thumbprint?: string }

/** A public key as the admin API shows it. */
export const presentPublicKey = ({ createdAt, lastUsedAt, jwk, ...key }: PublicKeyRow): z.infer<typeof publicKey> => ({
  ...{ ...key, jwk: { ...jwk } },
  ...{ createdAt: createdAt.toISOString(), lastUsedAt: lastUsedAt?.toISOString() ?? null },
})
