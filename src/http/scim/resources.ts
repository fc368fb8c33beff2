import { v7 as uuidv7 } from 'uuid'
import { isOfCatalogue, retrieveEntry } from '../../provisioning/catalogue/entries.ts'
import { isReadable, isSynchronised, missing, notSynchronised } from '../../provisioning/refusals.ts'
import { locationOf } from '../../provisioning/representation.ts'
import { provisioningService } from '../../provisioning/service.ts'
import { goesOn } from '../../repositories/resources/rows.ts'
import { ScimError } from '../../scim/errors.ts'
import { parsePatch } from '../../scim/patch/parse.ts'
import type { ResourceType } from '../../scim/schema/resource-type.ts'
import {
  formatVersion,
  matches,
  matchesAnswer,
  parseIfMatch,
  parseIfNoneMatch,
  parsePreconditions,
} from '../../scim/version.ts'
import type { TenantContext } from '../../tenancy/tenant.ts'
import { MethodNotAllowed } from '../errors.ts'
import { readJson } from './body.ts'
import type { ScimContext, ScimLimits, ScimRequest } from './env.ts'
import {
  derivedShown,
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

/** Creates, retrieves, replaces, modifies and deletes resources of every type (RFC 7644 §3.3–3.6). */
export function resourceHandlers(limits: ScimLimits) {
  const on = handlers(limits)
  const named = ({ env, req }: ResourceContext): Target => ({
    type: writableTypeAt(env, req.param('endpoint')),
    id: req.param('id'),
  })
  const toRead = ({ env, req }: ResourceContext): Target => {
    const [type, id] = [readableTypeAt(env.tenant, req.param('endpoint')), req.param('id')]
    return isSynchronised(env.tenant, type) ? { type, id } : missing(type, id)
  }
  return {
    create: ({ env, req }: ScimContext<'/:endpoint'>) => on.create(env, writableTypeAt(env, req.param('endpoint'))),
    retrieve: (c: ResourceContext) => on.retrieve(c.env, toRead(c)),
    replace: (c: ResourceContext) => on.replace(c.env, named(c)),
    modify: (c: ResourceContext) => on.modify(c.env, named(c)),
    delete: (c: ResourceContext) => on.delete(c.env, named(c)),
  }
}

type ResourceContext = ScimContext<'/:endpoint/:id'>

/**
 * Answers at `/Me` (RFC 7644 §3.11) with the user for whom the API key stands. The answer names that user's own URL as Location.
 * A key of a provisioning client stands for no user and gets 404.
 */
export function meHandlers(limits: ScimLimits) {
  const on = handlers(limits)
  const me = ({ principal, tenant }: ScimRequest): Target => {
    const type = tenant.registry.byName.get('User')
    if (principal?.userId !== undefined && type) return { type: synchronised(tenant, type), id: principal.userId }
    throw ScimError.notFound(
      'me-without-user',
      'This API key stands for a provisioning client; /Me is for keys that stand for a user.',
    )
  }
  const located = async (request: ScimRequest, answer: Promise<Response>): Promise<Response> => {
    const response = await answer
    const { type, id } = me(request)
    response.headers.set('Location', locationOf(type, id, request.tenant.baseUrl))
    return response
  }
  return {
    retrieve: ({ env }: ScimContext) => located(env, on.retrieve(env, me(env))),
    replace: ({ env }: ScimContext) => located(env, on.replace(env, me(env))),
    modify: ({ env }: ScimContext) => located(env, on.modify(env, me(env))),
    delete: ({ env }: ScimContext) => on.delete(env, me(env)),
  }
}

/** The resource that a request names. */
interface Target {
  readonly type: ResourceType
  readonly id: string
}

function handlers(limits: ScimLimits) {
  return {
    async create(request: ScimRequest, type: ResourceType): Promise<Response> {
      const projection = projectionOf(request, type)
      const body = await readJson(request, limits.maxBodyBytes)
      const { made, row } = await serviceOf(request).create(type, body)
      return resource(
        request,
        row,
        type,
        projectionAfterWrite(projection, () => namesIn(body)),
        made ? 201 : 200,
      )
    },

    async retrieve(request: ScimRequest, { type, id }: Target): Promise<Response> {
      const projection = projectionOf(request, type)
      const known = parseIfNoneMatch(request.header('if-none-match'))
      const expected = parseIfMatch(request.header('if-match'))
      const row = isOfCatalogue(request.tenant, type)
        ? await retrieveEntry(request.tenant, type, id)
        : await serviceOf(request).retrieve(type, id, wantedBy(projection))
      if (expected && !matches(expected, row.version)) {
        throw ScimError.preconditionFailed('version-changed', 'The resource has another version than If-Match names.')
      }
      if (known && !(wantedBy(projection).members && goesOn(row.members))) {
        const derived = derivedShown(row, projection)
        if (matchesAnswer(known, row.version, derived))
          return reply(request, null, 304, { ETag: formatVersion(row.version, derived) })
      }
      return resource(request, row, type, projection)
    },

    async replace(request: ScimRequest, { type, id }: Target): Promise<Response> {
      const projection = projectionOf(request, type)
      const precondition = preconditionsOf(request)
      const body = await readJson(request, limits.maxBodyBytes)
      const row = await serviceOf(request).replace(type, id, body, precondition)
      return resource(
        request,
        row,
        type,
        projectionAfterWrite(projection, () => namesIn(body)),
      )
    },

    async modify(request: ScimRequest, { type, id }: Target): Promise<Response> {
      const projection = projectionOf(request, type)
      const precondition = preconditionsOf(request)
      const { tenant } = request
      const operations = parsePatch(await readJson(request, limits.maxBodyBytes), tenant.deviations)
      const service = serviceOf(request)
      const written = await service.modify(type, id, operations, precondition)
      const shown = projectionAfterWrite(projection, () => namesInOperations(type, operations))
      if (written.kind === 'row') return resource(request, written.row, type, shown)
      // To read a large group costs more than the change did. RFC 7644 §3.5.2 allows 204 where the request names no attributes.
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

/** The resource type with this endpoint. @throws {ScimError} 404, and 403 where it is switched off */
export const typeAt = (tenant: TenantContext, endpoint: string): ResourceType =>
  synchronised(tenant, knownType(tenant, endpoint))

/** The same for writes. @throws {MethodNotAllowed} for what a catalogue offers, which clients only read */
function writableTypeAt({ method, tenant }: ScimRequest, endpoint: string): ResourceType {
  const type = typeAt(tenant, endpoint)
  if (isOfCatalogue(tenant, type)) throw new MethodNotAllowed(method, READS)
  return type
}

/** The methods that a catalogue allows. */
export const READS = 'GET'

/** The same for reads. @throws {ScimError} 404, and 403 where it is switched off and the tenant has reads refused */
export const readableTypeAt = (tenant: TenantContext, endpoint: string): ResourceType =>
  readable(tenant, knownType(tenant, endpoint))

/** @throws {ScimError} 403 for a type that is switched off, where the tenant has reads refused */
export function readable(tenant: TenantContext, type: ResourceType): ResourceType {
  if (!isReadable(tenant, type)) throw notSynchronised(tenant, type)
  return type
}

/** @throws {ScimError} 403 for a type that is switched off */
function synchronised(tenant: TenantContext, type: ResourceType): ResourceType {
  if (!isSynchronised(tenant, type)) throw notSynchronised(tenant, type)
  return type
}

function knownType(tenant: TenantContext, endpoint: string): ResourceType {
  const type = tenant.registry.byEndpoint.get(endpoint) ?? tenant.catalogue?.byEndpoint.get(endpoint)
  if (!type) throw unknownAddress()
  return type
}

/** 404 for an address that no route and no resource type has. */
export const unknownAddress = () =>
  ScimError.notFound(
    'endpoint-unknown',
    'There is nothing at this address; see /ResourceTypes for the endpoints of this tenant.',
  )

const preconditionsOf = (request: ScimRequest) =>
  parsePreconditions(request.header('if-match'), request.header('if-none-match'))

const serviceOf = (request: ScimRequest) => provisioningService(request.repositories, request.tenant, () => uuidv7())
