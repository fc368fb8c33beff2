import { createRoute, z } from '@hono/zod-openapi'
import { changeApiKey, createApiKey, existingApiKey, revokeApiKey } from '../../../administration/keys/api-keys.ts'
import { apiKeyState } from '../../../administration/states/state-tags.ts'
import { MINTED_ID } from '../../../auth/minted-secret.ts'
import type { Networks } from '../../../network/delivery-address.ts'
import { apiKeysWithin } from '../../../repositories/control/api-keys.ts'
import { tagged } from '../../control/conditional.ts'
import type { AdminApp } from '../../control/env.ts'
import { ENVIRONMENT, INSTANCE, type Level, PROJECT, TENANT } from '../../control/levels.ts'
import { placeNamed } from '../../control/places.ts'
import {
  apiKeyParam,
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
} from '../../control/schemas.ts'
import {
  apiKey,
  createdApiKey,
  exampleApiKey,
  exampleKey,
  expiry,
  type Names,
  oldSecret,
  present,
  presentCreated,
  tags,
} from './api-key-shapes.ts'
import { rotationRoutes } from './key-rotation.ts'
import { publicKeyRoutes } from './public-keys.ts'
import { trustRoutes } from './trusts.ts'

const newApiKeyShape = {
  name: nameText,
  permissions: z.array(permission).min(1).optional().openapi({
    description:
      'At most those of the asking key, and where the key stands for a user `scim:read` and `scim:write` alone. Default: these two.',
  }),
  expiresAt: moment.optional().openapi({
    description:
      'In the future, at most 365 days from now, and not after the end of the asking key. Default: 365 days, also where the asking key ends ' +
      'before; but a key with `admin`, and whatever is asked for with an access token, ends with the asking key.',
  }),
  tokensMayMintAdminKeys: z.boolean().optional().openapi({
    description:
      'Whether access tokens of the key may make keys with `admin`. `true` is for keys with `admin` alone; default: they may not.',
  }),
  user: z.uuid().optional().openapi({
    description:
      'Of a key of one tenant: id of its user for whom the key is to stand; 400 where there is none. Such a key reaches nothing but /Me.',
  }),
}
const newApiKey = z.strictObject(newApiKeyShape).openapi('NewApiKey')
const newApiKeyInEnvironment = z
  .strictObject({
    ...newApiKeyShape,
    tenant: z.string().optional().openapi({ description: 'Key or id of the one tenant that the key is to be for.' }),
  })
  .openapi('NewEnvironmentApiKey')
const apiKeyChange = z.strictObject({ tokensMayMintAdminKeys: z.boolean() }).openapi('ApiKeyChange')

/**
 * `…/api-keys` of the admin API: under a project, an environment, a tenant, and at the root for the whole instance. Each
 * shows and revokes the keys for its place and for all places below. DELETE revokes; the row stays as a record.
 */
export function apiKeyRoutes(app: AdminApp, tools: { readonly networks: Networks }): void {
  for (const level of [INSTANCE, PROJECT, ENVIRONMENT, TENANT]) {
    keyRoutes(app, level)
    rotationRoutes(app, level)
    publicKeyRoutes(app, level)
    trustRoutes(app, tools, level)
  }
}

const keys = listOf(apiKey, 'ApiKeyList')

