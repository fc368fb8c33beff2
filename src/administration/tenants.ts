import type { EnvironmentPlace } from '../auth/principal.ts'
import type { Database } from '../db/database.ts'
import type { EnvironmentId, TenantId } from '../place-ids.ts'
import { environmentsOf } from '../repositories/control/environments.ts'
import { schemaDefinitionsOf } from '../repositories/control/schema-definitions.ts'
import { isFormerAddress } from '../repositories/control/tenant-moves.ts'
import { type TenantRow, tenantsOf } from '../repositories/control/tenants.ts'
import { followHistorySetting } from '../repositories/history/switching.ts'
import { DEFAULT_TENANT, isKeyOrId, keyProblem } from '../tenancy/scim-path.ts'
import { changeSettings, type TenantSettings, type TenantSettingsChange } from '../tenancy/settings.ts'
import { placeRecord } from './audit-records.ts'
import { type Administration, change } from './change.ts'
import { refuseBadMapping, registryAt } from './mapping/in-force.ts'
import { Refusal } from './refusal.ts'
import { beginTenantRules, refuseSharedNames } from './role-rules.ts'
import { followRules } from './roles/role-work.ts'
import { refuseChanged, tenantState } from './states/state-tags.ts'
import { writersEnd } from './writers-end.ts'

/** The tenant of an environment with this key or id. */
export async function findTenant(
  database: Database,
  environmentId: EnvironmentId,
  name: string,
): Promise<TenantRow | undefined> {
  return isKeyOrId(name) ? tenantsOf(database, environmentId).find(name) : undefined
}

/**
 * Makes a tenant.
 *
 * @throws {Refusal} 400 for an invalid key and for a mapping with paths that lead to nothing; 409 for a key in use, also as the endpoint
 *   of a resource type; 404 when the environment is gone
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
    // So that no resource type takes the key for its endpoint meanwhile.
    const environment = await environmentsOf(tx, projectId).find(environmentId, 'share')
    if (environment === undefined) throw Refusal.notFound('environment', environmentId)
    const scope = { environmentId, tenantId: null }
    if (settings?.mapping)
      refuseBadMapping(await registryAt(tx, scope, environment.settings, settings), settings.mapping)
    if (await schemaDefinitionsOf(tx, environmentId).hasEndpoint(key)) throw Refusal.keyIsEndpoint(key)
    if (await isFormerAddress(tx, environmentId, key)) throw Refusal.keyIsFormer(key)
    const row = { key, name: name ?? key, settings: settings ?? {}, paused: paused ?? false }
    const tenant = await tenantsOf(tx, environmentId).insert(row)
    if (tenant === undefined) throw Refusal.keyTaken('tenant', key)
    record(
      placeRecord({ kind: 'tenant', projectId, environmentId, tenantId: tenant.id }, { before: null, after: tenant }),
    )
    return tenant
  })
}

/**
 * Changes a tenant's name, merges its settings, pauses or resumes it. Its id never changes, and its key only by a move. Rules for
 * roles are stored at once; groups that exist follow, in a tenant of some thousands after the answer.
 *
 * @throws {Refusal} 400 for a mapping with paths that lead to nothing; 404; 409 for rules by which two groups would be one role; 412
 */
