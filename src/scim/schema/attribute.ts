/** Attribute characteristics (RFC 7643 §2.2, §2.3, §7). */

export type AttributeType =
  | 'string'
  | 'boolean'
  | 'decimal'
  | 'integer'
  | 'dateTime'
  | 'binary'
  | 'reference'
  | 'complex'

export type Mutability = 'readWrite' | 'readOnly' | 'immutable' | 'writeOnly'
export type Returned = 'always' | 'never' | 'default' | 'request'
export type Uniqueness = 'none' | 'server' | 'global'

/** One attribute definition with every default of RFC 7643 §2.2 filled in. */
export interface Attribute {
  readonly name: string
  readonly type: AttributeType
  readonly multiValued: boolean
  readonly description: string
  readonly required: boolean
  /** Decides equality, uniqueness and order alike; always true for binary and reference (§2.3.6, §2.3.7). */
  readonly caseExact: boolean
  readonly mutability: Mutability
  readonly returned: Returned
  readonly uniqueness: Uniqueness
  readonly canonicalValues: readonly string[]
  readonly referenceTypes: readonly string[]
  /** Empty unless `type` is complex. */
  readonly subAttributes: readonly Attribute[]
}

/** A schema: its URN and its attributes (RFC 7643 §7). */
export interface Schema {
  readonly id: string
  readonly name: string
  readonly description: string
  readonly attributes: readonly Attribute[]
}

/** The sub-attribute `name` of a complex attribute, without regard to case (RFC 7643 §2.1). */
export function subAttribute(attribute: Attribute, name: string): Attribute | undefined {
  const wanted = name.toLowerCase()
  return attribute.subAttributes.find((sub) => sub.name.toLowerCase() === wanted)
}
