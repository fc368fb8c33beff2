import { sqlState } from '../../db/errors.ts'

/** Which constraint of `resources` and its rows a failed write has broken; undefined when it failed for another reason. */
export function brokenConstraint(error: unknown): 'unique name' | 'unique value' | 'reference' | undefined {
  const state = sqlState(error)
  if (state?.code === '23505') return state.constraint === 'resources_unique_key' ? 'unique name' : 'unique value'
  return state?.code === '23503' ? 'reference' : undefined
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
