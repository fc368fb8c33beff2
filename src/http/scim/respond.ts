import { locationOf, partsOf, type Renderer, rendererOf, representation } from '../../provisioning/representation.ts'
import type { ResourceRow, Wanted } from '../../repositories/resources/rows.ts'
import { formatPath } from '../../scim/filter/format.ts'
import type { PatchOperation } from '../../scim/patch/parse.ts'
import {
  afterWrite,
  isDefault,
  type Projection,
  parseProjection,
  projectResource,
  wants,
} from '../../scim/projection.ts'
import { isObject, type JsonValue } from '../../scim/resource.ts'
import type { ResourceType } from '../../scim/schema/resource-type.ts'
import { parseAttributeNames } from '../../scim/search-request.ts'
import { formatVersion } from '../../scim/version.ts'
import type { Passage } from '../in-flight.ts'
import { REQUEST_ID } from '../middleware.ts'
import type { ScimRequest } from './env.ts'

const SCIM_JSON = 'application/scim+json'

/** The media type to answer with: `application/json` to those who ask for it and not for SCIM's own (RFC 7644 §3.1). */
export function answerType(accept: string | undefined): string | undefined {
  if (accept === undefined || accept === SCIM_JSON || accept.trim() === '') return SCIM_JSON
  const ranges = accept.split(',').map(readRange)
  const taken = (type: string) => ranges.some((range) => range.type === type && range.quality > 0)
  const refused = (type: string) => ranges.some((range) => range.type === type && range.quality === 0)
  if (taken(SCIM_JSON)) return SCIM_JSON
  if (taken('application/json')) return 'application/json'
  return (taken('*/*') || taken('application/*')) && !refused(SCIM_JSON) ? SCIM_JSON : undefined
}

function readRange(text: string): { type: string; quality: number } {
  const [type = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase())
  const q = parameters.find((parameter) => parameter.startsWith('q='))
  return { type, quality: q === undefined ? 1 : Number(q.slice(2)) }
}

/** A response with JSON text for a body. */
export const json = (request: ScimRequest, text: string): Response =>
  reply(request, text, 200, { 'Content-Type': request.answerType })

/** The same for a text in parts, which are encoded one after the other: as one it is copied and measured several times over. */
export function jsonOf(request: ScimRequest, texts: readonly string[]): Response {
  const length = texts.reduce((sum, text) => sum + text.length, 0)
  const bytes = Buffer.allocUnsafe(length * MOST_BYTES)
  let end = 0
  for (const text of texts) end += bytes.write(text, end)
  return reply(request, bytes.subarray(0, end), 200, { 'Content-Type': request.answerType })
}

/** That a unit of a string takes in UTF-8. */
const MOST_BYTES = 3

/**
 * An answer that carries the request's id, by which the log has it. All headers are given at once: the HTTP server sends such
 * an answer as it is, and has to take it to pieces otherwise.
 *
 * @param headers is taken over, not copied: it is on the way of every answer
 */
export function reply(
  request: ScimRequest,
  body: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null,
  status: number,
  headers: Record<string, string> = {},
): Response {
  headers[REQUEST_ID] = request.requestId
  return new Response(body, { status, headers })
}

/** The projection that a request asks for (RFC 7644 §3.9), by `attributes` and `excludedAttributes` in its query. */
export function projectionOf({ query }: ScimRequest, type: ResourceType): Projection {
  if (query.size === 0) return defaultProjection(type)
  const names = parseAttributeNames(query)
  return names.attributes || names.excludedAttributes ? namedProjection(type, names) : defaultProjection(type)
}

/** Projections of one type that are kept; clients ask for a few, over and over. */
const MOST_PROJECTIONS = 100
const projections = new WeakMap<ResourceType, Map<string, Projection>>()

/** The projection that these names make, which is remembered. @throws {ScimError} as `parseProjection` */
export function namedProjection(type: ResourceType, names: Parameters<typeof parseProjection>[0]): Projection {
  const known = projections.get(type) ?? new Map<string, Projection>()
  projections.set(type, known)
  const asked = JSON.stringify([names.attributes, names.excludedAttributes])
  const projection = known.get(asked) ?? parseProjection(names, type)
  if (known.size < MOST_PROJECTIONS) known.set(asked, projection)
  return projection
}

/** The projection of a request that names no attributes. */
export function defaultProjection(type: ResourceType): Projection {
  const known = defaults.get(type)
  if (known) return known
  const projection = parseProjection({}, type)
  defaults.set(type, projection)
  return projection
}
const defaults = new WeakMap<ResourceType, Projection>()

