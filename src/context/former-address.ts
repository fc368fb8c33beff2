import { foldKey } from '../tenancy/scim-path.ts'
import type { FormerAddress, PlaceNames } from './control-store.ts'

/** The one of a tenant's former addresses that these names mean, by keys or ids, if it has not ended. */
export function formerAddressNamed(
  addresses: readonly FormerAddress[],
  tenantId: string,
  names: { readonly [Part in keyof PlaceNames]?: string | undefined },
): FormerAddress | undefined {
  const [project, environment, tenant] = [names.project, names.environment, names.tenant].map((name = '') =>
    foldKey(name),
  )
  return addresses.find(
    (former) =>
      former.endsAt > Date.now() &&
      (project === foldKey(former.project) || project === former.projectId) &&
      (environment === foldKey(former.environment) || environment === former.environmentId) &&
      (tenant === foldKey(former.tenant) || tenant === tenantId),
  )
}
