import type { MembershipChange } from '../repositories/memberships/membership-change.ts'
import type { MembershipOutcome } from '../repositories/memberships/memberships.ts'
import type { Repositories } from '../repositories/tenant-scope.ts'
import type { MembershipStep } from '../scim/patch/members.ts'
import type { ResourceType } from '../scim/schema/resource-type.ts'
import type { TenantContext } from '../tenancy/tenant.ts'
import { missing, staleVersion, unknownMembers, writeError } from './refusals.ts'
import { resultOf } from './writes.ts'

/** A group after a change of its members. `small` says that the whole group can be shown at little cost. */
export interface ChangedGroup {
  readonly version: number
  readonly small: boolean
}

/**
 * Changes one group's members, step by step. One step is one statement; several belong in a transaction.
 *
 * @param expected the version that the group must have; null takes any
 * @param counted whether the same transaction has given the group a new version already, of which this is a part
 * @throws {ScimError} 404, 412, 400 invalidValue for members that are not in this tenant, 409 for a role of another group
 * @throws {RolesApply} see `write`
 */
export async function changeMembers(
  inside: Repositories,
  tenant: TenantContext,
  steps: readonly MembershipStep[],
  groupId: string,
  expected: number | null,
  counted = false,
): Promise<ChangedGroup> {
  const type = tenant.registry.byName.get('Group') as ResourceType
  let group: ChangedGroup = { version: 0, small: false }
  for (const step of steps) {
    const change = step.kind === 'change' ? step : await fitting(step)
    const written = await inside.memberships
      .change([{ ...change, groupId, expectedVersion: expected, counted }])
      .catch((error: unknown): never => {
        throw writeError(error, type, null)
      })
    group = settledChange(resultOf(written)[0], type, groupId)
  }
  return group

  /** Turns a value path that selects members other than by id into their ids. */
  async function fitting(
    step: MembershipStep & { kind: 'removeWhere' },
  ): Promise<Omit<MembershipChange, 'groupId' | 'expectedVersion'>> {
    const remove = await inside.memberships.matching(groupId, type, step.filter, tenant.registry.endpoints)
    return { clear: false, add: [], remove }
  }
}

/** @throws {ScimError} for any outcome but `done` */
export function settledChange(
  outcome: MembershipOutcome | undefined,
  type: ResourceType,
  groupId: string,
): ChangedGroup {
  switch (outcome?.outcome) {
    case 'done':
      return outcome
    case 'version':
      throw staleVersion()
    case 'unknown-members':
      throw unknownMembers(outcome.ids)
    default:
      return missing(type, groupId)
  }
}
