import { largeGroup, remainingMembers } from '../../provisioning/remaining-members.ts'
import {
  derivedIn,
  joined,
  locationOf,
  NO_MEMBERS,
  type Part,
  Remaining,
  type Renderer,
  rendererOf,
  representation,
} from '../../provisioning/representation.ts'
import { goesOn, type JsonText, type ResourceRow, type Wanted } from '../../repositories/resources/rows.ts'
import { inBytes } from '../../repositories/resources/utf8-text.ts'
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
import { isObject, type JsonValue, type Resource } from '../../scim/resource.ts'
import type { ResourceType } from '../../scim/schema/resource-type.ts'
import { parseAttributeNames } from '../../scim/search-request.ts'
import { formatVersion } from '../../scim/version.ts'
import { REQUEST_ID } from '../middleware.ts'
import { streamed } from '../streamed.ts'
import type { ScimRequest } from './env.ts'

const SCIM_JSON = 'application/scim+json'

/**
 * The media type of the answer (RFC 7644 §3.1): `application/json` where the client accepts it and not SCIM's own.
 * Undefined where it accepts neither.
 */
export function answerType(accept: string | undefined): string | undefined {
  if (accept === undefined || accept === SCIM_JSON || accept.trim() === '') return SCIM_JSON
  const ranges = accept.split(',').map(readRange)
  const accepted = (type: string) => ranges.some((range) => range.type === type && range.quality > 0)
  const refused = (type: string) => ranges.some((range) => range.type === type && range.quality === 0)
  if (accepted(SCIM_JSON)) return SCIM_JSON
  if (accepted('application/json')) return 'application/json'
  return (accepted('*/*') || accepted('application/*')) && !refused(SCIM_JSON) ? SCIM_JSON : undefined
}

function readRange(text: string): { type: string; quality: number } {
  const [type = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase())
  const q = parameters.find((parameter) => parameter.startsWith('q='))
  return { type, quality: q === undefined ? 1 : Number(q.slice(2)) }
}

/** A response with JSON text for a body. */
export const json = (request: ScimRequest, text: string): Response =>
  reply(request, text, 200, { 'Content-Type': request.answerType })

/**
 * The same for a text in parts.
 *
 * @throws {ScimError} 429 or 503 where there is no room for it
 */
export function jsonOf(request: ScimRequest, parts: readonly Part[]): Response {
  const headers = { 'Content-Type': request.answerType }
  if (!isWhole(parts)) return reply(request, bitByBit(request, parts, true), 200, headers)
  // Each is written by itself: one string of all would be copied once more.
  const texts = parts.map(inBytes)
  const body = Buffer.allocUnsafe(texts.reduce((sum, text) => sum + text.length, 0))
  let end = 0
  for (const text of texts) end += body.write(text, end, 'latin1')
  request.passage.holdAnswer(end, true)
  return reply(request, body, 200, headers)
}

const isWhole = (parts: readonly Part[]): parts is readonly JsonText[] =>
  !parts.some((part) => part instanceof Remaining)

/** What a reader of a large group holds beside the parts that are there: some members, as text and as bytes. */
const READER_BYTES = 400_000

/**
 * A body of parts, with the members that are not read yet.
 *
 * @param refusable as for `Passage.holdAnswer`
 * @throws {ScimError} 429 or 503 where there is no room for it
 */
function bitByBit(request: ScimRequest, parts: readonly Part[], refusable: boolean): ReadableStream<Uint8Array> {
  const { passage, repositories, failed } = request
  const texts = parts.reduce((sum, part) => sum + (part instanceof Remaining ? 0 : part.length), 0)
  passage.holdAnswer(texts + READER_BYTES, refusable)
  return streamed(withRemaining(parts, repositories), passage, { failed })
}

async function* withRemaining(
  parts: readonly Part[],
  repositories: ScimRequest['repositories'],
): AsyncGenerator<string | Uint8Array, void> {
  const groups = parts.flatMap((part) => (part instanceof Remaining ? [part.group] : []))
  const remaining = remainingMembers(repositories, groups)
  let before: JsonText = ''
  for (const part of parts) {
    if (!(part instanceof Remaining)) {
      yield typeof part === 'string' ? part : part.toBuffer()
      before = part
      continue
    }
    // Of the members before, a projection may have left nothing.
    let comma = typeof before === 'string' && before.endsWith('[') ? '' : ','
    for (let last = false; !last; ) {
      const { value } = await remaining.next()
      const elements = value?.elements ? part.shown(value.elements) : ''
      if (elements !== '') {
        yield comma + elements
        comma = ','
      }
      last = value?.last ?? true
    }
  }
}

/**
 * An answer with the request's id, which the log has too. It gets all headers at once, because the HTTP server sends such an
 * answer without unpacking it.
 *
 * @param headers is changed, not copied: every answer passes here
 */
export function reply(
  request: ScimRequest,
  body: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null,
  status: number,
  headers: Record<string, string> = {},
): Response {
  headers[REQUEST_ID] = request.requestId
  const { seen } = request
  if (seen !== undefined) {
    if (body !== null && !(body instanceof ReadableStream)) seen.answer = body
    if (status === 201) seen.location = headers.Location
  }
  return new Response(body, { status, headers })
}

/** The projection that `attributes` and `excludedAttributes` in the query ask for (RFC 7644 §3.9). */
export function projectionOf({ query }: ScimRequest, type: ResourceType): Projection {
  if (query.size === 0) return defaultProjection(type)
  const names = parseAttributeNames(query)
  return names.attributes || names.excludedAttributes ? namedProjection(type, names) : defaultProjection(type)
}

