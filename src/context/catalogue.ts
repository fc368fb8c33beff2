import type { EnvironmentId, TenantId } from '../place-ids.ts'
import {
  type CatalogueEntry,
  type CatalogueReader,
  entriesInForce,
  type OfferedValues,
  offeredValues,
  type TenantCatalogue,
  tenantCatalogue,
} from '../tenancy/catalogue.ts'
import type { ControlPlane } from './control-plane.ts'
import type { KnownEnvironment, KnownTenant } from './control-store.ts'

/** Reads the entries that a place has published: of an environment where there is no tenant. */
export type ReadEntries = (
  environmentId: EnvironmentId,
  tenantId: TenantId | null,
) => Promise<readonly CatalogueEntry[]>

type Environment = Pick<KnownEnvironment, 'id' | 'kinds'>
type Tenant = Pick<KnownTenant, 'id' | 'kinds'>

/** About what a value takes in memory. */
const VALUE_BYTES = 300

/** The catalogue of a tenant. Its values are kept in memory with the rest of the control plane, and are pushed out with it. */
export function catalogueOf(
  control: ControlPlane,
  environment: Environment,
  tenant: Tenant,
): TenantCatalogue | undefined {
  const read: ReadEntries = (environmentId, tenantId) => control.catalogueEntries(environmentId, tenantId)
  const kept = (id: string, find: () => Promise<OfferedValues>): OfferedValues | Promise<OfferedValues> =>
    control.known(`catalogue ${id}`, find, ({ size }) => ({ dependsOn: [id], bytes: VALUE_BYTES * (1 + size) }))
  return assembled(environment, tenant, read, kept)
}

/** The same, read anew each time: for who must not wait for the control plane. */
export const catalogueFrom = (
  environment: Environment,
  tenant: Tenant,
  read: ReadEntries,
): TenantCatalogue | undefined => assembled(environment, tenant, read, (_, find) => find())

function assembled(
  environment: Environment,
  tenant: Tenant,
  read: ReadEntries,
  kept: (id: string, find: () => Promise<OfferedValues>) => OfferedValues | Promise<OfferedValues>,
): TenantCatalogue | undefined {
  const places = [
    { id: environment.id, kinds: environment.kinds ?? [], tenantId: null },
    { id: tenant.id, kinds: tenant.kinds ?? [], tenantId: tenant.id },
  ].filter(({ kinds }) => kinds.length > 0)
  const reader: CatalogueReader = {
    values() {
      const found = places.map(({ id, kinds, tenantId }) =>
        kept(id, async () => offeredValues(kinds, await read(environment.id, tenantId))),
      )
      return found.some((each) => each instanceof Promise) ? Promise.all(found) : (found as OfferedValues[])
    },
    async entries() {
      const found = new Map(
        await Promise.all(
          places.map(async ({ tenantId }) => [tenantId, await read(environment.id, tenantId)] as const),
        ),
      )
      return entriesInForce(found.get(null) ?? [], found.get(tenant.id) ?? [])
    },
  }
  return tenantCatalogue(environment.kinds, tenant.kinds, reader)
}
