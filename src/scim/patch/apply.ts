import type { Deviations } from '../deviations/index.ts'
import { ScimError } from '../errors.ts'
import { isObject, type JsonValue, member, type Resource } from '../resource.ts'
import type { ResourceType } from '../schema/resource-type.ts'
import { checkId, checkImmutable, checkRequired, checkSchemaUrns, withSchemas } from '../schema/validate.ts'
import { patchRules, sameValue, type ValueRules } from '../schema/values.ts'
import { Effort } from './effort.ts'
import { inOperation, type PatchOperation } from './parse.ts'
import { resolveTarget, resolveWholeExtension, type Target, targetsIn, targetsInExtension } from './target.ts'
import { modifyValue, onlyElement, withMember } from './values.ts'

/** What came of a PATCH. */
export interface Patched {
  readonly resource: Resource
  /** False when every operation was a no-op: the version stays, and there is no event (C-10, PAT-12). */
  readonly changed: boolean
}

/**
 * Applies `operations` in order and gives the next resource (RFC 7644 §3.5.2).
 *
 * `resource` is the stored one with its `id`, and is left untouched, so that a failure half-way changes nothing. The result
 * has `password` when an operation sets it. `splitMembership` removes members first, since they are stored apart.
 *
 * @throws {ScimError} invalidPath, invalidFilter, noTarget, mutability, invalidValue, invalidSyntax, tooMany
 */
export function applyPatch(
  type: ResourceType,
  resource: Resource,
  operations: readonly PatchOperation[],
  deviations: Deviations,
): Patched {
  const context: Context = { type, rules: patchRules(deviations), effort: new Effort() }
  let next = resource
  for (const operation of operations) {
    next = inOperation(operation.index, () => applyOperation(context, next, operation))
  }
  // Kept in one place for the whole message: what counts is where the operations lead.
  checkImmutable(type, resource, next)
  checkRequired(type, next, resource)
  if (sameValue(next, resource)) return { resource, changed: false }
  return { resource: withSchemas(type, next), changed: true }
}

/** What stays the same for all operations of one PATCH. */
interface Context {
  readonly type: ResourceType
  readonly rules: ValueRules
  readonly effort: Effort
}

function applyOperation(context: Context, resource: Resource, operation: PatchOperation): Resource {
  const { type, rules } = context
  const { op, path, pathText } = operation
  if (path === undefined) return applyWithoutPath(context, resource, operation)
  const extension = resolveWholeExtension(type, path)
  if (extension !== undefined) {
    const value = op === 'remove' ? null : (operation.value ?? null)
    return modifyAll(context, resource, op, targetsInExtension(type, extension, value, rules))
  }
  const target = resolveTarget(type, path, pathText, rules)
  if (target === undefined) return resource
  refuseUnwritable(target, operation)
  return modify(context, resource, target, op, operation.value)
}

function applyWithoutPath(context: Context, resource: Resource, { op, value: sent }: PatchOperation): Resource {
  if (op === 'remove') throw ScimError.noTarget('patch-path-missing', 'remove needs a path')
  const value = context.rules.deviations.has('single-value-in-list') ? onlyElement(sent) : sent
  if (value === undefined || !isObject(value))
    throw ScimError.invalidValue('patch-value-missing', `${op} without path needs an object as value`)
  return modifyAll(context, resource, op, targetsIn(context.type, value, context.rules))
}

/** Read-only attributes inside a value object are passed over; only another `id` is refused (PAT-29). */
function modifyAll(
  context: Context,
  resource: Resource,
  op: PatchOperation['op'],
  targets: readonly [Target, JsonValue][],
): Resource {
  let next = resource
  for (const [target, value] of targets) {
    if (target.ref.attribute.name === 'id') checkId(value, resource)
    if (!isReadOnly(target)) next = modify(context, next, target, op, value)
  }
  return next
}

const isReadOnly = ({ ref }: Target): boolean =>
  ref.attribute.mutability === 'readOnly' || ref.sub?.mutability === 'readOnly'

/** @throws {ScimError} mutability for a path to something read-only, and for the removal of something required (PAT-18) */
function refuseUnwritable(target: Target, { op, value }: PatchOperation): void {
  if (isReadOnly(target)) throw ScimError.mutability('attribute-read-only', `"${target.text}" is read-only`)
  const { attribute, sub } = target.ref
  const removesWhole = op === 'remove' && target.filter === undefined && (value === undefined || value === null)
  const isRequired = sub === undefined ? attribute.required && removesWhole : sub.required && op === 'remove'
  if (isRequired)
    throw ScimError.mutability('required-not-removable', `"${target.text}" is required and cannot be removed`)
}

function modify(
  { type, rules, effort }: Context,
  resource: Resource,
  target: Target,
  op: PatchOperation['op'],
  value: JsonValue | undefined,
): Resource {
  const { extension, attribute } = target.ref
  // `schemas` is computed from the data; what a client says about it is checked and passed over.
  if (extension === undefined && attribute.name === 'schemas') {
    checkSchemaUrns(type, value ?? null, rules.deviations)
    return resource
  }
  const part = extension === undefined ? resource : member(resource, extension)
  const holder = isObject(part) ? part : {}
  const current = member(holder, attribute.name)
  const next = modifyValue(current, target, { op, value, where: target.text, rules, effort })
  if (next === current) return resource
  const changed = withMember(holder, attribute.name, next)
  return extension === undefined ? changed : withMember(resource, extension, changed)
}
