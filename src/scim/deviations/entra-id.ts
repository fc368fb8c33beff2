import { isObject, type JsonValue, memberIgnoringCase } from '../resource.ts'
import { type Attribute, subAttribute } from '../schema/attribute.ts'

/**
 * 'string-booleans': the default client writes booleans as text; Keycloak clients write them in lower case.
 *
 *     {"op": "Replace", "path": "active", "value": "False"}
 *     {"op": "replace", "path": "active", "value": false}
 *
 * Any other text stays what it is and is refused later: a leaver's deactivation must not be guessed at.
 */
export function readStringBoolean(value: JsonValue): JsonValue {
  if (typeof value !== 'string') return value
  const folded = value.toLowerCase()
  if (folded === 'true') return true
  return folded === 'false' ? false : value
}

/**
 * 'bare-reference': the manager's id as text; the empty text, plain or as `value`, takes the manager away.
 *
 *     {"op": "Add", "path": "urn:…:enterprise:2.0:User:manager", "value": "9f4c"}
 *     {"op": "add", "path": "urn:…:enterprise:2.0:User:manager", "value": {"value": "9f4c"}}
 *
 *     {"op": "Replace", "path": "urn:…:enterprise:2.0:User:manager", "value": {"value": ""}}
 *     {"op": "remove", "path": "urn:…:enterprise:2.0:User:manager"}
 *
 * Only for singular complex attributes that have a `value`. Anything else comes back as it was.
 */
export function readBareReference(attribute: Attribute, value: JsonValue): JsonValue {
  if (attribute.multiValued || subAttribute(attribute, 'value') === undefined) return value
  if (typeof value === 'string') return value === '' ? null : { value }
  return isObject(value) && memberIgnoringCase(value, 'value') === '' ? null : value
}
