import type { KeptUser } from '../repositories/resources/kept-users.ts'
import type { StoredForm } from '../repositories/resources/stored-form.ts'
import type { Repositories } from '../repositories/tenant-scope.ts'
import { ScimError } from '../scim/errors.ts'
import type { ResourceType } from '../scim/schema/resource-type.ts'
import { domainOf } from '../tenancy/adoption.ts'
import type { TenantContext } from '../tenancy/tenant.ts'
import { lookUp } from './look-up.ts'
import { type PreparedCreate, uniqueName } from './prepare.ts'
import { isAnotherUser, uniquenessError } from './refusals.ts'

// Users that a create meets: those who were deleted and are kept for a while, and those who are there.

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

/** A create met a user with its `userName`. It is thrown to undo the transaction around it. */
export class NameTaken extends Error {
  override readonly name = 'NameTaken'
}

/** Whether a create whose name a resource has already is taken for a change of that one. */
export const takesExisting = ({ settings }: TenantContext, type: ResourceType): boolean =>
  type.name === 'User' && settings.adoption.existingUser === 'adopt'

/**
 * The id of the user who has the `userName` of a new one and is the same person: both have the same externalId; or one of them has
 * none, and the domain of the userName is one that the tenant has verified.
 *
 * @throws {ScimError} 409 where nothing proves it
 */
export async function samePerson(
  repositories: Repositories,
  { registry, settings, domains }: TenantContext,
  type: ResourceType,
  stored: Pick<StoredForm, 'document' | 'externalId'>,
): Promise<string> {
  const userName = uniqueName(type, stored)
  const wanted = { groups: false, members: false }
  const [there] = await lookUp(repositories, registry, type, { equal: { userName: userName ?? '' }, limit: 1, wanted })
  // Deleted at the same moment.
  if (there === undefined) throw uniquenessError(type, userName)
  const { externalId } = JSON.parse(there.document.toString()) as { externalId?: string }
  const { sameBy } = settings.adoption
  const [one, other] = [stored.externalId || undefined, externalId || undefined]
  const byId = one !== undefined && one === other && sameBy.includes('externalId')
  const isOwn = domains.includes(domainOf(userName ?? '') ?? '')
  const byName = isOwn && sameBy.includes('userName') && (one === undefined || other === undefined || one === other)
  if (!byId && !byName) throw isAnotherUser(userName, there.id)
  return there.id
}
