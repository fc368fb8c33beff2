import { isDeepStrictEqual } from 'node:util'
import { EVERY_GROUP, type RoleRule, rolesByRules, ruleNames } from '../context/role-rules.ts'
import { type EnvironmentSettings, effectiveSettings, type TenantSettings } from '../context/settings.ts'
import type { Database } from '../db/database.ts'
import type { EnvironmentId, TenantId } from '../place-ids.ts'
import type { Author } from '../repositories/audit.ts'
import { lockRolesWithin, type NewBinding, roleBindingsOf } from '../repositories/role-bindings.ts'
import { heldBy, logMoves, movesBetween } from '../repositories/role-holders.ts'
import { tenantsOf } from '../repositories/tenants.ts'
import { Refusal } from './control.ts'

/** The settings that decide which rules a tenant has, before a change and after it. */
export interface SettingsChange<Settings> {
  readonly before: Settings
  readonly after: Settings
}

/** In the change of an environment's settings: brings the roles of its tenants in step. @throws {Refusal} 409 as below */
export async function applyEnvironmentRules(
  tx: Database,
  author: Author,
  environmentId: EnvironmentId,
  { before, after }: SettingsChange<EnvironmentSettings>,
): Promise<void> {
  const change = { before: effectiveSettings(before).roleRules, after: effectiveSettings(after).roleRules }
  if (isSame(change)) return
  await lockRolesWithin(tx, { environmentId, tenantId: null }, { begin: isBeginning(change) })
  const tenants = tenantsOf(tx, environmentId)
  for (let last: string | undefined; ; ) {
    const page = await tenants.list({ after: last, limit: 200 })
    for (const tenant of page)
      if (tenant.settings.roleRules === undefined) await apply(tx, author, tenant, change.after)
    last = page.at(-1)?.id
    if (last === undefined) return
  }
}

/**
 * In the change of a tenant's settings: has its groups give the roles that the rules say, with the events of what that gives
 * and takes. What a group gives by a rule that stays it goes on to give, whatever it is called by now.
 *
 * @throws {Refusal} 409 where every group is to be a role and the names of two make the same key
 */
export async function applyTenantRules(
  tx: Database,
  author: Author,
  tenant: { readonly id: TenantId; readonly key: string; readonly environmentId: EnvironmentId },
  environment: EnvironmentSettings,
  { before, after }: SettingsChange<TenantSettings>,
): Promise<void> {
  const inForce = (settings: TenantSettings) => effectiveSettings(environment, settings).roleRules
  const change = { before: inForce(before), after: inForce(after) }
  if (isSame(change)) return
  const place = { environmentId: tenant.environmentId, tenantId: tenant.id }
  await lockRolesWithin(tx, place, { begin: isBeginning(change) })
  await apply(tx, author, tenant, change.after)
}

type RulesChange = SettingsChange<readonly RoleRule[]>
const isSame = ({ before, after }: RulesChange): boolean => isDeepStrictEqual(before, after)
const isBeginning = ({ before, after }: RulesChange): boolean => before.length === 0 && after.length > 0

async function apply(
  tx: Database,
  { actor, requestId }: Author,
  { id: tenantId, key }: { readonly id: TenantId; readonly key: string },
  rules: readonly RoleRule[],
): Promise<void> {
  const bindings = roleBindingsOf(tx, tenantId)
  const names = ruleNames(rules)
  const ending = await bindings.beside(names)
  const fresh = rules.length === 0 ? [] : await unboundMatches(tx, tenantId, rules)
  const shared = await bindings.sharedKeys(fresh.filter(({ rule }) => rule === EVERY_GROUP))
  if (shared.length > 0) {
    const pairs = shared.slice(0, 20).map(({ role, group, holder }) => {
      const message = `the groups "${holder}" and "${group.label ?? group.groupId}" would both be the role "${role}"`
      return { path: 'settings.roleRules', message }
    })
    throw new Refusal(409, `In the tenant "${key}" the names of groups make the same role; see errors.`, pairs)
  }
  if (ending.length === 0 && fresh.length === 0) return
  const roleIds = await bindings.roleIds(fresh.map(({ role }) => role))
  const roles = new Set([...ending.map(({ roleId }) => roleId), ...roleIds.values()])
  const below = [...new Set([...ending, ...fresh].map(({ groupId }) => groupId))]
  const before = await heldBy(tx, tenantId, { below }, roles)
  await bindings.unbind(names)
  await bindings.bind(fresh, roleIds)
  const after = await heldBy(tx, tenantId, { users: before.people }, roles)
  const scope = { tenantId, actor, requestId: requestId ?? actor }
  await logMoves(tx, scope, movesBetween(before.holders, after.holders))
}

/** The roles that rules give to groups of a tenant and that they do not give yet. */
async function unboundMatches(tx: Database, tenantId: TenantId, rules: readonly RoleRule[]): Promise<NewBinding[]> {
  const rolesOf = rolesByRules(rules)
  const bindings = roleBindingsOf(tx, tenantId)
  const found: NewBinding[] = []
  for (let after: string | undefined; ; ) {
    const groups = await bindings.groups(after)
    for (const group of groups) {
      const matches = rolesOf(group).filter(({ rule }) => !group.bound.includes(rule))
      found.push(...matches.map((match) => ({ ...match, groupId: group.id, label: group.label })))
    }
    after = groups.at(-1)?.id
    if (after === undefined) return found
  }
}
