import type { TenantContext } from '../context/tenant.ts'
import { mayRetry, writeError } from '../repositories/sql-errors.ts'
import type { Repositories } from '../repositories/tenant-scope.ts'
import type { MembershipStep } from '../scim/patch/members.ts'
import type { ResourceType } from '../scim/schema/resource-type.ts'
import { missing, staleVersion, unknownMembers } from './refusals.ts'

/**
 * Changes one group's members, step by step, and gives the group's version. One step is one statement; several belong in a
 * transaction.
 *
 * @param expected the version that the group must have; null takes any
 * @throws {ScimError} 404, 412, 400 invalidValue for members that are not in this tenant
 */
export async function changeMembers(
  inside: Repositories,
  tenant: TenantContext,
  steps: readonly MembershipStep[],
  groupId: string,
  expected: number | null,
): Promise<number> {
  const type = tenant.registry.byName.get('Group') as ResourceType
  let version = 0
  for (const step of steps) {
    const { clear, add, remove } = step.kind === 'change' ? step : await fitting(step)
    try {
      const [outcome] = await inside.memberships.change([{ groupId, expectedVersion: expected, clear, add, remove }])
      if (outcome === undefined || outcome.outcome === 'missing') missing(type, groupId)
      if (outcome.outcome === 'version') throw staleVersion()
      if (outcome.outcome === 'unknown-members') throw unknownMembers(outcome.ids)
      version = outcome.version
    } catch (error) {
      throw mayRetry(error) ? error : writeError(error, type, null)
    }
  }
  return version

  /** A value path other than by id is turned into the ids that it selects. */
  async function fitting(step: MembershipStep & { kind: 'removeWhere' }) {
    const endpoints = new Map(tenant.registry.resourceTypes.map((t) => [t.name, t.endpoint]))
    const scope = { type, tenantId: tenant.id, baseUrl: tenant.baseUrl, endpoints }
    const remove = await inside.memberships.matching(groupId, step.filter, scope)
    return { clear: false, add: [], remove }
  }
}
