import { changeEvents } from '../events/changes.ts'
import { eventNoun } from '../events/types.ts'
import type { MembershipChange } from '../repositories/memberships/membership-change.ts'
import type { ChangedResource, NewResource } from '../repositories/resources/resource-changes.ts'
import type { ResourceRow } from '../repositories/resources/rows.ts'
import {
  type ResourceKey,
  resourceFrom,
  resourceKeys,
  storedForm,
  uniqueKey,
} from '../repositories/resources/stored-form.ts'
import { applyPatch } from '../scim/patch/apply.ts'
import type { PatchOperation } from '../scim/patch/parse.ts'
import { isObject, type JsonValue, type Resource } from '../scim/resource.ts'
import type { ResourceType } from '../scim/schema/resource-type.ts'
import { validateResource } from '../scim/schema/validate.ts'
import { claimsOf } from '../tenancy/adoption.ts'
import type { TenantContext } from '../tenancy/tenant.ts'
import { writtenRoles } from './catalogue/written-roles.ts'
import { bodyUnderPasswordPolicy, hashPassword, hasPassword, removesPassword } from './password.ts'
import { newReferences, type Reference } from './references.ts'
import { takesSeat } from './seats.ts'

/** Members of a group are rows; no other type has such an attribute. */
export const hasMemberRows = (type: ResourceType): boolean => type.name === 'Group'

/** A resource's `members` as additions to a group: ids, each once, and what the client calls them. */
export function membersOf(resource: Resource): Pick<MembershipChange, 'add' | 'displays'> {
  const displays = new Map<string, string>()
  const ids = new Set<string>()
  for (const element of Array.isArray(resource.members) ? resource.members : []) {
    if (!isObject(element) || typeof element.value !== 'string') continue
    ids.add(element.value)
    if (typeof element.display === 'string' && element.display !== '') displays.set(element.value, element.display)
  }
  return { add: [...ids], ...(displays.size > 0 ? { displays } : {}) }
}

/** A new resource, its first members, and what else it refers to. */
export interface PreparedCreate extends NewResource {
  readonly members: Pick<MembershipChange, 'add' | 'displays'>
  readonly references: readonly Reference[]
}

/** A resource's next state, and the references that the state before did not have. */
export interface PreparedChange extends ChangedResource {
  /** Its `stored.uniqueKey` before the change. */
  readonly uniqueKeyBefore: string | null
  readonly references: readonly Reference[]
}

/**
 * What a create is to store: the body checked against the type's schemas, with our id.
 *
 * @throws {ScimError} 400
 */
export async function prepareCreate(
  tenant: TenantContext,
  type: ResourceType,
  id: string,
  body: JsonValue,
): Promise<PreparedCreate> {
  const allowed = bodyUnderPasswordPolicy(type, body, tenant)
  const whole = validateResource(type, allowed, { kind: 'create' }, tenant.deviations)
  const { password, attributes } = passwordApart(type, whole)
  return {
    id,
    type,
    stored: storedForm(type, attributes, tenant),
    passwordHash: typeof password === 'string' ? await hashPassword(password) : null,
    event: `${eventNoun(type.name)}.created`,
    members: hasMemberRows(type) ? membersOf(attributes) : { add: [] },
    references: newReferences(tenant, type, attributes, undefined),
    roles: await writtenRoles(tenant, type, attributes),
    ...(tenant.hasAccounts &&
      type.name === 'User' && { claims: claimsOf(attributes, tenant.settings.adoption, tenant.domains) }),
  }
}

/** A PUT's next state of `stored`. @throws {ScimError} 400 */
export const replaced = (tenant: TenantContext, type: ResourceType, stored: Resource, body: JsonValue): Resource =>
  validateResource(type, bodyUnderPasswordPolicy(type, body, tenant), { kind: 'replace', stored }, tenant.deviations)

/** A PATCH's next state of `stored`. @throws {ScimError} 400 */
export function patched(
  tenant: TenantContext,
  type: ResourceType,
  stored: Resource,
  operations: readonly PatchOperation[],
): Resource {
  const { resource } = applyPatch(type, stored, operations, tenant.deviations)
  return hasPassword(type) && removesPassword(operations) ? { ...resource, password: null } : resource
}

/**
 * The change that turns `row` into its next state. It is undefined when nothing changes, so that version and time stay (C-10).
 *
 * @param next gives the next state of the stored resource; a `password` in it is a new one, or null to remove it
 */
export async function prepareChange(
  tenant: TenantContext,
  type: ResourceType,
  row: ResourceRow,
  next: (stored: Resource) => Resource,
): Promise<PreparedChange | undefined> {
  const before = resourceFrom(row)
  const { password, attributes: after } = passwordApart(type, next(before))
  const passwordChanges = typeof password === 'string' || (password === null && row.hasPassword)
  const events = changeEvents(type, before, after, passwordChanges)
  if (events.length === 0) return undefined
  const stored = storedForm(type, after, tenant)
  const keysBefore = resourceKeys(type, before)
  return {
    id: row.id,
    type,
    expectedVersion: row.version,
    stored,
    uniqueKeyBefore: uniqueKey(type, before, tenant),
    passwordHash: typeof password === 'string' ? await hashPassword(password) : password === null ? '' : null,
    keysRemoved: without(keysBefore, stored.keys),
    keysAdded: without(stored.keys, keysBefore),
    events,
    activeDelta: activeDelta(takesSeat(type, row), takesSeat(type, stored)),
    references: newReferences(tenant, type, after, before),
    roles: await writtenRoles(tenant, type, after, before),
  }
}

const activeDelta = (before: boolean, after: boolean): -1 | 0 | 1 => (before === after ? 0 : after ? 1 : -1)

function passwordApart(
  type: ResourceType,
  resource: Resource,
): { password: JsonValue | undefined; attributes: Resource } {
  if (!hasPassword(type)) return { password: undefined, attributes: resource }
  const { password, ...attributes } = resource
  return { password, attributes }
}

const without = (keys: readonly ResourceKey[], others: readonly ResourceKey[]): ResourceKey[] =>
  keys.filter((key) => !others.some((other) => other.attribute === key.attribute && other.key === key.key))

/** The unique name of a resource, for the words of a conflict. */
export function uniqueName(type: ResourceType, stored: { readonly document: string }): string | null {
  const attributes = JSON.parse(stored.document) as Resource
  const name = type.name === 'User' ? attributes.userName : attributes.displayName
  return typeof name === 'string' ? name : null
}
