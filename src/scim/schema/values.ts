import { parseDateTime, toComparable } from '../comparable.ts'
import { readBareReference, readStringBoolean } from '../deviations/entra-id.ts'
import type { Deviations } from '../deviations/index.ts'
import { readTextInteger } from '../deviations/text-integer.ts'
import { ScimError } from '../errors.ts'
import { isObject, isUnassigned, type JsonObject, type JsonValue, member } from '../resource.ts'
import type { Attribute } from './attribute.ts'
import { groupSchema } from './builtin.ts'

/** What a value may be, made once per request by `bodyRules` or `patchRules`. */
export interface ValueRules {
  readonly deviations: Deviations
  readonly unknownNames: 'ignored' | 'refused'
  /** One object stands for a list of one. */
  readonly singleObject: boolean
  /** The empty text stands for no value, save where one is required. */
  readonly emptyTextClears: boolean
}

/** Rules for the bodies of POST and PUT. */
export const bodyRules = (deviations: Deviations): ValueRules => ({
  deviations,
  unknownNames:
    deviations.has('unknown-attributes-ignored') || deviations.has('unknown-attributes-ignored-in-bodies')
      ? 'ignored'
      : 'refused',
  singleObject: deviations.has('single-object-list-in-bodies'),
  emptyTextClears: false,
})

/** Rules for the values of PATCH operations. */
export const patchRules = (deviations: Deviations): ValueRules => ({
  deviations,
  unknownNames: deviations.has('unknown-attributes-ignored') ? 'ignored' : 'refused',
  singleObject: deviations.has('single-object-list'),
  emptyTextClears: deviations.has('empty-string-clears'),
})

/** How many values a multi-valued attribute may hold in one resource; members are stored apart and are not bounded. */
export const MAX_VALUES = 1_000

/** True for values that stand for other resources, such as members: they are told apart by `value` alone (G-04, PAT-13). */
export const holdsReferences = (attribute: Attribute): boolean =>
  attribute.multiValued && subAttributesOf(attribute).get('value')?.mutability === 'immutable'

/**
 * The whole value of `attribute` in the schema's spelling, checked by type (RFC 7643 §2.3; ); undefined where it
 * is unassigned. Read-only sub-attributes are dropped; missing required ones are not noticed here.
 *
 * @param where the attribute in the client's words, for messages
 * @throws {ScimError} invalidValue; invalidSyntax for sub-attributes that the schema lacks
 */
export function checkValue(
  attribute: Attribute,
  value: JsonValue,
  where: string,
  rules: ValueRules,
): JsonValue | undefined {
  return attribute.multiValued ? checkList(attribute, value, where, rules) : checkOne(attribute, value, where, rules)
}

/** Like `checkValue` for one value of the attribute: an element where it is multi-valued. */
export function checkOne(
  attribute: Attribute,
  value: JsonValue,
  where: string,
  rules: ValueRules,
): JsonValue | undefined {
  if (value === null) return undefined
  return attribute.type === 'complex'
    ? checkComplex(attribute, value, where, rules)
    : checkSimple(attribute, value, where, rules)
}

function checkList(attribute: Attribute, value: JsonValue, where: string, rules: ValueRules): JsonValue[] | undefined {
  if (value === null) return undefined
  const list = rules.singleObject && isObject(value) ? [value] : value
  if (!Array.isArray(list))
    throw ScimError.invalidValue(isObject(value) ? 'object-for-list' : 'wrong-type', `${where} must be an array`)
  const elements: JsonValue[] = []
  for (const [index, each] of list.entries()) {
    const place = `${where}[${index}]`
    if (each === null) throw ScimError.invalidValue('wrong-type', `${place} must not be null`)
    const element = checkOne(attribute, each, place, rules)
    if (element !== undefined) elements.push(element)
    // An empty member names no resource. If it were dropped, a remove of it would look like a remove without value.
    else if (holdsReferences(attribute)) throw ScimError.invalidValue('required-missing', `${place}.value is required`)
  }
  const distinct = withoutRepeats(attribute, elements)
  checkListSize(attribute, distinct, where)
  if (distinct.filter(isPrimary).length > 1) {
    throw ScimError.invalidValue('primary-repeated', `${where} has more than one value with primary true`)
  }
  return distinct.length === 0 ? undefined : distinct
}

