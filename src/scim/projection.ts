import { ScimError } from './errors.ts'
import { resolveAttribute } from './filter/bind.ts'
import { parseAttributePath } from './filter/parse.ts'
import { isObject, isUnassigned, type JsonObject, type JsonValue, type Resource } from './resource.ts'
import type { Attribute } from './schema/attribute.ts'
import type { AttributeRef, ResourceType } from './schema/resource-type.ts'
import { USER_SCHEMA } from './urn.ts'

/** What is sent of one attribute: all of it, nothing, or these sub-attributes (by name as in the schema). */
type Share = 'whole' | 'nothing' | ReadonlySet<string>

/** Which attributes of one resource type an answer carries (RFC 7644 §3.9). Made by `parseProjection`. */
export interface Projection {
  readonly type: ResourceType
  readonly kind: 'default' | 'attributes' | 'excludedAttributes'
  readonly named: Named
  /** By attribute name as in the schema: common and core attributes. */
  readonly core: ReadonlyMap<string, Share>
  /** Per extension, by URN as declared. */
  readonly extensions: ReadonlyMap<string, ReadonlyMap<string, Share>>
}

/** What a client named: attributes and sub-attributes by identity, so that no spelling is compared twice. */
interface Named {
  readonly attributes: ReadonlySet<Attribute>
  readonly subAttributes: ReadonlySet<Attribute>
}

/**
 * Resolves `attributes` or `excludedAttributes` against a resource type; with neither, the default set (RFC 7644 §3.9).
 *
 * Names may be qualified, in any case, with a sub-attribute, or an extension's URN alone; unknown ones are ignored (J-06).
 * A list without any name is no list: `?attributes=` asks for nothing special.
 *
 * @throws {ScimError} invalidValue when both are given: they are mutually exclusive
 */
export function parseProjection(
  request: { readonly attributes?: readonly string[]; readonly excludedAttributes?: readonly string[] },
  type: ResourceType,
): Projection {
  const attributes = namesOf(request.attributes)
  const excludedAttributes = namesOf(request.excludedAttributes)
  if (attributes.length > 0 && excludedAttributes.length > 0)
    throw ScimError.invalidValue(
      'parameter-wrong',
      'attributes and excludedAttributes exclude each other; send one of them',
    )
  if (attributes.length > 0) return project(type, 'attributes', resolve(type, attributes))
  if (excludedAttributes.length > 0) return project(type, 'excludedAttributes', resolve(type, excludedAttributes))
  return project(type, 'default', NOTHING_NAMED)
}

/**
 * The projection for the answer to a write: an attribute with `returned` request is also sent when the write named it
 * (RFC 7643 §7), unless the client chose its own set with `attributes`.
 *
 * @param written names as they could stand in `attributes`: `badge`, `name.givenName`, `urn:…:User:costCenter`
 */
export function afterWrite(projection: Projection, written: readonly string[]): Projection {
  if (projection.kind === 'attributes') return projection
  return project(projection.type, projection.kind, projection.named, resolve(projection.type, written))
}

/**
 * Whether the stored text holds exactly what is to be sent, so that it need not be parsed: nothing is left out, and nothing
 * is kept in the document that is sent only on request or never. A user's password has a column of its own.
 *
 * @param computed an attribute that is not in the text, so that it may be left out
 */
export function isDefault(projection: Projection, computed?: string): boolean {
  const hashed = projection.type.schema.id === USER_SCHEMA ? 'password' : undefined
  for (const [name, share] of projection.core) {
    if (share !== 'whole' && name !== hashed && !(share === 'nothing' && name === computed)) return false
  }
  for (const extension of projection.extensions.values())
    for (const share of extension.values()) if (share !== 'whole') return false
  return true
}

/** Whether any part of the attribute `name` (a path as in `attributes`) is sent; what is not need not be read. */
export function wants(projection: Projection, name: string): boolean {
  const ref = reference(projection.type, name)
  if (!ref) return false
  const shares = ref.extension === undefined ? projection.core : projection.extensions.get(ref.extension)
  const share = shares?.get(ref.attribute.name) ?? 'nothing'
  if (share === 'whole' || share === 'nothing' || !ref.sub) return share !== 'nothing'
  return share.has(ref.sub.name)
}

/**
 * The part of `resource` to send, as a new object; `resource` is in the schema's spelling, with everything assigned.
 * `schemas` names the base schema and each extension of which data is sent (J-08).
 */
