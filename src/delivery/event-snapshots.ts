import type { Database } from '../db/database.ts'
import type { LoggedEvent } from '../events/event.ts'
import type { TenantId } from '../place-ids.ts'
import { schemaDefinitionsOf } from '../repositories/control/schema-definitions.ts'
import { settingsOf } from '../repositories/control/tenants.ts'
import { snapshotOf } from '../repositories/resources/snapshot.ts'
import type { SchemaRegistry } from '../scim/schema/resource-type.ts'
import { effectiveSettings } from '../tenancy/settings.ts'
import { registryOf } from '../tenancy/tenant.ts'
import { shown } from './snapshot.ts'

/**
 * Gives for each of a tenant's events its resource as it is now, as JSON text: `version`, `active` of a user, and `attributes`
 * without what is never returned. Groups come without their members. `null` stands for a resource that is gone, or for none.
 *
 * It is looked up when the event is read, so its version may be newer than the event's: writes do not pay for it.
 */
export async function snapshotsFor(
  db: Database,
  tenantId: TenantId,
  events: readonly LoggedEvent[],
): Promise<(event: LoggedEvent) => string> {
  const ids = [...new Set(events.map(({ resourceId }) => resourceId))]
  const found = ids.length === 0 ? [] : await snapshotOf(db, tenantId).resourcesById(ids)
  const registry = found.length === 0 ? undefined : await registryFor(db, tenantId)
  const texts = new Map<string, string>()
  if (registry !== undefined)
    for (const { id, type, version, active, document } of found) {
      const head = active === null ? { version } : { version, active }
      texts.set(id, `${JSON.stringify(head).slice(0, -1)},"attributes":${shown(document, type, registry)}}`)
    }
  return ({ resourceId }) => texts.get(resourceId) ?? 'null'
}

async function registryFor(db: Database, tenantId: TenantId): Promise<SchemaRegistry | undefined> {
  const place = await settingsOf(db, tenantId)
  if (place === undefined) return undefined
  const definitions = schemaDefinitionsOf(db, place.environmentId)
  return registryOf(
    effectiveSettings(place.environment, place.tenant),
    await definitions.definitions(null),
    await definitions.definitions(tenantId),
  )
}
