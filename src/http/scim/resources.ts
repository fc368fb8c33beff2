import { v7 as uuidv7 } from 'uuid'
import { isSynchronised, notSynchronised } from '../../provisioning/refusals.ts'
import { locationOf } from '../../provisioning/representation.ts'
import { provisioningService } from '../../provisioning/service.ts'
import { ScimError } from '../../scim/errors.ts'
import { parsePatch } from '../../scim/patch/parse.ts'
import type { ResourceType } from '../../scim/schema/resource-type.ts'
import { formatVersion, matches, parseIfMatch, parseIfNoneMatch, parsePreconditions } from '../../scim/version.ts'
import type { TenantContext } from '../../tenancy/tenant.ts'
import { readJson } from './body.ts'
import type { ScimHandler, ScimLimits, ScimRequest } from './env.ts'
import {
  namesIn,
  namesInOperations,
  noContent,
  prefersMinimal,
  projectionAfterWrite,
  projectionOf,
  reply,
  resource,
  wantedBy,
} from './respond.ts'

/** Create, retrieve, replace, modify and delete for every resource type alike (RFC 7644 §3.3–3.6). */
export function resourceHandlers(limits: ScimLimits) {
  const on = handlers(limits)
  const named = (request: ScimRequest): Target => ({ type: typeOf(request), id: request.segments[1] ?? '' })
  return {
    create: on.create,
    retrieve: (request) => on.retrieve(request, named(request)),
    replace: (request) => on.replace(request, named(request)),
    modify: (request) => on.modify(request, named(request)),
    delete: (request) => on.delete(request, named(request)),
  } satisfies Record<string, ScimHandler>
}

/**
 * `/Me` (RFC 7644 §3.11): the user for whom the key stands, answered directly, with its own URL as Location. For a
 * provisioning client there is nobody at this address.
 */
export function meHandlers(limits: ScimLimits) {
  const on = handlers(limits)
  const me = ({ principal, tenant }: ScimRequest): Target => {
    const type = tenant.registry.byName.get('User')
    if (principal?.userId !== undefined && type) return { type: synchronised(tenant, type), id: principal.userId }
    throw ScimError.notFound('This API key stands for a provisioning client; /Me is for keys that stand for a user.')
  }
  const located = async (request: ScimRequest, answer: Promise<Response>): Promise<Response> => {
    const response = await answer
    const { type, id } = me(request)
    response.headers.set('Location', locationOf(type, id, request.tenant.baseUrl))
    return response
  }
  return {
    GET: (request) => located(request, on.retrieve(request, me(request))),
    PUT: (request) => located(request, on.replace(request, me(request))),
    PATCH: (request) => located(request, on.modify(request, me(request))),
    DELETE: (request) => on.delete(request, me(request)),
  } satisfies Record<string, ScimHandler>
}

/** What a request is about. */
interface Target {
  readonly type: ResourceType
  readonly id: string
}

function handlers(limits: ScimLimits) {
  return {
    async create(request: ScimRequest): Promise<Response> {
      const type = typeOf(request)
      const projection = projectionOf(request, type)
      const body = await readJson(request, limits.maxBodyBytes)
      const row = await serviceOf(request).create(type, body)
      return resource(request, row, type, projectionAfterWrite(projection, namesIn(body)), 201)
    },

    async retrieve(request: ScimRequest, { type, id }: Target): Promise<Response> {
      const projection = projectionOf(request, type)
      const known = parseIfNoneMatch(request.header('if-none-match'))
      const expected = parseIfMatch(request.header('if-match'))
      const row = await serviceOf(request).retrieve(type, id, wantedBy(projection))
      if (expected && !matches(expected, row.version)) {
        throw ScimError.preconditionFailed('The resource has another version than If-Match names.')
      }
      if (known && matches(known, row.version)) {
        return reply(request, null, 304, { ETag: formatVersion(row.version) })
      }
      return resource(request, row, type, projection)
    },

    async replace(request: ScimRequest, { type, id }: Target): Promise<Response> {
      const projection = projectionOf(request, type)
      const precondition = preconditionsOf(request)
      const body = await readJson(request, limits.maxBodyBytes)
      const row = await serviceOf(request).replace(type, id, body, precondition)
      return resource(request, row, type, projectionAfterWrite(projection, namesIn(body)))
    },

    async modify(request: ScimRequest, { type, id }: Target): Promise<Response> {
      const projection = projectionOf(request, type)
      const precondition = preconditionsOf(request)
      const { tenant } = request
      const operations = parsePatch(await readJson(request, limits.maxBodyBytes), tenant.deviations)
      const service = serviceOf(request)
      const written = await service.modify(type, id, operations, precondition)
      const shown = projectionAfterWrite(projection, namesInOperations(type, operations))
      if (written.kind === 'row') return resource(request, written.row, type, shown)
      // To show a large group would cost more than the change did: then the answer is 204, which RFC 7644 §3.5.2 allows
      // unless attributes are named.
      if (projection.kind === 'default' && (!written.small || prefersMinimal(request))) {
        return noContent(request, written.version, prefersMinimal(request))
      }
      return resource(request, await service.retrieve(type, written.id, wantedBy(shown)), type, shown)
    },

    async delete(request: ScimRequest, { type, id }: Target): Promise<Response> {
      await serviceOf(request).delete(type, id, preconditionsOf(request))
      return reply(request, null, 204)
    },
  }
}

/** The resource type that the path names. @throws {ScimError} 404, and 403 where it is switched off */
export function typeOf({ tenant, segments }: ScimRequest): ResourceType {
  const type = tenant.registry.byEndpoint.get(segments[0] ?? '')
  if (!type) throw unknownAddress()
  return synchronised(tenant, type)
}

/** @throws {ScimError} 403 for a type that is switched off */
export function synchronised(tenant: TenantContext, type: ResourceType): ResourceType {
  if (!isSynchronised(tenant, type)) throw notSynchronised(type)
  return type
}

export const unknownAddress = () =>
  ScimError.notFound('There is nothing at this address; see /ResourceTypes for the endpoints of this tenant.')

const preconditionsOf = (request: ScimRequest) =>
  parsePreconditions(request.header('if-match'), request.header('if-none-match'))

const serviceOf = (request: ScimRequest) => provisioningService(request.repositories, request.tenant, () => uuidv7())
