import type { Deviations } from '../deviations/index.ts'
import { ScimError } from '../errors.ts'
import {
  isObject,
  isUnassigned,
  type JsonObject,
  type JsonValue,
  member,
  memberIgnoringCase,
  type Resource,
} from '../resource.ts'
import { sameUrn, USER_SCHEMA } from '../urn.ts'
import type { Attribute } from './attribute.ts'
import type { ResourceType } from './resource-type.ts'
import { bodyRules, checkValue, holdsReferences, sameValue, type ValueRules } from './values.ts'

/** What a body is for: POST, or PUT on `stored`, the whole resource with its `id`. */
export type BodyOperation = { readonly kind: 'create' } | { readonly kind: 'replace'; readonly stored: Resource }

/**
 * The resource that a POST or PUT body describes, in the schema's spelling (RFC 7644 §3.3, §3.5.1; RFC 7643 §2, §3).
 *
 * `schemas` is computed; `id`, `meta` and read-only attributes are left out, `password` and `members` are there when sent.
 * A PUT keeps what is stored of `active`, of immutable and of write-only attributes it does not name, but not `password`.
 *
 * @throws {ScimError} invalidSyntax for what is not a message about this resource type, invalidValue for values, mutability
 *   for an `id` or immutable attribute other than the stored one
 */
export function validateResource(
  type: ResourceType,
  body: JsonValue,
  operation: BodyOperation,
  deviations: Deviations,
): Resource {
  if (!isObject(body)) throw ScimError.invalidSyntax('body-not-object', 'the body must be a JSON object')
  const schemas = memberIgnoringCase(body, 'schemas')
  const hasSchemas = checkSchemas(type, schemas, deviations)
  const rules = bodyRules(deviations)
  const resource: Resource = { schemas: [] }
  for (const name of Object.keys(body)) {
    const value = body[name] ?? null
    const attribute = type.core.get(name.toLowerCase())
    const extension = attribute === undefined ? type.extensionsByUrn.get(name.toLowerCase()) : undefined
    if (attribute?.name === 'id' && operation.kind === 'replace' && !deviations.has('other-ids-ignored'))
      checkId(value, operation.stored)
    if (attribute !== undefined) assign(resource, attribute, value, '', rules)
    else if (extension !== undefined) {
      const attributes = readExtension(extension.attributes, value, extension.urn, rules)
      if (attributes === undefined) continue
      if (!deviations.has('undeclared-extensions')) checkDeclared(extension.urn, schemas)
      resource[extension.urn] = attributes
    } else if (rules.unknownNames === 'refused') throw unknownAttribute(name)
  }

  if (operation.kind === 'replace') {
    keepStored(type, operation.stored, resource, !hasSchemas && deviations.has('partial-replace'))
    checkImmutable(type, operation.stored, resource)
  } else if (type.schema.id === USER_SCHEMA && memberIgnoringCase(body, 'active') === undefined) resource.active = true
  checkRequired(type, resource, undefined)
  return withSchemas(type, resource)
}

/** An attribute that no schema of the resource type has (A-19). */
export const unknownAttribute = (name: string): ScimError =>
  ScimError.invalidSyntax('attribute-unknown', `"${name.slice(0, 100)}" is not an attribute of this resource type`)

/**
 * Checks the `schemas` of a body (C-02, CR-05) and tells whether there are any.
 *
 * @throws {ScimError} invalidSyntax when they or the base URN are missing, invalidValue for other types and unknown URNs
 */
function checkSchemas(type: ResourceType, value: JsonValue | undefined, deviations: Deviations): boolean {
  checkSchemaUrns(type, value ?? null, deviations)
  const urns = Array.isArray(value) ? value : []
  const hasBase = urns.some((urn) => typeof urn === 'string' && sameUrn(urn, type.schema.id))
  if (!hasBase && !deviations.has('missing-schemas')) {
    throw ScimError.invalidSyntax('schemas-missing', `schemas must be there and hold "${type.schema.id}"`)
  }
  return urns.length > 0
}

/**
 * Checks that `value` is a list of schema URNs of the resource type (C-02); null stands for none.
 *
 * @throws {ScimError} invalidValue; invalidSyntax for unknown URNs under the interoperability profile (IOP-05)
 */
export function checkSchemaUrns(type: ResourceType, value: JsonValue, deviations: Deviations): void {
  if (value === null) return
  if (!Array.isArray(value)) throw ScimError.invalidValue('schemas-malformed', 'schemas must be an array of URNs')
  for (const urn of value) {
    if (typeof urn !== 'string')
      throw ScimError.invalidValue('schemas-malformed', 'schemas must be an array of strings')
    const isKnown = sameUrn(urn, type.schema.id) || type.extensionsByUrn.has(urn.toLowerCase())
    if (isKnown || deviations.has('unknown-schemas')) continue
    const detail = `schemas holds "${urn.slice(0, 200)}", which ${type.name} does not have`
    throw deviations.has('unknown-names-are-invalid-syntax')
      ? ScimError.invalidSyntax('schema-unknown', detail)
      : ScimError.invalidValue('schema-unknown', detail)
  }
}