/** How many projections of one type are cached; clients ask for the same few. */
const MOST_PROJECTIONS = 100
const projections = new WeakMap<ResourceType, Map<string, Projection>>()

/** The projection for these names, from the cache where it is there. @throws {ScimError} as `parseProjection` */
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

/** What follows from a projection alone, computed once. */
interface Facts {
  readonly wanted: Wanted
  /** `all`: nothing is left out. `document`: nothing but computed attributes, which the stored text does not hold. */
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

/** A row with the computed attributes that a projection leaves. The row of a write has them all. */
function shownOf(row: ResourceRow<JsonText>, projection: Projection): ResourceRow<JsonText> {
  const { whole, wanted } = factsOf(projection)
  const members = row.members ?? (wanted.members && projection.type.name === 'Group' ? NO_MEMBERS : null)
  if (whole === 'all') return members === row.members ? row : { ...row, members }
  return { ...row, groups: wanted.groups ? row.groups : null, members: wanted.members ? members : null }
}

/** As `derivedIn`, of what the answer to a request shows. */
export const derivedShown = (row: ResourceRow<JsonText>, projection: Projection): number | undefined =>
  derivedIn(shownOf(row, projection))

/** Renders resources for an answer: the stored text itself where nothing of it is left out, else its projection. */
export function projectedRendererOf(type: ResourceType, projection: Projection, baseUrl: string): Renderer {
  const { whole, wanted } = factsOf(projection)
  const render = rendererOf(type, baseUrl)
  if (whole !== undefined)
    return (row, derived = derivedShown(row, projection)) => render(shownOf(row, projection), derived)
  return (row, derived = derivedShown(row, projection)) => {
    const shown = projectResource(representation(shownOf(row, projection), type, baseUrl, derived), projection)
    const { members } = row
    return wanted.members && goesOn(members)
      ? projectedLargeGroup(row, members, shown, projection)
      : [JSON.stringify(shown)]
  }
}

/** The same for a group of which members are still to be read. */
function projectedLargeGroup(
  row: ResourceRow<JsonText>,
  inRow: JsonText,
  { members = [], ...others }: Resource,
  projection: Projection,
): Part[] {
  const shown = (elements: string): string => {
    const some = projectResource({ members: JSON.parse(`[${elements}]`) as JsonValue }, projection)
    return JSON.stringify(some.members ?? []).slice(1, -1)
  }
  const before = `${JSON.stringify(others).slice(0, -1)},"members":${JSON.stringify(members).slice(0, -1)}`
  return [before, new Remaining(largeGroup(row, inRow), shown), ']}']
}

/** A response with one resource, its version and its URL (RFC 7644 §3.1, §3.14). */
export function resource(
  request: ScimRequest,
  row: ResourceRow<JsonText>,
  type: ResourceType,
  projection: Projection,
  status: 200 | 201 = 200,
): Response {
  const { tenant } = request
  const location = locationOf(type, row.id, tenant.baseUrl)
  const isRead = request.method === 'GET'
  if (status === 200 && !isRead && projection.kind === 'default' && prefersMinimal(request))
    return noContent(request, row.version, true)
  const derived = derivedShown(row, projection)
  const known = { 'Content-Type': request.answerType, ETag: formatVersion(row.version, derived) }
  const located = { ...known, Location: location }
  const headers = status === 201 ? located : { ...located, 'Content-Location': location }
  const parts = projectedRendererOf(type, projection, tenant.baseUrl)(row, derived)
  return reply(request, isWhole(parts) ? joined(parts) : bitByBit(request, parts, isRead), status, headers)
}

/** 204 with the new version. */
export const noContent = (request: ScimRequest, version: number, preferred = false): Response =>
  reply(request, null, 204, {
    ETag: formatVersion(version),
    ...(preferred ? { 'Preference-Applied': 'return=minimal' } : {}),
  })

/** Whether the client prefers an answer without a body (RFC 7240 §4.2). */
export const prefersMinimal = (request: ScimRequest): boolean =>
  (request.header('prefer') ?? '').split(',').some((preference) => preference.trim().toLowerCase() === 'return=minimal')

/**
 * The projection of a write's answer. It has an attribute with `returned: request` where the write named it (RFC 7643 §7).
 *
 * @param names gives attribute paths in the client's spelling; most projections are the same for all of them
 */
export const projectionAfterWrite = (projection: Projection, names: () => readonly string[]): Projection =>
  factsOf(projection).whole === 'all' ? projection : afterWrite(projection, names())

/** Names of the attributes in a POST or PUT body, those of extensions with their URN. */
export function namesIn(body: JsonValue): string[] {
  if (!isObject(body)) return []
  return Object.entries(body).flatMap(([name, value]) =>
    name.toLowerCase().startsWith('urn:') && isObject(value)
      ? Object.keys(value).map((part) => `${name}:${part}`)
      : [name],
  )
}

/** The same for PATCH operations: the names in their paths, or in their values where there is no path. */
export function namesInOperations(type: ResourceType, operations: readonly PatchOperation[]): string[] {
  return operations.flatMap(({ path, value }) => {
    if (path === undefined) return namesIn(value ?? null)
    const name = formatPath(path.attribute)
    const isExtension = type.extensionsByUrn.has(name.toLowerCase())
    return isExtension && isObject(value) ? Object.keys(value).map((part) => `${name}:${part}`) : [name]
  })
}
