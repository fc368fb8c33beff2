import type { BoundFilter, Comparable, CompareOperator } from '../../scim/filter/ast.ts'
import type { AttributeRef } from '../../scim/schema/resource-type.ts'
import { type FilterScope, searchPath } from './attribute-sql.ts'
import { compareSql } from './compare-sql.ts'

// Conditions on one element of a multi-valued attribute, and on values in the search document.

/** Whether some element `e.v` of the attribute fulfils a condition. */
export function anyElement(ref: AttributeRef, scope: FilterScope, of: string): string {
  const values = searchPath({ ...ref, sub: undefined }, scope)
  return `exists (select 1 from jsonb_array_elements(${values}) as e(v) where ${of})`
}

/** One operator on a value of the search document, which is given as an SQL expression of type jsonb. */
export function jsonCompare(json: string, operator: CompareOperator, value: Comparable, scope: FilterScope): string {
  const text = `((${json}) #>> '{}')`
  if (typeof value === 'number') {
    const bind = (v: Comparable) => `${scope.parameters.bind(String(v), 'text')}::numeric`
    return compareSql(`(${text})::numeric`, operator, value, bind)
  }
  const bind = (v: Comparable) => scope.parameters.bind(String(v), 'text')
  return compareSql(`${text} collate "C"`, operator, value, bind)
}

/** The same on an element, or on its sub-attribute. */
export function elementCompare(
  element: string,
  sub: AttributeRef['sub'],
  operator: CompareOperator,
  value: Comparable,
  scope: FilterScope,
): string {
  const json = sub ? `${element} -> ${scope.parameters.bind(sub.name, 'text')}` : element
  return operator === 'ne'
    ? `not (${jsonCompare(json, 'eq', value, scope)}) is true`
    : jsonCompare(json, operator, value, scope)
}

/** A condition on a sub-attribute of one element, or on the element itself where `sub` is undefined. */
export type Leaf = (sub: string | undefined, operator: CompareOperator | 'pr', value: Comparable) => string

/** A value path's filter as a condition on one element, of which `leaf` writes the comparisons. */
export function withinElement(term: BoundFilter, leaf: Leaf): string {
  switch (term.kind) {
    case 'and':
    case 'or':
      return `(${term.terms.map((t) => withinElement(t, leaf)).join(` ${term.kind} `)})`
    case 'not':
      return `(not (${withinElement(term.term, leaf)}) is true)`
    case 'present':
      return `(${leaf(term.ref.sub?.name, 'pr', '')})`
    case 'compare':
      return `(${leaf(term.ref.sub?.name, term.operator, term.value)})`
    case 'nothing':
    case 'element':
      return 'false'
  }
}

/** Whether some part of the term is about the sub-attribute. */
export function isAbout(sub: string, term: BoundFilter): boolean {
  switch (term.kind) {
    case 'and':
    case 'or':
      return term.terms.some((t) => isAbout(sub, t))
    case 'not':
    case 'element':
      return isAbout(sub, term.term)
    case 'nothing':
      return false
    default:
      return term.ref.sub?.name === sub
  }
}
