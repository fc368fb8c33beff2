import type { Database } from '../db/database.ts'
import type { EnvironmentId, ProjectId } from '../place-ids.ts'
import { deleteApiKeysWithin } from '../repositories/control/api-keys.ts'
import { type EnvironmentRow, environmentsOf } from '../repositories/control/environments.ts'
import { projectsIn } from '../repositories/control/projects.ts'
import { type TenantRow, tenantsOf } from '../repositories/control/tenants.ts'
import { noteHistorySwitch } from '../repositories/history/switching.ts'
import type { Hold } from '../repositories/sql/lists.ts'
import { DEFAULT_TENANT, isKeyOrId, keyProblem } from '../tenancy/scim-path.ts'
import {
  changeSettings,
  type EnvironmentSettings,
  type EnvironmentSettingsChange,
  effectiveSettings,
} from '../tenancy/settings.ts'
import { registryOf } from '../tenancy/tenant.ts'
import { placeRecord } from './audit-records.ts'
import { type Administration, change, type Recorder } from './change.ts'
import { refuseBadMapping, registryAt, tellOfMapping } from './mapping/in-force.ts'
import { Refusal } from './refusal.ts'
import { beginEnvironmentRules, inheritingTenants, refuseSharedNamesWithin } from './role-rules.ts'
import { followRules } from './roles/role-work.ts'
import { environmentState, refuseChanged } from './states/state-tags.ts'
import { changedMeanwhile, nothingIsCreated } from './tenants.ts'

/** What a new environment is made from. */
export interface NewEnvironment {
  readonly key: string
  readonly name?: string | undefined
  readonly settings?: EnvironmentSettings | undefined
  readonly paused?: boolean | undefined
}

/** The environment of a project with this key or id. */
export async function findEnvironment(
  database: Database,
  projectId: ProjectId,
  name: string,
): Promise<EnvironmentRow | undefined> {
  return isKeyOrId(name) ? environmentsOf(database, projectId).find(name) : undefined
}

/**
 * Makes an environment and its tenant `default`.
 *
 * @throws {Refusal} 400 for an invalid key, 409 for a key in use, 404 when the project is gone
 */
export function createEnvironment(
  administration: Administration,
  projectId: ProjectId,
  input: NewEnvironment,
): Promise<EnvironmentRow> {
  return change(administration, async (tx, record) => {
    if ((await projectsIn(tx).find(projectId, 'key share')) === undefined) throw Refusal.notFound('project', projectId)
    return insertEnvironment(tx, record, projectId, input)
  })
}

/** `createEnvironment` inside a change that is under way. */
export async function insertEnvironment(
  tx: Database,
  record: Recorder,
  projectId: ProjectId,
  { key, name, settings, paused }: NewEnvironment,
): Promise<EnvironmentRow> {
  const problem = keyProblem(key)
  if (problem !== undefined) throw Refusal.badKey(problem)
  const row = { key, name: name ?? key, settings: settings ?? {}, paused: paused ?? false }
  const environment = await environmentsOf(tx, projectId).insert(row)
  if (environment === undefined) throw Refusal.keyTaken('environment', key)
  if (settings?.mapping) refuseBadMapping(registryOf(effectiveSettings(settings)), settings.mapping)
  const place = { kind: 'environment' as const, projectId, environmentId: environment.id }
  record(placeRecord(place, { before: null, after: environment }))
  const first = { key: DEFAULT_TENANT, name: DEFAULT_TENANT, settings: {}, paused: false }
  const tenant = await tenantsOf(tx, environment.id).insert(first)
  if (tenant === undefined) throw new Error('a new environment has a tenant already')
  record(placeRecord({ ...place, kind: 'tenant', tenantId: tenant.id }, { before: null, after: tenant }))
  return environment
}

/**
 * Changes an environment's name, merges its settings, pauses or resumes it with its tenants; its key and id never change. Rules
 * for roles are stored at once; groups that exist follow, of many tenants after the answer.
 *
 * @throws {Refusal} 400 for a mapping with paths that lead to nothing; 404; 409 for rules by which two groups of a tenant would be one
 *   role; 412
 */
