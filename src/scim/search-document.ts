import { toComparable } from './comparable.ts'
import type { JsonObject, JsonValue, Resource } from './resource.ts'
import { isObject, isUnassigned, member } from './resource.ts'
import type { Attribute } from './schema/attribute.ts'
import type { ResourceType } from './schema/resource-type.ts'

/**
 * What filters and sorting see of a resource: its values in comparable form (see `Comparable`), nested and spelled as in the
 * schema, multi-valued attributes as arrays, extensions under their URN.
 *
 * `evaluate` and the SQL compiler both read this document, which is what makes them agree. It holds nothing that counts as no
 * value (RFC 7644 §3.4.2.2 on `pr`, checklist Q-18): no null, no empty string, array or object. It holds nothing that the
 * schema does not know or that is never returned. `resource` is expected in the schema's spelling.
 */
export function searchDocument(type: ResourceType, resource: Resource): JsonObject {
  const document = objectOf(type.core.values(), resource)
  for (const { urn, attributes } of type.extensionsByUrn.values()) {
    const value = member(resource, urn)
    const extension = isObject(value) ? objectOf(attributes.values(), value) : {}
    if (!isUnassigned(extension)) document[urn] = extension
  }
  return document
}

// Walks the schema and asks for its names, so no name that a client chose is ever followed.
function objectOf(attributes: Iterable<Attribute>, object: JsonObject): JsonObject {
  const result: JsonObject = {}
  for (const attribute of attributes) {
    if (attribute.returned === 'never') continue
    const value = member(object, attribute.name)
    const comparable = value === undefined ? undefined : assignedValue(attribute, value)
    if (comparable !== undefined) result[attribute.name] = comparable
  }
  return result
}

function assignedValue(attribute: Attribute, value: JsonValue): JsonValue | undefined {
  if (!attribute.multiValued) return searchElement(attribute, value)
  if (!Array.isArray(value)) return undefined
  const elements = value.map((element) => searchElement(attribute, element)).filter((element) => element !== undefined)
  return isUnassigned(elements) ? undefined : elements
}

/**
 * One value of `attribute` as it stands in a search document, for `evaluateElement`. Undefined when it holds nothing that
 * can be compared (an element `{}` for a complex attribute).
 */
export function searchElement(attribute: Attribute, value: JsonValue): JsonValue | undefined {
  if (attribute.type !== 'complex') return value === '' ? undefined : toComparable(attribute, value)
  const object = isObject(value) ? objectOf(attribute.subAttributes, value) : {}
  return isUnassigned(object) ? undefined : object
}
