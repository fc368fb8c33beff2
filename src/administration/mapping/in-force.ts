import { isDeepStrictEqual } from 'node:util'
import type { Database } from '../../db/database.ts'
import { MAPPING_CHANGED } from '../../events/control-events.ts'
import type { EnvironmentId, ProjectId, TenantId } from '../../place-ids.ts'
import type { Author } from '../../repositories/control/audit.ts'
import { type EnvironmentRow, environmentsOf } from '../../repositories/control/environments.ts'
import { schemaDefinitionsOf } from '../../repositories/control/schema-definitions.ts'
import { type TenantRow, tenantsOf } from '../../repositories/control/tenants.ts'
import { tellInheriting } from '../../repositories/log/tenant-events.ts'
import type { SchemaRegistry } from '../../scim/schema/resource-type.ts'
import { mappingMistakes } from '../../tenancy/mapping/compile.ts'
import type { Mapping } from '../../tenancy/mapping/form.ts'
import { type EnvironmentSettings, effectiveSettings, type TenantSettings } from '../../tenancy/settings.ts'
import { registryOf } from '../../tenancy/tenant.ts'
import { Refusal } from '../refusal.ts'
import type { SettingsChange } from '../role-rules.ts'

/** Whose mapping it is: with a `tenantId` of null, that of all tenants of the environment which have none of their own. */
export interface MappingPlace {
  readonly projectId: ProjectId
  readonly environmentId: EnvironmentId
  readonly tenantId: TenantId | null
}

/** A place with its settings. */
export interface MappedPlace {
  readonly environment: EnvironmentRow
  /** Undefined for the environment itself. */
  readonly tenant: TenantRow | undefined
}

/** The schemas by which a place's users are read. */
export async function registryAt(
  db: Database,
  { environmentId, tenantId }: Pick<MappingPlace, 'environmentId' | 'tenantId'>,
  environment: EnvironmentSettings,
  tenant: TenantSettings = {},
): Promise<SchemaRegistry> {
  const definitions = schemaDefinitionsOf(db, environmentId)
  const shared = await definitions.definitions(null)
  const own = tenantId === null ? [] : await definitions.definitions(tenantId)
  return registryOf(effectiveSettings(environment, tenant), shared, own)
}

/** Refuses a mapping with a path that leads to nothing by these schemas. @throws {Refusal} 400 with each of them */
export function refuseBadMapping(
  registry: SchemaRegistry,
  mapping: Mapping | null | undefined,
  prefix = 'settings.mapping',
): void {
  const users = registry.byName.get('User')
  if (mapping === null || mapping === undefined || users === undefined) return
  const mistakes = mappingMistakes(mapping, users).map(({ path, message }) => ({ path: `${prefix}.${path}`, message }))
  if (mistakes.length > 0) throw new Refusal(400, 'The mapping has paths that lead to nothing; see errors.', mistakes)
}

/**
 * Tells the tenants of an environment that its mapping has changed, as far as they have none of their own. It is part of the change
 * of the settings, which holds the environment's row. A tenant that changes its own is told by `events/control-events`.
 */
export async function tellOfMapping(
  tx: Database,
  author: Author,
  environmentId: EnvironmentId,
  { before, after }: SettingsChange<EnvironmentSettings>,
): Promise<void> {
  const inForce = { before: effectiveSettings(before).mapping, after: effectiveSettings(after).mapping }
  if (!isDeepStrictEqual(inForce.before, inForce.after))
    await tellInheriting(tx, environmentId, 'mapping', author, MAPPING_CHANGED)
}

/** The place, held so that nobody changes what its mapping is. @throws {Refusal} 404 */
export async function heldPlace(
  tx: Database,
  { projectId, environmentId, tenantId }: MappingPlace,
): Promise<MappedPlace> {
  const hold = tenantId === null ? 'no key update' : 'share'
  const environment = await environmentsOf(tx, projectId).find(environmentId, hold)
  if (environment === undefined) throw Refusal.notFound('environment', environmentId)
  if (tenantId === null) return { environment, tenant: undefined }
  const tenant = await tenantsOf(tx, environmentId).find(tenantId, 'no key update')
  if (tenant === undefined) throw Refusal.notFound('tenant', tenantId)
  return { environment, tenant }
}
