import { sqlState } from '../../db/errors.ts'
import { ScimError } from '../../scim/errors.ts'
import type { ResourceType } from '../../scim/schema/resource-type.ts'
import { uniqueAttributes } from '../resources/stored-form.ts'

/**
 * Reads a failed write of a resource: a refusal for the client where a constraint decided, else the error itself. Never the
 * driver's message, which shows values.
 */
export function writeError(error: unknown, type: ResourceType, name: string | null): unknown {
  const state = sqlState(error)
  if (state?.code === '23505') return uniquenessError(type, state.constraint === 'resources_unique_key' ? name : null)
  // A member or group that was there a moment ago has gone: the references hold what the look-up could not.
  if (state?.code === '23503') return ScimError.invalidValue('members: a member was deleted at the same moment.')
  return error
}

/** 409 uniqueness with words for the person who reads the identity provider's log (RFC 7644 §3.12). */
export function uniquenessError(type: ResourceType, name: string | null): ScimError {
  if (name === null) {
    const paths = uniqueAttributes(type).map(({ path }) => path)
    const where = paths.length > 0 ? `: ${paths.join(', ')}` : ''
    return ScimError.uniqueness(`Another ${type.name} has the same value in an attribute that must be unique${where}.`)
  }
  const attribute = type.name === 'User' ? 'userName' : 'displayName'
  return ScimError.uniqueness(
    `A ${type.name} with ${attribute} "${name}" exists already (letter case does not count; deactivated ones do).`,
  )
}

/** True when a unique value of a registered schema is taken; which one, only a look at the keys tells. */
export function isTakenKey(error: unknown): boolean {
  const state = sqlState(error)
  return state?.code === '23505' && state.constraint === 'resource_keys_unique'
}

/** True when a reference was made to what was being deleted: the statement could not see it, and will the next time. */
export const isReferenced = (error: unknown): boolean => sqlState(error)?.code === '23503'

/** Groups give roles here since a moment ago, which this request did not know: nothing was done. */
export class RolesBegun extends Error {
  override readonly name = 'RolesBegun'
}

/** True for a deadlock, a serialization failure and `RolesBegun`: nothing was done, and the same work may go through now. */
export function mayRetry(error: unknown): boolean {
  if (error instanceof RolesBegun) return true
  const code = sqlState(error)?.code
  return code === '40P01' || code === '40001'
}
