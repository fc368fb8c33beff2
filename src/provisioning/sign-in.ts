import type { ResourceRow } from '../repositories/resources/rows.ts'
import type { Repositories } from '../repositories/tenant-scope.ts'
import { fold } from '../scim/comparable.ts'
import type { SchemaRegistry } from '../scim/schema/resource-type.ts'
import type { Settings } from '../tenancy/settings.ts'
import { builtIn, lookUp } from './look-up.ts'

/** What the directory has to say of a person who signs in other than that all is well. */
export const SIGN_IN_REASONS = ['not_provisioned', 'deactivated', 'ambiguous', 'sync_disabled'] as const

export interface SignIn {
  readonly allowed: boolean
  /** Null for a provisioned, active user. */
  readonly reason: (typeof SIGN_IN_REASONS)[number] | null
  /** The one who it is; undefined where there is none, or more than one. */
  readonly user: ResourceRow | undefined
}

/**
 * Whether a person may sign in whom single sign-on has asserted to be `identity`, by what the directory knows.
 *
 * The identity is compared with the tenant's `signInAttribute` and nothing else, as the text that it is: it never means an id
 * of ours, however much it looks like one. Between two candidates nobody chooses. Who was shut out stays out, also where
 * people who are not provisioned may sign in, and also as a deleted user whom the tenant keeps. Where users are no longer
 * synchronised the directory says of nobody else that they should be in: all then count as not provisioned.
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
