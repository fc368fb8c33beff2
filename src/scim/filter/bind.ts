import { toComparable } from '../comparable.ts'
import type { Deviations } from '../deviations/index.ts'
import { ScimError } from '../errors.ts'
import type { Attribute, AttributeType } from '../schema/attribute.ts'
import { subAttribute } from '../schema/attribute.ts'
import type { AttributeRef, ExtensionAttributes, ResourceType } from '../schema/resource-type.ts'
import { sameUrn } from '../urn.ts'
import type { AttributePath, BoundFilter, Comparable, CompareOperator, Filter } from './ast.ts'
import { formatPath } from './format.ts'

/**
 * Finds what `path` names in `type`, without regard to case (checklist ). An unqualified path names a common or core
 * attribute, else that of the only extension which has it. A qualified path names an attribute of the core schema (common ones
 * included) or of an extension. Undefined where there is nothing, more than one candidate, or no such sub-attribute.
 */
export function resolveAttribute(type: ResourceType, path: AttributePath): AttributeRef | undefined {
  const found =
    path.schema === undefined ? findUnqualified(type, path.name) : findQualified(type, path.schema, path.name)
  if (found === undefined || path.sub === undefined) return found
  const sub = subAttribute(found.attribute, path.sub)
  return sub && { ...found, sub }
}

/**
 * The extension whose URN `path` spells, where a client names an extension as a whole (RFC 7644 §3.10, checklist J-05). Ask
 * `resolveAttribute` first: syntax alone cannot tell `urn:…:2.0:User` from an attribute called User.
 */
export function resolveExtension(type: ResourceType, path: AttributePath): ExtensionAttributes | undefined {
  return type.extensionsByUrn.get(formatPath(path).toLowerCase())
}

function findUnqualified(type: ResourceType, name: string): AttributeRef | undefined {
  const wanted = name.toLowerCase()
  const core = type.core.get(wanted)
  if (core) return { extension: undefined, attribute: core, sub: undefined }
  const candidates: AttributeRef[] = []
  for (const { urn, attributes } of type.extensionsByUrn.values()) {
    const attribute = attributes.get(wanted)
    if (attribute) candidates.push({ extension: urn, attribute, sub: undefined })
  }
  return candidates.length === 1 ? candidates[0] : undefined
}

function findQualified(type: ResourceType, schema: string, name: string): AttributeRef | undefined {
  const extension = type.extensionsByUrn.get(schema.toLowerCase())
  const attributes = extension?.attributes ?? (isCore(type, schema) ? type.core : undefined)
  const attribute = attributes?.get(name.toLowerCase())
  return attribute && { extension: extension?.urn, attribute, sub: undefined }
}

const isCore = ({ schema, also }: ResourceType, urn: string): boolean =>
  sameUrn(urn, schema.id) || (also !== undefined && sameUrn(urn, also.id))

/**
 * Binds a query filter to a resource type (RFC 7644 §3.4.2.2); see `BoundFilter` for what comes out.
 *
 * @param options.atRoot the query runs over all resource types: an attribute that this one lacks has no value, instead of
 *   being an error (RFC 7644 §3.4.2.1, checklist Q-22)
 * @throws {ScimError} invalidFilter for an unknown or never returned attribute, an operator or a value that does not suit
 *   the attribute's type, or a complex attribute that has no `value` to compare (checklist)
 */
export function bindFilter(
  filter: Filter,
  type: ResourceType,
  options: { readonly atRoot?: boolean } = {},
): BoundFilter {
  return bind(filter, {
    resolve: (path) => resolveAttribute(type, path),
    owner: `a ${type.name}`,
    unknownIsUnassigned: options.atRoot ?? false,
    stringBooleans: false,
  })
}

/**
 * Binds the filter in the brackets of a PATCH path: terms name sub-attributes of `parent`, or `value` where `parent` is a
 * simple multi-valued attribute (checklist PAT-33). For `evaluateElement`.
 *
 * @throws {ScimError} invalidFilter as for `bindFilter`, and where `parent` has no values to choose from
 */
export function resolvePatchFilter(filter: Filter, parent: AttributeRef, deviations: Deviations): BoundFilter {
  return bind(
    filter,
    elementScope(parent, { unknownIsUnassigned: false, stringBooleans: deviations.has('string-booleans') }),
  )
}

interface Scope {
  resolve(path: AttributePath): AttributeRef | undefined
  /** What has the attributes, for messages. */
  readonly owner: string
  readonly unknownIsUnassigned: boolean
  readonly stringBooleans: boolean
}

function elementScope(parent: AttributeRef, options: Pick<Scope, 'unknownIsUnassigned' | 'stringBooleans'>): Scope {
  const { attribute } = parent
  const isComplex = attribute.type === 'complex'
  if (parent.sub !== undefined || !(isComplex || attribute.multiValued)) {
    throw ScimError.invalidFilter(
      'filter-comparison-wrong',
      `"${attribute.name}" is a single simple value and takes no brackets`,
    )
  }
  const resolve = (path: AttributePath): AttributeRef | undefined => {
    if (path.schema !== undefined || path.sub !== undefined) return undefined
    if (!isComplex) return path.name.toLowerCase() === 'value' ? parent : undefined
    const sub = subAttribute(attribute, path.name)
    return sub && { ...parent, sub }
  }
  return { ...options, resolve, owner: `"${attribute.name}"` }
}

