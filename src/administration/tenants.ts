import type { EnvironmentPlace } from '../context/principal.ts'
import { DEFAULT_TENANT, isKeyOrId, keyProblem } from '../context/scim-path.ts'
import { changeSettings, type TenantSettings, type TenantSettingsChange } from '../context/settings.ts'
import type { Database } from '../db/database.ts'
import type { EnvironmentId, TenantId } from '../place-ids.ts'
import { environmentsOf } from '../repositories/environments.ts'
import type { Page } from '../repositories/projects.ts'
import { schemaDefinitionsOf } from '../repositories/schema-definitions.ts'
import { type TenantRow, tenantsOf } from '../repositories/tenants.ts'
import { type Administration, change, Refusal } from './control.ts'
import { placeDeed } from './deeds.ts'
import { applyTenantRules } from './role-rules.ts'

/** The tenant of an environment with this key or id. */
export async function findTenant(
  database: Database,
  environmentId: EnvironmentId,
  name: string,
): Promise<TenantRow | undefined> {
  return isKeyOrId(name) ? tenantsOf(database, environmentId).find(name) : undefined
}

/** An environment's tenants in the order of creation. */
export const listTenants = (database: Database, environmentId: EnvironmentId, page: Page): Promise<TenantRow[]> =>
  tenantsOf(database, environmentId).list(page)

/**
 * Makes a tenant.
 *
 * @throws {Refusal} 400 for a key that is none, 409 for one that is taken, be it as an endpoint; 404 when the environment is
 *   gone
 */
export function createTenant(
  administration: Administration,
  { projectId, environmentId }: EnvironmentPlace,
  input: {
    readonly key: string
    readonly name?: string | undefined
    readonly settings?: TenantSettings | undefined
    readonly paused?: boolean | undefined
  },
): Promise<TenantRow> {
  const { key, name, settings, paused } = input
  const problem = keyProblem(key)
  if (problem !== undefined) throw Refusal.badKey(problem)
  return change(administration, async (tx, record) => {
    if ((await environmentsOf(tx, projectId).find(environmentId)) === undefined)
      throw Refusal.notFound('environment', environmentId)
    if (await schemaDefinitionsOf(tx, environmentId).hasEndpoint(key)) throw Refusal.keyIsEndpoint(key)
    const row = { key, name: name ?? key, settings: settings ?? {}, paused: paused ?? false }
    const tenant = await tenantsOf(tx, environmentId).insert(row)
    if (tenant === undefined) throw Refusal.keyTaken('tenant', key)
    record(
      placeDeed({ kind: 'tenant', projectId, environmentId, tenantId: tenant.id }, { before: null, after: tenant }),
    )
    return tenant
  })
}

/**
 * Changes a tenant's name, merges its settings, pauses or resumes it; its key and id never change.
 *
 * @throws {Refusal} 404; 409 for rules by which two groups would be one role
 */
export function changeTenant(
  administration: Administration,
  { projectId, environmentId }: EnvironmentPlace,
  id: TenantId,
  input: {
    readonly name?: string | undefined
    readonly settings?: TenantSettingsChange | undefined
    readonly paused?: boolean | undefined
  },
): Promise<TenantRow> {
  return change(administration, async (tx, record) => {
    const tenants = tenantsOf(tx, environmentId)
    const tenant = await tenants.find(id)
    const changed =
      tenant &&
      (await tenants.change(id, {
        name: input.name ?? tenant.name,
        settings: changeSettings(tenant.settings, input.settings ?? {}),
        paused: input.paused ?? tenant.paused,
      }))
    if (tenant === undefined || changed === undefined) throw Refusal.notFound('tenant', id)
    if (input.settings?.roleRules !== undefined) {
      const environment = await environmentsOf(tx, projectId).find(environmentId)
      const rules = { before: tenant.settings, after: changed.settings }
      await applyTenantRules(tx, administration.author, tenant, environment?.settings ?? {}, rules)
    }
    record(placeDeed({ kind: 'tenant', projectId, environmentId, tenantId: id }, { before: tenant, after: changed }))
    return changed
  })
}

/**
 * Deletes a tenant with everything that is its own: resources, memberships, keys, events (TEN-11). Should that fail half-way,
 * everything is still there and the tenant is paused.
 *
 * @throws {Refusal} 404, 409 for `default`, which every environment has
 */
export async function deleteTenant(
  administration: Administration,
  within: EnvironmentPlace,
  id: TenantId,
): Promise<void> {
  const { projectId, environmentId } = within
  const tenant = await findTenant(administration.database, environmentId, id)
  if (tenant === undefined) throw Refusal.notFound('tenant', id)
  if (tenant.key === DEFAULT_TENANT)
    throw new Refusal(409, 'The tenant "default" cannot be deleted; every environment has one.')
  // Without new requests the deletion need not wait for a gap between them, with all other changes waiting behind it.
  await changeTenant(administration, within, id, { paused: true })
  await change(administration, async (tx, record) => {
    const tenants = tenantsOf(tx, environmentId)
    const before = await tenants.find(id)
    if (before === undefined) throw Refusal.notFound('tenant', id)
    await tenants.delete(id)
    record(placeDeed({ kind: 'tenant', projectId, environmentId, tenantId: id }, { before, after: null }))
  })
}
