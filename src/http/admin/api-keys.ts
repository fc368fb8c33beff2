import { createRoute, z } from '@hono/zod-openapi'
import {
  type CreatedApiKey,
  changeApiKey,
  createApiKey,
  existingApiKey,
  listApiKeys,
  revokeApiKey,
} from '../../administration/keys/api-keys.ts'
import { endRotation, rotateApiKey, undoRotation } from '../../administration/keys/key-rotation.ts'
import { apiKeyWarnings } from '../../administration/keys/key-warnings.ts'
import { Refusal } from '../../administration/refusal.ts'
import { isApiKeyId } from '../../auth/api-key.ts'
import type { ApiKeyRow } from '../../repositories/control/api-keys.ts'
import type { AdminApp } from '../control/env.ts'
import { type PlaceNames, placeNamed } from '../control/places.ts'
import {
  apiKeyParam,
  environmentParams,
  jsonAnswer,
  jsonBody,
  listAnswer,
  listOf,
  moment,
  nameText,
  noContent,
  pageQuery,
  permission,
  problems,
  projectParams,
  scopeShape,
  tenantParams,
} from '../control/schemas.ts'
import { presentPublicKey, publicKey, publicKeyRoutes } from './public-keys.ts'

const shape = {
  id: z.string(),
  name: z.string(),
  scope: scopeShape,
  permissions: z.array(permission),
  userId: z.uuid().nullable().openapi({ description: 'The user for whom the key stands; it reaches nothing but /Me.' }),
  tokensMayMintAdminKeys: z.boolean().openapi({
    description: 'Whether access tokens of the key may make keys with `admin`, as the key itself may.',
  }),
  createdAt: z.string(),
  expiresAt: z.string().nullable(),
  revokedAt: z.string().nullable(),
  lastUsedAt: z.string().nullable().openapi({ description: 'Written down every half minute.' }),
  secrets: z
    .array(
      z.object({
        version: z.number().int().openapi({ description: '1 for the first, and one more for each rotation.' }),
        createdAt: z.string(),
        expiresAt: z.string().nullable(),
        endsAt: z.string().nullable().openapi({ description: 'When a rotation ends it or has ended it.' }),
        endsOnUse: z.boolean().openapi({ description: 'Whether it ends when the newer one is first used.' }),
        lastUsedAt: z.string().nullable(),
        lastUsedBy: z.string().nullable().openapi({ description: 'User-Agent of the client.' }),
      }),
    )
    .openapi({ description: 'The last two, oldest first; the secrets themselves are kept nowhere.' }),
  publicKeys: z.array(publicKey).openapi({
    description: 'By which clients prove who they are at /oauth/token in place of a secret (private_key_jwt).',
  }),
  warnings: z.array(z.string()).openapi({
    description:
      'That it expires within 30 days; how far its rotation is; when it is made, that the key that asked ends sooner or with it.',
  }),
}
const apiKey = z.object(shape).openapi('ApiKey')
const createdApiKey = z
  .object({ ...shape, key: z.string().openapi({ description: 'The key itself, shown this once.' }) })
  .openapi('CreatedApiKey')

const newApiKey = z.strictObject({
  name: nameText,
  permissions: z.array(permission).min(1).optional().openapi({
    description: 'At most those of the asking key. Default: `scim:read` and `scim:write`.',
  }),
  expiresAt: moment.optional().openapi({
    description:
      'At most 365 days from now, and not after the end of the asking key. Default: 365 days, also where the asking key ends ' +
      'before; but a key with `admin`, and whatever is asked for with an access token, ends with the asking key.',
  }),
  tokensMayMintAdminKeys: z.boolean().optional().openapi({
    description:
      'Whether access tokens of the key may make keys with `admin`. For keys with `admin`; default: they may not.',
  }),
  user: z
    .uuid()
    .optional()
    .openapi({ description: 'Id of the user of the tenant for whom the key is to stand; it reaches nothing but /Me.' }),
})
const newApiKeyInEnvironment = newApiKey.extend({
  tenant: z.string().optional().openapi({ description: 'Key or id of the one tenant that the key is to be for.' }),
})
const wishes = z.strictObject({
  keepOldForSeconds: z
    .number()
    .int()
    .min(0)
    .max(30 * 86_400)
    .optional()
    .openapi({ description: 'How long the old secret stays good. Default: a day; no limit with untilNewIsUsed.' }),
  untilNewIsUsed: z
    .boolean()
    .optional()
    .openapi({ description: 'Ends the old secret once the new one was seen in use, within a second or two.' }),
  expiresAt: moment.optional().openapi({
    description:
      'When the key expires with its new secret, with the same bounds as that of a new key. Default: it lives as long again.',
  }),
})
const tags = ['API keys']