/** @throws {ScimError} invalidValue where `schemas` does not name an extension that the body has data of (RFC 7643 §3) */
function checkDeclared(urn: string, schemas: JsonValue | undefined): void {
  const named = Array.isArray(schemas) && schemas.some((each) => typeof each === 'string' && sameUrn(each, urn))
  if (!named)
    throw ScimError.invalidValue('extension-undeclared', `schemas must name "${urn}", because the body has data of it`)
}

/** @throws {ScimError} mutability when a client names another id than the resource has (PUT-06, PAT-29) */
export function checkId(value: JsonValue, stored: Resource): void {
  if (value !== null && value !== stored.id) {
    const detail = 'id is issued by the service, and the body has another one than the URL: leave it out'
    throw ScimError.mutability('id-differs', detail)
  }
}

function assign(holder: JsonObject, attribute: Attribute, value: JsonValue, prefix: string, rules: ValueRules): void {
  // `schemas` is computed from the data.
  if (attribute.mutability === 'readOnly' || attribute.name === 'schemas') return
  const checked = checkValue(attribute, value, prefix + attribute.name, rules)
  if (checked !== undefined) holder[attribute.name] = checked
}

function readExtension(
  attributes: ReadonlyMap<string, Attribute>,
  value: JsonValue,
  urn: string,
  rules: ValueRules,
): JsonObject | undefined {
  if (isUnassigned(value)) return undefined
  if (!isObject(value)) throw ScimError.invalidValue('wrong-type', `${urn} must be an object`)
  const result: JsonObject = {}
  for (const name of Object.keys(value)) {
    const attribute = attributes.get(name.toLowerCase())
    if (attribute !== undefined) assign(result, attribute, value[name] ?? null, `${urn}:`, rules)
    else if (rules.unknownNames === 'refused') throw unknownAttribute(`${urn}:${name}`)
  }
  return isUnassigned(result) ? undefined : result
}

/** Carries over what a PUT leaves alone by not naming it (PUT-03, PUT-07), and under 'partial-replace' what it may not drop. */
function keepStored(type: ResourceType, stored: Resource, next: Resource, isPartial: boolean): void {
  const keep = (
    attributes: ReadonlyMap<string, Attribute>,
    from: JsonObject,
    to: JsonObject,
    wanted: boolean,
    dropped = false,
  ): void => {
    for (const attribute of attributes.values()) {
      const value = member(from, attribute.name)
      if (value === undefined || Object.hasOwn(to, attribute.name) || attribute.mutability === 'readOnly') continue
      if (isKeptByReplace(attribute, dropped) || (wanted && attribute.required)) to[attribute.name] = value
    }
  }
  keep(type.core, stored, next, isPartial)
  // A PUT that forgets `active` must not let a leaver back in.
  const active = member(stored, 'active')
  if (type.schema.id === USER_SCHEMA && active !== undefined && !Object.hasOwn(next, 'active')) next.active = active
  for (const { urn, attributes } of type.extensionsByUrn.values()) {
    const from = member(stored, urn)
    const to = member(next, urn)
    const kept = isObject(to) ? to : {}
    if (isObject(from)) {
      const dropped = to === undefined && cannotBePartial(attributes)
      keep(attributes, from, kept, isPartial && to !== undefined, dropped)
    }
    if (!isUnassigned(kept)) next[urn] = kept
  }
}

// A client cannot read back what is write-only, so leaving it out says nothing. But with an extension that has to have more,
// and is left out whole, it goes. The stored password is not in the resource.
const isKeptByReplace = (attribute: Attribute, dropped: boolean): boolean =>
  attribute.mutability === 'immutable' || (attribute.mutability === 'writeOnly' && !dropped)

const cannotBePartial = (attributes: ReadonlyMap<string, Attribute>): boolean =>
  [...attributes.values()].some(({ required, mutability }) => required && mutability === 'readWrite')