export async function changeTenant(
  administration: Administration,
  { projectId, environmentId }: EnvironmentPlace,
  id: TenantId,
  input: {
    readonly name?: string | undefined
    readonly settings?: TenantSettingsChange | undefined
    readonly paused?: boolean | undefined
  },
): Promise<TenantRow> {
  const { database, expected } = administration
  const newRules = input.settings?.roleRules
  if (newRules !== undefined) {
    const [tenant, environment] = [
      await findTenant(database, environmentId, id),
      await environmentsOf(database, projectId).find(environmentId),
    ]
    if (tenant !== undefined) await refuseSharedNames(database, tenant, newRules ?? environment?.settings.roleRules)
  }
  const changed = await change(administration, async (tx, record) => {
    const tenants = tenantsOf(tx, environmentId)
    // The environment first: what a tenant inherits stays as it is until the work for it has been noted.
    const mapping = input.settings?.mapping
    const inherits = newRules !== undefined || mapping !== undefined || expected !== undefined
    const environment = inherits ? await environmentsOf(tx, projectId).find(environmentId, 'share') : undefined
    const tenant = await tenants.find(id, 'no key update')
    if (tenant !== undefined && environment !== undefined)
      refuseChanged(administration, tenantState(tenant, environment.settings))
    const changed =
      tenant &&
      (await tenants.change(id, {
        name: input.name ?? tenant.name,
        settings: changeSettings(tenant.settings, input.settings ?? {}),
        paused: input.paused ?? tenant.paused,
      }))
    if (tenant === undefined || changed === undefined) throw Refusal.notFound('tenant', id)
    if (environment !== undefined) {
      const settings = { before: tenant.settings, after: changed.settings }
      await beginTenantRules(tx, administration.author, id, environment.settings, settings)
      const scope = { environmentId, tenantId: id }
      if (mapping) refuseBadMapping(await registryAt(tx, scope, environment.settings, changed.settings), mapping)
    }
    if (input.settings?.history !== undefined) await followHistorySetting(tx, [id])
    record(placeRecord({ kind: 'tenant', projectId, environmentId, tenantId: id }, { before: tenant, after: changed }))
    return changed
  })
  if (newRules !== undefined && !database.inTransaction) await followRules(database, [changed])
  return changed
}

/**
 * Deletes a tenant with everything that is its own: resources, memberships, keys, events (TEN-11). If that fails, everything is
 * still there and the tenant is paused.
 *
 * @throws {Refusal} 404, 412, 409 for `default`, which every environment has, and where `nothingIsCreated` throws
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
  // Without new requests the deletion need not wait for a gap between them.
  await changeTenant(administration, within, id, { paused: true })
  await nothingIsCreated(administration.database, environmentId, tenant)
  await change(administration, async (tx, record) => {
    const tenants = tenantsOf(tx, environmentId)
    const before = await tenants.find(id, 'update')
    if (before === undefined) throw Refusal.notFound('tenant', id)
    if (!(await tenants.isBeingDeleted(id))) throw changedMeanwhile(before)
    await tenants.delete(id)
    record(placeRecord({ kind: 'tenant', projectId, environmentId, tenantId: id }, { before, after: null }))
  })
}

/** Tables with rows that are written without a lock on the tenant's row. */
const CREATED_IN = ['resources', 'request_log', 'request_terms'] as const
/** For so long a deletion waits for statements that were under way when it began. */
const MOST_WAIT_MS = 10_000

/**
 * From here on nothing is created in a tenant, until it is deleted or changed. No create locks the tenant's row, nor does the provisioning
 * log: the statement looks whether the tenant is being deleted. So this tells the statements that begin now, and waits for all others.
 *
 * @throws {Refusal} 409 where one of these takes too long
 */
export async function nothingIsCreated(
  database: Database,
  environmentId: EnvironmentId,
  { id, key }: Pick<TenantRow, 'id' | 'key'>,
): Promise<void> {
  await tenantsOf(database, environmentId).takesResources(id, false)
  const until = performance.now() + MOST_WAIT_MS
  if (await writersEnd(database, CREATED_IN, () => performance.now() < until)) return
  await tenantsOf(database, environmentId).takesResources(id, true)
  throw new Refusal(
    409,
    `The tenant "${key}" is not deleted: another statement has been writing for ${MOST_WAIT_MS / 1000} seconds. Try again.`,
  )
}

/** 409 for a tenant that was changed while its deletion waited. */
export const changedMeanwhile = ({ key }: Pick<TenantRow, 'key'>): Refusal =>
  new Refusal(409, `The tenant "${key}" is not deleted: it was changed at the same moment. Try again.`)
