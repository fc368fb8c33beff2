import { sqlState } from '../../db/errors.ts'

/** Which constraint of `resources` and its rows a failed write has broken; undefined when it failed for another reason. */
export function brokenConstraint(error: unknown): 'unique name' | 'unique value' | 'reference' | 'tenant' | undefined {
  const state = sqlState(error)
  // Only the time may be missing in what our statements write: the tenant is gone, or is being deleted.
  if (state?.code === '23502') return 'tenant'
  if (state?.code === '23505') return state.constraint === 'resources_unique_key' ? 'unique name' : 'unique value'
  return state?.code === '23503' ? 'reference' : undefined
}

/** True when another resource has a unique value of a registered schema. Only a look at the keys tells which value. */
export function isTakenKey(error: unknown): boolean {
  const state = sqlState(error)
  return state?.code === '23505' && state.constraint === 'resource_keys_pk'
}

/** True when a resource was referred to while it was being deleted. The statement did not see that, and the next one will. */
export const isReferenced = (error: unknown): boolean => sqlState(error)?.code === '23503'

/** True for a deadlock and a serialization failure: nothing was done, and the same work may succeed now. */
export function mayRetry(error: unknown): boolean {
  const code = sqlState(error)?.code
  return code === '40P01' || code === '40001'
}
