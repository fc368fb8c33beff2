import { fold } from '../../scim/comparable.ts'
import { type RoleRule, ruleNames } from '../../tenancy/role-rules.ts'
import type { EventColumns } from './append-events.ts'
import { arrayText } from './parameters.ts'

// The parts of a statement that follows roles by itself, for one user who joins or leaves a group or is deleted.

/** Rules as SQL reads them: three lists as array literals, in which each rule has one place. */
export interface RuleTexts {
  readonly ruleNames: string
  /** For `like` on the displayName, folded. Null for a rule about the externalId. */
  readonly rulePatterns: string
  /** Null for a rule about the displayName. */
  readonly ruleExternalIds: string
}

/** The texts of these rules. They are made once for a list, as the rules of a tenant stay the same for many writes. */
export function ruleTexts(rules: readonly RoleRule[]): RuleTexts {
  const known = made.get(rules)
  if (known !== undefined) return known
  const texts = {
    ruleNames: arrayText(ruleNames(rules), 'text'),
    rulePatterns: arrayText(rules.map(patternOf), 'text'),
    ruleExternalIds: arrayText(rules.map(externalIdOf), 'text'),
  }
  made.set(rules, texts)
  return texts
}

const made = new WeakMap<readonly RoleRule[], RuleTexts>()

function patternOf(rule: RoleRule): string | null {
  // Not each name makes a role. The caller looks closer at a group that gives none.
  if ('everyGroup' in rule) return '%'
  const { group } = rule
  if ('externalId' in group) return null
  const literal = (text: string) => fold(text).replaceAll(/[\\%_]/g, '\\$&')
  return 'pattern' in group ? literal(group.pattern).replaceAll('*', '%') : literal(group.displayName)
}

const externalIdOf = (rule: RoleRule): string | null =>
  'group' in rule && 'externalId' in rule.group ? rule.group.externalId : null

/** Condition that a rule matches the group in the row `g`, which gives no role by it yet. The values are those of `RuleTexts`. */
export const unboundSql = (tenant: string, g: string, rules: Readonly<Record<keyof RuleTexts, string>>): string =>
  `exists (
        select 1 from unnest(${rules.ruleNames}::text[], ${rules.rulePatterns}::text[], ${rules.ruleExternalIds}::text[]) as i(rule, pattern, external_id)
        where (${g}.display_key like i.pattern or ${g}.external_id = i.external_id) and not exists (
          select 1 from role_bindings b where b.tenant_id = ${tenant} and b.group_id = ${g}.id and b.rule = i.rule
        )
      )`

/**
 * The part `followed`: one row with the roles that the user has by the membership in one group alone, or all roles of the user
 * where there is no group. It holds the locks that make this true until the commit. `roles` is null where `unless` is true.
 *
 * On Citus `unless` is a part before it: a function that is called beside a look at rows runs on their machine, which asks no other.
 */
export const followedPart = (
  tenant: string,
  user: string,
  group: string,
  { unless, distributed }: { readonly unless: string; readonly distributed: boolean },
): string => {
  const [before, is, from] = distributed
    ? [`unfollowed as materialized (select (${unless}) as so),\n    `, 'u.so', ' from unfollowed u']
    : ['', unless, '']
  return `${before}followed as materialized (
      select case when ${is} then null else roles_by_membership(${tenant}, ${user}, ${group}) end as roles${from}
    )`
}

/**
 * Condition that the statement cannot follow roles. It sees what was committed before it began, and `followed` sees more: a
 * role that is newer than the statement would stay without an event.
 */
export const cannotFollowSql = (tenant: string, f: string): string =>
  `(${f}.roles is null or cardinality(${f}.roles) > (
        select count(*) from roles o where o.tenant_id = ${tenant} and o.id = any(${f}.roles)
      ))`

/** The part `moved_roles`, which gives the roles in `followed` a new version. `where` tells whether the user has moved. */
export const movedRolesPart = (tenant: string, where: string): string =>
  `moved_roles as (
      update roles o set version = o.version + 1
      where o.tenant_id = ${tenant} and o.id = any((select roles from followed)::uuid[]) and ${where}
      returning o.id, o.key, o.version
    )`

/** The events of `moved_roles`. */
export const movedRoleEvents = (
  type: 'role.assigned' | 'role.unassigned',
  user: string,
): Pick<EventColumns, 'type' | 'resourceType' | 'resourceId' | 'version' | 'changes' | 'from'> => ({
  type,
  resourceType: `'Role'`,
  resourceId: 'o.id',
  version: 'o.version',
  changes: `json_build_object('role', o.key, 'users', json_build_array(${user}))::text`,
  from: 'moved_roles o',
})