export async function changeEnvironment(
  administration: Administration,
  projectId: ProjectId,
  id: EnvironmentId,
  input: {
    readonly name?: string | undefined
    readonly settings?: EnvironmentSettingsChange | undefined
    readonly paused?: boolean | undefined
  },
): Promise<EnvironmentRow> {
  const { database } = administration
  const newRules = input.settings?.roleRules
  await refuseSharedNamesWithin(database, id, newRules)
  const changed = await change(administration, async (tx, record) => {
    const environments = environmentsOf(tx, projectId)
    const environment = await environments.find(id, 'no key update')
    if (environment !== undefined) refuseChanged(administration, environmentState(environment))
    const changed =
      environment &&
      (await environments.change(id, {
        name: input.name ?? environment.name,
        settings: changeSettings(environment.settings, input.settings ?? {}),
        paused: input.paused ?? environment.paused,
      }))
    if (environment === undefined || changed === undefined) throw Refusal.notFound('environment', id)
    const settings = { before: environment.settings, after: changed.settings }
    await beginEnvironmentRules(tx, administration.author, id, settings)
    const scope = { environmentId: id, tenantId: null }
    if (input.settings?.mapping) refuseBadMapping(await registryAt(tx, scope, changed.settings), input.settings.mapping)
    await tellOfMapping(tx, administration.author, id, settings)
    if (input.settings?.history !== undefined) await noteHistorySwitch(tx, id)
    record(placeRecord({ kind: 'environment', projectId, environmentId: id }, { before: environment, after: changed }))
    return changed
  })
  if (newRules !== undefined && !database.inTransaction)
    await followRules(database, inheritingTenants(database, id, 'roleRules'))
  return changed
}

/**
 * Deletes an environment with its tenant `default` and its keys.
 *
 * @throws {Refusal} 404, 409 while it has other tenants, or resources in `default`, and where `nothingIsCreated` throws
 */
export async function deleteEnvironment(
  administration: Administration,
  projectId: ProjectId,
  id: EnvironmentId,
): Promise<void> {
  const { database } = administration
  if ((await environmentsOf(database, projectId).find(id)) === undefined) throw Refusal.notFound('environment', id)
  const empty = await emptyTenants(database, id)
  for (const tenant of empty) await nothingIsCreated(database, id, tenant)
  try {
    await change(administration, (tx, record) => deleteEmpty(administration, tx, record, projectId, id))
  } catch (error) {
    for (const tenant of empty) await tenantsOf(database, id).takesResources(tenant.id, true)
    throw error
  }
}

async function deleteEmpty(
  administration: Administration,
  tx: Database,
  record: Recorder,
  projectId: ProjectId,
  id: EnvironmentId,
): Promise<void> {
  const environment = await environmentsOf(tx, projectId).find(id, 'update')
  if (environment === undefined) throw Refusal.notFound('environment', id)
  refuseChanged(administration, environmentState(environment))
  const place = { kind: 'environment' as const, projectId, environmentId: id }
  for (const tenant of await emptyTenants(tx, id, 'update')) {
    if (!(await tenantsOf(tx, id).isBeingDeleted(tenant.id))) throw changedMeanwhile(tenant)
    await tenantsOf(tx, id).delete(tenant.id)
    record(placeRecord({ ...place, kind: 'tenant', tenantId: tenant.id }, { before: tenant, after: null }))
  }
  await deleteApiKeysWithin(tx, place)
  await environmentsOf(tx, projectId).delete(id)
  record(placeRecord(place, { before: environment, after: null }))
}

/** The tenants of an environment that may be deleted with it. @throws {Refusal} 409 where others are there, or resources */
async function emptyTenants(database: Database, id: EnvironmentId, hold?: Hold): Promise<TenantRow[]> {
  const tenants = tenantsOf(database, id)
  const found = await tenants.list({ after: undefined, limit: 2 })
  const other = found.find((tenant) => tenant.key !== DEFAULT_TENANT)
  if (other !== undefined)
    throw new Refusal(409, `The environment still has tenants, such as "${other.key}"; delete them first.`)
  const empty: TenantRow[] = []
  for (const { id: tenantId } of found) {
    const tenant = await tenants.find(tenantId, hold)
    if (tenant === undefined) continue
    if (await tenants.hasResources(tenant.id))
      throw new Refusal(409, `The tenant "${tenant.key}" of the environment still has resources; delete them first.`)
    empty.push(tenant)
  }
  return empty
}
