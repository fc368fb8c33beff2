import type { Context, Hono } from 'hono'
import { v7 as uuidv7 } from 'uuid'
import { locationOf } from '../../provisioning/representation.ts'
import { provisioningService } from '../../provisioning/service.ts'
import { ScimError } from '../../scim/errors.ts'
import { parsePatch } from '../../scim/patch/parse.ts'
import type { ResourceType } from '../../scim/schema/resource-type.ts'
import { formatVersion, matches, parseIfMatch, parseIfNoneMatch, parsePreconditions } from '../../scim/version.ts'
import { readJson } from './body.ts'
import type { ScimEnv, ScimLimits } from './env.ts'
import {
  namesIn,
  namesInOperations,
  noContent,
  prefersMinimal,
  projectionAfterWrite,
  projectionOf,
  resource,
  wantedBy,
} from './respond.ts'

/** Create, retrieve, replace, modify and delete for every resource type alike (RFC 7644 §3.3–3.6). */
export function resourceRoutes(router: Hono<ScimEnv>, limits: ScimLimits): void {
  const on = handlers(limits)
  const named = (c: Context<ScimEnv>): Target => ({ type: typeOf(c), id: c.req.param('id') ?? '' })
  router.post('/:endpoint', on.create)
  router.get('/:endpoint/:id', (c) => on.retrieve(c, named(c)))
  router.put('/:endpoint/:id', (c) => on.replace(c, named(c)))
  router.patch('/:endpoint/:id', (c) => on.modify(c, named(c)))
  router.delete('/:endpoint/:id', (c) => on.delete(c, named(c)))
}

/**
 * `/Me` (RFC 7644 §3.11): the user for whom the key stands, answered directly, with its own URL as Location. For a
 * provisioning client there is nobody at this address.
 */
export function meRoutes(router: Hono<ScimEnv>, limits: ScimLimits): void {
  const on = handlers(limits)
  const me = (c: Context<ScimEnv>): Target => {
    const { principal, tenant } = c.env.scim
    const type = tenant.registry.byName.get('User')
    if (principal?.userId !== undefined && type) return { type, id: principal.userId }
    throw ScimError.notFound('This API key stands for a provisioning client; /Me is for keys that stand for a user.')
  }
  const located = async (c: Context<ScimEnv>, answer: Promise<Response>): Promise<Response> => {
    const response = await answer
    const { type, id } = me(c)
    response.headers.set('Location', locationOf(type, id, c.env.scim.tenant.baseUrl))
    return response
  }
  router.get('/Me', (c) => located(c, on.retrieve(c, me(c))))
  router.put('/Me', (c) => located(c, on.replace(c, me(c))))
  router.patch('/Me', (c) => located(c, on.modify(c, me(c))))
  router.delete('/Me', (c) => on.delete(c, me(c)))
}

/** What a request is about. */
interface Target {
  readonly type: ResourceType
  readonly id: string
}

function handlers(limits: ScimLimits) {
  return {
    async create(c: Context<ScimEnv>): Promise<Response> {
      const type = typeOf(c)
      const projection = projectionOf(c, type)
      const body = await readJson(c.req.raw, limits.maxBodyBytes)
      const row = await serviceOf(c).create(type, body)
      return resource(c, row, type, projectionAfterWrite(projection, namesIn(body)), 201)
    },

    async retrieve(c: Context<ScimEnv>, { type, id }: Target): Promise<Response> {
      const projection = projectionOf(c, type)
      const known = parseIfNoneMatch(c.req.header('if-none-match'))
      const expected = parseIfMatch(c.req.header('if-match'))
      const row = await serviceOf(c).retrieve(type, id, wantedBy(projection))
      if (expected && !matches(expected, row.version)) {
        throw ScimError.preconditionFailed('The resource has another version than If-Match names.')
      }
      if (known && matches(known, row.version)) {
        return new Response(null, { status: 304, headers: { ETag: formatVersion(row.version) } })
      }
      return resource(c, row, type, projection)
    },

    async replace(c: Context<ScimEnv>, { type, id }: Target): Promise<Response> {
      const projection = projectionOf(c, type)
      const precondition = preconditionsOf(c)
      const body = await readJson(c.req.raw, limits.maxBodyBytes)
      const row = await serviceOf(c).replace(type, id, body, precondition)
      return resource(c, row, type, projectionAfterWrite(projection, namesIn(body)))
    },

    async modify(c: Context<ScimEnv>, { type, id }: Target): Promise<Response> {
      const projection = projectionOf(c, type)
      const precondition = preconditionsOf(c)
      const { tenant } = c.env.scim
      const operations = parsePatch(await readJson(c.req.raw, limits.maxBodyBytes), tenant.deviations)
      const service = serviceOf(c)
      const written = await service.modify(type, id, operations, precondition)
      const shown = projectionAfterWrite(projection, namesInOperations(type, operations))
      if (written.kind === 'row') return resource(c, written.row, type, shown)
      // To show a large group would cost more than the change did: then the answer is 204, which RFC 7644 §3.5.2 allows
      // unless attributes are named.
      if (projection.kind === 'default' && (!written.small || prefersMinimal(c))) {
        return noContent(written.version, prefersMinimal(c))
      }
      return resource(c, await service.retrieve(type, written.id, wantedBy(shown)), type, shown)
    },

    async delete(c: Context<ScimEnv>, { type, id }: Target): Promise<Response> {
      await serviceOf(c).delete(type, id, preconditionsOf(c))
      return new Response(null, { status: 204 })
    },
  }
}

/** The resource type that the path names. @throws {ScimError} 404 */
export function typeOf(c: Context<ScimEnv>): ResourceType {
  const type = c.env.scim.tenant.registry.byEndpoint.get(c.req.param('endpoint') ?? '')
  if (!type) throw unknownAddress()
  return type
}

export const unknownAddress = () =>
  ScimError.notFound('There is nothing at this address; see /ResourceTypes for the endpoints of this tenant.')

const preconditionsOf = (c: Context<ScimEnv>) =>
  parsePreconditions(c.req.header('if-match'), c.req.header('if-none-match'))

const serviceOf = (c: Context<ScimEnv>) =>
  provisioningService(c.env.scim.repositories, c.env.scim.tenant, () => uuidv7())
