import type { Context, Hono } from 'hono'
import { type CursorOptions, runQuery } from '../../provisioning/query.ts'
import { ScimError } from '../../scim/errors.ts'
import { listResponseText } from '../../scim/list-response.ts'
import { parseProjection } from '../../scim/projection.ts'
import type { ResourceType } from '../../scim/schema/resource-type.ts'
import { parseQuery, parseSearchRequest, type SearchRequest } from '../../scim/search-request.ts'
import { readJson } from './body.ts'
import type { ScimEnv, ScimLimits } from './env.ts'
import { typeOf } from './resources.ts'
import { defaultProjection, json, representationFor, wantedBy } from './respond.ts'

/** Queries by GET and by POST to `/.search`, over one type or, at the base URL, over all (RFC 7644 §3.4.2, §3.4.3). */
export function queryRoutes(router: Hono<ScimEnv>, limits: ScimLimits, cursors: CursorOptions): void {
  const searchRequest = async (c: Context<ScimEnv>) =>
    parseSearchRequest(await readJson(c.req.raw, limits.maxBodyBytes), limits)

  router.get('/', (c) => answer(c, allTypes(c), parseQuery(c.env.scim.query, limits), cursors))
  router.post('/.search', async (c) => answer(c, allTypes(c), await searchRequest(c), cursors))
  router.get('/:endpoint', (c) => answer(c, [typeOf(c)], parseQuery(c.env.scim.query, limits), cursors))
  router.post('/:endpoint/.search', async (c) => answer(c, [typeOf(c)], await searchRequest(c), cursors))
}

function allTypes(c: Context<ScimEnv>): readonly ResourceType[] {
  const { tenant } = c.env.scim
  if (tenant.settings.rootQueries) return tenant.registry.resourceTypes
  throw ScimError.forbidden('Queries over all resource types are switched off for this tenant; query one endpoint.')
}

async function answer(
  c: Context<ScimEnv>,
  types: readonly ResourceType[],
  request: SearchRequest,
  cursors: CursorOptions,
): Promise<Response> {
  const { tenant, repositories } = c.env.scim
  const projected = request.attributes !== undefined || request.excludedAttributes !== undefined
  const projections = new Map(
    types.map((type) => [type.name, projected ? parseProjection(request, type) : defaultProjection(type)]),
  )
  const each = [...projections.values()].map(wantedBy)
  const wanted = { groups: each.some((w) => w.groups), members: each.some((w) => w.members) }
  const page = await runQuery(repositories, tenant, types, request, wanted, cursors)
  const resources = page.rows.map((row) => {
    const type = tenant.registry.byName.get(row.resource_type) as ResourceType
    return representationFor(row, type, projections.get(type.name) ?? defaultProjection(type), tenant.baseUrl)
  })
  const { totalResults, startIndex, nextCursor, previousCursor } = page
  const list = {
    ...{ resources, totalResults },
    ...(startIndex === undefined ? {} : { startIndex }),
    ...(nextCursor === undefined ? {} : { nextCursor }),
    ...(previousCursor === undefined ? {} : { previousCursor }),
  }
  return json(c, listResponseText(list))
}
