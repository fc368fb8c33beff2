import { toComparable } from '../comparable.ts'
import { ScimError } from '../errors.ts'
import { isObject, type JsonValue, member } from '../resource.ts'
import type { Attribute } from '../schema/attribute.ts'
import {
  checkListSize,
  holdsReferences,
  isPrimary,
  pairKey,
  sameValue,
  subAttributesOf,
  valueKey,
} from '../schema/values.ts'
import type { Effort } from './effort.ts'

/**
 * `elements` and after them those of `given` that are not there yet (PAT-11 to PAT-13). One with the (type, value) pair of an
 * element is added to that element (U-13). A new primary one takes the mark from the old one (PAT-27).
 *
 * @param given checked, at most one of them primary
 * @throws {ScimError} invalidValue when there would be too many, tooMany from `effort`
 */
export function appendElements(
  attribute: Attribute,
  elements: readonly JsonValue[],
  given: readonly JsonValue[],
  where: string,
  effort: Effort,
): JsonValue[] {
  const result = [...elements]
  const places = new Places(attribute, elements)
  const primary = new Set<number>()
  for (const element of given) {
    const candidates = places.of(element)
    effort.spend(candidates.length)
    if (candidates.some((place) => isNamedBy(attribute, element, result[place] ?? null))) continue
    const pair = pairKey(attribute, element)
    const same = pair && candidates.find((place) => pairKey(attribute, result[place] ?? null) === pair)
    const place = typeof same === 'number' ? same : result.length
    const old = result[place]
    result[place] = isObject(old) && isObject(element) ? { ...old, ...element } : element
    if (place !== same) places.add(element, place)
    if (isPrimary(element)) primary.add(place)
  }
  checkListSize(attribute, result, where)
  return keepOnePrimary(attribute, result, primary, where)
}

/** `elements` without those that one of `given` names (PAT-20). */
export function dropNamed(
  attribute: Attribute,
  elements: readonly JsonValue[],
  given: readonly JsonValue[],
  effort: Effort,
): JsonValue[] {
  const places = new Places(attribute, given)
  return elements.filter((element) => {
    const candidates = [...places.of(element), ...places.withoutValue]
    effort.spend(candidates.length)
    return !candidates.some((place) => isNamedBy(attribute, given[place] ?? null, element))
  })
}

/**
 * Leaves the primary mark on `chosen` alone, if there is one (RFC 7644 §3.5.2).
 *
 * @throws {ScimError} invalidValue when one operation makes several values primary
 */
export function keepOnePrimary(
  attribute: Attribute,
  elements: JsonValue[],
  chosen: ReadonlySet<number>,
  where: string,
): JsonValue[] {
  if (chosen.size > 1)
    throw ScimError.invalidValue(
      'primary-repeated',
      `${where} would make ${chosen.size} values of ${attribute.name} primary`,
    )
  if (chosen.size === 0) return elements
  return elements.map((element, index) => {
    if (chosen.has(index) || !isObject(element) || !isPrimary(element)) return element
    const { primary: _, ...rest } = element
    return rest
  })
}

/** Positions of elements by their `value`, so that long lists are not compared each with each. */
class Places {
  readonly #attribute: Attribute
  readonly #all: number[] = []
  readonly #byValue = new Map<string, number[]>()
  readonly withoutValue: number[] = []

  constructor(attribute: Attribute, elements: readonly JsonValue[]) {
    this.#attribute = attribute
    for (const [place, element] of elements.entries()) this.add(element, place)
  }

  add(element: JsonValue, place: number): void {
    const key = valueKey(this.#attribute, element)
    this.#all.push(place)
    if (key === undefined) this.withoutValue.push(place)
    else {
      const places = this.#byValue.get(key)
      if (places === undefined) this.#byValue.set(key, [place])
      else places.push(place)
    }
  }

  /** Where elements with the same `value` stand; for an element without `value`, all. */
  of(element: JsonValue): readonly number[] {
    const key = valueKey(this.#attribute, element)
    return key === undefined ? this.#all : (this.#byValue.get(key) ?? [])
  }
}

/** True when every sub-attribute of `given` equals that of `element`; for references, when `value` does (PAT-13). */
function isNamedBy(attribute: Attribute, given: JsonValue, element: JsonValue): boolean {
  if (!isObject(given) || !isObject(element) || holdsReferences(attribute)) {
    return valueKey(attribute, given) === valueKey(attribute, element)
  }
  return Object.keys(given).every((name) => {
    const sub = subAttributesOf(attribute).get(name.toLowerCase())
    const [wanted, found] = [member(given, name), member(element, name)]
    if (sub === undefined || wanted === undefined) return false
    if (name === 'primary') return (wanted === true) === (found === true)
    if (found === undefined || sub.multiValued) return sameValue(wanted, found)
    return toComparable(sub, wanted) === toComparable(sub, found)
  })
}
