import type { AttributeRef } from '../schema/resource-type.ts'

/** Operators of RFC 7644 §3.4.2.2 that compare with a value; `pr` is a node of its own. */
export type CompareOperator = 'eq' | 'ne' | 'co' | 'sw' | 'ew' | 'gt' | 'ge' | 'lt' | 'le'

/** An attribute path as written (RFC 7644 §3.10): `schema` is the URN before the last colon, `sub` follows the dot. */
export interface AttributePath {
  readonly schema: string | undefined
  readonly name: string
  readonly sub: string | undefined
  /** 0-based offset in the filter text, for messages. */
  readonly position: number
}

/** A parsed filter: one tree for queries and for the brackets of PATCH paths. */
export type Filter =
  | { readonly kind: 'and' | 'or'; readonly terms: readonly Filter[] }
  | { readonly kind: 'not'; readonly term: Filter }
  | { readonly kind: 'present'; readonly attribute: AttributePath }
  | {
      readonly kind: 'compare'
      readonly attribute: AttributePath
      readonly operator: CompareOperator
      readonly value: string | number | boolean | null
      readonly position: number
    }
  | { readonly kind: 'valuePath'; readonly attribute: AttributePath; readonly filter: Filter }

/** A PATCH path (RFC 7644 §3.5.2): `attribute`, `attribute[filter]` or `attribute[filter].sub`. */
export interface PatchPath {
  /** `attribute.sub` is set for `name.givenName`; with a filter the part after the brackets is `sub` below. */
  readonly attribute: AttributePath
  readonly filter: Filter | undefined
  readonly sub: string | undefined
}

/**
 * A value in the form in which it is compared, the same in memory and in SQL: strings folded unless case exact,
 * dateTime as whole microseconds since 1970 in UTC, numbers and booleans as they are.
 */
export type Comparable = string | number | boolean

/**
 * A filter bound to one resource type: names resolved, values checked against the attribute's type and brought into
 * comparable form, `eq null` and `ne null` rewritten as presence. `evaluate` and the SQL compiler both read this tree, and
 * an exhaustive `switch` in each makes them change together.
 *
 * - Outside `element`, a term on a multi-valued attribute holds when any of its values fits; `ne` also when there is none.
 * - Inside `element`, `ref.attribute` is the bracketed attribute, and the term is about that one value: its `ref.sub`, or,
 *   where `ref.sub` is undefined, the (simple) value itself.
 */
export type BoundFilter =
  | { readonly kind: 'and' | 'or'; readonly terms: readonly BoundFilter[] }
  | { readonly kind: 'not'; readonly term: BoundFilter }
  /** An attribute that this resource type lacks; only from queries at the server root (RFC 7644 §3.4.2.1). */
  | { readonly kind: 'nothing' }
  | { readonly kind: 'present'; readonly ref: AttributeRef }
  | {
      readonly kind: 'compare'
      readonly ref: AttributeRef
      readonly operator: CompareOperator
      readonly value: Comparable
    }
  | { readonly kind: 'element'; readonly ref: AttributeRef; readonly term: BoundFilter }
