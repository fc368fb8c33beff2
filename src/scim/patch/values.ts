import { toComparable } from '../comparable.ts'
import { readBareReference } from '../deviations/entra-id.ts'
import { ScimError } from '../errors.ts'
import type { BoundFilter, Filter } from '../filter/ast.ts'
import { evaluateElement } from '../filter/evaluate.ts'
import { isObject, isUnassigned, type JsonObject, type JsonValue, member } from '../resource.ts'
import type { Attribute } from '../schema/attribute.ts'
import {
  checkOne,
  checkParts,
  checkValue,
  findSubAttribute,
  isPrimary,
  notAnObject,
  sameValue,
  subAttributesOf,
  type ValueRules,
} from '../schema/values.ts'
import type { Effort } from './effort.ts'
import { appendElements, dropNamed, keepOnePrimary } from './list.ts'
import type { PatchOperation } from './parse.ts'
import type { Target } from './target.ts'

/** What is to be done to a value. */
export interface Change {
  readonly op: PatchOperation['op']
  /** Undefined for a remove without value. */
  readonly value: JsonValue | undefined
  /** The target in the client's words, for messages. */
  readonly where: string
  readonly rules: ValueRules
  readonly effort: Effort
}

/**
 * The value of `target`'s attribute after `change`, where it was `current`; undefined or empty for none (RFC 7644
 * §3.5.2.1–3). `current` itself when nothing changes; it is never touched.
 *
 * @throws {ScimError} noTarget, invalidValue, invalidSyntax or mutability
 */
export function modifyValue(current: JsonValue | undefined, target: Target, change: Change): JsonValue | undefined {
  const { attribute, sub } = target.ref
  if (target.filter !== undefined) return modifyChosen(current, target, target.filter, change)
  if (sub === undefined) return modifyWhole(attribute, current, change)
  if (attribute.multiValued) return modifyEach(attribute, sub, current, change)
  return modifyPart(attribute, sub, isObject(current) ? current : {}, change)
}

function modifyWhole(attribute: Attribute, current: JsonValue | undefined, change: Change): JsonValue | undefined {
  if (attribute.multiValued) return modifyList(attribute, current, change)
  if (change.op === 'remove') return undefined
  const value = change.value ?? null
  if (attribute.type !== 'complex') return checkOne(attribute, value, change.where, change.rules)
  const isSwap = change.op === 'replace' && change.rules.deviations.has('replace-whole-complex')
  return mergeParts(attribute, isObject(current) && !isSwap ? current : {}, value, change)
}

function modifyList(attribute: Attribute, current: JsonValue | undefined, change: Change): JsonValue | undefined {
  const { op, where, effort } = change
  const value = change.value ?? null
  if (value === null) return op === 'add' ? current : undefined
  const given = givenValues(attribute, value, change)
  if (op === 'replace') return given
  const elements = Array.isArray(current) ? current : []
  return op === 'add'
    ? appendElements(attribute, elements, given, where, effort)
    : dropNamed(attribute, elements, given, effort)
}

/**
 * The values that an operation gives for a whole multi-valued attribute, checked (PAT-11, PAT-20, PAT-22).
 *
 * @throws {ScimError} invalidValue or invalidSyntax
 */
export function givenValues(
  attribute: Attribute,
  value: JsonValue,
  { op, where, rules }: Pick<Change, 'op' | 'where' | 'rules'>,
): JsonValue[] {
  if (op === 'remove' && !rules.deviations.has('remove-by-value')) {
    throw ScimError.invalidValue(
      'patch-value-unexpected',
      `remove has no value; choose what to remove by a filter: ${where}[value eq "…"]`,
    )
  }
  // An add is of "a new value" (RFC 7644 §3.5.2.1), which needs no list around it.
  const list = op === 'add' && !Array.isArray(value) ? [value] : value
  const given = checkValue(attribute, list, where, rules)
  return Array.isArray(given) ? given : []
}

function modifyPart(attribute: Attribute, sub: Attribute, object: JsonObject, change: Change): JsonObject {
  const part = modifyWhole(sub, member(object, sub.name), change)
  const next = withPart(attribute, object, sub, part, change.where)
  checkParts(attribute, next, change.where, change.rules)
  return next
}