/**
 * `…/api-keys` of the admin API: under a project, an environment, a tenant, and at the root for the whole instance. Each
 * shows and revokes the keys for its place and for all places below. DELETE revokes; the row stays as a record.
 */
export function apiKeyRoutes(app: AdminApp): void {
  routesBelow(app, '', z.object({}), newApiKey)
  routesBelow(app, '/projects/{p}', projectParams, newApiKey)
  routesBelow(app, '/projects/{p}/environments/{e}', environmentParams, newApiKeyInEnvironment)
  routesBelow(app, '/projects/{p}/environments/{e}/tenants/{t}', tenantParams, newApiKey)
}

function routesBelow(
  app: AdminApp,
  parent: string,
  params: z.ZodObject,
  body: typeof newApiKey | typeof newApiKeyInEnvironment,
): void {
  const list = createRoute({
    method: 'get',
    path: `${parent}/api-keys`,
    tags,
    request: { params, query: pageQuery(z.string().refine(isApiKeyId, 'must be the id of an API key')) },
    responses: { 200: jsonAnswer(listOf(apiKey), 'The keys for this place and for all below'), ...problems },
  })
  app.openapi(list, async (c) => {
    const place = await placeNamed(c.var, c.req.param())
    const { after, limit } = c.req.valid('query')
    const rows = await listApiKeys(c.var.database, place, { after, limit: limit + 1 })
    return c.json(listAnswer(rows, limit, present), 200)
  })

  const create = createRoute({
    method: 'post',
    path: `${parent}/api-keys`,
    tags,
    request: { params, body: jsonBody(body) },
    responses: { 201: jsonAnswer(createdApiKey, 'Made; the answer is the only place that shows the key'), ...problems },
  })
  app.openapi(create, async (c) => {
    const { principal } = c.var
    const input: z.infer<typeof newApiKeyInEnvironment> = c.req.valid('json')
    const place = await placeNamed(c.var, { ...c.req.param(), ...named(input.tenant) })
    const { name, permissions, user: userId, tokensMayMintAdminKeys } = input
    const key = { name, permissions, userId, tokensMayMintAdminKeys, expiresAt: expiry(input) }
    const made = await createApiKey(c.var.administration, place, key, principal)
    const detail = `The API key "${made.id}" was made by the first request, whose answer alone showed it; rotate or revoke it.`
    c.set('toRepeats', { status: 409, detail })
    return c.json(presentCreated(made), 201, {
      Location: `${c.req.path}/${made.id}`,
      'Cache-Control': 'no-store',
    })
  })

  const retrieve = createRoute({
    method: 'get',
    path: `${parent}/api-keys/{k}`,
    tags,
    request: { params: params.extend({ k: apiKeyParam }) },
    responses: { 200: jsonAnswer(apiKey, 'The key, without its secret'), ...problems },
  })
  app.openapi(retrieve, async (c) => {
    const { k = '', ...names } = c.req.param() as Names
    const place = await placeNamed(c.var, names)
    return c.json(present(await existingApiKey(c.var.database, place, k)), 200)
  })

  const modify = createRoute({
    method: 'patch',
    path: `${parent}/api-keys/{k}`,
    tags,
    description: 'All else of a key stays as it was made.',
    request: {
      params: params.extend({ k: apiKeyParam }),
      body: jsonBody(z.strictObject({ tokensMayMintAdminKeys: z.boolean() })),
    },
    responses: { 200: jsonAnswer(apiKey, 'Changed'), ...problems },
  })
  app.openapi(modify, async (c) => {
    const { k = '', ...names } = c.req.param() as Names
    const place = await placeNamed(c.var, names)
    const changed = await changeApiKey(c.var.administration, place, k, c.req.valid('json'), c.var.principal)
    return c.json(present(changed), 200)
  })

  const revoke = createRoute({
    method: 'delete',
    path: `${parent}/api-keys/{k}`,
    tags,
    request: { params: params.extend({ k: apiKeyParam }) },
    responses: { 204: noContent, ...problems },
  })
  app.openapi(revoke, async (c) => {
    const { k = '', ...names } = c.req.param() as Names
    const place = await placeNamed(c.var, names)
    await revokeApiKey(c.var.administration, place, k, new Date())
    return c.body(null, 204)
  })

  const rotate = createRoute({
    method: 'post',
    path: `${parent}/api-keys/{k}/rotation`,
    tags,
    description: 'Makes a new secret, good at once; the old one stays good for a while.',
    request: { params: params.extend({ k: apiKeyParam }), body: { ...jsonBody(wishes), required: false } },
    responses: {
      201: jsonAnswer(createdApiKey, 'Rotated; the answer is the only place that shows the key'),
      ...problems,
    },
  })
  app.openapi(rotate, async (c) => {
    const { k = '', ...names } = c.req.param() as Names
    const place = await placeNamed(c.var, names)
    const { keepOldForSeconds, untilNewIsUsed, ...input } = c.req.valid('json')
    const wish = { keepOldForSeconds, untilNewIsUsed, expiresAt: expiry(input) }
    const made = await rotateApiKey(c.var.administration, place, k, wish, c.var.principal, new Date())
    const detail = `The API key "${k}" was rotated by the first request, whose answer alone showed it; undo that, and rotate again.`
    c.set('toRepeats', { status: 409, detail })
    return c.json(presentCreated(made), 201, { 'Cache-Control': 'no-store' })
  })

  publicKeyRoutes(app, parent, params)

  for (const { path, description, settle } of SETTLEMENTS) {
    const route = createRoute({
      method: 'delete',
      path: `${parent}/api-keys/{k}/rotation${path}`,
      tags,
      description,
      request: { params: params.extend({ k: apiKeyParam }) },
      responses: { 200: jsonAnswer(apiKey, 'The key as it is now'), ...problems },
    })
    app.openapi(route, async (c) => {
      const { k = '', ...names } = c.req.param() as Names
      const place = await placeNamed(c.var, names)
      return c.json(present(await settle(c.var.administration, place, k, new Date())), 200)
    })
  }
}