/** What follows from a projection alone, worked out once. */
interface Facts {
  readonly wanted: Wanted
  /** Whether nothing is left out; or nothing but what is computed, and so not in the stored text. */
  readonly whole: 'all' | 'document' | undefined
}
const facts = new WeakMap<Projection, Facts>()

function factsOf(projection: Projection): Facts {
  const known = facts.get(projection)
  if (known) return known
  const wanted = { groups: wants(projection, 'groups'), members: wants(projection, 'members') }
  const computed = { User: 'groups', Group: 'members' }[projection.type.name]
  const whole = isDefault(projection) ? 'all' : isDefault(projection, computed) ? 'document' : undefined
  const made = { wanted, whole } as const
  facts.set(projection, made)
  return made
}

/** Which computed attributes have to be read for a projection. */
export const wantedBy = (projection: Projection): Wanted => factsOf(projection).wanted

/** Makes the representations to send: the stored text as it is where nothing of it is left out, else the projected part. */
export function projectedRendererOf(type: ResourceType, projection: Projection, baseUrl: string): Renderer {
  const { whole, wanted } = factsOf(projection)
  if (whole === 'all') return rendererOf(type, baseUrl)
  if (whole === undefined)
    return (row) => JSON.stringify(projectResource(representation(row, type, baseUrl), projection))
  const render = rendererOf(type, baseUrl)
  // A write's row has them all the same.
  return (row) =>
    render({ ...row, groups: wanted.groups ? row.groups : null, members: wanted.members ? row.members : null })
}

/** A response with one resource, its version and its place (RFC 7644 §3.1, §3.14). */
export function resource(
  request: ScimRequest,
  row: ResourceRow,
  type: ResourceType,
  projection: Projection,
  status: 200 | 201 = 200,
): Response {
  const { tenant } = request
  const location = locationOf(type, row.id, tenant.baseUrl)
  if (status === 200 && request.method !== 'GET' && projection.kind === 'default' && prefersMinimal(request))
    return noContent(request, row.version, true)
  const known = { 'Content-Type': request.answerType, ETag: formatVersion(row.version) }
  const headers = status === 201 ? { ...known, Location: location } : { ...known, 'Content-Location': location }
  const { members } = row
  if (Array.isArray(members) && members.length > 1 && factsOf(projection).whole === 'all') {
    const parts = partsOf({ ...row, members }, type, tenant.baseUrl)
    return reply(request, streamOf(parts, request.passage), status, headers)
  }
  return reply(request, projectedRendererOf(type, projection, tenant.baseUrl)(row), status, headers)
}

/** Texts as a body that is encoded part by part, as fast as the client takes it. */
function streamOf(texts: readonly string[], passage: Passage): ReadableStream<Uint8Array> {
  passage.streams = true
  const encoder = new TextEncoder()
  let next = 0
  return new ReadableStream({
    pull(controller) {
      const text = texts[next++]
      if (text !== undefined) return controller.enqueue(encoder.encode(text))
      passage.leave()
      controller.close()
    },
    cancel: () => passage.leave(),
  })
}

/** 204 with the new version. */
export const noContent = (request: ScimRequest, version: number, preferred = false): Response =>
  reply(request, null, 204, {
    ETag: formatVersion(version),
    ...(preferred ? { 'Preference-Applied': 'return=minimal' } : {}),
  })

/** Whether the client wants no body (RFC 7240 §4.2). */
export const prefersMinimal = (request: ScimRequest): boolean =>
  (request.header('prefer') ?? '').split(',').some((preference) => preference.trim().toLowerCase() === 'return=minimal')

/**
 * The projection of a write's answer: attributes `returned: request` are there too when the write named them (RFC 7643 §7).
 *
 * @param names attribute paths as the client wrote them
 */
export const projectionAfterWrite = (projection: Projection, names: readonly string[]): Projection =>
  factsOf(projection).whole === 'all' ? projection : afterWrite(projection, names)

/** Names of the attributes in a POST or PUT body, those of extensions with their URN. */
export function namesIn(body: JsonValue): string[] {
  if (!isObject(body)) return []
  return Object.entries(body).flatMap(([name, value]) =>
    name.toLowerCase().startsWith('urn:') && isObject(value)
      ? Object.keys(value).map((part) => `${name}:${part}`)
      : [name],
  )
}

/** The same for PATCH operations: what their paths name, or their values where there is no path. */
export function namesInOperations(type: ResourceType, operations: readonly PatchOperation[]): string[] {
  return operations.flatMap(({ path, value }) => {
    if (path === undefined) return namesIn(value ?? null)
    const name = formatPath(path.attribute)
    const isExtension = type.extensionsByUrn.has(name.toLowerCase())
    return isExtension && isObject(value) ? Object.keys(value).map((part) => `${name}:${part}`) : [name]
  })
}
