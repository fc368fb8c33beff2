import type { Created } from '../repositories/resources/resource-changes.ts'
import { uniqueAttributes } from '../repositories/resources/stored-form.ts'
import type { SharedRole } from '../repositories/resources/write-result.ts'
import { brokenConstraint } from '../repositories/sql/constraints.ts'
import { ScimError } from '../scim/errors.ts'
import type { ResourceType } from '../scim/schema/resource-type.ts'
import type { TenantContext } from '../tenancy/tenant.ts'

/** 404, in the same words for an unknown id, an id of another type, and an id of another tenant (E-07). */
export function missing(type: ResourceType, id: string): never {
  throw ScimError.notFound('resource-not-found', `${type.name} "${id.slice(0, 64)}" was not found.`)
}

/** 404 for an endpoint that the tenant does not have. */
export const unknownEndpoint = (endpoint: string): ScimError =>
  ScimError.notFound('endpoint-unknown', `There is no endpoint "/${endpoint}" here.`)

/** Whether resources of `type` are provisioned in this tenant; registered types always are. */
export function isSynchronised({ settings }: TenantContext, type: ResourceType): boolean {
  if (type.name === 'User') return settings.userSync
  return type.name === 'Group' ? settings.groupSync : true
}

/** Whether reads are answered: where a type is switched off, the tenant may have them find nothing. */
export const isReadable = (tenant: TenantContext, type: ResourceType): boolean =>
  isSynchronised(tenant, type) || tenant.settings.whenSyncIsOff === 'empty'

/** 403 for a type that is switched off, in words for the identity provider's log. */
export function notSynchronised({ settings }: TenantContext, type: ResourceType): ScimError {
  const setting = type.name === 'User' ? 'userSync' : 'groupSync'
  const refused =
    settings.whenSyncIsOff === 'empty' ? 'not written, and reads find nothing' : 'neither read nor written'
  return ScimError.forbidden(
    type.name === 'User' ? 'user-sync-off' : 'group-sync-off',
    `Provisioning of ${type.name}s is switched off for this tenant (${setting}): ${type.endpoint} is ${refused}.`,
  )
}

/** 412 (RFC 7644 §3.14). */
export const staleVersion = (): ScimError =>
  ScimError.preconditionFailed(
    'version-changed',
    'The resource has another version than If-Match names; read it again and repeat the change.',
  )

/** 400 for members that this tenant does not have. Whether another tenant has them makes no difference. */
export const unknownMembers = (ids: readonly string[]): ScimError => {
  const named = ids.slice(0, 5).map((id) => `"${id.slice(0, 64)}"`)
  return ScimError.invalidValue(
    'reference-unknown',
    `members: no user or group of this tenant has the id ${named.join(', ')}.`,
  )
}

/** 403 for one active user too many, in words for the identity provider's log. */
export class NoSeatLeft extends ScimError {
  readonly maximum: number

  constructor(maximum: number) {
    super(
      403,
      undefined,
      'seats-gone',
      `This tenant may have ${maximum} active users (maxActiveUsers) and has no room for another: deactivate or delete some, or have the maximum raised.`,
    )
    this.maximum = maximum
  }
}

/**
 * The refusal of a write of a resource whose constraint the database reports; any other `error` as it is. The client never
 * sees the driver's message, which shows values.
 */
export function writeError(error: unknown, type: ResourceType, name: string | null): unknown {
  switch (brokenConstraint(error)) {
    case 'unique name':
      return uniquenessError(type, name)
    case 'unique value':
      return uniquenessError(type, null)
    case 'reference':
      // The write found the member or group, and another request deleted it at the same moment.
      return ScimError.invalidValue('member-deleted-meanwhile', 'members: a member was deleted at the same moment.')
    case 'tenant':
      return ScimError.forbidden('tenant-being-deleted', 'The tenant is being deleted: nothing is made in it any more.')
    case undefined:
      return error
  }
}

/** 409 uniqueness with words for the person who reads the identity provider's log (RFC 7644 §3.12). */
export function uniquenessError(type: ResourceType, name: string | null): ScimError {
  if (name === null) {
    const paths = uniqueAttributes(type).map(({ path }) => path)
    const where = paths.length > 0 ? `: ${paths.join(', ')}` : ''
    return ScimError.uniqueness(
      'value-not-unique',
      `Another ${type.name} has the same value in an attribute that must be unique${where}.`,
    )
  }
  const attribute = type.name === 'User' ? 'userName' : 'displayName'
  return ScimError.uniqueness(
    'value-not-unique',
    `A ${type.name} with ${attribute} "${name}" exists already (letter case does not count; deactivated ones do). Find that one by its ${attribute} and change it, or use another name.`,
  )
}

/** The refusal of a resource that was not created. @param name its unique name, as `uniquenessError` has it */
export function notCreated(outcome: Created | undefined, type: ResourceType, name: string | null): ScimError {
  if (outcome?.outcome === 'shared-role') return sharedRole(outcome.shared)
  return outcome?.outcome === 'has-account' ? hasAccount(outcome.accounts) : uniquenessError(type, name)
}

/** 409 for a user whom the tenant does not create for the accounts that the application has, in words for the identity provider's log. */
const hasAccount = (accounts: readonly string[]): ScimError => {
  const [named, more] = [accounts.slice(0, 3).map((id) => `"${id.slice(0, 64)}"`), accounts.length - 3]
  return ScimError.uniqueness(
    'user-has-account',
    `The application has an account of this name or address already: ${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}. Verify the domain or give the user the externalId of the account, or have the operator let such users wait for a review (setting "adoption"); then send the user again.`,
  )
}

/** 409 for a user whose name another one has, of whom nothing proves that it is the same person. */
export const isAnotherUser = (name: string | null, id: string): ScimError =>
  ScimError.uniqueness(
    'user-is-another',
    `A User with userName "${name}" exists already with the id ${id}, and it cannot be told that this is the same person: the two have different externalIds, or the domain of the userName is not verified. Match users by userName in the identity provider, or verify the domain.`,
  )

/** 409 for the second of two groups that would give the same role, in words for the identity provider's log. */
export const sharedRole = ({ role, group, holder }: SharedRole): ScimError =>
  ScimError.uniqueness(
    'role-name-taken',
    `Every group is a role here, and the name of the group "${group.label ?? ''}" makes the role "${role}", which the group "${holder}" gives already; give it a name that differs in more than case, spaces and punctuation.`,
  )
