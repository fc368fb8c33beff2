import type { WriteResult } from '../repositories/resources/write-result.ts'
import { mayRetry } from '../repositories/sql/constraints.ts'
import { retryOnConflict } from '../repositories/sql/retry-on-conflict.ts'
import type { Repositories } from '../repositories/tenant-scope.ts'
import { sharedRole } from './refusals.ts'

/** A write said `roles-apply`. It is thrown to undo the transaction around it, and the work begins again. */
export class RolesApply extends Error {
  override readonly name = 'RolesApply'
}

/** What a write gave. @throws {RolesApply} and {ScimError} 409 where it did nothing */
export function resultOf<T>(write: WriteResult<T>): T {
  switch (write.outcome) {
    case 'done':
      return write.result
    case 'roles-apply':
      throw new RolesApply()
    case 'shared-role':
      throw sharedRole(write.shared)
  }
}

/**
 * Does the work of a write, which is one statement or one transaction. It repeats work that another writer has undone. Where a
 * statement says `roles-apply`, it begins again with repositories that follow roles.
 *
 * @param again which other errors the work is repeated for
 */
export async function write<T>(
  repositories: Repositories,
  work: (repositories: Repositories) => Promise<T>,
  again: (error: unknown) => boolean = mayRetry,
): Promise<T> {
  const counted = (error: unknown) => {
    const isAgain = again(error)
    if (isAgain) repositories.retried()
    return isAgain
  }
  try {
    return await retryOnConflict(() => work(repositories), counted)
  } catch (error) {
    if (!(error instanceof RolesApply)) throw error
    repositories.retried()
    return retryOnConflict(() => work(repositories.withRoles()), counted)
  }
}
