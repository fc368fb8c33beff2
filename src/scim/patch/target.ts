import { ScimError } from '../errors.ts'
import type { BoundFilter, Filter, PatchPath } from '../filter/ast.ts'
import { resolveAttribute, resolveExtension, resolvePatchFilter } from '../filter/bind.ts'
import { parseAttributePath, parsePatchPath } from '../filter/parse.ts'
import { isObject, type JsonObject, type JsonValue } from '../resource.ts'
import type { Attribute } from '../schema/attribute.ts'
import type { AttributeRef, ExtensionAttributes, ResourceType } from '../schema/resource-type.ts'
import { unknownAttribute } from '../schema/validate.ts'
import { subAttributesOf, type ValueRules } from '../schema/values.ts'

/** What a PATCH operation is about: an attribute, perhaps some of its values, perhaps one sub-attribute. */
export interface Target {
  readonly ref: AttributeRef
  /** Chooses values of a multi-valued attribute; `written` is the same filter as sent, which keeps the spelling of values. */
  readonly filter: { readonly bound: BoundFilter; readonly written: Filter } | undefined
  /** The path in the client's words, for messages. */
  readonly text: string
}

/**
 * Finds what a PATCH path names. Undefined for an unknown attribute under rules that ignore it.
 *
 * @throws {ScimError} invalidPath for an unknown attribute and for brackets on a single-valued one, invalidFilter for what is
 *   wrong between brackets (PAT-08)
 */
export function resolveTarget(
  type: ResourceType,
  path: PatchPath,
  text: string,
  rules: ValueRules,
): Target | undefined {
  const whole = resolveAttribute(type, path.attribute)
  const sub =
    path.sub === undefined ? whole?.sub : whole && subAttributesOf(whole.attribute).get(path.sub.toLowerCase())
  if (whole === undefined || (path.sub !== undefined && sub === undefined)) {
    if (rules.unknownNames === 'ignored' && !namesPrototype(path)) return undefined
    const detail = `"${text}" names no attribute of ${type.name}`
    throw rules.deviations.has('unknown-names-are-invalid-syntax')
      ? ScimError.invalidSyntax('patch-path-unknown', detail)
      : ScimError.invalidPath('patch-path-unknown', detail)
  }
  const ref: AttributeRef = { ...whole, sub }
  if (path.filter === undefined) return { ref, filter: undefined, text }
  if (!whole.attribute.multiValued) {
    throw ScimError.invalidPath(
      'patch-path-malformed',
      `"${text}" has brackets, but ${whole.attribute.name} has a single value`,
    )
  }
  if (sub === undefined && rules.deviations.has('filter-needs-sub-attribute')) {
    throw ScimError.invalidPath('patch-path-missing', `"${text}" must name a sub-attribute after the brackets`)
  }
  const bound = resolvePatchFilter(path.filter, { ...whole, sub: undefined }, rules.deviations)
  return { ref, filter: { bound, written: path.filter }, text }
}

/** Names that every JavaScript object inherits are refused even where unknown names are ignored: they are never a mistake. */
const namesPrototype = ({ attribute, sub }: PatchPath): boolean =>
  [attribute.name, attribute.sub, sub].some((name) => name !== undefined && Object.hasOwn(Object.prototype, name))

/** The targets that an extension's URN alone stands for, each with its part of `value`. */
export function targetsInExtension(
  type: ResourceType,
  extension: ExtensionAttributes,
  value: JsonValue,
  rules: ValueRules,
): readonly [Target, JsonValue][] {
  if (value === null) {
    return Array.from(extension.attributes.values(), (attribute): [Target, JsonValue] => [
      {
        ref: { extension: extension.urn, attribute, sub: undefined },
        filter: undefined,
        text: `${extension.urn}:${attribute.name}`,
      },
      null,
    ])
  }
  if (!isObject(value)) throw ScimError.invalidValue('wrong-type', `${extension.urn} must be an object`)
  return Object.keys(value).flatMap((name) => {
    const target = targetOfKey(type, `${extension.urn}:${name}`, rules)
    return target === undefined ? [] : [[target, value[name] ?? null]]
  })
}

/**
 * The targets that the members of a value object name (PAT-21, PAT-31): attributes, extensions, qualified names, and under
 * 'dotted-keys' paths. Unknown names are left out under rules that ignore them.
 *
 * @throws {ScimError} invalidSyntax for an unknown name
 */
export function targetsIn(type: ResourceType, value: JsonObject, rules: ValueRules): readonly [Target, JsonValue][] {
  return Object.keys(value).flatMap((name): readonly [Target, JsonValue][] => {
    const part = value[name] ?? null
    const extension = type.extensionsByUrn.get(name.toLowerCase())
    if (extension !== undefined) return targetsInExtension(type, extension, part, rules)
    const target = targetOfKey(type, name, rules)
    return target === undefined ? [] : [[target, part]]
  })
}

/** True when `key` of a value object names `attribute`, a part of it or some of its values. */
export function keyNames(type: ResourceType, key: string, attribute: Attribute): boolean {
  const bracket = key.indexOf('[')
  const path = parseAttributePath(bracket === -1 ? key : key.slice(0, bracket))
  return path !== undefined && resolveAttribute(type, { ...path, sub: undefined })?.attribute === attribute
}

/**
 * The target that one key of a value object names; undefined for an unknown one under rules that ignore it.
 *
 * @throws {ScimError} invalidSyntax for an unknown name
 */
export function targetOfKey(type: ResourceType, key: string, rules: ValueRules): Target | undefined {
  const takesPaths = rules.deviations.has('dotted-keys')
  const attribute = parseAttributePath(key)
  const path: PatchPath | undefined =
    attribute === undefined && takesPaths && key.includes('[')
      ? parsePatchPath(key, rules.deviations)
      : attribute && { attribute, filter: undefined, sub: undefined }
  const isKnown =
    path !== undefined &&
    (takesPaths || path.attribute.sub === undefined) &&
    resolveAttribute(type, path.attribute) !== undefined
  if (isKnown) return resolveTarget(type, path, key, rules)
  if (rules.unknownNames === 'refused') throw unknownAttribute(key)
  return undefined
}

/** The extension that `path` names as a whole, which is no attribute. */
export const resolveWholeExtension = (type: ResourceType, path: PatchPath): ExtensionAttributes | undefined =>
  path.filter === undefined && path.sub === undefined && resolveAttribute(type, path.attribute) === undefined
    ? resolveExtension(type, path.attribute)
    : undefined