function keyRoutes(app: AdminApp, level: Level): void {
  const { path, params, prefix, of } = level
  const one = params.extend({ apiKey: apiKeyParam })
  const body: typeof newApiKey | typeof newApiKeyInEnvironment =
    level === ENVIRONMENT ? newApiKeyInEnvironment : newApiKey
  const wanted = { name: exampleApiKey.name, ...(level === ENVIRONMENT && { tenant: 'acme' }) }

  const list = createRoute({
    method: 'get',
    path: `${path}/api-keys`,
    operationId: `list${prefix}ApiKeys`,
    summary: `List API keys${of}`,
    tags,
    request: { params, query: pageQuery(z.string().regex(MINTED_ID, 'must be the id of an API key')) },
    responses: {
      200: jsonAnswer(keys, 'The keys for this place and for all below', { items: [exampleApiKey], next: null }),
      ...problems,
    },
  })
  app.openapi(list, async (c) => {
    const place = await placeNamed(c.var, c.req.param())
    const { after, limit } = c.req.valid('query')
    const rows = await apiKeysWithin(c.var.database, place).list({ after, limit: limit + 1 })
    return c.json(listAnswer(rows, limit, present), 200)
  })

  const create = createRoute({
    method: 'post',
    path: `${path}/api-keys`,
    operationId: `create${prefix}ApiKey`,
    summary: `Create an API key${of}`,
    tags,
    request: { params, body: jsonBody(body, wanted) },
    responses: {
      201: jsonAnswer(createdApiKey, 'Created; the answer is the only place that shows the key', {
        ...{ ...exampleApiKey, key: exampleKey, lastUsedAt: null },
        secrets: [{ ...oldSecret, lastUsedAt: null, lastUsedBy: null }],
      }),
      ...problems,
    },
  })
  app.openapi(create, async (c) => {
    const { principal } = c.var
    const input: z.infer<typeof newApiKeyInEnvironment> = c.req.valid('json')
    const place = await placeNamed(c.var, {
      ...c.req.param(),
      ...(input.tenant !== undefined && { tenant: input.tenant }),
    })
    const { name, permissions, user: userId, tokensMayMintAdminKeys } = input
    const key = { name, permissions, userId, tokensMayMintAdminKeys, expiresAt: expiry(input) }
    const made = await createApiKey(c.var.administration, place, key, principal)
    const detail = `The API key "${made.id}" was made by the first request, whose answer alone showed it; rotate or revoke it.`
    c.set('toRepeats', { status: 409, detail })
    tagged(c, apiKeyState(made))
    return c.json(presentCreated(made), 201, {
      Location: `${c.req.path}/${made.id}`,
      'Cache-Control': 'no-store',
    })
  })

  const retrieve = createRoute({
    method: 'get',
    path: `${path}/api-keys/{apiKey}`,
    operationId: `get${prefix}ApiKey`,
    summary: `Get an API key${of}`,
    tags,
    request: { params: one },
    responses: { 200: jsonAnswer(apiKey, 'The key, without its secret', exampleApiKey), ...problems },
  })
  app.openapi(retrieve, async (c) => {
    const { apiKey = '', ...names } = c.req.param() as Names
    const place = await placeNamed(c.var, names)
    const found = await existingApiKey(c.var.database, place, apiKey)
    tagged(c, apiKeyState(found))
    return c.json(present(found), 200)
  })

  const modify = createRoute({
    method: 'patch',
    path: `${path}/api-keys/{apiKey}`,
    operationId: `update${prefix}ApiKey`,
    summary: `Change an API key${of}`,
    tags,
    description: 'Everything else of a key stays as it was made.',
    request: { params: one, body: jsonBody(apiKeyChange, { tokensMayMintAdminKeys: false }) },
    responses: { 200: jsonAnswer(apiKey, 'Changed', exampleApiKey), ...problems },
  })
  app.openapi(modify, async (c) => {
    const { apiKey = '', ...names } = c.req.param() as Names
    const place = await placeNamed(c.var, names)
    const changed = await changeApiKey(c.var.administration, place, apiKey, c.req.valid('json'), c.var.principal)
    tagged(c, apiKeyState(changed))
    return c.json(present(changed), 200)
  })

  const revoke = createRoute({
    method: 'delete',
    path: `${path}/api-keys/{apiKey}`,
    operationId: `revoke${prefix}ApiKey`,
    summary: `Revoke an API key${of}`,
    tags,
    request: { params: one },
    responses: { 204: noContent, ...problems },
  })
  app.openapi(revoke, async (c) => {
    const { apiKey = '', ...names } = c.req.param() as Names
    const place = await placeNamed(c.var, names)
    await revokeApiKey(c.var.administration, place, apiKey, new Date())
    return c.body(null, 204)
  })
}