/** A sub-attribute of all values (P-062); with no values yet there comes one, as for any attribute that is missing. */
function modifyEach(attribute: Attribute, sub: Attribute, current: JsonValue | undefined, change: Change): JsonValue {
  const elements = Array.isArray(current) && current.length > 0 ? current : [{}]
  return changeElements(attribute, elements, () => true, changeOf(attribute, sub, change), change.where)
}

function modifyChosen(
  current: JsonValue | undefined,
  target: Target,
  filter: NonNullable<Target['filter']>,
  asked: Change,
): JsonValue | undefined {
  const { attribute, sub } = target.ref
  const value = asked.rules.deviations.has('single-value-in-list') ? onlyElement(asked.value) : asked.value
  const change = value === asked.value ? asked : { ...asked, value }
  const elements = Array.isArray(current) ? current : []
  change.effort.spend(elements.length * termsIn(filter.bound))
  const chosen = new Set(
    elements.filter((element) => evaluateElement(filter.bound, comparableElement(attribute, element))),
  )
  if (chosen.size > 1 && change.rules.deviations.has('filter-needs-sub-attribute')) {
    throw ScimError.invalidFilter(
      'several-values-match',
      `"${change.where}" matches ${chosen.size} values and may match one`,
    )
  }
  if (chosen.size === 0) return createChosen(attribute, sub, current, filter.written, change)
  if (sub === undefined && change.op === 'add' && attribute.type !== 'complex') {
    return modifyList(attribute, current, change)
  }
  return changeElements(
    attribute,
    elements,
    (element) => chosen.has(element),
    changeOf(attribute, sub, change),
    change.where,
  )
}

/** A list of one value stands for the value: a path with a filter is about values, not about the list (RFC 7644 §3.5.2). */
export const onlyElement = (value: JsonValue | undefined): JsonValue | undefined =>
  Array.isArray(value) && value.length === 1 ? value[0] : value

function termsIn(filter: BoundFilter): number {
  if (filter.kind === 'not') return termsIn(filter.term)
  return filter.kind === 'and' || filter.kind === 'or' ? filter.terms.reduce((sum, term) => sum + termsIn(term), 0) : 1
}

/** How one value changes; `setsPrimary` when the operation itself makes it the primary one. */
interface ElementChange {
  readonly apply: (element: JsonValue) => JsonValue | undefined
  readonly setsPrimary: boolean
}

function changeOf(attribute: Attribute, sub: Attribute | undefined, change: Change): ElementChange {
  const { op, where, rules } = change
  const value = change.value ?? null
  if (sub !== undefined) {
    return {
      apply: (element) => modifyPart(attribute, sub, isObject(element) ? element : {}, change),
      setsPrimary: sub.name === 'primary' && modifyWhole(sub, undefined, change) === true,
    }
  }
  if (op === 'remove') return { apply: () => undefined, setsPrimary: false }
  const given = checkOne(attribute, value, where, rules)
  return {
    apply: (element) => (op === 'add' && isObject(element) ? mergeParts(attribute, element, value, change) : given),
    setsPrimary: given !== undefined && isPrimary(given),
  }
}

function changeElements(
  attribute: Attribute,
  elements: readonly JsonValue[],
  isChosen: (element: JsonValue) => boolean,
  change: ElementChange,
  where: string,
): JsonValue[] {
  const result: JsonValue[] = []
  const primary = new Set<number>()
  for (const element of elements) {
    const next = isChosen(element) ? change.apply(element) : element
    if (next === undefined || isUnassigned(next)) continue
    if (isChosen(element) && change.setsPrimary) primary.add(result.length)
    result.push(next)
  }
  return keepOnePrimary(attribute, result, primary, where)
}

/** No value matches the filter: an add makes one from its eq terms (PAT-14), in lenient tenants a replace too (PAT-26). */
function createChosen(
  attribute: Attribute,
  sub: Attribute | undefined,
  current: JsonValue | undefined,
  filter: Filter,
  change: Change,
): JsonValue | undefined {
  const { op, where, rules } = change
  if (op === 'remove') return current
  const noTarget = ScimError.noTarget('no-value-matches', `no value matches "${where}"`)
  if (!rules.deviations.has(op === 'add' ? 'add-creates' : 'replace-creates')) throw noTarget
  const seed = seedOf(attribute, filter, change)
  if (seed === undefined) throw noTarget
  const given =
    sub === undefined ? checkOne(attribute, change.value ?? null, where, rules) : modifyPart(attribute, sub, {}, change)
  // Nothing was to be set, so there is nothing to make a value for.
  if (given === undefined || isUnassigned(given)) return current
  const element = isObject(given) ? { ...seed, ...given } : given
  return appendElements(attribute, Array.isArray(current) ? current : [], [element], where, change.effort)
}

