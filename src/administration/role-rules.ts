import { isDeepStrictEqual } from 'node:util'
import type { Database } from '../db/database.ts'
import type { EnvironmentId, TenantId } from '../place-ids.ts'
import type { Author } from '../repositories/control/audit.ts'
import { type TenantRow, tenantsOf } from '../repositories/control/tenants.ts'
import type { SharedRole } from '../repositories/resources/write-result.ts'
import { type NewBinding, roleBindingsOf } from '../repositories/roles/role-bindings.ts'
import { beginEnvironmentWork, beginTenantWork, type RulesChanged } from '../repositories/roles/role-rule-work.ts'
import { EVERY_GROUP, type RoleRule, rolesByRules } from '../tenancy/role-rules.ts'
import { type EnvironmentSettings, effectiveSettings, type TenantSettings } from '../tenancy/settings.ts'
import { Refusal } from './refusal.ts'

/** The settings that decide which rules a tenant has, before a change and after it. */
export interface SettingsChange<Settings> {
  readonly before: Settings
  readonly after: Settings
}

const GROUPS_AT_ONCE = 1_000
const TENANTS_AT_ONCE = 200

/**
 * Begins the work that brings the roles of an environment's tenants in step. It is part of the change of the settings, which
 * holds the environment's row; `administration/roles/role-work` does the work afterwards.
 */
export async function beginEnvironmentRules(
  tx: Database,
  author: Author,
  environmentId: EnvironmentId,
  { before, after }: SettingsChange<EnvironmentSettings>,
): Promise<void> {
  const change = { before: effectiveSettings(before).roleRules, after: effectiveSettings(after).roleRules }
  if (!isSame(change)) await beginEnvironmentWork(tx, environmentId, changed(author, change))
}

/**
 * Begins the work that brings a tenant's groups in step with its rules. It is part of the change of the settings, which holds
 * the rows of the tenant and of its environment. A group keeps what it gives by a rule that stays, under any name.
 */
export async function beginTenantRules(
  tx: Database,
  author: Author,
  tenantId: TenantId,
  environment: EnvironmentSettings,
  { before, after }: SettingsChange<TenantSettings>,
): Promise<void> {
  const inForce = (settings: TenantSettings) => effectiveSettings(environment, settings).roleRules
  const change = { before: inForce(before), after: inForce(after) }
  if (!isSame(change)) await beginTenantWork(tx, tenantId, changed(author, change))
}

type RulesChange = SettingsChange<readonly RoleRule[]>
const isSame = ({ before, after }: RulesChange): boolean => isDeepStrictEqual(before, after)
const changed = ({ actor, requestId }: Author, { before, after }: RulesChange): RulesChanged => ({
  ...{ begins: before.length === 0, ends: after.length === 0 },
  ...{ actor, requestId: requestId ?? actor },
})

/**
 * Refuses rules by which every group is a role, in a tenant where the names of two groups make the same role. It locks nothing.
 * Where a second such group comes before the change is committed, the work that follows finds and reports it.
 *
 * @throws {Refusal} 409
 */
export async function refuseSharedNames(
  db: Database,
  tenant: { readonly id: TenantId; readonly key: string },
  rules: readonly RoleRule[] | null | undefined,
): Promise<void> {
  const every = rules?.filter((rule) => 'everyGroup' in rule) ?? []
  if (every.length === 0) return
  const rolesOf = rolesByRules(every)
  const bindings = roleBindingsOf(db, tenant.id)
  const fresh: NewBinding[] = []
  for (let after: string | null = null; ; ) {
    const groups = await bindings.groups(after, GROUPS_AT_ONCE)
    for (const { id: groupId, label, bound, ...named } of groups) {
      if (!bound.includes(EVERY_GROUP)) fresh.push(...rolesOf(named).map((match) => ({ ...match, groupId, label })))
    }
    if (groups.length < GROUPS_AT_ONCE) break
    after = groups.at(-1)?.id ?? null
  }
  const shared = await bindings.sharedRoles(fresh)
  if (shared.length === 0) return
  const pairs = shared.slice(0, 20).map((each) => ({ path: 'settings.roleRules', message: sharedName(each) }))
  throw new Refusal(409, `In the tenant "${tenant.key}" the names of groups make the same role; see errors.`, pairs)
}

/** The same for all tenants of an environment that have no rules of their own. @throws {Refusal} 409 */
export async function refuseSharedNamesWithin(
  db: Database,
  environmentId: EnvironmentId,
  rules: readonly RoleRule[] | null | undefined,
): Promise<void> {
  if (rules?.some((rule) => 'everyGroup' in rule) !== true) return
  for await (const tenant of inheritingTenants(db, environmentId, 'roleRules'))
    await refuseSharedNames(db, tenant, rules)
}

/** The tenants of an environment that have no setting of their own by this name. @param from behind the one with this id */
export async function* inheritingTenants(
  db: Database,
  environmentId: EnvironmentId,
  setting: keyof TenantSettings,
  from?: string,
): AsyncGenerator<TenantRow> {
  const tenants = tenantsOf(db, environmentId)
  for (let after = from; ; ) {
    const page = await tenants.list({ after, limit: TENANTS_AT_ONCE })
    for (const tenant of page) if (tenant.settings[setting] === undefined) yield tenant
    if (page.length < TENANTS_AT_ONCE) return
    after = page.at(-1)?.id
  }
}

/** Two groups that would be one role, in words. */
export const sharedName = ({ role, group, holder }: SharedRole): string =>
  `the groups "${holder}" and "${group.label ?? group.groupId}" would both be the role "${role}"`
