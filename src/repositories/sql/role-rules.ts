import type { RepositoryScope } from '../scope.ts'
import { RolesBegun } from './constraints.ts'

/**
 * Condition that no group of a tenant gives a role: there are no rules, and none of those that have ended are still at work. It
 * stands in the statements that change members without looking for roles, for the moment in which another instance has changed
 * the rules and this one does not know yet.
 */
export const withoutRoleRules = (tenant: string): string => `not exists (
      select 1 from tenants t join environments e on e.id = t.environment_id where t.id = ${tenant} and (
        jsonb_array_length(coalesce(t.settings->'roleRules', e.settings->'roleRules', '[]')) > 0
        or t.ends_roles or e.ends_roles
      )
    )`

/** Refuses a write that has changed nothing, for which `withoutRoleRules` was not true; the same work goes another way next time. */
export function rolesBegun(scope: Pick<RepositoryScope, 'hasRoles'>): never {
  scope.hasRoles = true
  throw new RolesBegun()
}
