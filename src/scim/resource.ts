/** A JSON value as it came over the wire or as it is stored. */
export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject

/** A JSON object. Read members with `Object.hasOwn` or `member`: a client chooses the names. */
export interface JsonObject {
  [name: string]: JsonValue
}

/**
 * A resource's attributes in the schema's spelling, extension attributes under the extension's URN (RFC 7643 §3.3).
 * Only assigned attributes are there: no `null`, no empty array, no empty object (RFC 7643 §2.5).
 */
export type Resource = JsonObject

export const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The own member of `object` with exactly this name; inherited ones such as `constructor` are no attributes. */
export const member = (object: JsonObject, name: string): JsonValue | undefined =>
  Object.hasOwn(object, name) ? object[name] : undefined

/** The own member whose name equals `name` without regard to case (RFC 7643 §2.1). */
export function memberIgnoringCase(object: JsonObject, name: string): JsonValue | undefined {
  if (Object.hasOwn(object, name)) return object[name]
  const wanted = name.toLowerCase()
  const found = Object.keys(object).find((key) => key.toLowerCase() === wanted)
  return found === undefined ? undefined : object[found]
}

/** True for what RFC 7643 §2.5 calls unassigned: absent, `null`, an empty array; and (ours) an empty object. */
export function isUnassigned(value: JsonValue | undefined): boolean {
  if (value === undefined || value === null) return true
  if (Array.isArray(value)) return value.length === 0
  return typeof value === 'object' && Object.keys(value).length === 0
}
