import type { Context, Hono } from 'hono'
import { v7 as uuidv7 } from 'uuid'
import { provisioningService } from '../../provisioning/service.ts'
import { ScimError } from '../../scim/errors.ts'
import { parsePatch } from '../../scim/patch/parse.ts'
import type { ResourceType } from '../../scim/schema/resource-type.ts'
import { formatVersion, matches, parseIfMatch, parseIfNoneMatch } from '../../scim/version.ts'
import { readJson } from './body.ts'
import type { ScimEnv, ScimLimits } from './env.ts'
import {
  namesIn,
  noContent,
  prefersMinimal,
  projectionAfterWrite,
  projectionOf,
  resource,
  wantedBy,
} from './respond.ts'

/** Create, retrieve, replace, modify and delete for every resource type alike (RFC 7644 §3.3–3.6). */
export function resourceRoutes(router: Hono<ScimEnv>, limits: ScimLimits): void {
  router.post('/:endpoint', async (c) => {
    const type = typeOf(c)
    const projection = projectionOf(c, type)
    const body = await readJson(c.req.raw, limits.maxBodyBytes)
    const row = await serviceOf(c).create(type, body)
    return resource(c, row, type, projectionAfterWrite(projection, namesIn(body)), 201)
  })

  router.get('/:endpoint/:id', async (c) => {
    const type = typeOf(c)
    const projection = projectionOf(c, type)
    const known = parseIfNoneMatch(c.req.header('if-none-match'))
    const expected = parseIfMatch(c.req.header('if-match'))
    const row = await serviceOf(c).retrieve(type, c.req.param('id'), wantedBy(projection))
    if (expected && !matches(expected, row.version)) {
      throw ScimError.preconditionFailed('The resource has another version than If-Match names.')
    }
    if (known && matches(known, row.version)) {
      return new Response(null, { status: 304, headers: { ETag: formatVersion(row.version) } })
    }
    return resource(c, row, type, projection)
  })

  router.put('/:endpoint/:id', async (c) => {
    const type = typeOf(c)
    const projection = projectionOf(c, type)
    const precondition = parseIfMatch(c.req.header('if-match'))
    const body = await readJson(c.req.raw, limits.maxBodyBytes)
    const row = await serviceOf(c).replace(type, c.req.param('id'), body, precondition)
    return resource(c, row, type, projectionAfterWrite(projection, namesIn(body)))
  })

  router.patch('/:endpoint/:id', async (c) => {
    const type = typeOf(c)
    const projection = projectionOf(c, type)
    const precondition = parseIfMatch(c.req.header('if-match'))
    const { tenant } = c.env.scim
    const operations = parsePatch(await readJson(c.req.raw, limits.maxBodyBytes), tenant.deviations)
    const service = serviceOf(c)
    const written = await service.modify(type, c.req.param('id'), operations, precondition)
    if (written.kind === 'row') return resource(c, written.row, type, projection)
    // To show a large group would cost more than the change did: then the answer is 204, which RFC 7644 §3.5.2 allows unless
    // attributes are named.
    if (projection.kind === 'default' && (!written.small || prefersMinimal(c))) return noContent(written.version)
    return resource(c, await service.retrieve(type, written.id, wantedBy(projection)), type, projection)
  })

  router.delete('/:endpoint/:id', async (c) => {
    const type = typeOf(c)
    await serviceOf(c).delete(type, c.req.param('id'), parseIfMatch(c.req.header('if-match')))
    return new Response(null, { status: 204 })
  })
}

/** The resource type that the path names. @throws {ScimError} 404 */
export function typeOf(c: Context<ScimEnv>): ResourceType {
  const type = c.env.scim.tenant.registry.byEndpoint.get(c.req.param('endpoint') ?? '')
  if (!type) throw unknownAddress()
  return type
}

export const unknownAddress = () =>
  ScimError.notFound('There is nothing at this address; see /ResourceTypes for the endpoints of this tenant.')

const serviceOf = (c: Context<ScimEnv>) =>
  provisioningService(c.env.scim.repositories, c.env.scim.tenant, () => uuidv7())
