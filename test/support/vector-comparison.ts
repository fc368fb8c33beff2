import { isObject, type JsonObject, type JsonValue } from '../../src/scim/resource.ts'

/** Sub-attributes that the service adds by itself. */
const ADDED: Readonly<Record<string, readonly string[]>> = {
  members: ['$ref', 'display', 'type'],
  groups: ['$ref', 'display', 'type'],
  manager: ['$ref', 'displayName'],
}

/**
 * A resource in a form in which equal ones are the same to the letter, by the rules at the head of the PATCH vectors:
 * without `meta` and `schemas`, values in order, nothing that is empty, null or `primary: false`, nothing that the service adds.
 */
export function canonical(resource: JsonObject): JsonValue {
  const { meta: _, schemas: __, ...attributes } = resource
  return canonicalValue(attributes)
}

function canonicalValue(value: JsonValue, ignored: readonly string[] = []): JsonValue {
  if (Array.isArray(value)) {
    const elements = value.map((element) => canonicalValue(element, ignored))
    return elements.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  }
  if (!isObject(value)) return value
  const members = Object.entries(value)
    .filter(([name, part]) => !ignored.includes(name) && part !== null && !(name === 'primary' && part === false))
    .map(([name, part]): [string, JsonValue] => [name, canonicalValue(part, ADDED[name])])
    .filter(([, part]) => typeof part !== 'object' || part === null || Object.keys(part).length > 0)
  return Object.fromEntries(members.sort(([a], [b]) => (a < b ? -1 : 1)))
}