export function projectResource(resource: Resource, projection: Projection): Resource {
  const sent = select(resource, projection.core)
  const { schema, also } = projection.type
  const schemas = also === undefined ? [schema.id] : [schema.id, also.id]
  for (const [urn, shares] of projection.extensions) {
    const data = Object.hasOwn(resource, urn) ? resource[urn] : undefined
    const selected = isObject(data) ? select(data, shares) : {}
    if (isUnassigned(selected)) continue
    sent[urn] = selected
    schemas.push(urn)
  }
  return { ...sent, schemas }
}

const NOTHING_NAMED: Named = { attributes: new Set(), subAttributes: new Set() }

const namesOf = (list: readonly string[] | undefined): readonly string[] =>
  (list ?? []).map((name) => name.trim()).filter((name) => name !== '')

function resolve(type: ResourceType, names: readonly string[]): Named {
  const attributes = new Set<Attribute>()
  const subAttributes = new Set<Attribute>()
  for (const name of names) {
    // The URN comes first: its last part would otherwise be read as the name of an attribute.
    const extension = type.extensionsByUrn.get(name.trim().toLowerCase())
    for (const attribute of extension?.attributes.values() ?? []) attributes.add(attribute)
    const ref = extension ? undefined : reference(type, name)
    if (ref?.sub) subAttributes.add(ref.sub)
    else if (ref) attributes.add(ref.attribute)
  }
  return { attributes, subAttributes }
}

function reference(type: ResourceType, name: string): AttributeRef | undefined {
  const path = parseAttributePath(name.trim())
  return path && resolveAttribute(type, path)
}

function project(
  type: ResourceType,
  kind: Projection['kind'],
  named: Named,
  written: Named = NOTHING_NAMED,
): Projection {
  const shares = (attributes: ReadonlyMap<string, Attribute>): ReadonlyMap<string, Share> =>
    new Map([...attributes.values()].map((attribute) => [attribute.name, shareOf(attribute, kind, named, written)]))
  return {
    type,
    kind,
    named,
    core: shares(type.core),
    extensions: new Map([...type.extensionsByUrn.values()].map(({ urn, attributes }) => [urn, shares(attributes)])),
  }
}

function shareOf(attribute: Attribute, kind: Projection['kind'], named: Named, written: Named): Share {
  if (isNever(attribute)) return 'nothing'
  const isNamed = named.attributes.has(attribute)
  const isAlways = attribute.returned === 'always'
  const isInSet = {
    default: attribute.returned !== 'request' || touches(written, attribute),
    attributes: isNamed,
    excludedAttributes: !isNamed && (attribute.returned !== 'request' || touches(written, attribute)),
  }[kind]
  if (attribute.subAttributes.length === 0) return isAlways || isInSet ? 'whole' : 'nothing'

  const subs = attribute.subAttributes.filter((sub) => {
    if (isNever(sub)) return false
    if (sub.returned === 'always') return true
    const isSubNamed = named.subAttributes.has(sub)
    if (kind === 'excludedAttributes' && isSubNamed) return false
    if (kind === 'attributes' && isSubNamed) return true
    if (!isAlways && !isInSet) return false
    return sub.returned !== 'request' || written.subAttributes.has(sub) || written.attributes.has(attribute)
  })
  if (subs.length === 0) return 'nothing'
  if (subs.length === attribute.subAttributes.length) return 'whole'
  return new Set(subs.map((sub) => sub.name))
}

/** True of every write-only attribute too: `defineSchema` takes no other (RFC 7643 §7). */
const isNever = (attribute: Attribute) => attribute.returned === 'never'

const touches = (written: Named, attribute: Attribute) =>
  written.attributes.has(attribute) || attribute.subAttributes.some((sub) => written.subAttributes.has(sub))

function select(object: JsonObject, shares: ReadonlyMap<string, Share>): JsonObject {
  const selected: JsonObject = {}
  for (const [name, value] of Object.entries(object)) {
    const share = shares.get(name) ?? 'nothing'
    const part = share === 'whole' ? value : share === 'nothing' ? null : partOf(value, share)
    if (!isUnassigned(part)) selected[name] = part
  }
  return selected
}

function partOf(value: JsonValue, subs: ReadonlySet<string>): JsonValue {
  if (Array.isArray(value)) return value.map((each) => partOf(each, subs)).filter((each) => !isUnassigned(each))
  if (!isObject(value)) return null
  return Object.fromEntries(Object.entries(value).filter(([name]) => subs.has(name)))
}