/** @throws {ScimError} mutability where an immutable (sub-)attribute that `stored` has is different in `next` (A-15) */
export function checkImmutable(type: ResourceType, stored: Resource, next: Resource): void {
  for (const { attributes, prefix, before, after } of holders(type, stored, next)) {
    if (before === undefined || before === after) continue
    for (const attribute of attributes.values()) {
      const was = member(before, attribute.name)
      const is = member(after ?? {}, attribute.name)
      if (was === undefined || was === is) continue
      if (attribute.mutability === 'immutable' && !sameValue(was, is)) throw immutable(prefix + attribute.name)
      if (attribute.multiValued || !isObject(was)) continue
      for (const sub of attribute.subAttributes) {
        const part = sub.mutability === 'immutable' ? member(was, sub.name) : undefined
        if (part !== undefined && !sameValue(part, isObject(is) ? member(is, sub.name) : undefined)) {
          throw immutable(`${prefix}${attribute.name}.${sub.name}`)
        }
      }
    }
  }
}

const immutable = (name: string): ScimError =>
  ScimError.mutability('attribute-immutable', `${name} is immutable and has a value already`)

/**
 * Checks that required attributes and sub-attributes have values (E-05). What `stored` lacks already is not held against a
 * change that does not touch it: a schema may have come to ask for more since.
 *
 * @throws {ScimError} invalidValue
 */
export function checkRequired(type: ResourceType, resource: Resource, stored: Resource | undefined): void {
  for (const { urn, required } of type.extensionsByUrn.values()) {
    if (required && !Object.hasOwn(resource, urn) && (stored === undefined || Object.hasOwn(stored, urn))) {
      throw missing(urn)
    }
  }
  for (const { attributes, prefix, before, after } of holders(type, stored, resource)) {
    if (after === undefined || before === after) continue
    for (const attribute of demandingAttributes(attributes)) {
      const value = member(after, attribute.name)
      const was = before && member(before, attribute.name)
      if (value === undefined && attribute.required && (before === undefined || was !== undefined)) {
        throw missing(`${prefix}${attribute.name}`)
      }
      if (value !== undefined && value !== was) checkRequiredParts(attribute, value, prefix + attribute.name)
    }
  }
}

const missing = (where: string): ScimError => ScimError.invalidValue('required-missing', `${where} is required`)

/** @throws {ScimError} invalidValue where a value of a complex attribute lacks a required sub-attribute */
export function checkRequiredParts(attribute: Attribute, value: JsonValue, where: string): void {
  const names = requiredParts(attribute)
  if (names.length === 0) return
  const elements = Array.isArray(value) ? value : [value]
  for (const [index, element] of elements.entries()) {
    for (const name of names) {
      const part = isObject(element) ? member(element, name) : undefined
      // A reference to nothing must not become a member.
      if (part === undefined || part === '') {
        throw missing(`${where}${attribute.multiValued ? `[${index}]` : ''}.${name}`)
      }
    }
  }
}

function requiredParts(attribute: Attribute): readonly string[] {
  const names = attribute.subAttributes
    .filter((sub) => sub.required && sub.mutability !== 'readOnly')
    .map((s) => s.name)
  return holdsReferences(attribute) && !names.includes('value') ? [...names, 'value'] : names
}

const demanding = new WeakMap<ReadonlyMap<string, Attribute>, readonly Attribute[]>()

/** The attributes that are required or have required sub-attributes; found once per schema. */
function demandingAttributes(attributes: ReadonlyMap<string, Attribute>): readonly Attribute[] {
  let found = demanding.get(attributes)
  if (found === undefined) {
    found = [...attributes.values()].filter(
      (attribute) =>
        attribute.name !== 'schemas' &&
        attribute.mutability !== 'readOnly' &&
        (attribute.required || requiredParts(attribute).length > 0),
    )
    demanding.set(attributes, found)
  }
  return found
}

interface Holder {
  readonly attributes: ReadonlyMap<string, Attribute>
  readonly prefix: string
  readonly before: JsonObject | undefined
  readonly after: JsonObject | undefined
}

/** The objects that hold attributes: the resource itself, and one per extension. */
function holders(type: ResourceType, before: Resource | undefined, after: Resource): Holder[] {
  const part = (of: Resource | undefined, urn: string): JsonObject | undefined => {
    const value = of && member(of, urn)
    return isObject(value) ? value : undefined
  }
  return [
    { attributes: type.core, prefix: '', before, after },
    ...Array.from(type.extensionsByUrn.values(), ({ urn, attributes }) => ({
      attributes,
      prefix: `${urn}:`,
      before: part(before, urn),
      after: part(after, urn),
    })),
  ]
}

/** `resource` with `schemas` naming the base schema and each extension that has data (C-01). */
export function withSchemas(type: ResourceType, resource: Resource): Resource {
  const extensions = Array.from(type.extensionsByUrn.values(), ({ urn }) => urn).filter((urn) =>
    Object.hasOwn(resource, urn),
  )
  return { ...resource, schemas: [type.schema.id, ...extensions] }
}
