import type { Repositories } from '../repositories/tenant-scope.ts'
import type { ResourceType } from '../scim/schema/resource-type.ts'
import type { TenantContext } from '../tenancy/tenant.ts'
import { NoSeatLeft } from './refusals.ts'

/** True of an active user. Only a user with `active` false needs no seat (RFC 7643 §4.1.1). */
export const takesSeat = (type: ResourceType, { active }: { readonly active: boolean | null }): boolean =>
  type.name === 'User' && active !== false

/** Whether the tenant has a maximum, so that active users are added under a lock. */
export const hasMaximum = ({ settings }: TenantContext): boolean => settings.maxActiveUsers !== 'unlimited'

/**
 * How many more users may be active. The number holds until the end of the transaction of `inside`. Without a maximum it is
 * Infinity, and no statement is sent.
 */
export async function seatsLeft(inside: Repositories, { settings }: TenantContext): Promise<number> {
  if (settings.maxActiveUsers === 'unlimited') return Number.POSITIVE_INFINITY
  const { active, ranOut } = await inside.counts.lockActiveUsers()
  const left = settings.maxActiveUsers - active
  if (ranOut && left > 0) await inside.counts.seatsAreFree()
  return left
}

/** Makes sure of a seat for one more active user, until the end of the transaction of `inside`. @throws {ScimError} 403 */
export async function takeSeat(inside: Repositories, tenant: TenantContext): Promise<void> {
  const { maxActiveUsers } = tenant.settings
  if (maxActiveUsers !== 'unlimited' && (await seatsLeft(inside, tenant)) < 1) throw new NoSeatLeft(maxActiveUsers)
}

/**
 * Tells the log that seats ran out, where one of `errors` says so. It is called after the transaction that was refused. The log
 * tells it once, however many users are refused, until a user has got a seat again.
 */
export async function tellOfSeats(repositories: Repositories, ...errors: readonly unknown[]): Promise<void> {
  const refusal = errors.find((error) => error instanceof NoSeatLeft)
  if (refusal !== undefined) await repositories.seatsRanOut(refusal.maximum)
}
