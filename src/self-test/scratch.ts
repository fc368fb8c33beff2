import { type Administration, change } from '../administration/change.ts'
import { createEnvironment, deleteEnvironment, findEnvironment } from '../administration/environments.ts'
import { createApiKey } from '../administration/keys/api-keys.ts'
import { Refusal } from '../administration/refusal.ts'
import { putDefinition } from '../administration/schema-definitions.ts'
import { createTenant, deleteTenant, findTenant } from '../administration/tenants.ts'
import { CONFIGURED_ADMIN, type Permission } from '../auth/principal.ts'
import type { EnvironmentRow } from '../repositories/control/environments.ts'
import type { ProjectRow } from '../repositories/control/projects.ts'
import { schemaDefinitionsOf } from '../repositories/control/schema-definitions.ts'
import type { TenantRow } from '../repositories/control/tenants.ts'
import { definitionJson, definitionName } from '../scim/schema/definitions.ts'
import type { TenantSettings } from '../tenancy/settings.ts'

/** Where a self-test is made: a tenant with what lies around it. */
export interface SelfTestPlace {
  readonly project: ProjectRow
  readonly environment: EnvironmentRow
  readonly tenant: TenantRow
}

/** A tenant for one self-test, with a key for it. */
export interface Scratch {
  readonly path: string
  readonly key: string
}

const TENANT = 'self-test'
const LIFE_MS = 600_000
/** No self-test takes so long. What is older was left behind by a process that ended. */
const LEFT_BEHIND_MS = 300_000

/** What must not be as in the tenant: it would keep the self-test out, or let others in. */
const INSTEAD = {
  ...{ allowedAddresses: [], requestsPerSecond: 'unlimited', maxActiveUsers: 'unlimited' },
  ...{ externalIssuers: [], logoutIssuers: [] },
  leaverBrake: { mode: 'off', windowMinutes: 60, releaseAfterHours: 24 },
} as const satisfies TenantSettings

/**
 * Runs `work` with a tenant that has the settings and the schemas of the one under test, and removes it afterwards. It is in an
 * environment of its own, so that no webhook, stream or reader is told of its people. There is one at a time for each tenant.
 *
 * @throws {Refusal} 409 while another self-test of the tenant runs
 */
export async function withScratch<T>(
  administration: Administration,
  place: SelfTestPlace,
  permissions: readonly Permission[],
  work: (scratch: Scratch) => Promise<T>,
): Promise<T> {
  const { project } = place
  // Its key is what only one can have, on all instances together.
  const key = `self-test-${place.tenant.id.replaceAll('-', '')}`
  await removeLeftBehind(administration, project, key)
  const secret = await make(administration, place, key, permissions)
  try {
    return await work({ path: `/scim/v2/${project.key}/${key}/v2/${TENANT}`, key: secret })
  } finally {
    // Where other requests keep it busy, the next self-test of the tenant removes it: the result is worth more.
    await remove(administration, project, key).catch((error: unknown) => {
      if (!(error instanceof Refusal)) throw error
    })
  }
}

async function make(
  administration: Administration,
  { project, environment, tenant }: SelfTestPlace,
  key: string,
  permissions: readonly Permission[],
): Promise<string> {
  const definitions = await schemaDefinitionsOf(administration.database, environment.id).all()
  return change(administration, async (database, record) => {
    const inside = { ...administration, database, record }
    const name = `Self-test of ${tenant.name}`.slice(0, 200)
    const settings = { ...environment.settings, createUnknownTenants: false }
    const { id: environmentId } = await createEnvironment(inside, project.id, { key, name, settings })
    const within = { projectId: project.id, environmentId }
    const own = { key: TENANT, name, settings: { ...tenant.settings, ...INSTEAD } }
    const { id: tenantId } = await createTenant(inside, within, own)
    for (const { tenantId: of, definition } of definitions) {
      if (of !== null && of !== tenant.id) continue
      const at = { ...within, tenantId: of === null ? null : tenantId }
      await putDefinition(inside, at, definition.kind, definitionName(definition), definitionJson(definition))
    }
    const expiresAt = new Date(Date.now() + LIFE_MS)
    const scope = { kind: 'tenant' as const, ...within, tenantId }
    return (await createApiKey(inside, scope, { name, permissions, expiresAt }, CONFIGURED_ADMIN)).key
  }).catch((error: unknown) => {
    // Another instance made it a moment ago.
    throw error instanceof Refusal && error.status === 409 ? running() : error
  })
}

async function removeLeftBehind(administration: Administration, project: ProjectRow, key: string): Promise<void> {
  const found = await findEnvironment(administration.database, project.id, key)
  if (found === undefined) return
  if (Date.now() - found.createdAt.getTime() < LEFT_BEHIND_MS) throw running()
  await remove(administration, project, key)
}

async function remove(administration: Administration, { id: projectId }: ProjectRow, key: string): Promise<void> {
  const { database } = administration
  const environment = await findEnvironment(database, projectId, key)
  if (environment === undefined) return
  const tenant = await findTenant(database, environment.id, TENANT)
  if (tenant !== undefined) await deleteTenant(administration, { projectId, environmentId: environment.id }, tenant.id)
  await deleteEnvironment(administration, projectId, environment.id)
}

/** 409 for the second of two self-tests of a tenant. */
export const running = (): Refusal =>
  new Refusal(409, 'A self-test of this tenant is running: wait for its result, or try again in five minutes.')
