import { fold } from '../../scim/comparable.ts'
import { ScimError } from '../../scim/errors.ts'
import type { JsonObject, JsonValue, Resource } from '../../scim/resource.ts'
import { isObject, member } from '../../scim/resource.ts'
import type { Attribute } from '../../scim/schema/attribute.ts'
import type { ResourceType } from '../../scim/schema/resource-type.ts'
import { searchDocument } from '../../scim/search-document.ts'
import { ENTERPRISE_USER_SCHEMA } from '../../scim/urn.ts'
import type { TenantContext } from '../../tenancy/tenant.ts'
import { isOurId } from '../sql/ids.ts'

/** A resource as its rows have it; see the columns of `resources` and `search_documents` in db/schema. */
export interface StoredForm {
  readonly externalId: string | null
  readonly uniqueKey: string | null
  readonly displayKey: string | null
  readonly label: string | null
  readonly active: boolean | null
  readonly managerId: string | null
  readonly document: string
  readonly search: string
  readonly keys: readonly ResourceKey[]
  /** The columns as JSON text, where it is made before the statement is; see `withColumns`. */
  readonly columns?: string
}

/** A row of `resource_keys`. */
export interface ResourceKey {
  readonly attribute: string
  readonly key: string
}

/** Attributes with a column or rows of their own; document and search document are without them. */
const apartFromDocument: Record<string, readonly string[]> = {
  User: ['id', 'meta', 'active', 'password', 'groups'],
  Group: ['id', 'meta', 'members'],
}
const apartFromOthers = ['id', 'meta']
const columnsOfSearch = ['userName', 'displayName', 'externalId']

/** The column that has the attribute `name` of this type in the form of a key; undefined where there is none. */
export function keyColumn(type: ResourceType, name: string): 'unique_key' | 'display_key' | 'external_id' | undefined {
  if (name === 'externalId') return 'external_id'
  if (name === 'userName' && type.name === 'User') return 'unique_key'
  const attribute = name === 'displayName' ? type.core.get('displayname') : undefined
  const foldable = attribute?.type === 'string' && !attribute.multiValued && !attribute.caseExact
  return foldable ? 'display_key' : undefined
}

/** Longer values do not fit into a btree index entry, which has 2,704 bytes for the tenant, the type and the value. */
const MAX_KEY_BYTES = 2_000

function indexable(path: string, value: string): string {
  if (Buffer.byteLength(value) <= MAX_KEY_BYTES) return value
  throw ScimError.invalidValue(
    'value-too-long',
    `${path} is longer than the ${MAX_KEY_BYTES} bytes by which a resource can be found.`,
  )
}

/**
 * Splits a resource into the columns of its row. The caller stores `password` and `members`.
 *
 * @throws {ScimError} invalidValue for an indexed value that is too long
 */
export function storedForm(type: ResourceType, resource: Resource, tenant: TenantContext): StoredForm {
  const apart = apartFromDocument[type.name] ?? apartFromOthers
  const document = without(resource, apart)
  const searched = without(
    document,
    columnsOfSearch.filter((name) => keyColumn(type, name)),
  )
  const externalId = text(resource, 'externalId')
  return {
    externalId: externalId ? indexable('externalId', externalId) : null,
    uniqueKey: uniqueKey(type, resource, tenant),
    displayKey: displayKey(type, resource),
    label: text(resource, 'displayName') || text(resource, 'userName'),
    active: type.name === 'User' ? (typeof resource.active === 'boolean' ? resource.active : null) : null,
    managerId: managerId(resource),
    document: JSON.stringify(document),
    search: JSON.stringify({ [tenant.id]: searchDocument(type, searched) }),
    keys: resourceKeys(type, resource),
  }
}

/** The same with its columns as text, for one statement about many: to make the texts of all in one go holds up the thread. */
export const withColumns = (type: ResourceType, stored: StoredForm): StoredForm => ({
  ...stored,
  columns: columnsText(type, stored),
})

/** The columns as members of a JSON object, without its braces. The search document is JSON already. */
export const columnsText = ({ name }: ResourceType, stored: StoredForm): string => {
  const texts = {
    resource_type: name,
    external_id: stored.externalId,
    unique_key: stored.uniqueKey,
    display_key: stored.displayKey,
    label: stored.label,
    active: stored.active,
    manager_id: stored.managerId,
    document: stored.document,
  }
  return `${JSON.stringify(texts).slice(1, -1)},"search":${stored.search}`
}

