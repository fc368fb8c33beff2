import { ScimError } from '../errors.ts'
import { isObject, type JsonObject, type JsonValue, memberIgnoringCase } from '../resource.ts'

/** Reading the members of a definition that an operator wrote: schemas, attributes and resource types (RFC 7643 §6, §7). */

/** The longest name or URN. */
export const MAX_NAME = 256
const MAX_TEXT = 2000
const MAX_LIST = 200
const LONE_SURROGATE = /\p{Cs}/u

/** A refusal of a definition: `path` is the place, such as `attributes[3].type`. */
export const refusal = (path: string, reason: string) =>
  ScimError.invalidValue('definition-wrong', `${path}: ${reason}`)

/** `value`, which has to be an object. @throws {ScimError} invalidValue, as all functions here */
export function objectAt(value: JsonValue, path: string): JsonObject {
  if (isObject(value)) return value
  throw refusal(path, 'must be a JSON object')
}

/** `value`, which has to be a list of at most `limit` entries; nothing stands for an empty one. */
export function listAt(value: JsonValue | undefined, path: string, limit: number): readonly JsonValue[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw refusal(path, 'must be a list')
  if (value.length > limit) throw refusal(path, `has ${value.length} entries, more than ${limit}`)
  return value
}

/** The text that the member `name` of `object`, in any case, has to be. */
export function text(object: JsonObject, name: string, path: string): string {
  const value = memberIgnoringCase(object, name)
  if (typeof value === 'string' && value !== '' && value.length <= MAX_NAME) return storable(value, path + name)
  throw refusal(path + name, `must be a string of 1 to ${MAX_NAME} characters`)
}

/** The same where the member may be missing; then it is empty. */
export function optionalText(object: JsonObject, name: string, path: string): string {
  const value = memberIgnoringCase(object, name) ?? ''
  if (typeof value === 'string' && value.length <= MAX_TEXT) return storable(value, path + name)
  throw refusal(path + name, `must be a string of at most ${MAX_TEXT} characters`)
}

/** The list of texts that the member `name` may be. */
export function texts(object: JsonObject, name: string, path: string): readonly string[] {
  const list = listAt(memberIgnoringCase(object, name), path + name, MAX_LIST)
  return Object.freeze(
    list.map((value, index) => {
      if (typeof value === 'string' && value !== '' && value.length <= MAX_TEXT)
        return storable(value, `${path}${name}[${index}]`)
      throw refusal(`${path}${name}[${index}]`, `must be a string of 1 to ${MAX_TEXT} characters`)
    }),
  )
}

/** The boolean that the member `name` may be; false where it is missing. */
export function flag(object: JsonObject, name: string, path: string): boolean {
  const value = memberIgnoringCase(object, name) ?? false
  if (typeof value === 'boolean') return value
  throw refusal(path + name, 'must be true or false')
}

/** Which of the words `allowed` the member `name` is; `otherwise` where it is missing. */
export function oneOf<T extends string>(
  object: JsonObject,
  name: string,
  path: string,
  allowed: readonly T[],
  otherwise: T,
): T {
  const value = memberIgnoringCase(object, name) ?? otherwise
  const found = allowed.find((each) => each === value)
  if (found === undefined) throw refusal(path + name, `must be one of ${allowed.join(', ')}`)
  return found
}

/** The store takes neither U+0000 nor halves of surrogate pairs. */
function storable(value: string, path: string): string {
  if (!value.includes('\0') && !LONE_SURROGATE.test(value)) return value
  throw refusal(path, 'has a character that cannot be stored: U+0000 or half of a surrogate pair')
}
