import { type CursorOptions, runQuery } from '../../provisioning/query.ts'
import { isSynchronised } from '../../provisioning/refusals.ts'
import type { Renderer } from '../../provisioning/representation.ts'
import { ScimError } from '../../scim/errors.ts'
import { listResponseTexts } from '../../scim/list-response.ts'
import type { ResourceType } from '../../scim/schema/resource-type.ts'
import { parseQuery, parseSearchRequest, type SearchRequest } from '../../scim/search-request.ts'
import { readJson } from './body.ts'
import type { ScimContext, ScimLimits, ScimRequest } from './env.ts'
import { readable, readableTypeAt } from './resources.ts'
import { defaultProjection, jsonOf, namedProjection, projectedRendererOf, wantedBy } from './respond.ts'

/**
 * Answers queries by GET and by POST to `/.search` (RFC 7644 §3.4.2, §3.4.3). A query at an endpoint finds resources of one type,
 * a query at the base URL those of all types.
 */
export function queryHandlers(limits: ScimLimits, cursors: CursorOptions) {
  const inBody = async (request: ScimRequest) =>
    parseSearchRequest(await readJson(request, limits.maxBodyBytes), limits, request.tenant.deviations)
  const inUrl = (request: ScimRequest) => parseQuery(request.query, limits)
  return {
    all: ({ env }: ScimContext) => answer(env, allTypes(env), inUrl(env), cursors),
    searchAll: async ({ env }: ScimContext) => answer(env, allTypes(env), await inBody(env), cursors),
    ofType: ({ env, req }: ScimContext<'/:endpoint'>) =>
      answer(env, [readableTypeAt(env.tenant, req.param('endpoint'))], inUrl(env), cursors),
    searchType: async ({ env, req }: ScimContext<'/:endpoint/.search'>) =>
      answer(env, [readableTypeAt(env.tenant, req.param('endpoint'))], await inBody(env), cursors),
  }
}

/**
 * @throws {ScimError} 403 where a type is switched off: without it, the client would take its resources for deleted. A tenant that
 *   wants that has `whenSyncIsOff: empty`
 */
function allTypes({ tenant }: ScimRequest): readonly ResourceType[] {
  if (tenant.settings.rootQueries) return tenant.registry.resourceTypes.map((type) => readable(tenant, type))
  throw ScimError.forbidden(
    'root-queries-off',
    'Queries over all resource types are switched off for this tenant; query one endpoint.',
  )
}

async function answer(
  asked: ScimRequest,
  types: readonly ResourceType[],
  request: SearchRequest,
  cursors: CursorOptions,
): Promise<Response> {
  const { tenant, repositories } = asked
  const projected = request.attributes !== undefined || request.excludedAttributes !== undefined
  const projections = types.map((type) => (projected ? namedProjection(type, request) : defaultProjection(type)))
  const each = projections.map(wantedBy)
  const wanted = { groups: each.some((w) => w.groups), members: each.some((w) => w.members) }
  const page = await runQuery(repositories, tenant, types, request, wanted, cursors)
  const renderers = new Map(
    projections.map((projection) => {
      const { type } = projection
      return [type.name, projectedRendererOf(type, projection, tenant.baseUrl)]
    }),
  )
  const only = types.find((type) => isSynchronised(tenant, type))
  const resources = page.rows.map((row) => (renderers.get(row.type ?? only?.name ?? '') as Renderer)(row))
  const { totalResults, startIndex, nextCursor, previousCursor } = page
  const list = {
    resources,
    totalResults,
    ...(startIndex === undefined ? {} : { startIndex }),
    ...(nextCursor === undefined ? {} : { nextCursor }),
    ...(previousCursor === undefined ? {} : { previousCursor }),
  }
  return jsonOf(asked, listResponseTexts(list))
}