const storedApart = groupSchema.attributes.find((attribute) => attribute.name === 'members')

/** @throws {ScimError} invalidValue when a multi-valued attribute would hold too many values */
export function checkListSize(attribute: Attribute, list: readonly JsonValue[], where: string): void {
  if (list.length > MAX_VALUES && attribute !== storedApart) {
    throw ScimError.invalidValue('values-too-many', `${where} holds more than ${MAX_VALUES} values`)
  }
}

/** True for an element that is marked primary (RFC 7643 §2.4). */
export const isPrimary = (element: JsonValue): boolean => isObject(element) && element.primary === true

function checkComplex(
  attribute: Attribute,
  value: JsonValue,
  where: string,
  rules: ValueRules,
): JsonObject | undefined {
  const given = rules.deviations.has('bare-reference') ? readBareReference(attribute, value) : value
  if (given === null) return undefined
  if (!isObject(given)) throw notAnObject(attribute, given, where)
  const result: JsonObject = {}
  for (const name of Object.keys(given)) {
    const sub = findSubAttribute(attribute, name, where, rules)
    if (sub === undefined || sub.mutability === 'readOnly') continue
    const part = checkValue(sub, given[name] ?? null, `${where}.${sub.name}`, rules)
    if (part !== undefined) result[sub.name] = part
  }
  checkParts(attribute, result, where, rules)
  return isUnassigned(result) ? undefined : result
}

/** The refusal of what should be an object: a text where another mode would read a reference, or any other value. */
export const notAnObject = (attribute: Attribute, given: JsonValue, where: string): ScimError =>
  ScimError.invalidValue(
    readBareReference(attribute, given) === given ? 'wrong-type' : 'text-for-object',
    `${where} must be an object`,
  )

/**
 * The sub-attribute that a client calls `name`; undefined for one that is unknown and ignored.
 *
 * @throws {ScimError} invalidSyntax for an unknown one under rules that refuse it
 */
export function findSubAttribute(
  attribute: Attribute,
  name: string,
  where: string,
  rules: ValueRules,
): Attribute | undefined {
  const sub = subAttributesOf(attribute).get(name.toLowerCase())
  if (sub === undefined && rules.unknownNames === 'refused') {
    throw ScimError.invalidSyntax('attribute-unknown', `${where} has no sub-attribute "${name}"`)
  }
  return sub
}

/**
 * Checks what a sub-attribute's definition does not say: the country of an address (U-11).
 *
 * @throws {ScimError} invalidValue
 */
export function checkParts(attribute: Attribute, value: JsonObject, where: string, rules: ValueRules): void {
  if (attribute.name !== 'addresses' || rules.deviations.has('country-names')) return
  const country = member(value, 'country')
  if (typeof country === 'string' && !/^[A-Za-z]{2}$/.test(country)) {
    throw ScimError.invalidValue('value-not-allowed', `${where}.country must be a two-letter code of ISO 3166-1`)
  }
}

function checkSimple(attribute: Attribute, value: JsonValue, where: string, rules: ValueRules): JsonValue | undefined {
  if (value === '' && rules.emptyTextClears && !attribute.required && isText(attribute)) return undefined
  switch (attribute.type) {
    case 'boolean': {
      const read = rules.deviations.has('string-booleans') ? readStringBoolean(value) : value
      if (typeof read === 'boolean') return read
      const isText = typeof readStringBoolean(value) === 'boolean'
      throw ScimError.invalidValue(isText ? 'boolean-as-text' : 'wrong-type', `${where} must be true or false`)
    }
    case 'integer':
      return checkInteger(value, where, rules)
    case 'decimal':
      if (!Number.isFinite(value)) throw ScimError.invalidValue('wrong-type', `${where} must be a number`)
      return value
    default:
      if (typeof value !== 'string') throw ScimError.invalidValue('wrong-type', `${where} must be a string`)
      checkText(attribute, value, where, rules)
      return value
  }
}

function checkInteger(value: JsonValue, where: string, rules: ValueRules): JsonValue {
  const read = rules.deviations.has('integers-as-text') ? readTextInteger(value) : value
  // A double cannot hold every larger integer, so it would come back changed.
  if (Number.isSafeInteger(read)) return read
  const isText = read === value && readTextInteger(value) !== value
  throw ScimError.invalidValue(isText ? 'integer-as-text' : 'wrong-type', `${where} must be an integer`)
}

