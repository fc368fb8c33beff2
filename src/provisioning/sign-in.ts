import type { JsonText, ResourceRow } from '../repositories/resources/rows.ts'
import type { Repositories } from '../repositories/tenant-scope.ts'
import { fold } from '../scim/comparable.ts'
import type { SchemaRegistry } from '../scim/schema/resource-type.ts'
import type { Settings } from '../tenancy/settings.ts'
import { builtIn, lookUp } from './look-up.ts'

/** Why the directory does not say of a person that all is well. */
export const SIGN_IN_REASONS = ['not_provisioned', 'deactivated', 'ambiguous', 'sync_disabled'] as const

export interface SignIn {
  readonly allowed: boolean
  /** Null for a provisioned, active user. */
  readonly reason: (typeof SIGN_IN_REASONS)[number] | null
  /** The user that was found; undefined where there is none, or more than one. */
  readonly user: ResourceRow<JsonText> | undefined
}

/**
 * Whether a person may sign in, by what the directory knows. `identity` is what single sign-on has asserted.
 *
 * It is compared as text with the tenant's `signInAttribute` and with nothing else, so it never means an id of ours. Two users
 * with the same value are refused as ambiguous. A deactivated user may not sign in, even where people who are not provisioned
 * may; the same holds for a deleted user whom the tenant keeps. Where users are no longer synchronised, all others count as not
 * provisioned.
 */
export async function checkSignIn(
  repositories: Repositories,
  registry: SchemaRegistry,
  settings: Settings,
  identity: string,
): Promise<SignIn> {
  const { allowNotProvisioned, signInAttribute: attribute, userSync } = settings
  const [user, second] = await lookUp(repositories, registry, builtIn(registry, 'User'), {
    equal: { [attribute]: identity },
    limit: 2,
    wanted: { groups: true, members: false },
  })
  if (second !== undefined) return { allowed: false, reason: 'ambiguous', user: undefined }
  const value = attribute === 'externalId' ? identity : fold(identity)
  const shutOut = user ? user.active === false : await repositories.keptUsers.has(attribute, value)
  if (shutOut) return { allowed: false, reason: 'deactivated', user }
  if (!userSync) return { allowed: allowNotProvisioned, reason: 'sync_disabled', user }
  if (user === undefined) return { allowed: allowNotProvisioned, reason: 'not_provisioned', user }
  return { allowed: true, reason: null, user }
}
