import { type CursorOptions, runQuery } from '../../provisioning/query.ts'
import type { Renderer } from '../../provisioning/representation.ts'
import { ScimError } from '../../scim/errors.ts'
import { listResponseTexts } from '../../scim/list-response.ts'
import type { ResourceType } from '../../scim/schema/resource-type.ts'
import { parseQuery, parseSearchRequest, type SearchRequest } from '../../scim/search-request.ts'
import { readJson } from './body.ts'
import type { ScimHandler, ScimLimits, ScimRequest } from './env.ts'
import { synchronised, typeOf } from './resources.ts'
import { defaultProjection, jsonOf, namedProjection, projectedRendererOf, wantedBy } from './respond.ts'

/** Queries by GET and by POST to `/.search`, over one type or, at the base URL, over all (RFC 7644 §3.4.2, §3.4.3). */
export function queryHandlers(limits: ScimLimits, cursors: CursorOptions) {
  const inBody = async (request: ScimRequest) =>
    parseSearchRequest(await readJson(request, limits.maxBodyBytes), limits)
  const inUrl = (request: ScimRequest) => parseQuery(request.query, limits)
  const handlers = {
    all: (request) => answer(request, allTypes(request), inUrl(request), cursors),
    searchAll: async (request) => answer(request, allTypes(request), await inBody(request), cursors),
    ofType: (request) => answer(request, [typeOf(request)], inUrl(request), cursors),
    searchType: async (request) => answer(request, [typeOf(request)], await inBody(request), cursors),
  } satisfies Record<string, ScimHandler>
  return handlers
}

/** To leave out a type that is switched off would tell the client that its resources are gone. */
function allTypes({ tenant }: ScimRequest): readonly ResourceType[] {
  if (tenant.settings.rootQueries) return tenant.registry.resourceTypes.map((type) => synchronised(tenant, type))
  throw ScimError.forbidden('Queries over all resource types are switched off for this tenant; query one endpoint.')
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
  const [only] = types
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