function bind(filter: Filter, scope: Scope): BoundFilter {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return { kind: filter.kind, terms: filter.terms.map((term) => bind(term, scope)) }
    case 'not':
      return not(bind(filter.term, scope))
    case 'present': {
      const ref = resolve(filter.attribute, scope)
      return ref ? { kind: 'present', ref } : { kind: 'nothing' }
    }
    case 'compare':
      return bindComparison(filter, scope)
    case 'valuePath': {
      const ref = resolve(filter.attribute, scope)
      return ref ? { kind: 'element', ref, term: bind(filter.filter, elementScope(ref, scope)) } : { kind: 'nothing' }
    }
  }
}

const not = (term: BoundFilter): BoundFilter => ({ kind: 'not', term })

/** Undefined only where an unknown attribute counts as unassigned. */
function resolve(path: AttributePath, scope: Scope): AttributeRef | undefined {
  const ref = scope.resolve(path)
  if (ref === undefined) {
    if (scope.unknownIsUnassigned) return undefined
    throw ScimError.invalidFilter(
      'filter-attribute-unknown',
      `${scope.owner} has no attribute "${formatPath(path)}" ${at(path.position)}`,
    )
  }
  if (ref.attribute.returned === 'never' || ref.sub?.returned === 'never') {
    throw ScimError.invalidFilter(
      'filter-comparison-wrong',
      `"${formatPath(path)}" ${at(path.position)} is never returned and cannot be filtered`,
    )
  }
  return ref
}

function bindComparison(filter: Filter & { kind: 'compare' }, scope: Scope): BoundFilter {
  const { operator, value } = filter
  const ref = resolve(filter.attribute, scope)
  const name = formatPath(filter.attribute)
  if (value === null && operator !== 'eq' && operator !== 'ne') {
    throw ScimError.invalidFilter(
      'filter-comparison-wrong',
      `null ${at(filter.position)} can be compared by eq and ne only, not by ${operator}`,
    )
  }
  // An attribute that the type lacks is unassigned, and `ne` as well as `eq null` hold for unassigned ones.
  if (ref === undefined) {
    const holdsForUnassigned = operator === (value === null ? 'eq' : 'ne')
    return holdsForUnassigned ? not({ kind: 'nothing' }) : { kind: 'nothing' }
  }
  if (value === null) return operator === 'ne' ? { kind: 'present', ref } : not({ kind: 'present', ref })

  const target = comparedRef(ref, name, filter.attribute.position)
  const attribute = target.sub ?? target.attribute
  if (!OPERATORS_BY_TYPE[attribute.type].has(operator)) {
    throw ScimError.invalidFilter(
      'filter-comparison-wrong',
      `"${name}" ${at(filter.attribute.position)} is of type ${attribute.type} and cannot be compared by ${operator}`,
    )
  }
  const comparable = comparableOf(attribute, value, scope.stringBooleans)
  if (comparable === undefined) {
    const found = `${JSON.stringify(value).slice(0, 60)} ${at(filter.position)}`
    throw ScimError.invalidFilter(
      'filter-comparison-wrong',
      `"${name}" is compared with ${found}; expected ${LITERAL_BY_TYPE[attribute.type]}`,
    )
  }
  return { kind: 'compare', ref: target, operator, value: comparable }
}

/** `emails` compared means `emails.value` (checklist ). */
function comparedRef(ref: AttributeRef, name: string, position: number): AttributeRef {
  if ((ref.sub ?? ref.attribute).type !== 'complex') return ref
  const value = ref.sub === undefined ? subAttribute(ref.attribute, 'value') : undefined
  if (value === undefined || value.type === 'complex') {
    throw ScimError.invalidFilter(
      'filter-comparison-wrong',
      `"${name}" ${at(position)} is complex; name one of its sub-attributes to compare`,
    )
  }
  if (value.returned === 'never')
    throw ScimError.invalidFilter('filter-comparison-wrong', `"${name}.value" ${at(position)} cannot be filtered`)
  return { ...ref, sub: value }
}

function comparableOf(
  attribute: Attribute,
  value: string | number | boolean,
  stringBooleans: boolean,
): Comparable | undefined {
  if (stringBooleans && attribute.type === 'boolean' && typeof value === 'string') {
    const word = value.toLowerCase()
    return word === 'true' ? true : word === 'false' ? false : undefined
  }
  return toComparable(attribute, value)
}

const at = (position: number): string => `at character ${position + 1}`

const EQUALITY: readonly CompareOperator[] = ['eq', 'ne']
const ORDER: readonly CompareOperator[] = ['gt', 'ge', 'lt', 'le']
const TEXT = new Set<CompareOperator>([...EQUALITY, ...ORDER, 'co', 'sw', 'ew'])
const ORDERED = new Set<CompareOperator>([...EQUALITY, ...ORDER])
const EQUAL = new Set<CompareOperator>(EQUALITY)

const OPERATORS_BY_TYPE: Readonly<Record<AttributeType, ReadonlySet<CompareOperator>>> = {
  string: TEXT,
  reference: TEXT,
  integer: ORDERED,
  decimal: ORDERED,
  dateTime: ORDERED,
  boolean: EQUAL,
  binary: EQUAL,
  complex: new Set(),
}

const LITERAL_BY_TYPE: Readonly<Record<AttributeType, string>> = {
  string: 'a string',
  reference: 'a string',
  integer: 'a number',
  decimal: 'a number',
  dateTime: 'a date and time such as "2026-01-31T12:00:00Z"',
  boolean: 'true or false',
  binary: 'a base64 string',
  complex: 'a sub-attribute',
}
