import { missingPermission } from '../auth/authenticate.ts'
import type { Permission, Principal } from '../auth/principal.ts'
import { ChallengeError } from './errors.ts'

/** Refuses a key that lacks `permission`. @throws {ChallengeError} 403 */
export function needs(principal: Principal, permission: Permission): void {
  const lacking = missingPermission(principal, permission)
  if (lacking !== undefined) throw new ChallengeError(lacking)
}
