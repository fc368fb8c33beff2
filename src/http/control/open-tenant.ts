import type { Context } from 'hono'
import { catalogueFrom, catalogueOf } from '../../context/catalogue.ts'
import type { ControlPlane } from '../../context/control-plane.ts'
import type { Database } from '../../db/database.ts'
import { domainsOf } from '../../repositories/accounts/domains.ts'
import { cataloguesOf } from '../../repositories/control/catalogues.ts'
import { schemaDefinitionsOf } from '../../repositories/control/schema-definitions.ts'
import { scopeOf } from '../../repositories/scope.ts'
import { forTenant, type Repositories } from '../../repositories/tenant-scope.ts'
import type { Definition } from '../../scim/schema/definitions.ts'
import { baseUrlOf, type OriginPolicy } from '../../tenancy/base-url.ts'
import type { TenantCatalogue } from '../../tenancy/catalogue.ts'
import { effectiveSettings } from '../../tenancy/settings.ts'
import { registryOf, type TenantContext, type TenantPlace, tenantContext } from '../../tenancy/tenant.ts'
import type { AdminRequest } from './env.ts'
import { originOf } from './origin.ts'
import { type PlaceNames, tenantAt } from './places.ts'

/** A tenant as its provisioning clients have it, paused or not. */
export interface OpenTenant {
  readonly tenant: TenantContext
  readonly repositories: Repositories
  /** The same repositories in a transaction. */
  readonly within: (tx: Database) => Repositories
}

/** A request to the admin API, or another that asks as one of them does. */
type OpeningRequest = Pick<Context, 'req' | 'env'> & { readonly var: AdminRequest & { readonly requestId?: string } }

/** Opens the resources of the tenant that a URL names, for the key that asks. @throws {Refusal} 403 or 404 */
export async function openTenant(
  c: OpeningRequest,
  names: PlaceNames,
  control: ControlPlane,
  policy: OriginPolicy,
): Promise<OpenTenant> {
  const { project, environment, tenant } = await tenantAt(c.var, names)
  const settings = effectiveSettings(environment.settings, tenant.settings)
  const ids = { projectId: project.id, environmentId: environment.id, tenantId: tenant.id }
  const place = { ...ids, key: tenant.key, settings, hasAccounts: tenant.accountsSince !== null }
  const baseUrl = baseUrlOf(originOf(c, policy), policy, `/scim/v2/${project.key}/${environment.key}/v2/${tenant.key}`)
  const { definitions, catalogue, domains } = await ownOf(c, place, control)
  const registry = registryOf(settings, ...definitions)
  const context = tenantContext({ ...place, domains }, baseUrl, registry, [], catalogue)
  const request = {
    requestId: c.var.requestId ?? '',
    actor: c.var.principal.keyId,
    reader: c.var.database.caller.time ?? c.req.raw,
  }
  const within = (database: Database) => forTenant(database, scopeOf(context, request))
  return { tenant: context, repositories: within(c.var.database), within }
}

/** What the environment and the tenant have of their own. */
interface Own {
  readonly definitions: readonly [
    ofEnvironment: readonly Definition[] | undefined,
    ofTenant: readonly Definition[] | undefined,
  ]
  readonly catalogue: TenantCatalogue | undefined
  /** Verified ones of the tenant. */
  readonly domains: readonly string[] | undefined
}

async function ownOf(
  c: OpeningRequest,
  { projectId, environmentId, tenantId }: TenantPlace,
  control: ControlPlane,
): Promise<Own> {
  const { database } = c.var
  if (database.inTransaction) {
    // What is remembered may have to be confirmed, over a connection that waits for this transaction on the embedded engine.
    const stored = schemaDefinitionsOf(database, environmentId)
    const catalogues = cataloguesOf(database, environmentId)
    const [shared, own] = [await catalogues.kindsAt(null), await catalogues.kindsAt(tenantId)]
    return {
      definitions: [await stored.definitions(null), await stored.definitions(tenantId)],
      catalogue: catalogueFrom({ id: environmentId, kinds: shared }, { id: tenantId, kinds: own }, (_, of) =>
        catalogues.entries(of),
      ),
      domains: await domainsOf(database, environmentId, tenantId).verified(),
    }
  }
  const names = { project: projectId, environment: environmentId, tenant: tenantId }
  const { environment, tenant } = await control.place(names, { kind: 'instance' })
  return {
    definitions: [environment?.definitions, tenant?.definitions],
    catalogue: environment && tenant && catalogueOf(control, environment, tenant),
    domains: tenant?.domains,
  }
}
