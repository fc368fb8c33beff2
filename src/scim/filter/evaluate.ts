import { compareValues } from '../comparable.ts'
import type { JsonObject, JsonValue } from '../resource.ts'
import { isObject, member } from '../resource.ts'
import type { Attribute } from '../schema/attribute.ts'
import type { AttributeRef } from '../schema/resource-type.ts'
import type { BoundFilter, Comparable, CompareOperator } from './ast.ts'

/** Tells whether the resource behind a search document (see `searchDocument`) matches (RFC 7644 §3.4.2.2). */
export function evaluate(filter: BoundFilter, document: JsonObject): boolean {
  return holds(filter, {
    values: (ref) => valuesOf(document, ref),
    elements: (ref) => elementsOf(document, ref),
  })
}

/**
 * Tells whether one value of a multi-valued (or complex) attribute matches the filter in its brackets. `element` is in
 * comparable form, as it stands in a search document.
 */
export function evaluateElement(filter: BoundFilter, element: JsonValue): boolean {
  return holds(filter, {
    values: ({ sub }) => (sub === undefined ? [element] : valuesIn(element, sub)),
    // Brackets do not nest (erratum 4690); the parser refuses them.
    elements: () => [],
  })
}

/** Undefined stands for a place where a value could be and is not. */
type Slot = JsonValue | undefined

interface Scope {
  /** One slot for a single-valued attribute, one per value for a multi-valued one. */
  values(ref: AttributeRef): readonly Slot[]
  elements(ref: AttributeRef): readonly JsonValue[]
}

function holds(filter: BoundFilter, scope: Scope): boolean {
  switch (filter.kind) {
    case 'and':
      return filter.terms.every((term) => holds(term, scope))
    case 'or':
      return filter.terms.some((term) => holds(term, scope))
    case 'not':
      return !holds(filter.term, scope)
    case 'nothing':
      return false
    case 'present':
      return scope.values(filter.ref).some((slot) => slot !== undefined)
    case 'compare':
      return anyFits(filter.operator, scope.values(filter.ref), filter.value)
    case 'element':
      return scope.elements(filter.ref).some((element) => evaluateElement(filter.term, element))
  }
}

function anyFits(operator: CompareOperator, slots: readonly Slot[], value: Comparable): boolean {
  // `ne` holds where there is nothing at all, and where one value differs; an element without the value differs.
  if (operator === 'ne') return slots.length === 0 || slots.some((slot) => slot !== value)
  return slots.some((slot) => fits(operator, slot, value))
}

function fits(operator: Exclude<CompareOperator, 'ne'>, slot: Slot, value: Comparable): boolean {
  if (operator === 'eq') return slot === value
  if (typeof slot === 'string' && typeof value === 'string') return textFits(operator, slot, value)
  if (typeof slot === 'number' && typeof value === 'number') return orderFits(operator, compareValues(slot, value))
  return false
}

function textFits(operator: Exclude<CompareOperator, 'eq' | 'ne'>, text: string, part: string): boolean {
  switch (operator) {
    case 'co':
      return text.includes(part)
    case 'sw':
      return text.startsWith(part)
    case 'ew':
      return text.endsWith(part)
    default:
      return orderFits(operator, compareValues(text, part))
  }
}

function orderFits(operator: Exclude<CompareOperator, 'eq' | 'ne'>, order: number): boolean {
  switch (operator) {
    case 'gt':
      return order > 0
    case 'ge':
      return order >= 0
    case 'lt':
      return order < 0
    case 'le':
      return order <= 0
    case 'co':
    case 'sw':
    case 'ew':
      return false
  }
}

function elementsOf(document: JsonObject, { extension, attribute }: AttributeRef): readonly JsonValue[] {
  const container = extension === undefined ? document : member(document, extension)
  const value = isObject(container) ? member(container, attribute.name) : undefined
  if (value === undefined) return []
  return Array.isArray(value) ? value : [value]
}

function valuesOf(document: JsonObject, ref: AttributeRef): readonly Slot[] {
  const { attribute, sub } = ref
  const elements = elementsOf(document, ref)
  if (elements.length === 0) return attribute.multiValued ? [] : [undefined]
  return sub === undefined ? elements : elements.flatMap((element) => valuesIn(element, sub))
}

function valuesIn(element: JsonValue, sub: Attribute): readonly Slot[] {
  const value = isObject(element) ? member(element, sub.name) : undefined
  return Array.isArray(value) ? value : [value]
}
