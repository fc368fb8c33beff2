import type { KeptUser } from '../repositories/resources/kept-users.ts'
import type { Repositories } from '../repositories/tenant-scope.ts'
import { ScimError } from '../scim/errors.ts'
import type { ResourceType } from '../scim/schema/resource-type.ts'
import type { TenantContext } from '../tenancy/tenant.ts'
import type { PreparedCreate } from './prepare.ts'

/** For how many days a deleted resource of this type is kept; undefined where it is removed at once. */
export const keepDays = ({ settings }: TenantContext, type: ResourceType): number | undefined =>
  type.name === 'User' && settings.onDelete === 'deactivate' ? settings.keepDeletedDays : undefined

/**
 * The ids of the kept users that `creates` bring back, by the place of the create in the list. Kept users are found by userName
 * or externalId. Where none are kept, no statement is sent.
 */
export async function keptIds(
  repositories: Repositories,
  tenant: TenantContext,
  creates: readonly Pick<PreparedCreate, 'type' | 'stored'>[],
): Promise<Map<number, string>> {
  const keepable = [...creates.entries()].filter(([, { type }]) => keepDays(tenant, type) !== undefined)
  if (keepable.length === 0) return new Map()
  const found = await repositories.keptUsers.find(keepable.map(([, { stored }]) => stored))
  return new Map(
    keepable.flatMap(([place], i): [number, string][] => {
      const id = found.get(i)
      return id === undefined ? [] : [[place, id]]
    }),
  )
}

/** Removes kept users, which the transaction of `inside` creates again. */
export const takeKept = async (inside: Repositories, ids: readonly string[]): Promise<Map<string, KeptUser>> =>
  ids.length === 0 ? new Map() : inside.keptUsers.take(ids)

/** 409 for a user whom another request has just brought back. */
export const revivedMeanwhile = (): ScimError =>
  ScimError.uniqueness(
    'created-meanwhile',
    'Another request has created this user, who had been deleted, at the same moment.',
  )
