import { isOurId } from '../repositories/sql/ids.ts'
import type { Repositories } from '../repositories/tenant-scope.ts'
import { ScimError } from '../scim/errors.ts'
import { isObject, type JsonValue, member, type Resource } from '../scim/resource.ts'
import { type Attribute, subAttribute } from '../scim/schema/attribute.ts'
import { builtInSchemas } from '../scim/schema/builtin.ts'
import { targetTypes } from '../scim/schema/define.ts'
import type { ResourceType, SchemaRegistry } from '../scim/schema/resource-type.ts'
import type { TenantContext } from '../tenancy/tenant.ts'

/** A reference that a write adds. It has to lead to a resource of one of `types` (RFC 7643 §2.3.7, TEN-07). */
export interface Reference {
  /** Where it stands, such as `urn:…:Device:applications[0].value`. */
  readonly path: string
  readonly text: string
  readonly types: readonly string[]
  /** The id that the text names; undefined when no resource can have it. */
  readonly id: string | undefined
}

/**
 * The references in attributes of registered schemas that `after` has and `before` has not. A change is not refused for a
 * reference that it leaves alone, though its target may be gone. There are none where the tenant defers the check.
 *
 * A complex attribute with a `$ref` refers by the id in its `value`. An attribute of type reference refers by `Endpoint/id`,
 * `/Endpoint/id`, or the same below the tenant's base URL. References that may lead elsewhere are not checked.
 */
export function newReferences(
  tenant: TenantContext,
  type: ResourceType,
  after: Resource,
  before: Resource | undefined,
): readonly Reference[] {
  if (tenant.settings.deferReferenceChecks || placesIn(type).length === 0) return []
  const known = new Set(before ? found(type, before).map(({ place, text }) => keyOf(place, text)) : [])
  return found(type, after)
    .filter(({ place, text }) => !known.has(keyOf(place, text)))
    .map(({ place, text, path }) => ({ path, text, ...targetOf(place, text, tenant) }))
}

/**
 * Looks up the references of several resources at once, and gives the refusal of each resource, if any. A reference to another
 * tenant's resource is refused like one to a missing resource.
 *
 * @param created resource types by id of what the same request is about to create
 */
export async function referenceErrors(
  repositories: Repositories,
  lists: readonly (readonly Reference[])[],
  created: ReadonlyMap<string, string> = new Map(),
): Promise<(ScimError | undefined)[]> {
  const ids = new Set(lists.flat().flatMap(({ id }) => (id === undefined || created.has(id) ? [] : [id])))
  const stored = ids.size === 0 ? new Map<string, string>() : await repositories.resources.typesOf([...ids])
  const typeOf = (id: string) => created.get(id) ?? stored.get(id)
  return lists.map((list) => {
    const wrong = list.find(({ id, types }) => id === undefined || !types.includes(typeOf(id) ?? ''))
    if (wrong === undefined) return undefined
    const { path, text, types } = wrong
    return ScimError.invalidValue(
      'reference-unknown',
      `${path}: "${text.slice(0, 200)}" leads to no ${types.join(' or ')} of this tenant.`,
    )
  })
}

/** The same for one resource. @throws {ScimError} invalidValue */
export async function checkReferences(repositories: Repositories, references: readonly Reference[]): Promise<void> {
  const [error] = await referenceErrors(repositories, [references])
  if (error) throw error
}

/** An attribute, or a part of a complex one, that refers to resources. */
interface Place {
  readonly holder: string | undefined
  readonly attribute: Attribute
  readonly sub: Attribute | undefined
  /** The part beside which this one is not read: `$ref` counts only where `value` is missing. */
  readonly unless: string | undefined
  readonly by: 'id' | 'path'
  readonly types: readonly string[]
}

const places = new WeakMap<ResourceType, readonly Place[]>()
const isBuiltIn = (urn: string): boolean => builtInSchemas.some((schema) => schema.id === urn)

function placesIn(type: ResourceType): readonly Place[] {
  const known = places.get(type)
  if (known) return known
  const made = [
    ...(isBuiltIn(type.schema.id) ? [] : type.schema.attributes.flatMap((each) => placesOf(each, undefined))),
    ...type.extensions.flatMap(({ schema }) =>
      isBuiltIn(schema.id) ? [] : schema.attributes.flatMap((each) => placesOf(each, schema.id)),
    ),
  ]
  places.set(type, made)
  return made
}

function placesOf(attribute: Attribute, holder: string | undefined): Place[] {
  const at = { holder, attribute }
  const own = targetTypes(attribute)
  if (own) return [{ ...at, sub: undefined, unless: undefined, by: 'path', types: own }]
  const value = subAttribute(attribute, 'value')
  return attribute.subAttributes.flatMap((sub): Place[] => {
    const types = targetTypes(sub)
    if (types === undefined) return []
    if (sub.name.toLowerCase() !== '$ref' || value === undefined)
      return [{ ...at, sub, unless: undefined, by: 'path', types }]
    return [
      { ...at, sub: value, unless: undefined, by: 'id', types },
      { ...at, sub, unless: value.name, by: 'path', types },
    ]
  })
}

interface Found {
  readonly place: Place
  readonly text: string
  readonly path: string
}

function found(type: ResourceType, resource: Resource): Found[] {
  return placesIn(type).flatMap((place) => {
    const { holder, attribute, sub, unless } = place
    const parent = holder === undefined ? resource : member(resource, holder)
    const value = isObject(parent) ? (member(parent, attribute.name) ?? null) : null
    const base = `${holder === undefined ? '' : `${holder}:`}${attribute.name}`
    const elements = Array.isArray(value) ? value : [value]
    return elements.flatMap((element, index) => {
      if (unless !== undefined && textAt(element, unless) !== undefined) return []
      const path = `${base}${attribute.multiValued ? `[${index}]` : ''}${sub === undefined ? '' : `.${sub.name}`}`
      const text = sub === undefined ? element : textAt(element, sub.name)
      const texts = Array.isArray(text) ? text : [text]
      return texts.flatMap((one) => (typeof one === 'string' ? [{ place, text: one, path }] : []))
    })
  })
}

const textAt = (element: JsonValue, name: string): JsonValue | undefined =>
  isObject(element) ? member(element, name) : undefined

const keyOf = ({ holder, attribute, sub }: Place, text: string): string =>
  `${holder ?? ''}\n${attribute.name}\n${sub?.name ?? ''}\n${text}`

function targetOf(place: Place, text: string, tenant: TenantContext): Pick<Reference, 'types' | 'id'> {
  const { types } = place
  if (place.by === 'id') return { types, id: isOurId(text) ? text : undefined }
  const named = resourceAt(text, tenant.baseUrl, tenant.registry)
  return named && types.includes(named.type) ? { types: [named.type], id: named.id } : { types, id: undefined }
}

/** The resource that a relative reference, or one below `baseUrl`, names by its endpoint and id. */
function resourceAt(text: string, baseUrl: string, { byEndpoint }: SchemaRegistry) {
  const relative = text.startsWith(`${baseUrl}/`) ? text.slice(baseUrl.length + 1) : text.replace(/^\//, '')
  const [endpoint = '', id = '', ...more] = relative.split('/')
  const type = byEndpoint.get(endpoint)
  return type !== undefined && more.length === 0 && isOurId(id) ? { type: type.name, id } : undefined
}