const isText = (attribute: Attribute): boolean =>
  attribute.type === 'string' ||
  attribute.type === 'reference' ||
  attribute.type === 'dateTime' ||
  attribute.type === 'binary'

// The characters of RFC 3986, and letters beyond ASCII, which RFC 3987 adds and clients send unescaped.
const URI_REFERENCE = /^[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=%\u{A0}-\u{10FFFF}]*$/u
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

function checkText(attribute: Attribute, text: string, where: string, rules: ValueRules): void {
  if (attribute.required && text.trim() === '')
    throw ScimError.invalidValue('required-missing', `${where} must not be empty`)
  if (attribute.type === 'dateTime' && parseDateTime(text) === undefined) {
    throw ScimError.invalidValue('value-malformed', `${where} must be a date and time such as 2026-11-22T08:30:00Z`)
  }
  if (attribute.type === 'binary' && !isBase64(text))
    throw ScimError.invalidValue('value-malformed', `${where} must be base64`)
  if (attribute.type === 'reference' && !rules.deviations.has('free-text-references') && !URI_REFERENCE.test(text)) {
    throw ScimError.invalidValue('value-malformed', `${where} must be a URI or a relative reference`)
  }
  if (attribute.canonicalValues.length > 0 && !rules.deviations.has('other-canonical-values')) {
    const wanted = toComparable(attribute, text)
    if (!attribute.canonicalValues.some((canonical) => toComparable(attribute, canonical) === wanted)) {
      throw ScimError.invalidValue(
        'value-not-allowed',
        `${where} must be one of ${attribute.canonicalValues.join(', ')}`,
      )
    }
  }
}

/** Padding may be left out (RFC 7643 §2.3.6), but is whole where it stands. */
const isBase64 = (text: string): boolean =>
  BASE64.test(text) && (text.endsWith('=') ? text.length % 4 === 0 : text.length % 4 !== 1)

/** Each (type, value) pair once (RFC 7643 §2.4, U-13); what a repeat says beyond that is added to the first. */
function withoutRepeats(attribute: Attribute, elements: readonly JsonValue[]): JsonValue[] {
  if (elements.length < 2) return [...elements]
  const kept: JsonValue[] = []
  const places = new Map<string, number>()
  for (const element of elements) {
    const key = pairKey(attribute, element)
    const place = key === undefined ? undefined : places.get(key)
    const first = place === undefined ? undefined : kept[place]
    if (place === undefined || first === undefined) {
      if (key !== undefined) places.set(key, kept.length)
      kept.push(element)
    } else if (isObject(first) && isObject(element)) kept[place] = { ...first, ...element }
  }
  return kept
}

/** The (type, value) pair by which two values of a multi-valued attribute are the same; undefined without a `value`. */
export function pairKey(attribute: Attribute, element: JsonValue): string | undefined {
  const value = valueKey(attribute, element)
  const type = subAttributesOf(attribute).get('type')
  if (value === undefined || type === undefined || !isObject(element) || holdsReferences(attribute)) return value
  return `${value}\u0000${toComparable(type, element.type ?? null) ?? ''}`
}

/** The comparable form of an element's `value`, or of a simple element itself, as a key. */
export function valueKey(attribute: Attribute, element: JsonValue): string | undefined {
  if (!isObject(element)) return String(toComparable(attribute, element))
  const value = subAttributesOf(attribute).get('value')
  const key = value === undefined ? undefined : toComparable(value, element.value ?? null)
  return key === undefined ? undefined : String(key)
}

/** True when two values are the same JSON, in any order of object members. */
export function sameValue(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  if (a === b) return true
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((element, index) => sameValue(element, b[index]))
  }
  if (!isObject(a) || !isObject(b)) return false
  const names = Object.keys(a)
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && sameValue(a[name], b[name]))
  )
}

const subAttributes = new WeakMap<Attribute, ReadonlyMap<string, Attribute>>()

/** Sub-attributes by lower-cased name, made once per definition: this is asked for every value of every write. */
export function subAttributesOf(attribute: Attribute): ReadonlyMap<string, Attribute> {
  let byName = subAttributes.get(attribute)
  if (byName === undefined) {
    byName = new Map(attribute.subAttributes.map((sub) => [sub.name.toLowerCase(), sub]))
    subAttributes.set(attribute, byName)
  }
  return byName
}