/** The resource of a stored row, without computed attributes (`meta`, `groups`, `members`). */
export function resourceFrom(row: { id: string; active: boolean | null; document: string }): Resource {
  const resource = JSON.parse(row.document) as Resource
  return { ...resource, id: row.id, ...(row.active === null ? {} : { active: row.active }) }
}

function without(object: JsonObject, names: readonly string[]): JsonObject {
  const result: JsonObject = {}
  for (const name of Object.keys(object)) if (!names.includes(name)) result[name] = object[name] as JsonValue
  return result
}

function text(object: JsonValue | undefined, name: string): string | null {
  const value = isObject(object) ? member(object, name) : undefined
  return typeof value === 'string' ? value : null
}

/** An empty text counts as no value (our reading of RFC 7643 §2.5): it is neither found nor sorted. */
function displayKey(type: ResourceType, resource: Resource): string | null {
  const displayName = text(resource, 'displayName')
  return displayName && keyColumn(type, 'displayName') ? indexable('displayName', fold(displayName)) : null
}

/** The folded name that must be unique within the type and tenant; null where there is none. */
export function uniqueKey(type: ResourceType, resource: Resource, tenant: TenantContext): string | null {
  if (type.name === 'User') return indexable('userName', fold(text(resource, 'userName') ?? ''))
  if (type.name === 'Group' && tenant.settings.uniqueGroupNames) return displayKey(type, resource)
  return null
}

function managerId(resource: Resource): string | null {
  const enterprise = member(resource, ENTERPRISE_USER_SCHEMA)
  const value = isObject(enterprise) ? text(member(enterprise, 'manager'), 'value') : null
  return value !== null && isOurId(value) ? value : null
}

/** The rows of `resource_keys` that a resource has. @throws {ScimError} invalidValue for a value that is too long */
export function resourceKeys(type: ResourceType, resource: Resource): ResourceKey[] {
  const keys = new Map<string, ResourceKey>()
  for (const { path: attribute, names, caseExact } of uniqueAttributes(type))
    for (const value of valuesAt(resource, names)) {
      if (typeof value !== 'string' && typeof value !== 'number') continue
      const key = indexable(attribute, caseExact ? String(value) : fold(String(value)))
      keys.set(`${attribute}\n${key}`, { attribute, key })
    }
  return [...keys.values()]
}

/** The values at the path `names`; of a multi-valued attribute on that path, each value counts. */
function valuesAt(value: JsonValue | undefined, [name, ...rest]: readonly string[]): (JsonValue | undefined)[] {
  const each = Array.isArray(value) ? value : [value]
  if (name === undefined) return each
  return each.flatMap((one) => (isObject(one) ? valuesAt(member(one, name), rest) : []))
}

/** An attribute that a schema declares unique: its path in standard notation, and as a list of names. */
export interface UniqueAttribute {
  readonly path: string
  readonly names: readonly string[]
  readonly caseExact: boolean
}

/** The attributes that schemas declare unique (RFC 7643 §7), without `id` and without userName, which has a column. */
export function uniqueAttributes(type: ResourceType): readonly UniqueAttribute[] {
  const known = uniqueByType.get(type)
  if (known) return known
  const found = [
    ...uniqueIn(type.schema.attributes, '', []).filter(({ path }) => keyColumn(type, path) !== 'unique_key'),
    ...type.extensions.flatMap(({ schema }) => uniqueIn(schema.attributes, `${schema.id}:`, [schema.id])),
  ]
  uniqueByType.set(type, found)
  return found
}
const uniqueByType = new WeakMap<ResourceType, readonly UniqueAttribute[]>()

function uniqueIn(attributes: readonly Attribute[], prefix: string, holder: readonly string[]): UniqueAttribute[] {
  return attributes.flatMap(({ name, type, uniqueness, caseExact, subAttributes }) => {
    const [path, names] = [prefix + name, [...holder, name]]
    if (type === 'complex') return uniqueIn(subAttributes, `${path}.`, names)
    return uniqueness === 'none' ? [] : [{ path, names, caseExact }]
  })
}
