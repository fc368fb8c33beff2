import type { BoundFilter, Comparable } from '../../scim/filter/ast.ts'
import type { JsonObject, JsonValue } from '../../scim/resource.ts'
import type { AttributeRef } from '../../scim/schema/resource-type.ts'

/** `part` of the attribute `ref`, as the whole search document would hold it. */
export function nest(ref: AttributeRef, part: JsonValue): JsonObject {
  const attribute: JsonObject = { [ref.attribute.name]: part }
  return ref.extension === undefined ? attribute : { [ref.extension]: attribute }
}

/** The part that search documents contain where the attribute has the value. */
export function equalDocument(ref: AttributeRef, value: Comparable): JsonObject {
  const single = ref.sub ? { [ref.sub.name]: value } : value
  return nest(ref, ref.attribute.multiValued ? [single] : single)
}

/** The same for one element of a multi-valued attribute that has all of the values. */
export function elementDocument(ref: AttributeRef, required: ReadonlyMap<string | undefined, Comparable>): JsonObject {
  const simple = required.get(undefined)
  const element: JsonValue =
    simple ?? Object.fromEntries([...required].map(([name, value]) => [name as string, value as JsonValue]))
  return nest(ref, ref.attribute.multiValued ? [element] : element)
}

/** Values that an element must have to match: the equalities below `and`s alone. Of two that contradict, the first is kept. */
export function equalities(term: BoundFilter, found = new Map<string | undefined, Comparable>()) {
  if (term.kind === 'and') for (const t of term.terms) equalities(t, found)
  if (term.kind === 'compare' && term.operator === 'eq' && !found.has(term.ref.sub?.name)) {
    found.set(term.ref.sub?.name, term.value)
  }
  return found
}

/** Whether the term has no conditions beside its `equalities`. */
export function onlyEqualities(term: BoundFilter): boolean {
  const names = new Set<string | undefined>()
  const only = (t: BoundFilter): boolean => {
    if (t.kind === 'and') return t.terms.every(only)
    if (t.kind !== 'compare' || t.operator !== 'eq' || names.has(t.ref.sub?.name)) return false
    names.add(t.ref.sub?.name)
    return true
  }
  return only(term)
}