/** The sub-attributes that a filter made of `eq` and `and` spells out; undefined for any other filter. */
function seedOf(attribute: Attribute, filter: Filter, change: Change): JsonObject | undefined {
  if (filter.kind === 'and') {
    let seed: JsonObject | undefined = {}
    for (const term of filter.terms) {
      const part: JsonObject | undefined = seedOf(attribute, term, change)
      seed = part && seed && { ...seed, ...part }
    }
    return seed
  }
  if (filter.kind !== 'compare' || filter.operator !== 'eq') return undefined
  const sub = subAttributesOf(attribute).get(filter.attribute.name.toLowerCase())
  const value = sub && checkOne(sub, filter.value, `${attribute.name}.${sub.name}`, change.rules)
  return sub === undefined || value === undefined ? {} : { [sub.name]: value }
}

/** Sets the parts that `value` has and keeps the others (PAT-10, PAT-24); null takes a part, or everything, away. */
function mergeParts(
  attribute: Attribute,
  object: JsonObject,
  value: JsonValue,
  change: Change,
): JsonObject | undefined {
  const { where, rules } = change
  const given = rules.deviations.has('bare-reference') ? readBareReference(attribute, value) : value
  if (given === null) return undefined
  if (!isObject(given)) throw notAnObject(attribute, given, where)
  const parts = new Map<Attribute, JsonValue | undefined>()
  for (const name of Object.keys(given)) {
    const sub = findSubAttribute(attribute, name, where, rules)
    if (sub === undefined || sub.mutability === 'readOnly') continue
    const part: Change = { ...change, value: given[name] ?? null, where: `${where}.${sub.name}` }
    parts.set(sub, modifyWhole(sub, member(object, sub.name), part))
  }
  const valuePart = subAttributesOf(attribute).get('value')
  let next = object
  // `value` first: it takes the old `$ref` away, and the new one may stand beside it.
  if (valuePart !== undefined && parts.has(valuePart))
    next = withPart(attribute, next, valuePart, parts.get(valuePart), where)
  for (const [sub, part] of parts) if (sub !== valuePart) next = withPart(attribute, next, sub, part, where)
  checkParts(attribute, next, where, rules)
  return next
}

function withPart(
  attribute: Attribute,
  object: JsonObject,
  sub: Attribute,
  value: JsonValue | undefined,
  where: string,
): JsonObject {
  const was = member(object, sub.name)
  if (sameValue(was, isUnassigned(value) ? undefined : value)) return object
  if (attribute.multiValued && sub.mutability === 'immutable' && was !== undefined) {
    throw ScimError.mutability(
      'attribute-immutable',
      `${where}: ${sub.name} cannot change inside a value; remove the value and add another`,
    )
  }
  const next = withMember(object, sub.name, value)
  // The address of what `value` used to stand for.
  return sub.name === 'value' ? withMember(next, '$ref', undefined) : next
}

/** `object` with one member more, other or, where `value` is unassigned, less. */
export function withMember(object: JsonObject, name: string, value: JsonValue | undefined): JsonObject {
  if (value !== undefined && !isUnassigned(value)) return { ...object, [name]: value }
  if (!Object.hasOwn(object, name)) return object
  const { [name]: _, ...rest } = object
  return rest
}

/** One value of a multi-valued attribute as a search document holds it, for `evaluateElement`. */
function comparableElement(attribute: Attribute, element: JsonValue): JsonValue {
  if (!isObject(element)) return toComparable(attribute, element) ?? null
  const result: JsonObject = {}
  for (const sub of attribute.subAttributes) {
    const value = member(element, sub.name)
    if (value === undefined || value === '') continue
    const comparable = Array.isArray(value)
      ? value.flatMap((each) => toComparable(sub, each) ?? [])
      : toComparable(sub, value)
    if (comparable !== undefined) result[sub.name] = comparable
  }
  return result
}