const SETTLEMENTS = [
  { path: '', description: 'Undoes a rotation: the new secret ends at once, the old one stays.', settle: undoRotation },
  { path: '/old', description: 'Ends the old secret of a rotation at once.', settle: endRotation },
]

type Names = PlaceNames & { readonly k?: string }

const named = (tenant: string | undefined): Names => (tenant === undefined ? {} : { t: tenant })

function expiry({ expiresAt }: { readonly expiresAt?: string | undefined }): Date | undefined {
  if (expiresAt === undefined) return undefined
  const date = new Date(expiresAt)
  const message = 'must be in the future'
  if (date.getTime() <= Date.now()) throw new Refusal(400, `expiresAt ${message}.`, [{ path: 'expiresAt', message }])
  return date
}

const present = (row: ApiKeyRow): z.infer<typeof apiKey> => {
  const uses = row.secrets.flatMap(({ lastUsedAt }) => (lastUsedAt === null ? [] : [lastUsedAt.getTime()]))
  return {
    id: row.id,
    name: row.name,
    scope: row.scope,
    permissions: [...row.permissions],
    userId: row.userId,
    tokensMayMintAdminKeys: row.tokensMayMintAdminKeys,
    createdAt: row.createdAt.toISOString(),
    expiresAt: text(row.expiresAt),
    revokedAt: text(row.revokedAt),
    lastUsedAt: uses.length === 0 ? null : new Date(Math.max(...uses)).toISOString(),
    secrets: row.secrets.map(({ version, createdAt, expiresAt, endsAt, endsOnUse, lastUsedAt, lastUsedBy }) => ({
      ...{ version, endsOnUse, lastUsedBy, createdAt: createdAt.toISOString() },
      ...{ expiresAt: text(expiresAt), endsAt: text(endsAt), lastUsedAt: text(lastUsedAt) },
    })),
    publicKeys: row.publicKeys.map(presentPublicKey),
    warnings: apiKeyWarnings(row, new Date()),
  }
}

const presentCreated = (made: CreatedApiKey): z.infer<typeof createdApiKey> => {
  const shown = present(made)
  return { ...shown, warnings: [...made.warnings, ...shown.warnings], key: made.key }
}

const text = (date: Date | null): string | null => date?.toISOString() ?? null
