import type { Database } from '../db/database.ts'
import type { BesideEvent, LoggedEvent } from '../events/event.ts'
import { attributesOf, mapperFor } from '../mapping/mapped.ts'
import type { TenantId } from '../place-ids.ts'
import { schemaDefinitionsOf } from '../repositories/control/schema-definitions.ts'
import { settingsOf } from '../repositories/control/tenants.ts'
import { type StoredResource, snapshotOf } from '../repositories/resources/snapshot.ts'
import { effectiveSettings } from '../tenancy/settings.ts'
import { registryOf } from '../tenancy/tenant.ts'
import { shown } from './snapshot.ts'

/** Whether something has to be looked up for an event before it is handed out. */
export const needsLookUp = (event: LoggedEvent, snapshot: boolean): boolean =>
  snapshot || (event.maps === true && isOfUser(event))

const isOfUser = ({ resourceType }: LoggedEvent): boolean => resourceType === 'User'

/**
 * Gives for each of a tenant's events what is looked up when the event is read: its version may be newer than the event's, and
 * writes do not pay for it.
 *
 * With `snapshot` it is the resource as it is now: `version`, `active` of a user, and `attributes` without what is never returned.
 * Groups come without their members. `null` stands for a resource that is gone, or for none. Where the tenant has a mapping, events
 * about users have what it makes of the user; those of users who are gone have nothing.
 */
export async function besideEvents(
  db: Database,
  tenantId: TenantId,
  events: readonly LoggedEvent[],
  snapshot: boolean,
): Promise<(event: LoggedEvent) => BesideEvent> {
  const ids = new Set(events.filter((event) => needsLookUp(event, snapshot)).map(({ resourceId }) => resourceId))
  const found = ids.size === 0 ? [] : await snapshotOf(db, tenantId).resourcesById([...ids])
  const texts = await textsOf(db, tenantId, found, snapshot)
  return ({ resourceId }) => texts.get(resourceId) ?? (snapshot ? NOTHING_LEFT : {})
}

const NOTHING_LEFT: BesideEvent = { snapshot: 'null' }

async function textsOf(
  db: Database,
  tenantId: TenantId,
  found: readonly StoredResource[],
  snapshot: boolean,
): Promise<Map<string, BesideEvent>> {
  const texts = new Map<string, BesideEvent>()
  const place = found.length === 0 ? undefined : await settingsOf(db, tenantId)
  if (place === undefined) return texts
  const settings = effectiveSettings(place.environment, place.tenant)
  const definitions = schemaDefinitionsOf(db, place.environmentId)
  const registry = registryOf(settings, await definitions.definitions(null), await definitions.definitions(tenantId))
  const users = found.flatMap(({ id, type }) => (type === 'User' ? [id] : []))
  const mapper =
    users.length === 0 ? undefined : await mapperFor(db, { id: tenantId, registry, mapping: settings.mapping }, users)
  for (const resource of found) {
    const { id, type, version, active, document } = resource
    const head = active === null ? { version } : { version, active }
    const attributes = snapshot ? shown(document, type, registry) : '{}'
    texts.set(id, {
      ...(snapshot && { snapshot: `${JSON.stringify(head).slice(0, -1)},"attributes":${attributes}}` }),
      ...(mapper !== undefined &&
        type === 'User' && { mapped: JSON.stringify(mapper(id, attributesOf(resource, registry))) }),
    })
  }
  return texts
}
