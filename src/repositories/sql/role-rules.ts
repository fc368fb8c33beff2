/**
 * Condition that groups may give roles in a tenant: it has rules, or a group still gives a role by a rule that has ended.
 * Another instance may have changed the rules a moment ago, so the statements that change members ask. Where the scope says
 * already that groups give roles, they need not.
 *
 * @param hasRoles what the scope says
 */
export const hasRulesSql = (tenant: string, hasRoles: boolean): string =>
  hasRoles
    ? 'false'
    : `exists (
      select 1 from tenants t join environments e on e.id = t.environment_id where t.id = ${tenant} and (
        jsonb_array_length(coalesce(t.settings->'roleRules', e.settings->'roleRules', '[]')) > 0
        or t.ends_roles or e.ends_roles
      )
    )`
